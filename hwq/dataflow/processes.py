"""Processes that any design is made of: copies, changes of width, whole tensors held in arrays, single elements."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwq.dataflow.actor import Actor
from hwq.dataflow.process import Fifo, Process
from hwq.ir.hardware import Node


def every(count: int, step: int = 1, first: int = 0) -> npt.NDArray[np.int64]:
    """`count` firings, one each `step`."""
    return first + step * np.arange(count, dtype=np.int64)


def _in_turn(fifos: tuple[Fifo, ...], first: int) -> tuple[dict[str, npt.NDArray[np.int64]], int]:
    """A firing for each token, one FIFO after the other, from firing `first` on; and the firing after the last."""
    at = {}
    for fifo in fifos:
        at[fifo.name] = every(fifo.tokens, 1, first)
        first += fifo.tokens
    return at, first


@dataclass(frozen=True)
class Fork(Process):
    """Every token goes to each reader; where there is none, away."""

    @property
    def template(self) -> str:
        return "stream/fork.h.j2"

    def actor(self) -> Actor:
        (x,) = self.reads
        at = every(x.tokens)
        return Actor(self.name, x.tokens, {x.name: at}, {y.name: at for y in self.writes})

    @property
    def summary(self) -> str:
        return f"copies to {len(self.writes)} readers" if self.writes else "takes what nobody reads"


@dataclass(frozen=True)
class Convert(Process):
    """The same codes in tokens of another width, which divides the first one's or is a multiple of it."""

    @property
    def template(self) -> str:
        return "stream/convert.h.j2"

    @property
    def ratio(self) -> int:
        """Tokens of the narrow side for each of the wide one."""
        (x,), (y,) = self.reads, self.writes
        return max(x.lanes, y.lanes) // min(x.lanes, y.lanes)

    def actor(self) -> Actor:
        (x,), (y,), n = self.reads, self.writes, self.ratio
        firings = max(x.tokens, y.tokens)
        reads = every(x.tokens, n) if x.lanes > y.lanes else every(firings)
        writes = every(y.tokens, n, n - 1) if y.lanes > x.lanes else every(firings)
        return Actor(self.name, firings, {x.name: reads}, {y.name: writes})

    @property
    def summary(self) -> str:
        return f"tokens of {self.reads[0].lanes} codes to tokens of {self.writes[0].lanes}"


@dataclass(frozen=True)
class Buffered(Process):
    """A layer on whole tensors: all tokens into arrays, the layer's function for arrays, the results into tokens.

    With no layer, the same codes in another order.
    """

    layer: Node | None = None
    cycles: int = 0
    inputs: tuple[str, ...] = ()  # edges, a FIFO each
    outputs: tuple[tuple[str, Fifo | None], ...] = ()  # edges, with no FIFO where nobody reads

    @property
    def template(self) -> str:
        return "stream/buffered.h.j2"

    @property
    def calls(self) -> Node | None:
        return self.layer

    def actor(self) -> Actor:
        reads, firings = _in_turn(self.reads, 0)
        writes, firings = _in_turn(self.writes, firings + self.cycles)
        return Actor(self.name, firings, reads, writes)

    @property
    def summary(self) -> str:
        what = "in another order" if self.layer is None else str(self.layer.op)
        return f"{what}, on whole tensors"

    @property
    def buffered_bits(self) -> int:
        fifos = self.reads if self.layer is None else (*self.reads, *self.writes)
        return sum(f.order.size * f.type.width for f in fifos)
