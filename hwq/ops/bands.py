"""Convolution of few samples, or of channels on their own, as one product of matrices with the kernel's rows as bands.

For the simulator only. The matrix has the kernel at every position along the first axis, zeros between; of the other
axes the windows are laid side by side. More products than there need be, in far fewer and larger steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from hwq.ir import Shape
from hwq.window import Window

Array = npt.NDArray[Any]
Cut = tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Bands:
    """Convolution of (batch, C, ...) data; `matrix` is (groups, outputs of a channel and row, inputs of them)."""

    matrix: Array
    outputs: Shape
    padded: Shape | None  # the extents with the padding, where there is any
    inner: Cut  # where the data lie within them
    pad: int
    columns: tuple[tuple[Cut, Cut], ...]  # where each position across goes in the matrix of windows, and what it reads
    rest: Shape  # the kernel's extents after the first

    @staticmethod
    def size(weights: Array, window: Window, extents: Shape) -> int:
        """Elements of the matrix for weights (M, C / groups, ...)."""
        rows = int(weights.shape[0]) * window.outputs(extents)[0]
        return rows * int(weights.shape[1]) * prod(window.kernel[1:]) * _padded(window, extents)[0]

    @staticmethod
    def of(weights: Array, window: Window, groups: int, pad: int, extents: Shape) -> Bands:
        """From weights of a dtype that holds every partial sum."""
        outputs, n_in, rest = window.outputs(extents), int(weights.shape[1]), window.kernel[1:]
        row = np.arange(outputs[0])
        banded = np.zeros((weights.shape[0], outputs[0], n_in, *rest, _padded(window, extents)[0]), dtype=weights.dtype)
        for k in range(window.kernel[0]):
            place = row * window.strides[0] + k * window.dilations[0]
            banded[:, row, ..., place] = weights[:, :, k]
        every = slice(None)
        columns = tuple(
            ((every, every, *k), (every, every, every, *window.cuts(outputs, (0, *k))[1:]))
            for k in product(*map(range, rest))
        )
        inner = tuple(slice(b, b + n) for n, b in zip(extents, window.before, strict=True))
        return Bands(
            banded.reshape(groups, -1, n_in * prod(banded.shape[3:])),
            outputs,
            _padded(window, extents) if window.padded else None,
            (every, every, *inner),
            pad,
            columns,
            rest,
        )

    def __call__(self, data: Array) -> Array:
        """(batch, M, outputs...) sums of products."""
        batch, channels, dtype = data.shape[0], data.shape[1], self.matrix.dtype
        if self.padded:
            padded = np.zeros((batch, channels, *self.padded), dtype=dtype)
            if self.pad:
                padded += dtype.type(self.pad)
            padded[self.inner] = data
            data = padded
        windows = np.empty((batch, channels, *self.rest, data.shape[2], *self.outputs[1:]), dtype=dtype)
        for place, cut in self.columns:
            windows[place] = data[cut]
        groups, _, taps = self.matrix.shape
        sums = self.matrix @ windows.reshape(batch, groups, taps, -1)
        return np.asarray(sums.reshape(batch, -1, *self.outputs))


def _padded(window: Window, extents: Shape) -> Shape:
    """The extents with the padding."""
    return tuple(b + n + a for b, n, a in zip(window.before, extents, window.after, strict=True))
