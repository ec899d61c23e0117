"""Circuits as data: a directed graph of small integer operations, each result with the interval it can take.

A signal is the number of the node that makes it; a tensor of signals is an integer array of its shape. Results have
exactly the bits that their interval needs, in two's complement where it goes below 0.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hwq.numeric.fixed import FixedType

Signals = npt.NDArray[np.int64]
"""Numbers of nodes, in the shape of the tensor that they are the elements of."""


class Gate(enum.Enum):
    """What a node does with its operands `args`; integers among them are said with each."""

    INPUT = "input"  # () element `param` of the circuit's inputs
    CONSTANT = "constant"  # () the value `lo`
    ADD = "add"  # (a, b), param (i, j, sign): (a << i) + sign * (b << j)
    MULTIPLY = "multiply"  # (a, b): a * b
    BITS = "bits"  # (a,), param k: what is left of a without its k lowest bits, known to lie in lo..hi
    LESS = "less"  # (a, b): 1 where a < b
    EQUAL = "equal"  # (a, b): 1 where a == b
    SELECT = "select"  # (c, a, b): a where the bit c is 1, else b
    AND = "and"  # (a, b) of one bit each, as OR and XOR
    OR = "or"
    XOR = "xor"
    NOT = "not"  # (a,) of one bit
    ANY = "any"  # (a,): 1 where any bit of a is 1
    JOIN = "join"  # one bit each, the lowest first: the number that they spell
    TABLE = "table"  # (a,), param words: words[a - a.lo]
    PARITY = "parity"  # (a,), param mask: the exclusive-or of the bits of a that the mask selects
    CALL = "call"  # operands of module `param[0]`, whose result number `param[1]` it is


class Node(NamedTuple):
    """One operation and the interval of its result."""

    gate: Gate
    args: tuple[int, ...]
    param: Any
    lo: int
    hi: int

    @property
    def signed(self) -> bool:
        """Whether the result is in two's complement."""
        return self.lo < 0

    @property
    def width(self) -> int:
        """Bits of the result."""
        return width_of(self.lo, self.hi)


def width_of(lo: int, hi: int) -> int:
    """The fewest bits, at least one, that hold every integer of `lo..hi`."""
    return FixedType.covering(lo, hi).width


@dataclass(frozen=True)
class Circuit:
    """Nodes in an order in which operands come first. Inputs are in groups, one per tensor, as outputs are.

    `modules` are circuits that CALL nodes stand for; their operands are inputs and constants.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[tuple[int, ...], ...]
    outputs: tuple[tuple[int, ...], ...]
    modules: Mapping[str, Circuit]
    notes: Mapping[int, str]  # what begins at a node, in words

    def intervals(self, signals: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
        """(lo, hi) of each of some signals."""
        return tuple((self.nodes[s].lo, self.nodes[s].hi) for s in signals)

    def live(self) -> set[int]:
        """The signals that outputs depend on."""
        needed = {s for group in self.outputs for s in group}
        for k in range(len(self.nodes) - 1, -1, -1):
            if k in needed:
                needed.update(self.nodes[k].args)
        return needed

    def count(self, gate: Gate) -> int:
        """Live nodes of a kind, those of called modules as often as they are called."""
        live = self.live()
        own = sum(1 for k in live if self.nodes[k].gate is gate)
        calls = {(n.param[0], n.args) for k in live if (n := self.nodes[k]).gate is Gate.CALL}
        return own + sum(self.modules[name].count(gate) for name, _ in calls)
