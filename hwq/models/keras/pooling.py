"""Pools: largest and average, windows and global, and QKeras' averages with a quantized 1/area."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from math import prod
from types import MappingProxyType

import numpy as np

from hwq.errors import HwqError
from hwq.models.builder import Tensor
from hwq.models.keras.activations import activated
from hwq.models.keras.layer import Layer, Rule, Unary, unary
from hwq.models.keras.windows import window
from hwq.quantizers import Quantizer


def _pool(layer: Layer, x: Tensor, *, rank: int, largest: bool) -> Tensor:
    w = window(layer, x, rank, "pool_size", pool=True)
    like = Tensor("", (*w.out, x.channels), True)
    x = layer.b.first(x)
    if largest:
        return layer.node("MaxPool", [x], like, **w.attributes(pool=True))
    return layer.node("AveragePool", [x], like, count_include_pad=0, **w.attributes(pool=True))


def _quantized_average(layer: Layer, x: Tensor) -> Tensor:
    """The average of x * area, times the quantized 1/area: QAveragePooling2D without a loss in between."""
    q = layer.quantizer("average_quantizer")
    if q is None:
        return activated(layer, _pool(layer, x, rank=2, largest=False), suffix="activation")
    w = window(layer, x, 2, "pool_size", pool=True)
    like = Tensor("", (*w.out, x.channels), True)
    area = prod(w.kernel)
    x = layer.b.first(x)
    scaled = layer.node("Mul", [x, layer.value("area", area)], x, "times_area")
    sums = layer.node("AveragePool", [scaled], like, "pool", count_include_pad=0, **w.attributes(pool=True))
    y = layer.node("Mul", [sums, layer.value("factor", _factor(layer, q, area))], like, "average")
    return activated(layer, y, suffix="activation")


def _factor(layer: Layer, q: Quantizer, area: int) -> np.float32:
    """The quantized 1/area."""
    try:
        return np.float32(q(np.float32(1) / np.float32(area)))
    except HwqError as error:
        raise layer.fail(f"average_quantizer: {error.found}", error.remedy or "use quantized_bits") from None


def _global(layer: Layer, x: Tensor, *, rank: int, largest: bool) -> Tensor:
    _check_global(layer, x, rank)
    kept, x = layer.flag("keepdims", False), layer.b.first(x)
    like = Tensor("", (*[1] * rank, x.channels), True)
    if largest:
        axes = layer.value("axes", list(range(2, rank + 2)), np.int64)
        return layer.node("ReduceMax", [x, axes], like if kept else Tensor("", (x.channels,)), keepdims=int(kept))
    y = layer.node("GlobalAveragePool", [x], like, "pool")
    return y if kept else layer.node("Flatten", [y], Tensor("", (y.channels,)), axis=1)


def _check_global(layer: Layer, x: Tensor, rank: int) -> None:
    layer.channels_last()
    if len(x.shape) != rank + 1:
        raise layer.broken(f"an input of {len(x.shape)} axes where {rank + 1} belong")


def _quantized_global(layer: Layer, x: Tensor) -> Tensor:
    """The sum times the quantized 1/area: QGlobalAveragePooling2D."""
    q = layer.quantizer("average_quantizer")
    if q is None:
        return activated(layer, _global(layer, x, rank=2, largest=False), suffix="activation")
    _check_global(layer, x, 2)
    kept = layer.flag("keepdims", False)
    like = Tensor("", (1, 1, x.channels), True) if kept else Tensor("", (x.channels,))
    axes = layer.value("axes", [2, 3], np.int64)
    sums = layer.node("ReduceSum", [layer.b.first(x), axes], like, "sum", keepdims=int(kept))
    area = prod(x.shape[:-1])
    y = layer.node("Mul", [sums, layer.value("factor", _factor(layer, q, area))], like, "average")
    return activated(layer, y, suffix="activation")


KINDS: Mapping[str, Unary] = MappingProxyType(
    {
        **{f"MaxPooling{n}D": partial(_pool, rank=n, largest=True) for n in (1, 2, 3)},
        **{f"AveragePooling{n}D": partial(_pool, rank=n, largest=False) for n in (1, 2, 3)},
        **{f"GlobalMaxPooling{n}D": partial(_global, rank=n, largest=True) for n in (1, 2, 3)},
        **{f"GlobalAveragePooling{n}D": partial(_global, rank=n, largest=False) for n in (1, 2, 3)},
        "QAveragePooling2D": _quantized_average,
        "QGlobalAveragePooling2D": _quantized_global,
    }
)
RULES: Mapping[str, Rule] = MappingProxyType({kind: unary(rule) for kind, rule in KINDS.items()})
