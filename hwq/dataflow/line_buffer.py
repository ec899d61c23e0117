"""Windows pixel by pixel: lines of the image in a memory, of which every tap of a window is read in turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hwq.dataflow.actor import Actor
from hwq.dataflow.process import Process
from hwq.dataflow.window_buffer import Raster
from hwq.numeric.fixed import Codes, FixedType


@dataclass(frozen=True)
class Lines(Process):
    """Each step takes a token of the image where there is room for it, and gives a token of a window where it is there.

    A window is given position by position, in each over the channels. A pixel's place is free again when the window has
    passed it for the last time; whether a step takes and gives depends on places alone, never on data.
    """

    raster: Raster
    pad: int  # the code outside the data
    tap: FixedType  # holds both

    @property
    def template(self) -> str:
        return "stream/lines.h.j2"

    @property
    def chunks(self) -> int:
        """Tokens of a pixel."""
        return self.raster.channels // self.reads[0].lanes

    @property
    def held(self) -> int:
        """Rows of the image that have a place."""
        r = self.raster
        return min(r.extents[0], r.reach[0] - 1 + r.strides[0])

    @cached_property
    def steps(self) -> tuple[Codes, Codes]:
        """The step at which each token of an image is taken, and each of its windows given."""
        r = self.raster
        (height, width), (oh, ow) = r.extents, r.outputs
        (sh, sw), (dh, _), (ph, pw) = r.strides, r.dilations, r.before
        taken = np.zeros(height * width * self.chunks, dtype=np.int64)
        given = np.zeros(oh * ow * r.taps * self.chunks, dtype=np.int64)
        row, window = width * self.chunks, r.taps * self.chunks
        columns = np.arange(row) // self.chunks

        def take(y: int) -> None:
            ready = np.zeros(row, dtype=np.int64)
            free = y - self.held
            if free >= 0 and (free + ph) // sh < oh:
                passed = (free + ph) // sh * ow + np.minimum((columns + pw) // sw + 1, ow)
                ready = given[passed * window - 1] + 1
            elif free >= 0:
                ready[:] = given[-1] + 1
            before = taken[y * row - 1] + 1 if y else 0
            taken[y * row : (y + 1) * row] = _following(ready, before)

        following = 0
        for oy in range(oh):
            while following <= min(height - 1, oy * sh - ph + (r.kernel[0] - 1) * dh):
                take(following)
                following += 1
            needed = self._needed(oy)
            ready = np.where(needed >= 0, taken[np.maximum(needed, 0)] + 1, 0)
            before = given[oy * ow * window - 1] + 1 if oy else 0
            given[oy * ow * window : (oy + 1) * ow * window] = _following(ready, before)
        for y in range(following, height):
            take(y)
        return taken, given

    def _needed(self, oy: int) -> Codes:
        """Per token of a row of windows, the token of the image in it; -1: padding."""
        r = self.raster
        (height, width), (kh, kw) = r.extents, r.kernel
        iy = (oy * r.strides[0] - r.before[0] + np.arange(kh) * r.dilations[0])[None, :, None, None]
        at = np.arange(r.outputs[1])[:, None] * r.strides[1] - r.before[1] + np.arange(kw) * r.dilations[1]
        ix = at[:, None, :, None]
        inside = (iy >= 0) & (iy < height) & (ix >= 0) & (ix < width)
        place = (iy * width + ix) * self.chunks + np.arange(self.chunks)
        return np.asarray(np.where(inside, place, -1).reshape(-1))

    @property
    def trips(self) -> int:
        """Steps of an image."""
        taken, given = self.steps
        return int(max(taken[-1], given[-1])) + 1

    def actor(self) -> Actor:
        (x,), (y,) = self.reads, self.writes
        images = np.arange(self.raster.images, dtype=np.int64)[:, None] * self.trips
        taken, given = ((images + part).reshape(-1) for part in self.steps)
        return Actor(self.name, self.trips * self.raster.images, {x.name: taken}, {y.name: given}, latency=4)

    def context(self) -> Mapping[str, Any]:
        return {"r": self.raster, "chunks": self.chunks}

    @property
    def summary(self) -> str:
        kh, kw = self.raster.kernel
        return f"windows of {kh} x {kw} pixels, one pixel after the other, {self.held} lines held"

    @property
    def buffered_bits(self) -> int:
        return self.held * self.raster.extents[1] * self.raster.channels * self.reads[0].type.width


def _following(ready: Codes, first: int) -> Codes:
    """One step after the other from `first` on, none before it is ready."""
    count = np.arange(ready.size)
    return np.asarray(count + np.maximum.accumulate(np.maximum(ready, first) - count))
