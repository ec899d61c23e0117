"""requant: an exact step function of an accumulator, not yet a circuit. `realise` replaces it by hardware ops.

It simulates with Python integers, slowly and plainly: the reference that the realisations are tested against.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hwq.ir.hardware import Edge
from hwq.numeric.fixed import Codes, FixedType, code_dtype
from hwq.numeric.step_functions import StepFunction
from hwq.ops.base import Channels, Kernel, Op, Sample


@dataclass(frozen=True, eq=False)
class Requant(Op):
    """`y = bias + step[c](x)`, stored as `type`."""

    kind = "requant"
    step: StepFunction
    type: FixedType
    channels: Channels = Channels()
    bias: int | Codes = 0  # an array: one per channel

    @property
    def offsets(self) -> Codes:
        """`bias` as a column, (1, 1) or (C, 1)."""
        return np.asarray(self.bias, dtype=np.int64).reshape(-1, 1)

    def infer(self, inputs: tuple[Edge, ...]) -> tuple[Edge, ...]:
        (x,) = inputs
        ends = self.step.codes(np.tile(np.asarray([x.lo, x.hi], dtype=object), (self.channels.count, 1))) + self.offsets
        return (Edge(x.shape, self.type, int(ends.min()), int(ends.max())),)

    def prepare(self, inputs: tuple[Edge, ...]) -> Kernel:
        (y,) = self.infer(inputs)

        def kernel(codes: Codes) -> tuple[Codes, ...]:
            rows = self.channels.view(codes.astype(object)).transpose(2, 0, 1, 3)
            flat = self.step.codes(rows.reshape(self.channels.count, -1)) + self.offsets
            out = flat.reshape(rows.shape).transpose(1, 2, 0, 3).reshape(codes.shape)
            return (out.astype(code_dtype(y.lo, y.hi)),)

        return kernel

    def __str__(self) -> str:
        return f"requant[{self.channels.count} channels]"

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        return iter(())
