"""Transposes that are another name for the order in which the codes come anyway: NHWC to NCHW and back."""

from __future__ import annotations

import numpy as np

from hwq.dataflow.order import Order
from hwq.dataflow.planner import Form, Planner, Wish
from hwq.ir.hardware import Node, Shape
from hwq.ops import Transpose


def transposed(order: Order, shape: Shape, perm: tuple[int, ...]) -> Order | None:
    """The order of the transpose by `perm`, of a tensor of `shape`, in which its codes come when x comes in `order`."""
    source = np.arange(order.size).reshape(shape).transpose(perm).reshape(-1)  # of each place in y, that in x
    place = np.empty_like(source)
    place[source] = np.arange(order.size)
    came = place[order.places()]
    candidates = Order.all_of(tuple(shape[p] for p in perm))
    return next((o for o in candidates if np.array_equal(o.places(), came)), None)


def _build(planner: Planner, node: Node) -> bool:
    (x,), op = planner.graph.ins(node), node.op
    assert isinstance(op, Transpose)
    order = transposed(planner.peek(node.inputs[0]).order, x.shape, op.perm)
    if order is None:
        return False
    fifo = planner.read(node.inputs[0])
    planner.rename(node.outputs[0], planner.divided(fifo, order.channels), order)
    return True


def _wish(planner: Planner, node: Node, i: int) -> Wish:
    (x,), (y,), op = planner.graph.ins(node), planner.graph.outs(node), node.op
    assert isinstance(op, Transpose)
    after = planner.wish(node.outputs[0])
    wanted = after.order or Order.flat(y.size)
    found = next((o for o in Order.all_of(x.shape) if transposed(o, x.shape, op.perm) == wanted), None)
    return Wish(found, after.lanes)


TRANSPOSE = Form(_build, _wish)
