"""What ops on single elements share: a function of one code and of the channel that it is in."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import numpy as np

from hwq.ir.hardware import Edge
from hwq.netlist.builder import Builder
from hwq.netlist.circuit import Signals
from hwq.numeric.fixed import Codes
from hwq.ops.base import Channels, Kernel, Op, proved

Evaluator = Callable[[Codes], Codes]
"""Takes (batch, outer, C, inner) codes, or of any shape where all channels are alike, and keeps the shape."""


class Elementwise(Op):
    """`y = f[c](x)`, c being the channel of the element."""

    lean = True
    bounded = True
    channels: Channels

    @abstractmethod
    def evaluator(self, x: Edge) -> Evaluator:
        """The function for the codes of x, in whatever dtype; proved to keep the inferred range."""

    @abstractmethod
    def element(self, b: Builder, x: int, channel: int) -> int:
        """The function of one signal."""

    def netlist(self, b: Builder, inputs: tuple[Edge, ...], xs: tuple[Signals, ...]) -> tuple[Signals, ...]:
        flat = xs[0].reshape(-1)
        made, channels = np.empty_like(flat), self.channels.index(flat.size)
        for c in range(min(self.channels.count, flat.size)):
            own = channels == c
            results = b.mapped("element", lambda b, x, c=c: [self.element(b, x[0], c)], flat[own, None])  # type: ignore[misc]
            made[own] = results[:, 0]
        return (made.reshape(xs[0].shape),)

    def prepare(self, inputs: tuple[Edge, ...]) -> Kernel:
        return self.channels.kernel(self.evaluator(inputs[0]))

    def proved_at_ends(self, x: Edge, run: Evaluator) -> None:
        """Raise where a function that never turns leaves the inferred range: it is furthest at an end."""
        ends = np.asarray([x.lo, x.hi], dtype=object).reshape(2, 1, 1, 1)
        proved(self.infer((x,))[0], run(np.broadcast_to(ends, (2, 1, self.channels.count, 1))))
