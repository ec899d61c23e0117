"""Constructor parameters of quantizers: what each may be, and its one normal form (so that equal specs are equal)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import field
from typing import Any

import numpy as np

from hwq.errors import SpecError, shown

Check = Callable[[str, Any], Any]
"""Normalises a parameter's value, or raises `SpecError`; takes the parameter's name and the value."""

MOST_BITS = 62


def param(default: Any, check: Check, **options: Any) -> Any:
    """A dataclass field whose value is normalised by `check`."""
    return field(default=default, metadata={"check": check}, **options)


def _refuse(name: str, value: Any, wanted: str) -> SpecError:
    return SpecError(f"{name}={shown(value)}", remedy=f"it must be {wanted}")


def _plain(value: Any) -> Any:
    """numpy scalars and one-element arrays as Python numbers."""
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.size == 1):
        return value.reshape(()).item() if isinstance(value, np.ndarray) else value.item()
    return value


def whole(lo: int, hi: int, keep_float: bool = False) -> Check:
    """An integer within `lo..hi`; 8.0 means 8 unless `keep_float`."""

    def check(name: str, value: Any) -> Any:
        value = _plain(value)
        good = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
        if not good or isinstance(value, bool) or value != int(value) or not lo <= value <= hi:
            raise _refuse(name, value, f"an integer from {lo} to {hi}")
        return value if keep_float else int(value)

    return check


bit_width = whole(1, MOST_BITS)
binary_point = whole(-1024, 1024)


def flag(name: str, value: Any) -> bool:
    """True or False, which may be written 1 or 0."""
    value = _plain(value)
    if not isinstance(value, int | float) or value not in (0, 1):
        raise _refuse(name, value, "True or False")
    return bool(value)


def number(name: str, value: Any) -> int | float:
    """A finite number."""
    value = _plain(value)
    if isinstance(value, bool):
        value = int(value)
    if not isinstance(value, int | float) or not abs(value) <= 3.4e38:
        raise _refuse(name, value, "a finite number")
    return value


def positive(name: str, value: Any) -> int | float:
    """A finite number above 0."""
    if number(name, value) <= 0:
        raise _refuse(name, value, "a positive number")
    return number(name, value)


def optional(check: Check) -> Check:
    """None, or what `check` accepts."""
    return lambda name, value: None if value is None else check(name, value)


def choice(*known: str) -> Check:
    """One of these texts."""

    def check(name: str, value: Any) -> str:
        if not isinstance(value, str) or value not in known:
            raise _refuse(name, value, "one of " + ", ".join(f"'{k}'" for k in known))
        return value

    return check


def text(name: str, value: Any) -> str:
    """A variable's name: kept, without meaning here."""
    if not isinstance(value, str) or not value.isprintable() or any(ch in value for ch in "'\"(),[]="):
        raise _refuse(name, value, "a plain text")
    return value


def axes(name: str, value: Any) -> int | tuple[int, ...]:
    """An integer or a list of integers; a list of one is that one."""
    one = whole(-64, 1 << 20)
    if isinstance(value, list | tuple | np.ndarray) and np.ndim(value) == 1 and len(value) > 0:
        values = tuple(one(name, v) for v in value)
        return values[0] if len(values) == 1 else values
    result: int = one(name, value)
    return result


def numbers(name: str, value: Any) -> Any:
    """A finite number or a (nested) list of them, as nested tuples; a single element is that number."""
    if isinstance(value, list | tuple | np.ndarray):
        try:
            array = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise _refuse(name, value, "a regular list of numbers") from error
        if array.size == 0 or not np.isfinite(array).all():
            raise _refuse(name, value, "a list of finite numbers")
        if array.size == 1:
            return number(name, array)
        return _tuples(array.tolist())
    return number(name, value)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value


def any_alpha(name: str, value: Any) -> Any:
    """None, a number, a list broadcasting against the input, 'auto' or 'auto_po2'."""
    if value is None:
        return None
    if isinstance(value, str):
        if value not in ("auto", "auto_po2"):
            raise _refuse(name, value, "None, a number, a list, 'auto' or 'auto_po2'")
        return value
    return numbers(name, value)


def list_alpha(name: str, value: Any) -> Any:
    """As `any_alpha`, but an array of several elements is refused, as the package does."""
    if isinstance(value, np.ndarray) and value.size > 1:
        raise _refuse(name, f"array of shape {value.shape}", "a list here: the package fails on arrays; use .tolist()")
    return any_alpha(name, value)
