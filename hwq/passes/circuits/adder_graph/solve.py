"""solved: a matrix of weights as a graph of adders; of several forms that are tried, the one with the fewest bits."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np

from hwq.numeric.fixed import INT64_SAFE, Codes
from hwq.ops.parts.adder_graph import CONSTANT, AdderGraph, Operand
from hwq.passes.circuits.adder_graph.builder import Builder
from hwq.passes.circuits.adder_graph.differences import Tree, digit_count, spanning_tree
from hwq.passes.circuits.adder_graph.pairs import Pairs

MANY_DIGITS = 6000  # of a matrix from which on one form is made rather than several
MOST_SHARED = 1 << 15  # patterns that become signals; what is left is counted
LEVELS: tuple[int, ...] = (0, 1, 2, 1 << 20)  # of differences of differences


def solved(matrix: Codes, lo: Codes, hi: Codes, bias: Codes | None = None, depth: int | None = None) -> AdderGraph:
    """x `matrix` + bias, (K, N) and (N,), of inputs in lo..hi (K,) as adders, proved.

    `depth`: adders on the longest way, where that many can do; else as few more as it takes.
    """
    matrix, lo, hi = np.asarray(matrix), np.asarray(lo), np.asarray(hi)
    bounds = max(1, int(np.abs(lo).max()), int(np.abs(hi).max()))
    most = int(np.abs(matrix).sum(axis=0).max(initial=0)) * bounds * 4
    kind = np.int64 if matrix.dtype != object and most < INT64_SAFE else object
    matrix, lo, hi = matrix.astype(kind), lo.astype(kind), hi.astype(kind)
    starts = [0] * matrix.shape[1] if bias is None else [int(b) for b in bias]
    direct = int(digit_count(matrix).sum())
    trees = [spanning_tree(matrix, levels) for levels in LEVELS]
    if direct > MANY_DIGITS:
        trees = [trees[0] if depth is not None else min((trees[0], trees[-1]), key=lambda t: t.digits)]
    kept: dict[bytes, Tree] = {}
    for tree in trees:
        kept.setdefault(tree.differences.tobytes(), tree)
    graphs = [_with(tree, lo, hi, starts, depth) for tree in kept.values()]
    best = min(graphs, key=lambda g: (0 if depth is None else max(0, g.depth - depth), g.bits, len(g.adders), g.depth))
    best.prove(matrix, bias)
    return best


def _with(tree: Tree, lo: Codes, hi: Codes, starts: Sequence[int], depth: int | None) -> AdderGraph:
    """The graph that makes some outputs of others."""
    builder = Builder(lo, hi)
    slack: list[float] = []
    if depth is not None:
        counts = digit_count(tree.differences).sum(axis=0)
        slack = [
            max(0.0, 2.0 ** max(0, depth - tree.heights[c] - (tree.parents[c] >= 0)) - float(counts[c]))
            for c in range(len(starts))
        ]
    pairs = Pairs(builder, tree.differences, slack)
    unshared = pairs.share(MOST_SHARED)
    sums: dict[int, Operand] = {}  # of columns, without their biases
    outputs: dict[int, Operand] = {}
    for column in tree.order:
        terms = pairs.left(column)
        parent = tree.parents[column]
        if parent >= 0 and parent in sums:
            made = sums[parent]
            terms.append(Operand(made.signal, made.shift, made.negative != (tree.signs[column] < 0)))
        if not terms:
            outputs[column] = Operand(CONSTANT)
            continue
        read = tree.heights[column] > 0
        start = starts[column]
        if read or not start or len(terms) == 1:
            sums[column] = total(builder, terms, positive=not read and not start)
            outputs[column] = builder.plus(sums[column], start)
        else:  # the bias is one more term, beside the narrowest
            terms.sort(key=lambda t: (builder.depths[t.signal], builder.widths[t.signal] + t.shift, t.signal, t.shift))
            terms[0] = builder.plus(terms[0], start)
            outputs[column] = builder.plus(total(builder, terms, positive=True), 0)
    ordered = tuple(outputs[c] for c in range(len(starts)))
    return AdderGraph(lo, hi, tuple(builder.adders), ordered, unshared)


def total(builder: Builder, terms: Sequence[Operand], *, positive: bool) -> Operand:
    """The sum of terms by a balanced tree: always the two shallowest, of those the lowest."""
    heap = [(builder.depths[t.signal], t.shift, builder.widths[t.signal], n, t) for n, t in enumerate(terms)]
    heapq.heapify(heap)
    count = len(heap)
    while len(heap) > 1:
        a, b = heapq.heappop(heap)[-1], heapq.heappop(heap)[-1]
        made = builder.join(a, b, positive=positive and not heap)
        heapq.heappush(heap, (builder.depths[made.signal], made.shift, builder.widths[made.signal], count, made))
        count += 1
    return heap[0][-1]
