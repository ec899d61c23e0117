"""draw: y = 1 with the probability that x is, by a generator of its own that goes on from sample to sample."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwq import prng
from hwq.fixed import Codes, FixedType
from hwq.ir import Edge
from hwq.ops.base import Kernel, Op, Sample
from hwq.ops.units import Kind, Unit

BITS = prng.RANDOM_BITS


@dataclass(frozen=True)
class Draw(Op):
    """`y = high BITS bits of the generator's next output < x`: x is 2**BITS times a probability, 0 to 2**BITS.

    Element n of sample s takes output `s * size + n` of xorshift32 (hwq/prng.py) started from `seed`.
    """

    kind = "draw"
    draws: ClassVar[bool] = True
    seed: int

    @property
    def state(self) -> int:
        """What the generator holds before its first output."""
        return prng.first_state(self.seed)

    def word(self, x: Edge) -> FixedType:
        """The generator's high bits, at x's binary point."""
        return FixedType(False, BITS, x.type.frac)

    def infer(self, inputs: tuple[Edge, ...]) -> tuple[Edge, ...]:
        (x,) = inputs
        return (Edge(x.shape, FixedType(False, 1), 1 if x.lo >= 1 << BITS else 0, 1 if x.hi > 0 else 0),)

    def prepare(self, inputs: tuple[Edge, ...]) -> Kernel:
        (x,) = inputs

        def kernel(codes: Codes, first: int = 0) -> tuple[Codes, ...]:
            words = prng.outputs(self.seed, codes.size, first * x.size) >> np.uint32(32 - BITS)
            return ((words.reshape(codes.shape) < codes).astype(np.int64),)

        return kernel

    def units(self, inputs: tuple[Edge, ...]) -> tuple[Unit, ...]:
        return (Unit(Kind.ADD, 3, 32), Unit(Kind.COMPARE, 1, BITS + 1))

    def lanes_in_out(self, inputs: tuple[Edge, ...]) -> tuple[int, int]:
        return 1, 1

    def __str__(self) -> str:
        return f"draw[seed {self.seed}]"

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        whole = FixedType(False, BITS + 1, BITS)
        yield Sample("any", cls(1), (Edge((1, 7), whole, 0, 1 << BITS),))
        yield Sample("narrow", cls(4294967295), (Edge.covering((1, 3, 2), (1 << 23) - 999, (1 << 23) + 999, BITS),))
