"""The ONNX element type of every tensor: inferred node by node from the op's schema, never lost on the way.

Values of constants are held as int64, float64 or bool whatever their tensor's type; `typed` makes of a result what its
type holds: integers wrap, float16 and bfloat16 round. float32 results stay in float64 until their meaning is fixed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, defs

Array = npt.NDArray[Any]
FLOAT = int(TensorProto.FLOAT)
LATEST = defs.onnx_opset_version()
NEVER_NARROWED = ("QuantizeLinear", "DequantizeLinear")  # newer opsets only add types, which older files hold too
INTEGER_BITS: Mapping[int, tuple[int, bool]] = MappingProxyType(
    {  # element type -> (bits, signed); 25 and 26 are UINT2 and INT2, younger than the oldest onnx package in use
        TensorProto.UINT8: (8, False),
        TensorProto.INT8: (8, True),
        TensorProto.UINT16: (16, False),
        TensorProto.INT16: (16, True),
        TensorProto.UINT32: (32, False),
        TensorProto.INT32: (32, True),
        TensorProto.UINT64: (64, False),
        TensorProto.INT64: (64, True),
        TensorProto.UINT4: (4, False),
        TensorProto.INT4: (4, True),
        25: (2, False),
        26: (2, True),
    }
)
NARROW_FLOATS: Mapping[int, tuple[int, int, int]] = MappingProxyType(
    {  # element type -> (bits of the significand, exponent of the least step, exponent just above the greatest value)
        TensorProto.FLOAT16: (11, -24, 16),
        TensorProto.BFLOAT16: (8, -133, 128),
    }
)
OUTPUT_ZERO_POINTS: Mapping[str, int] = MappingProxyType(
    {  # com.microsoft: the input whose type the output has
        "QuantizeLinear": 2,
        "QGemm": 8,
        "QLinearAdd": 7,
        "QLinearMul": 7,
        "QLinearConcat": 1,
        "QLinearConv": 7,
        "QLinearAveragePool": 4,
        "QLinearGlobalAveragePool": 4,
        "QLinearSigmoid": 4,
        "QLinearLeakyRelu": 4,
        "QLinearSoftmax": 4,
    }
)


def words(text: str) -> frozenset[str]:
    """A set of names that are written in a row."""
    return frozenset(text.split())


def type_name(kind: int) -> str:
    """The type as ONNX writes it, such as int8."""
    known = {25: "uint2", 26: "int2"}
    return known.get(kind) or (
        TensorProto.DataType.Name(kind).lower() if kind in TensorProto.DataType.values() else f"type {kind}"
    )


def integer_range(kind: int) -> tuple[int, int]:
    """The least and the greatest integer of an integer type; bool is 0..1."""
    bits, signed = INTEGER_BITS.get(kind, (1, False))
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)


def is_integer(kind: int) -> bool:
    """Whether tensors of the type hold integers, which wrap; bool among them."""
    return kind in INTEGER_BITS or kind == TensorProto.BOOL


@cache
def schema_of(kind: str, version: int) -> defs.OpSchema | None:
    """The schema of a standard op at an opset, or None where the installed onnx package has none."""
    try:
        return defs.get_schema(kind, max(1, version), "")
    except defs.SchemaError:
        return None


def output_types(
    domain: str, kind: str, version: int, inputs: Sequence[int], attributes: Mapping[str, Any], count: int
) -> list[int]:
    """The element type of each of `count` outputs, 0 where it is not known. `inputs`: those of the inputs."""
    stated = {"Cast": "to", "QuantizeLinear": "output_dtype", "DequantizeLinear": "output_dtype"}.get(kind)
    if stated and attributes.get(stated):
        return [int(attributes[stated])] * count
    if domain == "com.microsoft":
        return [_microsoft(kind, inputs)] * count
    if domain != "":
        return [FLOAT] * count
    schema = schema_of(kind, version) or schema_of(kind, LATEST)
    if schema is None:
        return [inputs[0] if inputs else 0] * count
    return [_schema_type(schema, kind, i, inputs) for i in range(count)]


def _microsoft(kind: str, inputs: Sequence[int]) -> int:
    index = OUTPUT_ZERO_POINTS.get(kind)
    if index is not None and index < len(inputs) and inputs[index]:
        return inputs[index]
    if kind == "QuantizeLinear":
        return int(TensorProto.UINT8)
    return FLOAT if kind in ("DequantizeLinear", "QGemm") or not inputs or is_integer(inputs[0]) else inputs[0]


def _schema_type(schema: defs.OpSchema, kind: str, output: int, inputs: Sequence[int]) -> int:
    if not schema.outputs:
        return 0
    variable = schema.outputs[min(output, len(schema.outputs) - 1)].type_str
    bound = [t for i, t in enumerate(inputs) if t and input_variable(schema, i) == variable]
    if bound:
        return bound[0]
    allowed = [c.allowed_type_strs for c in schema.type_constraints if c.type_param_str == variable]
    names = allowed[0] if allowed else [variable]
    if kind == "QuantizeLinear":
        return int(TensorProto.UINT8)
    return _named(names[0]) if len(names) == 1 else 0


def input_variable(schema: defs.OpSchema, index: int) -> str:
    """The type variable of an input; the last formal input may stand for many."""
    if not schema.inputs:
        return ""
    return str(schema.inputs[min(index, len(schema.inputs) - 1)].type_str)


def _named(text: str) -> int:
    """The element type of a spelling such as tensor(int64)."""
    name = text.removeprefix("tensor(").removesuffix(")").upper()
    return int(TensorProto.DataType.Value(name)) if name in TensorProto.DataType.keys() else 0  # noqa: SIM118


def clash(kind: str, version: int, inputs: Sequence[int], activations: Sequence[bool]) -> str | None:
    """What is wrong with the input types of a standard op: two of one variable differ, or one is not allowed.

    Constants of a type that is not allowed are read by value; `activations` says which inputs are none.
    """
    schema = schema_of(kind, LATEST if kind in NEVER_NARROWED else version)
    if schema is None:
        return None
    seen: dict[str, tuple[int, int]] = {}
    for i, found in enumerate(inputs):
        variable = input_variable(schema, i)
        many = schema.inputs and i >= len(schema.inputs) - 1 and not schema.inputs[-1].is_homogeneous
        if not found or not variable or many:
            continue
        first, other = seen.setdefault(variable, (i, found))
        if other != found:
            return f"inputs {first} and {i} of the types {type_name(other)} and {type_name(found)}, which must be one"
        allowed = [c.allowed_type_strs for c in schema.type_constraints if c.type_param_str == variable]
        if activations[i] and is_integer(found) and allowed and f"tensor({type_name(found)})" not in allowed[0]:
            return f"input {i} of the type {type_name(found)}, which the op does not take at opset {version}"
    return None


def typed(array: Array, kind: int) -> Array:
    """The values as a tensor of the type holds them: integers modulo 2**bits, float16 and bfloat16 to nearest even."""
    if array.dtype == np.bool_ or kind == TensorProto.BOOL:
        return array.astype(bool)
    if kind in INTEGER_BITS:
        lo, hi = integer_range(kind)
        whole = array.astype(np.int64)
        if kind == TensorProto.UINT64 or not whole.size or (lo <= int(whole.min()) and int(whole.max()) <= hi):
            return whole
        return np.asarray((whole - lo) % (hi - lo + 1) + lo) if hi < 1 << 62 else whole
    if kind in NARROW_FLOATS and array.dtype.kind == "f":
        return _rounded(array, *NARROW_FLOATS[kind])
    return array


def _rounded(array: Array, digits: int, least: int, top: int) -> Array:
    """Floats rounded to `digits` bits, to nearest even, no finer than 2**least; past the greatest, infinity."""
    values = array.astype(np.float64)
    with np.errstate(all="ignore"):
        step = np.maximum(np.frexp(values)[1] - digits, least)
        rounded = np.ldexp(np.rint(np.ldexp(values, -step)), step)
        return np.asarray(np.where(np.abs(rounded) >= 2.0**top, np.copysign(np.inf, rounded), rounded))


def own_dtype(kind: int) -> np.dtype[Any] | None:
    """numpy's type for an integer element type, where it has one."""
    if kind not in INTEGER_BITS or INTEGER_BITS[kind][0] < 8:
        return None
    return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind))
