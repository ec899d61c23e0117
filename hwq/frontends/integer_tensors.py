"""Integer tensors: what each standard op does to integers that wrap. Every op of the frontends is named here.

An op that is not exact on integers is refused, none is read as one on real numbers. Where a result could leave its
type, lowering proves that it does not (`real.Typed`), or refuses: nothing wraps without a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from onnx import TensorProto

from hwq.frontends.call import Call, Rule, Signal, Value
from hwq.frontends.element_types import NARROW_FLOATS, integer_range, is_integer, type_name, words
from hwq.ir import real
from hwq.numeric.fixed import Rounding
from hwq.numeric.rational import elementwise, scalar

EXACT = words(
    "And ArgMax ArgMin Cast Clip Concat ConvInteger DepthToSpace DequantizeLinear Dropout Equal Expand "
    "Flatten Gather Greater GreaterOrEqual Identity Less LessOrEqual MatMulInteger Max MaxPool Min Not Or "
    "Pad QLinearConv QLinearMatMul QuantizeLinear ReduceMax ReduceMin Relu Reshape Resize Shape Sign Size "
    "Slice SpaceToDepth Split Squeeze Tile TopK Transpose Unsqueeze Upsample Where"
)
"""The rule of the op gives ONNX' integers, and none that its type does not hold; Resize and Upsample by `nearest`."""

KEPT = words("Abs Add Gemm MatMul Mul Neg ReduceSum Sub")
"""The rule gives the integer of no bounded type, which has to be proved to fit."""

TRUNCATED = words("Div")
"""Integer division: the quotient without its fraction (ONNX Div)."""

OPEN = words("Constant ConstantOfShape PRelu Pow ReduceMean Shrink")
"""Refused: ONNX leaves open how the result is rounded, or hwq has no exact form; the first two have no activation."""

MICROSOFT = ("QGemm", "QLinear", "QuantizeLinear", "DequantizeLinear")
"""Ops of com.microsoft that take integer tensors begin so."""


def applied(call: Call, rule: Rule, kinds: Sequence[int]) -> list[Value]:
    """The rule's outputs, where all of them are what ONNX' integers are; `kinds` are the outputs' element types.

    Errors: the node is refused if it has an integer activation and is not exact on integers.
    """
    counted = [
        kind
        for value, kind in zip(call.inputs, call.types, strict=True)
        if isinstance(value, Signal) and is_integer(kind)
    ]
    if call.kind == "Cast" and call.domain == "" and isinstance(call.value(0), Signal):
        return [_cast(call, call.signal(0), kinds[0])]
    if not counted or call.domain not in ("", "com.microsoft"):
        return list(rule(call))
    if call.domain == "com.microsoft":
        if not call.kind.startswith(MICROSOFT):
            raise _refused(call, counted[0])
        return list(rule(call))
    if call.kind in ("Resize", "Upsample") and str(call.attribute("mode", "nearest")) != "nearest":
        raise _refused(call, counted[0])
    if call.kind in TRUNCATED:
        return [_held(call, _quotient(call), kinds[0])]
    if call.kind in KEPT:
        values = [_magnitude(call)] if call.kind == "Abs" else list(rule(call))
        return [_held(call, v, k) for v, k in zip(values, kinds, strict=False)]
    if call.kind not in EXACT:
        raise _refused(call, counted[0])
    return list(rule(call))


def _refused(call: Call, kind: int) -> Exception:
    return call.fail(
        f"{call.kind} of {type_name(kind)}: integers, for which hwq has no exact form of this op",
        "Cast to float before it, or dequantize",
    )


def _held(call: Call, value: Value, kind: int) -> Value:
    """The value, to be proved inside its integer type."""
    if not isinstance(value, Signal) or not is_integer(kind):
        return value
    lo, hi = integer_range(kind)
    return call.emit(real.Typed(type_name(kind), Fraction(lo), Fraction(hi)), [value], value.shape)[0]


def _magnitude(call: Call) -> Value:
    x = call.signal(0)
    (turned,) = call.emit(real.Affine(scalar(-1), scalar(0)), [x], x.shape)
    return call.emit(real.Extremum(True), [x, turned], x.shape)[0]


def _quotient(call: Call) -> Value:
    """x / c toward zero, c constant."""
    if not isinstance(call.value(0), Signal) or isinstance(call.value(1), Signal):
        raise call.fail("an integer division by an activation", "divide on the host, or by a constant")
    x, c = call.signal(0), call.exact(1, "the divisor")
    if any(v == 0 for v in c.reshape(-1)):
        raise call.fail("a division by zero", "retrain or re-export the model")
    if np.broadcast_shapes(x.shape, c.shape) != x.shape:
        raise call.fail(f"an activation of shape {list(x.shape)} divided by {list(c.shape)}", "expand it before")
    inverse = elementwise(lambda v: 1 / v, c)
    op = real.Quantize(inverse, scalar(0), Rounding.TO_ZERO, None, None, scalar(1), scalar(0))
    return call.emit(op, [x], x.shape)[0]


def _cast(call: Call, x: Signal, to: int) -> Value:
    """Cast of an activation: what its new type holds exactly; float to integer drops the fraction."""
    source, to = call.types[0], int(call.attribute("to", to))
    if to == TensorProto.BOOL and source != TensorProto.BOOL:
        raise call.fail("a Cast of an activation to bool", "compare on the host, or quantize to one bit")
    if is_integer(to):
        if is_integer(source):
            lo, hi = integer_range(to)
            source_lo, source_hi = integer_range(source)
            return x if lo <= source_lo and source_hi <= hi else _held(call, x, to)
        op = real.Quantize(scalar(1), scalar(0), Rounding.TO_ZERO, None, None, scalar(1), scalar(0))
        return _held(call, call.emit(op, [x], x.shape)[0], to)
    if to in (TensorProto.FLOAT, TensorProto.DOUBLE) or to == source:
        return x
    if to in NARROW_FLOATS:
        digits, least, top = NARROW_FLOATS[to]
        most = Fraction(2) ** top - Fraction(2) ** (top - digits)
        return call.emit(real.Typed(type_name(to), -most, most, digits, least), [x], x.shape)[0]
    raise call.fail(f"a Cast of an activation to {type_name(to)}", "quantize with Quant or QuantizeLinear instead")
