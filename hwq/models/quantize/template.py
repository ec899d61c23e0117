"""The config that `hwq config` writes: every layer of a float model with its specs, and comments that explain them."""

from __future__ import annotations

import json
from collections.abc import Mapping

import onnx

from hwq.models.quantize.calibrate import Calibration, model_inputs, weight_spec
from hwq.models.quantize.layers import float_layers, initializers

WIDE = "ap_fixed<16,6>"
HEADER = """\
# How hwq quantizes {name}: hwq export {name} --config THIS_FILE
#
# A spec is a quantizer of QKeras, "quantized_bits(8,0,1)", or a type, "ap_fixed<16,6>" (rounds half to even,
# saturates).
# alpha='auto_po2' is a power of two per output channel, alpha='auto' any scale. null leaves a tensor as it is.
# A layer's own line wins over a pattern ("conv*": {{output: ...}}), a pattern over the defaults.
"""


def template(
    model: onnx.ModelProto,
    name: str,
    bits: int = 8,
    calibration: Calibration | None = None,
    shapes: Mapping[str, str] | None = None,
) -> str:
    """The YAML text: calibrated specs with the error of each layer, or defaults to start from; `shapes` as stated."""
    types = {port.name: WIDE for port in model_inputs(model)} if calibration is None else calibration.input_types
    lines = [HEADER.format(name=name), "input_types:"]
    lines += [f"  {_text(port)}: {_text(spec)}" for port, spec in types.items()]
    if shapes:
        lines += ["", "input_shapes:", *(f"  {_text(port)}: {_text(shape)}" for port, shape in shapes.items())]
    lines += ["", "quantize:", "  # the defaults, for what no line below states"]
    values = initializers(model)
    for key, spec in (("weight", f"quantized_linear({bits},alpha='auto')"), ("bias", WIDE), ("output", WIDE)):
        lines.append(f"  {key}: {_text(spec)}")
    lines.append("  layers:")
    for layer in float_layers(model):
        error = "" if calibration is None else f"  # {layer.op}, error {100 * calibration.errors[layer.name]:.3g} %"
        lines.append(f"    {_text(layer.name)}:{error or f'  # {layer.op}'}")
        row = {} if calibration is None else calibration.plan.layers[layer.name]
        keys = [*(["weight"] if layer.weight else []), *(["bias"] if layer.bias else []), "output"]
        defaults = {"bias": WIDE, "output": WIDE}
        if layer.weight:
            defaults["weight"] = weight_spec(bits, "po2", values[layer.weight])
        lines += [f"      {key}: {_text(row.get(key) if row else defaults[key])}" for key in keys]
    if not float_layers(model):
        lines[-1] += " {}"
    return "\n".join(lines) + "\n"


def _text(value: str | None) -> str:
    return "null" if value is None else json.dumps(value)
