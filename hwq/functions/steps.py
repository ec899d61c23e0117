"""The steps that end a curve, and the threshold table of a monotone curve whose codes are too many to list."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from hwq.errors import InternalError, UnsupportedError
from hwq.functions.curve import Curve, Doubles
from hwq.functions.evaluate import Step, codes_of
from hwq.numeric.fixed import INT64_SAFE, Codes, Rounding, code_dtype, round_ratio
from hwq.numeric.rational import Rationals, to_float
from hwq.numeric.step_functions import StepFunction

FAR = float(1 << 60)  # no code is as large
MAX_LEVELS = 1 << 16  # of one channel's threshold table
MAX_POINTS = 1 << 22  # thresholds of all channels


@dataclass(frozen=True, eq=False)
class RoundStep(Step):
    """clip(round(value), lo, hi), bounds per channel or one for all."""

    rounding: Rounding
    lo: Codes | None
    hi: Codes | None

    def floats(self, values: Doubles) -> npt.NDArray[np.int64]:
        bounded: Any = np.clip(values, -FAR, FAR)
        one: Any = 1.0
        codes = np.asarray(round_ratio(bounded, one, self.rounding)).astype(np.int64)
        if self.lo is not None:
            codes = np.maximum(codes, self.lo.astype(np.int64).reshape(-1, 1))
        if self.hi is not None:
            codes = np.minimum(codes, self.hi.astype(np.int64).reshape(-1, 1))
        return codes

    def exact(self, value: Fraction, channel: int) -> int:
        pair = np.asarray([value.numerator], dtype=object), np.asarray([value.denominator], dtype=object)
        code = int(round_ratio(*pair, self.rounding)[0])
        code = min(max(code, -int(FAR)), int(FAR))
        if self.lo is not None:
            code = max(code, _of(self.lo, channel))
        return code if self.hi is None else min(code, _of(self.hi, channel))


@dataclass(frozen=True, eq=False)
class CountStep(Step):
    """#{k: value >= levels[c, k]}; rows ascend. The last `opened` levels count where the value is above them."""

    levels: Rationals
    opened: int = 0

    def floats(self, values: Doubles) -> npt.NDArray[np.int64]:
        bounds = to_float(self.levels).reshape(self.levels.shape)
        closed = self.levels.shape[-1] - self.opened

        def counted(part: Doubles, side: Literal["left", "right"]) -> npt.NDArray[np.int64]:
            rows = [np.searchsorted(part[c if len(part) > 1 else 0], row, side=side) for c, row in enumerate(values)]
            return np.asarray(rows, dtype=np.int64)

        return np.asarray(counted(bounds[:, :closed], "right") + counted(bounds[:, closed:], "left"))

    def exact(self, value: Fraction, channel: int) -> int:
        row = self.levels[channel if len(self.levels) > 1 else 0]
        closed = len(row) - self.opened
        return sum(1 for k, level in enumerate(row) if (value >= level if k < closed else value > level))


def _of(values: Codes, channel: int) -> int:
    flat = values.reshape(-1)
    return int(flat[channel if flat.size > 1 else 0])


@dataclass(frozen=True, eq=False)
class CurveSteps(StepFunction):
    """A monotone curve and its step as a step function of the code: step points are found by bisection."""

    curve: Curve
    step: Step
    count: int  # channels

    @property
    def channels(self) -> int:
        return self.count

    def codes(self, x: Codes) -> Codes:
        return codes_of(self.curve, self.step, x).astype(object)

    def bounds(self, first: Codes, last: Codes) -> list[list[tuple[Fraction, bool]]]:
        raise InternalError("the step points of a curve are irrational")

    def limits(self) -> tuple[Codes, Codes]:
        raise InternalError("a curve has no limits outside its codes")

    def _integer_bounds(self, first: Codes, last: Codes, lo: int, hi: int) -> Codes:
        span = np.abs(last - first).astype(np.int64)
        width = int(span.max(initial=0))
        if width > MAX_LEVELS or width * self.count > MAX_POINTS:
            raise UnsupportedError(
                f"a function of wide codes with {width + 1} output levels in {self.count} channels",
                remedy="put a quantizer of at most 16 bits before it, or a narrower one after it",
            )
        dtype = code_dtype(lo, hi + 1) if max(abs(lo), abs(hi)) < INT64_SAFE >> 1 else object
        sign = np.where(last < first, -1, 1).astype(np.int64)[:, None]
        target = sign * first.astype(np.int64)[:, None] + np.arange(1, width + 1)
        below: Codes = np.full(target.shape, lo, dtype=dtype)
        reached: Codes = np.full(target.shape, hi, dtype=dtype)
        while width and bool(np.any(reached - below > 1)):
            middle = (below + reached) // 2
            there = sign * codes_of(self.curve, self.step, middle) >= target
            reached, below = np.where(there, middle, reached), np.where(there, below, middle)
        return np.where(np.arange(width) < span[:, None], reached, hi + 1).astype(code_dtype(lo, hi + 1))
