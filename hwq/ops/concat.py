"""concat: the codes of several edges one after the other along an axis; no code changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np

from hwq.ir.hardware import Edge
from hwq.netlist.builder import Builder
from hwq.netlist.circuit import Signals
from hwq.numeric.fixed import Codes, FixedType
from hwq.ops.base import Kernel, Op, Sample, held, quick_dtype


@dataclass(frozen=True)
class Concat(Op):
    """Codes keep their integers: where the parts' binary points differ the output is plain integers (frac 0)."""

    kind = "concat"
    lean = True
    axis: int

    def infer(self, inputs: tuple[Edge, ...]) -> tuple[Edge, ...]:
        first = inputs[0].shape
        shape = (*first[: self.axis], sum(e.shape[self.axis] for e in inputs), *first[self.axis + 1 :])
        points = {e.type.frac for e in inputs}
        frac = points.pop() if len(points) == 1 else 0
        return (Edge.covering(shape, min(e.lo for e in inputs), max(e.hi for e in inputs), frac),)

    def steps(self, inputs: tuple[Edge, ...]) -> tuple[FixedType, ...]:
        """Per part, the type of the constant whose code is 1 and which takes its binary point to the output's."""
        (y,) = self.infer(inputs)
        return tuple(FixedType(False, 1, y.type.frac - e.type.frac) for e in inputs)

    def spans(self, inputs: tuple[Edge, ...]) -> tuple[int, list[int]]:
        """(outer repetitions, elements of each part that lie together): the loops over flat arrays."""
        outer = prod(inputs[0].shape[: self.axis])
        return outer, [prod(e.shape[self.axis :]) for e in inputs]

    def prepare(self, inputs: tuple[Edge, ...]) -> Kernel:
        (y,) = self.infer(inputs)
        dtype = quick_dtype(max(abs(y.lo), abs(y.hi)))

        def kernel(*codes: Codes) -> tuple[Codes, ...]:
            return (np.concatenate([held(c, dtype) for c in codes], axis=self.axis + 1),)

        return kernel

    def netlist(self, b: Builder, inputs: tuple[Edge, ...], xs: tuple[Signals, ...]) -> tuple[Signals, ...]:
        return (np.concatenate(xs, axis=self.axis),)

    def permuted(self, inputs: tuple[Edge, ...], perm: tuple[int, ...]) -> Op:
        return Concat(perm[self.axis])

    def lanes_in_out(self, inputs: tuple[Edge, ...]) -> tuple[int, int]:
        return 1, 1

    def cycles(self, inputs: tuple[Edge, ...]) -> int:
        return sum(e.size for e in inputs)

    def __str__(self) -> str:
        return f"concat[axis {self.axis}]"

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        a, b = Edge.covering((1, 3, 4), -8, 7, 2), Edge.covering((1, 2, 4), 0, 255, 2)
        yield Sample("channels", cls(1), (a, b))
        yield Sample("three", cls(1), (a, b, a))
        yield Sample("inner", cls(2), (a, Edge.covering((1, 3, 1), 0, 1, 2)))
        yield Sample("other_points", cls(1), (a, Edge.covering((1, 2, 4), -3, 99, -1)))
        yield Sample("past_int64", cls(1), (a, Edge.covering((1, 2, 4), -(1 << 70), 1 << 70, 2)))
