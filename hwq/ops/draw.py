"""draw: how many of its inputs, which are probabilities, come true, by a generator that goes on between samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwq.ir.hardware import Edge
from hwq.numeric import xorshift as prng
from hwq.numeric.fixed import Codes, FixedType
from hwq.ops.base import Kernel, Op, Sample
from hwq.ops.parts.resources import Kind, Unit

BITS = prng.RANDOM_BITS


@dataclass(frozen=True)
class Draw(Op):
    """`y = least + [w0 < x0] + [w1 < x1] ..`: w are the high BITS bits of the generator's next outputs, one per input.

    Each x is 2**BITS times a probability, 0 to 2**BITS. Element n of sample s takes, for input j of m, output
    `(s * size + n) * m + j` of xorshift32 (hwq/numeric/xorshift.py) started from `seed`.
    """

    kind = "draw"
    draws: ClassVar[bool] = True
    seed: int
    least: int = 0

    @property
    def state(self) -> int:
        """What the generator holds before its first output."""
        return prng.first_state(self.seed)

    def word(self, x: Edge) -> FixedType:
        """The generator's high bits, at x's binary point."""
        return FixedType(False, BITS, x.type.frac)

    def infer(self, inputs: tuple[Edge, ...]) -> tuple[Edge, ...]:
        lo = self.least + sum(x.lo >= 1 << BITS for x in inputs)
        hi = self.least + sum(x.hi > 0 for x in inputs)
        return (Edge(inputs[0].shape, FixedType.covering(self.least, self.least + len(inputs)), lo, hi),)

    def prepare(self, inputs: tuple[Edge, ...]) -> Kernel:
        size, lanes = inputs[0].size, len(inputs)

        def kernel(*chances: Codes, first: int = 0) -> tuple[Codes, ...]:
            shape = chances[0].shape
            words = prng.outputs(self.seed, chances[0].size * lanes, first * size * lanes) >> np.uint32(32 - BITS)
            hits = sum((words[j::lanes].reshape(shape) < x).astype(np.int64) for j, x in enumerate(chances))
            return (np.asarray(self.least + hits),)

        return kernel

    def units(self, inputs: tuple[Edge, ...]) -> tuple[Unit, ...]:
        return (Unit(Kind.ADD, 3 * len(inputs), 32), Unit(Kind.COMPARE, len(inputs), BITS + 1))

    def lanes_in_out(self, inputs: tuple[Edge, ...]) -> tuple[int, int]:
        return 1, 1

    def __str__(self) -> str:
        return f"draw[seed {self.seed}{f' from {self.least}' if self.least else ''}]"

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        whole = FixedType(False, BITS + 1, BITS)
        yield Sample("any", cls(1), (Edge((1, 7), whole, 0, 1 << BITS),))
        narrow = Edge.covering((1, 3, 2), (1 << 23) - 999, (1 << 23) + 999, BITS)
        yield Sample("narrow", cls(4294967295), (narrow,))
        yield Sample("two", cls(7, -1), (Edge((1, 3, 2), whole, 0, 1 << BITS), narrow))
