"""extremum: y = max or min of left * a + left_add and right * b + right_add, compared as integers on one grid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hwq.fixed import Codes, FixedType
from hwq.ir import Edge
from hwq.ops.add import is_shift, joint_size
from hwq.ops.base import Channels, Kernel, Op, Rom, Sample, as_codes
from hwq.ops.joint import column, expanded, factor_type, joint_loops, joint_shape, scaled_range


@dataclass(frozen=True, eq=False)
class Extremum(Op):
    """Factors and offsets (C,) are integers, chosen by the output's channel; the result has the binary point `frac`."""

    kind = "extremum"
    largest: bool
    left: Codes
    right: Codes
    left_add: Codes
    right_add: Codes
    frac: int = 0
    channels: Channels = Channels()
    lanes: int = 0  # elements a cycle; 0: all

    def _ends(self, inputs: tuple[Edge, ...]) -> list[tuple[Codes, Codes]]:
        a, b = inputs
        return [scaled_range(self.left, self.left_add, a), scaled_range(self.right, self.right_add, b)]

    def infer(self, inputs: tuple[Edge, ...]) -> tuple[Edge, ...]:
        (a_lo, a_hi), (b_lo, b_hi) = self._ends(inputs)
        pick = np.maximum if self.largest else np.minimum
        lo, hi = pick(a_lo, b_lo), pick(a_hi, b_hi)
        return (Edge.covering(joint_shape(*inputs), int(lo.min()), int(hi.max()), self.frac),)

    def factor_types(self, inputs: tuple[Edge, ...]) -> tuple[FixedType, FixedType]:
        """Types of the two factors: each takes its operand's binary point to the result's."""
        return factor_type(self.left, inputs[0], self.frac), factor_type(self.right, inputs[1], self.frac)

    def operands(self, inputs: tuple[Edge, ...]) -> tuple[FixedType, FixedType]:
        """Types of the two compared integers."""
        a, b = (FixedType.covering(int(lo.min()), int(hi.max()), self.frac) for lo, hi in self._ends(inputs))
        return a, b

    def loops(self, inputs: tuple[Edge, ...]) -> list[tuple[int, tuple[int, ...]]]:
        return joint_loops(*(e.shape for e in inputs))

    def prepare(self, inputs: tuple[Edge, ...]) -> Kernel:
        (y,) = self.infer(inputs)
        pick = np.maximum if self.largest else np.minimum
        everything = [v for ends in self._ends(inputs) for end in ends for v in end]
        everything += [*self.left_add.tolist(), *self.right_add.tolist()]
        bound = 2 * max(1, *(abs(int(v)) for v in everything))
        rows = (self.left, self.right, self.left_add, self.right_add)
        left, right, plus, and_plus = (as_codes(v, -bound, bound).reshape(1, 1, -1, 1) for v in rows)

        def kernel(*codes: Codes) -> tuple[Codes, ...]:
            wide = [
                self.channels.view(as_codes(expanded(c, e.shape, y.shape), -bound, bound))
                for c, e in zip(codes, inputs, strict=True)
            ]
            best = pick(wide[0] * left + plus, wide[1] * right + and_plus)
            return (as_codes(best.reshape(codes[0].shape[0], *y.shape), y.lo, y.hi),)

        return kernel

    def roms(self) -> tuple[Rom, ...]:
        if self.left.size == 1:
            return ()
        named = ("left", self.left), ("right", self.right), ("left_add", self.left_add), ("right_add", self.right_add)
        return tuple(column(role, codes) for role, codes in named)

    def macs(self, inputs: tuple[Edge, ...]) -> int:
        return joint_size(inputs) * sum(1 for m in (self.left, self.right) if not is_shift(m))

    def __str__(self) -> str:
        return f"{'max' if self.largest else 'min'}[x{self.left.size}]"

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        one, zero = np.asarray([1]), np.asarray([0])
        a, b = Edge.covering((1, 3, 4), -8, 7, 2), Edge.covering((1, 3, 4), 0, 15, 4)
        yield Sample("same_grid", cls(True, one, one, zero, zero), (a, b))
        yield Sample("aligned", cls(False, 4 * one, one, zero, zero, 4), (a, b))
        rows = (np.asarray(v) for v in ([3, 1, 9], [5, 5, 2], [0, -7, 1], [11, 0, 0]))
        yield Sample("channels", cls(True, *rows, channels=Channels(3, 4)), (a, b))
        yield Sample("broadcast", cls(True, one, -one, zero, 3 * one), (a, Edge.covering((1, 1, 4), -2, 1)))
        far = Edge.covering((1, 5), -(1 << 60), 1 << 60)
        yield Sample("past_int64", cls(False, np.asarray([1 << 20]), 3 * one, zero, one), (far, far))
