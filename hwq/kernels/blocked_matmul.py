"""Sums of products in float32 where all taps at once pass 24 bits: some taps at a time, added in float64.

For the simulator only. float32 products of matrices take half the time of float64's, and half the memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, starmap
from typing import Any

import numpy as np
import numpy.typing as npt

from hwq.kernels.signed_sums import heaviest
from hwq.numeric.fixed import FLOAT32_EXACT, FLOAT64_EXACT

LEAST_TAPS = 128  # of a block: fewer, and the additions cost what the products save

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Blocks:
    """The taps in pieces `cuts`, each exact in `dtype` in any order of addition; sums over several are float64."""

    dtype: Any
    cuts: tuple[slice, ...]

    @staticmethod
    def of(rows: Array, reach: int, most: int) -> Blocks:
        """For weights (outputs, taps), data of at most `reach` in magnitude, and partial sums of at most `most`."""
        taps = int(rows.shape[1])
        whole = (slice(0, taps),)
        if most < FLOAT32_EXACT or most >= FLOAT64_EXACT:
            return Blocks(np.float32 if most < FLOAT32_EXACT else object, whole)
        fewest = max(2, heaviest(rows) * reach // FLOAT32_EXACT)
        for count in range(fewest, taps // LEAST_TAPS + 1):
            ends = np.linspace(0, taps, count + 1).astype(int)
            cuts = tuple(starmap(slice, pairwise(ends.tolist())))
            if all(heaviest(rows[:, cut]) * reach < FLOAT32_EXACT for cut in cuts):
                return Blocks(np.float32, cuts)
        return Blocks(np.float64, whole)

    @property
    def total(self) -> Any:
        """The dtype of the sums."""
        return self.dtype if len(self.cuts) == 1 else np.float64

    def product(self, left: Array, right: Array) -> Array:
        """`left @ right`, the taps being the last axis of `left` and the last but one of `right`."""
        if len(self.cuts) == 1:
            sums: Array = left.dot(right) if left.ndim == right.ndim == 2 else left @ right
            return sums
        first, *rest = self.cuts
        total = (left[..., first] @ right[..., first, :]).astype(np.float64)
        for cut in rest:
            total += left[..., cut] @ right[..., cut, :]
        return total


def times(values: Array, factor: float) -> Array:
    """New floats, multiplied in place; anything where the factor is 1."""
    if factor != 1:
        values *= factor
    return values
