"""render_stream: a hardware graph becomes the text of one target's streaming project."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwq.codegen.arrays import (
    Array,
    Optional,
    Settings,
    bound_type,
    function_text,
    host_of,
    layer_of,
    memory_of,
    rom_header,
    rom_text,
    type_lines,
    value_of,
)
from hwq.codegen.constant_outputs import constants_of
from hwq.codegen.environment import data_folder, environment
from hwq.codegen.rom_text import RomText
from hwq.dataflow.names import array_names, generators, layer_functions
from hwq.dataflow.schedule import scheduled
from hwq.dataflow.stream_plan import Fifo, Plan, Process, stream_plan
from hwq.ir.hardware import Edge, Graph
from hwq.numeric.rational import uniform
from hwq.targets import Target

NETWORK = "tb/{top}_network.h"


@dataclass(frozen=True)
class Token:
    """A FIFO as a kernel sees it: what it knows of an array, and the type of its tokens."""

    fifo: Fifo
    edge: Edge

    @property
    def type(self) -> str:
        return self.fifo.element

    @property
    def vector(self) -> str:
        return self.fifo.vector

    @property
    def size(self) -> int:
        return self.fifo.order.size


@dataclass(frozen=True)
class Block:
    """A process as generated code sees it."""

    process: Process
    text: str
    array_text: str  # of the function for arrays that it calls, if any
    roms: Mapping[str, RomText]

    @property
    def args(self) -> list[str]:
        """The FIFOs it is called with."""
        return [f.name for f in (*self.process.reads, *self.process.writes)]


def render_stream(graph: Graph, target: Target, settings: Settings) -> dict[str, bytes]:
    """The project's source files by path, without vectors and manifest."""
    top = settings.top
    plan = stream_plan(graph, top)
    blocks = _blocks(plan, target, top)
    names = array_names(graph, top)
    labels = {p.edge: p.source for p in graph.inputs}
    context: dict[str, Any] = {
        "graph": graph,
        "target": target,
        "settings": settings,
        "top": top,
        "plan": plan,
        "blocks": blocks,
        "inputs": [(f, labels[f.edge]) for f in plan.inputs],
        "outputs": [(f, p.name) for f, p in zip(plan.outputs, graph.outputs, strict=True)],
        "depths": depths(plan),
        "types": [*type_lines(graph, target, names), *_window_types(plan, target)],
        "hosts": [host_of(graph, p, target) for p in graph.inputs],
        "values": [value_of(p, graph.edges[p.edge]) for p in graph.outputs],
        "constants": constants_of(graph),
        "guard": top.upper(),
        "uniform": uniform,
        "generators": generators(graph, top),
        "stream": True,
    }
    env = environment()
    files = {
        f"src/{top}.h": "stream/project/top.h.j2",
        f"src/{top}.cpp": "stream/project/top.cpp.j2",
        "src/types.h": "stream/project/types.h.j2",
        "src/layers.h": "stream/project/layers.h.j2",
        "src/hwq_stream.h": "stream/project/hwq_stream.h.j2",
        "src/hwq_codes.h": target.codes,
        f"host/{top}_host.h": "project/host.h.j2",
        f"tb/{top}_tb.cpp": "testbench.cpp.j2",
        NETWORK.format(top=top): "network.h.j2",
        target.script_name: f"project/{target.script}",
        "README.md": "stream/project/README.md.j2",
    }
    ports = {
        "inputs": [_port(f, label, graph) for f, label in context["inputs"]],
        "outputs": [_port(f, label, graph) for f, label in context["outputs"]],
        "layers": [b for b in blocks if b.roms],
    }
    arrays = {f"host/{top}_host.h", f"tb/{top}_tb.cpp", target.script_name}  # templates that both architectures share
    rendered = {
        path: env.get_template(name).render({**context, **(ports if path in arrays else {})}).encode()
        for path, name in files.items()
    }
    for carried in (*target.carries, *target.fifo_carries):
        rendered[f"src/{Path(carried).name}"] = (data_folder("hls_testbench") / carried).read_bytes()
    for block in blocks:
        for rom in block.roms.values():
            synthesis = target.rom_word(rom.rom.type)
            rendered[f"src/weights/{rom.name}.h"] = rom_header(rom, block.process.node, synthesis)
    return rendered


def depths(plan: Plan) -> dict[str, int]:
    """The depth of every FIFO by name: what its processes' schedules need (hwq/dataflow/schedule.py)."""
    found = scheduled([p.actor() for p in plan.processes]).depths
    return {f.name: found[f.name] for f in plan.fifos}


def stream_record(graph: Graph, top: str) -> dict[str, Any]:
    """The processes and FIFOs of a design, for JSON."""
    plan = stream_plan(graph, top)
    depth = depths(plan)
    return {
        "processes": [
            {"name": p.name, "node": p.node, "what": p.summary, "held_bits": p.buffered_bits} for p in plan.processes
        ],
        "fifos": [
            {"name": f.name, "tokens": f.tokens, "lanes": f.lanes, "width": f.type.width, "depth": depth[f.name]}
            for f in plan.fifos
        ],
    }


@dataclass(frozen=True)
class _Port:
    """A port as the templates that arrays and streams share see it."""

    array: Array
    label: str
    edge: str
    fifo: Fifo


def _port(fifo: Fifo, label: str, graph: Graph) -> _Port:
    return _Port(Array(fifo.name, fifo.element, graph.edges[fifo.edge]), label, fifo.edge, fifo)


def _blocks(plan: Plan, target: Target, top: str) -> list[Block]:
    graph = plan.graph
    functions, names = layer_functions(graph, top), array_names(graph, top)
    arrays = {e: Array(names[e], f"{names[e]}_t", graph.edges[e]) for e in graph.edges}
    memories = {n.name: memory_of(n, target) for n in graph.nodes}
    blocks = []
    for process in plan.processes:
        array_text, roms = "", {}
        if process.calls is not None:
            layer = layer_of(graph, process.calls, functions[process.calls.outputs[0]], target, arrays)
            array_text, roms = layer.text, dict(layer.roms)
        memory = memories.get(process.node, "auto")
        own = {rom.role: rom_text(rom, process.name, target, memory) for rom in process.roms()}
        tokens = {f.name: Token(f, _edge(f, graph)) for f in (*process.reads, *process.writes)}
        text = function_text(process.template, _context(process, tokens, own, arrays, functions, target))
        blocks.append(Block(process, text, array_text, {**roms, **own}))
    return blocks


def _edge(fifo: Fifo, graph: Graph) -> Edge:
    if not fifo.edge:
        return Edge((fifo.tokens * fifo.lanes,), fifo.type, fifo.type.lo, fifo.type.hi)
    return graph.edges[fifo.edge]


def _context(
    process: Process,
    tokens: Mapping[str, Token],
    roms: Mapping[str, RomText],
    arrays: Mapping[str, Array],
    functions: Mapping[str, str],
    target: Target,
) -> dict[str, Any]:
    """What a process' template sees; kernels of array designs find their own words in it."""
    reads, writes = [tokens[f.name] for f in process.reads], [tokens[f.name] for f in process.writes]
    extra = dict(process.context())
    shared = extra.pop("variables", None)
    variables = shared and {
        "reads": [(v, tokens[f.name]) for v, f in zip(shared, process.reads, strict=True)],
        "writes": [("y", writes[0])],
    }
    return {
        "p": process,
        "name": process.name,
        "xs": reads,
        "x": reads[0] if reads else None,
        "ys": writes,
        "y": writes[0] if writes else None,
        "roms": Optional(roms),
        "target": target,
        "lanes": reads[0].fifo.lanes if reads else 1,
        "bound_type": bound_type(reads[0].edge) if reads else None,
        "stream": variables or True,
        "at": "lane",
        "arrays": arrays,
        "functions": functions,
        **extra,
    }


def _window_types(plan: Plan, target: Target) -> list[tuple[str, str, str]]:
    """Types of codes that no edge has, in FIFOs between the processes of one layer."""
    found: dict[str, tuple[str, str, str]] = {}
    for process in plan.processes:
        for f in process.writes:
            if not f.edge and f.element not in found:
                found[f.element] = (f.element, target.types.storage(f.type), f"windows  {process.node}")
    return list(found.values())
