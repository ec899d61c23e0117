"""requantizer: the narrowest `(x m + r) >> n` with the same code as an exact step function at both sides of every step.

Let T_j be the least x whose code is j steps beyond the first. With v_j = (j << n) - (T_j - T_0) |m|, some r serves all
steps exactly when max v - min v < |m|; then the r that serve are an interval. The least n for which an m exists is
found per channel among the two m around the real scale: the v are convex in m, and the real scale itself serves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from hwq.ir.hardware import Edge
from hwq.numeric.fixed import INT64_SAFE, Codes, code_dtype
from hwq.numeric.float32_steps import Float32Steps
from hwq.numeric.step_functions import Rounded, Rows
from hwq.ops import MultiplyShift
from hwq.ops.exact.requant import Requant

MAX_DROP = 62  # bits
MAX_MULT_BITS = 48
BLOCK = 256  # levels of which only the two that matter most are looked at while searching


def multiply_shift(requant: Requant, rows: Rows, x: Edge) -> MultiplyShift | None:
    """The circuit for all channels, proved by construction; None where no common one is found."""
    if max(abs(x.lo), abs(x.hi)) >= INT64_SAFE >> 2 or rows.bounds.dtype == object:
        return None
    count = rows.bounds.shape[0]
    reached = [int(np.searchsorted(row, x.hi, side="right")) for row in rows.bounds]
    last = [int(b + s * k) for b, s, k in zip(rows.base, rows.sign, reached, strict=True)]
    lo = min(min(int(b), e) for b, e in zip(rows.base, last, strict=True))
    hi = max(max(int(b), e) for b, e in zip(rows.base, last, strict=True))
    slopes = _slopes(requant, rows, reached)
    lines = [
        _line(rows.bounds[c, : reached[c]], int(rows.base[c]), int(rows.sign[c]), slopes[c], (lo, hi), (x.lo, x.hi))
        for c in range(count)
    ]
    found: list[tuple[int, int]] = []
    for line in lines:
        least = line.least()
        if least is None:
            return None
        found.append(least)
    drop = max(n for n, _ in found)
    pairs = [line.at(drop, n, m) for line, (n, m) in zip(lines, found, strict=True)]
    constants = [p for p in pairs if p is not None]
    if len(constants) < count:
        return None
    mult, add = (_integers(list(column)) for column in zip(*constants, strict=True))
    return MultiplyShift(mult, add, drop, lo, hi, requant.type, requant.channels)


def _integers(values: list[int]) -> Codes:
    return np.asarray(values, dtype=code_dtype(min(values), max(values)))


def _slopes(requant: Requant, rows: Rows, reached: list[int]) -> list[Fraction]:
    """The real scale's magnitude per channel, or what the steps themselves say of it."""
    if isinstance(requant.step, Rounded):
        return [abs(Fraction(a)) for a in requant.step.a]
    if isinstance(requant.step, Float32Steps):
        return requant.step.slopes()
    slopes = []
    for row, k in zip(rows.bounds, reached, strict=True):
        run = int(row[k - 1] - row[0]) if k > 1 else 0
        slopes.append(Fraction(k - 1, run) if run else Fraction(1))
    return slopes


def _line(bounds: Codes, base: int, sign: int, slope: Fraction, clamp: tuple[int, int], ends: tuple[int, int]) -> _Line:
    run, wild = bounds - bounds[:1], 1
    if bounds.size > 2:
        middle = np.arange(bounds.size) * (float(run[-1]) / (bounds.size - 1))
        wild = int(16 * np.abs(run - middle).max() * ((bounds.size - 1) / max(1.0, float(run[-1])))) + 2
    return _Line(run, int(bounds[0]) if bounds.size else 0, wild, base, sign, slope, clamp, ends)


@dataclass(frozen=True, eq=False)
class _Line:
    """One channel: `code = base + sign * #{j: x >= bounds[j]}`, to be met by a line of slope `sign * m / 2**n`."""

    run: Codes  # the reached steps' distances from the first, ascending
    first: int  # the first step
    wild: int  # sixteenths of a code that steps may stray from a line: little over one code, where a scale made them
    base: int
    sign: int
    slope: Fraction
    clamp: tuple[int, int]
    ends: tuple[int, int]  # of x

    def least(self) -> tuple[int, int] | None:
        """(n, m) with the least n."""
        if not self.run.size:
            return 0, 0
        few = self._telling()
        for n, m in self._trials():
            if self._interval(n, m, few) is not None and self._interval(n, m, None) is not None:
                return n, m
        return None

    def _trials(self) -> Iterator[tuple[int, int]]:
        """Factors around the real scale, for every n from the first that gives one on."""
        slope = self.slope
        start = max(0, slope.denominator.bit_length() - slope.numerator.bit_length() - 1) if slope else 0
        for n in range(start, MAX_DROP + 1):
            low = (slope.numerator << n) // slope.denominator
            if low.bit_length() > MAX_MULT_BITS:
                return
            exact = low * slope.denominator == slope.numerator << n
            for m in (low,) if exact else (low, low + 1):
                if m:
                    yield n, m

    def at(self, drop: int, n: int, m: int) -> tuple[int, int] | None:
        """The signed factor and an offset at `drop` bits, given a factor that serves at n <= drop."""
        if not self.run.size:
            return 0, self.base << drop
        wide = m << (drop - n)
        interval = self._interval(drop, wide, None)
        return None if interval is None else (self.sign * wide, _roundest(*interval))

    def _telling(self) -> Codes | None:
        """Steps that decide nearly always: per block, the two farthest from the real scale's line. None: all."""
        size = self.run.size
        if size <= 4 * BLOCK:
            return None
        away = np.arange(size) - self.run * float(self.slope)
        whole = size // BLOCK * BLOCK
        blocks = away[:whole].reshape(-1, BLOCK)
        first = np.arange(0, whole, BLOCK)
        ends = np.arange(whole, size)
        return np.unique(np.concatenate([first + blocks.argmax(axis=1), first + blocks.argmin(axis=1), [0], ends]))

    def _interval(self, n: int, m: int, some: Codes | None) -> tuple[int, int] | None:
        """The offsets r for which the line has the right code at both sides of every step (of `some`), or None."""
        index, run = (np.arange(self.run.size), self.run) if some is None else (some, self.run[some])
        if abs((int(index[-1]) << n) - int(run[-1]) * m) + (self.wild << n) // 16 + 2 * m >= 1 << 63:
            return None
        v = (index << n) - run * np.int64(m)  # may wrap on the way; the result fits
        least, most = int(v.min()), int(v.max())
        if most - least >= m:
            return None
        return self._placed(n, m, *((most, least) if self.sign > 0 else (-least, -most)))

    def _placed(self, n: int, m: int, greatest: int, smallest: int) -> tuple[int, int] | None:
        """The interval of r, from the extremes of the step conditions and from both ends of the range."""
        rising = self.sign > 0
        origin = self.first if rising else self.first - 1  # the x of the upper code at the first step
        code = self.base + 1 if rising else self.base
        factor = m if rising else -m
        anchor = (code << n) - origin * factor
        low, high = anchor + greatest, anchor + smallest + m - 1
        last = self.base + self.sign * int(self.run.size)
        bottom, top = sorted((self.base, last))
        at_bottom, at_top = self.ends if rising else self.ends[::-1]
        if bottom > self.clamp[0]:
            low = max(low, (bottom << n) - at_bottom * factor)
        if top < self.clamp[1]:
            high = min(high, ((top + 1) << n) - 1 - at_top * factor)
        return (low, high) if low <= high else None


def _roundest(low: int, high: int) -> int:
    """The integer of the interval with the most trailing zeros."""
    if low <= 0 <= high:
        return 0
    if high < 0:
        return -_roundest(-high, -low)
    for spare in range(high.bit_length(), -1, -1):
        candidate = (high >> spare) << spare
        if candidate >= low:
            return candidate
    return high
