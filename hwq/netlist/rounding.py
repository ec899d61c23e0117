"""Rounding, clamps and step functions as circuits; each is the law of `hwq.numeric.fixed` on one signal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hwq.netlist.builder import Builder
from hwq.numeric.fixed import Rounding, round_shift

FEW_STEPS = 3  # thresholds that are compared side by side; more of them are searched


def rounded(b: Builder, x: int, drop: int, rounding: Rounding) -> int:
    """round(x / 2**drop): the floor, and 1 more where the bits below say so."""
    if drop <= 0:
        return b.shifted(x, -drop)
    floor = b.floored(x, drop)
    up = _goes_up(b, x, floor, drop, rounding)
    lo, hi = round_shift(np.asarray([b.lo(x), b.hi(x)], dtype=object), drop, rounding).tolist()
    return b.within(b.add(floor, up), lo, hi)


def _goes_up(b: Builder, x: int, floor: int, drop: int, rounding: Rounding) -> int:
    """Whether the floor is one too low."""
    if rounding is Rounding.FLOOR:
        return b.constant(0)
    negative = b.less(x, b.constant(0))
    if not rounding.nearest:
        inexact = b.any(b.low(x, drop))
        if rounding is Rounding.CEIL:
            return inexact
        return b.both(inexact, negative if rounding is Rounding.TO_ZERO else b.inverted(negative))
    half = b.bit(x, drop - 1)
    beyond = b.any(b.low(x, drop - 1)) if drop > 1 else b.constant(0)
    tie = {
        Rounding.HALF_UP: b.constant(1),
        Rounding.HALF_DOWN: b.constant(0),
        Rounding.HALF_AWAY: b.inverted(negative),
        Rounding.HALF_TO_ZERO: negative,
        Rounding.HALF_EVEN: b.bit(floor, 0),
    }[rounding]
    return b.both(half, b.either(beyond, tie))


def clamped(b: Builder, x: int, lo: int, hi: int) -> int:
    """The nearest number in lo..hi."""
    return b.lesser(b.greater(x, b.constant(lo)), b.constant(hi))


def stepped(b: Builder, x: int, thresholds: Sequence[int], values: Sequence[int]) -> int:
    """values[number of thresholds that x reaches]; thresholds ascend, and may repeat."""
    lo, hi = b.lo(x), b.hi(x)
    bounds: list[int] = []
    levels = [values[sum(1 for t in thresholds if t <= lo)]]
    for k, bound in enumerate(thresholds):
        if lo < bound <= hi:
            if bounds and bounds[-1] == bound:
                levels[-1] = values[k + 1]
            else:
                bounds.append(bound)
                levels.append(values[k + 1])
    place = _searched(b, x, bounds)
    for sign in (1, -1):
        if levels == [levels[0] + sign * k for k in range(len(levels))]:
            return b.add(b.constant(levels[0]), place, sign=sign)
    return b.table(place, levels)


def _searched(b: Builder, x: int, bounds: Sequence[int]) -> int:
    """How many of some ascending bounds within its interval x reaches."""
    if len(bounds) <= FEW_STEPS:
        place = b.constant(0)
        for k, bound in enumerate(bounds):
            place = b.within(b.add(place, b.reaches(x, bound)), 0, k + 1)
        return place
    bits: list[int] = []  # the highest first
    for k in range(len(bounds).bit_length() - 1, -1, -1):
        found = b.join(bits[::-1]) if bits else b.constant(0)
        tried = [(prefix << (k + 1)) + (1 << k) for prefix in range(1 << len(bits))]
        words = [bounds[t - 1] if t <= len(bounds) else b.hi(x) + 1 for t in tried]
        bound = b.table(found, words[b.lo(found) : b.hi(found) + 1])
        bits.append(b.inverted(b.less(x, bound)))
    return b.within(b.join(bits[::-1]), 0, len(bounds))
