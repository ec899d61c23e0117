"""gather: each axis of y names positions of the same axis of x, or none, where a constant stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from hwq.ir.hardware import Edge
from hwq.ir.selection import Selection
from hwq.netlist.builder import Builder
from hwq.netlist.circuit import Signals
from hwq.numeric.fixed import Codes, FixedType
from hwq.ops.base import Kernel, Op, Rom, Sample, held, inverse, quick_dtype, wide_constant


@dataclass(frozen=True, eq=False)
class GatherAxis:
    """One loop: its position in x is `(start + step * o) / divisor`, or what a ROM says; outside x stands the fill."""

    name: str
    extent: int  # of x
    outputs: int
    start: int = 0
    step: int = 1
    divisor: int = 1
    below: bool = False  # whether positions below 0 occur
    above: bool = False
    positions: Codes | None = None  # where no rule says them


@dataclass(frozen=True, eq=False)
class Gather(Op):
    """`fill` is a code; axes that stay as they are run together in one loop."""

    kind = "gather"
    lean = True
    selection: Selection
    fill: int = 0

    def infer(self, inputs: tuple[Edge, ...]) -> tuple[Edge, ...]:
        (x,) = inputs
        shape = self.selection.shape
        if not self.selection.fills:
            return (replace(x, shape=shape),)
        lo, hi = min(x.lo, self.fill), max(x.hi, self.fill)
        kind = x.type if x.type.contains(lo, hi) else FixedType.covering(lo, hi, x.type.frac)
        return (Edge(shape, kind, lo, hi),)

    def axes(self) -> list[GatherAxis]:
        """The loops, outermost first; neighbouring axes that stay as they are become one."""
        loops: list[GatherAxis] = []
        still = 1
        for n, positions in zip(self.selection.extents, self.selection.axes, strict=True):
            if positions is None:
                still *= n
                continue
            if still > 1:
                loops.append(GatherAxis(str(len(loops)), still, still))
            still = 1
            loops.append(_loop(str(len(loops)), n, positions))
        if still > 1 or not loops:
            loops.append(GatherAxis(str(len(loops)), still, still))
        return loops

    def prepare(self, inputs: tuple[Edge, ...]) -> Kernel:
        (y,) = self.infer(inputs)
        dtype = quick_dtype(max(abs(y.lo), abs(y.hi)))

        def kernel(codes: Codes) -> tuple[Codes, ...]:
            return (self.selection.apply(held(codes, dtype), self.fill),)

        return kernel

    def netlist(self, b: Builder, inputs: tuple[Edge, ...], xs: tuple[Signals, ...]) -> tuple[Signals, ...]:
        fill = b.constant(self.fill) if self.selection.fills else 0
        return (self.selection.apply(xs[0][None], fill)[0],)

    def permuted(self, inputs: tuple[Edge, ...], perm: tuple[int, ...]) -> Op:
        return replace(self, selection=self.selection.permuted(inverse(perm)))

    def roms(self) -> tuple[Rom, ...]:
        """Positions of the axes that follow no rule, one per output position; a fill that no C++ literal holds."""
        roms = list(wide_constant("fill", self.fill))
        for axis in self.axes():
            if axis.positions is None:
                continue
            kind = FixedType.covering(int(axis.positions.min()), int(axis.positions.max()))
            roms.append(Rom(f"positions{axis.name}", axis.positions.reshape(-1, 1), kind))
        return tuple(roms)

    def lanes_in_out(self, inputs: tuple[Edge, ...]) -> tuple[int, int]:
        return 1, 1

    def cycles(self, inputs: tuple[Edge, ...]) -> int:
        return prod(self.selection.shape)

    def __str__(self) -> str:
        sizes = ",".join("-" if p is None else str(len(p)) for p in self.selection.axes)
        return f"gather[{sizes}{f' fill {self.fill}' if self.selection.fills else ''}]"

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        x = Edge.covering((1, 3, 4, 5), -8, 7, 2)

        def take(axis: int, *positions: int, fill: int = 0) -> Gather:
            return cls(Selection.along(x.shape, axis, positions), fill)

        yield Sample("slice", take(2, 1, 2), (x,))
        yield Sample("reversed", take(3, 4, 2, 0), (x,))
        yield Sample("padded", take(2, -1, -1, 0, 1, 2, 3, -1, fill=-3), (x,))
        yield Sample("fill_outside_type", take(3, -1, 0, 1, 2, 3, 4, fill=99), (x,))
        yield Sample("reflected", take(3, 2, 1, 0, 1, 2, 3, 4, 3), (x,))
        yield Sample("repeated", take(2, 0, 0, 1, 1, 2, 2, 3, 3), (x,))
        yield Sample("same", take(2, 1, 1, 1), (x,))
        yield Sample("stuffed", take(3, 0, -1, 1, -1, 2, -1, 3, -1, 4), (x,))
        two = Selection.of(x.shape, (None, None, [0, 0, 1, 1, 2, 2, 3, 3], [3, 0, 0, 4]))
        yield Sample("two_axes", cls(two), (x,))
        yield Sample("one", take(1, 2), (x,))
        pixel = Edge.covering((1, 3, 1, 1), -8, 7, 2)
        yield Sample("pixel_padded", cls(Selection.along(pixel.shape, 3, [-1, 0]), 1), (pixel,))
        wide = Edge.covering((2, 3), -(1 << 70), 1 << 70)
        yield Sample("past_int64", cls(Selection.along((2, 3), 0, [1, -1, 0]), 1 << 71), (wide,))


def _loop(name: str, n: int, positions: Codes) -> GatherAxis:
    """The rule that positions follow, outside which only fills lie; a table where there is none."""
    o = np.arange(len(positions))
    inside = np.nonzero(positions >= 0)[0]
    if inside.size:
        first = int(inside[0])
        step = int(positions[first + 1] - positions[first]) if first + 1 in inside else 1
        start = int(positions[first]) - first * step
        at = start + o * step
        if step and np.array_equal(np.where((at >= 0) & (at < n), at, -1), positions):
            return GatherAxis(name, n, o.size, start, step, 1, bool((at < 0).any()), bool((at >= n).any()))
        run = int((positions == 0).sum())
        if run and np.array_equal(o // run, positions):
            return GatherAxis(name, n, o.size, divisor=run)
    return GatherAxis(name, n, o.size, below=bool((positions < 0).any()), positions=positions)
