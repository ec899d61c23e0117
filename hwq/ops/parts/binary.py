"""What ops on two edges share: broadcasting as loops over flat arrays, and factors that carry a binary point."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import ClassVar

import numpy as np

from hwq.errors import InternalError
from hwq.ir.hardware import Edge, Shape
from hwq.netlist.builder import Builder
from hwq.netlist.circuit import Signals
from hwq.netlist.sums import linear
from hwq.numeric.fixed import Codes, FixedType
from hwq.ops.base import Channels, Op, Rom
from hwq.ops.parts.resources import Kind, Unit
from hwq.ops.parts.weight_coding import Coding


def joint_shape(*edges: Edge) -> Shape:
    """The shape that the edges broadcast to."""
    try:
        return tuple(np.broadcast_shapes(*(e.shape for e in edges)))
    except ValueError:
        raise InternalError(f"shapes {[e.shape for e in edges]} do not broadcast") from None


def joint_loops(*shapes: Shape) -> list[tuple[int, tuple[int, ...]]]:
    """(trip count, stride in each input's flat array) of every output axis, neighbours merged where strides allow."""
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(s)) + tuple(s) for s in shapes]
    loops: list[tuple[int, tuple[int, ...]]] = []
    for axis in range(rank):
        count = max(s[axis] for s in padded)
        if count == 1:
            continue
        strides = tuple(0 if s[axis] == 1 else prod(s[axis + 1 :]) for s in padded)
        if loops and all(outer == count * inner for outer, inner in zip(loops[-1][1], strides, strict=True)):
            loops[-1] = (loops[-1][0] * count, strides)
        else:
            loops.append((count, strides))
    return loops or [(1, (0,) * len(shapes))]


def expanded(codes: Codes, own: Shape, full: Shape) -> Codes:
    """A batch of codes broadcast to the joint shape."""
    lead = (1,) * (len(full) - len(own))
    return np.broadcast_to(codes.reshape(codes.shape[0], *lead, *own), (codes.shape[0], *full))


def factor_type(mult: Codes, x: Edge, frac: int) -> FixedType:
    """The type of integer factors that take x's binary point to `frac`: code times code is the product's code."""
    return FixedType.covering(int(mult.min()), int(mult.max()), frac - x.type.frac)


def scaled_range(mult: Codes, add: Codes | int, x: Edge) -> tuple[Codes, Codes]:
    """Per channel, the ends of mult * x + add."""
    wide = mult.astype(object)
    ends = wide * x.lo + add, wide * x.hi + add
    return np.minimum(*ends), np.maximum(*ends)


LITERAL_BITS = 62  # constants of one channel that are wider go to a ROM


def columns(rows: int, **constants: Codes) -> tuple[Rom, ...]:
    """ROMs of one code per channel, `rows` read in a cycle; one that all channels share is a literal where it fits."""
    roms = []
    for role, codes in constants.items():
        kind = FixedType.covering(int(codes.min()), int(codes.max()))
        if codes.size > 1 or kind.width > LITERAL_BITS:
            roms.append(Rom(role, codes.reshape(-1, 1), kind, rows))
    return tuple(roms)


def with_coding(roms: tuple[Rom, ...], coding: Coding) -> tuple[Rom, ...]:
    """The same, the multipliers stored by `coding` where it spares them."""
    return tuple(replace(r, coding=coding) if r.role == "multipliers" and not coding.multiplies else r for r in roms)


def is_shift(mult: Codes) -> bool:
    """Whether every factor is 0 or a power of two, its sign aside: no multiplier is built."""
    return all(int(m) & (int(m) - 1) == 0 for m in np.abs(mult))


class JointOp(Op):
    """An elementwise op on two edges that broadcast: how its kernel visits them."""

    lanes: int

    def joined(self, b: Builder, left: int, right: int, channel: int) -> int:
        """What becomes of two signals."""
        raise NotImplementedError

    def netlist(self, b: Builder, inputs: tuple[Edge, ...], xs: tuple[Signals, ...]) -> tuple[Signals, ...]:
        shape = joint_shape(*inputs)
        pairs = np.stack([np.broadcast_to(x, shape).reshape(-1) for x in xs], axis=1)
        channels: Channels = getattr(self, "channels", Channels())
        made, index = np.empty(len(pairs), dtype=np.int64), channels.index(len(pairs))
        for c in range(min(channels.count, len(pairs))):
            own = index == c
            results = b.mapped("element", lambda b, x, c=c: [self.joined(b, x[0], x[1], c)], pairs[own])  # type: ignore[misc]
            made[own] = results[:, 0]
        return (made.reshape(shape),)

    def flat(self, inputs: tuple[Edge, ...]) -> bool:
        """Whether both arrays and the output are walked in step."""
        return [strides for _, strides in self.loops(inputs)] == [(1, 1)]

    def loops(self, inputs: tuple[Edge, ...]) -> list[tuple[int, tuple[int, ...]]]:
        return joint_loops(*(e.shape for e in inputs))

    def lanes_in_out(self, inputs: tuple[Edge, ...]) -> tuple[int, int]:
        lanes = (self.lanes or prod(joint_shape(*inputs))) if self.flat(inputs) else 1
        return lanes, lanes

    def cycles(self, inputs: tuple[Edge, ...]) -> int:
        return -(-prod(joint_shape(*inputs)) // self.lanes_in_out(inputs)[0])


class ScaledJointOp(JointOp):
    """A `JointOp` whose operands are first taken to the binary point `frac` by integer factors."""

    joins_by: ClassVar[Kind] = Kind.ADD
    left: Codes
    right: Codes
    frac: int

    def factor_types(self, inputs: tuple[Edge, ...]) -> tuple[FixedType, FixedType]:
        """Types of the two factors: each takes its operand's binary point to the output's."""
        return factor_type(self.left, inputs[0], self.frac), factor_type(self.right, inputs[1], self.frac)

    def signs(self, inputs: tuple[Edge, ...]) -> tuple[int, int]:
        """Per operand: 1 or -1 where that is its factor's value, else 0."""
        a, b = (
            next((s for s in (1, -1) if kind.frac >= 0 and m.size == 1 and int(m[0]) == s << kind.frac), 0)
            for m, kind in zip((self.left, self.right), self.factor_types(inputs), strict=True)
        )
        return a, b

    def operand(self, b: Builder, signal: int, factors: Codes, channel: int, start: int = 0) -> int:
        """A signal at the output's binary point."""
        return linear(b, [signal], [int(factors[channel % factors.size])], start)

    def units(self, inputs: tuple[Edge, ...]) -> tuple[Unit, ...]:
        """A multiplier for each operand whose factor is no shift, and the join."""
        lanes, (y,) = self.lanes_in_out(inputs)[1], self.infer(inputs)
        scaled = [(m, e) for m, e in zip((self.left, self.right), inputs, strict=True) if not is_shift(m)]
        widths = [(FixedType.covering(int(m.min()), int(m.max())).width, e.type.width) for m, e in scaled]
        return (*(Unit(Kind.MULTIPLY, lanes, *w) for w in widths), Unit(self.joins_by, lanes, y.type.width))

    def macs(self, inputs: tuple[Edge, ...]) -> int:
        return prod(joint_shape(*inputs)) * sum(1 for m in (self.left, self.right) if not is_shift(m))
