"""Step functions of integers as straight lines, rounded and clamped in floats: the quickest exact form there is.

For the simulator only. A line is fitted to the steps of a function and then evaluated at both sides of every step. Both
only rise, or only fall, so where they agree there they agree everywhere: nothing hangs on an argument about rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import frexp, prod
from typing import Any

import numpy as np
import numpy.typing as npt

from hwq.ir.hardware import Shape
from hwq.numeric.fixed import Codes

EXACT = ((np.float32, 1 << 24), (np.float64, 1 << 53))  # below which a dtype holds every integer
STEPS_LIMIT = 1 << 21  # over all channels
PAIRS_LIMIT = 1 << 20  # pairs of steps, over all channels, that bound the spacing
REPEATED = 1 << 15  # elements, at most, over which a row of parameters is laid out
PLACES = 60  # binary ones, by which float32 can be scaled
COLUMN = (1, 1, -1, 1)
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
class Staircase:
    """In channel c of the integers `lowest..highest`: `first[c]`, and `sign[c]` more from each of `steps[c]` on.

    `steps` (C, K) ascend, NaN after a channel's last; they lie above `lowest`.
    """

    first: Codes
    sign: Codes
    steps: Doubles
    lowest: int
    highest: int

    @cached_property
    def count(self) -> Codes:
        """Steps of each channel."""
        return np.asarray(np.isfinite(self.steps).sum(axis=1))

    @property
    def ends(self) -> tuple[int, int]:
        """The least and the greatest code."""
        last = self.first + self.sign * self.count
        return int(min(self.first.min(), last.min())), int(max(self.first.max(), last.max()))

    @staticmethod
    def of_table(table: Codes, lowest: int) -> Staircase | None:
        """From the codes (C, N) of x = lowest, lowest + 1, ...; None where they do not move by one and one way."""
        moves = np.diff(table, axis=1)
        up, down = moves.max(axis=1, initial=0), moves.min(axis=1, initial=0)
        if up.max() > 1 or down.min() < -1 or (up * down).any():
            return None
        count = np.abs(table[:, -1] - table[:, 0])
        steps = np.full((len(table), max(1, int(count.max()))), np.nan)
        channel, place = np.nonzero(moves)
        number = np.arange(len(channel)) - (np.cumsum(count) - count)[channel]
        steps[channel, number] = place + 1 + lowest
        return Staircase(table[:, 0], np.where(down < 0, -1, 1), steps, lowest, lowest + table.shape[1] - 1)

    @staticmethod
    def of_thresholds(thresholds: Codes, base: Codes, sign: Codes, lowest: int, highest: int) -> Staircase | None:
        """From rows of ascending thresholds; None where one is there twice."""
        inside = (thresholds > lowest) & (thresholds <= highest)
        below, count = (thresholds <= lowest).sum(axis=1), inside.sum(axis=1)
        steps = np.full((len(thresholds), max(1, int(count.max(initial=0)))), np.nan)
        channel, place = np.nonzero(inside)
        steps[channel, place - below[channel]] = thresholds[channel, place]
        if (np.diff(steps, axis=1) == 0).any():
            return None
        return Staircase(base + sign * below, sign, steps, lowest, highest)

    def is_given_by(self, line: Callable[[Codes], Codes]) -> bool:
        """Whether a function that never turns has the codes on both sides of every step, and at both ends."""
        rows, number = len(self.steps), np.arange(1, self.steps.shape[1] + 1)
        taken = np.isfinite(self.steps)
        after = np.where(taken, self.steps, self.lowest)
        x = np.concatenate([np.full((rows, 1), self.lowest), np.full((rows, 1), self.highest), after, after - taken], 1)
        passed = np.where(taken, number, 0)
        reached = np.concatenate([np.zeros((rows, 1)), self.count[:, None], passed, passed - taken], axis=1)
        found = line(x.T.reshape(-1, 1, rows, 1)).reshape(-1, rows).T
        return bool(np.array_equal(found, self.first[:, None] + self.sign[:, None] * reached))


@dataclass(frozen=True, eq=False)
class Reached:
    """`y = [x >= bound[c]]`: a single step, from 0 to 1."""

    bound: Array  # (1, 1, C, 1)

    def __call__(self, x: Codes) -> Codes:
        """int8 codes of (batch, outer, C, inner) integers, which may be held as floats."""
        return np.asarray(x >= self.bound).view(np.int8)


@dataclass(frozen=True, eq=False)
class Line:
    """`y = clip(round(slope[c] x + offset[c]), lo, hi)` in the dtype of the parameters.

    Parameters are (1, 1, C, 1), and of no dimension where all channels share them: numpy takes such the quickest.
    """

    slope: Array
    offset: Array | None  # None: 0
    lo: Array
    hi: Array
    to_integer: np.ufunc = np.rint

    @staticmethod
    def of(slope: Any, offset: Any, lo: Any, hi: Any, dtype: Any, to_integer: np.ufunc = np.rint) -> Line:
        """With slopes and offsets (C,), held as `dtype`."""
        held_slope, held_offset = (_row(np.asarray(v, dtype=np.float64), dtype) for v in (slope, offset))
        return Line(
            held_slope,
            held_offset if held_offset.any() else None,
            np.asarray(lo, dtype),
            np.asarray(hi, dtype),
            to_integer,
        )

    def __call__(self, x: Codes) -> Codes:
        """Codes, held as floats, of (batch, outer, C, inner) integers, which may be held as floats."""
        data = x.astype(self.slope.dtype, copy=False)
        return self._finished(np.multiply(data, self._laid_out[0](x.shape)))

    def over(self, x: Codes) -> Codes:
        """The same, written over x where that has the dtype."""
        data = x.astype(self.slope.dtype, copy=False)
        return self._finished(np.multiply(data, self._laid_out[0](x.shape), data))

    @cached_property
    def factor(self) -> float:
        """The slope, where it is the same in all channels and scales floats without loss: a power of two; else 0."""
        slope = float(self.slope) if self.slope.ndim == 0 else 0.0
        return slope if abs(frexp(slope)[0]) == 0.5 and abs(frexp(slope)[1]) <= PLACES else 0.0

    def of_scaled(self, x: Codes) -> Codes:
        """The same for floats that are multiplied by `factor` already, written over them."""
        return self._finished(x.astype(self.slope.dtype, copy=False))

    def _finished(self, y: Array) -> Array:
        if self.offset is not None:
            np.add(y, self._laid_out[1](y.shape), y)
        self.to_integer(y, y)
        return np.asarray(y.clip(self.lo, self.hi, y))

    @cached_property
    def _laid_out(self) -> tuple[Callable[[Shape], Array], Callable[[Shape], Array]]:
        """Slope and offset for codes of a shape."""
        return repeated(self.slope), repeated(self.slope if self.offset is None else self.offset)


def fitted(stairs: Staircase, spacing: Doubles | None = None) -> Reached | Line | None:
    """What gives the codes of a staircase, whose steps are `spacing` (C,) apart where that is known; None: no line."""
    (lo, hi), count = stairs.ends, stairs.count
    most = max(abs(stairs.lowest), abs(stairs.highest), abs(lo), abs(hi))
    dtypes = [dtype for dtype, limit in EXACT if most < limit]
    if not dtypes or stairs.steps.size > STEPS_LIMIT:
        return None
    if (lo, hi) == (0, 1) and not (count * (stairs.sign < 0)).any():
        bound = np.where(stairs.first == 1, stairs.lowest, np.where(count, stairs.steps[:, 0], np.inf))
        return Reached(bound.astype(dtypes[0]).reshape(COLUMN))
    if spacing is None:
        if stairs.steps.size * stairs.steps.shape[1] > PAIRS_LIMIT:
            return None
        least, greatest = _spacings(stairs.steps, 8.0 * (stairs.highest - stairs.lowest + 1))
        choices = [_middle(least, greatest, shared) for shared in (True, False)]
    else:
        choices = [spacing]
    for dtype in dtypes:
        for chosen in choices:
            line = _line(stairs, chosen, dtype)
            if stairs.is_given_by(line):
                return line
    return None


def _line(stairs: Staircase, spacing: Doubles, dtype: Any) -> Line:
    """A line in the middle of those that keep each step between its x and the one before.

    Step k of a channel is at `origin + k spacing`.
    """
    origins = stairs.steps - np.arange(stairs.steps.shape[1]) * spacing[:, None]
    shared = bool((spacing == spacing[0]).all())
    origin = _middle(np.fmax.reduce(origins, axis=1) - 1, np.fmin.reduce(origins, axis=1), shared)
    slope = np.where(stairs.count, stairs.sign / spacing, 0.0)
    offset = stairs.first + np.where(stairs.count, slope * (spacing / 2 - origin), 0.0)
    lo, hi = stairs.ends
    return Line.of(slope, offset, lo, hi, dtype)


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


def _row(values: Doubles, dtype: Any) -> Array:
    """Numbers of channels in the shape of parameters; of no dimension where all are equal."""
    row = values.astype(dtype)
    return np.asarray(row[0]) if (values == values[0]).all() else row.reshape(COLUMN)
