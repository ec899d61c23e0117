"""Layers that only move data: Flatten, Reshape, Permute, ZeroPadding, UpSampling; and those of training alone."""

from __future__ import annotations

from functools import partial
from math import prod
from typing import Any

import numpy as np

from hwq.errors import printable
from hwq.models.builder import Tensor
from hwq.models.keras.layer import MAX_EXTENT, Layer, table


def _same(layer: Layer, x: Tensor) -> Tensor:
    """What acts in training only, is x at inference, whatever its configuration says."""
    layer.config.read_all()
    return x


def _flatten(layer: Layer, x: Tensor) -> Tensor:
    """All but the batch in one axis, in Keras' order: channels last."""
    layer.channels_last()
    if len(x.shape) == 1:
        return x
    return layer.node("Flatten", [layer.b.last(x)], Tensor("", (prod(x.shape),)), axis=1)


def _reshape(layer: Layer, x: Tensor) -> Tensor:
    shape = layer.config.get("target_shape")
    size = prod(x.shape)
    if not isinstance(shape, list | tuple) or any(type(d) is not int or not -1 <= d <= MAX_EXTENT for d in shape):
        raise layer.broken(f"target_shape is {printable(shape)}")
    known = prod(d for d in shape if d != -1)
    whole = [size // known if d == -1 and known else d for d in shape]
    if list(shape).count(-1) > 1 or prod(whole) != size or 0 in whole:
        raise layer.broken(f"target_shape {list(shape)} for {size} elements")
    target = layer.value("shape", [0, *whole], np.int64)
    return layer.node("Reshape", [layer.b.last(x), target], Tensor("", tuple(whole)))


def _permute(layer: Layer, x: Tensor) -> Tensor:
    dims = layer.config.get("dims")
    if not isinstance(dims, list | tuple) or sorted(map(str, dims)) != sorted(map(str, range(1, len(x.shape) + 1))):
        raise layer.broken(f"dims is {printable(dims)}")
    shape = tuple(x.shape[d - 1] for d in dims)
    return layer.node("Transpose", [layer.b.last(x)], Tensor("", shape), perm=[0, *dims])


def _pad(layer: Layer, x: Tensor, *, rank: int) -> Tensor:
    """Zeros around the spatial axes: one number, one per axis, or (before, after) per axis."""
    layer.channels_last()
    if len(x.shape) != rank + 1:
        raise layer.broken(f"an input of {len(x.shape)} axes where {rank + 1} belong")
    pairs = pairs_of(layer, "padding", rank)
    shape = tuple(d + b + a for d, (b, a) in zip(x.shape, pairs, strict=False)) + x.shape[-1:]
    whole = [(0, 0), (0, 0), *pairs] if x.first else [(0, 0), *pairs, (0, 0)]
    pads = layer.value("pads", [b for b, _ in whole] + [a for _, a in whole], np.int64)
    return layer.node("Pad", [x, pads, layer.value("zero", 0.0)], Tensor("", shape, x.first))


def pairs_of(layer: Layer, key: str, rank: int) -> list[tuple[int, int]]:
    """What a key says for both ends of each spatial axis."""
    value = layer.config.get(key, 1)
    if rank == 1 and isinstance(value, list | tuple) and len(value) == 2:
        value = [value]  # of one axis: (before, after)
    values = [value] * rank if isinstance(value, int) else value
    if not isinstance(values, list | tuple) or len(values) != rank:
        raise layer.broken(f"{key} is {printable(value)}")
    pairs = [(v, v) if isinstance(v, int) else v for v in values]
    if any(not isinstance(p, list | tuple) or len(p) != 2 for p in pairs):
        raise layer.broken(f"{key} is {printable(value)}")
    if any(type(n) is not int or not 0 <= n <= MAX_EXTENT for p in pairs for n in p):
        raise layer.broken(f"{key} is {printable(value)}")
    return [(int(b), int(a)) for b, a in pairs]


def _enlarge(layer: Layer, x: Tensor, *, rank: int) -> Tensor:
    """Each element repeated, or bilinear interpolation between pixel centres."""
    layer.channels_last()
    if len(x.shape) != rank + 1:
        raise layer.broken(f"an input of {len(x.shape)} axes where {rank + 1} belong")
    size = layer.numbers("size", rank, 2)
    how = layer.text("interpolation", "nearest")
    if how not in ("nearest", "bilinear"):
        raise layer.fail(f"interpolation '{printable(how)}'", "use nearest or bilinear")
    x = layer.b.first(x)
    shape = tuple(d * s for d, s in zip(x.shape, size, strict=False)) + x.shape[-1:]
    scales = layer.value("scales", [1.0, 1.0, *map(float, size)])
    options: dict[str, Any] = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    if how == "nearest":
        options = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return layer.node("Resize", [x, "", scales], Tensor("", shape, True), **options)


RANDOM = (
    "Brightness",
    "ColorDegeneration",
    "ColorJitter",
    "Contrast",
    "ElasticTransform",
    "Erasing",
    "Flip",
    "GaussianBlur",
    "Grayscale",
    "Hue",
    "Invert",
    "Perspective",
    "Posterization",
    "Rotation",
    "Saturation",
    "Sharpness",
    "Shear",
    "Translation",
    "Zoom",
)  # Random..., which augment images in training
TRAINING = (
    *(f"Random{what}" for what in RANDOM),
    "Dropout",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "AlphaDropout",
    "GaussianDropout",
    "GaussianNoise",
    "ActivityRegularization",
    "Identity",
)
RULES = table(
    {
        **dict.fromkeys(TRAINING, _same),
        "Flatten": _flatten,
        "Reshape": _reshape,
        "Permute": _permute,
        "ZeroPadding1D": partial(_pad, rank=1),
        "ZeroPadding2D": partial(_pad, rank=2),
        "ZeroPadding3D": partial(_pad, rank=3),
        "UpSampling1D": partial(_enlarge, rank=1),
        "UpSampling2D": partial(_enlarge, rank=2),
    }
)
