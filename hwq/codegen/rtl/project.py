"""render_rtl: a hardware graph becomes the text of a Verilog project. Nothing is written to disk here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hwq.codegen.arrays import Array, Settings, host_of, value_of
from hwq.codegen.constant_outputs import constants_of
from hwq.codegen.environment import environment
from hwq.codegen.rtl.expressions import literal, repeated
from hwq.codegen.rtl.module import Element, cut, joined, modules_of, needs_clock, packed
from hwq.codegen.rtl.names import Names, names_of
from hwq.codegen.rtl.pipeline import Layer, Pipeline, Tensor
from hwq.codegen.rtl.vectors import element_bits, hex_lines, port_octets
from hwq.errors import SpecError
from hwq.ir.hardware import Edge, Graph, Node
from hwq.ir.names import comment
from hwq.netlist.circuit import Gate
from hwq.numeric.fixed import Codes
from hwq.numeric.rational import uniform
from hwq.targets import Target

WIDEST = 1 << 20  # bits of one vector


@dataclass(frozen=True)
class Stream:
    """A port: the tensor's elements side by side, each as wide as its type, then zeros up to whole octets."""

    name: str  # between s_axis_ or m_axis_ and _tdata
    label: str  # the ONNX name
    edge: Edge
    vector: str
    tensor: Tensor
    text: str = ""  # of the vector's elements, or of the port's

    @property
    def array(self) -> Array:
        """The port as the host's header calls it."""
        return Array(self.name, "", self.edge)

    @property
    def element(self) -> int:
        """Bits of one element."""
        return element_bits(self.edge)

    @property
    def bits(self) -> int:
        """Bits of all elements."""
        return self.element * self.edge.size

    @property
    def width(self) -> int:
        """Bits of the port."""
        return 8 * port_octets(self.edge)


@dataclass(frozen=True)
class Instance:
    """A layer's module in the top."""

    module: str
    name: str
    node: Node
    summary: str
    clocked: bool
    ports: tuple[tuple[str, str], ...]
    made: tuple[tuple[str, int], ...]  # (vector, bits)
    start: int
    latency: int
    registers: int
    additions: int


def render_rtl(graph: Graph, target: Target, settings: Settings, pipeline: Pipeline, samples: int) -> dict[str, bytes]:
    """The project's files by path, without manifest and vectors, of which there are `samples`."""
    top, names = settings.top, names_of(graph, settings.top)
    for node in graph.nodes:
        if node.memory != "auto":
            raise SpecError(f"layer '{node.name}': {target.name} binds no ROM to {node.memory}", remedy="use auto")
    held = pipeline.held(graph)
    files: dict[str, bytes] = {}
    instances = []
    for module, layer in zip(names.modules, pipeline.layers, strict=True):
        ins = [_contents(graph, e) for e in layer.node.inputs]
        outs = [_contents(graph, e) for e in layer.node.outputs]
        title = f"{comment(f'node {layer.node.name}', 100)}: {comment(str(layer.node.op))}"
        for made in modules_of(module, layer.circuit, ins, outs, title):
            files[f"rtl/{made.name}.v"] = made.text.encode()
        instances.append(_instance(module, layer, names, pipeline, top))
    inputs, outputs = _streams(graph, names, pipeline)
    context: dict[str, Any] = {
        "graph": graph,
        "target": target,
        "settings": settings,
        "top": top,
        "guard": top.upper(),
        "latency": pipeline.latency,
        "slowest": pipeline.slowest,
        "inputs": inputs,
        "outputs": outputs,
        "layers": instances,
        "held": [(names.vectors[e], pipeline.tensors[e].width, n) for e, n in held.items() if n],
        "sources": sorted([*files, f"rtl/{top}.v"]),
        "traced": [(names.vectors[e], pipeline.tensors[e].stage) for n in graph.nodes for e in n.outputs],
        "hosts": [host_of(graph, p, target) for p in graph.inputs],
        "values": [value_of(p, graph.edges[p.edge]) for p in graph.outputs],
        "uniform": uniform,
        "constants": constants_of(graph),
        "unused": _unread(graph, names, inputs),
        "samples": samples,
    }
    templates = {
        f"rtl/{top}.v": "rtl/top.v.j2",
        f"tb/{top}_tb.sv": "rtl/tb.sv.j2",
        f"tb/{top}_sim.sv": "rtl/sim.sv.j2",
        "tb/main.cpp": "rtl/main.cpp.j2",
        f"constraints/{top}.xdc": "rtl/constraints.j2",
        f"constraints/{top}.sdc": "rtl/constraints.j2",
        f"host/{top}_host.h": "project/host.h.j2",
        target.script_name: f"rtl/{target.script}",
        "Makefile": "rtl/Makefile.j2",
        "README.md": "rtl/README.md.j2",
    }
    env = environment()
    return {**files, **{path: env.get_template(t).render(context).encode() for path, t in templates.items()}}


def rtl_record(graph: Graph, top: str, pipeline: Pipeline) -> dict[str, Any]:
    """What the manifest says of a pipeline."""
    names = names_of(graph, top)
    return {
        "pipeline": {
            "latency": pipeline.latency,
            "interval": 1,
            "slowest_ns": round(pipeline.slowest, 3),
            "layers": [
                {
                    "node": layer.node.name,
                    "module": module,
                    "stage": layer.start,
                    "latency": layer.circuit.latency,
                    "additions": layer.circuit.circuit.count(Gate.ADD),
                    "registers": layer.circuit.registers,
                }
                for module, layer in zip(names.modules, pipeline.layers, strict=True)
            ],
        }
    }


def rtl_vectors(graph: Graph, top: str, codes: Mapping[str, Codes]) -> dict[str, bytes]:
    """The testbench's vectors by path, of codes by edge."""
    names = names_of(graph, top)
    files = {}
    for p in graph.inputs:
        edge = graph.edges[p.edge]
        text = hex_lines(codes[p.edge], element_bits(edge), port_octets(edge))
        files[f"tb/data/in_{names.inputs[p.name]}.hex"] = text
    for out in graph.outputs:
        edge = graph.edges[out.edge]
        text = hex_lines(codes[out.edge], element_bits(edge), port_octets(edge))
        files[f"tb/data/out_{names.outputs[out.name]}.hex"] = text
    return files


def _contents(graph: Graph, edge: str) -> str:
    """What lies in a vector, in words."""
    spec = graph.edges[edge]
    return f"{spec.size} elements, codes {spec.lo}..{spec.hi}"


def _instance(module: str, layer: Layer, names: Names, pipeline: Pipeline, top: str) -> Instance:
    circuit = layer.circuit
    ports = []
    for k, e in enumerate(layer.node.inputs):
        late = layer.start - pipeline.tensors[e].stage
        port = "x" if len(layer.node.inputs) == 1 else f"x{k}"
        ports.append((port, names.vectors[e] + (f"_d{late}" if late else "")))
    for k, e in enumerate(layer.node.outputs):
        ports.append(("y" if len(layer.node.outputs) == 1 else f"y{k}", names.vectors[e]))
    return Instance(
        module,
        f"u_{module.removeprefix(f'{top}_')}",
        layer.node,
        str(layer.node.op),
        needs_clock(circuit),
        tuple(ports),
        tuple((names.vectors[e], pipeline.tensors[e].width) for e in layer.node.outputs),
        layer.start,
        circuit.latency,
        circuit.registers,
        circuit.circuit.count(Gate.ADD),
    )


def _streams(graph: Graph, names: Names, pipeline: Pipeline) -> tuple[list[Stream], list[Stream]]:
    """The ports, with the text that takes them apart and puts them together."""
    inputs, outputs = [], []
    for p in graph.inputs:
        tensor, edge = pipeline.tensors[p.edge], graph.edges[p.edge]
        stream = Stream(names.inputs[p.name], p.source, edge, names.vectors[p.edge], tensor)
        data = f"s_axis_{stream.name}_tdata"
        parts = [cut(data, stream.width, Element(i * stream.element, w)) for i, w in enumerate(tensor.widths)]
        inputs.append(replace(stream, text=joined(parts)))
    for out in graph.outputs:
        tensor, edge = pipeline.tensors[out.edge], graph.edges[out.edge]
        late = pipeline.latency - tensor.stage
        vector = names.vectors[out.edge] + (f"_d{late}" if late else "")
        stream = Stream(names.outputs[out.name], out.name, edge, vector, tensor)
        parts = []
        for place, (lo, _) in zip(packed(tensor.widths), tensor.intervals, strict=True):
            own, spare = cut(vector, tensor.width, place), stream.element - place.width
            sign = cut(vector, tensor.width, Element(place.low + place.width - 1, 1))
            fill = repeated(sign, spare) if lo < 0 else literal(0, spare)
            parts.append(f"{{{fill}, {own}}}" if spare else own)
        if stream.width > stream.bits:
            parts.append(literal(0, stream.width - stream.bits))
        outputs.append(replace(stream, text=joined(parts)))
    for stream in (*inputs, *outputs):
        if stream.width > WIDEST:
            raise SpecError(
                f"port '{stream.label}' of {stream.width} bits side by side",
                remedy="use --target vivado, vitis or catapult, which pass elements in turn",
            )
    return inputs, outputs


def _unread(graph: Graph, names: Names, inputs: list[Stream]) -> list[str]:
    """Bits and vectors of the top that nothing reads."""
    read = {e for n in graph.nodes for e in n.inputs} | {p.edge for p in graph.outputs}
    return [b for s in inputs for b in _unread_bits(s)] + [v for e, v in names.vectors.items() if e not in read]


def _unread_bits(stream: Stream) -> list[str]:
    """Bits of an input port that no code in its range uses, and those that fill it up."""
    data = f"s_axis_{stream.name}_tdata"
    spare = [
        Element(i * stream.element + w, stream.element - w)
        for i, w in enumerate(stream.tensor.widths)
        if w < stream.element
    ]
    if stream.width > stream.bits:
        spare.append(Element(stream.bits, stream.width - stream.bits))
    return [cut(data, stream.width, place) for place in spare]
