"""Steps that lie almost evenly: the level of a number by a line, put right by two comparisons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

LEAST = 8  # levels for which a line is worth its arithmetic
SLACK = 1e-6  # of a level, more than double arithmetic in any order can be off


@dataclass(frozen=True)
class Line:
    """The number of bounds at or below x is trunc((x - first) * slope + 1) within 0..levels, or one beside it."""

    first: float
    slope: float


def line_of(bounds: npt.NDArray[Any]) -> Line | None:
    """The line of ascending bounds; None where they lie too unevenly for one."""
    levels = bounds.size
    if levels < LEAST or not np.isfinite(bounds).all() or not (np.diff(bounds) > 0).all():
        return None
    with np.errstate(all="ignore"):
        slope = (levels - 1) / (bounds[-1] - bounds[0])
        at = (bounds - bounds[0]) * slope  # what a number at bound k, of level k + 1, gets less 1
    level = np.arange(levels)
    near = bool((np.abs(at - level) < 1 - SLACK).all()) and bool(np.isfinite(slope))
    return Line(float(bounds[0]), float(slope)) if near and slope > 0 else None
