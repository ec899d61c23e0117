"""The layers of a float ONNX model, as one quantizes them: a weight, a bias behind it, an output after its function."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from hwq.errors import UnsupportedError

LINEAR = ("Conv", "Gemm", "MatMul", "ConvTranspose")
JOINS = ("Add", "Sub", "Mul", "Sum", "Mean", "Div")
FUNCTIONS = frozenset(
    {"Relu", "LeakyRelu", "PRelu", "Clip", "Sigmoid", "Tanh", "HardSigmoid", "HardSwish", "Elu", "Selu", "Softplus"}
    | {"Softsign", "Gelu", "Mish", "BatchNormalization", "Exp", "Erf", "Sqrt", "Reciprocal"}
)  # computed at once with the layer before them
LINES = frozenset({"Relu", "LeakyRelu", "PRelu", "Clip", "BatchNormalization"})
SHAPES = frozenset({"Shape", "Size"})  # what they give is known without data
WHOLE = frozenset({"ArgMax", "ArgMin", "NonZero", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not"})
FLOATS = frozenset(
    {onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16}
)
QUANTIZED = frozenset({"QuantizeLinear", "Quant", "BipolarQuant", "QLinearConv", "QLinearMatMul", "IntQuant"})


@dataclass(frozen=True)
class FloatLayer:
    """`weight` and `bias` are initializers ("" where there is none), `axis` the weight's output channels.

    `node` and `biased` are the outputs of the nodes that read them; `output` is the tensor that is quantized.
    """

    name: str
    op: str
    node: str
    weight: str
    axis: int
    biased: str
    bias: str
    output: str
    nonnegative: bool
    curved: bool  # its function is neither linear nor a clamp


def initializers(model: onnx.ModelProto) -> dict[str, npt.NDArray[np.float32]]:
    """The float constants of a model by name."""
    found = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            found[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    return {name: np.asarray(a, dtype=np.float32) for name, a in found.items() if a.dtype.kind == "f"}


def float_layers(model: onnx.ModelProto) -> tuple[FloatLayer, ...]:
    """The layers in order. A model that holds quantizers already is refused."""
    already = next((n for n in model.graph.node if n.op_type in QUANTIZED or n.domain == "qkeras"), None)
    if already is not None:
        raise UnsupportedError(
            "the model is quantized already", node=already.name, op=already.op_type, remedy="compile it as it is"
        )
    constants, activations = initializers(model), _activations(model)
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    found: list[FloatLayer] = []
    inside: set[str] = set()  # outputs that belong to a layer already
    for node in model.graph.node:
        if node.output[0] in inside or not any(i in activations for i in node.input):
            continue
        layer = _layer(node, constants, activations, readers, inside)
        if layer is not None:
            found.append(layer)
    return tuple(found)


def _activations(model: onnx.ModelProto) -> set[str]:
    """The tensors that hold data as floats: neither constants, nor shapes and what is computed of them, nor indices."""
    known = {t.name for t in model.graph.initializer}
    floats = {i.name for i in model.graph.input if i.type.tensor_type.elem_type in FLOATS} - known
    data = {i.name for i in model.graph.input} - known
    for node in model.graph.node:
        if node.op_type in SHAPES or not data.intersection(node.input):
            continue
        data.update(node.output)
        to = next((a.i for a in node.attribute if node.op_type == "Cast" and a.name == "to"), None)
        if to in FLOATS or (to is None and node.op_type not in WHOLE and floats.intersection(node.input)):
            floats.update(node.output[:1] if node.op_type == "TopK" else node.output)
    return floats - {""}


def _layer(
    node: onnx.NodeProto,
    constants: Mapping[str, npt.NDArray[np.float32]],
    activations: Collection[str],
    readers: Mapping[str, Sequence[onnx.NodeProto]],
    inside: set[str],
) -> FloatLayer | None:
    weight = bias = ""
    axis, output, biased = 0, node.output[0], node.output[0]
    linear = node.op_type in LINEAR and len(node.input) > 1 and node.input[1] in constants
    if linear:
        weight = node.input[1]
        bias = node.input[2] if len(node.input) > 2 and node.input[2] in constants else ""
        axis = _channel_axis(node, constants[weight].ndim)
        add = _only(readers, output)
        if not bias and add is not None and add.op_type == "Add":
            constant = [i for i in add.input if i in constants]
            if constant:
                bias, output, biased = constant[0], add.output[0], add.output[0]
                inside.add(output)
    elif node.op_type in JOINS:
        if sum(i in activations for i in node.input) < 2:
            return None
    elif node.op_type not in FUNCTIONS:
        return None
    last = node
    while (following := _only(readers, output)) is not None and following.op_type in FUNCTIONS:
        last, output = following, following.output[0]
        inside.add(output)
    nonnegative = last.op_type in ("Relu", "Sigmoid", "HardSigmoid", "Softplus", "Exp")
    name, curved = node.name or node.output[0], last.op_type in FUNCTIONS - LINES
    return FloatLayer(name, node.op_type, node.output[0], weight, axis, biased, bias, output, nonnegative, curved)


def _only(readers: Mapping[str, Sequence[onnx.NodeProto]], name: str) -> onnx.NodeProto | None:
    nodes = readers.get(name, ())
    return nodes[0] if len(nodes) == 1 else None


def _channel_axis(node: onnx.NodeProto, rank: int) -> int:
    """The axis of a weight along which its output channels lie."""
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    if node.op_type == "Conv":
        return 0
    if node.op_type == "ConvTranspose":
        return 1
    return 0 if node.op_type == "Gemm" and attributes.get("transB", 0) else rank - 1
