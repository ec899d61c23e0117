"""Ops on single elements behind one another as one: a line or a look-up, where nobody asks for the codes between.

For the simulator only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hwq.ir.hardware import Edge
from hwq.kernels.lookup import DIRECT_LIMIT, Direct, of_table
from hwq.numeric.fixed import Codes, code_dtype
from hwq.ops.base import Channels, proved
from hwq.ops.parts.elementwise import Elementwise, Evaluator


def chained(ops: Sequence[Elementwise], edges: Sequence[Edge]) -> tuple[Channels, Evaluator] | None:
    """What takes codes of the first edge through all ops to the last; None where it would cost more than they do.

    `edges` has the input of each op and the output of the last. Every reachable code goes through the ops here, so a
    code outside the range of its edge is found before any data are.
    """
    maps = [op.channels for op in ops if op.channels.count > 1] or [Channels()]
    count, spans = maps[0].count, [x.hi - x.lo + 1 for x in edges[:-1]]
    if any(m != maps[0] for m in maps) or count * max(spans) > DIRECT_LIMIT:
        return None
    if any(code_dtype(e.lo, e.hi) is object for e in edges):
        return None
    reached, looked_up = np.broadcast_to(np.arange(spans[0]), (count, spans[0])), False
    for op, x, y in zip(ops, edges, edges[1:], strict=False):
        table = _table(op, x, count)
        proved(y, table)
        looked_up |= isinstance(of_table(table, x.lo), Direct)
        codes = np.take_along_axis(table, reached, axis=1)
        reached = codes - y.lo
    run = of_table(codes, edges[0].lo)
    return None if isinstance(run, Direct) and not looked_up else (maps[0], run)


def _table(op: Elementwise, x: Edge, count: int) -> Codes:
    """The codes (C, N) that an op makes of every code of x in each channel."""
    every = np.arange(x.lo, x.hi + 1)
    codes = op.evaluator(x)(np.broadcast_to(every.reshape(-1, 1, 1, 1), (every.size, 1, count, 1)))
    return np.asarray(codes.reshape(every.size, count).T.astype(np.int64))
