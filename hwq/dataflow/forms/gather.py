"""Gather: slices, padding and stuffing as tokens pass, repeated rows and columns from one line of the image.

Where an axis neither repeats a position nor goes back, each step of it takes one position of x, gives one of y, or
does both. Rows and columns that repeat, in order, are read from the row that is held. The rest works on whole tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import gcd, prod
from typing import Any

import numpy as np

from hwq.dataflow.actor import Actor
from hwq.dataflow.order import Order
from hwq.dataflow.planner import Form, Planner, Wish
from hwq.dataflow.process import Fifo, Process
from hwq.dataflow.processes import every
from hwq.ir.hardware import Node
from hwq.numeric.fixed import Codes, FixedType
from hwq.ops import Gather, Rom

Axis = tuple[int, Codes | None]  # an extent, and the positions taken of it


@dataclass(frozen=True)
class Steps:
    """The steps of an axis at which something happens: start, start + step, ... below stop."""

    start: int
    stop: int
    step: int

    @staticmethod
    def of(flags: Codes) -> Steps | None:
        """The rule that the flags follow, if any."""
        at = np.flatnonzero(flags)
        if at.size == 0:
            return Steps(0, 0, 1)
        step = int(at[1] - at[0]) if at.size > 1 else 1
        found = Steps(int(at[0]), int(at[-1]) + 1, step)
        return found if np.array_equal(found.flags(flags.size), flags) else None

    def flags(self, trips: int) -> Codes:
        """Per step, whether it happens."""
        t = np.arange(trips)
        return np.asarray((t >= self.start) & (t < self.stop) & ((t - self.start) % self.step == 0))


@dataclass(frozen=True)
class PassAxis:
    """One loop: how many steps it has, and at which of them x is read and y written."""

    trips: int
    reads: Steps
    writes: Steps

    @staticmethod
    def of(extent: int, positions: Codes | None) -> PassAxis | None:
        """The loop over an axis; None where it repeats or goes back, or follows no rule."""
        if positions is None:
            return PassAxis(extent, Steps(0, extent, 1), Steps(0, extent, 1))
        taken: list[tuple[bool, bool]] = []
        following = 0
        for p in positions.tolist():
            if p < 0:
                taken.append((False, True))
            elif p < following:
                return None
            else:
                taken += [(True, False)] * (p - following) + [(True, True)]
                following = p + 1
        taken += [(True, False)] * (extent - following)
        flags = np.asarray(taken)
        reads, writes = Steps.of(flags[:, 0]), Steps.of(flags[:, 1])
        return None if reads is None or writes is None else PassAxis(len(taken), reads, writes)

    def divided(self, lanes: int) -> PassAxis:
        """The same over tokens of neighbours."""

        def shorter(s: Steps) -> Steps:
            return Steps(s.start // lanes, -(-s.stop // lanes), s.step)

        return PassAxis(self.trips // lanes, shorter(self.reads), shorter(self.writes))

    def lanes(self, most: int) -> int:
        """The widest token, of a width that divides `most`, that is read and written whole."""
        if self.reads.step > 1 or self.writes.step > 1:
            return 1
        return gcd(most, self.trips, self.reads.start, self.reads.stop, self.writes.start, self.writes.stop)


@dataclass(frozen=True)
class Passing(Process):
    """Tokens pass, are dropped, or are made of the fill."""

    op: Gather
    axes: tuple[PassAxis, ...]

    @property
    def template(self) -> str:
        return "stream/passing.h.j2"

    def actor(self) -> Actor:
        reads, writes = np.ones(1, dtype=bool), np.ones(1, dtype=bool)
        for axis in self.axes:
            reads = np.logical_and.outer(reads, axis.reads.flags(axis.trips)).reshape(-1)
            writes = np.logical_and.outer(writes, axis.writes.flags(axis.trips)).reshape(-1)
        (x,), (y,) = self.reads, self.writes
        return Actor(self.name, reads.size, {x.name: np.flatnonzero(reads)}, {y.name: np.flatnonzero(writes)})

    def context(self) -> Mapping[str, Any]:
        return {"op": self.op}

    @property
    def summary(self) -> str:
        return f"{self.op}, as tokens pass"


@dataclass(frozen=True)
class Repeating(Process):
    """Rows are held one at a time, and given as often as they are wanted, columns as often as they are."""

    op: Gather
    images: int
    rows: Codes  # per row of x, how often it is given
    columns: Codes  # per column of y, that of x
    width: int

    @property
    def template(self) -> str:
        return "stream/repeating.h.j2"

    @property
    def chunks(self) -> int:
        """Tokens of a pixel."""
        return self.reads[0].tokens // (self.images * len(self.rows) * self.width)

    @property
    def times(self) -> int:
        """How often every row is given; 0: not all as often."""
        counts = set(self.rows.tolist())
        return counts.pop() if len(counts) == 1 else 0

    @property
    def factor(self) -> int:
        """How often every column is given; 0: not all as often."""
        factor = len(self.columns) // self.width
        return factor if factor and np.array_equal(np.arange(len(self.columns)) // factor, self.columns) else 0

    def roms(self) -> tuple[Rom, ...]:
        found = []
        for role, codes, plain in (("rows", self.rows, self.times), ("columns", self.columns, self.factor)):
            if not plain:
                kind = FixedType.covering(int(codes.min()), int(codes.max()))
                found.append(Rom(role, codes.reshape(-1, 1), kind))
        return tuple(found)

    def actor(self) -> Actor:
        given = len(self.columns) * self.chunks
        taken = self.width * self.chunks
        start = np.concatenate([[0], np.cumsum(taken + self.rows * given)])
        image = int(start[-1])
        reads = (start[:-1, None] + np.arange(taken)).reshape(-1)
        writes = np.concatenate([s + taken + np.arange(k * given) for s, k in zip(start, self.rows, strict=False)])
        firsts = every(self.images, image)[:, None]
        (x,), (y,) = self.reads, self.writes
        return Actor(
            self.name,
            image * self.images,
            {x.name: (firsts + reads).reshape(-1).astype(np.int64)},
            {y.name: (firsts + writes).reshape(-1).astype(np.int64)},
        )

    def context(self) -> Mapping[str, Any]:
        return {"op": self.op}

    @property
    def summary(self) -> str:
        return f"{self.op}, one row held"

    @property
    def buffered_bits(self) -> int:
        return self.width * self.chunks * self.reads[0].lanes * self.reads[0].type.width


def _axes(op: Gather, order: Order, shape: tuple[int, ...], images: bool) -> list[Axis] | None:
    """Extents and positions in sequence, pixel by pixel or flat; axes that stay as they are run together."""
    s = op.selection
    sequence = range(len(shape))
    if images:
        if len(shape) < 3 or order != Order.of_images(shape):
            return None
        sequence = (0, *range(2, len(shape)), 1)  # type: ignore[assignment]
    axes: list[Axis] = []
    for i in sequence:
        positions = s.axes[i]
        if positions is None and axes and axes[-1][1] is None:
            axes[-1] = (axes[-1][0] * s.extents[i], None)
        else:
            axes.append((s.extents[i], positions))
    return axes


def _build(planner: Planner, node: Node) -> bool:
    (x,), (y,), op = planner.graph.ins(node), planner.graph.outs(node), node.op
    assert isinstance(op, Gather)
    if op.roms() and any(r.role == "fill" for r in op.roms()):
        return False
    fifo = planner.peek(node.inputs[0])
    images = not fifo.order.is_flat or _is_image(op, fifo.order)  # of one pixel both are the same: y may have more
    axes = _axes(op, fifo.order, x.shape, images)
    if axes is None:
        return False
    order = Order.of_images(y.shape) if images else Order.flat(y.size)
    passes = [PassAxis.of(*axis) for axis in axes]
    if all(p is not None for p in passes):
        return _pass(planner, node, op, [p for p in passes if p is not None], order)
    return _repeat(planner, node, op, order)


def _is_image(op: Gather, order: Order) -> bool:
    """Whether a flat order of the input is that of images too, and that of the output is wanted so."""
    e = op.selection.extents
    return len(e) >= 3 and order == Order.of_images(e) and all(p is None for p in op.selection.axes[:2])


def _pass(planner: Planner, node: Node, op: Gather, axes: list[PassAxis], order: Order) -> bool:
    fifo = planner.read(node.inputs[0])
    lanes = axes[-1].lanes(fifo.lanes)
    fifo = planner.wide(fifo, lanes)
    out = planner.written(node.outputs[0], order, lanes)
    if out is None:
        return False
    walk = (*axes[:-1], axes[-1].divided(lanes))
    planner.add(Passing(planner.functions[node.outputs[0]], node.name, (fifo,), (out,), op, walk))
    return True


def _repeat(planner: Planner, node: Node, op: Gather, order: Order) -> bool:
    s = op.selection
    shape = s.extents
    if s.fills or len(shape) not in (3, 4) or any(p is not None for p in s.axes[:2]):
        return False
    if planner.peek(node.inputs[0]).order != Order.of_images(shape):
        return False
    spatial = [np.arange(n) if p is None else p for n, p in zip(shape[2:], s.axes[2:], strict=True)]
    if any((np.diff(p) < 0).any() for p in spatial):
        return False
    if len(shape) == 3:
        spatial = [np.zeros(1, dtype=np.int64), *spatial]
    rows = np.bincount(spatial[0], minlength=prod(shape[2:-1]))
    fifo: Fifo = planner.divided(planner.read(node.inputs[0]), shape[1])
    out = planner.written(node.outputs[0], Order.of_images(s.shape), fifo.lanes)
    if out is None:
        return False
    name = planner.functions[node.outputs[0]]
    planner.add(Repeating(name, node.name, (fifo,), (out,), op, shape[0], rows, spatial[1], shape[-1]))
    return True


def _wish(planner: Planner, node: Node, i: int) -> Wish:
    (x,), s = planner.graph.ins(node), node.op.selection  # type: ignore[attr-defined]
    if len(x.shape) < 3:
        return Wish(Order.flat(x.size))
    after = planner.wish(node.outputs[0])
    if after.order is None or after.order == Order.of_images(s.shape):
        return Wish(Order.of_images(x.shape), x.shape[1])
    return Wish(Order.flat(x.size))


GATHER = Form(_build, _wish)
