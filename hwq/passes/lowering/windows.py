"""Lowering of pools and selections: extrema commute with clamps and scales, sums take scales and offsets out."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from hwq.ir import real
from hwq.ir.selection import Selection
from hwq.ir.window import Reduction
from hwq.numeric.rational import Rationals, narrowed, scalar, squeeze_uniform, uniform
from hwq.ops import Gather, Pool
from hwq.passes.lowering.grids import on_one_grid, settled
from hwq.passes.lowering.moving import Move
from hwq.passes.lowering.state import Affine, Coded, Lowering, Raw, State, coded


def lower_pool(low: Lowering, node: real.RealNode, op: real.Pool, x: State) -> list[State]:
    """Maxima pass pending clamps on; sums take them first."""
    lowered = _lower_sum if op.how is Reduction.SUM else _lower_extremum
    return [lowered(low, node, op, coded(x, node))]


def _varies(value: Rationals | None, moving: tuple[bool, ...]) -> bool:
    """Whether a parameter changes along an axis on which the window moves."""
    if value is None or value.size == 1:
        return False
    shape = narrowed(value.reshape((1,) * (len(moving) - value.ndim) + value.shape)).shape
    return any(n > 1 and m for n, m in zip(shape, moving, strict=True))


def _still(value: Rationals, moving: tuple[bool, ...]) -> Rationals:
    """A parameter with extent 1 on the moving axes, along which it is the same everywhere."""
    if value.size == 1:
        return value
    padded = value.reshape((1,) * (len(moving) - value.ndim) + value.shape)
    cut = tuple(slice(0, 1) if m else slice(None) for m in moving)
    return np.asarray(padded[cut], dtype=object)


def _lower_extremum(low: Lowering, node: real.RealNode, op: real.Pool, x: Coded) -> Coded:
    """max(clip(a c + b)) = clip(a max(c) + b); with a negative scale the least code is the largest value."""
    moving = op.window.moves()
    if _varies(x.of.lo, moving) or _varies(x.of.hi, moving):
        x = settled(low, node, x)
    signs = {bool(v > 0) for v in x.of.a.reshape(-1) if v != 0}
    if _varies(x.of.a, moving) or _varies(x.of.b, moving) or len(signs) > 1:
        bounds = x.of
        x = on_one_grid(low, node, Coded(x.edge, Affine(bounds.a, bounds.b)), [])
        x = Coded(x.edge, replace(x.of, lo=bounds.lo, hi=bounds.hi))
        signs = {True}
    falling = signs == {False}
    how = op.how if not falling else Reduction.LEAST if op.how is Reduction.LARGEST else Reduction.LARGEST
    (edge,) = low.emit(node, Pool(op.window, how), x.edge)
    if x.edge in low.accumulators:
        low.accumulators.add(edge)
    bound = [None if v is None else _still(v, moving) for v in (x.of.lo, x.of.hi)]
    return Coded(edge, Affine(_still(x.of.a, moving), _still(x.of.b, moving), *bound))


def _lower_sum(low: Lowering, node: real.RealNode, op: real.Pool, x: Coded) -> Coded:
    """sum (a c + b) = a sum c + n b, with n the elements that take part.

    Padding is the code of real 0 where that is an integer: then n is the same everywhere.
    """
    x = settled(low, node, x)
    moving = op.window.moves()
    if _varies(x.of.a, moving) or _varies(x.of.b, moving):
        x = on_one_grid(low, node, x, [])
    a, b = _still(x.of.a, moving), _still(x.of.b, moving)
    pad, counts = 0, op.window.counts(low.edges[x.edge].shape)
    if op.window.padded and any(v != 0 for v in b.reshape(-1)) and all(v != 0 for v in a.reshape(-1)):
        zero = uniform(np.asarray(-b / a, dtype=object))
        if zero is not None and zero.denominator == 1:
            pad, counts = int(zero), np.full((1,) * counts.ndim, op.window.taps)
    (edge,) = low.emit(node, Pool(op.window, Reduction.SUM, pad), x.edge)
    low.accumulators.add(edge)
    offset = scalar(0) if all(v == 0 for v in b.reshape(-1)) else np.asarray(b * counts.astype(object), dtype=object)
    return Coded(edge, Affine(a, squeeze_uniform(offset)))


def lower_select(low: Lowering, node: real.RealNode, op: real.Select, x: State) -> list[State]:
    """Codes move; the fill is a code of its own, on a finer grid where the codes' has no such value."""
    if isinstance(x, Raw) and not op.selection.fills:
        return [replace(x, of=_selected(x.of, op.selection), moves=(*x.moves, Move.select(op.selection)))]
    x = coded(x, node)
    code = 0
    if op.selection.fills:
        x, code = _with_code(low, node, x, op)
    (edge,) = low.emit(node, Gather(op.selection, code), x.edge)
    if x.edge in low.accumulators:
        low.accumulators.add(edge)
    return [Coded(edge, _selected(x.of, op.selection))]


def _selected(of: Affine, selection: Selection) -> Affine:
    """What the codes are worth, for those that were selected."""

    def follow(v: Rationals) -> Rationals:
        return v if v.size == 1 else np.asarray(selection.follow(v), dtype=object)

    bound = [None if v is None else follow(v) for v in (of.lo, of.hi)]
    return Affine(follow(of.a), follow(of.b), *bound)


def _with_code(low: Lowering, node: real.RealNode, x: Coded, op: real.Select) -> tuple[Coded, int]:
    """Codes of which one is the fill's, and that one; a pending clamp stays where the fill lies inside it."""
    of = x.of
    if any(v < op.fill for v in ([] if of.hi is None else of.hi.reshape(-1))) or any(
        v > op.fill for v in ([] if of.lo is None else of.lo.reshape(-1))
    ):
        x = settled(low, node, x)
        of = x.of
    code = _code_of(of, op.fill)
    if code is None or any(v is not None and v.size > 1 for v in (of.a, of.b, of.lo, of.hi)):
        x = settled(low, node, x) if any(v is not None and v.size > 1 for v in (of.lo, of.hi)) else x
        lo, hi = x.of.lo, x.of.hi
        x = on_one_grid(low, node, Coded(x.edge, Affine(x.of.a, x.of.b)), [op.fill])
        x = Coded(x.edge, replace(x.of, lo=lo, hi=hi))
        code = _code_of(x.of, op.fill)
    assert code is not None
    return x, code


def _code_of(of: Affine, value: Fraction) -> int | None:
    if any(v == 0 for v in of.a.reshape(-1)):
        return None
    code = uniform(np.asarray((value - of.b) / of.a, dtype=object))
    return int(code) if code is not None and code.denominator == 1 else None
