"""Lowering of products with constant weights: scales per tensor and per output channel pass through to the sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from hwq.errors import UnsupportedError
from hwq.ir import real
from hwq.ir.hardware import Shape
from hwq.kernels.signed_sums import signed_sums
from hwq.numeric.fixed import Codes, code_dtype, log2_exact
from hwq.numeric.rational import Rationals, common_step, elementwise, narrowed, scalar, squeeze_uniform, uniform
from hwq.ops import Dense
from hwq.passes.lowering.grids import on_one_scale, settled
from hwq.passes.lowering.state import Affine, Coded, Lowering, State, coded
from hwq.passes.lowering.weights import agreement_bias, quantized_next, without_factors

DOUBLE_BITS = 53
LEAST_LIMB = 8  # with fewer bits at a time Python's integers are as quick
MAX_FACTOR_BITS = 48  # widest factor by which scales along the contracted axis make weights wider


def lower_matmul(low: Lowering, node: real.RealNode, op: real.MatMul, x: State) -> list[State]:
    """Integer products and sums; the scales of both sides move to the accumulator's."""
    x = settled(low, node, coded(x, node))
    shape = low.edges[x.edge].shape
    if _by_rows(x.of.a, shape):
        x = on_one_scale(low, node, x)
    weights, weight_scale = op.weights.integers("weights")
    w_row, weights = along_outputs(weight_scale, weights)
    offset = _constant_part(x.of.b, weights, shape) * w_row
    a_row, weights = _along_inputs(x.of.a, weights, shape, "the activation's scale")
    rows, factor = (
        (weights.T, scalar(1)) if low.semantics != "real" else without_factors(weights.T, quantized_next(low, node))
    )
    w_row = np.asarray(w_row * factor, dtype=object)
    acc_scale = np.asarray(a_row * w_row, dtype=object)
    bias, offset = agreement_bias(low.edges[x.edge], rows, acc_scale, np.asarray(offset, dtype=object))
    (edge,) = low.emit(node, Dense(np.ascontiguousarray(rows.T), bias, weight_frac(w_row)), x.edge)
    low.accumulators.add(edge)
    return [Coded(edge, Affine(squeeze_uniform(acc_scale), squeeze_uniform(offset)))]


def weight_frac(scale: Rationals) -> int:
    """The binary point weights are shown with: their scale's, where that is one power of two."""
    one = uniform(scale)
    exponent = None if one is None else log2_exact(one)
    return 0 if exponent is None or abs(exponent) > 128 else -exponent


def _by_rows(scale: Rationals, shape: Shape) -> bool:
    """Whether a parameter varies over the rows of a product."""
    scale = squeeze_uniform(scale)
    if scale.size == 1:
        return False
    full = narrowed(scale.reshape((1,) * (len(shape) - scale.ndim) + scale.shape))
    return any(extent != 1 for extent in full.shape[:-1])


def _along_inputs(scale: Rationals, weights: Codes, shape: Shape, what: str) -> tuple[Rationals, Codes]:
    """A scale along the contracted axis moves into the weights, as integers."""
    scale = squeeze_uniform(scale)
    if scale.size == 1:
        return scalar(scale.reshape(-1)[0]), weights
    full = narrowed(scale.reshape((1,) * (len(shape) - scale.ndim) + scale.shape))
    step = common_step(full)
    factors = [int(v / step) for v in full.reshape(-1)]
    if max(abs(f) for f in factors).bit_length() > MAX_FACTOR_BITS:
        raise UnsupportedError(
            f"{what} varies along the contracted axis by no common step", remedy="use one scale per tensor here"
        )
    return scalar(step), multiplied(weights, np.asarray(factors, dtype=object)[:, None])


def along_outputs(scale: Rationals, weights: Codes) -> tuple[Rationals, Codes]:
    """Weight scales per output channel stay with the accumulator; along the inputs they move into the weights."""
    scale = narrowed(scale.reshape((1,) * (2 - scale.ndim) + scale.shape)) if scale.size > 1 else scale.reshape(1, 1)
    if scale.shape[0] == 1:
        return scale.reshape(-1), weights
    first = np.append(True, (scale[1:] != scale[:-1]).any(axis=1))  # of each block of equal rows
    steps = np.asarray([common_step(column) for column in scale[first].T], dtype=object)
    factors = elementwise(lambda v, step: int(v / step), scale[first], steps)[np.cumsum(first) - 1]
    if max(int(f) for f in np.abs(factors).reshape(-1)).bit_length() > MAX_FACTOR_BITS:
        raise UnsupportedError("weight scales along the contracted axis", remedy="use one scale per output channel")
    return steps, multiplied(weights, factors)


def multiplied(weights: Codes, factors: Any) -> Codes:
    """Integer products in a dtype that holds them."""
    bound = max(-int(weights.min(initial=0)), int(weights.max(initial=0))) * max(
        abs(int(f)) for f in factors.reshape(-1)
    )
    dtype = code_dtype(-bound, bound)
    return np.asarray(weights.astype(dtype) * factors.astype(dtype))


def _constant_part(offset: Rationals, weights: Codes, shape: Shape) -> Rationals:
    """What an activation's offset adds to each sum, in weight steps: the offset's own product, exactly.

    (N,) where all rows have the same offsets, else with the extents along which the offset varies.
    """
    offset = squeeze_uniform(offset)
    if offset.size == 1:
        up, down = (v.astype(object) for v in signed_sums(weights.T))
        return np.asarray((up + down) * offset.reshape(-1)[0], dtype=object)
    full = narrowed(offset.reshape((1,) * (len(shape) - offset.ndim) + offset.shape))
    step = common_step(full)
    factors = elementwise(lambda v: int(v / step), full)
    rows = np.broadcast_to(factors, (*full.shape[:-1], shape[-1])).reshape(-1, shape[-1])
    sums = exact_product(rows, weights).astype(object) * step
    lead = full.shape[:-1]
    return np.asarray(sums.reshape(-1) if all(d == 1 for d in lead) else sums.reshape(*lead, -1), dtype=object)


def exact_product(left: Codes, right: Codes) -> Codes:
    """left @ right of any integers: in int64, or by limbs that float64 sums exactly where int64 does not hold them."""
    most = max(-int(right.min(initial=0)), int(right.max(initial=0)))
    reach = max((abs(int(v)) for v in left.reshape(-1)), default=0)
    terms = max(1, left.shape[1])
    if reach * most * terms < 1 << 62:
        return np.asarray(left.astype(np.int64) @ right.astype(np.int64))
    limb = DOUBLE_BITS - (most * terms).bit_length()
    if limb < LEAST_LIMB:
        return np.asarray(left.astype(object) @ right.astype(object))
    sign, rest = np.where(left < 0, -1, 1), np.abs(left)
    total: Codes = np.zeros((left.shape[0], right.shape[1]), dtype=object)
    for place in range(0, reach.bit_length(), limb):
        part = (((rest >> place) & ((1 << limb) - 1)) * sign).astype(np.float64)
        total = total + ((part @ right.astype(np.float64)).astype(np.int64).astype(object) << place)
    return total
