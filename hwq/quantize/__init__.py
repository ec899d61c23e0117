"""Float ONNX models quantized after training: a plan of quantizers per layer, filled from data, put into the graph."""

from __future__ import annotations

from hwq.quantize.calibrate import calibrated
from hwq.quantize.insert import quantized
from hwq.quantize.layers import FloatLayer, float_layers
from hwq.quantize.plan import LayerSpecs, Plan, read_plan
from hwq.quantize.template import template

__all__ = [
    "FloatLayer",
    "LayerSpecs",
    "Plan",
    "calibrated",
    "float_layers",
    "quantized",
    "read_plan",
    "template",
]
