"""Moves of data (reshape, transpose, selection) that can be done to parameters too, forwards and backwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hwq.errors import UnsupportedError
from hwq.ir.hardware import Shape
from hwq.ir.selection import Selection
from hwq.numeric.rational import Rationals
from hwq.ops import Gather, Op, Reshape, Transpose


@dataclass(frozen=True)
class Move:
    """Elements between two shapes: a selection, else a permutation of axes, else a reshape."""

    before: Shape
    after: Shape
    perm: tuple[int, ...] | None = None
    selection: Selection | None = None

    @staticmethod
    def reshape(before: Shape, after: Shape) -> Move:
        return Move(before, after)

    @staticmethod
    def transpose(before: Shape, perm: tuple[int, ...]) -> Move:
        return Move(before, tuple(before[p] for p in perm), perm)

    @staticmethod
    def select(selection: Selection) -> Move:
        """A selection without fills."""
        return Move(selection.extents, selection.shape, selection=selection)

    def op(self) -> Op:
        if self.selection is not None:
            return Gather(self.selection)
        return Reshape(self.after) if self.perm is None else Transpose(self.perm)

    def forward(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if self.selection is not None:
            return self.selection.apply(values)
        return values.reshape(self.after) if self.perm is None else values.transpose(self.perm)

    def backward(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if self.selection is not None:
            return _unselected(values, self.selection)
        if self.perm is None:
            return values.reshape(self.before)
        return values.transpose(np.argsort(self.perm))


def _unselected(values: npt.NDArray[Any], selection: Selection) -> npt.NDArray[Any]:
    """Parameters that are the same along every selected axis, with the extents of the data."""
    for axis, positions in enumerate(selection.axes):
        if positions is None:
            continue
        first = values.take([0], axis=axis)
        if not bool((values == first).all()):
            raise UnsupportedError(
                "a quantizer that varies along an axis of which a part was taken from an unquantized model input",
                remedy="quantize before, or state the input's type with --input-type",
            )
        values = np.repeat(first, selection.extents[axis], axis=axis)
    return values


def unmoved(values: npt.NDArray[Any], moves: tuple[Move, ...], shape: Shape) -> Rationals:
    """Parameters of a moved tensor, brought back to the tensor before the moves."""
    if values.size == 1:
        return np.asarray(values, dtype=object).reshape(1)
    full = np.broadcast_to(values, shape)
    for move in reversed(moves):
        full = move.backward(full)
    return np.asarray(full, dtype=object)
