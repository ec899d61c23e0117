"""Lowering of moves and selections: reshape, transpose, top-k."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from hwq.ir import real
from hwq.numeric.rational import Rationals, narrowed, scalar, uniform
from hwq.ops import TopK
from hwq.passes.lowering.grids import on_one_grid, settled
from hwq.passes.lowering.moving import Move
from hwq.passes.lowering.state import Affine, Coded, Curved, Lowering, Pending, Raw, State, coded


def lower_reshape(low: Lowering, node: real.RealNode, op: real.Reshape, x: Pending) -> list[Pending]:
    """The same array under another shape; parameters follow."""
    return [_move(low, node, x, Move.reshape(low.shape(x), op.shape))]


def lower_transpose(low: Lowering, node: real.RealNode, op: real.Transpose, x: Pending) -> list[Pending]:
    """Codes move; parameters follow."""
    return [_move(low, node, x, Move.transpose(low.shape(x), op.perm))]


def _move(low: Lowering, node: real.RealNode, x: Pending, move: Move) -> Pending:
    def follow(v: Rationals | None) -> Rationals | None:
        if v is None or v.size == 1:
            return None if v is None else scalar(v.reshape(-1)[0])
        return narrowed(np.asarray(move.forward(np.broadcast_to(v, move.before)), dtype=object))

    a, b = follow(x.of.a), follow(x.of.b)
    assert a is not None
    assert b is not None
    of = Affine(a, b, follow(x.of.lo), follow(x.of.hi))
    if isinstance(x, Raw):
        return replace(x, of=of, moves=(*x.moves, move))
    (edge,) = low.emit(node, move.op(), x.edge)
    if x.edge in low.accumulators:
        low.accumulators.add(edge)
    if isinstance(x, Curved):
        return Curved(edge, of, x.curve.mapped(lambda v: np.asarray(follow(v), dtype=object)))
    return Coded(edge, of)


def lower_topk(low: Lowering, node: real.RealNode, op: real.TopK, x: State) -> list[State]:
    """Codes are compared on one grid; a negative scale turns greatest into least."""
    x = settled(low, node, coded(x, node))
    step, offset = uniform(x.of.a), uniform(x.of.b)
    if step is None or offset is None or step == 0:
        x = on_one_grid(low, node, x, [])
        step = Fraction(1)
    largest = op.largest if step > 0 else not op.largest
    values, indices = low.emit(node, TopK(op.axis, op.k, largest, op.last), x.edge)
    low.accumulators.update({values} & low.accumulators)
    return [Coded(values, x.of), Coded(indices, Affine(scalar(1), scalar(0)))]
