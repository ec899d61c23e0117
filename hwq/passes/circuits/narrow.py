"""narrow: factors of an `Add` that feeds only a quantizer become as narrow as all reachable pairs of codes allow.

`clip(round(scale (l a + r b) + offset))` is replaced by `clip((l' a + r' b + c) >> n)` for the least n at which both
agree on every pair: few bits decide, because the operands have few. The proof is the comparison of all pairs.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import product

import numpy as np

from hwq.ir.hardware import Edge, Graph, Node, Proof
from hwq.numeric.fixed import INT64_SAFE, Codes, Rounding
from hwq.numeric.rational import scalar
from hwq.numeric.step_functions import Rounded
from hwq.ops import Add
from hwq.ops.exact.requant import Requant
from hwq.ops.parts.binary import is_shift

MAX_PAIRS = 1 << 20  # pairs of codes compared for each trial
MAX_DROP = 32  # fraction bits tried


def narrow(graph: Graph) -> Graph:
    """The graph with every provable `Add` + `Requant` pair in its narrowest form."""
    uses = graph.uses()
    makers = {n.outputs[0]: n for n in graph.nodes}
    changed: dict[tuple[str, ...], Node] = {}
    for node in graph.nodes:
        maker = makers.get(node.inputs[0])
        if maker is None or not isinstance(maker.op, Add) or not isinstance(node.op, Requant):
            continue
        if uses[node.inputs[0]] != 1:
            continue
        a, b = graph.ins(maker)
        found = narrowest(maker.op, node.op, a, b)
        if found is not None:
            proof = Proof("pairs", (a.hi - a.lo + 1) * (b.hi - b.lo + 1))
            changed[maker.outputs] = replace(maker, op=found[0], proof=proof)
            changed[node.outputs] = replace(node, op=found[1])
    return graph.map_nodes(lambda n: changed.get(n.outputs, n)) if changed else graph


def narrowest(add: Add, requant: Requant, a: Edge, b: Edge) -> tuple[Add, Requant] | None:
    """The pair with the fewest fraction bits that has the same code for every pair of operands, if one is found."""
    step = requant.step
    if not isinstance(step, Rounded) or step.channels != 1 or add.left.size != 1 or is_shift_only(add):
        return None
    if (a.hi - a.lo + 1) * (b.hi - b.lo + 1) > MAX_PAIRS:
        return None
    left, right = int(add.left[0]), int(add.right[0])
    if max(abs(left), abs(right)).bit_length() + 24 > INT64_SAFE.bit_length():
        return None
    (sums,) = add.infer((a, b))
    grid_a, grid_b = (np.arange(e.lo, e.hi + 1, dtype=np.int64) for e in (a, b))
    pairs = Pairs(grid_a, grid_b, _codes(step, left * grid_a[:, None] + right * grid_b[None, :], sums))
    scale = Fraction(step.a[0])
    for drop in range(MAX_DROP):
        size = Fraction(1 << drop) * scale
        if abs(size) >= 1:
            return None  # the exact factors are no wider
        trials = product(*({(size * v).__floor__(), (size * v).__ceil__()} for v in (left, right)))
        for first, second in sorted(trials, key=lambda t: abs(t[0]) + abs(t[1])):
            offset = pairs.offset(first, second, drop)
            if offset is not None:
                return _rewritten(add, requant, (first, second, offset, drop), pairs)
    return None


def is_shift_only(add: Add) -> bool:
    """Whether no multiplier would be built anyway."""
    return is_shift(add.left) and is_shift(add.right)


def _codes(step: Rounded, sums: Codes, edge: Edge) -> Codes:
    """The quantizer's code of every sum."""
    rows = step.integer_rows(edge.lo, edge.hi)
    return np.asarray(rows.base[0] + rows.sign[0] * np.searchsorted(rows.bounds[0], sums, side="right"))


class Pairs:
    """All pairs of codes, in the order of the code they lead to."""

    def __init__(self, a: Codes, b: Codes, codes: Codes) -> None:
        flat = codes.reshape(-1)
        order = np.argsort(flat, kind="stable")
        self.a, self.b = a[order // b.size], b[order % b.size]
        self.levels, self.starts = np.unique(flat[order], return_index=True)

    def offset(self, left: int, right: int, drop: int) -> int | None:
        """A c so that `(left a + right b + c) >> drop`, clamped, is the code of every pair, or None."""
        sums = left * self.a + right * self.b
        least, most = np.minimum.reduceat(sums, self.starts), np.maximum.reduceat(sums, self.starts)
        if self.levels.size == 1:
            return 0
        # From one level to the next, however many codes apart: sums up to `most` stay below, from `least` on they pass.
        lowest = int(((self.levels[1:] << drop) - least[1:]).max())
        highest = int((((self.levels[:-1] + 1) << drop) - 1 - most[:-1]).min())
        return lowest if lowest <= highest else None


def _rewritten(add: Add, requant: Requant, constants: tuple[int, int, int, int], pairs: Pairs) -> tuple[Add, Requant]:
    left, right, offset, drop = constants
    whole = np.asarray([int(pairs.levels[0])], dtype=object), np.asarray([int(pairs.levels[-1])], dtype=object)
    step = Rounded(scalar(Fraction(1, 1 << drop)), scalar(Fraction(offset, 1 << drop)), Rounding.FLOOR, *whole)
    factors = np.asarray([left], dtype=np.int64), np.asarray([right], dtype=np.int64)
    return replace(add, left=factors[0], right=factors[1], frac=requant.type.frac + drop), replace(requant, step=step)
