"""The C names of a project: of its arrays, ports, layers and random generators, no two alike."""

from __future__ import annotations

from collections.abc import Mapping

from hwq.ir.hardware import Graph
from hwq.ir.names import RESERVED, identifier
from hwq.ops import Draw, Reshape


def generators(graph: Graph, top: str) -> list[tuple[str, int]]:
    """C names of the layers that draw at random, and what their generators start from."""
    functions = layer_functions(graph, top)
    return [(functions[n.outputs[0]], n.op.state) for n in graph.nodes if isinstance(n.op, Draw)]


def port_names(graph: Graph, top: str) -> tuple[dict[str, str], dict[str, str]]:
    """C names of the ports: inputs by port name, outputs by ONNX output name."""
    names = array_names(graph, top)
    taken = {*names.values(), *RESERVED, top}
    outputs: dict[str, str] = {}
    for p in graph.outputs:
        name = f"out_{identifier(p.name)}"
        while name in taken:
            name += "_"
        taken.add(name)
        outputs[p.name] = name
    return {p.name: names[p.edge] for p in graph.inputs}, outputs


def array_names(graph: Graph, top: str) -> dict[str, str]:
    """C names of edges; a reshaped edge goes by its input's array."""
    taken = {*RESERVED, top}
    names: dict[str, str] = {}
    for edge in graph.edges:
        name = identifier(edge)
        while name in taken or f"{name}_t" in taken:
            name += "_"
        taken.update((name, f"{name}_t"))
        names[edge] = name
    return names


def layer_functions(graph: Graph, top: str) -> dict[str, str]:
    """C names of the layers' functions by the first edge that each writes; a reshape has none."""
    named = zip(graph.nodes, layer_names(graph, array_names(graph, top), top), strict=True)
    return {node.outputs[0]: name for node, name in named if not isinstance(node.op, Reshape)}


def layer_names(graph: Graph, names: Mapping[str, str], top: str) -> list[str]:
    """C names of the layers' functions, which no array, type or ROM has, nor the top function."""
    taken = {*RESERVED, top, *names.values(), *(f"{n}_t" for n in names.values())}
    layers = []
    for node in graph.nodes:
        name = f"{node.op.kind}_{names[node.outputs[0]]}"
        while taken.intersection(own := [name, *(f"{name}_{rom.role}" for rom in node.op.roms())]):
            name += "_"
        taken.update(own)
        layers.append(name)
    return layers
