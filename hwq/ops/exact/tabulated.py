"""tabulated: an exact table over all input codes, not yet a circuit. `realise` replaces it by hardware ops."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hwq.functions import Curve
from hwq.ir.hardware import Edge
from hwq.numeric.fixed import Codes, FixedType
from hwq.ops.base import Channels, Kernel, Op, Sample


@dataclass(frozen=True, eq=False)
class Tabulated(Op):
    """`y = table[c, x - first]`; the table (C, N) covers the input's range."""

    kind = "tabulated"
    table: Codes
    first: int
    type: FixedType
    channels: Channels = Channels()
    functions: str = ""  # what it tabulates, for reports
    curve: Curve | None = None  # the real function in output codes, for reports; None: there is no one function

    def reached(self, x: Edge) -> Codes:
        """The part of the table that x's range reaches."""
        return self.table[:, x.lo - self.first : x.hi - self.first + 1]

    def infer(self, inputs: tuple[Edge, ...]) -> tuple[Edge, ...]:
        (x,) = inputs
        part = self.reached(x)
        return (Edge(x.shape, self.type, int(part.min()), int(part.max())),)

    def prepare(self, inputs: tuple[Edge, ...]) -> Kernel:
        flat = self.table.reshape(-1)
        origin = np.arange(self.channels.count, dtype=np.int64) * self.table.shape[1] - self.first

        def kernel(codes: Codes) -> tuple[Codes, ...]:
            index = self.channels.view(codes.astype(np.int64)) + origin.reshape(1, 1, -1, 1)
            return (flat.take(index.reshape(-1)).reshape(codes.shape),)

        return kernel

    def __str__(self) -> str:
        return f"tabulated[{self.table.shape[0]}x{self.table.shape[1]}]"

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        return iter(())
