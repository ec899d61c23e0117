"""Dense layers as MatMul and Add: Dense, QDense, QDenseBatchnorm, and the old TernaryDense."""

from __future__ import annotations

import numpy as np

from hwq.models.builder import Floats, Tensor
from hwq.models.keras.activations import DEFAULT_TERNARY, activated
from hwq.models.keras.layer import Layer, table
from hwq.models.keras.normalization import statistics
from hwq.quantizers import Quantizer


def kernel_and_bias(
    layer: Layer, kernels: dict[str, tuple[int, ...]], channels: int
) -> tuple[list[Floats], Floats | None]:
    """The layer's kernels, of the shapes that the configuration says, and its bias where it has one."""
    names = [*kernels, *(["bias"] if layer.flag("use_bias", True) else [])]
    found = layer.read(names)
    listed = [layer.expect(name, found[name], shape) for name, shape in kernels.items()]
    bias = found.get("bias")
    return listed, None if bias is None else layer.expect("bias", bias, (channels,))


def _product(layer: Layer, x: Tensor, kernel: str, bias: str | None, units: int) -> Tensor:
    """x W + b, and the activation."""
    like = Tensor("", (*x.shape[:-1], units))
    y = layer.node("MatMul", [x, kernel], like, "matmul")
    if bias is not None:
        y = layer.node("Add", [y, bias], like, "biased")
    return activated(layer, y)


def _dense(layer: Layer, x: Tensor) -> Tensor:
    x, units = layer.b.last(x), layer.integer("units")
    (kernel,), bias = kernel_and_bias(layer, {"kernel": (x.channels, units)}, units)
    weights = layer.constant("kernel", layer.kernel_quantizer("kernel_quantizer"), kernel)
    return _product(layer, x, weights, quantized_bias(layer, bias), units)


def quantized_bias(layer: Layer, bias: Floats | None) -> str | None:
    """The name of the quantized bias; QKeras leaves alpha None alone there."""
    return None if bias is None else layer.constant("bias", layer.quantizer("bias_quantizer"), bias)


def _folded(layer: Layer, x: Tensor) -> Tensor:
    """QDenseBatchnorm at inference: the moving statistics fold into kernel and bias before these are quantized."""
    x, units = layer.b.last(x), layer.integer("units")
    (kernel,), bias = kernel_and_bias(layer, {"kernel": (x.channels, units)}, units)
    s = statistics(layer, units, "batchnorm")
    weights = layer.constant("kernel", layer.kernel_quantizer("kernel_quantizer"), kernel * s.factor())
    folded = s.bias(np.float32(0) if bias is None else bias)
    return _product(layer, x, weights, quantized_bias(layer, folded), units)


def _ternary(layer: Layer, x: Tensor) -> Tensor:
    """TernaryDense of early hls4ml models: H where W/H > 1/2, -H where W/H <= -1/2, else 0."""
    x, units = layer.b.last(x), layer.integer("units")
    (kernel,), bias = kernel_and_bias(layer, {"kernel": (x.channels, units)}, units)
    height = np.float32(layer.number("H", 1.0))
    if height <= 0:
        raise layer.fail(f"H={height}", "use a positive number")
    ratio = kernel / height
    codes = (ratio > DEFAULT_TERNARY).astype(np.float32) - (ratio <= -DEFAULT_TERNARY)
    q = _three(height, layer)
    weights = layer.constant("kernel", q, codes * height)
    return _product(layer, x, weights, None if bias is None else layer.constant("bias", None, bias), units)


def _three(height: np.float32, layer: Layer) -> Quantizer:
    """A quantizer that keeps -H, 0 and H."""
    config = {"alpha": float(height), "threshold": float(height) / 2}
    return layer.parsed({"class_name": "ternary", "config": config}, "kernel")


RULES = table({"Dense": _dense, "QDense": _dense, "QDenseBatchnorm": _folded, "TernaryDense": _ternary})
