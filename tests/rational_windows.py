"""The second reading of ONNX for window ops, in Fractions: what the texts of Conv, pools, Pad and Resize say."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from rational_onnx import Reader


def _spots(attributes: Any, extents: Any, kernel: Any) -> Any:
    """(output extents, strides, pads before, dilations) of a window without auto_pad."""
    rank = len(extents)
    pads = attributes.get("pads", [0] * (2 * rank))
    strides, dilations = attributes.get("strides", [1] * rank), attributes.get("dilations", [1] * rank)
    outputs = [
        (n + pads[i] + pads[i + rank] - dilations[i] * (kernel[i] - 1) - 1) // strides[i] + 1
        for i, n in enumerate(extents)
    ]
    return outputs, strides, pads[:rank], dilations


def _window(out: Any, kernel: Any, strides: Any, before: Any, dilations: Any) -> list[tuple[Any, Any]]:
    return [
        (k, tuple(o * s - b + i * d for o, s, b, i, d in zip(out, strides, before, k, dilations, strict=True)))
        for k in np.ndindex(*kernel)
    ]


def _in(at: Any, extents: Any) -> bool:
    return all(0 <= i < n for i, n in zip(at, extents, strict=True))


class WindowReader(Reader):
    """Also reads Conv, pools, Pad, Transpose and Slice-free moves."""

    def Conv(self, node: Any, attributes: Any, x: Any, w: Any, b: Any = None) -> Any:
        kernel, extents = w.shape[2:], x.shape[2:]
        outputs, *rest = _spots(attributes, extents, kernel)
        per_group = w.shape[0] // attributes.get("group", 1)
        y = np.empty((x.shape[0], w.shape[0], *outputs), dtype=object)
        for n, m, *out in np.ndindex(*y.shape):
            first = m // per_group * w.shape[1]
            total = Fraction(0) if b is None else b[m]
            for k, at in _window(out, kernel, *rest):
                if _in(at, extents):
                    total += sum(x[(n, first + c, *at)] * w[(m, c, *k)] for c in range(w.shape[1]))
            y[(n, m, *out)] = total
        return y

    def _pooled(self, attributes: Any, x: Any, finish: Any) -> Any:
        extents, kernel = x.shape[2:], attributes["kernel_shape"]
        outputs, *rest = _spots(attributes, extents, kernel)
        y = np.empty((*x.shape[:2], *outputs), dtype=object)
        for n, c, *out in np.ndindex(*y.shape):
            reads = [at for _, at in _window(out, kernel, *rest)]
            y[(n, c, *out)] = finish([x[(n, c, *at)] for at in reads if _in(at, extents)], len(reads))
        return y

    def MaxPool(self, node: Any, attributes: Any, x: Any) -> Any:
        return self._pooled(attributes, x, lambda values, taps: max(values))

    def AveragePool(self, node: Any, attributes: Any, x: Any) -> Any:
        every = attributes.get("count_include_pad", 0)
        return self._pooled(attributes, x, lambda values, taps: sum(values) / Fraction(taps if every else len(values)))

    def GlobalAveragePool(self, node: Any, attributes: Any, x: Any) -> Any:
        return x.sum(axis=tuple(range(2, x.ndim)), keepdims=True) / Fraction(int(np.prod(x.shape[2:])))

    def Pad(self, node: Any, attributes: Any, x: Any, pads: Any, value: Any) -> Any:
        amounts = [int(p) for p in pads]
        width = list(zip(amounts[: x.ndim], amounts[x.ndim :], strict=True))
        return np.pad(x, width, constant_values=value.reshape(-1)[0])

    def Transpose(self, node: Any, attributes: Any, x: Any) -> Any:
        return x.transpose(attributes["perm"])
