"""Expressions of Verilog: every operand is extended by hand to the width of its result, so that no rule of the
language about signs and widths has a say.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hwq.netlist.circuit import Gate, Node


@dataclass
class Wires:
    """What signals of one module are called, and which of their bits are read."""

    nodes: tuple[Node, ...]
    names: dict[int, str]
    read: dict[int, int] = field(default_factory=dict)  # by signal: a mask

    def see(self, signal: int, low: int, count: int) -> None:
        """Note that bits are read."""
        self.read[signal] = self.read.get(signal, 0) | ((1 << count) - 1) << low

    def part(self, signal: int, name: str, low: int, count: int) -> str:
        """Some bits of a signal."""
        self.see(signal, low, count)
        width = self.nodes[signal].width
        if count == width:
            return name
        return f"{name}[{low}]" if count == 1 else f"{name}[{low + count - 1}:{low}]"

    def top(self, signal: int, name: str) -> str:
        """The sign bit."""
        width = self.nodes[signal].width
        self.see(signal, width - 1, 1)
        return name if width == 1 else f"{name}[{width - 1}]"

    def extended(self, signal: int, name: str, width: int, places: int = 0) -> str:
        """A signal times 2**places in so many bits, two's complement."""
        node = self.nodes[signal]
        if node.gate is Gate.CONSTANT:
            return literal(node.lo << places, width)
        own = min(node.width, max(0, width - places))
        if own == 0:
            return literal(0, width)
        parts = [self.part(signal, name, 0, own)]
        if (spare := width - places - own) > 0:
            parts.insert(0, repeated(self.top(signal, name), spare) if node.signed else f"{spare}'d0")
        if places:
            parts.append(f"{min(places, width)}'d0")
        return parts[0] if len(parts) == 1 else "{" + ", ".join(parts) + "}"

    def bits(self, signal: int, name: str, drop: int, width: int) -> str:
        """`width` bits of a signal from bit `drop` on; beyond its own it has its sign."""
        node = self.nodes[signal]
        own = min(width, node.width - drop)
        if own <= 0:
            return repeated(self.top(signal, name), width) if node.signed else literal(0, width)
        text = self.part(signal, name, drop, own)
        if own == width:
            return text
        spare = width - own
        return "{" + (repeated(self.top(signal, name), spare) if node.signed else f"{spare}'d0") + f", {text}}}"


def literal(value: int, width: int) -> str:
    """A number of so many bits: unsigned, in two's complement."""
    return f"{width}'d{value & ((1 << width) - 1)}"


def signed_literal(value: int, width: int) -> str:
    """A number for comparisons of signed operands."""
    if value == -(1 << (width - 1)):
        return f"{width}'sh{value & ((1 << width) - 1):x}"
    return f"-{width}'sd{-value}" if value < 0 else f"{width}'sd{value}"


def repeated(bit: str, count: int) -> str:
    """A bit so many times."""
    return bit if count == 1 else f"{{{count}{{{bit}}}}}"


def declared(kind: str, width: int, name: str) -> str:
    """A declaration, a single bit without a range."""
    return f"{kind} {name}" if width == 1 else f"{kind} [{width - 1}:0] {name}"
