"""Specs from data: the range of every tensor of a float model, and the quantizer of a width that loses least of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil, log2
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from hwq.errors import ModelError, SpecError, printable
from hwq.models import qkeras_domain as onnx_ops
from hwq.models import qonnx_domain as qonnx_ops
from hwq.models.quantize.insert import quantized
from hwq.models.quantize.layers import FloatLayer, float_layers, initializers
from hwq.models.quantize.plan import Plan, parsed
from hwq.quantizers import quantizer

SCALES = ("po2", "real")
TRIED = 3  # integer parts below the one that holds everything
MAX_SAMPLES = 512
Floats = npt.NDArray[Any]
Arrays = Mapping[str, Floats]


@dataclass(frozen=True)
class Calibration:
    """Specs by layer, types of the inputs, and the relative error (RMS) that each layer's output then has."""

    plan: Plan
    input_types: Mapping[str, str]
    errors: Mapping[str, float]


def calibrated(model: onnx.ModelProto, inputs: Arrays, bits: int = 8, scale: str = "po2") -> Calibration:
    """The plan for a width: the least mean square error on the data. Sums that leave the model get up to 16 bits.

    Raises `SpecError` for a width or data that do not fit, `ModelError` where the model cannot be run.
    """
    if scale not in SCALES or not 2 <= bits <= 24:
        raise SpecError(f"{bits} bits with {printable(scale)} scales", remedy="use 2 to 24 bits, and po2 or real")
    layers, values = float_layers(model), initializers(model)
    data = {name: np.asarray(x, dtype=np.float32)[:MAX_SAMPLES] for name, x in inputs.items()}
    seen = tensors(model, data, [layer.output for layer in layers])
    leaving = _leaving(model)
    rows: dict[str, dict[str, str | None]] = {}
    for layer in layers:
        row: dict[str, str | None] = {}
        if layer.weight:
            row["weight"] = weight_spec(bits, scale, values[layer.weight])
        if layer.bias:
            row["bias"] = power_spec(values[layer.bias], min(2 * bits, 24), tried=0)
        if layer.output in leaving and not layer.curved:
            row["output"] = power_spec(seen[layer.output], min(2 * bits, 16))
        else:
            row["output"] = output_spec(seen[layer.output], bits, scale, layer)
        rows[layer.name] = row
    plan = Plan({}, rows)
    types = {name: input_type(x, bits) for name, x in data.items()}
    rounded = {name: _rounded(x, types[name]) for name, x in data.items()}
    after = tensors(quantized(model, plan), rounded, [layer.output for layer in layers])
    errors = {layer.name: relative_error(after[layer.output], seen[layer.output]) for layer in layers}
    return Calibration(plan, types, errors)


def weight_spec(bits: int, scale: str, values: npt.NDArray[Any]) -> str:
    """The quantizer of a weight: one power of two, or a scale per output channel that is found when it is applied.

    Not `auto_po2`: as the package rounds its scale, the largest weights may saturate.
    """
    return power_spec(values, bits) if scale == "po2" else f"quantized_linear({bits},alpha='auto')"


def output_spec(values: npt.NDArray[Any], bits: int, scale: str, layer: FloatLayer) -> str:
    """The quantizer of an output: unsigned where the function before it is never negative."""
    if scale == "po2":
        return power_spec(values, bits, unsigned=layer.nonnegative)
    peak = float(np.max(np.abs(values), initial=0)) or 1.0
    levels = (1 << bits) - 1 if layer.nonnegative else (1 << (bits - 1)) - 1
    alpha = float(np.float32(peak / levels * (1 << (bits if layer.nonnegative else bits - 1))))
    tail = f",keep_negative=False,alpha={alpha!r})" if layer.nonnegative else f",alpha={alpha!r})"
    return f"quantized_linear({bits},0,1{tail}"


def power_spec(values: npt.NDArray[Any], bits: int, *, unsigned: bool = False, tried: int = TRIED) -> str:
    """The `quantized_bits` of a width with the integer part that loses least."""
    peak = float(np.max(np.abs(values), initial=0)) or 1.0
    highest = ceil(log2(peak)) + (0 if 2.0 ** ceil(log2(peak)) > peak else 1)
    tail = "0,keep_negative=False" if unsigned else "1"
    specs = [f"quantized_bits({bits},{highest - k},{tail})" for k in range(tried + 1)]
    losses = [float(np.mean((quantizer(s)(values) - values).astype(np.float64) ** 2)) for s in specs]
    return specs[int(np.argmin(losses))]


def input_type(values: npt.NDArray[Any], bits: int) -> str:
    """The type of an input, as HLS spells it."""
    q = quantizer(power_spec(values, bits, unsigned=bool((values >= 0).all())))
    sign = "" if q.type.signed else "u"
    return f"ap_{sign}fixed<{q.type.width},{q.type.width - q.type.frac}>"


def _rounded(x: npt.NDArray[Any], text: str) -> npt.NDArray[Any]:
    form = parsed(text, "input")
    assert form is not None
    return form(x)


def relative_error(got: npt.NDArray[Any], expected: npt.NDArray[Any]) -> float:
    """RMS of the difference over RMS of what is expected."""
    rms = float(np.sqrt(np.mean(np.square(expected, dtype=np.float64))))
    return float(np.sqrt(np.mean(np.square(np.subtract(got, expected, dtype=np.float64))))) / (rms or 1.0)


def tensors(model: onnx.ModelProto, inputs: Arrays, names: Iterable[str]) -> dict[str, npt.NDArray[Any]]:
    """The named tensors for the data, sample by sample where the model's batch is fixed, in onnx.reference."""
    wanted = list(dict.fromkeys(names))
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    probe.graph.output.extend(helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, None) for n in wanted)
    ports = model_inputs(model)
    missing = [p.name for p in ports if p.name not in inputs]
    if missing:
        raise SpecError(f"no data for input '{printable(missing[0])}'", remedy="name the arrays after the inputs")
    batches, whole = _batches({p.name: np.asarray(inputs[p.name], dtype=np.float32) for p in ports}, ports)
    ops = [*onnx_ops.reference_ops(), *qonnx_ops.reference_ops(), _inference()]
    try:
        evaluator = ReferenceEvaluator(probe, new_ops=ops)
        parts: list[Any] = [evaluator.run(None, feed) for feed in batches]
    except Exception as error:  # what an op makes of wrong data is not foreseeable
        found = f"the model cannot be run on the data ({type(error).__name__}: {printable(error, 120)})"
        raise ModelError(found, remedy="check the shape of the data") from None
    joined = {name: np.concatenate([np.asarray(p[i]) for p in parts]) for i, name in enumerate(wanted)}
    return {name: values[: round(len(values) * whole)] for name, values in joined.items()}


def _batches(data: Arrays, ports: list[onnx.ValueInfoProto]) -> tuple[list[dict[str, Any]], float]:
    """Feeds of the batch that the model has, and the share of all fed samples that are data: the last batch is filled.

    A model without a fixed batch takes all samples at once; one with an axis less than the data takes one at a time.
    """
    count = min(len(x) for x in data.values())
    if not count:
        raise SpecError("the data holds no samples", remedy="give at least one")
    dims = {p.name: p.type.tensor_type.shape.dim for p in ports}
    if all(data[name].ndim == len(shape) + 1 for name, shape in dims.items()):
        return [{name: x[i] for name, x in data.items()} for i in range(count)], 1.0
    size = max((shape[0].dim_value for shape in dims.values() if shape), default=0) or count
    places = np.minimum(np.arange(-(-count // size) * size), count - 1)
    feeds = [{name: x[at] for name, x in data.items()} for at in places.reshape(-1, size)]
    return feeds, count / places.size


def _inference() -> type[OpRun]:
    """BatchNormalization with the statistics it was trained to: onnx.reference takes the batch's before opset 14."""

    def run(
        self: OpRun, x: Floats, scale: Floats, bias: Floats, mean: Floats, var: Floats, **attributes: Any
    ) -> tuple[Floats]:
        column = (1, -1) + (1,) * (x.ndim - 2) if x.ndim > 1 else (-1,)
        epsilon = np.float32(1e-5 if attributes.get("epsilon") is None else attributes["epsilon"])
        factor = scale / np.sqrt(var + epsilon)
        return (np.asarray((x - mean.reshape(column)) * factor.reshape(column) + bias.reshape(column), dtype=x.dtype),)

    return type("BatchNormalization", (OpRun,), {"op_domain": "", "_run": run})


def model_inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """The inputs that are no constants."""
    constants = {t.name for t in model.graph.initializer}
    return [i for i in model.graph.input if i.name not in constants]


def _leaving(model: onnx.ModelProto) -> set[str]:
    """Tensors that leave the model, as they are or through what only moves them or makes probabilities of them."""
    leaving = {o.name for o in model.graph.output}
    for node in reversed(model.graph.node):
        if node.output[0] in leaving and node.op_type in ("Softmax", "Identity", "Reshape", "Flatten", "Transpose"):
            leaving.add(node.input[0])
    return leaving
