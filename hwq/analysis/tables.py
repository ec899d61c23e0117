"""What a compiled graph is, as plain records: its ports, its layers, one digest of its ROMs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hwq.analysis.resources import layer_cost
from hwq.codegen.rom_text import digest_parts
from hwq.ir.hardware import Graph
from hwq.numeric.fixed import FixedType
from hwq.numeric.rational import Rationals, to_float, uniform


@dataclass(frozen=True, eq=False)
class TensorInfo:
    """A model input or output: `value = scale * code + offset = scale * (code - zero)`.

    `scale` and `zero` are floats where one holds for the whole tensor, else arrays that broadcast to `shape`.
    """

    name: str
    shape: tuple[int, ...]
    type: FixedType
    scale: Any
    offset: Any
    port: str

    @property
    def zero(self) -> Any:
        return -self.offset / self.scale


def _plain(values: Rationals) -> Any:
    one = uniform(values)
    return float(one) if one is not None else to_float(values)


def input_infos(graph: Graph) -> tuple[TensorInfo, ...]:
    """The model's inputs, a record per port."""
    infos = []
    for port in graph.inputs:
        edge = graph.edges[port.edge]
        infos.append(TensorInfo(port.source, edge.shape, edge.type, float(edge.type.lsb), 0.0, port.name))
    return tuple(infos)


def output_infos(graph: Graph) -> tuple[TensorInfo, ...]:
    """The model's outputs."""
    infos = []
    for port in graph.outputs:
        edge = graph.edges[port.edge]
        infos.append(TensorInfo(port.name, edge.shape, edge.type, _plain(port.scale), _plain(port.offset), port.edge))
    return tuple(infos)


def layer_rows(graph: Graph) -> Iterator[dict[str, Any]]:
    """One record per layer: node, kernel, types, ranges, cost."""
    for node in graph.nodes:
        x, y = graph.ins(node)[0], graph.outs(node)[0]
        yield {
            "node": node.name,
            "op": node.op.kind,
            "kernel": str(node.op),
            "shape": list(y.shape),
            "input": str(x.type),
            "output": str(y.type),
            "range": [y.lo, y.hi],
            "macs": node.op.macs(graph.ins(node)),
            "rom_bits": sum(r.bits for r in node.op.roms()),
            "cycles": node.op.cycles(graph.ins(node)),
            "estimate": layer_cost(graph, node).plain(),
            "proof": None if node.proof is None else node.proof.plain(),
        }


def weights_digest(graph: Graph) -> str:
    """SHA-256 over every ROM, the same for every target."""
    total = hashlib.sha256()
    for node in graph.nodes:
        for rom in node.op.roms():
            total.update(f"{node.outputs[0]} {rom.role}\n".encode())
            for part in digest_parts(rom.label, (rom.depth, rom.lanes), rom.pieces()):
                total.update(part)
    return total.hexdigest()


def port_record(info: TensorInfo) -> dict[str, Any]:
    """For JSON."""

    def plain(value: Any) -> Any:
        return value if isinstance(value, float) else np.asarray(value).reshape(-1).tolist()

    return {
        "name": info.name,
        "port": info.port,
        "shape": list(info.shape),
        "type": str(info.type),
        "signed": info.type.signed,
        "width": info.type.width,
        "frac": info.type.frac,
        "scale": plain(info.scale),
        "offset": plain(info.offset),
    }
