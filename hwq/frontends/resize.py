"""ONNX Resize and Upsample: nearest by positions, linear by one matrix per axis, both in exact arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import lcm
from types import MappingProxyType

import numpy as np

from hwq.frontends.call import MAX_ELEMENTS, Call, Rule, Signal, Value
from hwq.frontends.shapes import moved, shape_of
from hwq.frontends.spatial import selected
from hwq.ir import real
from hwq.ir.constants import GRID_BITS, Coded
from hwq.ir.hardware import Shape
from hwq.ir.selection import Selection
from hwq.numeric.fixed import Codes
from hwq.numeric.rational import scalar

Scales = dict[int, tuple[Fraction, int]]
"""Per resized axis, its scale and its output extent."""

NEAREST: MappingProxyType[str, Callable[[Fraction], int]] = MappingProxyType(
    {
        "round_prefer_floor": lambda x: (x - Fraction(1, 2)).__ceil__(),
        "round_prefer_ceil": lambda x: (x + Fraction(1, 2)).__floor__(),
        "floor": lambda x: x.__floor__(),
        "ceil": lambda x: x.__ceil__(),
    }
)


def _source(call: Call, how: str, o: int, n: int, scale: Fraction, length: int) -> Fraction:
    """The position in the data that output `o` looks at (ONNX Resize, coordinate_transformation_mode)."""
    half = Fraction(1, 2)
    if how == "asymmetric":
        return o / scale
    if how == "half_pixel":
        return (o + half) / scale - half
    if how == "half_pixel_symmetric":
        middle, exact = Fraction(n, 2), scale * n
        return middle * (1 - length / exact) + (o + half) / scale - half
    if how == "pytorch_half_pixel":
        return (o + half) / scale - half if length > 1 else Fraction(0)
    if how == "tf_half_pixel_for_nn":
        return (o + half) / scale
    if how == "align_corners":
        return Fraction(o * (n - 1), length - 1) if length > 1 else Fraction(0)
    raise call.fail(f"coordinate_transformation_mode '{how}'", "use asymmetric, half_pixel or align_corners")


def resized(call: Call, x: Value, scales: Scales, how: str, mode: str, rounding: str) -> Value:
    """x resized along each axis of `scales`."""
    if mode == "nearest":
        if rounding not in NEAREST:
            raise call.broken(f"nearest_mode '{rounding}'")
        positions: list[Codes | None] = [None] * len(shape_of(x))
        for axis, (scale, length) in scales.items():
            n = shape_of(x)[axis]
            at = [NEAREST[rounding](_source(call, how, o, n, scale, length)) for o in range(length)]
            positions[axis] = np.clip(at, 0, n - 1)
        return selected(call, x, Selection.of(shape_of(x), positions))
    if mode not in ("linear", "bilinear", "trilinear"):
        raise call.fail(f"interpolation '{mode}'", "use nearest or linear")
    for axis, (scale, length) in scales.items():
        n = shape_of(x)[axis]
        if not isinstance(x, Signal):
            raise call.fail("a constant resized linearly", "fold the constant part before export")
        if n != length or scale != 1:
            x = _interpolated(call, x, axis, [_source(call, how, o, n, scale, length) for o in range(length)])
    return x


def _interpolated(call: Call, x: Signal, axis: int, sources: list[Fraction]) -> Signal:
    """Each output is a weighted mean of two neighbours: a product with a matrix of whole numbers over one divisor."""
    n = x.shape[axis]
    at = [min(max(s, Fraction(0)), Fraction(n - 1)) for s in sources]
    divisor = lcm(*(s.denominator for s in at))
    if divisor >= 1 << GRID_BITS:
        raise call.fail("linear interpolation by a ratio of large numbers", "use a scale such as 2, 4 or 3/2")
    matrix = np.zeros((n, len(at)), dtype=np.int64)
    for o, s in enumerate(at):
        below = min(s.__floor__(), n - 1)
        part = int((s - below) * divisor)
        matrix[below, o] += divisor - part
        if part:
            matrix[below + 1, o] += part
    perm = (*(i for i in range(len(x.shape)) if i != axis), axis)
    (last,) = _transposed(call, x, perm)
    product = call.emit(
        real.MatMul(Coded(matrix, scalar(Fraction(1, divisor)), scalar(0))), [last], (*last.shape[:-1], len(at))
    )[0]
    return _transposed(call, product, tuple(int(i) for i in np.argsort(perm)))[0]


def _transposed(call: Call, x: Signal, perm: tuple[int, ...]) -> list[Signal]:
    shape = tuple(x.shape[p] for p in perm)
    values = moved(call, x, real.Transpose(perm), shape, lambda a: a.transpose(perm))
    return [v for v in values if isinstance(v, Signal)]


def resize(call: Call) -> list[Value]:
    """Resize: scales or sizes; before opset 11 the second input is the scales, and positions are asymmetric."""
    x = call.value(0)
    mode = str(call.attribute("mode", "nearest"))
    old = call.version < 11
    how = str(call.attribute("coordinate_transformation_mode", "asymmetric" if old else "half_pixel"))
    rounding = str(call.attribute("nearest_mode", "floor" if old else "round_prefer_floor"))
    if call.attribute("antialias", 0) and mode != "nearest":
        raise call.fail("antialias", "resize without it")
    if str(call.attribute("keep_aspect_ratio_policy", "stretch")) != "stretch":
        raise call.fail("keep_aspect_ratio_policy", "state the sizes")
    return [resized(call, x, _scales(call, shape_of(x), 1 if old else 2), how, mode, rounding)]


def upsample(call: Call) -> list[Value]:
    """Repetition by whole factors (ONNX Upsample, before opset 10)."""
    x = call.value(0)
    scales = _scales(call, shape_of(x), 1)
    return [resized(call, x, scales, "asymmetric", str(call.attribute("mode", "nearest")), "floor")]


def _scales(call: Call, extents: Shape, index: int) -> Scales:
    """Scales as the file gives them (float32, read exactly), or the ratios of the sizes it gives."""
    axes = [call.axis(int(a), len(extents)) for a in call.attribute("axes", None) or range(len(extents))]
    found: Scales = {}
    if call.given(index) and call.array(index, "scales").size:
        scales = call.exact(index, "scales").reshape(-1)
    elif call.attribute("scales") is not None:
        scales = np.asarray([Fraction(float(np.float32(s))) for s in call.attribute("scales")], dtype=object)
    elif call.given(index + 1):
        sizes = [int(v) for v in call.array(index + 1, "sizes").reshape(-1)]
        if len(sizes) != len(axes):
            raise call.broken(f"sizes {sizes} for {len(axes)} axes")
        for axis, size in zip(axes, sizes, strict=True):
            if size == 0:
                raise call.empty(f"sizes {sizes}")
            if not 0 < size <= MAX_ELEMENTS:
                raise call.broken(f"sizes {sizes}")
            found[axis] = (Fraction(size, extents[axis]), size)
        return _changed(found, extents)
    else:
        raise call.broken("neither scales nor sizes are given")
    if len(scales) != len(axes) or any(s <= 0 or s > MAX_ELEMENTS for s in scales):
        raise call.broken(f"scales {[float(s) for s in scales]} for {len(axes)} axes")
    for axis, scale in zip(axes, scales, strict=True):
        length = int(extents[axis] * scale)
        if length < 1:
            raise call.empty(f"a scale of {float(scale)} of an axis of {extents[axis]}")
        found[axis] = (scale, length)
    return _changed(found, extents)


def _changed(scales: Scales, extents: Shape) -> Scales:
    """Without the axes that stay as they are: no way of reading positions moves their elements."""
    return {axis: v for axis, v in scales.items() if v != (Fraction(1), extents[axis])}


RULES: MappingProxyType[str, Rule] = MappingProxyType({"Resize": resize, "Upsample": upsample})
