"""Monotone step functions with exact step points: what every quantizer is, seen from an integer or from a real input.

`Rounded` is `clip(round(a x + b), lo, hi)`; `Stairs` counts explicit bounds. Both give, for integers in a range, the
rows of a threshold table, and for a host's float64 input the least double of every level. All arithmetic is rational.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from hwq.errors import UnsupportedError
from hwq.numeric.fixed import INT64_SAFE, Codes, Rounding, boundary, code_dtype, round_ratio
from hwq.numeric.rational import Rationals, least_double
from hwq.numeric.step_points import least_integers

MAX_LEVELS = 1 << 20  # levels of one table
POINTS_AT_ONCE = 1 << 21  # step points computed together
Floats = npt.NDArray[np.float64] | npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Rows:
    """`y = base[c] + sign[c] * #{k: x >= bounds[c, k]}`; rows ascend, unused places hold an unreachable bound."""

    bounds: npt.NDArray[Any]
    base: Codes
    sign: Codes


class StepFunction(ABC):
    """A per-channel monotone step function of one real variable."""

    @property
    @abstractmethod
    def channels(self) -> int: ...

    @abstractmethod
    def codes(self, x: Codes) -> Codes:
        """The exact value at integers x of shape (C, n)."""

    @abstractmethod
    def bounds(self, first: Codes, last: Codes) -> list[list[tuple[Fraction, bool]]]:
        """Per channel, the step points passed on the way from code `first[c]` to `last[c]`, ascending in x.

        `(t, closed)` means: the step is taken for `x >= t` (`x > t` if not closed).
        """

    @abstractmethod
    def limits(self) -> tuple[Codes, Codes]:
        """Codes at x = -inf and +inf, per channel."""

    def integer_rows(self, lo: int, hi: int) -> Rows:
        """The threshold table for integers `lo..hi`; only reachable steps, the unused bound is `hi + 1`."""
        ends = self.codes(np.tile(np.asarray([lo, hi], dtype=object), (self.channels, 1)))
        first, last = ends[:, 0], ends[:, 1]
        bounds = self._integer_bounds(first, last, lo, hi)
        return Rows(bounds, first.astype(np.int64), np.where(last < first, -1, 1))

    def _integer_bounds(self, first: Codes, last: Codes, lo: int, hi: int) -> Codes:
        rows = self.bounds(first, last)
        width = max((len(r) for r in rows), default=0)
        table = np.full((len(rows), width), hi + 1, dtype=object)
        for c, row in enumerate(rows):
            for k, (t, closed) in enumerate(row):
                floor = t.numerator // t.denominator
                table[c, k] = floor + (0 if closed and t.denominator == 1 else 1)
        return table.astype(code_dtype(lo, hi + 1))

    def float_rows(self) -> Rows:
        """The table for float64 inputs: each bound is the least double that reaches its level."""
        first, last = self.limits()
        if sum(abs(int(b) - int(a)) for a, b in zip(first, last, strict=True)) > MAX_LEVELS:
            raise UnsupportedError(
                "an input quantizer of more than 2^20 levels, over all channels, whose scale is not a power of two",
                remedy="give the input a power-of-two type with --input-type",
            )
        rows = self.bounds(first, last)
        width = max((len(r) for r in rows), default=0)
        table = np.full((len(rows), width), np.inf)
        for c, row in enumerate(rows):
            table[c, : len(row)] = [least_double(t, closed) for t, closed in row]
        return Rows(table, first.astype(np.int64), np.where(last < first, -1, 1))


@dataclass(frozen=True, eq=False)
class Rounded(StepFunction):
    """`clip(round(a x + b), lo, hi)`, all four per channel, shape (C,): rationals a, b; Python integers lo, hi."""

    a: Rationals
    b: Rationals
    rounding: Rounding
    lo: Codes
    hi: Codes

    @property
    def channels(self) -> int:
        return int(self.a.shape[0])

    def codes(self, x: Codes) -> Codes:
        num, den = self._ratio(x)
        rounded = round_ratio(num, den, self.rounding)
        return np.minimum(np.maximum(rounded, self.lo[:, None]), self.hi[:, None])

    def _ratio(self, x: Codes) -> tuple[Codes, Codes]:
        p, q, r, s = self._parts()
        return x.astype(object) * (p * s) + r * q, q * s

    def _parts(self) -> tuple[Codes, Codes, Codes, Codes]:
        """Numerators and denominators of a and b, as columns."""
        column = np.frompyfunc(lambda v: (v.numerator, v.denominator), 1, 2)
        (p, q), (r, s) = column(self.a), column(self.b)
        return p[:, None], q[:, None], r[:, None], s[:, None]

    def limits(self) -> tuple[Codes, Codes]:
        constant = self.codes(np.zeros((self.channels, 1), dtype=object))[:, 0]
        first = np.where(self.a > 0, self.lo, np.where(self.a < 0, self.hi, constant))
        last = np.where(self.a > 0, self.hi, np.where(self.a < 0, self.lo, constant))
        return first, last

    def _levels(self, first: Codes, last: Codes) -> tuple[Codes, Codes, Codes, Codes]:
        """Per channel and step: numerator and positive denominator of its point, closedness, whether it exists."""
        span = np.abs(last - first).astype(np.int64)
        width = int(span.max(initial=0))
        if width > MAX_LEVELS:
            raise UnsupportedError(
                f"a requantization to {width + 1} levels",
                remedy="quantize to at most 20 bits or to power-of-two scales",
            )
        step = np.arange(width, dtype=object)[None, :]
        rising = (self.a > 0)[:, None]
        k = np.where(rising, first[:, None] + 1 + step, first[:, None] - step)
        twice, closed = boundary(k, self.rounding)
        p, q, r, s = self._parts()
        sign = np.where(p < 0, -1, 1)
        safe = np.where(p == 0, 1, p)
        num = sign * (twice * (s * q) - 2 * r * q)
        den = sign * (2 * safe * s)
        return num, den, np.where(rising, closed, ~closed), step < span[:, None]

    def bounds(self, first: Codes, last: Codes) -> list[list[tuple[Fraction, bool]]]:
        num, den, closed, exists = self._levels(first, last)
        den = np.broadcast_to(den, num.shape)
        return [
            [(Fraction(n, d), bool(c)) for n, d, c, e in zip(*row, strict=True) if e]
            for row in zip(num, den, closed, exists, strict=True)
        ]

    def _integer_bounds(self, first: Codes, last: Codes, lo: int, hi: int) -> Codes:
        span = np.abs(last - first).astype(object)
        width = int(span.max(initial=0))
        codes = max((abs(int(v)) for v in (*first, *last)), default=0)
        if width > MAX_LEVELS or max(abs(lo), abs(hi), codes) >= INT64_SAFE >> 2:
            return self._wide_bounds(first, last, lo, hi)
        table = np.empty((self.channels, width), dtype=np.int64)
        some = max(1, POINTS_AT_ONCE // max(1, width))
        for start in range(0, self.channels, some):
            rows = slice(start, start + some)
            part = Rounded(self.a[rows], self.b[rows], self.rounding, self.lo[rows], self.hi[rows])
            table[rows] = part._narrow_bounds(first[rows], span[rows].astype(np.int64), width, hi)
        return table

    def _narrow_bounds(self, first: Codes, span: Codes, width: int, hi: int) -> Codes:
        """The table in int64, for a few channels."""
        rising = (self.a > 0).astype(bool)[:, None]
        step, start = np.arange(width, dtype=np.int64)[None, :], first.astype(np.int64)[:, None]
        exists = step < span[:, None]
        twice, closed = boundary(np.where(rising, start + 1 + step, start - step), self.rounding)
        moves = [s > 0 for s in span]
        points = zip(self.a, self.b, twice[:, 0] if width else start[:, 0], moves, strict=True)
        origin = [(Fraction(int(t), 2) - b) / a if m else Fraction(0) for a, b, t, m in points]
        spacing = [1 / (2 * abs(a)) if s > 1 else Fraction(0) for a, s in zip(self.a, span, strict=True)]
        multiples = np.abs(twice - twice[:, :1])
        closed = np.where(rising, closed, ~closed)
        table = least_integers(np.asarray(origin), np.asarray(spacing), multiples, closed, exists)
        return np.where(exists, table, hi + 1)

    def _wide_bounds(self, first: Codes, last: Codes, lo: int, hi: int) -> Codes:
        """The same in Python integers, for accumulators past 60 bits."""
        num, den, closed, exists = self._levels(first, last)
        floor = num // den
        reached = np.where(closed, floor + (num % den != 0), floor + 1)
        return np.where(exists, reached, hi + 1).astype(code_dtype(lo, hi + 1))


@dataclass(frozen=True, eq=False)
class Stairs(StepFunction):
    """`#{k: a x + b >= levels[c, k]}`; rows ascend; a, b (C,), levels (C, K) rational. (FINN MultiThreshold)

    The last `opened` levels count where `a x + b` is above them.
    """

    a: Rationals
    b: Rationals
    levels: Rationals
    opened: int = 0

    @property
    def channels(self) -> int:
        return int(self.a.shape[0])

    def codes(self, x: Codes) -> Codes:
        out = np.zeros(x.shape, dtype=object)
        for c in range(self.channels):
            for i, xi in enumerate(x[c]):
                out[c, i] = self._count(c, self.a[c] * xi + self.b[c])
        return out

    def _count(self, channel: int, value: Fraction) -> int:
        row, closed = self.levels[channel], self.levels.shape[1] - self.opened
        return int((row[:closed] <= value).sum()) + int((row[closed:] < value).sum())

    def limits(self) -> tuple[Codes, Codes]:
        none = np.zeros(self.channels, dtype=object)
        every = np.full(self.channels, self.levels.shape[1], dtype=object)
        fixed = self.codes(np.zeros((self.channels, 1), dtype=object))[:, 0]
        first = np.where(self.a > 0, none, np.where(self.a < 0, every, fixed))
        last = np.where(self.a > 0, every, np.where(self.a < 0, none, fixed))
        return first, last

    def bounds(self, first: Codes, last: Codes) -> list[list[tuple[Fraction, bool]]]:
        rows = []
        for c in range(self.channels):
            lo, hi = sorted((int(first[c]), int(last[c])))
            rising, closed = self.a[c] > 0, self.levels.shape[1] - self.opened
            levels = range(lo, hi) if self.a[c] else range(0)
            points = [((self.levels[c][k] - self.b[c]) / self.a[c], rising == (k < closed)) for k in levels]
            rows.append(points if rising else points[::-1])
        return rows
