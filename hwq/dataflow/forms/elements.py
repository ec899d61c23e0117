"""Ops on single elements, of one or two edges of one shape: token by token, by the kernels of the array designs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import gcd
from typing import Any

from hwq.dataflow.actor import Actor
from hwq.dataflow.order import Order
from hwq.dataflow.planner import Form, Planner, Wish
from hwq.dataflow.process import Process
from hwq.dataflow.processes import every
from hwq.ir.hardware import Node
from hwq.ops import Channels, Op, Rom, Threshold


@dataclass(frozen=True)
class Elements(Process):
    """`layer`'s op has its parameters in the stream's order, and as many lanes as the tokens."""

    layer: Node

    @property
    def template(self) -> str:
        return f"kernels/{self.layer.op.kind}.h.j2"

    def context(self) -> Mapping[str, Any]:
        return {"op": self.layer.op, "variables": ("x",) if len(self.reads) == 1 else ("a", "b")}

    def roms(self) -> tuple[Rom, ...]:
        return self.layer.op.roms()

    @property
    def interval(self) -> int:
        """Cycles for each token."""
        op = self.layer.op
        return op.steps if isinstance(op, Threshold) and op.search else 1

    def actor(self) -> Actor:
        tokens, step = self.writes[0].tokens, self.interval
        reads = {x.name: every(tokens, step) for x in self.reads}
        return Actor(self.name, tokens * step, reads, {self.writes[0].name: every(tokens, step, step - 1)}, 4)

    @property
    def summary(self) -> str:
        return str(self.layer.op)


def in_order(op: Op, order: Order, lanes: int) -> Op | None:
    """The op for a tensor that comes in an order; None where its parameters follow no rule there."""
    channels = getattr(op, "channels", None)
    changed: dict[str, Any] = {"lanes": lanes} if hasattr(op, "lanes") else {}
    if isinstance(channels, Channels) and not order.is_flat:
        moved = channels.permuted(order.view, (0, 2, 1))
        if moved is None:
            return None
        changed["channels"] = moved
    this: Any = op
    there: Op = replace(this, **changed)
    return there


def _build(planner: Planner, node: Node) -> bool:
    edges = planner.graph.ins(node)
    if len({e.shape for e in edges}) > 1:
        return False
    order = planner.peek(node.inputs[0]).order
    if in_order(node.op, order, 1) is None:
        return False
    fifos = [planner.ordered(planner.read(e), order) for e in node.inputs]
    lanes = gcd(*(f.lanes for f in fifos))
    fifos = [planner.wide(f, lanes) for f in fifos]
    op = in_order(node.op, order, lanes)
    y = planner.written(node.outputs[0], order, lanes)
    if op is None or y is None:
        return False
    planner.add(Elements(planner.functions[node.outputs[0]], node.name, tuple(fifos), (y,), replace(node, op=op)))
    return True


def _wish(planner: Planner, node: Node, i: int) -> Wish:
    """As its output is wished for, where both are of one shape."""
    same = planner.edge(node.inputs[i]).shape == planner.edge(node.outputs[0]).shape
    return planner.wish(node.outputs[0]) if same else Wish()


ELEMENTS = Form(_build, _wish)
