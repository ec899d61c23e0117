"""Batch normalization: plain, with QKeras' quantized parameters, and the parameters that fold into a kernel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwq.errors import printable
from hwq.models.builder import Floats, Tensor
from hwq.models.keras.layer import Layer, table
from hwq.models.keras.preparation import axes_of
from hwq.models.quantizer_nodes import check
from hwq.quantizers import Quantizer

EPSILON = 1e-3
GAMMA = "quantized_relu_po2(6,2048)"  # QBatchNormalization's quantizers where the file states none
OTHER = "quantized_po2(5)"
VARIANCE = "quantized_relu_po2(6,quadratic_approximation=True)"


@dataclass(frozen=True, eq=False)
class Statistics:
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta; gamma and beta are None where the layer has none."""

    gamma: Floats | None
    beta: Floats | None
    mean: Floats
    variance: Floats
    epsilon: float

    def factor(self) -> Floats:
        """gamma / sqrt(variance + epsilon) in float32, step by step as the package."""
        inverse = np.float32(1) / np.sqrt(self.variance + np.float32(self.epsilon))
        return np.asarray(inverse if self.gamma is None else inverse * self.gamma, dtype=np.float32)

    def bias(self, bias: Floats | np.float32) -> Floats:
        """What a bias in front of the normalization becomes behind it, in float32."""
        moved = self.factor() * (bias - self.mean)
        return np.asarray(moved if self.beta is None else moved + self.beta, dtype=np.float32)


def statistics(layer: Layer, channels: int, inner: str = "") -> Statistics:
    """The parameters of the layer's normalization, or of the one within it."""
    if inner and layer.config.get("axis", -1) not in (-1, [-1], [3], 3):
        raise layer.fail(f"a normalization over axis {printable(layer.config.get('axis'))}", "normalize the last axis")
    scale, center = layer.flag("scale", True), layer.flag("center", True)
    names = [n for n, there in (("gamma", scale), ("beta", center)) if there] + ["moving_mean", "moving_variance"]
    found = layer.read(names, inner)
    for name, values in found.items():
        layer.expect(name, values, (channels,))
    epsilon = layer.number("epsilon", EPSILON)
    if (found["moving_variance"] + np.float32(epsilon) <= 0).any():
        raise layer.broken("a variance that is not positive")
    return Statistics(found.get("gamma"), found.get("beta"), found["moving_mean"], found["moving_variance"], epsilon)


def check_axis(layer: Layer, rank: int) -> None:
    """Refuse a normalization over any axis but the last; `rank` counts the batch."""
    axis = layer.config.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    if axis not in (-1, rank - 1):
        raise layer.fail(f"a normalization over axis {printable(axis)}", "normalize the last axis")


def _batch_normalization(layer: Layer, x: Tensor) -> Tensor:
    """BatchNormalization over any axis, which moves to the place of the channels for it."""
    axes = axes_of(layer, len(x.shape), -1)
    if len(axes) != 1:
        raise layer.fail("BatchNormalization over several axes", "normalize one axis")
    axis = axes[0]
    channels = x.shape[axis - 1]
    s = statistics(layer, channels)
    ones, zeros = np.ones(channels), np.zeros(channels)
    parameters = [
        layer.constant("gamma", None, np.asarray(ones if s.gamma is None else s.gamma, dtype=np.float32)),
        layer.constant("beta", None, np.asarray(zeros if s.beta is None else s.beta, dtype=np.float32)),
        layer.constant("mean", None, s.mean),
        layer.constant("variance", None, s.variance),
    ]
    if axis == len(x.shape):
        return _normalize(layer, x, parameters, s.epsilon)
    x, rank = layer.b.last(x), len(x.shape) + 1
    if axis == 1:
        return layer.node("BatchNormalization", [x, *parameters], x, epsilon=s.epsilon)
    perm = [0, axis, *(i for i in range(1, rank) if i != axis)]
    moved = Tensor("", tuple(x.shape[i - 1] for i in perm[1:]))
    y = layer.node("Transpose", [x], moved, "moved", perm=perm)
    y = layer.node("BatchNormalization", [y, *parameters], moved, "normalized", epsilon=s.epsilon)
    return layer.node("Transpose", [y], x, perm=[int(i) for i in np.argsort(perm)])


def _normalize(layer: Layer, x: Tensor, parameters: list[str], epsilon: float) -> Tensor:
    x = layer.b.first(x)
    return layer.node("BatchNormalization", [x, *parameters], x, epsilon=epsilon)


def _quantized(layer: Layer, x: Tensor) -> Tensor:
    """QBatchNormalization: quantized parameters, or a quantized inverse; gamma and variance count as kernels.

    A missing quantizer is QKeras' default; None is none.
    """
    check_axis(layer, len(x.shape) + 1)
    s = statistics(layer, x.channels)
    inverse = layer.quantizer("inverse_quantizer")
    gamma = _parameter(layer, s.gamma, 1.0, layer.kernel_quantizer("gamma_quantizer", GAMMA), x.channels)
    beta = _parameter(layer, s.beta, 0.0, layer.quantizer("beta_quantizer", OTHER), x.channels)
    mean = _parameter(layer, s.mean, 0.0, layer.quantizer("mean_quantizer", OTHER), x.channels)
    variance = _parameter(layer, s.variance, 1.0, layer.kernel_quantizer("variance_quantizer", VARIANCE), x.channels)
    if inverse is None:
        named = {"gamma": gamma, "beta": beta, "mean": mean, "variance": variance}
        return _normalize(layer, x, [layer.constant(key, None, v) for key, v in named.items()], s.epsilon)
    factor = np.asarray(inverse(Statistics(gamma, None, mean, variance, s.epsilon).factor()), dtype=np.float32)
    x = layer.b.first(x)
    shape = (-1, *[1] * (len(x.shape) - 1)) if x.first else (-1,)
    centered = layer.node("Sub", [x, layer.constant("mean", None, mean.reshape(shape))], x, "centered")
    scaled = layer.node("Mul", [centered, layer.constant("inverse", None, factor.reshape(shape))], x, "scaled")
    return layer.node("Add", [scaled, layer.constant("beta", None, beta.reshape(shape))], x)


def _parameter(layer: Layer, values: Floats | None, default: float, q: Quantizer | None, channels: int) -> Floats:
    """A quantized parameter; where the layer has none its default, which nothing quantizes."""
    if values is None:
        return np.full(channels, default, dtype=np.float32)
    if q is None:
        return values
    check(q, q.NAME)
    return q(values)


RULES = table({"BatchNormalization": _batch_normalization, "QBatchNormalization": _quantized})
