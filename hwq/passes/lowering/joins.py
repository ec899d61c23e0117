"""Lowering of joins: two activations of any scales meet on the coarsest grid that holds both, with integer factors."""

from __future__ import annotations

from typing import Any

import numpy as np

from hwq.errors import UnsupportedError
from hwq.ir import real
from hwq.ir.hardware import Shape
from hwq.numeric.fixed import Codes, code_dtype, log2_exact
from hwq.numeric.rational import Rationals, common_step, elementwise, narrowed, scalar, squeeze_uniform, uniform
from hwq.ops import Add, Channels, Concat, Extremum, Mul, spread
from hwq.ops.parts.binary import LITERAL_BITS, joint_shape
from hwq.passes.lowering.grids import closed, on_one_grid, settled
from hwq.passes.lowering.state import Affine, Coded, Lowering, State, coded

MAX_JOIN_BITS = 256  # widest factor; float32 scales need 24 bits and what their exponents differ by


def lower_add(low: Lowering, node: real.RealNode, op: real.Add, x: State, y: State) -> list[State]:
    """a1 c1 + b1 + a2 c2 + b2 = step (m1 c1 + m2 c2) + (b1 + b2)."""
    x, y = settled(low, node, coded(x, node)), settled(low, node, coded(y, node))
    shape = joint_shape(low.edges[x.edge], low.edges[y.edge])
    step, (left, right), channels = _factors([x.of.a, y.of.a], shape)
    (edge,) = low.emit(node, Add(left, right, _frac(step), channels), x.edge, y.edge)
    low.sums[edge] = (x, y)
    low.accumulators.add(edge)
    return [Coded(edge, Affine(step, squeeze_uniform(np.asarray(x.of.b + y.of.b, dtype=object))))]


def lower_mul(low: Lowering, node: real.RealNode, op: real.Mul, x: State, y: State) -> list[State]:
    """(a1 c1 + b1) (a2 c2 + b2) = a1 a2 (c1 + z1) (c2 + z2), where the offsets are whole codes."""
    parts = [_with_whole_zero(low, node, settled(low, node, coded(s, node))) for s in (x, y)]
    ((first, z1), (second, z2)) = parts
    (edge,) = low.emit(node, Mul((z1, z2)), first.edge, second.edge)
    low.accumulators.add(edge)
    product = squeeze_uniform(np.asarray(first.of.a * second.of.a, dtype=object))
    return [Coded(edge, Affine(product, scalar(0)))]


def _with_whole_zero(low: Lowering, node: real.RealNode, x: Coded) -> tuple[Coded, int]:
    """The codes and the integer to add to them, so that their real values are multiples of `a`."""
    if all(v == 0 for v in x.of.b.reshape(-1)):
        return x, 0
    if all(v != 0 for v in x.of.a.reshape(-1)):
        shift = uniform(np.asarray(x.of.b / x.of.a, dtype=object))
        if shift is not None and shift.denominator == 1 and abs(int(shift)).bit_length() <= LITERAL_BITS:
            return Coded(x.edge, Affine(x.of.a, scalar(0))), int(shift)
    return on_one_grid(low, node, x, []), 0


def lower_extremum(low: Lowering, node: real.RealNode, op: real.Extremum, x: State, y: State) -> list[State]:
    """max(a1 c1 + b1, a2 c2 + b2) = b1 + step max(m1 c1, m2 c2 + d), where step d = b2 - b1."""
    x, y = settled(low, node, coded(x, node)), settled(low, node, coded(y, node))
    shape = joint_shape(low.edges[x.edge], low.edges[y.edge])
    apart = squeeze_uniform(np.asarray(y.of.b - x.of.b, dtype=object))
    step, (left, right, add), channels = _factors([x.of.a, y.of.a, apart], shape)
    (edge,) = low.emit(node, Extremum(op.largest, left, right, add, _frac(step), channels), x.edge, y.edge)
    low.accumulators.add(edge)
    return [Coded(edge, Affine(step, x.of.b))]


def _factors(parts: list[Rationals], shape: Shape) -> tuple[Rationals, list[Codes], Channels]:
    """Per channel, the largest step of which all parts are whole multiples, and those multiples."""
    kept = [narrowed(p) if p.size > 1 else p.reshape(1) for p in parts]
    rows = np.broadcast_arrays(*kept)
    step = elementwise(lambda *values: common_step(np.asarray(values, dtype=object)), *rows)
    multiples = [elementwise(lambda v, s: int(v / s), row, step) for row in rows]
    widest = max(abs(int(m)) for row in multiples for m in row.reshape(-1))
    if widest.bit_length() > MAX_JOIN_BITS:
        raise UnsupportedError(
            f"two activations whose common grid needs factors of {widest.bit_length()} bits",
            remedy="put a quantizer before this op on each branch",
        )
    flat, channels = [], Channels()
    for row in multiples:
        values, channels = spread(row, shape)
        flat.append(_whole(values))
    return squeeze_uniform(step), flat, channels


def _whole(values: Any) -> Codes:
    integers = [int(v) for v in values]
    return np.asarray(integers, dtype=code_dtype(min(integers), max(integers)))


def _frac(step: Rationals) -> int:
    """The binary point of a grid: its step's, where that is one power of two."""
    one = uniform(step)
    exponent = None if one is None or one <= 0 else log2_exact(one)
    return 0 if exponent is None or abs(exponent) > 512 else -exponent


def lower_concat(low: Lowering, node: real.RealNode, op: real.Concat, *states: State) -> list[State]:
    """Codes side by side; what they are worth follows them along the axis, pending clamps too."""
    parts = [coded(s, node) for s in states]
    (edge,) = low.emit(node, Concat(op.axis), *(p.edge for p in parts))
    if any(p.edge in low.accumulators for p in parts):
        low.accumulators.add(edge)

    def along(values: list[Rationals]) -> Rationals:
        if all(v.size == 1 and v.reshape(-1)[0] == values[0].reshape(-1)[0] for v in values):
            return scalar(values[0].reshape(-1)[0])
        wide = [_along_axis(v, low.edges[p.edge].shape, op.axis) for v, p in zip(values, parts, strict=True)]
        rest = np.broadcast_shapes(*((*w.shape[: op.axis], 1, *w.shape[op.axis + 1 :]) for w in wide))
        full = [np.broadcast_to(w, (*rest[: op.axis], w.shape[op.axis], *rest[op.axis + 1 :])) for w in wide]
        return np.asarray(np.concatenate(full, axis=op.axis), dtype=object)

    lo, hi = None, None
    if any(p.of.lo is not None for p in parts):
        lo = along([closed(low, p)[0] for p in parts])
    if any(p.of.hi is not None for p in parts):
        hi = along([closed(low, p)[1] for p in parts])
    return [Coded(edge, Affine(along([p.of.a for p in parts]), along([p.of.b for p in parts]), lo, hi))]


def _along_axis(values: Rationals, shape: Shape, axis: int) -> Rationals:
    """Parameters with the part's extent along the axis, as narrow as they were elsewhere."""
    padded = values.reshape((1,) * (len(shape) - values.ndim) + values.shape)
    target = (*padded.shape[:axis], shape[axis], *padded.shape[axis + 1 :])
    return np.asarray(np.broadcast_to(padded, target), dtype=object)
