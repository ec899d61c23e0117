"""fold: how many products a layer computes at once, from the reuse factor, within what the HLS tools accept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hwq.ir import Graph, Node
from hwq.ops import Dense

MAX_LANES = 4096  # products unrolled side by side; beyond, the tools refuse or crawl (see docs)


def divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]


def choose_folds(n_in: int, n_out: int, reuse: int) -> tuple[int, int]:
    """(output folds, input folds) whose product is nearest to `reuse`, at least what MAX_LANES asks for.

    Outputs are folded first: a sum that is complete every cycle needs no accumulator register.
    """
    least = -(-n_in * n_out // MAX_LANES)
    wanted = max(1, reuse, least)
    legal = [(fo, fi) for fo in divisors(n_out) for fi in divisors(n_in) if fo * fi >= least]
    return min(legal, key=lambda f: (abs(f[0] * f[1] - wanted), f[1], f[0]))


def fold(reuse_of: Callable[[str], int]) -> Callable[[Graph], Graph]:
    """The pass for a reuse factor per ONNX node name."""

    def fold_node(node: Node) -> Node:
        if not isinstance(node.op, Dense):
            return node
        out_folds, in_folds = choose_folds(node.op.n_in, node.op.n_out, reuse_of(node.name))
        return replace(node, op=replace(node.op, pe=node.op.n_out // out_folds, simd=node.op.n_in // in_folds))

    return lambda graph: graph.map_nodes(fold_node)
