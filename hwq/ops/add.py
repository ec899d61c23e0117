"""add: y = left * a + right * b with integer factors: two activations on one grid, exactly; shapes may broadcast."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hwq.ir.hardware import Edge
from hwq.netlist.builder import Builder
from hwq.netlist.sums import linear
from hwq.numeric.fixed import Codes
from hwq.ops.base import Channels, Kernel, Rom, Sample, held, quick_dtype
from hwq.ops.parts.binary import ScaledJointOp, columns, expanded, joint_shape, scaled_range


@dataclass(frozen=True, eq=False)
class Add(ScaledJointOp):
    """`left` and `right` (C,) are integers, chosen by the output's channel; the sum has the binary point `frac`."""

    kind = "add"
    lean = True
    left: Codes
    right: Codes
    frac: int = 0
    channels: Channels = Channels()
    lanes: int = 0  # elements a cycle; 0: all

    def infer(self, inputs: tuple[Edge, ...]) -> tuple[Edge, ...]:
        a, b = inputs
        (a_lo, a_hi), (b_lo, b_hi) = scaled_range(self.left, 0, a), scaled_range(self.right, 0, b)
        return (Edge.covering(joint_shape(a, b), int((a_lo + b_lo).min()), int((a_hi + b_hi).max()), self.frac),)

    def prepare(self, inputs: tuple[Edge, ...]) -> Kernel:
        a, b = inputs
        (y,) = self.infer(inputs)
        parts = [scaled_range(m, 0, e) for m, e in ((self.left, a), (self.right, b))]
        bound = 2 * max(1, *(abs(int(v)) for ends in parts for end in ends for v in end))
        dtype = quick_dtype(bound)
        factors = [None if (m == 1).all() else held(m, dtype).reshape(1, 1, -1, 1) for m in (self.left, self.right)]

        def scaled(codes: Codes, edge: Edge, factor: Codes | None) -> Codes:
            wide = held(expanded(codes, edge.shape, y.shape), dtype)
            return wide if factor is None else (self.channels.view(wide) * factor).reshape(wide.shape)

        def kernel(first: Codes, second: Codes) -> tuple[Codes, ...]:
            return (scaled(first, a, factors[0]) + scaled(second, b, factors[1]),)

        return kernel

    def joined(self, b: Builder, left: int, right: int, channel: int) -> int:
        return linear(b, [left, right], [int(m[channel % m.size]) for m in (self.left, self.right)])

    def roms(self) -> tuple[Rom, ...]:
        return columns(self.channels.rows(self.lanes), left=self.left, right=self.right)

    def __str__(self) -> str:
        if self.left.size == 1:
            return f"add[{int(self.left[0])} {int(self.right[0])}]"
        return f"add[x{self.left.size}]"

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        one = np.asarray([1])
        a, b = Edge.covering((1, 3, 4), -8, 7, 2), Edge.covering((1, 3, 4), 0, 15, 4)
        yield Sample("aligned", cls(np.asarray([4]), one, 4), (a, b))
        yield Sample("difference", cls(one, -one), (a, b))
        yield Sample("factors", cls(np.asarray([21]), np.asarray([-13]), 7), (a, b))
        rows = np.asarray([3, -1, 0]), np.asarray([1, 5, -7])
        yield Sample("channels", cls(*rows, channels=Channels(3, 4)), (a, b))
        yield Sample("broadcast", cls(one, 3 * one), (a, Edge.covering((1, 3, 1), -2, 1)))
        yield Sample("broadcast_both", cls(one, one), (Edge.covering((3, 1), 0, 9), Edge.covering((1, 4), -9, 0)))
        yield Sample("zero", cls(0 * one, one), (a, b))
        far = Edge.covering((1, 5), -(1 << 60), 1 << 60)
        yield Sample("past_int64", cls(np.asarray([1 << 20]), np.asarray([3])), (far, far))
