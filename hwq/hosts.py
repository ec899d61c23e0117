"""How a host turns real model inputs into codes: assignment to a type, or a search among the steps of a function.

A `HostQuantizer` is what stands at an input port. The generated host header does what these do, in the same arithmetic.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from hwq.errors import SpecError
from hwq.fixed import Codes, FixedType, Overflow, Rounding, code_dtype, overflow_codes, pow2, round_doubles, round_ratio
from hwq.steps import Floats, Rows

LEAST = 2.0**-500  # magnitudes below it round alike in any type
FEW_LEVELS = 3  # an input quantizer of so few levels compares with each
STRAIGHT = 0.25  # of a level: how far bounds may lie from a line that guesses no worse than one off
SINGLE_BITS, MOST_PLACES = 24, 60  # types whose codes float32 holds, and scalings that it makes without loss


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
