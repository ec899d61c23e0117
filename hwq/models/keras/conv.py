"""Convolutions as Conv, channels first: plain, depthwise and separable, with QKeras' quantizers, and with folding."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

import numpy as np

from hwq.models.builder import Floats, Tensor
from hwq.models.keras.activations import activated
from hwq.models.keras.dense import kernel_and_bias, quantized_bias
from hwq.models.keras.layer import Layer, Rule, Unary, unary
from hwq.models.keras.normalization import statistics
from hwq.models.keras.windows import Window, window


def dense_layout(kernel: Floats) -> Floats:
    """(..., in, out) as ONNX' (out, in, ...)."""
    rank = kernel.ndim
    return kernel.transpose(rank - 1, rank - 2, *range(rank - 2))


def depthwise_layout(kernel: Floats) -> Floats:
    """(..., channels, multiplier) as (channels * multiplier, 1, ...): the multiplier runs fastest."""
    rank = kernel.ndim
    moved = kernel.transpose(rank - 2, rank - 1, *range(rank - 2))
    return moved.reshape(-1, 1, *moved.shape[2:])


def _convolved(
    layer: Layer, x: Tensor, w: Window, kernel: str, bias: str | None, channels: int, group: int, suffix: str
) -> Tensor:
    inputs: list[Tensor | str] = [layer.b.first(x), kernel, *([] if bias is None else [bias])]
    like = Tensor("", (*w.out, channels), True)
    return layer.node("Conv", inputs, like, suffix, group=group, **w.attributes())


def _conv(layer: Layer, x: Tensor, *, rank: int, folded: bool = False) -> Tensor:
    w, filters, groups = window(layer, x, rank, "kernel_size"), layer.integer("filters"), layer.integer("groups", 1)
    if x.channels % groups or filters % groups:
        raise layer.broken(f"{groups} groups of {x.channels} channels and {filters} filters")
    (kernel,), bias = kernel_and_bias(layer, {"kernel": (*w.kernel, x.channels // groups, filters)}, filters)
    if layer.config.get("mask") is not None:
        raise layer.fail("a kernel mask", "multiply the kernel by it before saving")
    if folded:
        s = statistics(layer, filters, "batchnorm")
        kernel, bias = s.factor() * kernel, s.bias(np.float32(0) if bias is None else bias)
    weights = layer.constant("kernel", layer.kernel_quantizer("kernel_quantizer"), kernel, dense_layout)
    return activated(layer, _convolved(layer, x, w, weights, quantized_bias(layer, bias), filters, groups, "conv"))


def _depthwise(layer: Layer, x: Tensor, *, rank: int, folded: bool = False) -> Tensor:
    w, multiplier = window(layer, x, rank, "kernel_size"), layer.integer("depth_multiplier", 1)
    channels = x.channels * multiplier
    name = _stored_name(layer, "depthwise_kernel")
    (kernel,), bias = kernel_and_bias(layer, {name: (*w.kernel, x.channels, multiplier)}, channels)
    if folded:
        s = statistics(layer, channels, "batchnorm")
        kernel = s.factor().reshape(x.channels, multiplier) * kernel
        bias = s.bias(np.float32(0) if bias is None else bias)
    weights = layer.constant("kernel", layer.kernel_quantizer("depthwise_quantizer"), kernel, depthwise_layout)
    return activated(layer, _convolved(layer, x, w, weights, quantized_bias(layer, bias), channels, x.channels, "conv"))


def _stored_name(layer: Layer, name: str) -> str:
    """Keras 3 calls a depthwise layer's kernel simply kernel, in files that name weights."""
    return name if layer.keras2 or layer.spec.kind.startswith("Q") else "kernel"


def _separable(layer: Layer, x: Tensor, *, rank: int) -> Tensor:
    """A depthwise convolution, then a pointwise one with the bias; nothing is quantized between."""
    w, multiplier, filters = (
        window(layer, x, rank, "kernel_size"),
        layer.integer("depth_multiplier", 1),
        layer.integer("filters"),
    )
    middle = x.channels * multiplier
    shapes = {
        "depthwise_kernel": (*w.kernel, x.channels, multiplier),
        "pointwise_kernel": (*[1] * rank, middle, filters),
    }
    (depthwise, pointwise), bias = kernel_and_bias(layer, shapes, filters)
    first = layer.constant("depthwise", layer.kernel_quantizer("depthwise_quantizer"), depthwise, depthwise_layout)
    second = layer.constant("pointwise", layer.kernel_quantizer("pointwise_quantizer"), pointwise, dense_layout)
    y = _convolved(layer, x, w, first, None, middle, x.channels, "depthwise")
    one = Window((1,) * rank, (1,) * rank, (1,) * rank, (0,) * rank, (0,) * rank, w.out)
    return activated(layer, _convolved(layer, y, one, second, quantized_bias(layer, bias), filters, 1, "pointwise"))


KINDS: Mapping[str, Unary] = MappingProxyType(
    {
        **{f"{q}Conv{n}D": partial(_conv, rank=n) for q in ("", "Q") for n in (1, 2)},
        **{kind: partial(_depthwise, rank=2) for kind in ("DepthwiseConv2D", "QDepthwiseConv2D")},
        "DepthwiseConv1D": partial(_depthwise, rank=1),
        **{f"{q}SeparableConv{n}D": partial(_separable, rank=n) for q in ("", "Q") for n in (1, 2)},
        "Conv3D": partial(_conv, rank=3),
        "QConv2DBatchnorm": partial(_conv, rank=2, folded=True),
        "QDepthwiseConv2DBatchnorm": partial(_depthwise, rank=2, folded=True),
    }
)
RULES: Mapping[str, Rule] = MappingProxyType({kind: unary(rule) for kind, rule in KINDS.items()})
