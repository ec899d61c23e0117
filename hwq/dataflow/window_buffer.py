"""Sliding windows over a stream of pixels: lines of the image held, the window itself in registers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from hwq.dataflow.actor import Actor
from hwq.dataflow.process import Process
from hwq.ir.hardware import Shape
from hwq.ir.window import Window
from hwq.numeric.fixed import Codes, FixedType

Pair = tuple[int, int]


@dataclass(frozen=True)
class Raster:
    """A window that walks over images pixel by pixel, padding included: one firing takes a token, or makes padding.

    Rows and columns that no output needs are read too; the window is complete at the last of its pixels.
    """

    images: int
    channels: int
    extents: Pair  # of the data
    kernel: Pair
    strides: Pair
    dilations: Pair
    before: Pair
    outputs: Pair

    @staticmethod
    def of(shape: Shape, window: Window) -> Raster:
        """For (N, C, ...) data of one or two axes, and a window over these."""
        line = len(shape) == 3

        def pair(values: Shape, fill: int) -> Pair:
            return (fill, values[0]) if line else (values[0], values[1])

        spatial = shape[2:]
        return Raster(
            shape[0],
            shape[1],
            pair(spatial, 1),
            pair(window.kernel, 1),
            pair(window.strides, 1),
            pair(window.dilations, 1),
            pair(window.before, 0),
            pair(window.outputs(spatial), 1),
        )

    @property
    def taps(self) -> int:
        return prod(self.kernel)

    @property
    def reach(self) -> Pair:
        """Rows and columns from the window's first pixel to its last."""
        (kh, kw), (dh, dw) = self.kernel, self.dilations
        return (kh - 1) * dh + 1, (kw - 1) * dw + 1

    @property
    def walk(self) -> Pair:
        """Rows and columns that are walked over: all of the data, and padding as far as outputs need it."""
        h, w = (
            max(b + n, (o - 1) * s + r)
            for b, n, o, s, r in zip(self.before, self.extents, self.outputs, self.strides, self.reach, strict=True)
        )
        return h, w

    @property
    def padded(self) -> tuple[Pair, Pair]:
        """Whether the walk leaves the data, before and after it, per axis."""
        ends = [b + n for b, n in zip(self.before, self.extents, strict=True)]
        rows, columns = ((int(b > 0), int(w > e)) for b, w, e in zip(self.before, self.walk, ends, strict=True))
        return rows, columns

    def inside(self) -> Codes:
        """(rows, columns) of the walk: where a pixel of the data is."""
        rows, columns = (
            (np.arange(w) >= b) & (np.arange(w) < b + n)
            for w, b, n in zip(self.walk, self.before, self.extents, strict=True)
        )
        return np.asarray(rows[:, None] & columns[None, :])

    def complete(self) -> Codes:
        """(rows, columns) of the walk: where a window is complete."""
        rows, columns = (
            (np.arange(w) >= r - 1) & ((np.arange(w) - (r - 1)) % s == 0)
            for w, r, s in zip(self.walk, self.reach, self.strides, strict=True)
        )
        return np.asarray(rows[:, None] & columns[None, :])


@dataclass(frozen=True)
class Sliding(Process):
    """A process that slides a window: `emit` says what it makes of each complete one.

    Windows are complete channel by channel where `apart`, else with the last channels of their last pixel.
    """

    raster: Raster
    pad: int  # the code outside the data
    tap: FixedType  # holds both

    @property
    def apart(self) -> bool:
        """Whether each token of a pixel completes a window of its own channels."""
        return True

    @property
    def chunks(self) -> int:
        """Tokens of a pixel."""
        return self.raster.channels // self.reads[0].lanes

    def actor(self) -> Actor:
        r, chunks = self.raster, self.chunks
        last = np.arange(chunks) == chunks - 1
        inside = np.broadcast_to(r.inside()[None, :, :, None], (r.images, *r.walk, chunks))
        complete = r.complete()[None, :, :, None] & (np.ones(chunks, dtype=bool) if self.apart else last)
        complete = np.broadcast_to(complete, inside.shape)
        return Actor(
            self.name,
            inside.size,
            {self.reads[0].name: np.flatnonzero(inside)},
            {self.writes[0].name: np.flatnonzero(complete)},
            latency=4,
        )

    def context(self) -> Mapping[str, Any]:
        return {"r": self.raster, "chunks": self.chunks}

    @property
    def buffered_bits(self) -> int:
        rows, columns = self.raster.reach
        held = (rows - 1) * self.raster.walk[1] + rows * columns
        return held * self.raster.channels * self.tap.width


@dataclass(frozen=True)
class Windows(Sliding):
    """Whole windows as tokens: taps over kernel positions, in each over channels, of all or of one token of a pixel."""

    by_token: bool = False

    @property
    def template(self) -> str:
        return "stream/windows.h.j2"

    @property
    def apart(self) -> bool:
        return self.by_token

    @property
    def summary(self) -> str:
        kh, kw = self.raster.kernel
        rows = self.raster.reach[0] - 1
        return f"windows of {kh} x {kw} pixels, {rows} lines held"
