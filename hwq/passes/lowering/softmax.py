"""Lowering of Softmax: codes on one grid, and exp tables fine enough that the result is within one step of exact."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from mpmath import mp, mpf

from hwq.errors import UnsupportedError
from hwq.ir import real
from hwq.numeric.fixed import Codes, pow2
from hwq.numeric.rational import common_step, elementwise, narrowed, scalar, squeeze_uniform, uniform
from hwq.ops import Softmax
from hwq.passes.lowering.grids import on_one_grid, reached, settled
from hwq.passes.lowering.places import places
from hwq.passes.lowering.state import Affine, Coded, Lowering, State, coded

TABLE_ENTRIES = 4096  # a longer table is split into two
DIGITS = 60


def lower_softmax(low: Lowering, node: real.RealNode, op: real.Softmax, x: State) -> list[State]:
    """exp of the distance from the greatest code, by tables; a sum; a division."""
    x = settled(low, node, _without_masked(low, op, coded(x, node), places(low, node)))
    step = uniform(x.of.a)
    if step is None or step <= 0 or uniform(x.of.b) is None:
        x = on_one_grid(low, node, x, [])
        step = x.of.a.reshape(-1)[0]
    edge = low.edges[x.edge]
    frac = places(low, node)
    made = softmax_op(step, op.axis, edge.shape[op.axis], edge.hi - edge.lo, frac)
    (out,) = low.emit(node, made, x.edge)
    return [Coded(out, Affine(scalar(pow2(-frac)), scalar(0)))]


def _without_masked(low: Lowering, op: real.Softmax, x: Coded, frac: int) -> Coded:
    """Elements that lie too far below others for any result but 0 (a mask added -10000 to them), brought nearer.

    They become one constant on the grid of the others, so far below the greatest that its exponential rounds to 0.
    """
    shape = low.edges[x.edge].shape
    if x.of.lo is not None or x.of.hi is not None or uniform(x.of.b) is not None:
        return x
    least, most = (np.broadcast_to(v, shape) for v in reached(low, x))
    reach = frac + shape[op.axis].bit_length() + 4  # exp(-reach) is below half of the last place of an exponential
    limit = np.max(least, axis=op.axis, keepdims=True) - reach
    dead = np.asarray(most < limit, dtype=bool)
    if not dead.any():
        return x
    a, b = (np.broadcast_to(v, shape) for v in (x.of.a, x.of.b))
    step = common_step(np.concatenate([a[~dead], b[~dead]]))
    below = elementwise(lambda v: step * ((v / step).__floor__() - 1), np.broadcast_to(limit, shape))
    of = Affine(np.where(dead, scalar(0), a), np.where(dead, below, b))
    return Coded(x.edge, Affine(squeeze_uniform(narrowed(of.a)), squeeze_uniform(narrowed(of.b))))


def softmax_op(step: Fraction, axis: int, count: int, span: int, frac: int) -> Softmax:
    """The op for codes that are multiples of `step`, `count` in a group, at most `span` apart (docs/softmax.md)."""
    exp_frac = frac + count.bit_length() + 2
    reach = min(span + 1, _furthest(step, exp_frac))
    if reach > TABLE_ENTRIES**2:
        raise UnsupportedError(
            f"a Softmax of sums on a grid as fine as {float(step):.2g}",
            remedy="put a quantizer of at most 20 bits before it",
        )
    split = 0
    if reach > TABLE_ENTRIES:  # two tables of about the same length
        split = (reach.bit_length() + 1) // 2
    high = np.append(_table(step * (1 << split), -(-reach >> split) if split else reach, exp_frac), 0)
    return Softmax(axis, high, _table(step, 1 << split, exp_frac), split, exp_frac, frac, float(step))


def _furthest(step: Fraction, exp_frac: int) -> int:
    """The first distance whose exponential rounds to 0."""
    with mp.workdps(DIGITS):
        return int((exp_frac + 1) * mp.log(2) / (mpf(step.numerator) / step.denominator)) + 1


def _table(step: Fraction, entries: int, exp_frac: int) -> Codes:
    """round(2**exp_frac * exp(-step k)) for k below `entries`."""
    with mp.workdps(DIGITS):
        exact = mpf(step.numerator) / step.denominator
        one = mpf(2) ** exp_frac
        return np.asarray([int(mp.nint(one * mp.exp(-exact * k))) for k in range(entries)], dtype=np.int64)
