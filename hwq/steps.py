"""Monotone step functions with exact step points: what every quantizer is, seen from an integer or from a real input.

`Rounded` is `clip(round(a x + b), lo, hi)`; `Stairs` counts explicit bounds. Both give, for integers in a range, the
rows of a threshold table, and for a host's float64 input the least double of every level. All arithmetic is rational.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from hwq.errors import SpecError, UnsupportedError
from hwq.exact import Rationals, least_double
from hwq.fixed import (
    INT64_SAFE,
    Codes,
    FixedType,
    Overflow,
    Rounding,
    boundary,
    code_dtype,
    overflow_codes,
    pow2,
    round_doubles,
    round_ratio,
)
from hwq.points import least_integers

MAX_LEVELS = 1 << 20  # levels of one table
LEAST = 2.0**-500  # magnitudes below it round alike in any type
FEW_LEVELS = 3  # an input quantizer of so few levels compares with each
POINTS_AT_ONCE = 1 << 21  # step points computed together
STRAIGHT = 0.25  # of a level: how far bounds may lie from a line that guesses no worse than one off
SINGLE_BITS, MOST_PLACES = 24, 60  # types whose codes float32 holds, and scalings that it makes without loss
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
    """`#{k: a x + b >= levels[c, k]}`; rows ascend; a, b (C,), levels (C, K) rational. (FINN MultiThreshold)"""

    a: Rationals
    b: Rationals
    levels: Rationals

    @property
    def channels(self) -> int:
        return int(self.a.shape[0])

    def codes(self, x: Codes) -> Codes:
        out = np.zeros(x.shape, dtype=object)
        for c in range(self.channels):
            for i, xi in enumerate(x[c]):
                out[c, i] = int((self.levels[c] <= self.a[c] * xi + self.b[c]).sum())
        return out

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
            points = [(t - self.b[c]) / self.a[c] for t in self.levels[c][lo:hi]] if self.a[c] else []
            rows.append([(t, self.a[c] > 0) for t in (points if self.a[c] > 0 else reversed(points))])
        return rows


@dataclass(frozen=True, eq=False)
class _Line:
    """Bounds of a dtype with infinities around them, and the line near which they lie."""

    fenced: Floats  # the channels' rows, one after the other
    upper: Floats  # the same from the second on
    row: Codes  # (1, 1, C, 1): where each begins
    first: Floats
    slope: Floats
    straight: bool  # whether the line's guess is never off by more than one


def _single_or_double(x: Floats) -> Floats:
    """float32 as it is, all else as float64."""
    return x if x.dtype == np.float32 else np.asarray(x, dtype=np.float64)


class HostQuantizer(ABC):
    """How a host turns a real model input into codes; Python and the generated host header do the same."""

    @property
    def keeps_nan(self) -> bool:
        """Whether `lean` hands NaN on rather than making a code of it."""
        return False

    def lean(self, x: Floats) -> npt.NDArray[Any]:
        """The same codes, in a float dtype where that is quicker; NaN gives anything, or NaN where `keeps_nan`."""
        return self(x)

    @abstractmethod
    def __call__(self, x: Floats) -> Codes:
        """int64 codes of x, shape kept; x is (batch, *shape)."""


@dataclass(frozen=True)
class TypedQuantizer(HostQuantizer):
    """Assignment to a fixed-point type: exact in float64 arithmetic, because it only scales by a power of two."""

    type: FixedType
    rounding: Rounding = Rounding.HALF_EVEN
    overflow: Overflow = Overflow.SATURATE

    def lean(self, x: Floats) -> npt.NDArray[Any]:
        """Scaling, rounding and saturation in the dtype of x, where each is exact."""
        if not self.keeps_nan:
            return self(x)
        scaled = x * x.dtype.type(2.0**self.type.frac)
        np.rint(scaled, out=scaled)
        symmetric = self.overflow is Overflow.SATURATE_SYMMETRIC and self.type.signed
        np.maximum(scaled, -self.type.hi if symmetric else self.type.lo, out=scaled)
        return np.asarray(np.minimum(scaled, self.type.hi, out=scaled))

    @property
    def keeps_nan(self) -> bool:
        """Whether `lean` works in floats: rounding to the nearest and saturation, of few enough bits and places."""
        saturates = self.overflow in (Overflow.SATURATE, Overflow.SATURATE_SYMMETRIC)
        fits = 2 <= self.type.width <= SINGLE_BITS and abs(self.type.frac) <= MOST_PLACES
        return self.rounding is Rounding.HALF_EVEN and saturates and fits

    def __call__(self, x: Floats) -> Codes:
        values = np.asarray(x, dtype=np.float64)
        if self.overflow is not Overflow.WRAP:  # what lies two widths outside is outside by any rule
            beyond = float(np.ldexp(1.0, min(self.type.width + 1 - self.type.frac, 1023)))
            values = np.clip(values, -beyond, beyond)
        if self.type.frac < 0:  # scaling down must not turn the least doubles into zero
            values = np.where((values != 0) & (np.abs(values) < LEAST), np.copysign(LEAST, values), values)
        scaled = np.ldexp(values, self.type.frac)
        rounded = round_doubles(scaled, self.rounding)
        if self.type.width <= 60 and (rounded.size == 0 or float(np.abs(rounded).max()) < float(1 << 62)):
            return overflow_codes(rounded.astype(np.int64), self.type, self.overflow)
        whole = np.asarray([_whole(v, self.type.frac, self.rounding) for v in values.reshape(-1)], dtype=object)
        codes = overflow_codes(whole.reshape(values.shape), self.type, self.overflow)
        return codes.astype(code_dtype(self.type.lo, self.type.hi))

    def __str__(self) -> str:
        return f"{self.type} {self.rounding.value} {self.overflow.value}"


def _whole(value: float, frac: int, rounding: Rounding) -> int:
    """round(value * 2**frac) past what int64 holds."""
    if not np.isfinite(value):
        raise SpecError("an infinite input to a type that wraps", remedy="give the input type AP_SAT")
    scaled = Fraction(float(value)) * pow2(frac)
    num, den = np.asarray([scaled.numerator], dtype=object), np.asarray([scaled.denominator], dtype=object)
    return int(round_ratio(num, den, rounding)[0])


@dataclass(frozen=True, eq=False)
class SteppedQuantizer(HostQuantizer):
    """Any step function of the real input: a search among the least doubles of its levels."""

    rows: Rows
    count: int  # channels
    inner: int  # elements of one channel that lie together

    def __call__(self, x: Floats) -> Codes:
        values = _single_or_double(x).reshape(x.shape[0], -1, self.count, self.inner)
        reached = self._compared(values) if self.rows.bounds.shape[1] <= FEW_LEVELS else self._guessed(values)
        sign, base = self._turned
        if sign is not None:
            reached = reached * sign
        if base is not None:
            reached += base
        return reached.reshape(x.shape)

    @cached_property
    def _turned(self) -> tuple[Codes | None, Codes | None]:
        """Sign and base per channel; None where nothing changes."""
        sign, base = self.rows.sign.reshape(1, 1, -1, 1), self.rows.base.reshape(1, 1, -1, 1)
        return None if (sign == 1).all() else sign, base if base.any() else None

    def _compared(self, values: Floats) -> Codes:
        reached = np.zeros(values.shape, dtype=np.int64)
        for k in range(self.rows.bounds.shape[1]):
            reached += values >= self.rows.bounds[:, k].reshape(1, 1, -1, 1)
        return reached

    def _guessed(self, values: Floats) -> Codes:
        """Levels are nearly equidistant as a rule: guess by a line, look at both bounds, search where wrong."""
        line, bounds = self._line32 if values.dtype == np.float32 else self._line64, self.rows.bounds
        with np.errstate(all="ignore"):
            place = values - line.first
            place *= line.slope
            place += values.dtype.type(1)
        if not line.straight:
            np.nan_to_num(place, copy=False)
        last = bounds.shape[1] - 1  # the last level is left to its bound: no fence is met, which infinity would pass
        guess: Codes = np.clip(place, 0, last, out=place).astype(np.int64)
        guess += values >= line.upper.take(guess + line.row)
        guess -= values < line.fenced.take(guess + line.row)
        if not line.straight:
            at = guess + line.row
            wrong = (values < line.fenced.take(at)) | (values >= line.upper.take(at))
            for c in np.nonzero(wrong.any(axis=(0, 1, 3)))[0]:
                guess[:, :, c, :] = np.searchsorted(bounds[c], values[:, :, c, :], side="right")
        return guess

    @cached_property
    def _line64(self) -> _Line:
        return self._line_of(self.rows.bounds)

    @cached_property
    def _line32(self) -> _Line:
        """For float32 numbers: x reaches a bound where it reaches the least float32 that is not below it."""
        with np.errstate(over="ignore"):
            near = self.rows.bounds.astype(np.float32)
        return self._line_of(np.where(near < self.rows.bounds, np.nextafter(near, np.float32(np.inf)), near))

    def _line_of(self, bounds: Floats) -> _Line:
        count, levels = bounds.shape
        wide = bounds.astype(np.float64)
        first, final = wide[:, 0], np.where(np.isfinite(wide), wide, -np.inf).max(axis=1)
        with np.errstate(all="ignore"):
            slope = np.where(final > first, (np.isfinite(wide).sum(axis=1) - 1) / (final - first), 0.0)
        slope, first = np.nan_to_num(slope).astype(bounds.dtype), np.nan_to_num(first).astype(bounds.dtype)
        with np.errstate(all="ignore"):
            places = (bounds - first[:, None]) * slope[:, None]
            straight = bool((np.abs(places - np.arange(levels)) < STRAIGHT).all())
        fence = np.full((count, 1), np.inf, dtype=bounds.dtype)
        row = (np.arange(count) * (levels + 2)).reshape(1, 1, -1, 1)
        fenced = np.concatenate([-fence, bounds, fence], axis=1).reshape(-1)
        return _Line(fenced, fenced[1:], row, first.reshape(1, 1, -1, 1), slope.reshape(1, 1, -1, 1), straight)

    def __str__(self) -> str:
        each = f" in each of {self.count} channels" if self.count > 1 else ""
        return f"{self.rows.bounds.shape[1]} steps{each}"
