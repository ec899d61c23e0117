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
from hwq.numeric.fixed import (
    Codes,
    FixedType,
    Overflow,
    Rounding,
    code_dtype,
    overflow_codes,
    pow2,
    round_doubles,
    round_ratio,
)
from hwq.numeric.step_functions import Floats, Rows

LEAST = 2.0**-500  # magnitudes below it round alike in any type
FEW_LEVELS = 3  # an input quantizer of so few levels compares with each
STRAIGHT = 0.25  # of a level: bounds that lie further from a line are searched
STEEP = 2.0**60  # a line's slope, at most
LEVEL = 2.0**-22  # an offset below it is left away
SINGLE_BITS, MOST_PLACES = 24, 60  # types whose codes float32 holds, and scalings that it makes without loss

Singles = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Line:
    """`slope x + offset` passes a half where a level begins: in float32, rounding it gives codes.

    Where it comes to less than `safe` from the integer that it is rounded to, the code is exact. What lies on the line
    is a few 2^-24 of it off for each rounding: of the product, the sum, and of x where that is a double.
    """

    slope: Singles  # (1, 1, C, 1)
    offset: Singles | None  # None: 0
    least: Singles  # x that give the codes at both ends
    most: Singles
    safe: float
    safe_double: float  # for doubles

    @staticmethod
    def through(rows: Rows) -> _Line | None:
        """The line for bounds (C, K) that are about equidistant; None where some row is not."""
        bounds, levels = rows.bounds, rows.bounds.shape[1]
        if not np.isfinite(bounds).all():
            return None
        distance = (bounds[:, -1] - bounds[:, 0]) / (levels - 1)
        if not ((distance > 1 / STEEP) & (distance < STEEP)).all():
            return None
        slope = (rows.sign / distance).astype(np.float32)
        offset = (rows.base + rows.sign * (0.5 - bounds[:, 0] / distance)).astype(np.float32)
        offset[np.abs(offset) < LEVEL] = 0
        places = bounds * slope[:, None].astype(np.float64) + offset[:, None]
        halves = rows.base[:, None] + rows.sign[:, None] * (np.arange(levels) + 0.5)
        bent = float(np.abs(places - halves).max())
        ends = np.stack([rows.base, rows.base + rows.sign * levels])
        product = 2.0**-24 * (float(np.abs(ends).max()) + 2 + float(np.abs(offset).max()))
        exact = 0.5 - bent - product * (1 + bool(offset.any()))
        reach = (ends - offset) / slope
        slope, offset, least, most = (
            v.astype(np.float32).reshape(1, 1, -1, 1) for v in (slope, offset, reach.min(axis=0), reach.max(axis=0))
        )
        line = _Line(slope, offset if offset.any() else None, least, most, exact, exact - product)
        return line if line.safe_double > STRAIGHT else None

    def __call__(self, values: Floats) -> tuple[Singles, Singles]:
        """Codes, and how far the line is from them; both NaN where the value is."""
        place = values.clip(self.least, self.most).astype(np.float32, copy=False)
        place *= self.slope
        if self.offset is not None:
            place += self.offset
        codes = np.rint(place)
        place -= codes
        return codes, np.abs(place, place)


class HostQuantizer(ABC):
    """How a host turns a real model input into codes; Python and the generated host header do the same."""

    @property
    @abstractmethod
    def limits(self) -> tuple[int, int]:
        """The least and the greatest code there can be."""

    def lean(self, x: Floats) -> npt.NDArray[Any] | None:
        """The same codes in whatever dtype is quickest, floats too; None where x holds NaN."""
        return None if holds_nan(x) else self(x)

    @abstractmethod
    def __call__(self, x: Floats) -> Codes:
        """int64 codes of x, shape kept; x is (batch, *shape); NaN gives anything."""


def holds_nan(x: npt.NDArray[Any]) -> bool:
    """Whether any element is NaN: a minimum hands it on."""
    return bool(np.isnan(np.minimum.reduce(x, axis=None, initial=0.0)))


@dataclass(frozen=True)
class TypedQuantizer(HostQuantizer):
    """Assignment to a fixed-point type: exact in float64 arithmetic, because it only scales by a power of two."""

    type: FixedType
    rounding: Rounding = Rounding.HALF_EVEN
    overflow: Overflow = Overflow.SATURATE

    @cached_property
    def limits(self) -> tuple[int, int]:
        symmetric = self.overflow is Overflow.SATURATE_SYMMETRIC and self.type.signed
        return -self.type.hi if symmetric else self.type.lo, self.type.hi

    def lean(self, x: Floats) -> npt.NDArray[Any] | None:
        """Scaling, rounding and saturation in the dtype of x, where each is exact."""
        if not self._in_floats:
            return super().lean(x)
        scale, lo, hi = self._single if x.dtype == np.float32 else self._double
        codes = x * scale
        np.rint(codes, codes)
        codes.clip(lo, hi, codes)
        flat = codes.ravel("K")
        squares = flat.dot(flat)  # finite where no code is NaN: they are few bits wide
        return codes if squares == squares else None

    @cached_property
    def _single(self) -> tuple[npt.NDArray[Any], ...]:
        """The scale and the limits, without a dimension, as numpy takes them quickest."""
        return tuple(np.asarray(v, dtype=np.float32) for v in (2.0**self.type.frac, *self.limits))

    @cached_property
    def _double(self) -> tuple[npt.NDArray[Any], ...]:
        return tuple(v.astype(np.float64) for v in self._single)

    @cached_property
    def _in_floats(self) -> bool:
        """Whether floats do: rounding to the nearest and saturation, of few enough bits and places."""
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

    @cached_property
    def limits(self) -> tuple[int, int]:
        ends = np.stack([self.rows.base, self.rows.base + self.rows.sign * self.rows.bounds.shape[1]])
        return int(ends.min()), int(ends.max())

    def __call__(self, x: Floats) -> Codes:
        codes, _ = self._codes(x)
        with np.errstate(invalid="ignore"):
            return codes.astype(np.int64)

    def lean(self, x: Floats) -> npt.NDArray[Any] | None:
        codes, nan = self._codes(x)
        return None if nan else codes

    def _codes(self, x: Floats) -> tuple[npt.NDArray[Any], bool]:
        """The codes in a dtype that holds them, and whether x holds NaN."""
        values = x.reshape(x.shape[0], -1, self.count, self.inner)
        if self._line is not None:
            codes, nan = self._rounded(values, self._line)
            return codes.reshape(x.shape), nan
        few = self.rows.bounds.shape[1] <= FEW_LEVELS
        codes = self._turned(self._compared(values) if few else self._searched(values))
        return codes.reshape(x.shape), holds_nan(x)

    def _turned(self, reached: Codes) -> Codes:
        """Codes from counts of levels."""
        sign, base = self._turn
        if sign is not None:
            reached = reached * sign
        return reached if base is None else reached + base

    @cached_property
    def _turn(self) -> tuple[Codes | None, Codes | None]:
        """Sign and base per channel, in the narrowest dtype; None where nothing changes."""
        lo, hi = self.limits
        narrow = np.min_scalar_type(min(-1, lo, -1 - hi))
        sign, base = (v.astype(narrow).reshape(1, 1, -1, 1) for v in (self.rows.sign, self.rows.base))
        return None if (sign == 1).all() else sign, base if base.any() else None

    def _compared(self, values: Floats) -> Codes:
        """With each bound in turn."""
        bounds = self._singles if values.dtype == np.float32 else self.rows.bounds
        reached: Codes = np.zeros(values.shape, dtype=np.int8)
        for k, bound in enumerate(bounds.T):
            passed = (values >= bound.reshape(1, 1, -1, 1)).view(np.int8)
            reached = np.add(reached, passed, out=reached) if k else passed
        return reached

    @cached_property
    def _singles(self) -> Singles:
        """For float32 numbers: x reaches a bound where it reaches the least float32 that is not below it."""
        with np.errstate(over="ignore"):
            near = self.rows.bounds.astype(np.float32)
        return np.where(near < self.rows.bounds, np.nextafter(near, np.float32(np.inf)), near)

    def _searched(self, values: Floats) -> Codes:
        reached = np.empty(values.shape, dtype=np.int64)
        for c, row in enumerate(self.rows.bounds):
            reached[:, :, c, :] = np.searchsorted(row, values[:, :, c, :], side="right")
        return reached

    @cached_property
    def _line(self) -> _Line | None:
        """None also where comparisons are quicker."""
        return _Line.through(self.rows) if self.rows.bounds.shape[1] > FEW_LEVELS else None

    def _rounded(self, values: Floats, line: _Line) -> tuple[Singles, bool]:
        """By a line; what comes close to a bound is searched among the bounds."""
        codes, off = line(values)
        safe = line.safe if values.dtype == np.float32 else line.safe_double
        furthest = np.maximum.reduce(off, axis=None)
        if furthest <= safe:
            return codes, False
        (close,) = (off.reshape(-1) > safe).nonzero()  # not NaN, which the furthest is then
        channel = close // self.inner % self.count
        for c in set(channel.tolist()):
            place = close if self.count == 1 else close[channel == c]
            reached = self.rows.bounds[c].searchsorted(values.reshape(-1).take(place), side="right")
            codes.reshape(-1)[place] = reached * self.rows.sign[c] + self.rows.base[c]
        return codes, bool(np.isnan(furthest))

    def __str__(self) -> str:
        each = f" in each of {self.count} channels" if self.count > 1 else ""
        return f"{self.rows.bounds.shape[1]} steps{each}"
