"""Dense and Conv: windows as tokens, then products with constant weights as the tokens come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import gcd, prod
from typing import Any

from hwq.dataflow.actor import Actor
from hwq.dataflow.line_buffer import Lines
from hwq.dataflow.order import Order
from hwq.dataflow.planner import Form, Planner, Wish, covering
from hwq.dataflow.process import Fifo, Process
from hwq.dataflow.processes import every
from hwq.dataflow.window_buffer import Raster, Windows
from hwq.ir.hardware import Edge, Node
from hwq.ops import Conv, Dense, Rom

WINDOW_CODES = 4096  # of a window in one token, and of one held in registers


@dataclass(frozen=True)
class Multiplying(Process):
    """`positions` times: the op's products of a row of taps, which comes in `row` tokens.

    A row in one token holds the taps of `groups` groups, over kernel positions and in each over the channels; a row in
    several holds one group's, as many to a token as are multiplied in a cycle.
    """

    op: Dense | Conv
    x: Edge  # the type and range of what is multiplied
    positions: int
    row: int
    groups: int = 1

    @property
    def template(self) -> str:
        return "stream/products.h.j2"

    @property
    def folds_a_token(self) -> int:
        """Output folds that are made of one row."""
        return self.op.folds[0] * self.positions * self.row // self.reads[0].tokens

    def roms(self) -> tuple[Rom, ...]:
        return tuple(r for r in self.op.roms() if r.role != "pad")

    def actor(self) -> Actor:
        (x,), (y,) = self.reads, self.writes
        out_folds, tap_folds = self.op.folds
        firings = self.positions * out_folds * tap_folds
        if self.row > 1:
            reads = (every(self.positions, out_folds * tap_folds)[:, None] + every(self.row)).reshape(-1)
        else:
            reads = every(x.tokens, self.folds_a_token * tap_folds)
        return Actor(self.name, firings, {x.name: reads}, {y.name: every(y.tokens, tap_folds, tap_folds - 1)}, 6)

    def context(self) -> Mapping[str, Any]:
        return {"op": self.op, "multiplied": self.x}

    @property
    def summary(self) -> str:
        return str(self.op)

    @property
    def buffered_bits(self) -> int:
        (x,) = self.reads
        return self.row * x.lanes * x.type.width if self.row > 1 and self.op.folds[0] > 1 else 0


def nearest_simd(lanes: int, taps: int, simd: int) -> int:
    """The divisor of `taps` nearest to `simd` that divides a token of `lanes` taps, or is made of whole tokens."""
    legal = [d for d in range(1, lanes + 1) if lanes % d == 0]
    legal += [m * lanes for m in range(2, taps // lanes + 1) if (taps // lanes) % m == 0]
    return min(legal, key=lambda d: (max(d, simd) / min(d, simd), -d))


def _by_tokens(planner: Planner, node: Node, op: Dense | Conv, fifo: Fifo, positions: int) -> bool:
    """Products of rows that come token by token."""
    fifo = planner.divided(fifo, op.taps)
    simd = op.array[1]
    if simd > fifo.lanes and op.folds[0] == 1:
        simd = fifo.lanes  # no faster than taps arrive
    simd = nearest_simd(fifo.lanes, op.taps, simd)
    fifo = planner.wide(fifo, simd)
    op = replace(op, simd=simd)
    (y,) = planner.graph.outs(node)
    order = Order.of_images(y.shape) if isinstance(op, Conv) else Order.flat(y.size)
    out = planner.written(node.outputs[0], order, op.array[0])
    if out is None:
        return False
    name, x = planner.functions[node.outputs[0]], planner.graph.ins(node)[0]
    planner.add(Multiplying(name, node.name, (fifo,), (out,), op, x, positions, op.taps // simd))
    return True


def _dense(planner: Planner, node: Node) -> bool:
    (x,), op = planner.graph.ins(node), node.op
    assert isinstance(op, Dense)
    positions = prod(x.shape[:-1])
    fifo = planner.read(node.inputs[0])
    if positions > 1:
        fifo = planner.ordered(fifo, Order.flat(x.size))
    elif not fifo.order.is_flat:
        op = replace(op, weights=op.weights[fifo.order.places()])
    return _by_tokens(planner, node, op, fifo, positions)


def _conv(planner: Planner, node: Node) -> bool:
    (x,), op = planner.graph.ins(node), node.op
    assert isinstance(op, Conv)
    (y,) = planner.graph.outs(node)
    if op.window.rank > 2 or any(r.role == "pad" for r in op.roms()):
        return False
    raster, channels = Raster.of(x.shape, op.window), x.shape[1]
    plain = op.window.taps == 1 and not any(op.window.moves())
    whole = max(raster.taps, raster.reach[0] * raster.reach[1]) * channels <= WINDOW_CODES
    if not whole and op.groups > 1:
        return False
    fifo = planner.ordered(planner.read(node.inputs[0]), Order.of_images(x.shape))
    fifo = planner.divided(fifo, channels)
    positions = x.shape[0] * prod(op.outputs(x))
    if op.groups == 1 and (plain or not whole or channels % op.array[1] == 0):
        if not plain:
            fifo = _lines(planner, node, op, planner.wide(fifo, nearest_simd(fifo.lanes, channels, op.array[1])))
        return _by_tokens(planner, node, op, fifo, positions)
    n_in, n_out = op.channels
    by_token = op.groups > 1 and fifo.lanes % n_in == 0
    at_once = fifo.lanes if by_token else channels
    groups = at_once // n_in
    pe = gcd(op.array[0], groups * n_out)
    windows = _windows(planner, node, op, fifo, raster.taps * at_once)
    slide = planner.name(f"windows_{planner.names[node.outputs[0]]}")
    apart = by_token and at_once < channels
    planner.processes.append(Windows(slide, node.name, (fifo,), (windows,), raster, op.pad, windows.type, apart))
    out = planner.written(node.outputs[0], Order.of_images(y.shape), pe)
    if out is None:
        return False
    function = planner.functions[node.outputs[0]]
    planner.add(Multiplying(function, node.name, (windows,), (out,), replace(op, pe=pe), x, positions, 1, groups))
    return True


def _windows(planner: Planner, node: Node, op: Conv, fifo: Fifo, lanes: int) -> Fifo:
    """A FIFO of the windows of a convolution."""
    name = planner.name(f"{planner.names[node.outputs[0]]}_w")
    (x,) = planner.graph.ins(node)
    tap = covering(fifo, *op.reach(x))
    size = x.shape[0] * prod(op.outputs(x)) * op.window.taps * x.shape[1]
    element = fifo.element if tap == fifo.type else planner.name(f"{name}_code") + "_t"
    return Fifo(name, "", tap, element, Order.flat(size), lanes, size // lanes)


def _lines(planner: Planner, node: Node, op: Conv, fifo: Fifo) -> Fifo:
    """The windows, pixel by pixel."""
    windows = _windows(planner, node, op, fifo, fifo.lanes)
    raster = Raster.of(planner.graph.ins(node)[0].shape, op.window)
    name = planner.name(f"lines_{planner.names[node.outputs[0]]}")
    planner.processes.append(Lines(name, node.name, (fifo,), (windows,), raster, op.pad, windows.type))
    return windows


def _dense_wish(planner: Planner, node: Node, i: int) -> Wish:
    (x,) = planner.graph.ins(node)
    assert isinstance(node.op, Dense)
    return Wish(Order.flat(x.size) if prod(x.shape[:-1]) > 1 else None, node.op.array[1])


def _conv_wish(planner: Planner, node: Node, i: int) -> Wish:
    (x,) = planner.graph.ins(node)
    return Wish(Order.of_images(x.shape), x.shape[1])


DENSE = Form(_dense, _dense_wish)
CONV = Form(_conv, _conv_wish)
