"""Structured damage to ONNX models: one to three changes of attributes, types, shapes, names, domains, versions,
constants, subgraphs, external data and value_info, or of the bytes of the file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

Rng = np.random.Generator


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


INTS = (-1, 0, 1, 2, 3, 7, -2, 16, 31, 64, 255, 1 << 15, (1 << 31) - 1, 1 << 31, -(1 << 31), 1 << 40, (1 << 63) - 1)
INTS_OF_64 = (*INTS, -(1 << 63))
FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 0.1, 1.2, 1 / 3, 1e-7, 1e-38, 1e-45, 3e38, -3e38, float("nan"), float("inf"))
FACTORS = (
    0.0,
    -1.0,
    0.5,
    2.0,
    1e-30,
    1e30,
    2.0**-126,
    2.0**100,
    float("nan"),
    float("inf"),
    -float("inf"),
    3.0,
    1000.0,
)
TEXTS = (
    b"",
    b"ROUND",
    b"FLOOR",
    b"linear",
    b"nearest",
    b"cubic",
    b"align_corners",
    b"SAME_UPPER",
    b"VALID",
    b"reflect",
    b"edge",
    b"\xff\xfe",
    b"NaN",
    b"INT\xc2\xb2",
    b"x" * 5000,
    b"none",
    b"quantized_bits(" * 50,
)
NAMES = (
    "",
    " ",
    "x",
    "y",
    "int",
    "*/ #error",
    "a\nb",
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "|`|",
    "\u202e",
    "n" * 3000,
    "\0",
    "²",
    "{{ 7 * 7 }}",
)
DOMAINS = (
    "",
    "ai.onnx",
    "com.microsoft",
    "ai.onnx.ml",
    "qonnx.custom_op.general",
    "qonnx.custom_op.channels_last",
    "onnx.brevitas",
    "finn.custom_op.general",
    "qkeras",
    "local",
    "evil",
)
VERSIONS = (0, 1, 5, 6, 7, 9, 10, 11, 12, 13, 14, 17, 18, 19, 20, 21, 22, 25, -1, 1 << 40, -(1 << 63))
KINDS = _words(
    "Abs Add And ArgMax AveragePool BatchNormalization Cast Ceil Celu Clip Concat Constant ConstantOfShape Conv "
    "ConvInteger ConvTranspose Cos DepthToSpace DequantizeLinear Div Dropout Einsum Elu Equal Erf Exp Expand EyeLike "
    "Flatten Floor Gather GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalMaxPool GroupNormalization "
    "HardSigmoid HardSwish Identity If InstanceNormalization LayerNormalization LeakyRelu Log Loop LpNormalization "
    "LpPool LRN MatMul MatMulInteger Max MaxPool Mean Min Mish Mod Mul Neg Not OneHot Or PRelu Pad Pow QLinearConv "
    "QLinearMatMul QuantizeLinear RMSNormalization Range Reciprocal ReduceL2 ReduceMax ReduceMean ReduceSum Relu "
    "Reshape Resize Round ScatterND Selu Shape Shrink Sigmoid Sign Sin Size Slice Softmax Softplus Softsign "
    "SpaceToDepth Split Sqrt Squeeze Sub Sum Tan Tanh ThresholdedRelu Tile TopK Transpose Trilu Unsqueeze "
    "Upsample Where Xor Quant IntQuant BipolarQuant Trunc MultiThreshold Im2Col XnorPopcountMatMul QuantAvgPool2d "
    "QLinearAdd QLinearMul QLinearSigmoid QGemm quantized_bits quantized_relu quantized_po2 ternary binary"
)
ALONE = _words(  # ops that may stand on any edge
    "Identity Neg Abs Relu Sqrt Exp Log Sigmoid Softmax Floor Ceil Round Sign Erf Reciprocal Transpose Flatten Squeeze "
    "Shape Size ArgMax ReduceMean ReduceMax ReduceSum Dropout Tanh Softplus HardSigmoid Gelu Mish Cast Not Det "
    "GlobalAveragePool LogSoftmax NonZero BipolarQuant DynamicQuantizeLinear IsNaN Selu Trunc"
)
ELEMENT_KINDS = tuple(range(0, 27))
ARRAY_KINDS = (np.float32, np.float64, np.float16, np.int8, np.uint8, np.int16, np.int32, np.int64, np.uint64, np.bool_)


def pick(rng: Rng, things: Any) -> Any:
    """One of a sequence."""
    return things[int(rng.integers(len(things)))]


def _tensors(graph: onnx.GraphProto) -> list[str]:
    names = [t.name for t in graph.initializer] + [i.name for i in graph.input]
    return [*names, *(o for n in graph.node for o in n.output), "", "nowhere"]


def _array(tensor: TensorProto) -> Any:
    try:
        return numpy_helper.to_array(tensor)
    except Exception:
        return np.zeros(1, dtype=np.float32)


def _set(tensor: TensorProto, values: Any) -> None:
    name = tensor.name
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values).reshape(np.shape(values)), name))


# -- attributes ------------------------------------------------------------------------------------------------------


def attribute_value(model: onnx.ModelProto, rng: Rng) -> None:
    """Another value, of the same type."""
    owners = [n for n in model.graph.node if n.attribute]
    if not owners:
        return
    attribute = pick(rng, pick(rng, owners).attribute)
    kind = attribute.type
    if kind == AttributeProto.INT:
        attribute.i = int(pick(rng, INTS_OF_64))
    elif kind == AttributeProto.FLOAT:
        attribute.f = float(np.float32(pick(rng, FLOATS)))
    elif kind == AttributeProto.STRING:
        attribute.s = pick(rng, TEXTS)
    elif kind == AttributeProto.INTS:
        _changed_ints(attribute.ints, rng)
    elif kind == AttributeProto.FLOATS:
        attribute.floats.append(float(np.float32(pick(rng, FLOATS))))
    elif kind == AttributeProto.TENSOR:
        _change_tensor(attribute.t, rng)
    elif kind == AttributeProto.GRAPH:
        change = pick(rng, (0, 1, 2))
        if change == 0:
            del attribute.g.node[:]
        elif change == 1:
            del attribute.g.output[:]
        elif attribute.g.node:
            attribute.g.node[0].input[:] = ["nowhere"]


def _changed_ints(values: Any, rng: Rng) -> None:
    choice = int(rng.integers(6))
    if choice == 0 and values:
        values[int(rng.integers(len(values)))] = int(pick(rng, INTS_OF_64))
    elif choice == 1 and values:
        values.pop()
    elif choice == 2:
        values.append(int(pick(rng, INTS_OF_64)))
    elif choice == 3:
        del values[:]
    elif choice == 4 and values:
        values.append(values[0])
    else:
        values[:] = [int(v) for v in rng.permutation(np.asarray(list(values), dtype=np.int64))]


def attribute_type(model: onnx.ModelProto, rng: Rng) -> None:
    """The same name with a value of any type."""
    owners = [n for n in model.graph.node if n.attribute]
    if not owners:
        return
    node = pick(rng, owners)
    at = int(rng.integers(len(node.attribute)))
    made = _any_attribute(node.attribute[at].name, rng)
    node.attribute[at].CopyFrom(made)


def _any_attribute(name: str, rng: Rng) -> AttributeProto:
    values: tuple[Any, ...] = (
        int(pick(rng, INTS_OF_64)),
        float(np.float32(pick(rng, FLOATS))),
        pick(rng, TEXTS),
        [int(pick(rng, INTS_OF_64)) for _ in range(int(rng.integers(1, 5)))],
        [0.5, 1.5],
        [b"a", b"b"],
        numpy_helper.from_array(np.asarray([1, 2, 3], dtype=np.int64), "t"),
        helper.make_graph([helper.make_node("Relu", ["a"], ["b"])], "g", [], []),
    )
    return helper.make_attribute(name, pick(rng, values))


def attribute_gone(model: onnx.ModelProto, rng: Rng) -> None:
    """One attribute less, or one twice."""
    owners = [n for n in model.graph.node if n.attribute]
    if not owners:
        return
    node = pick(rng, owners)
    at = int(rng.integers(len(node.attribute)))
    if rng.random() < 0.6:
        del node.attribute[at]
    else:
        node.attribute.add().CopyFrom(node.attribute[at])


def attribute_new(model: onnx.ModelProto, rng: Rng) -> None:
    """An attribute that the op's schema knows, with a plausible or an odd value; or one that it does not."""
    node = pick(rng, model.graph.node)
    known = []
    try:
        schema = onnx.defs.get_schema(node.op_type, 21, node.domain.replace("ai.onnx", ""))
        known = [(a.name, a.type) for a in schema.attributes.values()]
    except onnx.defs.SchemaError:
        pass
    if known and rng.random() < 0.85:
        name, kind = pick(rng, known)
        made = _plausible_attribute(name, kind, rng)
        if made is not None:
            node.attribute.add().CopyFrom(made)
            return
    node.attribute.add().CopyFrom(_any_attribute(pick(rng, ("axis", "bits", "unknown", "saturate", "")), rng))


def _plausible_attribute(name: str, kind: Any, rng: Rng) -> AttributeProto | None:
    types = onnx.defs.OpSchema.AttrType
    if kind == types.INT:
        return helper.make_attribute(name, int(pick(rng, INTS_OF_64)))
    if kind == types.FLOAT:
        return helper.make_attribute(name, float(np.float32(pick(rng, FLOATS))))
    if kind == types.STRING:
        return helper.make_attribute(name, pick(rng, TEXTS))
    if kind == types.INTS:
        count = int(rng.integers(1, 5))
        return helper.make_attribute(name, [int(v) for v in rng.integers(-2, 4, count)])
    return None


def attribute_reference(model: onnx.ModelProto, rng: Rng) -> None:
    """An attribute that refers to one of a function, where there is none."""
    node = pick(rng, model.graph.node)
    if node.attribute:
        pick(rng, node.attribute).ref_attr_name = "outer"
    else:
        node.attribute.add(name="axis", type=AttributeProto.INT, ref_attr_name="outer")


# -- nodes and edges -------------------------------------------------------------------------------------------------


def node_kind(model: onnx.ModelProto, rng: Rng) -> None:
    """Another op, here or in another domain."""
    node = pick(rng, model.graph.node)
    if rng.random() < 0.7:
        node.op_type = pick(rng, KINDS)
    else:
        node.domain = pick(rng, DOMAINS)


def node_inputs(model: onnx.ModelProto, rng: Rng) -> None:
    """Inputs exchanged, dropped, added, repeated, or read from elsewhere."""
    node = pick(rng, model.graph.node)
    choice = int(rng.integers(6))
    if choice == 0 and len(node.input) > 1:
        node.input[:] = [node.input[i] for i in rng.permutation(len(node.input))]
    elif choice == 1 and node.input:
        node.input.pop()
    elif choice == 2:
        node.input.append(pick(rng, _tensors(model.graph)))
    elif choice == 3 and node.input:
        node.input[int(rng.integers(len(node.input)))] = ""
    elif node.input:
        node.input[int(rng.integers(len(node.input)))] = pick(rng, _tensors(model.graph))


def node_outputs(model: onnx.ModelProto, rng: Rng) -> None:
    """Outputs dropped, added, written twice, or given a name that is taken."""
    node = pick(rng, model.graph.node)
    choice = int(rng.integers(4))
    if choice == 0 and node.output:
        node.output.pop()
    elif choice == 1:
        node.output.append(pick(rng, ("extra", "", *node.output)))
    elif choice == 2 and node.output:
        node.output[int(rng.integers(len(node.output)))] = pick(rng, _tensors(model.graph))
    elif len(node.output) > 1:
        node.output[:] = list(reversed(node.output))


def node_gone(model: onnx.ModelProto, rng: Rng) -> None:
    """A node removed, repeated or moved."""
    nodes, at = model.graph.node, int(rng.integers(len(model.graph.node)))
    choice = int(rng.integers(3))
    copied = onnx.NodeProto()
    copied.CopyFrom(nodes[at])
    if choice == 1:
        nodes.add().CopyFrom(copied)
        return
    del nodes[at]
    if choice == 2:
        nodes.insert(int(rng.integers(len(nodes) + 1)), copied)


def node_inserted(model: onnx.ModelProto, rng: Rng) -> None:
    """An op between a tensor and what reads it."""
    graph = model.graph
    node = pick(rng, graph.node)
    if not node.input:
        return
    at = int(rng.integers(len(node.input)))
    kind, fresh = pick(rng, ALONE), f"inserted{len(graph.node)}"
    made = helper.make_node(kind, [node.input[at]], [fresh], name=fresh)
    if kind == "Cast":
        made.attribute.add().CopyFrom(helper.make_attribute("to", int(rng.integers(0, 24))))
    if kind == "BipolarQuant":
        made.domain = "qonnx.custom_op.general"
    node.input[at] = fresh
    graph.node.insert(int(rng.integers(len(graph.node) + 1)), made)


def node_binary(model: onnx.ModelProto, rng: Rng) -> None:
    """An op with a constant between a tensor and what reads it."""
    graph = model.graph
    node = pick(rng, graph.node)
    if not node.input:
        return
    at, fresh = int(rng.integers(len(node.input))), f"joined{len(graph.node)}"
    shapes = ((), (1,), (1, 1), (2,), (3,), (4,), (0,), (1, 3), (2, 1, 1), (1, 1, 1, 1, 1))
    with np.errstate(all="ignore"):
        values = np.full(pick(rng, shapes), pick(rng, FLOATS)).astype(pick(rng, ARRAY_KINDS))
    graph.initializer.add().CopyFrom(numpy_helper.from_array(np.asarray(values), f"{fresh}_c"))
    kinds = "Add Sub Mul Div Pow Min Max Where Clip Expand Tile Reshape Pad Gather Mod Equal Concat QuantizeLinear"
    inputs = [node.input[at], f"{fresh}_c"]
    made = helper.make_node(pick(rng, kinds.split()), inputs[:: int(pick(rng, (1, -1)))], [fresh], name=fresh)
    node.input[at] = fresh
    graph.node.add().CopyFrom(made)


def node_giant(model: onnx.ModelProto, rng: Rng) -> None:
    """A constant of absurd size: made by an op, and read by another."""
    graph = model.graph
    fresh = f"giant{len(graph.node)}"
    size = int(pick(rng, (1 << 20, 1 << 24, 1 << 26, 1 << 31, 1 << 40, 1 << 62)))
    shape = pick(rng, ([size], [1, size], [size, size], [1, 1, size, 4], [3, size]))
    kind = pick(rng, ("ConstantOfShape", "Expand", "Tile", "Range", "Pad", "Resize", "OneHot", "EyeLike", "activation"))
    add = graph.initializer.add
    add().CopyFrom(numpy_helper.from_array(np.asarray(shape, dtype=np.int64), f"{fresh}_s"))
    add().CopyFrom(numpy_helper.from_array(np.ones([1] * len(shape), dtype=np.float32), f"{fresh}_1"))
    add().CopyFrom(numpy_helper.from_array(np.asarray(size, dtype=np.int64), f"{fresh}_n"))
    add().CopyFrom(numpy_helper.from_array(np.asarray([0, 1], dtype=np.int64), f"{fresh}_v"))
    node = pick(rng, graph.node)
    at = int(rng.integers(len(node.input))) if node.input else None
    source = node.input[at] if at is not None else f"{fresh}_1"
    nodes = {
        "ConstantOfShape": (["_s"], {}),
        "Expand": (["_1", "_s"], {}),
        "Tile": (["_1", "_s"], {}),
        "Range": (["_z", "_n", "_o"], {}),
        "Pad": (["_1", "_p"], {}),
        "Resize": (["_1", "", "", "_s"], {}),
        "OneHot": (["_v", "_n", "_v"], {}),
        "EyeLike": (["_1"], {}),
        "activation": (["_x", "_s"], {}),
    }
    add().CopyFrom(numpy_helper.from_array(np.asarray(0, dtype=np.int64), f"{fresh}_z"))
    add().CopyFrom(numpy_helper.from_array(np.asarray(1, dtype=np.int64), f"{fresh}_o"))
    add().CopyFrom(numpy_helper.from_array(np.asarray([0] * len(shape) + list(shape), dtype=np.int64), f"{fresh}_p"))
    inputs = [source if i == "_x" else i and fresh + i for i in nodes[kind][0]]
    op = pick(rng, ("Expand", "Tile", "Reshape", "Pad")) if kind == "activation" else kind
    graph.node.add().CopyFrom(helper.make_node(op, inputs, [fresh], name=fresh))
    if at is None:
        return
    node.input[at] = fresh


# -- constants -------------------------------------------------------------------------------------------------------


def _change_tensor(tensor: TensorProto, rng: Rng) -> None:
    choice, values = int(rng.integers(13)), _array(tensor)
    if values.dtype == object or values.dtype.kind not in "biuf":
        values = np.zeros(1, dtype=np.float32)
    with np.errstate(all="ignore"):
        if choice == 0:
            _set(tensor, values.astype(pick(rng, ARRAY_KINDS)))
        elif choice == 1:
            tensor.data_type = int(pick(rng, ELEMENT_KINDS))
        elif choice == 2:
            del tensor.dims[:]
            tensor.dims.extend(pick(rng, ((), (1,), (0,), (3,), (4, 3), (-1,), (1 << 40,), (1, 1, 1), (1 << 31, 2))))
        elif choice == 3:
            tensor.raw_data = tensor.raw_data[: max(0, len(tensor.raw_data) - int(rng.integers(1, 9)))]
        elif choice == 4:
            tensor.raw_data = tensor.raw_data * 3
        elif choice == 5 and values.size:
            changed = values.reshape(-1).copy()
            odd = np.asarray(pick(rng, (*FLOATS, 127, 255, 128, -128, 1e10, 0.3))).astype(values.dtype)
            changed[int(rng.integers(changed.size))] = odd
            _set(tensor, changed.reshape(values.shape))
        elif choice == 6:
            _set(tensor, (values.astype(np.float64) * pick(rng, FACTORS)).astype(values.dtype))
        elif choice == 7:
            _set(tensor, np.full(values.shape, pick(rng, (0, 1, -1, 2, 127))).astype(values.dtype))
        elif choice == 8 and values.size:
            shapes = (values.reshape(1, *values.shape), values.reshape(-1), values.reshape(*values.shape, 1))
            _set(tensor, pick(rng, shapes))
        elif choice == 9:
            _set(
                tensor, np.asarray(pick(rng, (values.reshape(-1)[:1], values.reshape(-1)[:2], values.reshape(-1)[:0])))
            )
        elif choice == 10 and values.size:
            _set(tensor, np.asarray(values.reshape(-1)[0]))
        elif choice == 11:
            tensor.data_location = TensorProto.EXTERNAL
            place = pick(rng, ("none.bin", "../x", "/etc/passwd", "", ".", "a\0b", "w.bin", "loop", "fifo"))
            for key, value in (("location", place), ("offset", pick(rng, ("0", "-1", "x", "²", "9" * 5000)))):
                tensor.external_data.add(key=key, value=value)
            tensor.ClearField("raw_data")
        elif values.size:
            _set(tensor, rng.permutation(values.reshape(-1)).reshape(values.shape))


def constant(model: onnx.ModelProto, rng: Rng) -> None:
    """An initializer's values, type, shape or storage."""
    if model.graph.initializer:
        _change_tensor(pick(rng, model.graph.initializer), rng)


def constant_gone(model: onnx.ModelProto, rng: Rng) -> None:
    """An initializer removed, repeated, listed as input too, or made by a Constant node."""
    graph = model.graph
    if not graph.initializer:
        return
    at, choice = int(rng.integers(len(graph.initializer))), int(rng.integers(4))
    tensor = graph.initializer[at]
    if choice == 1:
        graph.initializer.add().CopyFrom(tensor)
    elif choice == 2:
        graph.input.add().CopyFrom(helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)))
    else:
        if choice == 3:
            graph.node.insert(0, helper.make_node("Constant", [], [tensor.name], value=tensor))
        del graph.initializer[at]


# -- ports, types, versions, names -----------------------------------------------------------------------------------


def port_shape(model: onnx.ModelProto, rng: Rng) -> None:
    """Another shape of an input."""
    info = pick(rng, model.graph.input)
    dims = info.type.tensor_type.shape.dim
    choice = int(rng.integers(6))
    if choice == 0 and dims:
        dims[int(rng.integers(len(dims)))].dim_value = int(
            pick(rng, (0, 1, 2, 3, 8, -1, 1 << 20, 1 << 33, (1 << 63) - 1))
        )
    elif choice == 1:
        dims.add().dim_value = int(pick(rng, (1, 2, 3)))
    elif choice == 2 and dims:
        dims[int(rng.integers(len(dims)))].dim_param = pick(rng, ("N", "", "batch"))
    elif choice == 3 and dims:
        del dims[-1]
    elif choice == 4 and dims:
        dims[0].dim_value = int(pick(rng, (2, 8, 3)))
    else:
        info.type.tensor_type.ClearField("shape")


def port_type(model: onnx.ModelProto, rng: Rng) -> None:
    """Another element type of an input or an output, or another kind of value altogether."""
    info = pick(rng, (*model.graph.input, *model.graph.output))
    if rng.random() < 0.85:
        info.type.tensor_type.elem_type = int(pick(rng, ELEMENT_KINDS))
    else:
        info.type.sequence_type.elem_type.tensor_type.elem_type = 1


def ports(model: onnx.ModelProto, rng: Rng) -> None:
    """Inputs and outputs added, repeated, removed or renamed."""
    graph, choice = model.graph, int(rng.integers(6))
    name = pick(rng, _tensors(graph))
    if choice == 0:
        graph.output.add().CopyFrom(helper.make_tensor_value_info(name, int(pick(rng, (1, 3, 7))), None))
    elif choice == 1:
        graph.input.add().CopyFrom(helper.make_tensor_value_info(name, 1, [1, 4]))
    elif choice == 2 and graph.output:
        graph.output[0].name = name
    elif choice == 3 and graph.input:
        graph.input[0].name = name
    elif choice == 4 and graph.output:
        del graph.output[-1]
    elif graph.input:
        del graph.input[-1]


def value_info(model: onnx.ModelProto, rng: Rng) -> None:
    """A statement about a tensor that is not true."""
    shape = pick(rng, (None, [], [1], [9, 9], [0], ["a", "b"], [-3], [1, 4]))
    made = helper.make_tensor_value_info(pick(rng, _tensors(model.graph)), int(pick(rng, ELEMENT_KINDS)), shape)
    model.graph.value_info.add().CopyFrom(made)


def versions(model: onnx.ModelProto, rng: Rng) -> None:
    """Other opset versions, domains imported twice or not at all, another IR version."""
    choice = int(rng.integers(5))
    if choice <= 1 and model.opset_import:
        pick(rng, model.opset_import).version = int(pick(rng, VERSIONS))
    elif choice == 2:
        model.opset_import.add(domain=pick(rng, DOMAINS), version=int(pick(rng, VERSIONS)))
    elif choice == 3 and model.opset_import:
        del model.opset_import[0]
    else:
        model.ir_version = int(pick(rng, (0, 1, 3, 4, 8, 9, 10, 11, 99, -1)))


def names(model: onnx.ModelProto, rng: Rng) -> None:
    """A tensor renamed throughout, a node or the graph renamed: to what no one expects."""
    graph, fresh = model.graph, str(pick(rng, NAMES))
    choice = int(rng.integers(3))
    if choice == 0:
        pick(rng, graph.node).name = fresh
    elif choice == 1:
        graph.name = fresh
    else:
        old = pick(rng, _tensors(graph))
        for node in graph.node:
            node.input[:] = [fresh if i == old else i for i in node.input]
            node.output[:] = [fresh if o == old else o for o in node.output]
        for named in (*graph.initializer, *graph.input, *graph.output, *graph.value_info):
            named.name = fresh if named.name == old else named.name


def annotation(model: onnx.ModelProto, rng: Rng) -> None:
    """FINN's quantization annotations, as no one writes them."""
    note = model.graph.quantization_annotation.add(tensor_name=pick(rng, _tensors(model.graph)))
    texts = (
        "INT8",
        "UINT²",
        "INT0",
        "INT" + "9" * 5000,
        "BIPOLAR",
        "FIXED<8,3>",
        "",
        "INT-3",
        "UINT3",
        "INT1_000",
        "INT٣",
    )
    note.quant_parameter_tensor_names.add(key=pick(rng, ("finn_datatype", "SCALE_TENSOR")), value=pick(rng, texts))


def subgraph(model: onnx.ModelProto, rng: Rng) -> None:
    """A node moved into a branch of an If, or into a function of the file."""
    graph = model.graph
    at = int(rng.integers(len(graph.node)))
    inner = onnx.NodeProto()
    inner.CopyFrom(graph.node[at])
    if rng.random() < 0.5:
        branch = helper.make_graph(
            [inner], "branch", [], [helper.make_tensor_value_info(o, 1, None) for o in inner.output]
        )
        graph.initializer.add().CopyFrom(numpy_helper.from_array(np.asarray(bool(rng.random() < 0.5)), "cond"))
        made = helper.make_node("If", ["cond"], list(inner.output), name="if", then_branch=branch, else_branch=branch)
    else:
        named = [i for i in inner.input if i]
        domain = pick(rng, ("local", "", "qkeras"))
        model.functions.append(
            helper.make_function(domain, "Made", named, list(inner.output), [inner], list(model.opset_import))
        )
        model.opset_import.add(domain=domain, version=1)
        made = helper.make_node("Made", named, list(inner.output), name="made", domain=domain)
    graph.node[at].CopyFrom(made)


CHANGES: tuple[Callable[[onnx.ModelProto, Rng], None], ...] = (
    attribute_value,
    attribute_value,
    attribute_value,
    attribute_type,
    attribute_gone,
    attribute_new,
    attribute_new,
    attribute_reference,
    node_kind,
    node_kind,
    node_inputs,
    node_outputs,
    node_gone,
    node_inserted,
    node_inserted,
    node_binary,
    node_binary,
    node_giant,
    constant,
    constant,
    constant,
    constant,
    constant_gone,
    port_shape,
    port_type,
    ports,
    value_info,
    versions,
    names,
    annotation,
    subgraph,
)


def damaged_bytes(raw: bytes, rng: Rng) -> bytes:
    """Bytes changed, cut out, put in, or a piece of the file repeated."""
    data = bytearray(raw)
    for _ in range(int(rng.integers(1, 6))):
        at, choice = int(rng.integers(len(data))), int(rng.integers(5))
        if choice <= 1:
            data[at] = int(rng.integers(256))
        elif choice == 2:
            data[at] ^= 1 << int(rng.integers(8))
        elif choice == 3:
            del data[at : at + int(rng.integers(1, 9))]
        else:
            data[at:at] = data[at : at + int(rng.integers(1, 60))]
        if not data:
            return b""
    return bytes(data)


def mutant(seeds: dict[str, onnx.ModelProto], rng: Rng) -> tuple[str, bytes]:
    """A damaged model as a file's bytes, and how it was made."""
    name = pick(rng, sorted(seeds))
    model = onnx.ModelProto()
    model.CopyFrom(seeds[name])
    if rng.random() < 0.08:
        return f"{name}: bytes", damaged_bytes(model.SerializeToString(), rng)
    done = []
    for _ in range(int(pick(rng, (1, 1, 1, 2, 3)))):
        change = pick(rng, CHANGES)
        if not model.graph.node or not model.graph.input:
            break
        change(model, rng)
        done.append(change.__name__)
    return f"{name}: {', '.join(done)}", model.SerializeToString()
