"""Pools: windows over the pixels of each channel; a window that spans all of them keeps one result a channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hwq.dataflow.actor import Actor
from hwq.dataflow.order import Order
from hwq.dataflow.planner import Form, Planner, Wish, covering
from hwq.dataflow.process import Process
from hwq.dataflow.processes import every
from hwq.dataflow.window_buffer import Raster, Sliding
from hwq.ir.hardware import Edge, Node
from hwq.ir.window import Reduction, Window
from hwq.ops import Pool

LITERAL_BITS = 63
REGISTERS = 4096  # elements of a window that can be held apart


@dataclass(frozen=True)
class Pooling(Sliding):
    """The extremum or the sum of each window."""

    op: Pool

    @property
    def template(self) -> str:
        return "stream/pool.h.j2"

    def context(self) -> Mapping[str, Any]:
        return {**super().context(), "op": self.op}

    @property
    def summary(self) -> str:
        return f"{self.op}, {self.raster.reach[0] - 1} lines held"


@dataclass(frozen=True)
class Reducing(Process):
    """One result a channel of each image."""

    op: Pool
    images: int
    pixels: int

    @property
    def template(self) -> str:
        return "stream/reduce.h.j2"

    @property
    def chunks(self) -> int:
        """Tokens of a pixel."""
        return self.writes[0].tokens // self.images

    def actor(self) -> Actor:
        (x,), (y,) = self.reads, self.writes
        image = self.pixels * self.chunks
        writes = (every(self.images, image)[:, None] + every(self.chunks, 1, image - self.chunks)).reshape(-1)
        return Actor(self.name, x.tokens, {x.name: every(x.tokens)}, {y.name: writes}, latency=2)

    def context(self) -> Mapping[str, Any]:
        return {"op": self.op}

    @property
    def summary(self) -> str:
        return f"{self.op}, as the pixels come"

    @property
    def buffered_bits(self) -> int:
        return self.writes[0].lanes * self.chunks * self.writes[0].type.width


def _spatial(op: Pool, x: Edge) -> Window | None:
    """The window over the spatial axes of (N, C, ...) data, where it moves over no others."""
    if len(x.shape) < 3 or any(op.window.moves()[:2]):
        return None
    w = op.window
    return Window(*(part[2:] for part in (w.kernel, w.strides, w.dilations, w.before, w.after)))


def _build(planner: Planner, node: Node) -> bool:
    (x,), op = planner.graph.ins(node), node.op
    assert isinstance(op, Pool)
    window = _spatial(op, x)
    if window is None or x.type.width > LITERAL_BITS or op.roms():
        return False
    (y,) = planner.graph.outs(node)
    whole = window.kernel == x.shape[2:] and not window.padded
    raster = None if whole or window.rank > 2 else Raster.of(x.shape, window)
    if not whole and (raster is None or op.serial or raster.channels * raster.reach[0] * raster.reach[1] > REGISTERS):
        return False
    fifo = planner.ordered(planner.read(node.inputs[0]), Order.of_images(x.shape))
    fifo = planner.divided(fifo, x.shape[1])
    out = planner.written(node.outputs[0], Order.of_images(y.shape), fifo.lanes)
    if out is None:
        return False
    name = planner.functions[node.outputs[0]]
    if raster is None:
        pixels = x.size // (x.shape[0] * x.shape[1])
        planner.add(Reducing(name, node.name, (fifo,), (out,), op, x.shape[0], pixels))
        return True
    outside = {Reduction.LARGEST: x.lo, Reduction.LEAST: x.hi, Reduction.SUM: op.pad}[op.how]
    tap = covering(fifo, min(x.lo, outside), max(x.hi, outside)) if window.padded else fifo.type
    planner.add(Pooling(name, node.name, (fifo,), (out,), raster, outside, tap, op))
    return True


def _wish(planner: Planner, node: Node, i: int) -> Wish:
    x = planner.graph.ins(node)[0]
    assert isinstance(node.op, Pool)
    return Wish() if _spatial(node.op, x) is None else Wish(Order.of_images(x.shape), x.shape[1])


POOL = Form(_build, _wish)
