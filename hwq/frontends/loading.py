"""Reading a model file as untrusted input: parsed, bounded, external data kept inside the model's folder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from google.protobuf.message import DecodeError
from onnx import numpy_helper

from hwq.errors import ModelError, SpecError, UnsupportedError, printable
from hwq.frontends.inlining import graphs_of, inlined

MAX_ELEMENTS = 1 << 31  # of one tensor
MAX_AXES = 16
MAX_BYTES = 1 << 33  # of one model with its external data
STORED_BITS = MappingProxyType(  # of an element in raw data, by ONNX element type
    dict.fromkeys((25, 26), 2)  # UINT2, INT2
    | dict.fromkeys((21, 22, 23), 4)  # UINT4, INT4, FLOAT4E2M1
    | dict.fromkeys((2, 3, 9, 17, 18, 19, 20, 24), 8)  # UINT8, INT8, BOOL, FLOAT8...
    | dict.fromkeys((4, 5, 10, 16), 16)  # UINT16, INT16, FLOAT16, BFLOAT16
    | dict.fromkeys((1, 6, 12), 32)  # FLOAT, INT32, UINT32
    | dict.fromkeys((7, 11, 13, 14), 64)  # INT64, DOUBLE, UINT64, COMPLEX64
    | {15: 128}  # COMPLEX128
)
DECIMAL = re.compile(r"[0-9]{1,18}")

STANDARD_DOMAIN = "ai.onnx"  # written out; "" is the same domain
CONSTANT_TYPES: Mapping[str, int] = MappingProxyType(
    {
        "value_float": onnx.TensorProto.FLOAT,
        "value_floats": onnx.TensorProto.FLOAT,
        "value_int": onnx.TensorProto.INT64,
        "value_ints": onnx.TensorProto.INT64,
    }
)
Source = str | Path | bytes | onnx.ModelProto


def load_model(source: Source) -> tuple[onnx.ModelProto, Path | None]:
    """The parsed model and the folder its external data must lie in (None where it has no folder)."""
    model, folder, _ = load_file(source)
    return model, folder


def load_file(source: Source) -> tuple[onnx.ModelProto, Path | None, bytes | None]:
    """The same, and the bytes that were parsed. Model-local functions are replaced by their bodies."""
    if not isinstance(source, str | Path | bytes | onnx.ModelProto):
        raise SpecError(
            f"a model that is a {type(source).__name__}", remedy="give a path, the file's bytes or an onnx.ModelProto"
        )
    if isinstance(source, onnx.ModelProto):
        return inlined(_plausible(source, "the model")), None, None
    folder: Path | None = None
    if isinstance(source, bytes):
        data, label = source, "the model"
    else:
        path = Path(source)
        label = path.name
        try:
            if not path.is_file():
                raise ModelError(f"no file '{label}'", remedy="give the path of an .onnx file")
            if path.stat().st_size > MAX_BYTES:
                raise ModelError(f"'{label}' is over 8 GiB", remedy="keep weights in external data")
            data, folder = path.read_bytes(), path.resolve().parent
        except OSError as error:
            raise ModelError(f"cannot read '{label}' ({error.strerror})", remedy="give an .onnx file") from None
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError:
        raise ModelError(
            f"'{label}' is not an ONNX file, or is cut short", remedy="export or download it again"
        ) from None
    return inlined(_plausible(model, label)), folder, data


def _plausible(model: onnx.ModelProto, label: str) -> onnx.ModelProto:
    """The model itself, if it holds a graph whose names are text."""
    if not model.HasField("graph") or not model.graph.output or model.ir_version <= 0:
        raise ModelError(f"'{label}' holds no ONNX graph", remedy="export or download it again")
    if any(isinstance(text, bytes) for text in _texts(model)):
        raise ModelError(f"'{label}' holds names that are not UTF-8", remedy="export or download it again")
    return model


def _texts(model: onnx.ModelProto) -> Iterator[Any]:
    """Every name in a model; the protobuf library hands out damaged text as bytes."""
    graph = model.graph
    yield graph.name
    yield from (o.domain for o in model.opset_import)
    for named in (graph.input, graph.output, graph.value_info, graph.initializer):
        yield from (item.name for item in named)
    yield from (e.value for tensor in graph.initializer for e in tensor.external_data)
    for note in graph.quantization_annotation:
        yield from (note.tensor_name, *(e.value for e in note.quant_parameter_tensor_names))
    yield from _node_texts(graph.node)
    for function in model.functions:
        yield from (function.name, function.domain, *function.input, *function.output, *function.attribute)
        yield from (o.domain for o in function.opset_import)
        yield from _node_texts(function.node)


def _node_texts(nodes: Iterable[onnx.NodeProto]) -> Iterator[Any]:
    for node in nodes:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        for attribute in node.attribute:
            yield from (attribute.name, attribute.ref_attr_name)
        for graph in graphs_of(node):
            yield from (graph.name, *(t.name for t in graph.initializer))
            yield from (info.name for infos in (graph.input, graph.output) for info in infos)
            yield from _node_texts(graph.node)


def read_tensor(tensor: onnx.TensorProto, folder: Path | None) -> npt.NDArray[Any]:
    """A tensor as float64, int64 or bool."""
    return widened(stored_tensor(tensor, folder))


def widened(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """float32 as float64; others as they are."""
    return array.astype(np.float64) if array.dtype == np.float32 else array


def stored_tensor(tensor: onnx.TensorProto, folder: Path | None) -> npt.NDArray[Any]:
    """A tensor as float64, int64 or bool, or float32 as it lies in the file; sizes are checked beforehand."""
    dims = tuple(tensor.dims)
    if any(d < 0 for d in dims) or prod(dims) > MAX_ELEMENTS or len(dims) > MAX_AXES:
        raise ModelError(f"tensor '{tensor.name}' has the absurd shape {list(dims)}", remedy="export the model again")
    if tensor.data_type == onnx.TensorProto.STRING:
        raise UnsupportedError(f"tensor '{tensor.name}' holds strings", remedy="hwq compiles numbers only")
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        tensor = _with_external_data(tensor, folder)
    try:
        array = numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(f"tensor '{tensor.name}' is damaged ({error})", remedy="export the model again") from None
    if array.dtype == np.bool_:
        return array
    if np.issubdtype(array.dtype, np.integer) or "int" in array.dtype.name:
        if array.dtype == np.uint64 and array.size and int(array.max()) >= 1 << 63:
            raise UnsupportedError(f"tensor '{tensor.name}' holds integers of 64 bits", remedy="use int64")
        return array.astype(np.int64)
    if np.issubdtype(array.dtype, np.complexfloating):
        raise UnsupportedError(f"tensor '{tensor.name}' holds complex numbers", remedy="hwq compiles real numbers only")
    return array if array.dtype == np.float32 else array.astype(np.float64)


def opsets(model: onnx.ModelProto) -> dict[str, int]:
    """The opset of each domain; `ai.onnx` is the other spelling of the standard one."""
    found: dict[str, int] = {}
    for entry in model.opset_import:
        domain = "" if entry.domain == STANDARD_DOMAIN else entry.domain
        if domain in found:
            raise ModelError(
                f"the opset of domain '{printable(entry.domain)}' is imported twice", remedy="export the model again"
            )
        found[domain] = int(entry.version)
    return found


def element_types(graph: onnx.GraphProto) -> dict[str, int]:
    """The ONNX element type of every tensor whose type the file states: values are kept as int64 or float64."""
    types = {info.name: info.type.tensor_type.elem_type for info in (*graph.input, *graph.value_info, *graph.output)}
    types.update((tensor.name, tensor.data_type) for tensor in graph.initializer)
    for node in graph.node:
        if node.op_type == "ConstantOfShape" and node.output:
            types[node.output[0]] = onnx.TensorProto.FLOAT
        for attribute in node.attribute:
            if node.op_type in ("Constant", "ConstantOfShape") and attribute.name == "value" and node.output:
                types[node.output[0]] = attribute.t.data_type
            elif node.op_type == "Constant" and attribute.name in CONSTANT_TYPES and node.output:
                types[node.output[0]] = CONSTANT_TYPES[attribute.name]
            elif (
                node.op_type in ("Cast", "QuantizeLinear") and attribute.name in ("to", "output_dtype") and node.output
            ):
                types[node.output[0]] = attribute.i
    return types


def _stored_bytes(tensor: onnx.TensorProto) -> int:
    """The size of a tensor's raw data, some types holding several elements a byte."""
    bits = STORED_BITS.get(tensor.data_type)
    if bits is None:
        raise ModelError(
            f"tensor '{tensor.name}' is of the unknown type {tensor.data_type}", remedy="export the model again"
        )
    return -(-prod(tensor.dims) * bits // 8)


def _with_external_data(tensor: onnx.TensorProto, folder: Path | None) -> onnx.TensorProto:
    entries = {e.key: e.value for e in tensor.external_data}
    location = entries.get("location", "")
    if folder is None:
        raise ModelError(
            f"tensor '{tensor.name}' keeps its data in another file",
            remedy="compile from the model's path, not from bytes",
        )
    base = folder.resolve()
    try:
        target = (base / location).resolve()
        found = target.is_file()
    except (OSError, ValueError, RuntimeError):  # too long a name, a zero byte in it, a loop of links
        raise ModelError(
            f"tensor '{tensor.name}' has a damaged reference to '{printable(location)}'",
            remedy="keep external data beside the model",
        ) from None
    if not location or base not in target.parents:
        raise ModelError(
            f"tensor '{tensor.name}' points outside the model's folder ('{location}')",
            remedy="keep external data beside the model",
        )
    if not found:
        raise ModelError(
            f"tensor '{tensor.name}' needs the missing file '{location}'", remedy="keep it beside the model"
        )
    needed = _stored_bytes(tensor)
    offset, length = (entries.get(key) or default for key, default in (("offset", "0"), ("length", str(needed))))
    if not all(DECIMAL.fullmatch(text) for text in (offset, length)) or int(length) != needed:
        raise ModelError(
            f"tensor '{tensor.name}' of {needed} bytes has a damaged reference to '{location}'",
            remedy="export the model again",
        )
    try:
        with target.open("rb") as file:
            file.seek(int(offset))
            raw = file.read(needed)
    except OSError as error:
        raise ModelError(f"cannot read '{location}' ({error.strerror})", remedy="check the file") from None
    if len(raw) < needed:
        raise ModelError(f"tensor '{tensor.name}' reads past the end of '{location}'", remedy="export the model again")
    inside = onnx.TensorProto()
    inside.CopyFrom(tensor)
    del inside.external_data[:]
    inside.data_location = onnx.TensorProto.DEFAULT
    inside.raw_data = raw
    return inside


def self_contained(model: onnx.ModelProto, folder: Path | None, data: bytes | None = None) -> bytes:
    """The model as bytes, external data taken in; without such, the `data` that it was parsed from."""
    if not any(t.data_location == onnx.TensorProto.EXTERNAL for t in model.graph.initializer):
        return model.SerializeToString(deterministic=True) if data is None else data
    inside = onnx.ModelProto()
    inside.CopyFrom(model)
    for tensor in inside.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            tensor.CopyFrom(_with_external_data(tensor, folder))
    return inside.SerializeToString(deterministic=True)
