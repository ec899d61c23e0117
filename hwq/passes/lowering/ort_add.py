"""onnxruntime's QLinearAdd: two fused multiply-adds in float32, as on x86-64 with FMA, for every pair of codes.

`rint(fma(a, sa/sy, fma(b, sb/sy, f32(zy - f32(f32(sa/sy za) + f32(sb/sy zb))))))`. The codes of all pairs are computed
so; then integer factors and an offset are searched that have the same code for every pair.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np

from hwq.errors import UnsupportedError
from hwq.ir import real
from hwq.ir.hardware import Proof
from hwq.numeric.fixed import Codes, FixedType, Rounding
from hwq.numeric.rational import Rationals, scalar, uniform
from hwq.numeric.step_functions import Rounded
from hwq.ops import Add, Channels
from hwq.ops.exact.requant import Requant
from hwq.passes.circuits.narrow import MAX_DROP, MAX_PAIRS, Pairs
from hwq.passes.lowering.ort import REMEDY, singles
from hwq.passes.lowering.state import Coded, Lowering


def lower_ort_add(
    low: Lowering, node: real.RealNode, inverse: Rationals, exact: Rounded, zero: int, x: Coded
) -> str | None:
    """The edge of the quantized sum by onnxruntime's arithmetic; None where the exact sum has the same codes.

    `exact` is the real quantizer of the sum on edge x, without the zero point.
    """
    operands = low.sums[x.edge]
    if exact.channels != 1:
        raise _refused("an Add of other than two quantized tensors")
    limits = int(exact.lo[0]) + zero, int(exact.hi[0]) + zero
    ratios, zeros = _ratios(operands, inverse)
    a, b = (low.edges[o.edge] for o in operands)
    if (a.hi - a.lo + 1) * (b.hi - b.lo + 1) > MAX_PAIRS:
        raise _refused("its Add of codes of more than 10 bits")
    codes_a, codes_b = np.arange(a.lo, a.hi + 1)[:, None], np.arange(b.lo, b.hi + 1)[None, :]
    wanted = np.clip(np.rint(_sums(codes_a, codes_b, ratios, zeros, zero)).astype(np.int64), *limits)
    (maker,) = (n for n in low.nodes if x.edge in n.outputs)
    assert isinstance(maker.op, Add)
    real_sums = maker.op.left[0] * codes_a.astype(object) + maker.op.right[0] * codes_b.astype(object)
    if bool((exact.codes(real_sums.reshape(1, -1)).reshape(wanted.shape) + zero == wanted).all()):
        return None
    found = _found(Pairs(codes_a[:, 0], codes_b[0], wanted), ratios)
    if found is None:
        raise _refused("its Add: no integer factors have its code for every pair")
    kind = FixedType.covering(*limits)
    left, right, offset, drop = found
    add = Add(np.asarray([left]), np.asarray([right]), kind.frac + drop)
    (edge,) = low.emit(node, add, *(o.edge for o in operands))
    low.nodes[-1] = replace(low.nodes[-1], proof=Proof("pairs", wanted.size))
    ends = (np.asarray([int(v)], dtype=object) for v in (wanted.min(), wanted.max()))
    step = Rounded(scalar(Fraction(1, 1 << drop)), scalar(Fraction(offset, 1 << drop)), Rounding.FLOOR, *ends)
    (out,) = low.emit(node, Requant(step, kind, Channels()), edge)
    return out


def _found(pairs: Pairs, ratios: list[Any]) -> tuple[int, int, int, int] | None:
    """(left, right, offset, drop) with `(left a + right b + offset) >> drop` the code of every pair, the least drop."""
    for drop in range(MAX_DROP):
        size = Fraction(1 << drop)
        near = [{(Fraction(float(r)) * size).__floor__(), (Fraction(float(r)) * size).__ceil__()} for r in ratios]
        for left, right in product(*near):
            offset = pairs.offset(left, right, drop)
            if offset is not None:
                return left, right, offset, drop
    return None


def _refused(what: str) -> UnsupportedError:
    return UnsupportedError(f"onnxruntime is not reproduced here: {what}", remedy=REMEDY)


def _ratios(operands: tuple[Coded, Coded], inverse: Rationals) -> tuple[list[Any], list[int]]:
    """Per operand f32(scale / output scale), and the zero point."""
    out = singles(1 / inverse.reshape(-1)[:1], "an output scale")[0]
    ratios, zeros = [], []
    for operand in operands:
        scale, offset = uniform(operand.of.a), uniform(operand.of.b)
        if scale is None or offset is None or scale <= 0 or (offset / scale).denominator != 1:
            raise _refused("an Add of other than two quantized tensors")
        ratios.append(singles(scalar(scale), "an input scale")[0] / out)
        zeros.append(int(-offset / scale))
    return ratios, zeros


def _sums(a: Codes, b: Codes, ratios: list[Any], zeros: list[int], zero: int) -> Any:
    """The kernel's float32 sums; a product of a byte and a float32 and its sum are exact in float64 before rounding."""
    first, second = ratios
    fixed = np.float32(zero) - (first * np.float32(zeros[0]) + second * np.float32(zeros[1]))
    inner = (b * np.float64(second) + np.float64(fixed)).astype(np.float32)
    return (a * np.float64(first) + inner.astype(np.float64)).astype(np.float32)
