"""render: a hardware graph becomes the text of one target's project. Nothing is written to disk here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import lcm, prod
from pathlib import Path
from typing import Any

from hwq.codegen.adder_lines import AdderLines, adder_lines
from hwq.codegen.bound_line import line_of
from hwq.codegen.constant_outputs import constants_of
from hwq.codegen.environment import data_folder, environment
from hwq.codegen.indent import indented
from hwq.codegen.rom_text import RomText, storage_hint
from hwq.dataflow.names import array_names, generators, layer_names, port_names
from hwq.errors import SpecError
from hwq.ir.hardware import Edge, Graph, InputPort, Node, OutputPort
from hwq.ir.host_quantizers import SteppedQuantizer, TypedQuantizer
from hwq.numeric.fixed import FixedType
from hwq.numeric.rational import to_float, uniform
from hwq.ops import Op, Products, Reshape, Rom
from hwq.passes.pack_for_cpu import runs_of, samples_at_once
from hwq.targets import Target

LABEL = re.compile(r"^( *)\w+: (for \()")
BLANK = "\0"  # where a ROM's initialiser goes
MAX_PARTITION = 4096  # elements of an array split into registers


@dataclass(frozen=True)
class Settings:
    """What a project is rendered with, besides the graph."""

    top: str
    part: str
    clock: float
    version: str
    semantics: str = "real"
    io: str = "parallel"
    interface: str = "memory"
    control: str = "pins"


@dataclass(frozen=True)
class Array:
    """An edge as generated code sees it."""

    name: str
    type: str
    edge: Edge
    pragma: str = ""

    @property
    def size(self) -> int:
        return self.edge.size


@dataclass(frozen=True)
class Layer:
    """One node as generated code sees it."""

    name: str  # of its C++ function
    node: Node
    x: Array
    ys: tuple[Array, ...]
    roms: Mapping[str, RomText]
    text: str
    summary: str

    @property
    def adders(self) -> bool:
        """Whether it has a file of its own, as a graph of adders."""
        return self.node.op.templates == "kernels" and getattr(self.node.op, "adders", None) is not None


@dataclass(frozen=True)
class Port:
    """A top-level port."""

    array: Array
    label: str  # the ONNX name
    edge: str


def render(graph: Graph, target: Target, settings: Settings) -> dict[str, bytes]:
    """The project's source files by path, without vectors and manifest."""
    names = array_names(graph, settings.top)
    arrays = {e: _array(graph, target, e, names[e]) for e in graph.edges}
    layers = [
        layer_of(graph, node, name, target, arrays)
        for node, name in zip(graph.nodes, layer_names(graph, names, settings.top), strict=True)
        if not isinstance(node.op, Reshape)
    ]
    inputs = [Port(arrays[p.edge], p.source, p.edge) for p in graph.inputs]
    outputs = _output_ports(graph, arrays, settings.top)
    loads: list[tuple[Array, Array]] = []  # (port, array of the body) where a port passes each code once, in order
    if settings.interface != "memory" and target.port(settings.interface, ""):
        loads = _loads(graph, arrays, inputs, target)
        inputs, outputs = (
            [replace(p, array=replace(p.array, pragma="")) for p in ports] for ports in (inputs, outputs)
        )
    home = _homes(graph, arrays, outputs, loads)
    context: dict[str, Any] = {
        "graph": graph,
        "target": target,
        "settings": settings,
        "top": settings.top,
        "inputs": inputs,
        "outputs": outputs,
        "layers": layers,
        "types": type_lines(graph, target, names),
        "loads": loads,
        "locals": [*(into for _, into in loads), *_locals(graph, arrays, home)],
        "homes": home,
        "calls": _calls(graph, layers, home),
        "dataflow": graph.overlaps,
        "pipelined": not loads and all(n.op.cycles(graph.ins(n)) <= 1 for n in graph.nodes),
        "hosts": [host_of(graph, p, target) for p in graph.inputs],
        "values": [value_of(p, graph.edges[p.edge]) for p in graph.outputs],
        "constants": constants_of(graph),
        "guard": settings.top.upper(),
        "uniform": uniform,
        "generators": generators(graph, settings.top),
        "stream": None,
        "at_once": samples_at_once(graph),
    }
    env = environment()
    files = {
        f"src/{settings.top}.h": "project/top.h.j2",
        f"src/{settings.top}.cpp": f"{target.tops}/top.cpp.j2",
        "src/types.h": "project/types.h.j2",
        "src/layers.h": "project/layers.h.j2",
        "src/hwq_codes.h": target.codes,
        f"host/{settings.top}_host.h": "project/host.h.j2",
        f"tb/{settings.top}_tb.cpp": "testbench.cpp.j2",
        target.script_name: f"project/{target.script}",
        "README.md": "project/README.md.j2",
    }
    rendered = {path: env.get_template(name).render(context).encode() for path, name in files.items()}
    for carried in target.carries:
        rendered[f"src/{Path(carried).name}"] = (data_folder("hls_testbench") / carried).read_bytes()
    if any(layer.adders for layer in layers):
        rendered["src/hwq_whole.h"] = env.get_template("project/whole.h.j2").render().encode()
    for layer in layers:
        if layer.adders:
            text = env.get_template("project/adders.h.j2").render(layer=layer, target=target)
            rendered[f"src/adders/{layer.name}.h"] = text.encode()
        for rom in layer.roms.values():
            if rom.linked(target.links):
                text = env.get_template("processor/rom.h.j2").render(rom=rom, node=layer.node.name)
                rendered[f"src/weights/{rom.name}.h"] = text.encode()
            else:
                rendered[f"src/weights/{rom.name}.h"] = rom_header(rom, layer.node.name, target.rom_word(rom.type))
    return rendered


def rom_header(rom: RomText, node: str, synthesis: str) -> bytes:
    """The header of one ROM; joined once, as it may be most of a project."""
    template = environment().get_template("project/rom.h.j2")
    text = template.render(rom=rom, node=node, synthesis=synthesis, guard=rom.name.upper(), initialiser=BLANK)
    before, after = text.encode().split(BLANK.encode())
    return b"".join([before, *rom.initialiser(), after])


def _array(graph: Graph, target: Target, edge: str, name: str) -> Array:
    return Array(name, f"{name}_t", graph.edges[edge], _partition(graph, target, edge, name))


def _partition(graph: Graph, target: Target, edge: str, name: str) -> str:
    """Split the array so that its writer and its readers reach all their lanes in one cycle.

    Elements side by side lie in banks of their own when dealt out in turn; those of windows and channels need not, and
    get a register each.
    """
    size, lanes, scattered = graph.edges[edge].size, [1], False
    for node in graph.nodes:
        reads, writes = node.op.lanes_in_out(graph.ins(node))
        own = [reads] * (edge in node.inputs) + [writes] * (edge in node.outputs)
        scattered |= node.op.scattered and max(own, default=1) > 1
        lanes += own
    factor = min(size, lcm(*lanes))
    if factor == 1 or size == 1:
        return ""
    if (factor == size or scattered) and size <= MAX_PARTITION:
        return target.pragma("partition_complete", var=name, dim=1)
    factor = factor if factor <= MAX_PARTITION else max(lanes)
    return target.pragma("partition_cyclic", var=name, factor=min(factor, MAX_PARTITION), dim=1)


def layer_of(graph: Graph, node: Node, name: str, target: Target, arrays: Mapping[str, Array]) -> Layer:
    """A node as a function on arrays."""
    (x, *others), ys = [arrays[e] for e in node.inputs], tuple(arrays[e] for e in node.outputs)
    roms = {rom.role: rom_text(rom, name, target, memory_of(node, target)) for rom in node.op.roms()}
    context = {
        "name": name,
        "op": node.op,
        "x": x,
        "xs": [x, *others],
        "y": ys[0],
        "ys": ys,
        "roms": Optional(roms),
        "target": target,
        "lanes": getattr(node.op, "lanes", 0) or x.size,
        "rows": prod(x.edge.shape[:-1]),
        "bound_type": bound_type(x.edge),
        "runs": runs_of(node.op, x.edge) if target.tops == "processor" else None,
        "stream": None,
        "at": "i",
        "adders": lines_of(node.op),
    }
    text = function_text(f"{node.op.templates}/{node.op.kind}.h.j2", context)
    return Layer(name, node, x, ys, roms, text, str(node.op))


def function_text(template: str, context: Mapping[str, Any]) -> str:
    """A kernel's C++, indented, its pragmas where the target wants them."""
    text = environment().get_template(template).render(context)
    lines = indented(line for line in text.splitlines() if line.strip())
    if not context["target"].pragmas:  # nothing refers to a loop by its label
        lines = [LABEL.sub(r"\1\2", line) for line in lines]
    return "\n".join(_hoisted(lines) if context["target"].loop_pragmas_before else lines)


def _hoisted(lines: list[str]) -> list[str]:
    """Pragmas that kernels write as a loop body's first lines, moved before the loop."""
    out: list[str] = []
    for line in lines:
        above = next((k for k in range(len(out) - 1, -1, -1) if not out[k].startswith("#pragma")), -1)
        if line.startswith("#pragma") and above >= 0 and " for (" in f" {out[above].lstrip()}":
            out.insert(above, line)
        else:
            out.append(line)
    return out


def lines_of(op: Op) -> AdderLines | None:
    """The adders that a layer's sums are made by; None where it multiplies."""
    if not isinstance(op, Products) or op.adders is None:
        return None
    return adder_lines(op.adders, [0] * op.n_out if op.bias is None else op.bias.tolist())


class Optional(dict[str, RomText]):
    """ROMs by role; a role that an op does not have is None rather than an error."""

    def __missing__(self, key: str) -> None:
        return None

    def __getattr__(self, key: str) -> RomText | None:
        return self[key]


def bound_type(x: Edge) -> FixedType:
    """The type thresholds are compared in: x's binary point, wide enough for the unreachable bound above x."""
    return FixedType.covering(min(x.lo, 0), x.hi + 1, x.type.frac)


def memory_of(node: Node, target: Target) -> str:
    """The memory asked for, if the target's tool is told of memories in its sources."""
    if node.memory != "auto" and f"rom_{node.memory}" not in target.pragmas and "rom_bram" in target.pragmas:
        raise SpecError(f"layer '{node.name}': {target.name} binds no ROM to {node.memory}", remedy="use auto")
    return node.memory


def rom_text(rom: Rom, layer: str, target: Target, memory: str = "auto") -> RomText:
    """The ROM with pragmas that let each cycle read what the kernel reads, and that choose its memory."""
    name = f"{layer}_{rom.role}"
    every_row, lanes = rom.rows >= rom.depth, rom.lanes if rom.whole_row else 1
    if every_row and lanes == rom.lanes:
        return RomText(name, rom.role, rom, (target.pragma("partition_complete", var=name, dim=0),))
    hints = []
    if every_row and rom.depth > 1:
        hints.append(target.pragma("partition_complete", var=name, dim=1))
    elif rom.rows > 1:
        hints.append(target.pragma("partition_cyclic", var=name, factor=rom.rows, dim=1))
    if lanes > 1:
        hints.append(target.pragma("reshape_complete", var=name, dim=2))
    if RomText(name, rom.role, rom, ()).words > 1:
        hints.append(target.pragma("reshape_complete", var=name, dim=3))
    hints.append(target.pragma(storage_hint(rom, memory), var=name))
    return RomText(name, rom.role, rom, tuple(h for h in hints if h))


def type_lines(graph: Graph, target: Target, names: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """(type name, vendor type, comment) of every edge."""
    makers = {e: n.name for n in graph.nodes for e in n.outputs}
    makers.update({p.edge: p.source for p in graph.inputs})
    lines = []
    for edge, spec in graph.edges.items():
        lines.append(
            (f"{names[edge]}_t", target.types.storage(spec.type), f"codes {spec.lo}..{spec.hi}  {makers[edge]}")
        )
    return lines


def _output_ports(graph: Graph, arrays: Mapping[str, Array], top: str) -> list[Port]:
    ports = []
    for p, name in zip(graph.outputs, port_names(graph, top)[1].values(), strict=True):
        inner = arrays[p.edge]
        pragma = inner.pragma.replace(f"variable={inner.name} ", f"variable={name} ")
        ports.append(Port(Array(name, inner.type, inner.edge, pragma), p.name, p.edge))
    return ports


def _loads(graph: Graph, arrays: Mapping[str, Array], inputs: list[Port], target: Target) -> list[tuple[Array, Array]]:
    """Each input's port, and an array of the body's own that takes its codes, split as the readers want it."""
    taken = {a.name for a in arrays.values()} | {a.type for a in arrays.values()}
    loads = []
    for port in inputs:
        name = f"{port.array.name}_codes"
        while name in taken:
            name += "_"
        taken.add(name)
        inner = replace(port.array, name=name, pragma=_partition(graph, target, port.edge, name))
        loads.append((replace(port.array, pragma=""), inner))
    return loads


def _homes(
    graph: Graph, arrays: Mapping[str, Array], outputs: list[Port], loads: Sequence[tuple[Array, Array]] = ()
) -> dict[str, str]:
    """The array in which each edge's codes lie: a reshape shares its input's, a last layer writes to the port.

    Where ports are loaded, outputs are stored from arrays of the body too.
    """
    home = {e: arrays[e].name for e in graph.edges}
    uses = graph.uses()
    made = {e for n in graph.nodes if not isinstance(n.op, Reshape) for e in n.outputs}
    if loads:
        inside = {port.name: into.name for port, into in loads}
        home.update({p.edge: inside[arrays[p.edge].name] for p in graph.inputs})
    else:
        home.update({p.edge: p.array.name for p in outputs if uses[p.edge] == 1 and p.edge in made})
    for node in graph.nodes:
        if isinstance(node.op, Reshape):
            home[node.outputs[0]] = home[node.inputs[0]]
    return home


def _locals(graph: Graph, arrays: Mapping[str, Array], home: Mapping[str, str]) -> list[Array]:
    """The arrays of the top function's body: one per edge that is neither a port nor a reshape of another."""
    ports = {p.edge for p in graph.inputs}
    return [arrays[e] for e in graph.edges if e not in ports and home[e] == arrays[e].name]


def _calls(graph: Graph, layers: list[Layer], home: Mapping[str, str]) -> list[dict[str, Any]]:
    """The layer calls of the top function, in order."""
    return [
        {
            "layer": layer,
            "args": [home[e] for e in (*layer.node.inputs, *layer.node.outputs)],
            "sizes": [graph.edges[e].size for e in (*layer.node.inputs, *layer.node.outputs)],
            "made": [(e, home[e], graph.edges[e].size) for e in layer.node.outputs],
        }
        for layer in layers
    ]


def host_of(graph: Graph, port: InputPort, target: Target) -> dict[str, Any]:
    """How the host header quantizes one input."""
    edge = graph.edges[port.edge]
    quantizer = port.quantizer
    host: dict[str, Any] = {"port": port, "edge": edge, "text": str(quantizer), "conversion": "", "rows": None}
    if isinstance(quantizer, TypedQuantizer):
        host["quantizer"] = quantizer
    elif isinstance(quantizer, SteppedQuantizer):
        rows = quantizer.rows
        host["rows"] = rows
        host["count"], host["inner"] = quantizer.count, quantizer.inner
        host["line"] = line_of(rows.bounds[0]) if len(rows.bounds) == 1 else None
        host["bounds"] = [[repr(v) if v != float("inf") else "HUGE_VAL" for v in row] for row in rows.bounds.tolist()]
    return host


def value_of(port: OutputPort, edge: Edge) -> dict[str, Any]:
    """What an output code is worth, for the host header and the README."""
    scale, offset = uniform(port.scale), uniform(port.offset)
    return {
        "port": port,
        "edge": edge,
        "scale": None if scale is None else float(scale),
        "offset": None if offset is None else float(offset),
        "exact": None if scale is None or scale.denominator.bit_length() > 200 else str(scale),
        "scales": [repr(v) for v in _per_element(port, edge, "scale")] if scale is None else [],
        "offsets": [repr(v) for v in _per_element(port, edge, "offset")] if offset is None else [],
    }


def _per_element(port: OutputPort, edge: Edge, which: str) -> list[float]:
    import numpy as np

    values = to_float(getattr(port, which))
    flat: list[float] = np.broadcast_to(values, edge.shape or (1,)).reshape(-1).tolist()
    return flat
