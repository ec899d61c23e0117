"""Small ONNX models for the tests, built in memory: every helper names things so that a test can point at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT
QONNX = "qonnx.custom_op.general"
CUSTOM = frozenset(
    ["Quant", "IntQuant", "BipolarQuant", "Trunc", "MultiThreshold", "FloatQuant"]
)  # ops that `node` puts into the QONNX domain

Shape = Sequence[int | str | None]


def const(name: str, values: Any, dtype: Any = np.float32) -> onnx.TensorProto:
    """An initializer; float32 unless said otherwise."""
    return numpy_helper.from_array(np.asarray(values, dtype=dtype), name)


def node(
    kind: str, inputs: str | Sequence[str], output: str | Sequence[str], name: str | None = None, **attributes: Any
) -> onnx.NodeProto:
    """A node named after its first output; `inputs` may be one string of names, `_` an empty one."""
    names = [("" if i == "_" else i) for i in inputs.split()] if isinstance(inputs, str) else list(inputs)
    outputs = [output] if isinstance(output, str) else list(output)
    domain = attributes.pop("domain", QONNX if kind in CUSTOM else "")
    return helper.make_node(
        kind, names, outputs, name=outputs[0] if name is None else name, domain=domain, **attributes
    )


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Shape] | None = None,
    outputs: Sequence[str] = ("y",),
    constants: Sequence[onnx.TensorProto] = (),
    *,
    name: str = "net",
    opset: int = 13,
    opsets: Sequence[tuple[str, int]] | None = None,
    input_kind: int = FLOAT,
) -> onnx.ModelProto:
    """A model of float inputs and outputs; `opsets` overrides opset_import as it stands in the file."""
    shapes = {"x": [1, 4]} if inputs is None else inputs
    graph = helper.make_graph(
        list(nodes),
        name,
        [helper.make_tensor_value_info(n, input_kind, list(s)) for n, s in shapes.items()],
        [helper.make_tensor_value_info(n, FLOAT, None) for n in outputs],
        list(constants),
    )
    imports = (("", opset), (QONNX, 1)) if opsets is None else opsets
    return helper.make_model(graph, opset_imports=[helper.make_opsetid(d, v) for d, v in imports], ir_version=9)


def quant_constants() -> list[onnx.TensorProto]:
    """What the nodes of `small_model` read: scale, zero point, bit width, weights."""
    return [
        const("s", 0.25),
        const("z", 0.0),
        const("bits", 4.0),
        const("ws", 0.5),
        const("w", [[1.0, -0.5, 1.5], [0.5, 2.0, -1.0], [-1.5, 0.5, 1.0], [3.0, -3.5, 0.5]]),
    ]


def small_model(
    after: Sequence[onnx.NodeProto] = (),
    constants: Sequence[onnx.TensorProto] = (),
    outputs: Sequence[str] | None = None,
    **options: Any,
) -> onnx.ModelProto:
    """x (1, 4) -> Quant `xq` -> MatMul `h` (1, 3), then the nodes `after`; the last of them makes the output."""
    nodes = [
        node("Quant", "x s z bits", "xq", rounding_mode="ROUND", signed=1, narrow=0),
        node("Quant", "w ws z bits", "wq", rounding_mode="ROUND", signed=1, narrow=0),
        node("MatMul", "xq wq", "h"),
        *after,
    ]
    last = [nodes[-1].output[0]] if outputs is None else outputs
    return model(nodes, None, last, [*quant_constants(), *constants], **options)


def samples(shape: Sequence[int], seed: int = 0, spread: float = 1.5) -> npt.NDArray[np.float64]:
    """Seeded float32 inputs, as float64."""
    values = np.random.default_rng(seed).standard_normal(tuple(shape)) * spread
    return values.astype(np.float32).astype(np.float64)


def mlp(
    widths: Sequence[int] = (6, 5, 4, 3),
    seed: int = 1,
    *,
    weight_bits: int = 4,
    act_bits: int = 4,
    batch_norm: bool = True,
    name: str = "mlp",
) -> onnx.ModelProto:
    """A QONNX MLP as Brevitas exports it: real scales per channel, BatchNormalization, Relu, an unquantized last layer.

    Nodes are called `fc0`, `bn0`, `relu0`, `act0` and so on; the input quantizer is `in_q`, the output `logits`.
    """
    rng = np.random.default_rng(seed)
    constants = [
        const("zero", 0.0),
        const("w_bits", float(weight_bits)),
        const("a_bits", float(act_bits)),
        const("in_s", 0.1303),
    ]
    nodes = [node("Quant", "x in_s zero a_bits", "in_q", signed=1, narrow=0, rounding_mode="ROUND")]
    edge = "in_q"
    layers = len(widths) - 1
    for i, (n_in, n_out) in enumerate(pairwise(widths)):
        constants += [
            const(f"w{i}", rng.normal(size=(n_in, n_out))),
            const(f"ws{i}", rng.uniform(0.05, 0.4, (1, n_out))),
            const(f"as{i}", rng.uniform(0.2, 0.5)),
        ]
        nodes.append(node("Quant", f"w{i} ws{i} zero w_bits", f"wq{i}", signed=1, narrow=1, rounding_mode="ROUND"))
        nodes.append(node("MatMul", [edge, f"wq{i}"], "logits" if i == layers - 1 else f"fc{i}", name=f"fc{i}"))
        edge = f"fc{i}"
        if i == layers - 1:
            break
        if batch_norm:
            for key, low, high in (("g", -1.5, 1.5), ("b", -1, 1), ("m", -1, 1), ("v", 0.3, 2)):
                constants.append(const(f"{key}{i}", rng.uniform(low, high, n_out)))
            inputs = [edge, *(f"{key}{i}" for key in "gbmv")]
            nodes.append(node("BatchNormalization", inputs, f"bn{i}"))
            edge = f"bn{i}"
        nodes.append(node("Relu", [edge], f"relu{i}"))
        nodes.append(node("Quant", f"relu{i} as{i} zero a_bits", f"act{i}", signed=0, narrow=0, rounding_mode="ROUND"))
        edge = f"act{i}"
    return model(nodes, {"x": [1, widths[0]]}, ["logits"], constants, name=name)
