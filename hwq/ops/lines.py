"""Step functions of integers as straight lines, rounded and clamped in float32: the quickest exact form there is.

For the simulator only. A line is fitted to a table of the function and then evaluated at every entry: only where all of
them are equal is it used, so that nothing hangs on an argument about rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from hwq.fixed import Codes
from hwq.ir import Shape

SINGLE = 1 << 24  # integers below it are exact in float32
PAIRS_LIMIT = 1 << 20  # pairs of steps, over all channels, that bound the spacing
COLUMN = (1, 1, -1, 1)
REPEATED = 1 << 15  # elements, at most, over which a row of parameters is laid out
Array = npt.NDArray[Any]
Doubles = npt.NDArray[np.float64]


def repeated(row: Array) -> Callable[[Shape], Array]:
    """A row of parameters as it broadcasts to a shape; laid out where that is small, as short rows repeat slowly."""

    @lru_cache(maxsize=2)
    def over(shape: Shape) -> Array:
        if row.size == 1 or row.size == prod(shape) or prod(shape) > REPEATED:
            return row
        return np.ascontiguousarray(np.broadcast_to(row, shape))

    return over


@dataclass(frozen=True, eq=False)
class Reached:
    """`y = [x >= bound[c]]`: a single step, from 0 to 1."""

    bound: npt.NDArray[np.float32]  # (1, 1, C, 1)

    def __call__(self, x: Codes) -> Codes:
        """int8 codes of (batch, outer, C, inner) integers, which may be held as floats."""
        return np.asarray(x >= self.bound).view(np.int8)


@dataclass(frozen=True, eq=False)
class Line:
    """`y = clip(rint(slope[c] x + offset[c]), lo, hi)` in float32."""

    slope: npt.NDArray[np.float32]  # (1, 1, C, 1), or (1, 1, 1, 1) for all channels
    offset: npt.NDArray[np.float32]
    lo: np.float32
    hi: np.float32

    def __call__(self, x: Codes) -> Codes:
        """float32 codes of (batch, outer, C, inner) integers, which may be held as floats."""
        slope, offset = self._over(x.shape)
        y = x.astype(np.float32, copy=False) * slope
        y += offset
        np.rint(y, y)
        return np.asarray(y.clip(self.lo, self.hi, y))

    @cached_property
    def _over(self) -> Callable[[Shape], tuple[Array, Array]]:
        """Slope and offset for codes of a shape."""
        slope, offset = repeated(self.slope), repeated(self.offset)
        return lambda shape: (slope(shape), offset(shape))

    def gives(self, table: Codes, lowest: int) -> bool:
        """Whether it has the codes (C, N) of x = lowest, lowest + 1, ..., all of them."""
        count, span = table.shape
        every = np.arange(lowest, lowest + span, dtype=np.float32)
        found = self(np.broadcast_to(every[:, None], (span, count)).reshape(span, 1, count, 1))
        return bool(np.array_equal(found.reshape(span, count).T, table))


def fitted(table: Codes, lowest: int) -> Reached | Line | None:
    """What gives the codes (C, N) of x = lowest, lowest + 1, ... in each channel; None where no line does."""
    lo, hi = int(table.min()), int(table.max())
    if max(abs(lowest), abs(lowest + table.shape[1]), abs(lo), abs(hi)) >= SINGLE:
        return None
    moves = np.diff(table, axis=1)
    up, down = moves.max(axis=1, initial=0), moves.min(axis=1, initial=0)
    if up.max() > 1 or down.min() < -1 or (up * down).any():
        return None
    if (lo, hi) == (0, 1) and not down.any():
        bound = lowest + (table == 0).sum(axis=1)
        return Reached(bound.astype(np.float32).reshape(COLUMN))
    lines = (_line(table, moves, lowest, shared) for shared in (True, False))
    return next((line for line in lines if line is not None and line.gives(table, lowest)), None)


def _line(table: Codes, moves: Codes, lowest: int, shared: bool) -> Line | None:
    """A line in the middle of those that keep each step between its x and the one before; `shared`: for all channels.

    Step k of a channel is at `origin + k spacing`.
    """
    first, last = table[:, 0], table[:, -1]
    count = np.abs(last - first)
    steps = _steps(moves, count, lowest)
    if len(table) * steps.shape[1] ** 2 > PAIRS_LIMIT:
        return None
    spacing = _middle(*_spacings(steps, 8.0 * table.shape[1]), shared)
    origins = steps - np.arange(steps.shape[1]) * spacing[:, None]
    origin = _middle(np.fmax.reduce(origins, axis=1) - 1, np.fmin.reduce(origins, axis=1), shared)
    slope = np.where(count, np.where(last < first, -1, 1) / spacing, 0.0)
    offset = first + np.where(count, slope * (spacing / 2 - origin), 0.0)
    return Line(_row(slope), _row(offset), np.float32(table.min()), np.float32(table.max()))


def _steps(moves: Codes, count: Codes, lowest: int) -> Doubles:
    """The x from which each step is taken, a row per channel; NaN after its last."""
    steps = np.full((len(moves), max(1, int(count.max()))), np.nan)
    channel, place = np.nonzero(moves)
    number = np.arange(len(channel)) - (np.cumsum(count) - count)[channel]
    steps[channel, number] = place + 1 + lowest
    return steps


def _spacings(steps: Doubles, most: float) -> tuple[Doubles, Doubles]:
    """The least and the greatest distance between steps that any two of them leave possible, per channel."""
    least, greatest = np.zeros(len(steps)), np.full(len(steps), most)
    for apart in range(1, steps.shape[1]):
        between = steps[:, apart:] - steps[:, :-apart]
        least = np.fmax(least, np.fmax.reduce(between - 1, axis=1) / apart)
        greatest = np.fmin(greatest, np.fmin.reduce(between + 1, axis=1) / apart)
    return least, greatest


def _middle(lo: Doubles, hi: Doubles, shared: bool) -> Doubles:
    """The middle of each interval; where all of them meet, and it is wanted, that of their intersection."""
    least, most = float(np.fmax.reduce(lo)), float(np.fmin.reduce(hi))
    return np.full(len(lo), (least + most) / 2) if shared and least < most else (lo + hi) / 2


def _row(values: Doubles) -> npt.NDArray[np.float32]:
    """Numbers of channels in the shape of parameters; a single one where all are equal."""
    same = bool((values == values[0]).all())
    return values[: 1 if same else None].astype(np.float32).reshape(COLUMN)
