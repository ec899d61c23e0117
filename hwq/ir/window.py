"""Sliding windows: where a kernel reads as it moves over a tensor, and how much of it lies in the padding.

output[o] reads input[o * stride - before + k * dilation] for k in 0..kernel-1, on every axis (ONNX Conv, MaxPool).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from hwq.ir.hardware import Shape
from hwq.numeric.fixed import Codes


class Reduction(enum.Enum):
    """What becomes of the elements of a window."""

    LARGEST = "max"
    LEAST = "min"
    SUM = "sum"


@dataclass(frozen=True)
class WindowAxis:
    """One axis of a window over data of a known extent, as a loop nest needs it."""

    name: str
    extent: int
    outputs: int
    kernel: int
    stride: int
    dilation: int
    before: int
    below: bool  # whether positions before the data are read
    above: bool  # whether positions after it are
    inner: int  # kernel positions of the axes after this one


@dataclass(frozen=True)
class Window:
    """One entry per axis of the tensor it slides over. `before`/`after`: positions outside the data, at each end."""

    kernel: Shape
    strides: Shape
    dilations: Shape
    before: Shape
    after: Shape

    @staticmethod
    def over(extents: Shape, axes: tuple[int, ...]) -> Window:
        """The window that spans the given axes whole."""
        ones, none = (1,) * len(extents), (0,) * len(extents)
        return Window(tuple(n if i in axes else 1 for i, n in enumerate(extents)), ones, ones, none, none)

    @property
    def rank(self) -> int:
        return len(self.kernel)

    @property
    def taps(self) -> int:
        """Positions of the kernel."""
        return prod(self.kernel)

    @property
    def padded(self) -> bool:
        return any(self.before) or any(self.after)

    def permuted(self, perm: tuple[int, ...]) -> Window:
        """The window over the transpose by `perm`."""
        parts = (self.kernel, self.strides, self.dilations, self.before, self.after)
        return Window(*(tuple(part[p] for p in perm) for part in parts))

    def outputs(self, extents: Shape) -> Shape:
        """How often the kernel fits, per axis."""
        return tuple(
            (n + b + a - d * (k - 1) - 1) // s + 1
            for n, k, s, d, b, a in zip(
                extents, self.kernel, self.strides, self.dilations, self.before, self.after, strict=True
            )
        )

    def moves(self) -> tuple[bool, ...]:
        """Per axis, whether output i is anything but input i."""
        still = (1, 1, 0, 0)
        return tuple(
            (k, s, b, a) != still for k, s, b, a in zip(self.kernel, self.strides, self.before, self.after, strict=True)
        )

    def loops(self, extents: Shape, names: tuple[str, ...]) -> list[WindowAxis]:
        """The axes as loops, in order."""
        outputs = self.outputs(extents)
        axes = []
        for i, name in enumerate(names):
            at = self.positions(i, extents)
            axes.append(
                WindowAxis(
                    name,
                    extents[i],
                    outputs[i],
                    self.kernel[i],
                    self.strides[i],
                    self.dilations[i],
                    self.before[i],
                    bool((at < 0).any()),
                    bool((at >= extents[i]).any()),
                    prod(self.kernel[i + 1 :]),
                )
            )
        return axes

    def positions(self, axis: int, extents: Shape) -> Codes:
        """(outputs, kernel) input positions read along an axis; some lie outside the data."""
        o = np.arange(self.outputs(extents)[axis])[:, None] * self.strides[axis]
        return np.asarray(o - self.before[axis] + np.arange(self.kernel[axis])[None, :] * self.dilations[axis])

    def counts(self, extents: Shape, margins: tuple[Shape, Shape] | None = None) -> Codes:
        """Kernel positions inside the data, per output position; `margins` (before, after) count as data."""
        before, after = margins or ((0,) * self.rank, (0,) * self.rank)
        total = np.ones((1,) * self.rank, dtype=np.int64)
        for axis, n in enumerate(extents):
            at = self.positions(axis, extents)
            inside = ((at >= -before[axis]) & (at < n + after[axis])).sum(axis=1)
            total = total * inside.reshape([-1 if i == axis else 1 for i in range(self.rank)])
        return total

    def slices(self, padded: npt.NDArray[Any], outputs: Shape, k: Shape) -> npt.NDArray[Any]:
        """What kernel position k reads, for all outputs: a view of padded data whose last axes the window spans."""
        place: tuple[Any, ...] = (..., *self.cuts(outputs, k))
        return np.asarray(padded[place])

    def cuts(self, outputs: Shape, k: Shape) -> tuple[slice, ...]:
        """Where kernel position k reads along each axis of padded data, for all outputs."""
        return tuple(
            slice(i * d, i * d + (o - 1) * s + 1, s)
            for i, d, s, o in zip(k, self.dilations, self.strides, outputs, strict=True)
        )
