"""The native build's entry: C++ that runs batches of codes through a project's top function, on several threads."""

from __future__ import annotations

from dataclasses import dataclass

from hwq.codegen.environment import environment
from hwq.codegen.vectors import WORD, words_per_code
from hwq.dataflow.names import array_names, port_names
from hwq.ir.hardware import Edge, Graph

SPARE_STACK = 1 << 20
DOUBLE = 53  # bits of a double's significand


@dataclass(frozen=True)
class BatchPort:
    """A port as the entry sees it: its C type, its elements, and 64-bit words per code."""

    name: str
    type: str
    size: int
    words: int


def c_face(graph: Graph, top: str, host: bool, at_once: int = 0) -> dict[str, str]:
    """Name and text of the C header and the C++ unit through which software calls a project's top function.

    `host`: there is a function for real numbers beside that for codes, by the project's host header. `at_once`: how
    many samples its function for several takes; 0 where it has none.
    """
    names = array_names(graph, top)
    in_names, out_names = port_names(graph, top)

    def port(name: str, edge: str) -> BatchPort:
        spec = graph.edges[edge]
        return BatchPort(name, f"{names[edge]}_t", spec.size, words_per_code(spec))

    context = {
        "graph": graph,
        "top": top,
        "guard": top.upper(),
        "host": host,
        "at_once": at_once,
        "inputs": [port(in_names[p.name], p.edge) for p in graph.inputs],
        "outputs": [port(out_names[p.name], p.edge) for p in graph.outputs],
    }
    env = environment()
    return {f"{top}_c.{kind}": env.get_template(f"c.{kind}.j2").render(context) for kind in ("h", "cpp")}


def batch_entry(graph: Graph, top: str) -> str:
    """The translation unit that exports `hwq_batch`; its ports stand in the graph's order."""
    stack = SPARE_STACK + sum(_bytes(e) for e in graph.edges.values())
    return environment().get_template("batch.cpp.j2").render(top=top, stack=stack, draws=graph.draws)


def host_converts(graph: Graph) -> bool:
    """Whether the host header converts every port exactly as Python does: codes within doubles and machine integers."""
    edges = graph.edges
    return all(edges[p.edge].type.width <= DOUBLE for p in graph.inputs) and all(
        edges[p.edge].type.width < WORD for p in graph.outputs
    )


def _bytes(edge: Edge) -> int:
    """What an edge's array can take on the stack, twice over."""
    return 32 * edge.size * words_per_code(edge)
