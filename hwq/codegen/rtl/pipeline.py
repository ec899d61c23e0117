"""A graph as one pipeline that takes a sample a cycle: every layer's circuit, and the stage in which each tensor is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hwq.errors import InternalError, UnsupportedError
from hwq.ir.hardware import Graph, Node
from hwq.netlist.builder import Builder
from hwq.netlist.circuit import Circuit, Gate, width_of
from hwq.netlist.timing import Delays, Timed, timed

MOST_PRODUCTS = 1 << 19  # with constants, all of them side by side
MOST_WORDS = 1 << 16  # of one table


@dataclass(frozen=True)
class Tensor:
    """An edge in the pipeline: each element's interval, and the stage that it is in from `arrival` ns on."""

    intervals: tuple[tuple[int, int], ...]
    stage: int
    arrival: float

    @cached_property
    def widths(self) -> list[int]:
        """Bits of each element; they lie side by side, the first lowest."""
        return [width_of(lo, hi) for lo, hi in self.intervals]

    @property
    def width(self) -> int:
        """Bits of all elements."""
        return sum(self.widths)


@dataclass(frozen=True)
class Layer:
    """A node as a circuit whose operands enter it in stage `start`."""

    node: Node
    circuit: Timed
    start: int


@dataclass(frozen=True)
class Pipeline:
    """All layers; outputs leave registers `latency` cycles after a sample went in."""

    layers: tuple[Layer, ...]
    tensors: Mapping[str, Tensor]
    latency: int
    slowest: float  # the longest way between two registers by the model of delays, ns

    def pace(self, clock: float) -> dict[str, Any]:
        """Cycles between samples and for one, and samples a second at a clock period in ns."""
        return {"interval": 1, "latency": self.latency, "slowest": "", "fps": 1e9 / clock}

    def held(self, graph: Graph) -> dict[str, int]:
        """How many stages each tensor is held for between layers."""
        late = dict.fromkeys(self.tensors, 0)
        for layer in self.layers:
            for e in layer.node.inputs:
                late[e] = max(late[e], layer.start - self.tensors[e].stage)
        for port in graph.outputs:
            late[port.edge] = max(late[port.edge], self.latency - self.tensors[port.edge].stage)
        return late


def pipeline_of(graph: Graph, delays: Delays, clock: float) -> Pipeline:
    """Make every layer's circuit and place registers for a clock period in ns.

    Raises `UnsupportedError` with the node's name where an op has no circuit, or one too large to be side by side.
    """
    _check_size(graph)
    tensors: dict[str, Tensor] = {}
    for port in graph.inputs:
        edge = graph.edges[port.edge]
        tensors[port.edge] = Tensor(((edge.lo, edge.hi),) * edge.size, 0, 0.0)
    layers = []
    for node in graph.nodes:
        sources = [tensors[e] for e in node.inputs]
        start = max(t.stage for t in sources)
        arrival = max(t.arrival for t in sources if t.stage == start)
        circuit = timed(_circuit(graph, node, sources), delays, clock, arrival)
        layers.append(Layer(node, circuit, start))
        inner = circuit.circuit
        for name, group in zip(node.outputs, inner.outputs, strict=True):
            tensors[name] = Tensor(inner.intervals(group), start + circuit.latency, circuit.arrival)
    ends = [tensors[p.edge] for p in graph.outputs]
    last = max(t.stage for t in ends)
    registered = last > 0 and all(t.arrival == 0 for t in ends if t.stage == last)
    return Pipeline(
        tuple(layers),
        tensors,
        last if registered else last + 1,
        max([delays.register, *(layer.circuit.slowest for layer in layers)]),
    )


def _circuit(graph: Graph, node: Node, sources: list[Tensor]) -> Circuit:
    """The circuit of one layer, its outputs kept to the ranges that are proved for them."""
    b = Builder()
    edges = graph.ins(node)
    xs = tuple(
        np.asarray(b.inputs(t.intervals), dtype=np.int64).reshape(e.shape) for t, e in zip(sources, edges, strict=True)
    )
    try:
        ys = node.op.netlist(b, edges, xs)
    except UnsupportedError as error:
        raise UnsupportedError(error.found, node=node.name, op=node.op.kind, remedy=error.remedy) from None
    groups = []
    for y, edge in zip(ys, graph.outs(node), strict=True):
        if y.shape != edge.shape:
            raise InternalError(f"a circuit of shape {y.shape} for one of {edge.shape}", node=node.name)
        groups.append([b.within(s, edge.lo, edge.hi) for s in y.reshape(-1).tolist()])
    circuit = b.circuit(groups)
    for part in (circuit, *circuit.modules.values()):
        most = max((len(n.param) for n in part.nodes if n.gate is Gate.TABLE), default=0)
        if most > MOST_WORDS:
            raise UnsupportedError(
                f"a table of {most} words for each element",
                node=node.name,
                op=node.op.kind,
                remedy="use --target vivado, vitis or catapult, which read tables in turn",
            )
    return circuit


def _check_size(graph: Graph) -> None:
    """Refuse what no device holds side by side, before it is made."""
    if not graph.outputs:
        raise UnsupportedError("a model whose outputs are all constant", remedy="use --target native")
    for node in graph.nodes:
        products = node.op.macs(graph.ins(node))
        if products > MOST_PRODUCTS:
            raise UnsupportedError(
                f"{products} products side by side",
                node=node.name,
                op=node.op.kind,
                remedy="fold it with --target vivado, vitis or catapult and --reuse or --io stream",
            )
