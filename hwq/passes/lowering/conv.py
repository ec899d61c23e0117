"""Lowering of convolutions: scales per tensor and output channel pass through, offsets add a constant per channel."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from hwq.errors import UnsupportedError
from hwq.ir import real
from hwq.numeric.fixed import Codes
from hwq.numeric.rational import Rationals, common_step, narrowed, scalar, squeeze_uniform, uniform
from hwq.ops import Conv
from hwq.passes.lowering.conv_offsets import by_position
from hwq.passes.lowering.grids import on_one_grid, on_one_scale, settled
from hwq.passes.lowering.linear import MAX_FACTOR_BITS, along_outputs, multiplied, weight_frac
from hwq.passes.lowering.state import Affine, Coded, Lowering, State, coded
from hwq.passes.lowering.weights import agreement_bias, quantized_next, without_factors


def lower_conv(low: Lowering, node: real.RealNode, op: real.Conv, x: State) -> list[State]:
    """sum w (a c + b) = a sum w c + b sum w: padding is the code of real 0, so that the last sum is over all taps."""
    x, apart = _by_channel(low, node, settled(low, node, coded(x, node)), op)
    weights, scale = op.weights.integers("weights")
    row, weights = _output_scale(scale, weights)
    shape = low.edges[x.edge].shape
    column = (1, -1) + (1,) * op.window.rank
    positions = None if apart is None else by_position(apart, weights, op, shape) * row.reshape(column)
    a, b = (_channels(v, shape[1]) for v in (x.of.a, x.of.b))
    offset = _constant_part(b, weights, op.groups) * row
    a_row, weights = _into_weights(a, weights, op.groups)
    pad = 0 if not op.window.padded else int(-(b[0] / a[0])) if a[0] else 0
    rows = weights.reshape(weights.shape[0], -1)
    factor = scalar(1)
    if low.semantics == "real":
        rows, factor = without_factors(rows, quantized_next(low, node))
    row = np.asarray(row * factor, dtype=object)
    bias, offset = agreement_bias(low.edges[x.edge], rows, np.asarray(a_row * row, dtype=object), offset)
    conv = Conv(rows.reshape(weights.shape), op.window, op.groups, pad, bias, weight_frac(row))
    (edge,) = low.emit(node, conv, x.edge)
    low.accumulators.add(edge)

    def per_channel(values: Rationals) -> Rationals:
        return squeeze_uniform(np.asarray(values, dtype=object).reshape(column if values.size > 1 else (1,)))

    total = per_channel(offset) if positions is None else np.asarray(positions, dtype=object)
    return [Coded(edge, Affine(per_channel(a_row * row), total))]


def _by_channel(low: Lowering, node: real.RealNode, x: Coded, op: real.Conv) -> tuple[Coded, Rationals | None]:
    """Codes whose scale varies by channel at most, and that have one code for real 0 where it is needed; and offsets
    that could not stay with them, their codes being worth 0 where they are 0."""
    fits = [_varies_by_channel(v, op.window.rank + 2) for v in (x.of.a, x.of.b)]
    if all(fits) and not (op.window.padded and _zero_code(x) is None):
        return x, None
    if fits[0] and not fits[1]:
        return Coded(x.edge, Affine(x.of.a, scalar(0))), x.of.b
    try:
        return on_one_grid(low, node, x, []), None
    except UnsupportedError:
        one = x if fits[0] else on_one_scale(low, node, x)
        return Coded(one.edge, Affine(one.of.a, scalar(0))), x.of.b


def _varies_by_channel(values: Rationals, rank: int) -> bool:
    """Whether a parameter varies along axis 1 at most."""
    if values.size == 1:
        return True
    full = values.reshape((1,) * (rank - values.ndim) + values.shape)
    return full.shape[0] == 1 and narrowed(full).shape[2:] == (1,) * (rank - 2)


def _zero_code(x: Coded) -> int | None:
    """The code of real 0, where all channels share it and it is an integer."""
    if any(v == 0 for v in x.of.a.reshape(-1)):
        return None
    zero = uniform(np.asarray(-x.of.b / x.of.a, dtype=object))
    return int(zero) if zero is not None and zero.denominator == 1 else None


def _channels(values: Rationals, count: int) -> Rationals:
    """A (C,) view of a parameter that varies by channel at most."""
    if values.size == 1:
        return np.asarray(np.broadcast_to(values.reshape(1), (count,)), dtype=object)
    flat = narrowed(values).reshape(-1)
    return np.asarray(np.broadcast_to(flat, (count,)), dtype=object)


def _output_scale(scale: Rationals, weights: Codes) -> tuple[Rationals, Codes]:
    """Weight scales as one row per output channel; what varies inside a kernel moves into the weights."""
    m = weights.shape[0]
    if scale.size == 1:
        return scale.reshape(1), weights
    full = narrowed(scale.reshape((1,) * (weights.ndim - scale.ndim) + scale.shape))
    if all(extent == 1 for extent in full.shape[1:]):
        return full.reshape(-1), weights
    spread = np.broadcast_to(full, weights.shape).reshape(m, -1).T
    row, matrix = along_outputs(np.asarray(spread, dtype=object), weights.reshape(m, -1).T)
    return row, np.ascontiguousarray(matrix.T).reshape(weights.shape)


def _into_weights(a: Rationals, weights: Codes, groups: int) -> tuple[Rationals, Codes]:
    """A scale per input channel: one step per group stays outside, integer multiples of it move into the weights."""
    one = uniform(a)
    if one is not None:
        return scalar(one), weights
    m, n_in = weights.shape[:2]
    by_group = a.reshape(groups, n_in)
    steps = [common_step(group) for group in by_group]
    factors = np.asarray([[int(v / s) for v in g] for g, s in zip(by_group, steps, strict=True)], dtype=object)
    if max(abs(int(f)) for f in factors.reshape(-1)).bit_length() > MAX_FACTOR_BITS:
        raise UnsupportedError(
            "the activation's scale varies by channel by no common step", remedy="use one scale per tensor here"
        )
    rows = np.repeat(factors, m // groups, axis=0).reshape(m, n_in, *(1,) * (weights.ndim - 2))
    return np.repeat(np.asarray(steps, dtype=object), m // groups), multiplied(weights, rows)


def _constant_part(b: Rationals, weights: Codes, groups: int) -> Rationals:
    """What the activation's offset adds to each sum, in weight steps: (1,) or (M,)."""
    if all(v == 0 for v in b):
        return scalar(0)
    m, n_in = weights.shape[:2]
    sums: Any = weights.reshape(m, n_in, -1).sum(axis=2).astype(object)
    rows = np.repeat(b.reshape(groups, n_in), m // groups, axis=0)
    return np.asarray((sums * rows).sum(axis=1) + Fraction(0), dtype=object)
