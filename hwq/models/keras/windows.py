"""Sliding windows: Keras' kernel sizes, strides and padding as ONNX attributes, and the extents that come out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hwq.models.builder import Tensor
from hwq.models.keras.layer import Layer


@dataclass(frozen=True)
class Window:
    """Kernel, strides, dilations and explicit padding of each spatial axis, and the extents of the result."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    out: tuple[int, ...]

    def attributes(self, pool: bool = False) -> dict[str, Any]:
        """As attributes of Conv, or of a pool."""
        found: dict[str, Any] = {"kernel_shape": self.kernel, "strides": self.strides, "pads": self.before + self.after}
        return found if pool else {**found, "dilations": self.dilations}


def window(layer: Layer, x: Tensor, rank: int, size: str, *, pool: bool = False) -> Window:
    """The window of a layer over x; padding "same" is TensorFlow's: what is odd goes behind."""
    if len(x.shape) != rank + 1:
        raise layer.broken(f"an input of {len(x.shape)} axes where {rank + 1} belong")
    layer.channels_last()
    kernel = layer.numbers(size, rank)
    strides = layer.numbers("strides", rank, kernel if pool else 1)
    dilations = (1,) * rank if pool else layer.numbers("dilation_rate", rank, 1)
    padding = layer.text("padding", "valid").lower()
    if padding not in ("valid", "same", *(("causal",) if rank == 1 and not pool else ())):
        raise layer.fail(f"padding '{padding}'", "use valid or same")
    before, after, out = [], [], []
    for extent, k, s, d in zip(x.shape[:-1], kernel, strides, dilations, strict=True):
        reach = (k - 1) * d + 1
        total = {"valid": 0, "causal": reach - 1}.get(padding, max((-(-extent // s) - 1) * s + reach - extent, 0))
        if extent + total < reach:
            raise layer.broken(f"a window of {reach} over {extent} elements")
        front = total if padding == "causal" else total // 2
        before.append(front)
        after.append(total - front)
        out.append((extent + total - reach) // s + 1)
    return Window(kernel, strides, dilations, tuple(before), tuple(after), tuple(out))
