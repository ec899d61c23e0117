"""estimate: what a design costs an FPGA, by rules simple enough to check by hand (docs/estimates.md).

Before synthesis: it ranks designs and finds what will not fit; a tool's own report replaces it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from math import ceil, log2
from typing import Any

from hwq.analysis.throughput import pace_of
from hwq.codegen.rom_text import BRAM_BITS
from hwq.dataflow.schedule import scheduled
from hwq.dataflow.stream_plan import Process, stream_plan
from hwq.ir.hardware import Graph, Node
from hwq.ops import Rom
from hwq.ops.lut import Lut
from hwq.ops.parts.resources import Kind, Unit

LUT_MULTIPLIER = 4  # bits of the narrower operand up to which a product is made of LUTs
DSP_A, DSP_B = 26, 17  # magnitude bits of a DSP48E2's operands
BRAM_SHAPES = ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))  # (width, depth) of a half block
URAM_SHAPE = (72, 4096)
LUTRAM_BITS = 64  # of one LUT used as memory
SRL_DEPTH = 32  # stages of one LUT used as a shift register


@dataclass(frozen=True)
class Resources:
    """LUTs, DSPs, 18-kbit block RAMs and URAMs."""

    lut: int = 0
    dsp: int = 0
    bram18: int = 0
    uram: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(self.lut + other.lut, self.dsp + other.dsp, self.bram18 + other.bram18, self.uram + other.uram)

    def plain(self) -> dict[str, int]:
        """For JSON."""
        return asdict(self)


def total(parts: Iterable[Resources]) -> Resources:
    """The sum."""
    result = Resources()
    for part in parts:
        result = result + part
    return result


def unit_cost(unit: Unit) -> Resources:
    """One kind's rule, times its count."""
    n, a, b = unit.count, unit.a, unit.b
    if unit.kind is Kind.MULTIPLY:
        if min(a, b) <= LUT_MULTIPLIER:
            return Resources(lut=n * a * b)
        wide, narrow = max(a, b), min(a, b)
        return Resources(dsp=n * ceil(wide / DSP_A) * ceil(narrow / DSP_B))
    each = {
        Kind.ADD: a,
        Kind.COMPARE: ceil(a / 2),
        Kind.SELECT: ceil(a / 2),
        Kind.SHIFT: a * ceil(log2(max(2, b)) / 2),
        Kind.COUNT: a,
    }[unit.kind]
    return Resources(lut=n * each)


def memory_cost(width: int, depth: int, memory: str = "auto") -> Resources:
    """Words of `width` bits in block RAM, in LUTs or in URAM; "auto": by size, as generated pragmas choose."""
    if memory == "auto":
        memory = "bram" if width * depth >= BRAM_BITS else "lutram"
    if memory == "bram":
        return Resources(bram18=min(ceil(width / w) * ceil(depth / d) for w, d in BRAM_SHAPES))
    if memory == "uram":
        return Resources(uram=ceil(width / URAM_SHAPE[0]) * ceil(depth / URAM_SHAPE[1]))
    return Resources(lut=ceil(depth / LUTRAM_BITS) * width)


def rom_cost(rom: Rom, memory: str, copies: int) -> Resources:
    """A ROM in its memory; one that is read whole in every cycle is wired, and costs nothing of its own."""
    if rom.rows >= rom.depth and (rom.whole_row or rom.lanes == 1):
        return Resources()
    banks = max(1, rom.rows)
    bank = memory_cost(rom.word_type.width * (rom.lanes if rom.whole_row else 1), ceil(rom.depth / banks), memory)
    return total([bank] * (banks * copies))


def layer_cost(graph: Graph, node: Node) -> Resources:
    """What a layer's arithmetic and ROMs cost."""
    inputs = graph.ins(node)
    copies = (node.op.lanes or inputs[0].size) if isinstance(node.op, Lut) else 1  # a port serves one lane
    roms = [rom_cost(rom, node.memory, copies) for rom in node.op.roms()]
    return total([*map(unit_cost, node.op.units(inputs)), *roms])


def fifo_cost(bits: int, depth: int) -> Resources:
    """A FIFO: shift registers of LUTs while it is shallow, block RAM where it is not."""
    if depth <= 2 * SRL_DEPTH or bits * depth < BRAM_BITS:
        return Resources(lut=bits * ceil(depth / SRL_DEPTH))
    return memory_cost(bits, depth, "bram")


def held_cost(process: Process) -> Resources:
    """Lines or tensors that a process of a stream holds, a token wide."""
    bits = process.buffered_bits
    if not bits:
        return Resources()
    width = max((f.lanes * f.type.width for f in (*process.reads, *process.writes)), default=1)
    return memory_cost(width, ceil(bits / width))


def design_cost(graph: Graph, io: str) -> Resources:
    """All layers, and what a stream puts between and into them."""
    layers = total(layer_cost(graph, n) for n in graph.nodes)
    if io != "stream":
        return layers
    plan = stream_plan(graph, "top")
    depths = scheduled([p.actor() for p in plan.processes]).depths
    fifos = total(fifo_cost(f.lanes * f.type.width, depths[f.name]) for f in plan.fifos)
    return layers + fifos + total(map(held_cost, plan.processes))


def estimated(graph: Graph, io: str, clock: float) -> dict[str, Any]:
    """The whole design's cost and pace, as plain data."""
    pace = pace_of(graph, io)
    return {
        **design_cost(graph, io).plain(),
        "interval": pace.interval,
        "latency": pace.latency,
        "slowest": pace.slowest,
        "fps": pace.fps(clock),
    }
