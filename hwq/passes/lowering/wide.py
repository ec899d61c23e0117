"""Functions of codes too many for a table: by the two sides of their turn, or of narrower codes where that is exact."""

from __future__ import annotations

from math import gcd

import numpy as np

from hwq.functions import Curve, CurveSteps, Step, codes_of
from hwq.functions.turns import sides_of, window_of
from hwq.ir import real
from hwq.numeric.fixed import Codes, FixedType, Rounding
from hwq.ops import Channels, Extremum, Shift
from hwq.ops.exact.requant import Requant
from hwq.passes.lowering.state import Lowering

MOST_CODE = 1 << 60
MOST_LISTED = 1 << 22  # entries of all channels that are computed to see whether fewer would do


def by_sides(
    low: Lowering,
    node: real.RealNode,
    edge: str,
    curve: Curve,
    step: Step,
    channels: Channels,
    bias: int | Codes,
    limits: tuple[int, int] | None,
    frac: int,
) -> str | None:
    """The edge of a function that turns once: the greater (or lesser) of its two sides, each by step points.

    Beyond its turn a side keeps the value there, which is the least (greatest) of all.
    """
    x = low.edges[edge]
    found = sides_of(curve, step, x.lo, x.hi, channels.count)
    if found is None:
        return None
    *sides, valley = found
    steps = [CurveSteps(side, step, channels.count) for side in sides]
    if limits is None:
        points = np.asarray([[x.lo, int(at), x.hi] for at in sides[0].at], dtype=object)
        codes = codes_of(curve, step, points) + np.asarray(bias, dtype=np.int64).reshape(-1, 1)
        limits = int(codes.min()), int(codes.max())
    kind = FixedType.covering(*limits, frac)
    first, second = (low.emit(node, Requant(s, kind, channels, bias), edge)[0] for s in steps)
    one, zero = np.asarray([1]), np.asarray([0])
    return low.emit(node, Extremum(valley, one, one, zero, frac), first, second)[0]


def narrowed(
    low: Lowering, node: real.RealNode, edge: str, curve: Curve, step: Step, count: int, most: int
) -> tuple[str, Codes, int] | None:
    """An edge of at most `most` codes that the function can do with, its table over them, and the first of them.

    The codes lose low bits where every step falls on multiples of a power of two, and are kept to the window outside
    which nothing changes. None: more codes matter.
    """
    x = low.edges[edge]
    windows = [window_of(curve, x.lo, x.hi, c) for c in range(count)]
    lo, hi = min(w[0] for w in windows), max(w[1] for w in windows)
    span = hi - lo + 1
    if span * count > MOST_LISTED or max(abs(lo), abs(hi)) >= MOST_CODE:
        return None
    every = np.broadcast_to(np.arange(lo, hi + 1, dtype=np.int64), (count, span))
    table = codes_of(curve, step, every)
    moves = np.nonzero((np.diff(table, axis=1) != 0).any(axis=0))[0] + lo + 1
    if not moves.size:
        return None
    start = int(moves[0])
    together = gcd(*(int(v) - start for v in moves[1:])) if moves.size > 1 else span
    drop = min((together & -together).bit_length() - 1, span.bit_length())
    first, last = (start >> drop) - 1, int(moves[-1]) >> drop
    offset = start - ((start >> drop) << drop)  # of the steps from the multiples
    if last - first >= most:
        return None
    add = None if offset == 0 else np.asarray([-offset], dtype=np.int64)
    (out,) = low.emit(node, Shift(drop, Rounding.FLOOR, first, last, add), edge)
    own = low.edges[out]
    places = np.clip((np.arange(own.lo, own.hi + 1) << drop) + offset, lo, hi) - lo
    return out, table[:, places], own.lo
