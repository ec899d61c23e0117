"""Integer arrays that never overflow: int64 where every result is proved to fit, Python integers elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[Any]
"""int64, or object arrays of Python integers."""

SAFE = 1 << 62
EXACT_FLOAT = 1 << 53  # float64 sums of products below this are integers


def top(a: Integers) -> int:
    """The greatest magnitude."""
    return 0 if a.size == 0 else max(int(a.max()), -int(a.min()))


def wide(a: Integers) -> Integers:
    """The same as Python integers."""
    return np.asarray(a.astype(object), dtype=object)


def narrow(a: Any) -> Integers:
    """The same in int64 where it fits."""
    given = np.asarray(a)
    fits = given.dtype != object or top(given) < SAFE
    return np.asarray(given.astype(np.int64)) if fits else given


def add(a: Integers, b: Integers) -> Integers:
    """a + b, broadcast."""
    if a.dtype != object and b.dtype != object and top(a) + top(b) < SAFE:
        return np.asarray(a + b)
    return narrow(np.asarray(wide(a) + wide(b), dtype=object))


def mul(a: Integers, b: Integers) -> Integers:
    """a b, broadcast."""
    if a.dtype != object and b.dtype != object and top(a) * top(b) < SAFE:
        return np.asarray(a * b)
    return narrow(np.asarray(wide(a) * wide(b), dtype=object))


def times(a: Integers, factor: int) -> Integers:
    """a by one integer of any size."""
    return a if factor == 1 else mul(a, np.asarray(factor, dtype=np.int64 if abs(factor) < SAFE else object))


def total(a: Integers, axes: tuple[int, ...], keep: bool) -> Integers:
    """The sum over axes."""
    count = 1
    for axis in axes:
        count *= a.shape[axis]
    source = a if a.dtype != object and top(a) * max(1, count) < SAFE else wide(a)
    return narrow(np.asarray(source.sum(axis=axes, keepdims=keep)))


def matmul(a: Integers, b: Integers) -> Integers:
    """a @ b, exactly: limbs whose float64 products and sums stay integers."""
    depth = max(1, a.shape[-1])
    bound = top(a) * top(b) * depth
    if bound < EXACT_FLOAT:
        return np.asarray(np.matmul(a.astype(np.float64), b.astype(np.float64))).astype(np.int64)
    bits = (52 - depth.bit_length()) // 2
    parts = None
    for i, left in enumerate(_limbs(a, bits)):
        for j, right in enumerate(_limbs(b, bits)):
            product = np.asarray(np.matmul(left, right)).astype(np.int64)
            if bound < SAFE:
                term = product << (bits * (i + j)) if bits * (i + j) < 63 else product * 0
            else:
                term = np.asarray(product.astype(object) * (1 << (bits * (i + j))), dtype=object)
            parts = term if parts is None else parts + term
    return narrow(np.asarray(parts))


def _limbs(a: Integers, bits: int) -> list[npt.NDArray[np.float64]]:
    """Digits of `bits` bits, the least first, the last one signed."""
    limbs, rest = [], a
    while top(rest) >> bits:
        limbs.append(np.asarray(rest & ((1 << bits) - 1)).astype(np.float64))
        rest = narrow(np.asarray(rest >> bits))
    return [*limbs, rest.astype(np.float64)]


def quotient(n: Integers, d: Integers, mode: str) -> Integers:
    """n / d rounded to an integer; d > 0. Modes are named after what happens to a value between two integers."""
    if n.dtype == object or d.dtype == object or max(top(n), top(d)) >= SAFE >> 2:
        n, d = wide(n), wide(d)
    if mode == "floor":
        return narrow(np.asarray(n // d))
    if mode == "ceil":
        return narrow(np.asarray(-((-n) // d)))
    if mode in ("half_up", "half_down"):
        return narrow(np.asarray((2 * n + d) // (2 * d) if mode == "half_up" else -((d - 2 * n) // (2 * d))))
    magnitude, sign = np.asarray(abs(n)), np.where(np.asarray(n < 0), -1, 1)
    if mode == "to_zero":
        result = magnitude // d
    elif mode == "away":
        result = -((-magnitude) // d)
    elif mode == "half_away":
        result = (2 * magnitude + d) // (2 * d)
    elif mode == "half_to_zero":
        result = -((d - 2 * magnitude) // (2 * d))
    elif mode == "half_even":
        result = (2 * magnitude + d) // (2 * d)
        tie = np.asarray((2 * magnitude + d) % (2 * d) == 0)
        result = result - np.where(tie & np.asarray(result % 2 == 1), 1, 0)
    else:
        raise ValueError(mode)
    return narrow(np.asarray(result * sign))
