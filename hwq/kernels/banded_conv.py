"""Convolution of few samples, or of channels on their own, as one product of matrices with the kernel's rows as bands.

For the simulator only. The matrix has the kernel at every position along the first axis, zeros between; of the other
axes the windows are laid side by side. More products than there need be, in far fewer and larger steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from hwq.ir.hardware import Shape
from hwq.ir.window import Window

Array = npt.NDArray[Any]
Cut = tuple[Any, ...]
ALL = slice(None)


@dataclass(frozen=True, eq=False)
class Bands:
    """Convolution of (batch, C, ...) data; `matrix` is (groups, outputs of a channel and row, inputs of them)."""

    matrix: Array
    outputs: Shape
    window: Shape  # what is laid out: the kernel after its first axis, the rows, the outputs after their first axis
    moves: tuple[tuple[Cut, Cut], ...]  # for each of its positions, where in the matrix of windows goes what is read
    framed: Shape | None  # the extents with the padding, where its code is not 0
    inner: Cut  # where the data lie within them
    pad: int

    @staticmethod
    def size(weights: Array, window: Window, extents: Shape) -> int:
        """Elements of the matrix for weights (M, C / groups, ...)."""
        rows = int(weights.shape[0]) * window.outputs(extents)[0]
        return rows * int(weights.shape[1]) * prod(window.kernel[1:]) * _framed(window, extents)[0]

    @staticmethod
    def of(weights: Array, window: Window, groups: int, pad: int, extents: Shape) -> Bands:
        """From weights of a dtype that holds every partial sum."""
        inner = (ALL, ALL, *(slice(b, b + n) for n, b in zip(extents, window.before, strict=True)))
        framed = _framed(window, extents) if window.padded and pad else None
        if framed:
            none = (0,) * window.rank
            extents, window = framed, replace(window, before=none, after=none)
        outputs, n_in, rest = window.outputs(extents), int(weights.shape[1]), window.kernel[1:]
        banded = np.zeros((weights.shape[0], outputs[0], n_in, *rest, extents[0]), dtype=weights.dtype)
        for k, place in enumerate(window.positions(0, extents).T):
            (row,) = np.nonzero((place >= 0) & (place < extents[0]))
            banded[:, row, ..., place[row]] = weights[:, :, k]
        return Bands(
            banded.reshape(groups, -1, n_in * prod(banded.shape[3:])),
            outputs,
            (*rest, extents[0], *outputs[1:]),
            tuple(_moves(window, extents)),
            framed,
            inner,
            pad,
        )

    def __call__(self, data: Array) -> Array:
        """(batch, M, outputs...) sums of products."""
        batch, channels, dtype = data.shape[0], data.shape[1], self.matrix.dtype
        if self.framed:
            frame = np.full((batch, channels, *self.framed), self.pad, dtype=dtype)
            frame[self.inner] = data
            data = frame
        windows = np.zeros((batch, channels, *self.window), dtype)
        for place, cut in self.moves:
            windows[place] = data[cut]
        groups, _, taps = self.matrix.shape
        sums: Array = self.matrix @ windows.reshape(batch, groups, taps, -1)
        return sums.reshape(batch, -1, *self.outputs)


def _framed(window: Window, extents: Shape) -> Shape:
    """The extents with the padding."""
    return tuple(b + n + a for b, n, a in zip(window.before, extents, window.after, strict=True))


def _moves(window: Window, extents: Shape) -> Iterator[tuple[Cut, Cut]]:
    """For each kernel position after the first axis: where the windows hold it, and where the data are read."""
    axes = range(1, window.rank)
    reads = [window.positions(axis, extents) for axis in axes]
    inside = [(at >= 0) & (at < extents[axis]) for axis, at in zip(axes, reads, strict=True)]
    for k in product(*(range(window.kernel[axis]) for axis in axes)):
        rows = [np.flatnonzero(i[:, j]) for i, j in zip(inside, k, strict=True)]
        if all(r.size for r in rows):
            places = tuple(slice(int(r[0]), int(r[-1]) + 1) for r in rows)
            cuts = tuple(
                slice(int(at[r[0], j]), int(at[r[-1], j]) + 1, window.strides[axis])
                for at, r, j, axis in zip(reads, rows, k, axes, strict=True)
            )
            yield (ALL, ALL, *k, ALL, *places), (ALL, ALL, ALL, *cuts)
