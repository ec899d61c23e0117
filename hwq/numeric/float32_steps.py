"""Step functions as float32 kernels compute them: every operation rounded to float32, none fused.

`codes(v) = clip(rint(f32(f32(f32(v + add) * factor) / divisor)), lo, hi)`: each rounding is monotone, so the whole is,
and it has exact steps like any other quantizer. They are found by bisection, all levels of all channels at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from hwq.errors import InternalError
from hwq.numeric.fixed import Codes
from hwq.numeric.step_functions import Rows, StepFunction

Singles = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Float32Steps(StepFunction):
    """`add` (integers), `factor` and `divisor` (positive float32), `lo` and `hi` (integers) are per channel, (C,)."""

    add: Codes
    factor: Singles
    divisor: Singles
    lo: Codes
    hi: Codes

    @property
    def channels(self) -> int:
        return int(self.add.shape[0])

    def slopes(self) -> list[Fraction]:
        """The real scale that the kernel rounds."""
        return [Fraction(float(f)) / Fraction(float(d)) for f, d in zip(self.factor, self.divisor, strict=True)]

    def codes(self, x: Codes) -> Codes:
        return self._of_integers(np.asarray(x).astype(np.int64)).astype(object)

    def _of_integers(self, x: Codes) -> Codes:
        return self._of_singles((x + self.add.astype(np.int64)[:, None]).astype(np.float32))

    def _of_singles(self, values: Singles) -> Codes:
        with np.errstate(over="ignore"):
            scaled = (values * self.factor[:, None]) / self.divisor[:, None]
        rounded = np.clip(np.rint(scaled).astype(np.float64), -(2.0**40), 2.0**40).astype(np.int64)
        lo, hi = self.lo.astype(np.int64)[:, None], self.hi.astype(np.int64)[:, None]
        return np.asarray(np.minimum(np.maximum(rounded, lo), hi))

    def limits(self) -> tuple[Codes, Codes]:
        return self.lo, self.hi

    def bounds(self, first: Codes, last: Codes) -> list[list[tuple[Fraction, bool]]]:
        raise InternalError("float32 steps are found by search, not by formula")

    def _integer_bounds(self, first: Codes, last: Codes, lo: int, hi: int) -> Codes:
        return self._bisected(first, last, lo, hi, self._of_integers)

    def float_rows(self) -> Rows:
        """Least float32 of every level: the host's inputs are float32."""

        def singles(keys: Codes) -> Singles:
            """Float32 numbers in ascending order, -inf..inf, numbered from -0x7f800000 on."""
            bits = np.where(keys >= 0, keys, -keys).astype(np.uint32) | np.where(keys >= 0, 0, 1 << 31).astype(
                np.uint32
            )
            return bits.view(np.float32)

        infinity = 0x7F800000
        keys = self._bisected(self.lo, self.hi, -infinity, infinity, lambda k: self._of_singles(singles(k)))
        found = np.where(keys > infinity, np.inf, singles(np.minimum(keys, infinity)).astype(np.float64))
        return Rows(found, self.lo.astype(np.int64), np.ones(self.channels, dtype=np.int64))

    def _bisected(self, first: Codes, last: Codes, lo: int, hi: int, evaluate: Callable[[Codes], Codes]) -> Codes:
        """Per channel and level above the first, the least integer of `lo..hi` that reaches it; `hi + 1` if unused."""
        span = (last - first).astype(np.int64)
        levels = first.astype(np.int64)[:, None] + 1 + np.arange(int(span.max(initial=0)), dtype=np.int64)[None, :]
        below, reached = np.full(levels.shape, lo, dtype=np.int64), np.full(levels.shape, hi, dtype=np.int64)
        while levels.size and bool((below < reached).any()):
            middle = below + ((reached - below) >> 1)
            enough = evaluate(middle) >= levels
            below, reached = np.where(enough, below, middle + 1), np.where(enough, middle, reached)
            below = np.minimum(below, reached)
        used = np.arange(levels.shape[1])[None, :] < span[:, None]
        return np.where(used, reached, hi + 1)
