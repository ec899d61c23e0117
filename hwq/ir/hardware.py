"""The hardware IR: integer tensor ops on edges with a type and a proved range. Frozen; passes return new graphs.

A graph handles one sample; shapes are those of the ONNX tensors, a leading batch axis of 1 included. Real numbers
appear only at the border: how a host turns a real input into codes, and what an output code is worth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hwq.errors import InternalError
from hwq.numeric.fixed import FixedType
from hwq.numeric.rational import Rationals, to_float, uniform

if TYPE_CHECKING:
    from hwq.ir.host_quantizers import HostQuantizer
    from hwq.ops.base import Op

Shape = tuple[int, ...]
MEMORIES = ("auto", "bram", "lutram", "uram")  # auto: by size


@dataclass(frozen=True)
class Edge:
    """Codes of one type; `lo..hi` is the interval that can really occur (inside the type's limits)."""

    shape: Shape
    type: FixedType
    lo: int
    hi: int

    def __post_init__(self) -> None:
        if not (self.type.lo <= self.lo <= self.hi <= self.type.hi):
            raise InternalError(f"range {self.lo}..{self.hi} does not fit {self.type}")

    @property
    def size(self) -> int:
        return prod(self.shape)

    @staticmethod
    def covering(shape: Shape, lo: int, hi: int, frac: int = 0) -> Edge:
        """An edge of the narrowest type that holds the range."""
        return Edge(shape, FixedType.covering(lo, hi, frac), lo, hi)

    def __str__(self) -> str:
        return f"{'x'.join(map(str, self.shape)) or 'scalar'} {self.type} [{self.lo}, {self.hi}]"


@dataclass(frozen=True)
class Proof:
    """A circuit was compared with what it replaces, over all that can reach it, and nothing differed."""

    kind: str  # "steps": points at both sides of every step; "table": all codes; "pairs": all pairs of codes;
    # "forms": coefficients of linear forms; "formula": nothing was listed, the circuit is the quantizer's own formula
    compared: int

    def plain(self) -> dict[str, str | int]:
        """For JSON."""
        return {
            "kind": self.kind,
            {"steps": "points", "table": "codes", "forms": "coefficients"}.get(self.kind, self.kind): self.compared,
        }


@dataclass(frozen=True)
class Node:
    """One hardware op. `name` is the ONNX node it came from, as the file spells it."""

    name: str
    op: Op
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    proof: Proof | None = None  # where the op is a circuit that a pass has put in another's place
    memory: str = "auto"  # what its ROMs are bound to: one of MEMORIES


@dataclass(frozen=True)
class InputPort:
    """A port that receives codes. The host makes them from the model input `source` by `quantizer`."""

    name: str
    source: str
    edge: str
    quantizer: HostQuantizer


@dataclass(frozen=True)
class OutputPort:
    """A port that returns codes; `value = scale * code + offset`, both exact and broadcastable to the edge's shape."""

    name: str
    edge: str
    scale: Rationals
    offset: Rationals
    host_softmax: int | None = None  # the axis of a Softmax that the host computes of the values

    @cached_property
    def doubles(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Scale and offset as the nearest doubles."""
        return to_float(self.scale), to_float(self.offset)


@dataclass(frozen=True)
class Graph:
    """Nodes in executable order, every edge described, ports at both ends."""

    name: str
    inputs: tuple[InputPort, ...]
    outputs: tuple[OutputPort, ...]
    nodes: tuple[Node, ...]
    edges: Mapping[str, Edge]
    constants: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)  # outputs that depend on no input
    batch: int = 1  # samples that the file's inputs hold; the graph is of one
    notes: tuple[str, ...] = ()  # how the file was read where it could be read otherwise

    def ins(self, node: Node) -> tuple[Edge, ...]:
        return tuple(self.edges[e] for e in node.inputs)

    def outs(self, node: Node) -> tuple[Edge, ...]:
        return tuple(self.edges[e] for e in node.outputs)

    def uses(self) -> dict[str, int]:
        """How many nodes and ports read each edge."""
        count = dict.fromkeys(self.edges, 0)
        for edge in [e for n in self.nodes for e in n.inputs] + [p.edge for p in self.outputs]:
            count[edge] += 1
        return count

    @property
    def draws(self) -> bool:
        """Whether a layer draws at random, so that samples depend on their number."""
        return any(n.op.draws for n in self.nodes)

    @property
    def overlaps(self) -> bool:
        """Whether layers joined by arrays can work on different samples: every array has one reader."""
        return all(count <= 1 for count in self.uses().values())

    def with_nodes(self, nodes: Iterable[Node]) -> Graph:
        """The same ports with other nodes: edges are inferred anew from the inputs on, unread nodes dropped."""
        kept = _live(tuple(nodes), {p.edge for p in self.outputs})
        edges = {p.edge: self.edges[p.edge] for p in self.inputs}
        for node in kept:
            missing = [e for e in node.inputs if e not in edges]
            if missing:
                raise InternalError(f"edge '{missing[0]}' is read before it is made", node=node.name)
            edges.update(zip(node.outputs, node.op.infer(tuple(edges[e] for e in node.inputs)), strict=True))
        return replace(self, nodes=kept, edges=edges)

    def map_nodes(self, rewrite: Callable[[Node], Node]) -> Graph:
        return self.with_nodes([rewrite(n) for n in self.nodes])

    def renamed(self, alias: Mapping[str, str]) -> Graph:
        """The graph with every reading of an edge in `alias` replaced by what it stands for."""

        def root(edge: str) -> str:
            while edge in alias:
                edge = alias[edge]
            return edge

        outputs = tuple(replace(p, edge=root(p.edge)) for p in self.outputs)
        nodes = tuple(replace(n, inputs=tuple(root(e) for e in n.inputs)) for n in self.nodes)
        return replace(self, outputs=outputs, nodes=nodes)

    def __str__(self) -> str:
        """One line an edge or op: the form the golden files hold."""
        lines = [f"graph {self.name}"]
        for port in self.inputs:
            lines.append(f"  input  {port.edge} = {port.source}: {self.edges[port.edge]} by {port.quantizer}")
        for node in self.nodes:
            outs = ", ".join(node.outputs)
            kinds = ", ".join(str(e) for e in self.outs(node))
            lines.append(f"  {outs} = {node.op}({', '.join(node.inputs)}): {kinds}  # {node.name}")
        for out in self.outputs:
            lines.append(f"  output {out.name} = {out.edge}: scale {_brief(out.scale)} offset {_brief(out.offset)}")
        lines += [f"  constant {name}: {list(values.shape)}" for name, values in self.constants.items()]
        lines += [f"  note {text}" for text in self.notes]
        return "\n".join(lines) + "\n"


def _brief(values: Rationals) -> str:
    one = uniform(values)
    return str(float(one)) if one is not None else f"[{float(values.reshape(-1)[0])}, ...] {values.shape}"


def _live(nodes: tuple[Node, ...], wanted: set[str]) -> tuple[Node, ...]:
    needed, kept = set(wanted), []
    for node in reversed(nodes):
        if needed.intersection(node.outputs):
            kept.append(node)
            needed.update(node.inputs)
    return tuple(reversed(kept))
