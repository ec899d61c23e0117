"""Keras' activation functions as standard ONNX nodes, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from hwq.models.builder import Tensor
from hwq.models.keras.layer import Layer

Function = Callable[[Layer, Tensor, str], Tensor]

NODES: Mapping[str, tuple[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "relu": ("Relu", {}),
        "sigmoid": ("Sigmoid", {}),
        "tanh": ("Tanh", {}),
        "elu": ("Elu", {}),
        "celu": ("Celu", {"alpha": 1.0}),
        "selu": ("Selu", {}),
        "softplus": ("Softplus", {}),
        "softsign": ("Softsign", {}),
        "soft_sign": ("Softsign", {}),
        "exponential": ("Exp", {}),
        "gelu": ("Gelu", {}),
        "mish": ("Mish", {}),
        "hard_swish": ("HardSwish", {}),
        "hard_silu": ("HardSwish", {}),
        "leaky_relu": ("LeakyRelu", {"alpha": 0.2}),
        "hard_shrink": ("Shrink", {"lambd": 0.5, "bias": 0.0}),
        "soft_shrink": ("Shrink", {"lambd": 0.5, "bias": 0.5}),
        "sparse_sigmoid": ("HardSigmoid", {"alpha": 0.5, "beta": 0.5}),
    }
)


def clipped(layer: Layer, x: Tensor, low: float, high: float, suffix: str = "") -> Tensor:
    """x within low .. high."""
    return layer.node("Clip", [x, layer.value("low", low), layer.value("high", high)], x, suffix)


def _silu(layer: Layer, x: Tensor, suffix: str) -> Tensor:
    return layer.node("Mul", [x, layer.node("Sigmoid", [x], x, "sigmoid")], x, suffix)


def _hard_sigmoid(layer: Layer, x: Tensor, suffix: str) -> Tensor:
    return layer.node("HardSigmoid", [x], x, suffix, alpha=0.2 if layer.keras2 else 1 / 6, beta=0.5)


def softmax(layer: Layer, x: Tensor, suffix: str = "") -> Tensor:
    """Softmax over the last axis."""
    x = layer.b.last(x)
    return layer.node("Softmax", [x], x, suffix, axis=-1)


def _log_softmax(layer: Layer, x: Tensor, suffix: str) -> Tensor:
    y = softmax(layer, x, "softmax")
    return layer.node("Log", [y], y, suffix)


def _log_sigmoid(layer: Layer, x: Tensor, suffix: str) -> Tensor:
    """-softplus(-x)."""
    y = layer.node("Softplus", [layer.node("Neg", [x], x, "negative")], x, "softplus")
    return layer.node("Neg", [y], x, suffix)


def _squareplus(layer: Layer, x: Tensor, suffix: str, b: float = 4.0) -> Tensor:
    """(x + sqrt(x^2 + b)) / 2."""
    square = layer.node("Mul", [x, x], x, "square")
    root = layer.node("Sqrt", [layer.node("Add", [square, layer.value("b", b)], x, "square_b")], x, "root")
    return layer.node("Mul", [layer.node("Add", [x, root], x, "twice"), layer.value("half", 0.5)], x, suffix)


def _sparse_plus(layer: Layer, x: Tensor, suffix: str) -> Tensor:
    """0 up to -1, (x + 1)^2 / 4 up to 1, then x."""
    bounded = layer.node("Add", [clipped(layer, x, -1.0, 1.0, "bounded"), layer.value("one", 1.0)], x, "above")
    square = layer.node("Mul", [bounded, bounded], x, "square")
    curve = layer.node("Mul", [square, layer.value("quarter", 0.25)], x, "curve")
    line = layer.node("Relu", [layer.node("Sub", [x, layer.value("one", 1.0)], x, "beyond")], x, "line")
    return layer.node("Add", [curve, line], x, suffix)


def _tanh_shrink(layer: Layer, x: Tensor, suffix: str) -> Tensor:
    return layer.node("Sub", [x, layer.node("Tanh", [x], x, "tanh")], x, suffix)


def glu(layer: Layer, x: Tensor, suffix: str = "") -> Tensor:
    """a sigmoid(b) of the halves a and b of the last axis."""
    x = layer.b.last(x)
    if x.channels % 2:
        raise layer.broken(f"glu of {x.channels} channels")
    half = x.channels // 2
    a, b = (part(layer, x, len(x.shape), i * half, (i + 1) * half, what) for i, what in enumerate("ab"))
    return layer.node("Mul", [a, layer.node("Sigmoid", [b], b, "gate")], a, suffix)


def part(
    layer: Layer, x: Tensor, axis: int, start: int, stop: int, suffix: str = "", step: int = 1, count: int = 0
) -> Tensor:
    """Elements start .. stop - 1 of an axis (0 is the batch) in Keras' order; a stop below 0 needs their `count`."""
    x = layer.b.last(x)
    shape = list(x.shape)
    shape[axis - 1] = count or len(range(start, stop, step))
    ends = [layer.value(f"at{v}", [v], np.int64) for v in (start, stop, axis, step)]
    return layer.node("Slice", [x, *ends], Tensor("", tuple(shape)), suffix)


FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        "linear": lambda layer, x, suffix: x,
        "softmax": softmax,
        "log_softmax": _log_softmax,
        "relu6": lambda layer, x, suffix: clipped(layer, x, 0.0, 6.0, suffix),
        "hard_tanh": lambda layer, x, suffix: clipped(layer, x, -1.0, 1.0, suffix),
        "swish": _silu,
        "silu": _silu,
        "hard_sigmoid": _hard_sigmoid,
        "log_sigmoid": _log_sigmoid,
        "squareplus": _squareplus,
        "sparse_plus": _sparse_plus,
        "tanh_shrink": _tanh_shrink,
        "glu": glu,
    }
)
