"""extremum: y = max or min of left * a and right * b + add, compared as integers on one grid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hwq.ir.hardware import Edge
from hwq.netlist.builder import Builder
from hwq.numeric.fixed import Codes, FixedType
from hwq.ops.base import Channels, Kernel, Rom, Sample, held, quick_dtype
from hwq.ops.parts.binary import ScaledJointOp, columns, expanded, joint_shape, scaled_range
from hwq.ops.parts.resources import Kind


@dataclass(frozen=True, eq=False)
class Extremum(ScaledJointOp):
    """`left`, `right` and `add` (C,) are integers, chosen by the output's channel; `frac` is the result's point."""

    kind = "extremum"
    lean = True
    joins_by = Kind.COMPARE
    largest: bool
    left: Codes
    right: Codes
    add: Codes
    frac: int = 0
    channels: Channels = Channels()
    lanes: int = 0  # elements a cycle; 0: all

    def _ends(self, inputs: tuple[Edge, ...]) -> list[tuple[Codes, Codes]]:
        a, b = inputs
        return [scaled_range(self.left, 0, a), scaled_range(self.right, self.add, b)]

    def infer(self, inputs: tuple[Edge, ...]) -> tuple[Edge, ...]:
        (a_lo, a_hi), (b_lo, b_hi) = self._ends(inputs)
        pick = np.maximum if self.largest else np.minimum
        lo, hi = pick(a_lo, b_lo), pick(a_hi, b_hi)
        return (Edge.covering(joint_shape(*inputs), int(lo.min()), int(hi.max()), self.frac),)

    def operands(self, inputs: tuple[Edge, ...]) -> tuple[FixedType, FixedType]:
        """Types of the two compared integers: both signed where one is, as AMD's header asks (docs/targets.md)."""
        ends = [(int(lo.min()), int(hi.max())) for lo, hi in self._ends(inputs)]
        sign = -1 if min(lo for lo, _ in ends) < 0 else 0
        a, b = (FixedType.covering(min(lo, sign), hi, self.frac) for lo, hi in ends)
        return a, b

    @property
    def adds(self) -> bool:
        return bool((self.add != 0).any())

    @property
    def add_type(self) -> FixedType:
        return FixedType.covering(int(self.add.min()), int(self.add.max()), self.frac)

    def prepare(self, inputs: tuple[Edge, ...]) -> Kernel:
        (y,) = self.infer(inputs)
        pick = np.maximum if self.largest else np.minimum
        everything = [v for ends in self._ends(inputs) for end in ends for v in end]
        bound = 4 * max(1, *(abs(int(v)) for v in [*everything, *self.add.tolist()]))
        rows = (self.left, self.right, self.add)
        dtype = quick_dtype(bound)
        left, right, add = (held(v, dtype).reshape(1, 1, -1, 1) for v in rows)

        def kernel(*codes: Codes) -> tuple[Codes, ...]:
            wide = [
                self.channels.view(held(expanded(c, e.shape, y.shape), dtype))
                for c, e in zip(codes, inputs, strict=True)
            ]
            best = pick(wide[0] * left, wide[1] * right + add)
            return (best.reshape(codes[0].shape[0], *y.shape),)

        return kernel

    def joined(self, b: Builder, left: int, right: int, channel: int) -> int:
        one = self.operand(b, left, self.left, channel)
        other = self.operand(b, right, self.right, channel, int(self.add[channel % self.add.size]))
        return b.greater(one, other) if self.largest else b.lesser(one, other)

    def roms(self) -> tuple[Rom, ...]:
        constants = {"left": self.left, "right": self.right} | ({"add": self.add} if self.adds else {})
        return columns(self.channels.rows(self.lanes), **constants)

    def __str__(self) -> str:
        return f"{'max' if self.largest else 'min'}[x{self.left.size}]"

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        one, zero = np.asarray([1]), np.asarray([0])
        a, b = Edge.covering((1, 3, 4), -8, 7, 2), Edge.covering((1, 3, 4), 0, 15, 4)
        yield Sample("same_grid", cls(True, one, one, zero), (a, b))
        yield Sample("aligned", cls(False, 4 * one, one, zero, 4), (a, b))
        factors, offsets = (np.asarray([3, 1, 9]), np.asarray([5, 5, 2])), np.asarray([11, 0, -7])
        yield Sample("channels", cls(True, *factors, offsets, channels=Channels(3, 4)), (a, b))
        yield Sample("broadcast", cls(True, one, -one, 3 * one), (a, Edge.covering((1, 1, 4), -2, 1)))
        far = Edge.covering((1, 5), -(1 << 60), 1 << 60)
        yield Sample("past_int64", cls(False, np.asarray([1 << 20]), 3 * one, one), (far, far))
        falling, rising = Edge.covering((1, 5), -(1 << 40), -1), Edge.covering((1, 5), 0, 1 << 40)
        yield Sample("mixed_signs", cls(True, one, one, zero), (falling, rising))
