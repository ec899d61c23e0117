"""Selections: each axis of the result names positions of the same axis of the data, or none, where a fill stands.

Slice, Split, Pad, nearest Resize, zero insertion: moves that may drop and repeat elements, one axis at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hwq.ir.hardware import Shape
from hwq.numeric.fixed import Codes


@dataclass(frozen=True, eq=False)
class Selection:
    """Per axis of data of these extents, the data's position for each output; -1: the fill; None: all, in order."""

    extents: Shape
    axes: tuple[Codes | None, ...]

    @staticmethod
    def of(extents: Shape, positions: Sequence[Any]) -> Selection:
        """Positions for every axis (None: as it is); those that change nothing become None."""
        chosen = [None if p is None else np.asarray(p, dtype=np.int64) for p in positions]
        return Selection(
            extents,
            tuple(
                None if p is None or np.array_equal(p, np.arange(n)) else p
                for p, n in zip(chosen, extents, strict=True)
            ),
        )

    @staticmethod
    def along(extents: Shape, axis: int, positions: Any) -> Selection:
        """Positions along one axis, all others as they are."""
        return Selection.of(extents, [positions if i == axis else None for i in range(len(extents))])

    @property
    def shape(self) -> Shape:
        """The result's."""
        return tuple(n if p is None else len(p) for n, p in zip(self.extents, self.axes, strict=True))

    @property
    def fills(self) -> bool:
        """Whether any position of the result is a fill."""
        return any(p is not None and bool((p < 0).any()) for p in self.axes)

    @property
    def trivial(self) -> bool:
        return all(p is None for p in self.axes)

    def permuted(self, perm: tuple[int, ...]) -> Selection:
        """The selection from the transpose by `perm`."""
        return Selection(tuple(self.extents[p] for p in perm), tuple(self.axes[p] for p in perm))

    def apply(self, data: npt.NDArray[Any], fill: Any = 0) -> npt.NDArray[Any]:
        """The selected elements of data whose last axes are the selection's."""
        lead = data.ndim - len(self.axes)
        for i, positions in enumerate(self.axes):
            if positions is None:
                continue
            axis = lead + i
            data = data.take(np.maximum(positions, 0), axis=axis)
            if bool((positions < 0).any()):
                data[(slice(None),) * axis + (positions < 0,)] = fill
        return data

    def follow(self, parameter: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A parameter that broadcasts to the data, brought to the result; only where fills do not matter to it."""
        padded = parameter.reshape((1,) * (len(self.axes) - parameter.ndim) + parameter.shape)
        for axis, positions in enumerate(self.axes):
            if positions is not None and padded.shape[axis] > 1:
                padded = padded.take(np.maximum(positions, 0), axis=axis)
        return padded
