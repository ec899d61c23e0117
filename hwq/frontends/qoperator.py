"""The QOperator form: ops on integer tensors that carry scales, read as dequantize, real op, quantize.

ONNX' QLinearMatMul and MatMulInteger; Microsoft's QGemm, QLinearAdd, QLinearMul, QLinearConcat. Zero points and scales
are constants: a scale computed from data is dynamic quantization, and is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import numpy as np

from hwq.constants import Coded
from hwq.exact import Rationals, scalar
from hwq.fixed import Codes
from hwq.frontends import shapes, standard
from hwq.frontends.call import Call, Rule, Value
from hwq.frontends.qdq import code_limits, dequantized, quantizer, scale_of, zero_of
from hwq.frontends.qonnx import quantize


def derived(call: Call, inputs: Sequence[Value | None], types: Sequence[int] = (), **attributes: Any) -> Call:
    """The same node seen as another op: other inputs, other attributes."""
    padded = [*types, *[0] * (len(inputs) - len(types))]
    return replace(call, inputs=list(inputs), types=padded, attributes={**call.attributes, **attributes})


def _operand(call: Call, index: int, axis: int = -1) -> Value:
    """Inputs `index`, + 1 and + 2 (codes, scale, zero point) as a real tensor; parameters may run along `axis`."""
    x = call.value(index)
    seen = derived(call, call.inputs, call.types, axis=axis)
    return dequantized(call, x, scale_of(seen, index + 1, x.shape), zero_of(seen, index + 2, x.shape))


def _quantized(call: Call, x: Value, index: int) -> list[Value]:
    """A real tensor quantized by the scale and zero point at `index` and + 1."""
    op = quantizer(
        scale_of(call, index, x.shape, "the output scale"),
        zero_of(call, index + 1, x.shape),
        *code_limits(call, index + 1),
    )
    return quantize(derived(call, [x]), op)


def qlinear_matmul(call: Call) -> list[Value]:
    """QLinearMatMul: quantize(dequantize(a) dequantize(b)); scales of b may run along its columns."""
    (y,) = standard.matmul(derived(call, [_operand(call, 0, -2), _operand(call, 3)]))
    return _quantized(call, y, 6)


def qgemm(call: Call) -> list[Value]:
    """QGemm: alpha A B + C, the int32 C in units of alpha scale_a scale_b; float output where no scale is given."""
    out = 0 if call.attribute("transB", 0) else 1
    bias: Value | None = None
    if call.given(6):
        codes = np.rint(call.array(6, "the bias")).astype(np.int64)
        bias = Coded(np.atleast_1d(codes), _bias_step(call), scalar(0))
    (y,) = standard.gemm(derived(call, [_operand(call, 0, -2), _operand(call, 3, out), bias], beta=1.0))
    return _quantized(call, y, 7) if call.given(7) else [y]


def _bias_step(call: Call) -> Rationals:
    """alpha scale_a scale_b, per output where scale_b is."""
    alpha = Fraction(float(np.float32(call.attribute("alpha", 1.0))))
    first, second = call.exact(1, "the scale of A").reshape(-1), call.exact(4, "the scale of B").reshape(-1)
    return np.asarray(first * second * alpha, dtype=object)


def qlinear_add(call: Call) -> list[Value]:
    """QLinearAdd: quantize(dequantize(a) + dequantize(b))."""
    (y,) = standard.add(derived(call, [_operand(call, 0), _operand(call, 3)]))
    return _quantized(call, y, 6)


def qlinear_mul(call: Call) -> list[Value]:
    """QLinearMul: quantize(dequantize(a) dequantize(b))."""
    (y,) = standard.mul(derived(call, [_operand(call, 0), _operand(call, 3)]))
    return _quantized(call, y, 6)


def qlinear_concat(call: Call) -> list[Value]:
    """QLinearConcat: the output's scale and zero point come first, then codes, scale and zero point of every part."""
    if len(call.inputs) < 5 or len(call.inputs) % 3 != 2:
        raise call.broken(f"{len(call.inputs)} inputs")
    parts = [_operand(call, i) for i in range(2, len(call.inputs), 3)]
    (y,) = shapes.concat(derived(call, parts))
    return _quantized(call, y, 0)


def matmul_integer(call: Call) -> list[Value]:
    """MatMulInteger: (A - zero_a) (B - zero_b), as an integer tensor."""

    def centred(index: int, axis: int) -> Value:
        x = call.value(index)
        seen = derived(call, call.inputs, call.types, axis=axis)
        zero: Codes = zero_of(seen, index + 2, x.shape)
        return dequantized(call, x, scalar(1), zero)

    return standard.matmul(derived(call, [centred(0, -2), centred(1, -1)]))


RULES: MappingProxyType[str, Rule] = MappingProxyType(
    {"QLinearMatMul": qlinear_matmul, "MatMulInteger": matmul_integer}
)
MICROSOFT: MappingProxyType[str, Rule] = MappingProxyType(
    {
        "QGemm": qgemm,
        "QLinearAdd": qlinear_add,
        "QLinearMul": qlinear_mul,
        "QLinearConcat": qlinear_concat,
    }
)
