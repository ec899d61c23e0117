"""mul: y = (a + shift_a) * (b + shift_b), the exact product of two activations; shapes may broadcast."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from hwq.ir.hardware import Edge
from hwq.netlist.builder import Builder
from hwq.numeric.fixed import Codes, FixedType
from hwq.ops.base import Kernel, Sample, held, quick_dtype
from hwq.ops.parts.binary import JointOp, expanded, joint_shape
from hwq.ops.parts.resources import Kind, Unit


@dataclass(frozen=True)
class Mul(JointOp):
    """`shifts` are what is added to each operand's codes (a zero point, taken out); fractions add up."""

    kind = "mul"
    lean = True
    shifts: tuple[int, int] = (0, 0)
    lanes: int = 0  # elements a cycle; 0: all

    def operands(self, inputs: tuple[Edge, ...]) -> tuple[FixedType, FixedType]:
        """Types of the shifted operands."""
        a, b = (
            FixedType.covering(min(e.lo, e.lo + s), max(e.hi, e.hi + s), e.type.frac)
            for e, s in zip(inputs, self.shifts, strict=True)
        )
        return a, b

    def infer(self, inputs: tuple[Edge, ...]) -> tuple[Edge, ...]:
        a, b = inputs
        s, t = self.shifts
        ends = [(u + s) * (v + t) for u in (a.lo, a.hi) for v in (b.lo, b.hi)]
        return (Edge.covering(joint_shape(a, b), min(ends), max(ends), a.type.frac + b.type.frac),)

    def prepare(self, inputs: tuple[Edge, ...]) -> Kernel:
        a, b = inputs
        (y,) = self.infer(inputs)
        limits = [t for kind in self.operands(inputs) for t in (abs(kind.lo), abs(kind.hi))]
        dtype = quick_dtype(max(*limits, abs(y.lo), abs(y.hi), 1))

        def kernel(first: Codes, second: Codes) -> tuple[Codes, ...]:
            left = held(expanded(first, a.shape, y.shape), dtype) + self.shifts[0]
            right = held(expanded(second, b.shape, y.shape), dtype) + self.shifts[1]
            return (left * right,)

        return kernel

    def joined(self, b: Builder, left: int, right: int, channel: int) -> int:
        one, other = (b.add(s, b.constant(shift)) for s, shift in zip((left, right), self.shifts, strict=True))
        return b.multiply(one, other)

    def units(self, inputs: tuple[Edge, ...]) -> tuple[Unit, ...]:
        a, b = self.operands(inputs)
        return (Unit(Kind.MULTIPLY, self.lanes_in_out(inputs)[1], a.width, b.width),)

    def macs(self, inputs: tuple[Edge, ...]) -> int:
        return prod(joint_shape(*inputs))

    def __str__(self) -> str:
        return "mul" + (f"[{self.shifts[0]} {self.shifts[1]}]" if any(self.shifts) else "")

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        a, b = Edge.covering((1, 3, 4), -8, 7, 2), Edge.covering((1, 3, 4), 0, 15, 4)
        yield Sample("signs", cls(), (a, b))
        yield Sample("zero_points", cls((3, -7)), (a, b))
        yield Sample("gate", cls((0, 1)), (a, Edge.covering((1, 3, 1), 0, 1, -1)))
        far = Edge.covering((1, 5), -(1 << 40), 1 << 40)
        yield Sample("past_int64", cls((1, -1)), (far, far))
        yield Sample("unsigned", cls(), (b, Edge.covering((4,), 0, 255)))
