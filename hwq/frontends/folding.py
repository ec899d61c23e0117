"""Constant folding of standard ops by ONNX' reference implementation: integers in their own types, floats in float64.

What a result may grow to is known from ONNX' shape inference before memory is taken.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper, shape_inference

from hwq.frontends import coded
from hwq.frontends.call import MAX_ELEMENTS, Call, Signal, Value
from hwq.frontends.element_types import input_variable, own_dtype, schema_of, words
from hwq.ir.constants import Coded
from hwq.ir.hardware import Shape

NEVER = words(
    "Bernoulli Multinomial RandomNormal RandomNormalLike RandomUniform RandomUniformLike If Loop Scan "
    "Optional OptionalGetElement OptionalHasElement SequenceAt SequenceConstruct SequenceEmpty "
    "SequenceErase SequenceInsert SequenceLength SequenceMap ConcatFromSequence SplitToSequence "
    "ImageDecoder StringConcat StringNormalizer StringSplit RegexFullMatch LabelEncoder TfIdfVectorizer"
)
"""Ops that draw at random, or whose values are no tensors of numbers."""

SMALLER = words("Compress NonZero Unique")
"""Ops whose outputs have no known shape, and no more elements than an input times its rank."""

MAX_WORK = 1 << 34  # products of input and output elements that the reference implementation may be given
HEAVY = words("Conv ConvInteger ConvTranspose DeformConv Einsum Gemm MatMul MatMulInteger QLinearConv QLinearMatMul")
FEW = 1 << 12  # elements of an input whose values the shape may depend on


def fold(call: Call) -> list[Value]:
    """The outputs of a node whose inputs are all constants; growth is bounded beforehand."""
    if not folds(call):
        raise call.fail("hwq does not fold this op on constants", "fold the constant part of the model before export")
    if call.kind == "Where" and len(call.inputs) == 3:
        condition, left, right = (call.value(i) for i in range(3))
        kept = coded.chosen(condition, left, right) if isinstance(condition, np.ndarray) else None
        if kept is not None:
            return [kept]
    arrays = [_own(call, i) for i in range(len(call.inputs))]
    names = ["" if a is None else f"i{k}" for k, a in enumerate(arrays)]
    outs = [f"o{k}" for k in range(max(1, call.n_outputs))]
    node = helper.make_node(call.kind, names, outs, **_attributes(call))
    given = {n: a for n, a in zip(names, arrays, strict=True) if a is not None}
    _bound_growth(call, node, given)
    from onnx.reference import ReferenceEvaluator

    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            results: Any = ReferenceEvaluator(node, opsets={"": max(1, call.version)}).run(None, given)
    except Exception as error:
        raise call.fail(f"folding it failed ({type(error).__name__})", "fold the constant part before export") from None
    return [_held(call, np.asarray(r)) for r in results]


def folds(call: Call) -> bool:
    """Whether constants of this op can be folded: a standard op that computes numbers from its inputs alone."""
    return call.domain == "" and call.kind not in NEVER and schema_of(call.kind, call.version) is not None


def _own(call: Call, index: int) -> Any:
    """An input in its tensor's own integer type; floats in float64, or in float32 where the op takes nothing else."""
    value = call.inputs[index]
    if value is None or isinstance(value, Signal):
        return None
    array = _single(value) if isinstance(value, Coded) else value
    if array.dtype.kind == "f":
        schema = schema_of(call.kind, call.version)
        return array.astype(np.float32) if schema and input_variable(schema, index) == "tensor(float)" else array
    dtype = own_dtype(call.types[index])
    return array if dtype is None or array.dtype == np.bool_ else array.astype(dtype)


def _held(call: Call, result: Any) -> Value:
    """A result as constants are held; what is no number is refused."""
    if result.dtype.kind in "fiub":
        return np.asarray(result.astype({"f": np.float64, "b": np.bool_}.get(result.dtype.kind, np.int64)))
    raise call.fail("folding it gave no numbers", "fold the constant part before export")


def _attributes(call: Call) -> dict[str, Any]:
    """The node's attributes, tensors as such again."""
    return {
        key: numpy_helper.from_array(np.asarray(v)) if isinstance(v, np.ndarray) else v
        for key, v in call.attributes.items()
    }


def _single(value: Coded) -> Any:
    """The values of codes as their tensor holds them, in float32."""
    return value.values().astype(np.float32).astype(np.float64)


def _bound_growth(call: Call, node: NodeProto, given: Mapping[str, Any]) -> None:
    """Refuse results of absurd size before memory is taken, and those whose size nothing tells."""
    for array in given.values():
        call.bound(tuple(array.shape))
    sizes = [prod(shape) for shape in _inferred_shapes(call, node, given)]
    if len(sizes) < len(node.output):
        if call.kind not in SMALLER:
            raise call.fail(
                "a constant whose shape cannot be told", "fold the constant part of the model before export"
            )
        sizes = [a.size * max(1, a.ndim) for a in given.values()]
    largest = max((a.size for a in given.values()), default=1)
    if max(sizes, default=0) > MAX_ELEMENTS:
        raise call.broken(f"a constant of {max(sizes)} elements", f"hwq takes up to {MAX_ELEMENTS}")
    if max(sizes, default=0) * largest > MAX_WORK and call.kind in HEAVY:
        raise call.fail("a product of large constants", "fold the constant part of the model before export")


def _inferred_shapes(call: Call, node: NodeProto, given: Mapping[str, Any]) -> list[Shape]:
    """The shapes that ONNX infers for all outputs; small inputs are given by value, the others by shape."""
    few = {n: a for n, a in given.items() if a.size <= FEW}
    graph = helper.make_graph(
        [node],
        "fold",
        [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
            for n, a in given.items()
            if n not in few
        ],
        [helper.make_tensor_value_info(o, TensorProto.UNDEFINED, None) for o in node.output],
        [numpy_helper.from_array(np.ascontiguousarray(a), n) for n, a in few.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", max(1, call.version))])
    try:
        inferred = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except Exception:
        raise call.broken("constants that do not fit together") from None
    found = []
    for info in (*inferred.graph.output, *inferred.graph.value_info):
        shape = info.type.tensor_type.shape
        if info.type.tensor_type.HasField("shape") and all(d.HasField("dim_value") for d in shape.dim):
            found.append(tuple(d.dim_value for d in shape.dim))
    return found
