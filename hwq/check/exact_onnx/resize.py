"""Resize and Upsample: positions in exact arithmetic, nearest by rounding them, linear by weights of two neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType

import numpy as np

from hwq.check.exact_onnx import values
from hwq.check.exact_onnx.node import Node, Op, Unknown
from hwq.check.exact_onnx.tensor import Exact, of_fractions

HALF = Fraction(1, 2)


def simplest(scale: Fraction) -> Fraction:
    """The fraction of the least denominator that is this number in float32: what an exporter divided."""
    single = np.float32(float(scale))
    if Fraction(float(single)) != scale:
        return scale
    for den in range(1, 4096):
        guess = Fraction(round(scale * den), den)
        if guess > 0 and np.float32(guess.numerator / guess.denominator) == single:
            return guess
    return scale


def _position(how: str, o: int, n: int, scale: Fraction, length: int) -> Fraction:
    if how == "asymmetric":
        return o / scale
    if how == "half_pixel":
        return (o + HALF) / scale - HALF
    if how == "half_pixel_symmetric":
        return Fraction(n, 2) * (1 - length / (scale * n)) + (o + HALF) / scale - HALF
    if how == "pytorch_half_pixel":
        return (o + HALF) / scale - HALF if length > 1 else Fraction(0)
    if how == "tf_half_pixel_for_nn":
        return (o + HALF) / scale
    if how == "align_corners":
        return Fraction(o * (n - 1), length - 1) if length > 1 else Fraction(0)
    raise Unknown(f"coordinate_transformation_mode {how}")


def _nearest(mode: str, v: Fraction) -> int:
    floor = v.numerator // v.denominator
    if mode == "floor":
        return floor
    if mode == "ceil":
        return floor + (v != floor)
    if mode == "round_prefer_floor":
        return floor + (v - floor > HALF)
    if mode == "round_prefer_ceil":
        return floor + (v - floor >= HALF)
    raise Unknown(f"nearest_mode {mode}")


def resized(node: Node, x: Exact, scales: Exact | None, sizes: Exact | None, how: str, rounding: str) -> Exact:
    """Along each axis whose scale or extent changes."""
    axes = [a % x.rank for a in node.integers("axes") or range(x.rank)]
    mode = node.text("mode", "nearest")
    pairs: list[tuple[int, Fraction, int]] = []
    if sizes is not None and sizes.num.size:
        for axis, size in zip(axes, sizes.ints(), strict=True):
            pairs.append((axis, Fraction(size, x.shape[axis]), size))
    else:
        listed = None if scales is None else scales.fractions().reshape(-1).tolist()
        if listed is None:
            listed = [Fraction(float(np.float32(s))) for s in node.attributes["scales"]]
        for axis, scale in zip(axes, listed, strict=True):
            length = int(np.floor(np.float32(x.shape[axis]) * np.float32(float(scale))))
            pairs.append((axis, simplest(scale), length))
    for axis, scale, length in pairs:
        n = x.shape[axis]
        if scale == 1 and length == n:
            continue
        at = [_position(how, o, n, scale, length) for o in range(length)]
        if mode == "nearest":
            places = np.clip([_nearest(rounding, v) for v in at], 0, n - 1)
            x = x.moved(lambda a, axis=axis, places=places: np.take(a, places, axis=axis))  # type: ignore[misc]
        elif mode in ("linear", "bilinear", "trilinear"):
            weights = [[Fraction(0)] * length for _ in range(n)]
            for o, v in enumerate(min(max(v, Fraction(0)), Fraction(n - 1)) for v in at):
                low = min(v.numerator // v.denominator, n - 1)
                weights[low][o] += 1 - (v - low)
                if v != low:
                    weights[low + 1][o] += v - low
            matrix = of_fractions([w for row in weights for w in row], (n, length))
            product = values.matmul(x.moved(lambda a, axis=axis: np.moveaxis(a, axis, -1)), matrix)  # type: ignore[misc]
            x = product.moved(lambda a, axis=axis: np.moveaxis(a, -1, axis)).typed(x.kind)  # type: ignore[misc]
        else:
            raise Unknown(f"interpolation {mode}")
    return x


def resize(node: Node, x: Exact, *given: Exact | None) -> Exact:
    """Scales or sizes; before opset 11 the second input is the scales and positions are asymmetric."""
    old = node.version < 11
    if node.integer("antialias", 0) and node.text("mode", "nearest") != "nearest":
        raise Unknown("Resize with antialias")
    if node.text("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise Unknown("Resize that keeps the aspect ratio")
    how = node.text("coordinate_transformation_mode", "asymmetric" if old else "half_pixel")
    rounding = node.text("nearest_mode", "floor" if old else "round_prefer_floor")
    inputs = [*given, None, None, None]
    scales, sizes = (inputs[0], None) if old else (inputs[1], inputs[2])
    if scales is not None and not scales.num.size:
        scales = None
    return resized(node, x, scales, sizes, how, rounding)


def upsample(node: Node, x: Exact, scales: Exact | None = None) -> Exact:
    """Upsample, as its op page has it."""
    return resized(node, x, scales, None, "asymmetric", "floor")


TABLE: Mapping[str, Op] = MappingProxyType({"Resize": resize, "Upsample": upsample})
