"""A design as a processor runs it: the same codes, sums of products in the order that vector units want.

Folds say how many multipliers hardware has; a processor has its own. So the emulator gives layers of constant weights
a form of their own, and takes several samples through each layer before the next, which reads weights once for all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from hwq.ir.hardware import Edge, Graph, Node
from hwq.numeric.fixed import Codes, FixedType
from hwq.ops import Channels, Conv, Dense, Lut, MultiplyShift, Op, Rom, Scale, Shift, Threshold
from hwq.ops.parts.linear import Products

OUTPUTS = 16  # of a block of weights, as hwq_sums.h has them
SUM_BITS = 32
OCTET, SHORT = 8, 16
CACHE = 1 << 18  # bytes of all arrays of the samples that go through at once
MOST_SAMPLES = 16
MOST_LEVELS, MOST_THRESHOLDS = 64, 1 << 15  # compared with every element rather than searched
LANES = 512  # bits of a vector, as hwq_steps.h has them


def for_processor(graph: Graph) -> Graph:
    """The graph with packed layers where their sums fit a machine word."""
    nodes = tuple(replace(node, op=_packed(node, graph.ins(node))) for node in graph.nodes)
    return replace(graph, nodes=nodes)


def samples_at_once(graph: Graph) -> int:
    """How many samples go through a layer before the next: as many as stay in the cache."""
    size = sum(edge.size * max(1, edge.type.width // 8) for edge in graph.edges.values())
    return max(1, min(MOST_SAMPLES, CACHE // max(1, size)))


def _packed(node: Node, inputs: tuple[Edge, ...]) -> Any:
    op = node.op
    if isinstance(op, Dense) and (form := _form(op, inputs[0])):
        bits, offset = form
        return PackedDense(op.weights, op.bias, op.frac, word=bits, offset=offset)
    if isinstance(op, Conv) and _slides(op, inputs[0]):
        return PackedConv(op.weights, op.window, op.groups, op.pad, op.bias, op.frac)
    if isinstance(op, Threshold) and (steps := _stepped(op, inputs[0])):
        return steps
    this: Any = op
    return replace(this, lanes=0) if getattr(op, "lanes", 0) else op


def runs_of(op: Op, x: Edge) -> Channels | None:
    """The channels of an op on single elements that may go channel by channel; None where all have the same."""
    channels = op.channels if isinstance(op, (Lut, MultiplyShift, Scale, Shift, Threshold)) else Channels()
    return None if channels.count == 1 or channels.count == x.size else channels


def _form(op: Products, x: Edge) -> tuple[int, int] | None:
    """Bits of a weight, and what codes of x need added to be unsigned octets or signed shorts; None where none do."""
    weights, taps = FixedType.covering(min(-1, op.weight_type.lo), op.weight_type.hi), x.type
    if op.accumulator(x).width > SUM_BITS or max(weights.width, taps.width) > SHORT:
        return None
    if max(weights.width, taps.width) <= OCTET:
        return OCTET, 1 << (taps.width - 1) if taps.signed else 0
    return SHORT, 0 if taps.signed or taps.width < SHORT else -(1 << (SHORT - 1))


def _slides(op: Conv, x: Edge) -> bool:
    """Whether a convolution's windows lie in lines or planes, its sums in machine words and its factors in shorts."""
    shorts = all(t.width <= SHORT - (not t.signed) for t in (op.weight_type, op.tap_type(x)))
    plain = op.window.rank <= 2 and min(*op.window.before, *op.window.after) >= 0
    return shorts and plain and op.accumulator(x).width <= SUM_BITS


def _stepped(op: Threshold, x: Edge) -> Threshold | None:
    """The same steps in vectors, where there are few and codes fit a machine word."""
    most = max(x.hi + 1, -x.lo, *(abs(int(v)) + op.levels for v in op.base))
    by_element = op.channels.count > 1 and op.channels.inner == 1
    run = x.size if op.channels.count == 1 else op.channels.inner
    size = op.levels * (x.size if by_element else op.channels.count)
    if not 0 < op.levels <= MOST_LEVELS or size > MOST_THRESHOLDS or most >= 1 << (SUM_BITS - 1):
        return None
    bits = SHORT if most < 1 << (SHORT - 1) else SUM_BITS
    thresholds = np.clip(op.thresholds, x.lo, x.hi + 1).astype(np.int64)
    same = (op.base, op.sign, op.type, op.channels)
    return PackedThreshold(thresholds, *same, word=bits, size=x.size, run=run, by_element=by_element)


@dataclass(frozen=True, eq=False)
class PackedDense(Dense):
    """The same sums, of weights in blocks of 16 outputs; bits that agree are no longer counted but multiplied."""

    templates = "processor"
    word: int = OCTET  # bits of a weight
    offset: int = 0

    def roms(self) -> tuple[Rom, ...]:
        return self._roms

    @cached_property
    def _roms(self) -> tuple[Rom, ...]:
        start = np.zeros(self.n_out, dtype=object) if self.bias is None else self.bias.astype(object)
        start = start - self.offset * self.rows.sum(axis=1)
        roms = [Rom("weights", blocks(self.rows, self.word), FixedType(True, self.word))]
        if start.any():
            roms.append(_starts(start))
        return tuple(roms)


@dataclass(frozen=True, eq=False)
class PackedConv(Conv):
    """The same sums, of channels in pairs; bits that agree are no longer counted but multiplied."""

    templates = "processor"

    def roms(self) -> tuple[Rom, ...]:
        return self._roms

    @cached_property
    def _roms(self) -> tuple[Rom, ...]:
        channels, pairs = self.weights.shape[1], -(-self.weights.shape[1] // 2)
        padded = np.zeros((self.n_out, self.window.taps, 2 * pairs), dtype=np.int64)
        padded[:, :, :channels] = self.rows.reshape(self.n_out, self.window.taps, channels)
        roms = [Rom("weights", padded.reshape(self.n_out, -1), FixedType(True, SHORT))]
        if self.bias is not None and self.bias.any():
            roms.append(_starts(self.bias))
        return tuple(roms)


@dataclass(frozen=True, eq=False)
class PackedThreshold(Threshold):
    """The same steps, of `size` elements: of runs of `run` with one channel's, or each of its own."""

    templates = "processor"
    word: int = SHORT  # bits of a threshold
    size: int = 0
    run: int = 0
    by_element: bool = False

    def roms(self) -> tuple[Rom, ...]:
        return self._roms

    @cached_property
    def _roms(self) -> tuple[Rom, ...]:
        kind, words = FixedType(True, self.word), self.thresholds
        base, sign = self.base.astype(np.int64), self.sign.astype(np.int64)
        if self.by_element:
            times, more = self.size // self.channels.count, -self.size % (LANES // self.word)
            words = np.pad(np.tile(words.T, (1, times)), ((0, 0), (0, more)))
            base, sign = np.tile(base, times), np.tile(sign, times)
        rows = (("thresholds", words), ("base", base.reshape(1, -1)), ("sign", sign.reshape(1, -1)))
        return tuple(Rom(role, codes, kind) for role, codes in rows)


def _starts(start: Codes) -> Rom:
    """What sums start with, modulo 2^32."""
    half = 1 << (SUM_BITS - 1)
    words = ((start.astype(object) + half) % (2 * half) - half).astype(np.int64)
    return Rom("bias", words.reshape(1, -1), FixedType(True, SUM_BITS))


def blocks(rows: Codes, bits: int) -> Codes:
    """Weights (outputs, taps) in blocks of 16 outputs, each a row for every 32 bits of taps; 0 where there are none."""
    step = SUM_BITS // bits
    outputs, taps = (-(-n // k) for n, k in zip(rows.shape, (OUTPUTS, step), strict=True))
    padded = np.zeros((outputs * OUTPUTS, taps * step), dtype=f"i{bits // 8}")
    padded[: rows.shape[0], : rows.shape[1]] = rows
    words = padded.reshape(outputs, OUTPUTS, taps, step).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(words.reshape(outputs * taps, OUTPUTS * step))
