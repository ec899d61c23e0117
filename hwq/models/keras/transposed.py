"""Transposed convolutions as ConvTranspose, channels first: Conv1DTranspose, Conv2DTranspose, QConv2DTranspose."""

from __future__ import annotations

from functools import partial
from math import prod

from hwq.errors import printable
from hwq.models.builder import Floats, Tensor
from hwq.models.keras.activations import activated
from hwq.models.keras.dense import kernel_and_bias, quantized_bias
from hwq.models.keras.layer import Layer, table


def transposed_layout(kernel: Floats) -> Floats:
    """(..., out, in) as ONNX' (in, out, ...)."""
    rank = kernel.ndim
    return kernel.transpose(rank - 1, rank - 2, *range(rank - 2))


def _transposed(layer: Layer, x: Tensor, *, rank: int) -> Tensor:
    """Each input spreads the kernel over its window; "same" gives stride times the extent, and cuts more behind."""
    if len(x.shape) != rank + 1:
        raise layer.broken(f"an input of {len(x.shape)} axes where {rank + 1} belong")
    layer.channels_last()
    kernel, strides = layer.numbers("kernel_size", rank), layer.numbers("strides", rank, 1)
    filters, padding = layer.integer("filters"), layer.text("padding", "valid").lower()
    if layer.numbers("dilation_rate", rank, 1) != (1,) * rank:
        raise layer.fail("a dilated transposed convolution", "use dilation_rate=1")
    if layer.config.get("output_padding") is not None:
        found = f"output_padding={printable(layer.config.get('output_padding'))}"
        raise layer.fail(found, "use output_padding=None: Keras' backends differ there")
    if padding not in ("valid", "same"):
        raise layer.fail(f"padding '{printable(padding)}'", "use valid or same")
    if layer.integer("groups", 1) != 1:
        raise layer.fail("groups of a transposed convolution", "use groups=1")
    before, after, extra, out = [], [], [], []
    for extent, k, s in zip(x.shape[:-1], kernel, strides, strict=False):
        cut = max(k - s, 0) if padding == "same" else 0
        before.append(cut // 2)
        after.append(cut - cut // 2)
        extra.append(max(s - k, 0))
        out.append((extent - 1) * s + k + extra[-1] - cut)
    if prod(out) * filters > 1 << 24:
        raise layer.broken(f"a result of the absurd shape {out}")
    (values,), bias = kernel_and_bias(layer, {"kernel": (*kernel, filters, x.channels)}, filters)
    weights = layer.constant("kernel", layer.kernel_quantizer("kernel_quantizer"), values, transposed_layout)
    named = quantized_bias(layer, bias)
    inputs: list[Tensor | str] = [layer.b.first(x), weights, *([] if named is None else [named])]
    attributes = {"kernel_shape": kernel, "strides": strides, "pads": before + after}
    if any(extra):
        attributes["output_padding"] = extra
    y = layer.node("ConvTranspose", inputs, Tensor("", (*out, filters), True), "conv", **attributes)
    return activated(layer, y)


RULES = table(
    {
        "Conv1DTranspose": partial(_transposed, rank=1),
        **{kind: partial(_transposed, rank=2) for kind in ("Conv2DTranspose", "QConv2DTranspose")},
    }
)
