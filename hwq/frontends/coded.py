"""Constants that stay codes on a grid through what exporters write around them: factors, offsets, masks, clamps.

Every rule gives None where codes would not remain few-bit integers: the constant is then folded in its own type.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hwq.errors import UnsupportedError
from hwq.frontends.call import Array, Value
from hwq.ir.constants import Coded, on_dyadic_grid
from hwq.ir.hardware import Shape
from hwq.numeric.fixed import Codes
from hwq.numeric.rational import Rationals, elementwise, rationals, scalar, squeeze_uniform, uniform

MAX_PARAMETERS = 1 << 16  # scales or offsets that a constant is given
MAX_CODE = 1 << 30
WEIGHT_AXES = 2  # a constant of fewer axes is a shape, a bias or a scale, and folded in its own type


def product(left: Value, right: Value) -> Coded | None:
    """left * right."""
    for codes, factor in ((left, right), (right, left)):
        if isinstance(codes, Coded) and isinstance(factor, Coded):
            if factor.codes.size == 1:
                return _scaled(codes, factor.scale.reshape(-1)[0] * _only(factor.codes) + factor.offset.reshape(-1)[0])
        elif isinstance(codes, Coded) and isinstance(factor, np.ndarray):
            return _by_array(codes, factor)
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray) and not _is_exact(left, right):
        for integers, factor in ((left, right), (right, left)):
            if _are_codes(integers):
                return _by_array(_as_codes(integers), factor)
    return None


def quotient(left: Value, right: Value) -> Coded | None:
    """left / right, the divisor a plain constant without zeros."""
    if not isinstance(right, np.ndarray) or right.dtype.kind != "f" or not np.isfinite(right).all() or not right.all():
        return None
    if isinstance(left, np.ndarray):
        with np.errstate(all="ignore"):
            ratio = np.asarray(left / right, dtype=np.float64)
        if not _are_codes(left) or on_dyadic_grid(ratio) is not None:
            return None
        left = _as_codes(left)
    few = _narrow(right)
    if not isinstance(left, Coded) or not _few(few, left):
        return None
    return _scaled(left, elementwise(lambda v: 1 / v, rationals(few)), right.shape)


def shifted(left: Value, right: Value, sign: int) -> Coded | None:
    """left + sign * right, one of them codes and the other a plain constant."""
    if isinstance(left, Coded) and isinstance(right, np.ndarray):
        codes, more = left, right * sign
    elif isinstance(right, Coded) and isinstance(left, np.ndarray):
        codes, more = (right if sign > 0 else negated(right)), left
    else:
        return None
    few = _narrow(np.asarray(more, dtype=np.float64))
    if few.size > MAX_PARAMETERS or not np.isfinite(few).all():
        return None
    shape = np.broadcast_shapes(codes.shape, more.shape)
    made = Coded(_spread(codes.codes, shape), codes.scale, squeeze_uniform(_plus(codes.offset, rationals(few))))
    return _without_offset(made)


def negated(x: Coded) -> Coded:
    """-x: the codes change their signs, the scale stays positive."""
    return Coded(-x.codes, x.scale, np.asarray(-x.offset, dtype=object))


def joined(parts: Sequence[Value], axis: int) -> Coded | None:
    """The parts in a row along an axis; plain ones have to lie on a dyadic grid."""
    if not any(isinstance(p, Coded) for p in parts):
        return None
    coded = [p if isinstance(p, Coded) else on_dyadic_grid(p) for p in parts if isinstance(p, Coded | np.ndarray)]
    if any(p is None for p in coded) or len(coded) < len(parts):
        return None
    known = [p for p in coded if p is not None]
    rank = len(known[0].shape)
    at = axis % rank
    codes = np.concatenate([p.codes for p in known], axis=at)

    def along(values: list[Rationals]) -> Rationals:
        if len({v.reshape(-1)[0] for v in values}) == 1 and all(v.size == 1 for v in values):
            return values[0]
        wide = [np.broadcast_to(v, _keeping(v, p.shape, at)) for v, p in zip(values, known, strict=True)]
        rest = np.broadcast_shapes(*((*w.shape[:at], 1, *w.shape[at + 1 :]) for w in wide))
        full = [np.broadcast_to(w, (*rest[:at], w.shape[at], *rest[at + 1 :])) for w in wide]
        return np.asarray(np.concatenate(full, axis=at), dtype=object)

    return Coded(codes, along([p.scale for p in known]), along([p.offset for p in known]))


def chosen(condition: Array, left: Value, right: Value) -> Coded | None:
    """Where(condition, left, right), one of them codes and the other codes of the same grid, or zeros."""
    mask = np.asarray(condition, dtype=bool)
    if isinstance(left, Coded) and isinstance(right, Coded):
        if not (np.array_equal(left.scale, right.scale) and np.array_equal(left.offset, right.offset)):
            return None
        if left.scale.size > 1:
            return None
        return Coded(np.where(mask, left.codes, right.codes), left.scale, left.offset)
    for codes, other, kept in ((left, right, mask), (right, left, ~mask)):
        if isinstance(codes, Coded) and isinstance(other, np.ndarray) and not other.any():
            shape = np.broadcast_shapes(codes.shape, mask.shape, other.shape)
            return _by_array(Coded(_spread(codes.codes, shape), codes.scale, codes.offset), kept.astype(np.float64))
    return None


def clamped(x: Coded, lo: float | None, hi: float | None) -> Coded | None:
    """min(max(x, lo), hi) where the bounds are values of codes, the same in every channel."""
    codes = x.codes
    for bound, upper in ((lo, False), (hi, True)):
        if bound is None or np.isinf(bound):
            continue
        code = uniform(np.asarray((rationals(bound) - x.offset) / x.scale, dtype=object))
        if code is None or code.denominator != 1 or abs(code) > MAX_CODE or any(v <= 0 for v in x.scale.reshape(-1)):
            return None
        codes = np.minimum(codes, int(code)) if upper else np.maximum(codes, int(code))
    return Coded(codes, x.scale, x.offset)


def _by_array(x: Coded, factor: Array) -> Coded | None:
    """Codes times a plain constant: integers multiply the codes, anything that varies little the scale."""
    values = np.asarray(factor, dtype=np.float64)
    if not np.isfinite(values).all():
        return None
    few = _narrow(values)
    if few.size > 1 and np.isin(few, (-1.0, 0.0, 1.0)).all() and uniform(x.offset) == 0:
        shape = np.broadcast_shapes(x.shape, values.shape)
        return Coded(_spread(x.codes, shape) * values.astype(np.int64), x.scale, x.offset)
    if _few(few, x):
        return _scaled(x, rationals(few), values.shape)
    grid = on_dyadic_grid(values)
    if grid is None or uniform(x.offset) != 0 or np.abs(grid.codes).max() * np.abs(x.codes).max() > MAX_CODE:
        return None
    shape = np.broadcast_shapes(x.shape, values.shape)
    return Coded(_spread(x.codes, shape) * grid.codes, np.asarray(x.scale * grid.scale, dtype=object), x.offset)


def _scaled(x: Coded, factor: Any, shape: Shape = ()) -> Coded:
    """Codes with another scale; where the factor is 0 the codes are, and the scale stays what it was."""
    by = factor if isinstance(factor, np.ndarray) else scalar(factor)
    codes = _spread(x.codes, np.broadcast_shapes(x.shape, shape))
    dead = np.asarray(by == 0, dtype=bool)
    offset = squeeze_uniform(np.asarray(x.offset * by, dtype=object))
    if dead.any():
        codes = np.where(dead, 0, codes)
        by = np.where(dead, scalar(1), by)
    return Coded(codes, squeeze_uniform(np.asarray(x.scale * by, dtype=object)), offset)


def _few(parameters: npt.NDArray[Any], x: Coded) -> bool:
    """Whether there are few enough scales for what is scaled: one of each element's own makes no grid."""
    return parameters.size == 1 or parameters.size <= min(MAX_PARAMETERS, x.codes.size // 2)


def _without_offset(x: Coded) -> Coded:
    """Zero points taken into the codes where they are whole."""
    try:
        codes, scale = x.integers("a constant")
    except UnsupportedError:
        return x
    return x if np.abs(codes).max(initial=0) > MAX_CODE else Coded(codes, scale, scalar(0))


def _only(codes: Codes) -> int:
    return int(codes.reshape(-1)[0])


def _plus(left: Rationals, right: Rationals) -> Rationals:
    return np.asarray(left + right, dtype=object)


def _spread(codes: Codes, shape: Shape) -> Codes:
    return codes if codes.shape == shape else np.array(np.broadcast_to(codes, shape))


def _narrow(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The array with every axis along which nothing changes cut to extent 1, in at least one axis."""
    few = np.atleast_1d(values)
    for axis in range(few.ndim):
        first = few.take([0], axis=axis)
        if few.shape[axis] > 1 and bool((few == first).all()):
            few = first
    return few


def _keeping(values: Rationals, shape: Shape, axis: int) -> Shape:
    padded = (1,) * (len(shape) - values.ndim) + values.shape if values.size > 1 else (1,) * len(shape)
    return (*padded[:axis], shape[axis], *padded[axis + 1 :])


def _are_codes(values: Array) -> bool:
    """Integers, of a constant that may be weights."""
    if values.ndim < WEIGHT_AXES or not values.size:
        return False
    return bool((np.abs(values) < MAX_CODE).all()) and np.array_equal(values, np.rint(values))


def _as_codes(values: Array) -> Coded:
    return Coded(values.astype(np.int64), scalar(1), scalar(0))


def _is_exact(left: Array, right: Array) -> bool:
    """Whether the product of two plain constants may be folded: it is an integer, or of too few axes for weights."""
    if max(left.ndim, right.ndim) < WEIGHT_AXES or left.dtype.kind not in "fi" or right.dtype.kind not in "fi":
        return True
    with np.errstate(all="ignore"):
        return on_dyadic_grid(np.asarray(left, dtype=np.float64) * right) is not None
