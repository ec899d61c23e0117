"""pool: the largest, the least or the sum of each window, over any axes: MaxPool, average pools and reductions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod

import numpy as np

from hwq.errors import InternalError
from hwq.ir.hardware import Edge, Shape
from hwq.ir.window import Reduction, Window, WindowAxis
from hwq.netlist.builder import Builder
from hwq.netlist.circuit import Signals
from hwq.netlist.sums import Term, total
from hwq.numeric.fixed import Codes, FixedType
from hwq.ops.base import Kernel, Op, Rom, Sample, held, inverse, quick_dtype, wide_constant
from hwq.ops.parts.resources import Kind, Unit

PARALLEL_TAPS = 256  # elements of a window read in one cycle


GATHER_LIMIT, FEW_SAMPLES = 1 << 16, 4  # places read for a sample by one gather, and when to read so


@dataclass(frozen=True)
class Pool(Op):
    """The window spans all axes of x. Outside x stands the code `pad` in sums; extrema leave the outside out.

    Each cycle makes `lanes` outputs, neighbours along the longest axis on which the window does not move.
    """

    kind = "pool"
    lean = True
    scattered = True
    window: Window
    how: Reduction
    pad: int = 0
    lanes: int = 0  # 0: the whole axis at once

    def lane_axis(self, x: Edge) -> int | None:
        """The axis along which outputs are made at once: the channels."""
        still = [(n, -axis) for axis, (n, m) in enumerate(zip(x.shape, self.window.moves(), strict=True)) if not m]
        return -max(still)[1] if still else None

    @property
    def serial(self) -> bool:
        """Whether the window is too large to be read at once: one element a cycle instead."""
        return self.window.taps > PARALLEL_TAPS

    def array(self, x: Edge) -> int:
        """`lanes` as a number."""
        axis = self.lane_axis(x)
        return 1 if axis is None or self.serial else self.lanes or x.shape[axis]

    def axes(self, x: Edge) -> list[WindowAxis]:
        """The loops over all axes."""
        return self.window.loops(x.shape, tuple(str(i) for i in range(len(x.shape))))

    def _terms(self, x: Edge) -> tuple[int, int]:
        """Fewest and most elements of x in one window."""
        counts = self.window.counts(x.shape)
        return int(counts.min()), int(counts.max())

    def infer(self, inputs: tuple[Edge, ...]) -> tuple[Edge, ...]:
        (x,) = inputs
        shape, axis = self.window.outputs(x.shape), self.lane_axis(x)
        if axis is not None and x.shape[axis] % self.array(x):
            raise InternalError(f"{self.lanes} lanes of {x.shape[axis]} outputs")
        if self.how is not Reduction.SUM:
            return (replace(x, shape=shape),)
        taps = self.window.taps
        lows = [n * x.lo + (taps - n) * self.pad for n in self._terms(x)]
        highs = [n * x.hi + (taps - n) * self.pad for n in self._terms(x)]
        return (Edge.covering(shape, min(lows), max(highs), x.type.frac),)

    def accumulator(self, x: Edge) -> FixedType:
        """The running sum, in any order of addition; for extrema, x's type."""
        if self.how is not Reduction.SUM:
            return x.type
        taps = self.window.taps
        lo, hi = min(x.lo, self.pad, 0) * taps, max(x.hi, self.pad, 0) * taps
        return FixedType.covering(lo, hi, x.type.frac)

    def prepare(self, inputs: tuple[Edge, ...]) -> Kernel:
        (x,) = inputs
        (y,) = self.infer(inputs)
        total = self.accumulator(x)
        dtype = quick_dtype(max(abs(v) for v in (total.lo, total.hi, x.lo, x.hi)))
        outside = {Reduction.LARGEST: x.lo, Reduction.LEAST: x.hi, Reduction.SUM: self.pad}[self.how]
        join = {Reduction.LARGEST: np.maximum, Reduction.LEAST: np.minimum, Reduction.SUM: np.add}[self.how]
        whole = tuple(i + 1 for i, (k, n) in enumerate(zip(self.window.kernel, x.shape, strict=True)) if k == n > 1)
        others = [m for i, m in enumerate(self.window.moves()) if i + 1 not in whole]
        over_axes = not any(others) and not self.window.padded

        moving = [axis for axis, moves in enumerate(self.window.moves()) if moves]
        cuts = {axis: self._cuts(axis, y.shape) for axis in moving}
        few = None if self.window.padded or y.size * self.window.taps > GATHER_LIMIT else self._places(x)

        def kernel(codes: Codes) -> tuple[Codes, ...]:
            if few is not None and codes.shape[0] <= FEW_SAMPLES:
                taken = codes.reshape(codes.shape[0], -1).take(few, axis=1)
                return (join.reduce(held(taken, dtype), axis=1).reshape(codes.shape[0], *y.shape),)
            data = held(codes, dtype)
            if over_axes:
                return (join.reduce(data, axis=whole, keepdims=True),)
            acc = _padded(data, self.window, outside)
            for axis in moving:  # one after the other: sums and extrema of windows are those of their rows
                first, *others = [acc[cut] for cut in cuts[axis]]
                acc = first.copy(order="K")
                for part in others:
                    join(acc, part, out=acc)
            return (np.asarray(acc),)

        return kernel

    def netlist(self, b: Builder, inputs: tuple[Edge, ...], xs: tuple[Signals, ...]) -> tuple[Signals, ...]:
        (x,) = inputs
        outside = {Reduction.LARGEST: x.lo, Reduction.LEAST: x.hi, Reduction.SUM: self.pad}[self.how]
        margins = tuple(zip(self.window.before, self.window.after, strict=True))
        padded = np.pad(xs[0], margins, constant_values=b.constant(outside)) if self.window.padded else xs[0]
        outputs = self.window.outputs(x.shape)
        places = product(*map(range, self.window.kernel))
        taps = np.stack([self.window.slices(padded, outputs, k) for k in places], axis=-1)
        made = b.mapped("window", self._joined, taps.reshape(-1, self.window.taps))
        return (made.reshape(outputs),)

    def _joined(self, b: Builder, taps: Sequence[int]) -> list[int]:
        """The sum or the extremum of signals, in pairs."""
        if self.how is Reduction.SUM:
            return [total(b, [Term(s) for s in taps])]
        join, left = b.greater if self.how is Reduction.LARGEST else b.lesser, list(taps)
        while len(left) > 1:
            pairs = [join(*left[i : i + 2]) for i in range(0, len(left) - 1, 2)]
            left = pairs + left[2 * len(pairs) :]
        return left

    def _cuts(self, axis: int, outputs: Shape) -> list[tuple[slice, ...]]:
        """What each kernel position along an axis reads of (batch, ...) data."""
        every = (slice(None),) * (axis + 1)
        kernel, rank = self.window.kernel[axis], self.window.rank
        return [(*every, self.window.cuts(outputs, (k,) * rank)[axis]) for k in range(kernel)]

    def _places(self, x: Edge) -> Codes:
        """(taps, outputs): where in the flat tensor each kernel position reads; nothing lies in the padding."""
        flat, outputs = np.arange(x.size).reshape(x.shape), self.window.outputs(x.shape)
        taps = product(*map(range, self.window.kernel))
        return np.stack([self.window.slices(flat, outputs, k).reshape(-1) for k in taps])

    def permuted(self, inputs: tuple[Edge, ...], perm: tuple[int, ...]) -> Op:
        return replace(self, window=self.window.permuted(inverse(perm)))

    def units(self, inputs: tuple[Edge, ...]) -> tuple[Unit, ...]:
        (x,) = inputs
        count = 1 if self.serial else self.array(x) * (self.window.taps - 1)
        return (Unit(Kind.ADD if self.how is Reduction.SUM else Kind.COMPARE, count, self.accumulator(x).width),)

    def roms(self) -> tuple[Rom, ...]:
        return wide_constant("pad", self.pad)

    def lanes_in_out(self, inputs: tuple[Edge, ...]) -> tuple[int, int]:
        lanes = self.array(inputs[0])
        return (1, 1) if self.serial else (self.window.taps * lanes, lanes)

    def cycles(self, inputs: tuple[Edge, ...]) -> int:
        outputs = prod(self.window.outputs(inputs[0].shape)) // self.array(inputs[0])
        return outputs * self.window.taps if self.serial else outputs

    def __str__(self) -> str:
        size = "x".join(str(k) for k in self.window.kernel)
        return f"pool[{self.how.value} {size}]"

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        def window(k: int, s: int, d: int = 1, before: int = 0, after: int = 0) -> Window:
            return Window((1, 1, k, k), (1, 1, s, s), (1, 1, d, d), (0, 0, before, before), (0, 0, after, after))

        x = Edge.covering((1, 3, 5, 6), -8, 7, 3)
        for how in Reduction:
            yield Sample(how.value, cls(window(2, 2), how), (x,))
            yield Sample(f"{how.value}_padded", cls(window(3, 2, 1, 1, 1), how, 0 if how is not how.SUM else -5), (x,))
        yield Sample("folded", cls(window(2, 2), Reduction.LARGEST, lanes=1), (Edge.covering((1, 8, 4, 4), 0, 9),))
        yield Sample("two_lanes", cls(window(2, 1), Reduction.SUM, lanes=2), (Edge.covering((1, 4, 3, 3), 0, 9),))
        large = Edge.covering((1, 2, 17, 16), -8, 7)
        yield Sample("serial", cls(Window.over(large.shape, (2, 3)), Reduction.SUM), (large,))
        yield Sample("dilated", cls(window(2, 1, 2, 1, 0), Reduction.LARGEST), (x,))
        yield Sample("global", cls(Window.over((1, 3, 5, 6), (2, 3)), Reduction.SUM), (x,))
        yield Sample("across", cls(Window.over((1, 3, 5, 6), (1, 3)), Reduction.LEAST), (x,))
        yield Sample("pad_wide", cls(window(2, 1, 1, 1, 1), Reduction.SUM, 40), (x,))
        far = Edge.covering((1, 2, 2, 2), -(1 << 62), 1 << 62)
        yield Sample("past_int64", cls(Window.over((1, 2, 2, 2), (2, 3)), Reduction.SUM), (far,))
        wider = Edge.covering((1, 2, 2, 2), -(1 << 70), 1 << 70)
        for how in (Reduction.LARGEST, Reduction.LEAST):
            yield Sample(f"{how.value}_past_int64", cls(Window.over((1, 2, 2, 2), (2, 3)), how), (wider,))


def _padded(data: Codes, window: Window, outside: int) -> Codes:
    """The data with the code that stands outside it around."""
    if not window.padded:
        return data
    width = [(0, 0), *zip(window.before, window.after, strict=True)]
    out = np.empty([n + b + a for n, (b, a) in zip(data.shape, width, strict=True)], dtype=data.dtype)
    out.fill(outside)
    out[tuple(slice(b, b + n) for n, (b, _) in zip(data.shape, width, strict=True))] = data
    return out
