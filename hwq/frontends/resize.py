"""ONNX Resize and Upsample: nearest by the positions that executors find, linear by one exact matrix per axis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from hwq.frontends.call import MAX_ELEMENTS, Call, Rule, Signal, Value
from hwq.frontends.shapes import moved, shape_of
from hwq.frontends.spatial import selected
from hwq.ir import real
from hwq.ir.constants import GRID_BITS, Coded
from hwq.ir.hardware import Shape
from hwq.ir.selection import Selection
from hwq.numeric.fixed import Codes
from hwq.numeric.rational import scalar, simplest_of_float32

Floats = npt.NDArray[np.float64]
OLD = "cut, or up where the data shrink"  # how nearest rounded before opset 11 named modes


@dataclass(frozen=True)
class Stretch:
    """How one axis is resized: to `length` elements, by the `ratio` that float32 holds as `single`."""

    ratio: Fraction
    single: np.float32
    length: int


Scales = dict[int, Stretch]
"""By axis, those that change."""

TIE = 1e-6  # how near to a half a position counts as one, where halves are told apart: executors' float32 noise


def _with_ties(x: Floats) -> Floats:
    half = np.floor(x) + 0.5
    return np.where(np.abs(x - half) < TIE, half, x)


NEAREST: MappingProxyType[str, Callable[[Floats], Floats]] = MappingProxyType(
    {
        "round_prefer_floor": lambda x: np.ceil(_with_ties(x) - 0.5),
        "round_prefer_ceil": lambda x: np.floor(_with_ties(x) + 0.5),
        "floor": np.floor,
        "ceil": np.ceil,
    }
)
"""Of positions in float32, widened so that the half is added exactly."""


def _source(call: Call, how: str, o: int, n: int, by: Stretch) -> Fraction:
    """The position in the data that output `o` looks at (ONNX Resize, coordinate_transformation_mode)."""
    half, scale, length = Fraction(1, 2), by.ratio, by.length
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


def _float32_sources(call: Call, how: str, n: int, by: Stretch) -> Floats:
    """The same positions in the float32 arithmetic of the executors, all at once.

    Which element is nearest can hang on the last bit where the scale has no float32: 1.2 and 0.7 put positions on
    either side of a whole number or a half. No exact reading gives the elements that the exporter's own tests have
    seen, this one does (onnxruntime's `GetOriginalCoordinate`: each step rounded to float32, half_pixel_symmetric
    in double behind its offset).
    """
    f = np.float32
    o, scale, length = np.arange(by.length, dtype=f), by.single, f(by.length)
    if how == "asymmetric":
        at = o / scale
    elif how == "half_pixel" or (how == "pytorch_half_pixel" and by.length > 1):
        at = (o + f(0.5)) / scale - f(0.5)
    elif how == "half_pixel_symmetric":
        offset = f(n) / f(2) * (f(1) - length / (scale * f(n)))
        at = (float(offset) + (o + 0.5).astype(np.float64) / float(scale) - 0.5).astype(f)
    elif how == "tf_half_pixel_for_nn":
        at = (o + f(0.5)) / scale
    elif how == "align_corners" and by.length > 1:
        at = o * f(n - 1) / f(by.length - 1)
    elif how in ("pytorch_half_pixel", "align_corners"):
        at = np.zeros(1, dtype=f)
    else:
        raise call.fail(f"coordinate_transformation_mode '{how}'", "use asymmetric, half_pixel or align_corners")
    return at.astype(np.float64)


def resized(call: Call, x: Value, scales: Scales, how: str, mode: str, rounding: str) -> Value:
    """x resized along each axis of `scales`."""
    if mode == "nearest":
        if rounding not in (*NEAREST, OLD):
            raise call.broken(f"nearest_mode '{rounding}'")
        positions: list[Codes | None] = [None] * len(shape_of(x))
        for axis, by in scales.items():
            n = shape_of(x)[axis]
            chosen = rounding if rounding != OLD else "ceil" if by.single < 1 else "floor"
            at = NEAREST[chosen](_float32_sources(call, how, n, by))
            positions[axis] = np.clip(at, 0, n - 1).astype(np.int64)
        return selected(call, x, Selection.of(shape_of(x), positions))
    if mode not in ("linear", "bilinear", "trilinear"):
        raise call.fail(f"interpolation '{mode}'", "use nearest or linear")
    for axis, by in scales.items():
        n = shape_of(x)[axis]
        if not isinstance(x, Signal):
            raise call.constant(0)
        if n != by.length or by.ratio != 1:
            x = _interpolated(call, x, axis, [_source(call, how, o, n, by) for o in range(by.length)])
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
    how = str(call.attribute("coordinate_transformation_mode", "half_pixel")) if not old else "asymmetric"
    rounding = OLD if old else str(call.attribute("nearest_mode", "round_prefer_floor"))
    if call.attribute("antialias", 0) and mode != "nearest":
        raise call.fail("antialias", "resize without it")
    if str(call.attribute("keep_aspect_ratio_policy", "stretch")) != "stretch":
        raise call.fail("keep_aspect_ratio_policy", "state the sizes")
    return [resized(call, x, _scales(call, shape_of(x), 1 if old else 2), how, mode, rounding)]


def upsample(call: Call) -> list[Value]:
    """Resized by positions o / scale, those of nearest cut (ONNX Upsample, before opset 10)."""
    x = call.value(0)
    scales = _scales(call, shape_of(x), 1)
    return [resized(call, x, scales, "asymmetric", str(call.attribute("mode", "nearest")), OLD)]


def _scales(call: Call, extents: Shape, index: int) -> Scales:
    """Scales as they were meant before float32 held them, or the ratios of the sizes that the file gives."""
    axes = [call.axis(int(a), len(extents)) for a in call.attribute("axes", None) or range(len(extents))]
    found: Scales = {}
    if call.given(index) and call.array(index, "scales").size:
        call.exact(index, "scales")  # finite
        scales = call.array(index, "scales").reshape(-1)
    elif call.attribute("scales") is not None:
        scales = np.asarray(call.attribute("scales"), dtype=np.float64)
    elif call.given(index + 1):
        sizes = [int(v) for v in call.array(index + 1, "sizes").reshape(-1)]
        if len(sizes) != len(axes):
            raise call.broken(f"sizes {sizes} for {len(axes)} axes")
        for axis, size in zip(axes, sizes, strict=True):
            if size == 0:
                raise call.empty(f"sizes {sizes}")
            if not 0 < size <= MAX_ELEMENTS:
                raise call.broken(f"sizes {sizes}")
            found[axis] = Stretch(Fraction(size, extents[axis]), np.float32(size) / np.float32(extents[axis]), size)
        return _changed(found, extents)
    else:
        raise call.broken("neither scales nor sizes are given")
    singles = scales.astype(np.float32)
    if len(scales) != len(axes) or not all(0 < s <= MAX_ELEMENTS for s in singles):
        raise call.broken(f"scales {[float(s) for s in scales]} for {len(axes)} axes")
    for axis, scale in zip(axes, singles, strict=True):
        length = int(np.float32(extents[axis]) * scale)
        if length < 1:
            raise call.empty(f"a scale of {float(scale)} of an axis of {extents[axis]}")
        found[axis] = Stretch(simplest_of_float32(scale), scale, length)
    return _changed(found, extents)


def _changed(scales: Scales, extents: Shape) -> Scales:
    """Without the axes that stay as they are; a tensor that keeps its shape is copied, whatever its scales."""
    if all(by.length == extents[axis] for axis, by in scales.items()):
        return {}
    return {axis: by for axis, by in scales.items() if by.ratio != 1 or by.length != extents[axis]}


RULES: MappingProxyType[str, Rule] = MappingProxyType({"Resize": resize, "Upsample": upsample})
