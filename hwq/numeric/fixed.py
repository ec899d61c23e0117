"""Fixed-point types and the one place where bits are lost.

`FixedType` says how a code is stored; `Rounding` and `Overflow` name what happens when a code is made narrower;
`requantize` does it. Codes are integers: int64 arrays, or object arrays of Python integers past 62 bits.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from hwq.errors import SpecError

Codes = npt.NDArray[Any]
"""An integer array: int64, or object (Python integers) where 62 bits are not enough."""

AT_ONCE = 1 << 15
FLOAT32_EXACT, FLOAT64_EXACT = 1 << 24, 1 << 53  # integers below are exact in these dtypes
INT64_SAFE = 1 << 62
"""Magnitudes below this may live in int64 with one addition to spare."""


class Rounding(enum.Enum):
    """How a real number becomes an integer. Values are hwq's own names; `hwq.targets` has the vendors' spellings."""

    FLOOR = "floor"  # toward -inf
    CEIL = "ceil"  # toward +inf
    TO_ZERO = "to_zero"
    AWAY = "away"  # away from zero, whatever the fraction
    HALF_EVEN = "half_even"
    HALF_AWAY = "half_away"
    HALF_TO_ZERO = "half_to_zero"
    HALF_UP = "half_up"  # ties toward +inf
    HALF_DOWN = "half_down"  # ties toward -inf

    @property
    def nearest(self) -> bool:
        """True for the five modes that differ only at ties."""
        return self.value.startswith("half")


class Overflow(enum.Enum):
    """What becomes of an integer outside the target's range."""

    WRAP = "wrap"  # keep the low bits
    SATURATE = "saturate"
    SATURATE_SYMMETRIC = "saturate_symmetric"  # lowest code is -highest (0 where unsigned)
    SATURATE_ZERO = "saturate_zero"  # anything outside becomes 0


@dataclass(frozen=True, order=True)
class FixedType:
    """A stored integer of `width` bits (sign bit included) whose value is `code * 2**-frac`.

    `frac` may be negative or larger than `width`. A type of width 0 holds the constant 0.
    """

    signed: bool
    width: int
    frac: int = 0

    def __post_init__(self) -> None:
        if self.width < 0 or self.width > 4096:
            raise SpecError(f"a width of {self.width} bits", remedy="use 0 to 4096")
        if abs(self.frac) > 4096:
            raise SpecError(f"a binary point at {self.frac}", remedy="keep it within -4096 to 4096")

    @property
    def lo(self) -> int:
        """Lowest code."""
        return -(1 << (self.width - 1)) if self.signed and self.width else 0

    @property
    def hi(self) -> int:
        """Highest code."""
        return (1 << (self.width - int(self.signed))) - 1 if self.width else 0

    @property
    def hls_integer(self) -> int:
        """The vendors' I: integer bits, the sign counted where there is one."""
        return self.width - self.frac

    @property
    def qkeras_integer(self) -> int:
        """QKeras' `integer`: the same without the sign."""
        return self.width - self.frac - int(self.signed)

    @property
    def lsb(self) -> Fraction:
        """The value of code 1."""
        return pow2(-self.frac)

    @staticmethod
    def from_hls(width: int, integer: int, signed: bool = True) -> FixedType:
        """The type of `ap_[u]fixed<width, integer>` and `ac_fixed<width, integer, signed>`."""
        return FixedType(signed, width, width - integer)

    @staticmethod
    def from_qkeras(bits: int, integer: int, keep_negative: bool = True) -> FixedType:
        """The type of `quantized_bits(bits, integer, keep_negative=...)`."""
        return FixedType(keep_negative, bits, bits - integer - int(keep_negative))

    @staticmethod
    def covering(lo: int, hi: int, frac: int = 0) -> FixedType:
        """The narrowest type, at least one bit wide, that holds every code of `lo..hi`."""
        if lo > hi:
            raise SpecError(f"an empty range {lo}..{hi}")
        if lo >= 0:
            return FixedType(False, max(1, hi.bit_length()), frac)
        return FixedType(True, max((-lo - 1).bit_length(), hi.bit_length() if hi > 0 else 0) + 1, frac)

    def contains(self, lo: int, hi: int) -> bool:
        return self.lo <= lo and hi <= self.hi

    def __str__(self) -> str:
        return f"{'s' if self.signed else 'u'}{self.width}" + (f".{self.frac}" if self.frac else "")


def pow2(exponent: int) -> Fraction:
    """2**exponent, exactly."""
    return Fraction(1 << exponent) if exponent >= 0 else Fraction(1, 1 << -exponent)


def log2_exact(value: Fraction) -> int | None:
    """The integer e with value == 2**e, else None."""
    num, den = value.numerator, value.denominator
    if num <= 0 or num & (num - 1) or den & (den - 1):
        return None
    return num.bit_length() - den.bit_length()


def pieces(codes: Codes, some: int = AT_ONCE) -> Iterator[Codes]:
    """All elements, some thousand at a time: what is computed of them stays in the cache."""
    flat = codes.reshape(-1)
    return (flat[start : start + some] for start in range(0, flat.size, some))


def code_dtype(lo: int, hi: int) -> type:
    """int64 where `lo..hi` fits with room for one addition, else object."""
    return np.int64 if lo > -INT64_SAFE and hi < INT64_SAFE else object


def round_ratio(num: Codes, den: Codes | int, rounding: Rounding) -> Codes:
    """The integers `round(num / den)`, exactly; `den` positive. The one rounding function of hwq.

    Works on int64 (when 2*num and 2*den fit) and on object arrays alike; `round_doubles` is the same law on float64.
    """
    floor: Codes = num // den
    rest: Codes = num - floor * den
    inexact: Codes = rest != 0
    if rounding is Rounding.FLOOR:
        return floor
    if rounding is Rounding.CEIL:
        up = inexact
    elif rounding is Rounding.TO_ZERO:
        up = inexact & (num < 0)
    elif rounding is Rounding.AWAY:
        up = inexact & (num > 0)
    else:
        up = (rest + rest > den) | ((rest + rest == den) & _tie_goes_up(floor, num, rounding))
    rounded: Codes = floor + up
    return rounded


def _tie_goes_up(floor: Codes, num: Codes, rounding: Rounding) -> Codes:
    if rounding is Rounding.HALF_EVEN:
        goes: Codes = floor % 2 == 1
    elif rounding is Rounding.HALF_AWAY:
        goes = num > 0
    elif rounding is Rounding.HALF_TO_ZERO:
        goes = num < 0
    else:
        goes = np.full(np.shape(num), rounding is Rounding.HALF_UP)
    return goes


def round_doubles(values: npt.NDArray[np.float64], rounding: Rounding) -> npt.NDArray[np.float64]:
    """`round(values)` for float64, exactly: the part after the point is exact, taken toward zero."""
    if rounding is Rounding.HALF_EVEN:
        return np.rint(values)
    whole = np.trunc(values)
    part = values - whole
    if rounding is Rounding.TO_ZERO:
        return whole
    if rounding is Rounding.FLOOR:
        return np.asarray(whole - (part < 0))
    if rounding is Rounding.CEIL:
        return np.asarray(whole + (part > 0))
    away = np.sign(part)
    if rounding is Rounding.AWAY:
        return np.asarray(whole + away)
    size = np.abs(part)
    if rounding is Rounding.HALF_UP:
        tie: Codes = part > 0
    elif rounding is Rounding.HALF_DOWN:
        tie = part < 0
    else:
        tie = np.full(values.shape, rounding is Rounding.HALF_AWAY)
    return np.asarray(whole + away * ((size > 0.5) | ((size == 0.5) & tie)))


def round_shift(codes: Codes, drop: int, rounding: Rounding) -> Codes:
    """`round(codes / 2**drop)`; a negative `drop` shifts left and loses nothing."""
    if drop <= 0:
        widened: Codes = codes << -drop if drop else codes
        return widened
    return round_ratio(codes, 1 << drop, rounding)


def boundary(k: Codes, rounding: Rounding) -> tuple[Codes, npt.NDArray[np.bool_]]:
    """Where `rounding` steps up to the integer k: `round(v) >= k` exactly when `v >= twice/2` (or `>` if not closed).

    Returns `(twice, closed)`, arrays of k's shape: twice the boundary, and whether the boundary itself belongs to k.
    """
    if rounding.nearest:
        if rounding is Rounding.HALF_EVEN:
            closed = k % 2 == 0
        elif rounding is Rounding.HALF_AWAY:
            closed = k > 0
        elif rounding is Rounding.HALF_TO_ZERO:
            closed = k <= 0
        else:
            closed = np.full(np.shape(k), rounding is Rounding.HALF_UP)
        return 2 * k - 1, np.asarray(closed, dtype=bool)
    if rounding is Rounding.TO_ZERO:
        at_k = np.asarray(k > 0, dtype=bool)
    elif rounding is Rounding.AWAY:
        at_k = np.asarray(k <= 0, dtype=bool)
    else:
        at_k = np.full(np.shape(k), rounding is Rounding.FLOOR)
    # A step at k belongs to k; the others sit at k - 1 and do not.
    return np.where(at_k, 2 * k, 2 * k - 2), at_k


def overflow_codes(codes: Codes, to: FixedType, overflow: Overflow) -> Codes:
    """Bring integers into the range of `to` by the stated rule."""
    lo, hi = to.lo, to.hi
    if overflow is Overflow.WRAP:
        if to.width == 0:
            return codes * 0
        low = codes & ((1 << to.width) - 1)
        return np.where(low > hi, low - (1 << to.width), low) if to.signed else low
    if overflow is Overflow.SATURATE_ZERO:
        return np.where((codes >= lo) & (codes <= hi), codes, 0)
    if overflow is Overflow.SATURATE_SYMMETRIC and to.signed:
        lo = -hi
    return np.minimum(np.maximum(codes, lo), hi)


def requantize(codes: Codes, frac: int, to: FixedType, rounding: Rounding, overflow: Overflow) -> Codes:
    """Codes with `frac` fraction bits, rounded and fitted into `to`: round first, then overflow.

    This is the assignment of one `ap_fixed` to another (UG1399, "Arbitrary precision fixed-point data types").
    """
    magnitude = int(np.max(np.abs(codes.astype(object)))) if codes.size and codes.dtype == object else _magnitude(codes)
    room = max(magnitude << max(0, to.frac - frac), to.hi, -to.lo, 1 << max(0, frac - to.frac))
    wide = codes if room < INT64_SAFE >> 1 and codes.dtype != object else codes.astype(object)
    return overflow_codes(round_shift(wide, frac - to.frac, rounding), to, overflow)


def _magnitude(codes: Codes) -> int:
    return max(abs(int(codes.min())), abs(int(codes.max()))) if codes.size else 0
