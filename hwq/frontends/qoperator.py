"""The QOperator form: ops on integer tensors that carry scales, read as dequantize, real op, quantize.

ONNX' QLinearMatMul, QLinearConv, MatMulInteger, ConvInteger; Microsoft's QGemm and QLinear ops. Zero points and scales
are constants: a scale computed from data is dynamic quantization, and is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import numpy as np

from hwq.frontends import conv, functions, pooling, shapes, softmax, standard
from hwq.frontends.call import Call, Rule, Signal, Value
from hwq.frontends.qdq import code_limits, dequantized, quantizer, scale_of, zero_of
from hwq.frontends.qonnx import quantize
from hwq.ir.constants import Coded
from hwq.numeric.rational import scalar


def derived(call: Call, inputs: Sequence[Value | None], types: Sequence[int] = (), **attributes: Any) -> Call:
    """The same node seen as another op: other inputs, other attributes."""
    padded = [*types, *[0] * (len(inputs) - len(types))]
    return replace(call, names=(), inputs=list(inputs), types=padded, attributes=call.attributes.updated(attributes))


def _operand(call: Call, index: int, axis: int = -1) -> Value:
    """Inputs `index`, + 1 and + 2 (codes, scale, zero point) as a real tensor; parameters may run along `axis`."""
    x = call.value(index)
    seen = derived(call, [_flat(v, axis) for v in call.inputs], call.types, axis=axis, block_size=0)
    constant = not isinstance(x, Signal)
    scale = scale_of(seen, index + 1, x.shape, dead=constant)
    return dequantized(call, x, scale, zero_of(seen, index + 2, x.shape))


def _flat(value: Value | None, axis: int) -> Value | None:
    """A scale or zero point that is written with as many axes as the operand, (1, N) or (M, 1), as a vector."""
    if not isinstance(value, np.ndarray) or value.ndim < 2:
        return value
    long = [i for i, d in enumerate(value.shape) if d > 1]
    return value.reshape(-1) if long in ([], [axis % value.ndim]) else value


def _quantized(call: Call, x: Value, index: int) -> list[Value]:
    """A real tensor quantized by the scale and zero point at `index` and + 1."""
    seen = derived(call, call.inputs, call.types, axis=1, block_size=0, output_dtype=0)
    op = quantizer(
        scale_of(seen, index, x.shape, "the output scale"),
        zero_of(seen, index + 1, x.shape),
        *code_limits(seen, index + 1),
    )
    return quantize(derived(call, [x]), op)


def qlinear_matmul(call: Call) -> list[Value]:
    """QLinearMatMul: quantize(dequantize(a) dequantize(b)); scales of b may run along its columns."""
    (y,) = standard.matmul(derived(call, [_operand(call, 0, -2), _operand(call, 3)]))
    return _quantized(call, y, 6)


def qgemm(call: Call) -> list[Value]:
    """QGemm: alpha A B + C, the int32 C in units of alpha scale_a scale_b; float output where no scale is given."""
    out = 0 if call.attribute("transB", 0) else 1
    alpha = Fraction(float(np.float32(call.attribute("alpha", 1.0))))
    bias = _bias(call, 6, 1, 4, alpha)
    (y,) = standard.gemm(derived(call, [_operand(call, 0, -2), _operand(call, 3, out), bias], beta=1.0))
    return _quantized(call, y, 7) if call.given(7) else [y]


def _bias(call: Call, index: int, first: int, second: int, factor: Fraction = Fraction(1)) -> Value | None:
    """An int32 bias in units of `factor` times the product of two scales, per output where they are; None: no bias."""
    if not call.given(index):
        return None
    scales = [call.exact(i, "an input's scale").reshape(-1) for i in (first, second)]
    codes = np.rint(call.array(index, "the bias")).astype(np.int64)
    return Coded(np.atleast_1d(codes), np.asarray(scales[0] * scales[1] * factor, dtype=object), scalar(0))


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


def qlinear_conv(call: Call) -> list[Value]:
    """QLinearConv: the int32 bias is in units of scale_x scale_w; weight scales may run along the output channels."""
    bias = _bias(call, 8, 1, 4)
    (y,) = conv.conv(derived(call, [_operand(call, 0), _operand(call, 3, 0), bias]))
    return _quantized(call, y, 6)


def unary(rule: Rule) -> Rule:
    """An op of one quantized tensor: codes, scale, zero point, then the output's scale and zero point."""

    def quantized(call: Call) -> list[Value]:
        if call.attribute("channels_last", 0):
            raise call.fail("channels_last", "export the model with channels first")
        (y,) = rule(derived(call, [_operand(call, 0)]))
        return _quantized(call, y, 3)

    return quantized


def qlinear_softmax(call: Call) -> list[Value]:
    """QLinearSoftmax: quantize(softmax(dequantize(x))), by the rule of the opset that its attribute names."""
    opset = int(call.attribute("opset", 13))
    (y,) = softmax.softmax(replace(derived(call, [_operand(call, 0)]), version=opset))
    return _quantized(call, y, 3)


def _centred(call: Call, index: int, axis: int) -> Value:
    """Input `index` less the zero point at `index` + 2."""
    x = call.value(index)
    seen = derived(call, call.inputs, call.types, axis=axis, block_size=0)
    return dequantized(call, x, scalar(1), zero_of(seen, index + 2, x.shape))


def matmul_integer(call: Call) -> list[Value]:
    """MatMulInteger: (A - zero_a) (B - zero_b), as an integer tensor."""
    return standard.matmul(derived(call, [_centred(call, 0, -2), _centred(call, 1, -1)]))


def conv_integer(call: Call) -> list[Value]:
    """ConvInteger: (x - zero_x) * (w - zero_w), as an integer tensor; padding is the zero point."""
    return conv.conv(derived(call, [_centred(call, 0, -2), _centred(call, 1, 0)]))


RULES: MappingProxyType[str, Rule] = MappingProxyType(
    {
        "QLinearMatMul": qlinear_matmul,
        "QLinearConv": qlinear_conv,
        "MatMulInteger": matmul_integer,
        "ConvInteger": conv_integer,
    }
)
MICROSOFT: MappingProxyType[str, Rule] = MappingProxyType(
    {
        "QGemm": qgemm,
        "QLinearAdd": qlinear_add,
        "QLinearMul": qlinear_mul,
        "QLinearConcat": qlinear_concat,
        "QLinearConv": qlinear_conv,
        "QLinearAveragePool": unary(pooling.average_pool),
        "QLinearGlobalAveragePool": unary(pooling.global_average_pool),
        "QLinearSigmoid": unary(functions.RULES["Sigmoid"]),
        "QLinearLeakyRelu": unary(functions.RULES["LeakyRelu"]),
        "QLinearSoftmax": qlinear_softmax,
    }
)
