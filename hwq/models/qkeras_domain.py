"""QKeras' quantizers as ONNX ops: domain `qkeras`, version 1, one op per quantizer, its config as attributes.

Builders, shapes, and executors for `onnx.reference`, so that a model with these ops runs without hwq's compiler.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper, shape_inference
from onnx.reference.op_run import OpRun

from hwq.errors import SpecError, printable
from hwq.quantizers import QUANTIZERS, Quantizer, quantizer

DOMAIN = "qkeras"
VERSION = 1


def opset() -> onnx.OperatorSetIdProto:
    """The `opset_import` entry that a model with these ops needs."""
    return helper.make_opsetid(DOMAIN, VERSION)


def quantizer_node(spec: Any, x: str, y: str, *, name: str = "") -> onnx.NodeProto:
    """The node y = q(x); `spec` is anything `hwq.quantizer` takes. Parameters that are None are left out."""
    q = quantizer(spec)
    node = helper.make_node(q.NAME, [x], [y], name=name, domain=DOMAIN)
    node.attribute.extend(_attribute(key, value) for key, value in sorted(q.config.items()) if value is not None)
    return node


def quantizer_of(op_type: str, attributes: Mapping[str, Any]) -> Quantizer:
    """The quantizer that a node's op type and attribute values state. Raises `SpecError`.

    Floats are float32 in ONNX: each is read as the shortest decimal that is that float32, so 0.3 comes back as 0.3.
    """
    return quantizer({"class_name": op_type, "config": {key: _plain(value) for key, value in attributes.items()}})


def infer_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy with the shapes of all tensors that ONNX can infer; these ops keep the shape and type of their input."""
    stand_in = onnx.ModelProto()
    stand_in.CopyFrom(model)
    for node in stand_in.graph.node:
        if node.domain == DOMAIN:
            _check_arity(node)
            del node.attribute[:]
            node.op_type, node.domain = "Identity", ""
    inferred = shape_inference.infer_shapes(stand_in, data_prop=True)
    result = onnx.ModelProto()
    result.CopyFrom(model)
    for field in ("value_info", "output"):
        del getattr(result.graph, field)[:]
        getattr(result.graph, field).extend(getattr(inferred.graph, field))
    return result


def reference_ops() -> list[type[OpRun]]:
    """An executor per op, for `onnx.reference.ReferenceEvaluator(model, new_ops=reference_ops())`."""
    return [type(name, (_Executor,), {"op_domain": DOMAIN}) for name in QUANTIZERS]


class _Executor(OpRun):
    """Computes q(x) in float32, at inference: what is random there is refused."""

    op_domain = DOMAIN

    def _run(self, x: npt.NDArray[Any], **_: Any) -> tuple[npt.NDArray[Any]]:
        node = self.onnx_node
        values = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        result = quantizer_of(node.op_type, values)(x)
        return (np.asarray(result, dtype=x.dtype if x.dtype.kind == "f" else np.float32),)


def _check_arity(node: onnx.NodeProto) -> None:
    if len(node.input) != 1 or len(node.output) != 1:
        found = f"a {printable(node.op_type)} node with {len(node.input)} inputs and {len(node.output)} outputs"
        raise SpecError(found, remedy="these ops have one input and one output")


def _attribute(name: str, value: Any) -> onnx.AttributeProto:
    if isinstance(value, bool):
        value = int(value)
    if isinstance(value, list):
        array = np.asarray(value)
        if array.ndim > 1:
            return helper.make_attribute(name, numpy_helper.from_array(array.astype(np.float32), name))
        value = [int(v) for v in value] if array.dtype.kind in "iub" else [float(v) for v in value]
    return helper.make_attribute(name, value)


def _plain(value: Any) -> Any:
    """An attribute's value as a Python value; tensors may be protos or already arrays."""
    if isinstance(value, onnx.TensorProto):
        value = numpy_helper.to_array(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, float):
        return float(str(np.float32(value)))
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_plain(v) for v in value]
    return value
