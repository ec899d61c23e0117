"""Concat: runs of tokens from each part in turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import gcd, prod
from typing import Any

import numpy as np

from hwq.dataflow.actor import Actor
from hwq.dataflow.order import Order
from hwq.dataflow.planner import Form, Planner, Wish
from hwq.dataflow.process import Process
from hwq.dataflow.processes import every
from hwq.ir.hardware import Node
from hwq.numeric.fixed import FixedType
from hwq.ops import Concat


@dataclass(frozen=True)
class Joining(Process):
    """`outer` times, `spans` tokens of each part; a step of code 1 takes a part's binary point to the output's."""

    outer: int
    spans: tuple[int, ...]
    steps: tuple[FixedType, ...]

    @property
    def template(self) -> str:
        return "stream/concat.h.j2"

    def actor(self) -> Actor:
        (y,) = self.writes
        starts = np.cumsum([0, *self.spans])
        rounds = every(self.outer, int(starts[-1]))[:, None]
        reads = {
            x.name: (rounds + every(span, 1, int(start))).reshape(-1)
            for x, span, start in zip(self.reads, self.spans, starts, strict=False)
        }
        return Actor(self.name, y.tokens, reads, {y.name: every(y.tokens)})

    def context(self) -> Mapping[str, Any]:
        return {}

    @property
    def summary(self) -> str:
        return f"{len(self.reads)} parts in turn"


def _build(planner: Planner, node: Node) -> bool:
    edges, (y,), op = planner.graph.ins(node), planner.graph.outs(node), node.op
    assert isinstance(op, Concat)
    orders = [planner.peek(e).order for e in node.inputs]
    images = len(y.shape) > 2 and (
        any(o == Order.of_images(e.shape) and not o.is_flat for o, e in zip(orders, edges, strict=True))
        or _image_wanted(planner, node)
    )
    wanted = [Order.of_images(e.shape) if images else Order.flat(e.size) for e in edges]
    fifos = [planner.ordered(planner.read(e), o) for e, o in zip(node.inputs, wanted, strict=True)]
    axis, shape = op.axis, y.shape
    if not images:
        outer, spans = op.spans(edges)
    elif axis == 1:
        outer, spans = shape[0] * prod(shape[2:]), [e.shape[1] for e in edges]
    elif axis == 0:
        outer, spans = 1, [e.size for e in edges]
    else:
        outer, spans = shape[0] * prod(shape[2:axis]), [prod(e.shape[axis:]) * shape[1] for e in edges]
    lanes = gcd(*(f.lanes for f in fifos), *spans)
    fifos = [planner.wide(f, lanes) for f in fifos]
    out = planner.written(node.outputs[0], Order.of_images(shape) if images else Order.flat(y.size), lanes)
    if out is None:
        return False
    name = planner.functions[node.outputs[0]]
    tokens = tuple(s // lanes for s in spans)
    planner.add(Joining(name, node.name, tuple(fifos), (out,), outer, tokens, op.steps(edges)))
    return True


def _image_wanted(planner: Planner, node: Node) -> bool:
    (y,) = planner.graph.outs(node)
    return planner.wish(node.outputs[0]).order == Order.of_images(y.shape)


def _wish(planner: Planner, node: Node, i: int) -> Wish:
    x = planner.graph.ins(node)[i]
    if len(x.shape) > 2 and (node.op.axis == 1 or _image_wanted(planner, node)):  # type: ignore[attr-defined]
        return Wish(Order.of_images(x.shape), x.shape[1])
    return Wish(Order.flat(x.size))


CONCAT = Form(_build, _wish)
