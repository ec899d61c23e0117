"""Float ONNX models quantized after training: a plan of quantizers per layer, filled from data, put into the graph."""

from __future__ import annotations

from hwq.models.quantize.calibrate import calibrated
from hwq.models.quantize.insert import quantized
from hwq.models.quantize.layers import FloatLayer, float_layers
from hwq.models.quantize.plan import LayerSpecs, Plan, read_plan
from hwq.models.quantize.template import template

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
