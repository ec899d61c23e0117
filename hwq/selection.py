"""Selections: each axis of the result names positions of the same axis of the data, or none, where a fill stands.

Slice, Split, Pad, nearest Resize, zero insertion: moves that may drop and repeat elements, one axis at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hwq.fixed import Codes
from hwq.ir import Shape


@dataclass(frozen=True, eq=False)
class Selection:
    """Per axis, the input position of each output position; -1 where the fill stands; None: the axis as it is."""

    axes: tuple[Codes | None, ...]

    @staticmethod
    def along(rank: int, axis: int, positions: Any) -> Selection:
        """Positions along one axis, all others as they are."""
        chosen = np.asarray(positions, dtype=np.int64)
        return Selection(tuple(chosen if i == axis else None for i in range(rank)))

    def shape(self, extents: Shape) -> Shape:
        return tuple(n if p is None else len(p) for n, p in zip(extents, self.axes, strict=True))

    @property
    def fills(self) -> bool:
        """Whether any position of the result is a fill."""
        return any(p is not None and bool((p < 0).any()) for p in self.axes)

    @property
    def trivial(self) -> bool:
        return all(p is None for p in self.axes)

    def simplified(self, extents: Shape) -> Selection:
        """The same with None for axes that stay as they are."""
        return Selection(
            tuple(
                None if p is None or np.array_equal(p, np.arange(n)) else p
                for p, n in zip(self.axes, extents, strict=True)
            )
        )

    def apply(self, data: npt.NDArray[Any], fill: Any = 0) -> npt.NDArray[Any]:
        """The selected elements of data, whose last axes are those of the selection."""
        lead = data.ndim - len(self.axes)
        for i, positions in enumerate(self.axes):
            if positions is None:
                continue
            axis = lead + i
            data = data.take(np.maximum(positions, 0), axis=axis)
            if bool((positions < 0).any()):
                data[(slice(None),) * axis + (positions < 0,)] = fill
        return data
