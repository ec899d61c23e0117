"""Arithmetic on `Exact`: sums, products, comparisons and functions of single elements, with radii carried along."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np

from hwq.check.exact_onnx import integers
from hwq.check.exact_onnx.tensor import Exact, Undecided, aligned, decided, of_fractions

WORKING_BITS = 340
GRID_BITS = 240  # of an irrational value, below the point
Value = Fraction | Any
"""A rational value, or an mpmath number close to an irrational one."""


def add(a: Exact, b: Exact) -> Exact:
    """a + b."""
    a, b = aligned(a, b)
    num = integers.add(a.num, b.num)
    return Exact(num, a.unit, a.kind, _radius(num.shape, a.rad, b.rad)).trimmed()


def _radius(shape: tuple[int, ...], *radii: Any) -> Any:
    result = None
    for r in radii:
        if r is not None:
            spread = np.broadcast_to(r, shape)
            result = spread if result is None else integers.add(result, spread)
    return result


def neg(a: Exact) -> Exact:
    """-a."""
    return replace(a, num=integers.times(a.num, -1))


def sub(a: Exact, b: Exact) -> Exact:
    """a - b."""
    return add(a, neg(b))


def mul(a: Exact, b: Exact) -> Exact:
    """a b."""
    num = integers.mul(a.num, b.num)
    parts = []
    if b.rad is not None:
        parts.append(integers.mul(np.asarray(abs(a.num)), b.rad))
    if a.rad is not None:
        parts.append(integers.mul(a.rad, np.asarray(abs(b.num))))
    if a.rad is not None and b.rad is not None:
        parts.append(integers.mul(a.rad, b.rad))
    return Exact(num, a.unit * b.unit, a.kind, _radius(num.shape, *parts)).trimmed()


def scaled(a: Exact, factor: Fraction) -> Exact:
    """a by one fraction."""
    if factor == 0:
        return Exact(np.zeros(a.shape, dtype=np.int64), Fraction(1), a.kind)
    result = a if factor > 0 else neg(a)
    return replace(result, unit=result.unit * abs(factor))


def matmul(a: Exact, b: Exact) -> Exact:
    """a @ b."""
    parts = []
    if b.rad is not None:
        parts.append(integers.matmul(np.asarray(abs(a.num)), b.rad))
    if a.rad is not None:
        parts.append(integers.matmul(a.rad, np.asarray(abs(b.num))))
    if a.rad is not None and b.rad is not None:
        parts.append(integers.matmul(a.rad, b.rad))
    num = integers.matmul(a.num, b.num)
    return Exact(num, a.unit * b.unit, a.kind, _radius(num.shape, *parts)).trimmed()


def total(a: Exact, axes: Sequence[int], keep: bool) -> Exact:
    """The sum over axes."""
    rad = None if a.rad is None else integers.total(a.rad, tuple(axes), keep)
    return replace(a, num=integers.total(a.num, tuple(axes), keep), rad=rad)


def reciprocal(a: Exact) -> Exact:
    """1 / a. Errors: ZeroDivisionError."""
    return function(a, lambda v: 1 / v)


def divide(a: Exact, b: Exact) -> Exact:
    """a / b."""
    return mul(a, reciprocal(b)).typed(a.kind)


def of_ends(low: Any, high: Any, unit: Fraction, kind: int) -> Exact:
    """The values between two ends."""
    if low is high or bool(np.asarray(low == high).all()):
        return Exact(integers.narrow(np.asarray(low)), unit, kind)
    middle, rad = integers.add(low, high), integers.add(high, integers.times(low, -1))
    return Exact(middle, unit / 2, kind, rad)


def larger(a: Exact, b: Exact) -> Exact:
    """max(a, b)."""
    return _extreme(a, b, np.maximum)


def smaller(a: Exact, b: Exact) -> Exact:
    """min(a, b)."""
    return _extreme(a, b, np.minimum)


def _extreme(a: Exact, b: Exact, pick: Any) -> Exact:
    a, b = aligned(a, b)
    (low_a, high_a), (low_b, high_b) = a.ends(), b.ends()
    low = np.asarray(pick(low_a, low_b))
    if a.rad is None and b.rad is None:
        return Exact(integers.narrow(low), a.unit, a.kind)
    return of_ends(low, np.asarray(pick(high_a, high_b)), a.unit, a.kind)


def at_least(a: Exact, b: Exact) -> Any:
    """Where a >= b, as booleans."""
    a, b = aligned(a, b)
    (low_a, high_a), (low_b, high_b) = a.ends(), b.ends()
    return decided(np.asarray(low_a >= high_b), np.asarray(high_a >= low_b)).astype(bool)


def zero(like: Exact) -> Exact:
    """0 of the same type."""
    return Exact(np.zeros((1,) * like.rank, dtype=np.int64), Fraction(1), like.kind)


def number(value: Any, like: Exact) -> Exact:
    """One number that broadcasts against `like`."""
    return of_fractions([Fraction(value)], (1,) * like.rank, like.kind)


def function(x: Exact, f: Callable[[Fraction], Value], jumps: bool = False) -> Exact:
    """f of every element; f gives fractions where it is rational there, mpmath numbers elsewhere.

    With a radius f is taken at both ends too; `jumps` says that it may not be continuous: it has to be constant there.
    """
    flat = x.num.reshape(-1)
    distinct, where = np.unique(flat, return_inverse=True)
    with mpmath.workprec(WORKING_BITS):
        if x.rad is None:
            table = _grid([f(n * x.unit) for n in distinct.tolist()], x.kind)
            return table.moved(lambda a: a[where].reshape(x.shape))
        rad = np.broadcast_to(x.rad, x.shape).reshape(-1)
        points = [(n * x.unit, r * x.unit) for n, r in zip(flat.tolist(), rad.tolist(), strict=True)]
        middle = _grid([f(v) for v, _ in points], x.kind, dyadic=True)
        unit = middle.unit
        spreads = []
        for v, r in points:
            if r == 0:
                spreads.append(0)
                continue
            ends = [f(v - r), f(v + r)]
            if jumps and ends[0] != ends[1]:
                raise Undecided("an irrational value lies too near a jump of a function")
            here = f(v)
            apart = max(abs(_mpf(e) - _mpf(here)) for e in ends) * 4
            spreads.append(int(mpmath.ceil(apart * unit.denominator / unit.numerator)) + 2)
    own = np.zeros(len(points), dtype=object) if middle.rad is None else integers.wide(middle.rad)
    flat_rad = np.asarray(spreads, dtype=object) + own
    return replace(middle.reshaped(*x.shape), rad=flat_rad.reshape(x.shape)).trimmed()


def _mpf(value: Value) -> Any:
    return mpmath.mpf(value.numerator) / value.denominator if isinstance(value, Fraction) else mpmath.mpf(value)


def _grid(values: list[Value], kind: int, dyadic: bool = False) -> Exact:
    """Fractions as they are; with irrational numbers among them, all on one dyadic grid, with a radius."""
    if not dyadic and all(isinstance(v, Fraction | int) for v in values):
        return of_fractions([Fraction(v) for v in values], (len(values),), kind)
    smallest = min((int(mpmath.mag(_mpf(v))) for v in values if v != 0), default=0)
    bits = GRID_BITS + min(4000, max(0, -smallest))
    nums, radii = [], []
    for v in values:
        if isinstance(v, Fraction | int):
            exact = Fraction(v) * (1 << bits)
            nums.append(exact.numerator // exact.denominator)
            radii.append(0 if exact.denominator == 1 else 1)
        else:
            nums.append(int(mpmath.floor(mpmath.ldexp(v, bits))))
            radii.append(2 + (abs(nums[-1]) >> (WORKING_BITS - 40)))
    num, rad = np.empty(len(nums), dtype=object), np.empty(len(nums), dtype=object)
    num[:], rad[:] = nums, radii
    return Exact(num, Fraction(1, 1 << bits), kind, rad)
