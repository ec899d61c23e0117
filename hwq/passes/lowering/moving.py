"""Moves of data (reshape, transpose) that can be done to parameters too, forwards and backwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hwq.exact import Rationals
from hwq.ir import Shape
from hwq.ops import Op, Reshape, Transpose


@dataclass(frozen=True)
class Move:
    """A permutation of elements between two shapes; `perm` None is a reshape."""

    before: Shape
    after: Shape
    perm: tuple[int, ...] | None = None

    @staticmethod
    def reshape(before: Shape, after: Shape) -> Move:
        return Move(before, after)

    @staticmethod
    def transpose(before: Shape, perm: tuple[int, ...]) -> Move:
        return Move(before, tuple(before[p] for p in perm), perm)

    def op(self) -> Op:
        return Reshape(self.after) if self.perm is None else Transpose(self.perm)

    def forward(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return values.reshape(self.after) if self.perm is None else values.transpose(self.perm)

    def backward(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if self.perm is None:
            return values.reshape(self.before)
        return values.transpose(np.argsort(self.perm))


def unmoved(values: npt.NDArray[Any], moves: tuple[Move, ...], shape: Shape) -> Rationals:
    """Parameters of a moved tensor, brought back to the tensor before the moves."""
    if values.size == 1:
        return np.asarray(values, dtype=object).reshape(1)
    full = np.broadcast_to(values, shape)
    for move in reversed(moves):
        full = move.backward(full)
    return np.asarray(full, dtype=object)
