"""Counting thresholds fast: a table of codes, or equal buckets with at most one threshold inside each.

For the simulator only. Exact: the buckets are integers, and every threshold is either a bucket's start or inside one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwq.kernels.rounded_line import Staircase, fitted
from hwq.numeric.fixed import FLOAT32_EXACT, Codes

TABLE_LIMIT = 1 << 22  # entries; past it bisection is the better choice
DIRECT_LIMIT = 1 << 18  # entries of a table that holds the codes themselves
QUICK_LIMIT = 1 << 14  # entries of one that is held in float32


def take(table: Codes, index: Codes) -> Codes:
    """`table[index]`, read and written in the order in which the index lies in memory."""
    if index.flags.c_contiguous:
        return np.asarray(table[index])
    order = sorted(range(index.ndim), key=lambda axis: -abs(index.strides[axis]))
    found = table[index.transpose(order)]
    return np.asarray(found.transpose(np.argsort(order)))


@dataclass(frozen=True, eq=False)
class Direct:
    """The codes of every channel and every reachable x, one after the other."""

    codes: Codes  # in float32, which most of what follows calculates in; large tables in the narrowest dtype
    first: Codes | None  # (1, 1, C, 1): the table's entry for x = 0; None: its first, negative x count from its end
    first_float: npt.NDArray[np.float32] | npt.NDArray[np.float64] | None

    @staticmethod
    def listing(table: Codes, lowest: int) -> Direct:
        """From the codes (C, N) of x = lowest, lowest + 1, ... in each channel."""
        count, span = table.shape
        lo, hi = int(table.min()), int(table.max())
        quick = table.size <= QUICK_LIMIT and max(-lo, hi) < FLOAT32_EXACT
        codes = table.astype(np.float32 if quick else np.min_scalar_type(min(lo, -1 - hi))).reshape(-1)
        if count == 1 and -span < lowest <= 0:
            return Direct(np.roll(codes, lowest), None, None)
        first = (np.arange(count) * span - lowest).reshape(1, 1, -1, 1)
        few = max(abs(lowest), abs(lowest + span), count * span) < FLOAT32_EXACT
        return Direct(codes, first, first.astype(np.float32 if few else np.float64))

    def __call__(self, x: Codes) -> Codes:
        """The codes of (batch, outer, C, inner) integers, which may be held as floats."""
        if self.first is None:
            return take(self.codes, x.astype(np.intp, copy=False))
        if x.dtype.kind == "f":
            return take(self.codes, (x + self.first_float).astype(np.intp))
        return take(self.codes, x + self.first)


def counted(thresholds: Codes, lowest: int, highest: int) -> Codes:
    """How many thresholds each x in `lowest..highest` has reached, (C, N)."""
    count, span = thresholds.shape[0], highest - lowest + 1
    steps = np.zeros((count, span + 1), dtype=np.int64)
    where = np.clip(thresholds - lowest, 0, span).astype(np.int64)
    np.add.at(steps, (np.arange(count)[:, None], where), 1)
    return np.asarray(steps[:, :span].cumsum(axis=1))


def of_table(table: Codes, lowest: int) -> Callable[[Codes], Codes]:
    """What gives the codes (C, N) of x = lowest, lowest + 1, ... in each channel: a line, else a look-up."""
    stairs = Staircase.of_table(table, lowest)
    return (None if stairs is None else fitted(stairs)) or Direct.listing(table, lowest)


@dataclass(frozen=True, eq=False)
class Buckets:
    """For channel c, position p = clip(x - origin[c], 0, last[c]) lies in bucket p >> shift.

    `before` counts the thresholds at or below the bucket's start, `inside` is the position of the one within.
    """

    origin: Codes  # (1, 1, C, 1)
    last: Codes
    rows: Codes  # first table entry of each channel
    shift: int
    before: Codes
    inside: Codes | None  # None: every bucket is a single position

    @staticmethod
    def of(thresholds: Codes, highest: int) -> Buckets | None:
        """The tables for rows of ascending thresholds; those above `highest` are never reached. None: too large."""
        count = thresholds.shape[0]
        reachable = thresholds <= highest
        first = thresholds[:, :1]
        position = np.where(reachable, thresholds - first + 1, 0)
        last = np.maximum(position.max(axis=1), 1)
        gaps = np.where(reachable[:, 1:], np.diff(thresholds, axis=1), np.iinfo(np.int64).max)
        narrowest = int(gaps.min(initial=int(last.max())))
        shift = max(0, narrowest.bit_length() - 1)
        width = (int(last.max()) >> shift) + 1
        if count * width > TABLE_LIMIT:
            return None
        entry = np.arange(count)[:, None] * width
        bucket = position >> shift
        at_start = reachable & (position == bucket << shift)
        within = reachable & ~at_start
        steps = np.zeros(count * width + 1, dtype=np.int64)
        np.add.at(steps, np.where(at_start, entry + bucket, count * width).reshape(-1), 1)
        later = np.where(within & (bucket + 1 < width), entry + bucket + 1, count * width)
        np.add.at(steps, later.reshape(-1), 1)
        before = steps[:-1].reshape(count, width).cumsum(axis=1).reshape(-1)
        inside: Codes | None = None
        if shift:
            inside = np.full(count * width + 1, np.iinfo(np.int64).max)
            inside[np.where(within, entry + bucket, count * width).reshape(-1)] = position.reshape(-1)
        column = (1, 1, -1, 1)
        return Buckets((first - 1).reshape(column), last.reshape(column), entry.reshape(column), shift, before, inside)

    def __call__(self, x: Codes) -> Codes:
        """How many thresholds each of the (batch, outer, C, inner) codes has reached."""
        position = x - self.origin
        np.maximum(position, 0, out=position)
        np.minimum(position, self.last, out=position)
        entry = (position >> self.shift) + self.rows
        reached = take(self.before, entry)
        if self.inside is not None:
            reached += position >= take(self.inside, entry)
        return reached
