"""`Exact`: a tensor of rational numbers as integers times one unit; irrational ones as integers with a radius.

An irrational function's values are known to some two hundred bits: `num * unit` give or take `rad * unit`. What is
rounded or compared has to come out the same at both ends; else `Undecided` is raised, never a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from hwq.check.exact_onnx import integers
from hwq.check.exact_onnx.integers import Integers

FLOAT = int(TensorProto.FLOAT)
INT64 = int(TensorProto.INT64)
BOOL = int(TensorProto.BOOL)
WIDTHS: Mapping[int, tuple[int, bool]] = MappingProxyType(
    {
        TensorProto.UINT8: (8, False),
        TensorProto.INT8: (8, True),
        TensorProto.UINT16: (16, False),
        TensorProto.INT16: (16, True),
        TensorProto.UINT32: (32, False),
        TensorProto.INT32: (32, True),
        TensorProto.UINT64: (64, False),
        TensorProto.INT64: (64, True),
        21: (4, False),
        22: (4, True),
        25: (2, False),
        26: (2, True),
    }
)
MOST_BITS = 500  # of numerators that carry a radius
KEPT_BITS = 320


class Undecided(Exception):
    """Two hundred bits of an irrational value do not tell which way it is rounded or compared."""


@dataclass(frozen=True, eq=False)
class Exact:
    """`num * unit`, of an ONNX element type; `rad` (in units) where the values are irrational."""

    num: Integers
    unit: Fraction = Fraction(1)
    kind: int = FLOAT
    rad: Integers | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(int(d) for d in self.num.shape)

    @property
    def rank(self) -> int:
        return self.num.ndim

    def moved(self, move: Callable[[Any], Any]) -> Exact:
        """Elements elsewhere."""
        return replace(
            self, num=np.asarray(move(self.num)), rad=None if self.rad is None else np.asarray(move(self.rad))
        )

    def typed(self, kind: int) -> Exact:
        return replace(self, kind=kind)

    def reshaped(self, *shape: int) -> Exact:
        return self.moved(lambda a: a.reshape(shape))

    def in_units(self, unit: Fraction) -> Exact:
        """The same values in a unit that divides this one."""
        factor = self.unit / unit
        assert factor.denominator == 1
        rad = None if self.rad is None else integers.times(self.rad, factor.numerator)
        return replace(self, num=integers.times(self.num, factor.numerator), unit=unit, rad=rad)

    def ends(self) -> tuple[Integers, Integers]:
        """Least and greatest numerators."""
        if self.rad is None:
            return self.num, self.num
        return integers.add(self.num, -self.rad), integers.add(self.num, self.rad)

    def fractions(self) -> npt.NDArray[np.object_]:
        """An array of Fractions (of the middles, where there is a radius)."""
        out = np.empty(self.num.shape, dtype=object)
        flat = out.reshape(-1)
        for i, n in enumerate(self.num.reshape(-1).tolist()):
            flat[i] = n * self.unit
        return out

    def ints(self) -> list[int]:
        """Whole numbers, flat; for shapes, axes and other parameters."""
        whole = rounded(self, "floor")
        return [int(v) for v in whole.reshape(-1).tolist()]

    def trimmed(self) -> Exact:
        """With a radius: numerators cut to a few hundred bits."""
        if self.rad is None:
            return self
        spare = integers.top(self.num).bit_length() - KEPT_BITS
        if integers.top(self.num).bit_length() <= MOST_BITS or spare <= 0:
            return self
        num = np.asarray(integers.wide(self.num) >> spare, dtype=object)
        lost = np.asarray((integers.wide(self.num) & ((1 << spare) - 1)) != 0) | np.asarray(self.rad != 0)
        rad = np.where(lost, np.asarray((integers.wide(self.rad) >> spare) + 2, dtype=object), 0)
        return replace(self, num=num, rad=rad, unit=self.unit * (1 << spare))


def common_unit(a: Fraction, b: Fraction) -> Fraction:
    """The greatest unit of which both are multiples."""
    if a == b:
        return a
    return Fraction(gcd(a.numerator * b.denominator, b.numerator * a.denominator), a.denominator * b.denominator)


def aligned(a: Exact, b: Exact) -> tuple[Exact, Exact]:
    """Both in one unit."""
    unit = common_unit(a.unit, b.unit)
    return a.in_units(unit), b.in_units(unit)


def whole(values: Any, kind: int = INT64) -> Exact:
    """Integers as they are."""
    return Exact(integers.narrow(np.asarray(values)), Fraction(1), kind)


def of_fractions(values: Iterable[Fraction], shape: tuple[int, ...], kind: int = FLOAT) -> Exact:
    """Fractions, flat, in their greatest common unit."""
    listed = list(values)
    lcd = 1
    for v in listed:
        lcd = lcd * v.denominator // gcd(lcd, v.denominator)
    nums = [v.numerator * (lcd // v.denominator) for v in listed]
    factor = gcd(*nums) or 1 if nums else 1
    flat = np.empty(len(nums), dtype=object)
    flat[:] = [n // factor for n in nums]
    return Exact(integers.narrow(flat.reshape(shape)), Fraction(factor, lcd), kind)


def of_array(array: npt.NDArray[Any], kind: int) -> Exact:
    """A stored tensor: integers, or floats as the fractions they are. Errors: ValueError for NaN and infinities."""
    if array.dtype.kind in "biu":
        return whole(array.astype(object) if array.dtype == np.uint64 else array.astype(np.int64), kind)
    values = np.asarray(array, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError("a tensor of NaN or infinity")
    mantissa, exponent = np.frexp(values)
    used = mantissa != 0
    if not used.any():
        return Exact(np.zeros(values.shape, dtype=np.int64), Fraction(1), kind)
    lowest = int(exponent[used].min()) - 53
    shifts = np.where(used, exponent - 53 - lowest, 0)
    num = np.asarray(np.ldexp(mantissa, 53).astype(np.int64))
    spare = int(np.bitwise_or.reduce(num.reshape(-1)))
    down = (spare & -spare).bit_length() - 1
    num >>= down
    if int(shifts.max()) + 53 - down < 62:
        return Exact(num << shifts, Fraction(2) ** (lowest + down), kind)
    scaled = np.asarray(num.astype(object) * np.asarray(2 ** shifts.astype(object), dtype=object), dtype=object)
    return Exact(integers.narrow(scaled), Fraction(2) ** (lowest + down), kind)


def bits_of(kind: int) -> tuple[int, bool] | None:
    """(bits, signed) of an integer element type."""
    return (1, False) if kind == BOOL else WIDTHS.get(kind)


def limits(kind: int) -> tuple[int, int]:
    """The least and greatest value of an integer element type."""
    found = bits_of(kind)
    if found is None:
        raise ValueError(f"element type {kind} is no integer type")
    bits, signed = found
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)


def wrapped(x: Exact) -> Exact:
    """Values of an integer tensor modulo 2^bits; floats as they are."""
    found = bits_of(x.kind)
    if found is None or x.kind == BOOL:
        return x
    bits, _ = found
    lo, hi = limits(x.kind)
    num = rounded(x, "floor")
    if num.size and (int(num.min()) < lo or int(num.max()) > hi):
        num = integers.narrow(np.asarray((integers.wide(num) - lo) % (1 << bits) + lo, dtype=object))
    return Exact(num, Fraction(1), x.kind)


def decided(low: Any, high: Any) -> Integers:
    """What is the same at both ends."""
    if not bool(np.asarray(low == high).all()):
        raise Undecided("an irrational value lies too near a boundary")
    return np.asarray(low)


def rounded(x: Exact, mode: str, scale: Exact | None = None) -> Integers:
    """x / scale as integers."""
    ratio = x.unit / (Fraction(1) if scale is None else scale.unit)
    d = np.asarray(1, dtype=np.int64) if scale is None else scale.num
    if scale is not None and scale.rad is not None:
        raise Undecided("an irrational scale")
    if integers.top(np.asarray(d)) == 0 or int(np.asarray(d).min()) <= 0:
        raise ValueError("a scale that is not positive")
    below = integers.times(d, ratio.denominator)
    low, high = (integers.quotient(integers.times(n, ratio.numerator), below, mode) for n in x.ends())
    return decided(low, high)
