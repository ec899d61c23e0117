"""Graph -> Graph, one file per pass; `compile_graph` is their order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hwq.errors import InternalError
from hwq.ir.hardware import Graph
from hwq.ir.real import RealGraph
from hwq.ops import OPS
from hwq.passes.absorb_offsets import absorb
from hwq.passes.circuits.costs import DEFAULT_COSTS, Costs
from hwq.passes.circuits.narrow import narrow
from hwq.passes.circuits.select import realise
from hwq.passes.count_agreements import count_agreements
from hwq.passes.fold import fold
from hwq.passes.lowering import lower
from hwq.passes.lowering.state import TABLE_BITS
from hwq.passes.real.merge import merge
from hwq.passes.sink_transposes import sink_transposes


@dataclass(frozen=True)
class Stages:
    """A graph on its way: what its quantizers are, and what they became."""

    exact: Graph  # every quantizer an exact step function or table
    narrowed: Graph  # the same outputs, joins in their narrowest form
    realised: Graph  # circuits only


def stages(
    graph: RealGraph, *, semantics: str = "real", costs: Costs = DEFAULT_COSTS, table_bits: int = TABLE_BITS
) -> Stages:
    """The passes up to the one that makes circuits."""
    exact = sink_transposes(lower(merge(graph), semantics, table_bits))
    narrowed = narrow(exact)
    return Stages(exact, narrowed, realise(narrowed, costs))


def compile_graph(
    graph: RealGraph,
    reuse_of: Callable[[str], int | None],
    *,
    semantics: str = "real",
    costs: Costs = DEFAULT_COSTS,
    table_bits: int = TABLE_BITS,
) -> Graph:
    """The hardware graph: scales moved (lower), quantizers made circuits (realise), offsets absorbed, bits counted,
    layers folded.

    `semantics` is "real" (correctly rounded real functions) or "ort" (onnxruntime's float32 requantization). Functions
    of at most 2**table_bits codes are tabulated.
    """
    realised = stages(graph, semantics=semantics, costs=costs, table_bits=table_bits).realised
    return legal(fold(reuse_of)(count_agreements(absorb(realised))))


def legal(graph: Graph) -> Graph:
    """The graph itself, if only hardware ops are in it."""
    for node in graph.nodes:
        if type(node.op) not in OPS:
            raise InternalError(f"'{node.op.kind}' is no hardware op", node=node.name)
    return graph


__all__ = [
    "DEFAULT_COSTS",
    "Costs",
    "Stages",
    "absorb",
    "compile_graph",
    "count_agreements",
    "fold",
    "legal",
    "lower",
    "merge",
    "narrow",
    "realise",
    "sink_transposes",
    "stages",
]
