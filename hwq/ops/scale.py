"""scale: y = x * mult + add per channel, exact: puts channels of different real scales on one common grid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hwq.ir.hardware import Edge
from hwq.netlist.builder import Builder
from hwq.netlist.sums import linear
from hwq.numeric.fixed import Codes, FixedType
from hwq.ops.base import Channels, Rom, Sample, held, quick_dtype
from hwq.ops.parts.binary import with_coding
from hwq.ops.parts.elementwise import Elementwise, Evaluator
from hwq.ops.parts.resources import Kind, Unit, product_units
from hwq.ops.parts.weight_coding import Coding, coding_of, term_type


@dataclass(frozen=True, eq=False)
class Scale(Elementwise):
    """`mult` and `add` (C,) are integers; the binary point stays that of x."""

    kind = "scale"
    mult: Codes
    add: Codes
    channels: Channels = Channels()
    lanes: int = 0  # elements a cycle; 0: all

    @property
    def mult_type(self) -> FixedType:
        return FixedType.covering(int(self.mult.min()), int(self.mult.max()))

    @cached_property
    def coding(self) -> Coding:
        """How the factors are stored: powers of two shift."""
        return coding_of(self.mult)

    def term(self, x: Edge) -> FixedType:
        """x times a factor that needs no multiplier."""
        return term_type(self.mult, (x.lo, x.hi), x.type.frac)

    def infer(self, inputs: tuple[Edge, ...]) -> tuple[Edge, ...]:
        (x,) = inputs
        mult, add = self.mult.astype(object), self.add.astype(object)
        ends = np.stack([mult * x.lo + add, mult * x.hi + add])
        return (Edge.covering(x.shape, int(ends.min()), int(ends.max()), x.type.frac),)

    def evaluator(self, x: Edge) -> Evaluator:
        (y,) = self.infer((x,))
        bound = max(abs(y.lo), abs(y.hi), max(abs(x.lo), abs(x.hi)) * max(abs(int(m)) for m in self.mult))
        dtype = quick_dtype(bound)
        mult, add = (held(v, dtype).reshape(1, 1, -1, 1) for v in (self.mult, self.add))

        def run(codes: Codes) -> Codes:
            return np.asarray(held(codes, dtype) * mult + add)

        self.proved_at_ends(x, run)
        return run

    def element(self, b: Builder, x: int, channel: int) -> int:
        return linear(b, [x], [int(self.mult[channel])], int(self.add[channel]))

    def roms(self) -> tuple[Rom, ...]:
        rows = self.channels.rows(self.lanes)
        named = (("multipliers", self.mult), ("offsets", self.add))
        roms = tuple(
            Rom(role, codes.reshape(-1, 1), FixedType.covering(int(codes.min()), int(codes.max())), rows)
            for role, codes in named
        )
        return with_coding(roms, self.coding)

    def units(self, inputs: tuple[Edge, ...]) -> tuple[Unit, ...]:
        (x,) = inputs
        (y,), lanes = self.infer(inputs), self.lanes or x.size
        factors = product_units(self.coding, lanes, self.mult_type, x.type, self.term(x))
        return (*factors, Unit(Kind.ADD, lanes, y.type.width))

    def macs(self, inputs: tuple[Edge, ...]) -> int:
        return inputs[0].size if self.coding.multiplies else 0

    def __str__(self) -> str:
        return f"scale[x{self.channels.count}]"

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        x = Edge.covering((1, 12), -50, 49, 3)
        mult, add = np.asarray([3, -5, 1, 0]), np.asarray([0, 7, -1, 9])
        yield Sample("channels", cls(mult, add, Channels(4, 3)), (x,))
        yield Sample("shifts", cls(np.asarray([8, -4, 16, 1]), add, Channels(4, 3)), (x,))
        yield Sample("uniform", cls(np.asarray([4]), np.asarray([-2])), (x,))
        big = np.asarray([1 << 50, 3], dtype=object)
        yield Sample("past_int64", cls(big, np.asarray([5, -(1 << 66)], dtype=object), Channels(2, 6)), (x,))
