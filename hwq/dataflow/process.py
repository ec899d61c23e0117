"""What a streaming design is made of: FIFOs of vectors of codes, and processes that read and write them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hwq.dataflow.actor import Actor
from hwq.dataflow.order import Order
from hwq.ir.hardware import Node
from hwq.numeric.fixed import FixedType
from hwq.ops import Rom


@dataclass(frozen=True)
class Fifo:
    """A stream of `tokens` vectors of `lanes` codes for each sample, visiting a tensor in `order`.

    `edge` is the IR edge whose codes it carries; "" where it carries windows of them.
    """

    name: str  # its C identifier
    edge: str
    type: FixedType
    element: str  # C type of a code
    order: Order
    lanes: int
    tokens: int
    port: bool = False  # a port of the top function, not a FIFO inside

    @property
    def vector(self) -> str:
        """C type of a token."""
        return f"{self.name}_v"


@dataclass(frozen=True)
class Process(ABC):
    """A function of the design that runs beside all others: it reads and writes FIFOs in a fixed sequence."""

    name: str  # of its C++ function
    node: str  # the ONNX node it belongs to
    reads: tuple[Fifo, ...]
    writes: tuple[Fifo, ...]

    @property
    @abstractmethod
    def template(self) -> str:
        """Of its text, below templates/."""

    @abstractmethod
    def actor(self) -> Actor:
        """When it reads and writes, for the computation of FIFO depths."""

    @property
    @abstractmethod
    def summary(self) -> str:
        """What it does, in a line."""

    def context(self) -> Mapping[str, Any]:
        """What its template needs beside the process itself."""
        return {}

    def roms(self) -> tuple[Rom, ...]:
        return ()

    @property
    def calls(self) -> Node | None:
        """The layer whose function for arrays it calls."""
        return None

    @property
    def buffered_bits(self) -> int:
        """Bits of a tensor, or of lines of it, that it holds."""
        return 0
