"""Exact rational arrays: object arrays of `Fraction`, and the few operations on them that hwq needs.

Every such array has at least one axis (a lone value has shape (1,)): numpy turns 0-d object arrays into bare scalars.
They hold per-tensor and per-channel quantities (scales, offsets, folded BatchNorm), never whole weight tensors.
"""

from __future__ import annotations

from fractions import Fraction
from math import gcd, isqrt, lcm
from typing import Any

import numpy as np
import numpy.typing as npt

Rationals = npt.NDArray[np.object_]
"""An object array whose elements are `Fraction`."""

SQRT_BITS = 160
"""Significant bits kept of an irrational square root; a step point this close to an integer has never been seen."""


def rationals(values: Any) -> Rationals:
    """Exact fractions of finite floats, integers or fractions; shape kept, a bare number becomes shape (1,)."""
    source = np.atleast_1d(np.asarray(values))
    out = np.empty(source.shape, dtype=object)
    flat = out.reshape(-1)
    if alike(source):
        flat[:] = Fraction(source.reshape(-1)[0].item())
        return out
    for i, value in enumerate(source.reshape(-1).tolist()):
        flat[i] = Fraction(value)
    return out


def alike(values: npt.NDArray[Any]) -> bool:
    """Whether several numbers are all the same one."""
    flat = values.reshape(-1)
    return values.dtype.kind in "biuf" and flat.size > 1 and bool((flat == flat[0]).all())


def scalar(value: Any) -> Rationals:
    """A rational array of shape (1,)."""
    out = np.empty(1, dtype=object)
    out[0] = Fraction(value)
    return out


def sqrt_rational(value: Fraction, bits: int = SQRT_BITS) -> Fraction:
    """The square root: exact where it is rational, else within 2**-bits of it, relatively."""
    num, den = value.numerator, value.denominator
    root_num, root_den = isqrt(num), isqrt(den)
    if root_num * root_num == num and root_den * root_den == den:
        return Fraction(root_num, root_den)
    shift = max(0, bits - (num.bit_length() - den.bit_length()) // 2 + 1)
    return Fraction(isqrt((num << (2 * shift)) // den), 1 << shift)


def elementwise(function: Any, *arrays: Rationals) -> Rationals:
    """Apply a scalar function over broadcast rational arrays; always returns an object array."""
    return np.asarray(np.frompyfunc(function, len(arrays), 1)(*arrays), dtype=object)


def floor(values: Rationals) -> Rationals:
    """The greatest integer at or below each element."""
    return elementwise(lambda v: v.numerator // v.denominator, values)


def ceil(values: Rationals) -> Rationals:
    """The least integer at or above each element."""
    return elementwise(lambda v: -(-v.numerator // v.denominator), values)


def to_float(values: Rationals) -> npt.NDArray[np.float64]:
    """Each fraction, correctly rounded to float64."""
    return np.asarray(elementwise(float, values), dtype=np.float64)


def uniform(values: Rationals) -> Fraction | None:
    """The one value that all elements share, else None."""
    flat = values.reshape(-1)
    first: Fraction = flat[0]
    return first if all(v == first for v in flat[1:]) else None


def squeeze_uniform(values: Rationals) -> Rationals:
    """Shape (1,) where all elements are equal, else the array as it is."""
    if values.shape in ((0,), (1,)):
        return values
    one = uniform(values)
    return values if one is None else scalar(one)


def narrowed(values: Rationals) -> Rationals:
    """The array with every axis along which nothing changes cut to extent 1."""
    for axis in range(values.ndim):
        first = values.take([0], axis=axis)
        if values.shape[axis] > 1 and (values.strides[axis] == 0 or bool(np.all(values == first))):
            values = first
    return values


def common_step(values: Rationals) -> Fraction:
    """The largest fraction of which every element is an integer multiple (1 if all are zero)."""
    distinct = list({id(v): v for v in values.reshape(-1)}.values())  # broadcast arrays repeat their objects
    den = 1
    for v in distinct:
        den = lcm(den, v.denominator)
    num = 0
    for v in distinct:
        num = gcd(num, abs(v.numerator) * (den // v.denominator))
    return Fraction(num or den, den)


def least_double(bound: Fraction, closed: bool) -> float:
    """The least float64 x with `x >= bound` (`x > bound` if not closed); inf where there is none."""
    try:
        nearest = float(bound)  # correctly rounded: it or the next one up
    except OverflowError:
        return float("inf") if bound > 0 else -float(np.finfo(np.float64).max)
    num, den = nearest.as_integer_ratio()
    side = num * bound.denominator - bound.numerator * den
    return float(np.nextafter(nearest, np.inf)) if side < 0 or (side == 0 and not closed) else nearest


def simplest_between(low: Fraction, high: Fraction) -> Fraction:
    """The fraction of least denominator strictly between two that are not negative (Stern and Brocot)."""
    whole = low.numerator // low.denominator
    if whole + 1 < high:
        return Fraction(whole + 1)
    # Both lie within [whole, whole + 1]: the simplest is whole + 1 / (the simplest between the reciprocals).
    low, high = low - whole, high - whole
    if low == 0:
        return whole + Fraction(1, high.denominator // high.numerator + 1)
    return whole + 1 / simplest_between(1 / high, 1 / low)


def simplest_of_float32(value: np.float32) -> Fraction:
    """The fraction of least denominator that rounds to a positive float32: 6/5 for 1.2, 1/3 for 0.33333334."""
    exact, zero, top = Fraction(float(value)), np.float32(0), np.float32(np.inf)
    below = Fraction(float(np.nextafter(value, zero)))
    above = np.nextafter(value, top)
    after = 2 * exact - below if np.isinf(above) else Fraction(float(above))
    return simplest_between((below + exact) / 2, (exact + after) / 2)
