"""Ops that hwq does not compile and whose refusal says more than that: what was found, and what would work."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

REFUSED: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "FloatQuant": ("minifloat quantization", "train with integer quantizers (Quant)"),
        "DynamicQuantizeLinear": ("dynamic quantization: its scale depends on the data", "quantize statically"),
        "DynamicQuantizeMatMul": ("dynamic quantization", "quantize statically (QDQ or QLinearMatMul)"),
        "QuantLSTMCell": ("a recurrent cell", "hwq compiles feed-forward models"),
        "LSTM": ("a recurrent layer", "hwq compiles feed-forward models"),
        "GRU": ("a recurrent layer", "hwq compiles feed-forward models"),
        "RNN": ("a recurrent layer", "hwq compiles feed-forward models"),
        "If": ("control flow that depends on data", "compute both branches, and choose with Where or Mul"),
        "Loop": ("control flow", "export a straight graph"),
        "Scan": ("control flow", "export a straight graph"),
    }
)
