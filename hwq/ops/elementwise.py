"""What ops on single elements share: a function of one code and of the channel that it is in."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from hwq.fixed import Codes
from hwq.ir import Edge
from hwq.ops.base import Channels, Kernel, Op

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

    def prepare(self, inputs: tuple[Edge, ...]) -> Kernel:
        return self.channels.kernel(self.evaluator(inputs[0]))
