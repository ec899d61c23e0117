"""Convolution of batches fast: windows side by side in a matrix, products by BLAS in a float type that is exact.

For the simulator only. Samples lie along the last axis, so that copies and products run over long rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from hwq.ir.hardware import Shape
from hwq.ir.window import Window
from hwq.kernels.blocked_matmul import Blocks

PIECE, ALONE = 1 << 21, 1 << 18  # elements of the matrix of windows held at once; a sample with more of them goes alone

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Columns:
    """Convolution of (C, ..., batch) data with weights (M, C / groups, ...), summed in `blocks` that are exact."""

    weights: Array
    blocks: Blocks
    window: Window
    groups: int
    pad: int

    @property
    def n_in(self) -> int:
        return int(self.weights.shape[1])

    def pieces(self, outputs: Shape) -> int:
        """Samples at once: long rows for small images, for large ones a matrix that stays in the cache."""
        size = self.groups * self.n_in * self.window.taps * prod(outputs)
        return PIECE // size if size < ALONE else 1

    def __call__(self, data: Array, outputs: Shape) -> Array:
        """(M, outputs..., batch) sums of products."""
        padded = self._padded(data)
        grouped = padded.reshape(self.groups, self.n_in, *padded.shape[1:])
        if self.groups > 1 and self.weights.shape[0] == self.groups:
            return self._depthwise(grouped, outputs)
        return self._multiplied(grouped, outputs)

    def _padded(self, data: Array) -> Array:
        """The data in the working dtype, with the padding's code around the spatial axes."""
        dtype, window = self.weights.dtype, self.window
        if not window.padded:
            return np.ascontiguousarray(data, dtype=dtype)
        extents = data.shape[1:-1]
        full = [n + b + a for n, b, a in zip(extents, window.before, window.after, strict=True)]
        out = np.full((data.shape[0], *full, data.shape[-1]), self.pad, dtype=dtype)
        inner = tuple(slice(b, b + n) for n, b in zip(extents, window.before, strict=True))
        out[(slice(None), *inner, slice(None))] = data
        return out

    def _read(self, grouped: Array, outputs: Shape, k: Shape) -> Array:
        """What kernel position k reads of (groups, C, ..., batch) data."""
        place: tuple[Any, ...] = (..., *self.window.cuts(outputs, k), slice(None))
        return np.asarray(grouped[place])

    def _depthwise(self, grouped: Array, outputs: Shape) -> Array:
        """One output channel a group: products and sums of whole channels."""
        acc = np.zeros((self.groups, *outputs, grouped.shape[-1]), dtype=self.weights.dtype)
        column = (-1,) + (1,) * (len(outputs) + 1)
        for k in product(*map(range, self.window.kernel)):
            part = self._read(grouped, outputs, k)
            for c in range(self.n_in):
                place: tuple[Any, ...] = (slice(None), c, *k)
                acc += part[:, c] * self.weights[place].reshape(column)
        return acc

    def _multiplied(self, grouped: Array, outputs: Shape) -> Array:
        """One product of matrices a group."""
        batch, kernel = grouped.shape[-1], self.window.kernel
        if self.window.taps == 1:
            columns = self._read(grouped, outputs, (0,) * len(outputs))
        else:
            columns = np.empty((self.groups, self.n_in, *kernel, *outputs, batch), dtype=self.weights.dtype)
            for k in product(*map(range, kernel)):
                place: tuple[Any, ...] = (slice(None), slice(None), *k)
                columns[place] = self._read(grouped, outputs, k)
        matrix = self.weights.reshape(self.groups, -1, self.n_in * self.window.taps)
        flat = columns.reshape(self.groups, self.n_in * self.window.taps, -1)
        return self.blocks.product(matrix, flat).reshape(-1, *outputs, batch)
