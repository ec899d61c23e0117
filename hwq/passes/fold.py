"""fold: how many products a layer computes at once, from the reuse factor, within what the HLS tools accept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import isqrt

from hwq.ir import Graph, Node
from hwq.ops import Add, Conv, Dense, Extremum, Lut, Mul, MultiplyShift, Pool, Scale, Shift, Threshold

WORDS_A_LUT = 64  # words of one bit that a lookup table of the fabric holds
MAX_LANES = 4096  # products unrolled side by side; beyond, the tools refuse or crawl (see docs)


def divisors(n: int) -> list[int]:
    """Every divisor of n, ascending."""
    small = [d for d in range(1, isqrt(n) + 1) if n % d == 0]
    return sorted({*small, *(n // d for d in small)})


def choose_folds(n_in: int, n_out: int, reuse: int, group: int = 0) -> tuple[int, int]:
    """(output folds, input folds) whose product is nearest to `reuse`, at least what MAX_LANES asks for.

    Outputs are folded first: a sum that is complete every cycle needs no accumulator register. The outputs of one
    cycle lie in one group of `group` outputs, or are whole groups.
    """
    least = -(-n_in * n_out // MAX_LANES)
    wanted = max(1, reuse, least)
    group = group or n_out
    out_folds = [fo for fo in divisors(n_out) if group % (n_out // fo) == 0 or (n_out // fo) % group == 0]
    legal = [(fo, fi) for fo in out_folds for fi in divisors(n_in) if fo * fi >= least]
    return min(legal, key=lambda f: (abs(f[0] * f[1] - wanted), f[1], f[0]))


def choose_lanes(size: int, cost: int, reuse: int) -> int:
    """Elements a cycle of an elementwise op with `cost` comparators or adders each: a divisor of `size`."""
    most = max(1, MAX_LANES // max(1, cost))
    wanted = min(most, -(-size // max(1, reuse)))
    return max(d for d in divisors(size) if d <= wanted)


def fold(reuse_of: Callable[[str], int]) -> Callable[[Graph], Graph]:
    """The pass for a reuse factor per ONNX node name."""

    def run(graph: Graph) -> Graph:
        def fold_node(node: Node) -> Node:
            reuse = reuse_of(node.name)
            if isinstance(node.op, Dense):
                out_folds, in_folds = choose_folds(node.op.taps, node.op.n_out, reuse)
                return replace(node, op=replace(node.op, pe=node.op.n_out // out_folds, simd=node.op.taps // in_folds))
            if isinstance(node.op, Conv):
                out_folds, in_folds = choose_folds(node.op.taps, node.op.n_out, reuse, node.op.channels[1])
                return replace(node, op=replace(node.op, pe=node.op.n_out // out_folds, simd=node.op.taps // in_folds))
            if isinstance(node.op, Pool):
                x = graph.ins(node)[0]
                axis = node.op.lane_axis(x)
                lanes = 1 if axis is None else choose_lanes(x.shape[axis], node.op.window.taps, reuse)
                return replace(node, op=replace(node.op, lanes=lanes))
            if isinstance(node.op, Shift | Threshold | Scale | MultiplyShift | Add | Mul | Extremum):
                cost = node.op.levels if isinstance(node.op, Threshold) and not node.op.search else 1
                lanes = choose_lanes(graph.outs(node)[0].size, cost, reuse)
                return replace(node, op=replace(node.op, lanes=lanes))
            if isinstance(node.op, Lut):  # every lane reads a ROM of its own
                lanes = choose_lanes(graph.ins(node)[0].size, node.op.words.size // WORDS_A_LUT, reuse)
                return replace(node, op=replace(node.op, lanes=lanes))
            return node

        return graph.map_nodes(fold_node)

    return run
