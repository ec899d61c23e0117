"""Laws: what must hold of a graph between two passes; a law that is broken is a bug of the pass before it."""

from __future__ import annotations

import numpy as np

from hwq.errors import InternalError
from hwq.ir.hardware import Graph
from hwq.ir.real import RealGraph
from hwq.ops import OPS
from hwq.ops.exact.requant import Requant
from hwq.ops.exact.tabulated import Tabulated

EXACT = (Requant, Tabulated)


def complete(graph: RealGraph) -> None:
    """Every edge of the real graph has a shape, is made once, and before it is read; every output is made."""
    made = {i.edge for i in graph.inputs}
    for node in graph.nodes:
        unmade = [e for e in node.inputs if e not in made]
        again = [e for e in node.outputs if e in made or e not in graph.shapes]
        if unmade or again:
            what = f"reads '{unmade[0]}' before it is made" if unmade else f"'{again[0]}' is made twice or has no shape"
            raise InternalError(what, node=node.name, op=node.kind)
        made.update(node.outputs)
    missing = [name for name, edge in graph.outputs.items() if edge not in made]
    if missing:
        raise InternalError(f"output '{missing[0]}' is not made")


def exact(graph: Graph) -> None:
    """Integers only: hardware ops, and quantizers as exact step functions or tables of integers."""
    _only(graph, (*OPS, *EXACT), "neither a hardware op nor an exact quantizer")


def legal(graph: Graph) -> None:
    """Hardware ops only: every quantizer is a circuit."""
    _only(graph, OPS, "no hardware op")


def ported(graph: Graph) -> None:
    """Every port is an edge of the graph, and no name stands twice."""
    inputs, outputs = [(p.name, p.edge) for p in graph.inputs], [(p.name, p.edge) for p in graph.outputs]
    twice = any(len({name for name, _ in ports}) < len(ports) for ports in (inputs, outputs))
    if twice or any(edge not in graph.edges for _, edge in (*inputs, *outputs)):
        raise InternalError("a port without an edge, or two of one name")


def kept_ports(before: Graph, after: Graph) -> None:
    """Ports receive and return what they did: the host's quantizers, and what each output's code is worth."""
    inputs = [[(p.name, p.source, p.quantizer) for p in g.inputs] for g in (before, after)]
    outputs = [[(p.name, p.host_softmax) for p in g.outputs] for g in (before, after)]
    worth = all(
        np.array_equal(b.scale, a.scale) and np.array_equal(b.offset, a.offset)
        for b, a in zip(before.outputs, after.outputs, strict=False)
    )
    if inputs[0] != inputs[1] or outputs[0] != outputs[1] or not worth:
        raise InternalError("a pass that changed the graph's ports")


def _only(graph: Graph, allowed: tuple[type, ...], what: str) -> None:
    for node in graph.nodes:
        if type(node.op) not in allowed:
            raise InternalError(f"'{node.op.kind}' is {what}", node=node.name)
