"""Quantizers of ONNX and QONNX, and the ops on quantized tensors that carry scales along."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import numpy as np

from hwq.check.exact_onnx import arithmetic, integers, normalization, scalar, values, windows
from hwq.check.exact_onnx.node import Node, Op, Unknown
from hwq.check.exact_onnx.tensor import FLOAT, Exact, limits, rounded, whole

UINT8 = 2
ROUNDINGS: Mapping[str, str] = MappingProxyType(
    {
        "ROUND": "half_even",
        "HALF_EVEN": "half_even",
        "FLOOR": "floor",
        "CEIL": "ceil",
        "DOWN": "to_zero",
        "ROUND_TO_ZERO": "to_zero",
        "UP": "away",
        "HALF_UP": "half_away",
        "HALF_DOWN": "half_to_zero",
    }
)


def _along(node: Node, p: Exact, x: Exact, axis: int | None = None) -> Exact:
    """A scale or zero point per tensor, along the axis or in blocks of it."""
    if int(np.prod(p.shape)) == 1:
        return p.reshaped(*(1,) * x.rank)
    along = (node.integer("axis", 1) if axis is None else axis) % x.rank
    block = node.integer("block_size", 0)
    if block and p.rank == x.rank:
        return p.moved(lambda a: np.repeat(a, block, along).take(range(x.shape[along]), along))
    return p.reshaped(*(-1 if i == along else 1 for i in range(x.rank)))


def quantized(node: Node, x: Exact, scale: Exact, zero: Exact | None, kind: int, axis: int | None = None) -> Exact:
    """saturate(round_half_even(x / scale) + zero)."""
    code = rounded(x, "half_even", _along(node, scale, x, axis))
    if zero is not None:
        code = integers.add(code, _along(node, zero, x, axis).num)
    lo, hi = limits(kind)
    return whole(np.minimum(np.maximum(code, lo), hi), kind)


def dequantized(node: Node, x: Exact, scale: Exact, zero: Exact | None, axis: int | None = None) -> Exact:
    """(x - zero) scale."""
    codes = x if zero is None else values.sub(x, _along(node, zero, x, axis))
    return values.mul(codes, _along(node, scale, x, axis)).typed(FLOAT)


def quantize_linear(node: Node, x: Exact, scale: Exact, zero: Exact | None = None) -> Exact:
    """QuantizeLinear, as its op page has it."""
    kind = node.integer("output_dtype", 0) or UINT8 if zero is None else zero.kind
    return quantized(node, x, scale, zero, kind)


def dequantize_linear(node: Node, x: Exact, scale: Exact, zero: Exact | None = None) -> Exact:
    """DequantizeLinear, as its op page has it."""
    return dequantized(node, x, scale, zero)


def _rounding(node: Node, default: str) -> str:
    name = node.text("rounding_mode", default).upper()
    if name not in ROUNDINGS:
        raise Unknown(f"rounding mode {name}")
    return ROUNDINGS[name]


def _bounds(bits: int, signed: bool, narrow: bool) -> tuple[int, int]:
    if signed:
        return -(1 << (bits - 1)) + narrow, (1 << (bits - 1)) - 1
    return 0, (1 << bits) - 1 - narrow


def quant(node: Node, x: Exact, scale: Exact, zero: Exact, bits: Exact) -> Exact:
    """(round(clamp(x / scale + zero)) - zero) scale; one signed bit is the sign."""
    width = bits.ints()[0]
    signed = bool(node.integer("signed", 1))
    if width == 1 and signed:
        return bipolar(node, x, scale)
    lo, hi = _bounds(width, signed, bool(node.integer("narrow", 0)))
    moved = values.add(x, values.mul(zero, scale))
    code = whole(np.clip(rounded(moved, _rounding(node, "ROUND"), scale), lo, hi), FLOAT)
    return values.mul(values.sub(code, zero), scale)


def bipolar(node: Node, x: Exact, scale: Exact) -> Exact:
    """scale where x >= 0, else -scale."""
    above = values.at_least(x, values.zero(x))
    return values.mul(whole(np.where(above, 1, -1), FLOAT), scale)


def trunc(node: Node, x: Exact, scale: Exact, zero: Exact, in_bits: Exact, *rest: Exact) -> Exact:
    """With 5 inputs a shift of the codes; with 6 to an output scale, clamped."""
    codes = whole(rounded(values.add(x, values.mul(zero, scale)), "half_even", scale), FLOAT)
    mode = _rounding(node, "FLOOR")
    if len(rest) == 1:
        factor = Exact(np.asarray([1], dtype=np.int64), Fraction(1 << (in_bits.ints()[0] - rest[0].ints()[0])))
        return values.mul(values.sub(whole(rounded(codes, mode, factor), FLOAT), zero), scale)
    out_scale, out_bits = rest

    def nearest_power(v: Fraction) -> Fraction:
        """2^round(log2 v)."""
        k = v.numerator.bit_length() - v.denominator.bit_length()
        while Fraction(2) ** (2 * k + 1) < v * v:
            k += 1
        while Fraction(2) ** (2 * k - 1) > v * v:
            k -= 1
        return Fraction(2) ** k

    factor = values.function(values.divide(out_scale, scale), nearest_power)
    lo, hi = _bounds(out_bits.ints()[0], bool(node.integer("signed", 1)), bool(node.integer("narrow", 0)))
    cut = whole(np.clip(rounded(codes, mode, factor), lo, hi), FLOAT)
    return values.mul(values.sub(cut, values.divide(zero, factor)), out_scale)


def multi_threshold(node: Node, x: Exact, thresholds: Exact) -> Exact:
    """out_scale #{k: x >= T[c, k]} + out_bias; the channel is axis 1, or the last where the layout ends in C."""
    layout = node.text("data_layout", "")
    axis = x.rank - 1 if layout.endswith("C") and layout != "NC" else min(1, x.rank - 1)
    count: Any = 0
    for k in range(thresholds.shape[1]):
        column = thresholds.moved(lambda a, k=k: a[:, k])  # type: ignore[misc]
        level = column.reshaped(*(-1 if i == axis else 1 for i in range(x.rank)))
        count = count + values.at_least(x, level).astype(np.int64)
    steps = whole(np.broadcast_to(np.asarray(count), x.shape).copy(), FLOAT)
    scaled = values.scaled(steps, node.number("out_scale", 1.0))
    return values.add(scaled, values.number(node.number("out_bias", 0.0), x))


def _quantized_output(node: Node, y: Exact, scale: Exact, zero: Exact | None, axis: int | None = None) -> Exact:
    return quantized(node, y, scale, zero, UINT8 if zero is None else zero.kind, axis)


def qlinear_matmul(node: Node, *p: Exact) -> Exact:
    """quantize(dequantize(a) dequantize(b)); a's parameters along its rows, b's along its columns."""
    product = values.matmul(_part(node, p[:3], -2), _part(node, p[3:6], -1))
    return _quantized_output(node, product, p[6], p[7], -2)


def _accumulator_bias(bias: Exact, *scales: Exact) -> Exact:
    unit = values.mul(scales[0].reshaped(-1), scales[1].reshaped(-1))
    return values.mul(bias.typed(FLOAT), unit)


def qlinear_conv(node: Node, *p: Exact) -> Exact:
    """quantize(conv(dequantize(x), dequantize(w)) + bias scale_x scale_w)."""
    if node.integer("channels_last", 0):
        raise Unknown("QLinearConv with channels_last")
    bias = _accumulator_bias(p[8], p[1], p[4]) if len(p) > 8 and p[8] is not None else None
    y = windows.conv(node, _part(node, p[:3]), _part(node, p[3:6], 0), bias)
    return _quantized_output(node, y, p[6], p[7])


def qgemm(node: Node, *p: Exact | None) -> Exact:
    """alpha A B + C, C in units of alpha scale_a scale_b."""
    a, sa, za, b, sb, zb = p[:6]
    assert a is not None and sa is not None and b is not None and sb is not None  # noqa: PT018
    columns = 0 if node.integer("transB", 0) else 1
    y = windows.gemm(node, dequantized(node, a, sa, za, -2), dequantized(node, b, sb, zb, columns))
    bias = p[6] if len(p) > 6 else None
    if bias is not None:
        y = values.add(y, values.scaled(_accumulator_bias(bias, sa, sb), node.number("alpha", 1.0)))
    scale = p[7] if len(p) > 7 else None
    return y if scale is None else _quantized_output(node, y, scale, p[8] if len(p) > 8 else None)


def _part(node: Node, triple: Sequence[Exact], axis: int | None = None) -> Exact:
    """Codes, scale and zero point as a real tensor."""
    x, scale, zero = triple
    return dequantized(node, x, scale, zero, axis)


def _two(op: Op) -> Op:
    def quantized_op(node: Node, *p: Exact) -> Exact:
        y = op(node, _part(node, p[:3]), _part(node, p[3:6]))
        return _quantized_output(node, y, p[6], p[7] if len(p) > 7 else None)

    return quantized_op


def _one(op: Op) -> Op:
    def quantized_op(node: Node, *p: Exact) -> Exact:
        if node.integer("channels_last", 0):
            raise Unknown(f"{node.kind} with channels_last")
        y = op(node, _part(node, p[:3]))
        return _quantized_output(node, y, p[3], p[4] if len(p) > 4 else None)

    return quantized_op


def qlinear_concat(node: Node, scale: Exact, zero: Exact, *p: Exact) -> Exact:
    """The output's scale and zero point first, then codes, scale and zero point of every part."""
    parts = [_part(node, p[i : i + 3], None) for i in range(0, len(p), 3)]
    y = windows.concatenated(parts, node.integer("axis", 1) % parts[0].rank)
    return _quantized_output(node, y, scale, zero)


def _softmax(node: Node, x: Exact) -> Exact:
    return normalization.softmax(replace(node, version=node.integer("opset", 13)), x)


TABLE: Mapping[str, Op] = MappingProxyType(
    {
        "DequantizeLinear": dequantize_linear,
        "QLinearConv": qlinear_conv,
        "QLinearMatMul": qlinear_matmul,
        "QuantizeLinear": quantize_linear,
    }
)


def _bit_fields(packed: Exact, bits: int, shape: tuple[int, ...]) -> Exact:
    """Fields of a byte each, the lowest first, one row of fields after another."""
    data = np.asarray(packed.num * packed.unit.numerator, dtype=np.int64).reshape(*shape, -1)
    fields = np.stack([(data // 2**at) % 2**bits for at in range(0, 8, bits)], axis=-1)
    return whole(fields.reshape(*shape, -1))


def matmul_nbits(node: Node, x: Exact, b: Exact, scale: Exact, *more: Exact | None) -> Exact:
    """MatMulNBits: x times the transpose of (codes - zeros) scale, blocks of codes in rows, plus a bias."""
    zero, order, bias = [*more, None, None, None][:3]
    k, n, bits, size = (node.integer(a, d) for a, d in (("K", 0), ("N", 0), ("bits", 4), ("block_size", 0)))
    if node.integer("accuracy_level", 0) > 1 or (order is not None and order.ints() != [i // size for i in range(k)]):
        raise Unknown("MatMulNBits that narrows its activation, or whose blocks are out of order")
    count = (k + size - 1) // size
    codes = _bit_fields(b, bits, (n, count)).moved(lambda a: a[:, :, :size])
    if zero is None:
        middle = whole(np.full((n, count, 1), 2 ** (bits - 1)))
    elif zero.kind == UINT8:
        middle = _bit_fields(zero, bits, (n,)).moved(lambda a: a[:, :count, None])
    else:
        middle = zero.reshaped(n, count, 1)
    real = values.mul(values.sub(codes, middle), scale.reshaped(n, count, 1))
    y = values.matmul(x, real.reshaped(n, count * size).moved(lambda a: a[:, :k].T))
    return (y if bias is None else values.add(y, bias)).typed(FLOAT)


MICROSOFT: Mapping[str, Op] = MappingProxyType(
    {
        "MatMulNBits": matmul_nbits,
        "DequantizeLinear": dequantize_linear,
        "QGemm": qgemm,
        "QLinearAdd": _two(arithmetic.add),
        "QLinearAveragePool": _one(windows.average_pool),
        "QLinearConcat": qlinear_concat,
        "QLinearConv": qlinear_conv,
        "QLinearGlobalAveragePool": _one(windows.TABLE["GlobalAveragePool"]),
        "QLinearLeakyRelu": _one(scalar.TABLE["LeakyRelu"]),
        "QLinearMul": _two(arithmetic.mul),
        "QLinearSigmoid": _one(scalar.TABLE["Sigmoid"]),
        "QLinearSoftmax": _one(_softmax),
        "QuantizeLinear": quantize_linear,
    }
)
QONNX: Mapping[str, Op] = MappingProxyType(
    {
        "BipolarQuant": bipolar,
        "IntQuant": quant,
        "MultiThreshold": multi_threshold,
        "Quant": quant,
        "Trunc": trunc,
    }
)
