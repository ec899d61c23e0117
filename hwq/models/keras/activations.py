"""Activations: quantizers, and Keras' functions as ONNX ops. QActivation, Activation, ReLU, LeakyReLU, Softmax."""

from __future__ import annotations

from typing import Any

import numpy as np

from hwq.errors import HwqError, UnsupportedError, printable
from hwq.models.builder import Tensor
from hwq.models.keras.functions import FUNCTIONS, NODES, clipped, softmax
from hwq.models.keras.layer import Layer, table
from hwq.models.keras.preparation import axes_of
from hwq.models.keras.topology import TRUSTED, inner_spec
from hwq.models.qonnx_domain import Quant
from hwq.models.quantizer_nodes import activation_node, per_channel
from hwq.quantizers import Quantizer
from hwq.quantizers.registry import is_quantizer_name

KERAS_FIRST = frozenset({"relu", "sigmoid", "tanh", "linear", "hard_sigmoid", "hard_tanh"})  # outside of QKeras' layers
INSTANCES = ("ReLU", "LeakyReLU", "ELU", "PReLU", "Softmax", "Activation")  # layers that stand as activations
DEFAULT_TERNARY = 0.5  # of ternary_tanh and TernaryDense: 1 above, -1 from -1/2 down


def activated(layer: Layer, x: Tensor, key: str = "activation", *, suffix: str = "") -> Tensor:
    """The layer's activation of x; None and linear are x itself."""
    spec = layer.config.get(key)
    if spec is None:
        return x
    if isinstance(spec, dict) and spec.get("class_name") in INSTANCES:
        return _instance(layer, x, spec, key)
    name = function_name(spec)
    if name is not None and _is_keras_function(layer, name):
        return function(layer, x, name, suffix)
    return quantized(layer, x, layer.parsed(spec, key), suffix)


def _instance(layer: Layer, x: Tensor, spec: dict[str, Any], key: str) -> Tensor:
    """A layer that stands as an activation: Dense(activation=ReLU())."""
    assert layer.apply is not None
    return layer.apply(inner_spec(spec, layer.spec, key), f"{layer.label}_{key}", [x])


def _is_keras_function(layer: Layer, name: str) -> bool:
    """Whether a bare name is Keras' function: QKeras' layers look among its own quantizers first."""
    if layer.spec.kind.startswith("Q") and name in ("hard_sigmoid", "hard_tanh"):
        return False
    return name in KERAS_FIRST or not is_quantizer_name(name)


def function_name(spec: Any) -> str | None:
    """The name of a plain function, however it is serialized; None for a quantizer with arguments."""
    if isinstance(spec, dict) and spec.get("class_name") == "function":
        spec = spec.get("config")
    if isinstance(spec, str) and "(" not in spec:
        package, _, name = spec.rpartition(">")
        if package not in TRUSTED:
            raise UnsupportedError(f"custom code ('{printable(spec)}')", remedy="use functions of Keras or QKeras")
        return name
    return None


def quantized(layer: Layer, x: Tensor, q: Quantizer, suffix: str = "") -> Tensor:
    """q(x); alphas per channel belong to Keras' last axis."""
    x = layer.b.last(x) if per_channel(q) else x
    wish = f"{layer.label}_{suffix}" if suffix else layer.label
    try:
        return Tensor(activation_node(layer.b, wish, q, x.name), x.shape, x.first)
    except HwqError as error:
        raise layer.fail(error.found, error.remedy or "use quantized_bits") from None


def function(layer: Layer, x: Tensor, name: str, suffix: str = "") -> Tensor:
    """A function of Keras by its name."""
    if name == "ternary_tanh":
        return _ternary(layer, x, suffix)
    if name in FUNCTIONS:
        return FUNCTIONS[name](layer, x, suffix)
    if name not in NODES:
        raise layer.fail(f"the activation '{printable(name)}'", "use a quantizer, or one of Keras' activations")
    op, attributes = NODES[name]
    return layer.node(op, [x], x, suffix, **attributes)


def _ternary(layer: Layer, x: Tensor, suffix: str) -> Tensor:
    """1 above 1/2, -1 from -1/2 down, else 0: ceil(x - 1/2) within -1 .. 1."""
    low = layer.node("Sub", [x, layer.value("half", DEFAULT_TERNARY)], x, "less_half")
    form = Quant(np.asarray(1.0, dtype=np.float32), 2, True, True, "CEIL")
    b = layer.b
    scale, zero, bits = b.shared("one", 1.0), b.shared("zero", 0.0), b.shared("bits_2", 2.0)
    wish = f"{layer.label}_{suffix}" if suffix else layer.label
    return Tensor(b.put(wish, lambda y: form.node(low.name, scale, zero, bits, y, y)), x.shape, x.first)


def _softmax_layer(layer: Layer, x: Tensor) -> Tensor:
    axes = axes_of(layer, len(x.shape), -1)
    if len(axes) != 1:
        raise layer.fail("Softmax over several axes", "use one axis")
    if axes[0] == len(x.shape):
        return softmax(layer, x)
    x = layer.b.last(x)
    return layer.node("Softmax", [x], x, axis=axes[0])


def _relu_layer(layer: Layer, x: Tensor) -> Tensor:
    """x from the threshold to the bound, 0 or a line of the slope below the threshold, the bound above."""
    slope, threshold = (
        layer.number(key, 0.0) if layer.config.get(key) is not None else 0.0 for key in ("negative_slope", "threshold")
    )
    bound = None if layer.config.get("max_value") is None else layer.number("max_value", 0.0)
    if slope < 0 or threshold < 0 or (bound is not None and bound < 0):
        raise layer.broken("a negative max_value, negative_slope or threshold")
    if threshold:
        return _thresholded(layer, x, slope, threshold, bound)
    if bound is None:
        return layer.node("LeakyRelu", [x], x, alpha=slope) if slope else layer.node("Relu", [x], x)
    top = layer.value("max", bound)
    if slope:
        leaky = layer.node("LeakyRelu", [x], x, "leaky", alpha=slope)
        return layer.node("Min", [leaky, top], x)
    return layer.node("Clip", [x, layer.value("zero", 0.0), top], x)


def _thresholded(layer: Layer, x: Tensor, slope: float, threshold: float, bound: float | None) -> Tensor:
    """What lies above the threshold, cut at the bound, less slope times how far x is below the threshold."""
    y = layer.node("ThresholdedRelu", [x], x, "above", alpha=threshold)
    if bound is not None:
        y = clipped(layer, y, 0.0, bound, "bounded")
    if slope:
        depth = layer.node("Sub", [layer.value("threshold", threshold), x], x, "depth")
        line = layer.node("Mul", [layer.node("Relu", [depth], x, "below"), layer.value("slope", slope)], x, "line")
        y = layer.node("Sub", [y, line], x)
    return y


def _prelu(layer: Layer, x: Tensor) -> Tensor:
    """x above zero, a trained slope times x below; the slope is shared along the axes named."""
    shared = axes_of(layer, len(x.shape), key="shared_axes")
    shape = tuple(1 if i + 1 in shared else d for i, d in enumerate(x.shape))
    alpha = layer.expect("alpha", layer.read(("alpha",))["alpha"], shape)
    x = layer.b.last(x)
    return layer.node("PRelu", [x, layer.constant("alpha", None, alpha)], x)


def _leaky_layer(layer: Layer, x: Tensor) -> Tensor:
    """x above zero, slope times x below; Keras 2 calls the slope alpha."""
    key = "negative_slope" if "negative_slope" in layer.config else "alpha"
    return layer.node("LeakyRelu", [x], x, alpha=layer.number(key, 0.3))


def _elu_layer(layer: Layer, x: Tensor) -> Tensor:
    return layer.node("Elu", [x], x, alpha=layer.number("alpha", 1.0))


def _activation_layer(layer: Layer, x: Tensor) -> Tensor:
    return activated(layer, x)


def _adaptive(layer: Layer, x: Tensor) -> Tensor:
    """The quantizer whose integer bits follow from the least and greatest activation that training saw."""
    ranges = layer.read(("step", "ema_min", "ema_max"))
    low, high = ranges["ema_min"].reshape(-1), ranges["ema_max"].reshape(-1)
    kind, bits = layer.text("activation", ""), layer.integer("total_bits")
    slope = layer.number("relu_neg_slope", 0.0)
    if kind not in ("quantized_bits", "quantized_relu"):
        raise layer.fail(f"the adaptive activation '{printable(kind)}'", "use quantized_bits or quantized_relu")
    signed = kind == "quantized_bits" or slope != 0
    symmetric = layer.flag("symmetric", True)
    integers = _integer_bits(low, high, bits, symmetric, signed, layer.flag("po2_rounding", False))
    if np.unique(integers).size != 1:
        raise layer.fail("different integer bits per channel", "use per_channel=False, or QActivation")
    config: dict[str, Any] = {"bits": bits, "integer": int(integers[0])}
    if kind == "quantized_bits":
        config |= {"symmetric": symmetric, "keep_negative": True, "alpha": 1.0}
    else:
        config |= {"negative_slope": slope, "is_quantized_clip": False}
    return quantized(layer, x, layer.parsed({"class_name": kind, "config": config}, "activation"))


def _integer_bits(low: Any, high: Any, bits: int, symmetric: bool, signed: bool, rounded: bool) -> Any:
    """The bits left of the point that hold low .. high, at most those that there are (QKeras' estimate, float32)."""
    if not signed:
        low, high = np.maximum(low, 0), np.maximum(high, 0)
    most = bits - int(signed)
    with np.errstate(divide="ignore"):
        logs = [np.log(np.abs(v)) / np.float32(np.log(2.0)) for v in (low, high)]
    turn = np.rint if rounded else np.ceil
    least_bits, most_bits = (turn(np.where(v > 0, v, 0)) for v in logs)
    if not rounded:
        top = 2.0**most_bits - 2.0 ** np.minimum(most_bits - most, 0)
        most_bits = np.where(high <= top, most_bits, most_bits + 1)
        if symmetric:
            bottom = -(2.0**least_bits) + 2.0 ** np.minimum(least_bits - most, 0)
            least_bits = np.where(bottom <= low, least_bits, least_bits + 1)
    return np.minimum(most, np.maximum(least_bits, most_bits)).astype(np.int64)


RULES = table(
    {
        "Activation": _activation_layer,
        "QActivation": _activation_layer,
        "QAdaptiveActivation": _adaptive,
        "ReLU": _relu_layer,
        "LeakyReLU": _leaky_layer,
        "ELU": _elu_layer,
        "PReLU": _prelu,
        "Softmax": _softmax_layer,
    }
)
