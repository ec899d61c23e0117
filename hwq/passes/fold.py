"""fold: how many products a layer computes at once, from the reuse factor, within what the HLS tools accept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import isqrt
from typing import Any

from hwq.ir.hardware import Graph, Node
from hwq.ops import Add, Conv, Extremum, Lut, Mul, MultiplyShift, Op, Pool, Scale, Shift, Threshold
from hwq.ops.parts.linear import Products

WORDS_A_LUT = 64  # words of one bit that a lookup table of the fabric holds
MAX_LANES = 4096  # products unrolled side by side; beyond, the tools refuse or crawl (see docs)


def divisors(n: int) -> list[int]:
    """Every divisor of n, ascending."""
    small = [d for d in range(1, isqrt(n) + 1) if n % d == 0]
    return sorted({*small, *(n // d for d in small)})


def legal_folds(n_in: int, n_out: int, group: int = 0) -> list[tuple[int, int]]:
    """Every (output folds, input folds) that the tools accept.

    The outputs of one cycle lie in one group of `group` outputs, or are whole groups.
    """
    least = -(-n_in * n_out // MAX_LANES)
    group = group or n_out
    out_folds = [fo for fo in divisors(n_out) if group % (n_out // fo) == 0 or (n_out // fo) % group == 0]
    return [(fo, fi) for fo in out_folds for fi in divisors(n_in) if fo * fi >= least]


def choose_folds(n_in: int, n_out: int, reuse: int, group: int = 0) -> tuple[int, int]:
    """(output folds, input folds) whose product is nearest to `reuse`, at least what MAX_LANES asks for.

    Outputs are folded first: a sum that is complete every cycle needs no accumulator register.
    """
    wanted = max(1, reuse, -(-n_in * n_out // MAX_LANES))
    return min(legal_folds(n_in, n_out, group), key=lambda f: (abs(f[0] * f[1] - wanted), f[1], f[0]))


def choose_lanes(size: int, cost: int, reuse: int) -> int:
    """Elements a cycle of an elementwise op with `cost` comparators or adders each: a divisor of `size`."""
    most = max(1, MAX_LANES // max(1, cost))
    wanted = min(most, -(-size // max(1, reuse)))
    return max(d for d in divisors(size) if d <= wanted)


def lane_cost(op: Op) -> int:
    """Comparators, adders or lookup tables of one element of an op with lanes."""
    if isinstance(op, Threshold):
        return 1 if op.search else op.levels
    if isinstance(op, Lut):  # every lane reads a ROM of its own
        return op.words.size // WORDS_A_LUT
    return op.window.taps if isinstance(op, Pool) else 1


def lane_axis_size(graph: Graph, node: Node) -> int | None:
    """Elements over which the lanes of an op run; None where it has none to choose."""
    if isinstance(node.op, Pool):
        x = graph.ins(node)[0]
        axis = node.op.lane_axis(x)
        return 1 if axis is None else x.shape[axis]
    if isinstance(node.op, Shift | Threshold | Scale | MultiplyShift | Add | Mul | Extremum | Lut):
        return graph.outs(node)[0].size
    return None


def fold(reuse_of: Callable[[str], int | None]) -> Callable[[Graph], Graph]:
    """The pass for a reuse factor per ONNX node name; None where none is stated.

    A layer of products takes `reuse` (else 1) cycles a position; an op without products as many, or its `allowance`
    where that is more and a reuse of 1 is not stated.
    """

    def run(graph: Graph) -> Graph:
        def fold_products(node: Node) -> Node:
            op = node.op
            if not isinstance(op, Products):
                return node
            group = op.channels[1] if isinstance(op, Conv) else 0
            out_folds, in_folds = choose_folds(op.taps, op.n_out, reuse_of(node.name) or 1, group)
            return with_fields(node, pe=op.n_out // out_folds, simd=op.taps // in_folds)

        folded = graph.map_nodes(fold_products)
        free = allowance(folded)

        def fold_lanes(node: Node) -> Node:
            size = lane_axis_size(folded, node)
            if size is None:
                return node
            reuse = reuse_of(node.name)
            cycles = reuse or 1 if isinstance(node.op, Pool) or reuse == 1 else max(reuse or 1, free)
            return with_fields(node, lanes=choose_lanes(size, lane_cost(node.op), cycles))

        return folded.map_nodes(fold_lanes)

    return run


def allowance(graph: Graph) -> int:
    """Cycles that an op without products may take: thousands of rounders side by side behind a convolution only wait.

    Where layers overlap, as many as the slowest layer of products; else, so many that all such ops together take no
    longer than the products.
    """
    paces = [n.op.cycles(graph.ins(n)) for n in graph.nodes if isinstance(n.op, Products)]
    if graph.overlaps:
        return max(paces, default=1)
    others = [n for n in graph.nodes if not isinstance(n.op, Pool) and lane_axis_size(graph, n) is not None]
    return max(1, sum(paces) // max(1, len(others)))


def with_fields(node: Node, **fields: int) -> Node:
    """The node with other fields of its op."""
    op: Any = node.op
    return replace(node, op=replace(op, **fields))
