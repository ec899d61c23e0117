"""builder: circuits made one operation at a time; what the intervals already decide costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hwq.errors import InternalError
from hwq.netlist.circuit import Circuit, Gate, Node, Signals

LEAST_CALLS = 4  # uses from which on the same circuit becomes a module of its own
Element = Callable[["Builder", Sequence[int]], Sequence[int]]
"""Makes the results of one element from its operands."""


class Builder:
    """Makes one circuit. Equal operations are made once, and constants are computed here."""

    def __init__(self) -> None:
        self._nodes: list[Node] = []
        self._known: dict[Node, int] = {}
        self._inputs: list[tuple[int, ...]] = []
        self._modules: dict[str, Circuit] = {}
        self._notes: dict[int, str] = {}

    def lo(self, signal: int) -> int:
        """The least value of a signal."""
        return self._nodes[signal].lo

    def hi(self, signal: int) -> int:
        """The greatest value of a signal."""
        return self._nodes[signal].hi

    def width(self, signal: int) -> int:
        """Bits of a signal."""
        return self._nodes[signal].width

    def note(self, text: str) -> None:
        """Say what the next node begins."""
        self._notes.setdefault(len(self._nodes), text)

    def _node(self, gate: Gate, args: tuple[int, ...], param: Any, lo: int, hi: int) -> int:
        node = Node(gate, args, param, lo, hi)
        found = self._known.get(node)
        if found is None:
            found = len(self._nodes)
            self._nodes.append(node)
            self._known[node] = found
        return found

    def inputs(self, intervals: Sequence[tuple[int, int]]) -> list[int]:
        """The elements of one more tensor."""
        group, start = [], sum(map(len, self._inputs))
        for k, (lo, hi) in enumerate(intervals):
            group.append(self._node(Gate.INPUT, (), start + k, lo, hi))
        self._inputs.append(tuple(group))
        return group

    def constant(self, value: int) -> int:
        """A number."""
        return self._node(Gate.CONSTANT, (), None, int(value), int(value))

    def value(self, signal: int) -> int | None:
        """The number that a signal always is; None where it varies."""
        node = self._nodes[signal]
        return node.lo if node.lo == node.hi else None

    def add(self, a: int, b: int, i: int = 0, j: int = 0, sign: int = 1) -> int:
        """(a << i) + sign * (b << j)."""
        one, other = self._nodes[a], self._nodes[b]
        ends = (other.lo << j, other.hi << j) if sign > 0 else (-(other.hi << j), -(other.lo << j))
        lo, hi = (one.lo << i) + ends[0], (one.hi << i) + ends[1]
        if lo == hi:
            return self.constant(lo)
        if ends == (0, 0) and i == 0:
            return a
        if (one.lo, one.hi) == (0, 0) and sign > 0 and j == 0:
            return b
        return self._node(Gate.ADD, (a, b), (i, j, sign), lo, hi)

    def subtract(self, a: int, b: int) -> int:
        """a - b."""
        return self.add(a, b, sign=-1)

    def negated(self, a: int) -> int:
        """-a."""
        return self.subtract(self.constant(0), a)

    def shifted(self, a: int, places: int) -> int:
        """a << places."""
        return self.add(a, self.constant(0), places) if places else a

    def multiply(self, a: int, b: int) -> int:
        """a * b, of two signals that vary; sums of products with constants are made in `sums`."""
        one, other = self._nodes[a], self._nodes[b]
        ends = [u * v for u in (one.lo, one.hi) for v in (other.lo, other.hi)]
        lo, hi = min(ends), max(ends)
        if a == b:
            lo = max(0, lo) if one.lo < 0 <= one.hi else min(one.lo**2, one.hi**2)
        if lo == hi:
            return self.constant(lo)
        return self._node(Gate.MULTIPLY, (a, b), None, lo, hi)

    def bits(self, a: int, drop: int, lo: int, hi: int) -> int:
        """The number in lo..hi whose bits are those of a, without the lowest `drop`."""
        if lo == hi:
            return self.constant(lo)
        node = self._nodes[a]
        if drop == 0 and (node.lo, node.hi) == (lo, hi):
            return a
        return self._node(Gate.BITS, (a,), drop, lo, hi)

    def floored(self, a: int, drop: int) -> int:
        """a >> drop, which rounds down."""
        node = self._nodes[a]
        return self.bits(a, drop, node.lo >> drop, node.hi >> drop)

    def low(self, a: int, count: int) -> int:
        """a modulo 2**count."""
        node = self._nodes[a]
        if node.lo >= 0 and node.hi < 1 << count:
            return a
        if (value := self.value(a)) is not None:
            return self.constant(value & ((1 << count) - 1))
        return self.bits(a, 0, 0, (1 << count) - 1)

    def bit(self, a: int, place: int) -> int:
        """One bit of a."""
        if (value := self.value(a)) is not None:
            return self.constant(value >> place & 1)
        return self.bits(a, place, 0, 1)

    def within(self, a: int, lo: int, hi: int) -> int:
        """a, which is known to lie in lo..hi."""
        node = self._nodes[a]
        low, high = max(lo, node.lo), min(hi, node.hi)
        if low > high:
            raise InternalError(f"a signal of {node.lo}..{node.hi} said to lie in {lo}..{hi}")
        return self.bits(a, 0, low, high)

    def less(self, a: int, b: int) -> int:
        """1 where a < b."""
        one, other = self._nodes[a], self._nodes[b]
        if one.hi < other.lo:
            return self.constant(1)
        if one.lo >= other.hi:
            return self.constant(0)
        if one.lo == 0 and one.hi <= 1 and (other.lo, other.hi) == (1, 1):
            return self.inverted(a)
        return self._node(Gate.LESS, (a, b), None, 0, 1)

    def reaches(self, a: int, bound: int) -> int:
        """1 where a >= bound, a constant."""
        return self.inverted(self.less(a, self.constant(bound)))

    def equal(self, a: int, b: int) -> int:
        """1 where a == b."""
        one, other = self._nodes[a], self._nodes[b]
        if one.hi < other.lo or other.hi < one.lo:
            return self.constant(0)
        if a == b:
            return self.constant(1)
        return self._node(Gate.EQUAL, (a, b), None, 0, 1)

    def select(self, chosen: int, a: int, b: int) -> int:
        """a where the bit `chosen` is 1, else b."""
        value = self.value(chosen)
        if value is not None or a == b:
            return b if value == 0 else a
        node = self._nodes[chosen]
        if node.gate is Gate.NOT:
            return self.select(node.args[0], b, a)
        one, other = self._nodes[a], self._nodes[b]
        if (one.lo, one.hi, other.lo, other.hi) == (1, 1, 0, 0):
            return chosen
        return self._node(Gate.SELECT, (chosen, a, b), None, min(one.lo, other.lo), max(one.hi, other.hi))

    def inverted(self, a: int) -> int:
        """The other bit."""
        node = self._nodes[a]
        if node.lo == node.hi:
            return self.constant(1 - node.lo)
        return node.args[0] if node.gate is Gate.NOT else self._node(Gate.NOT, (a,), None, 0, 1)

    def both(self, a: int, b: int) -> int:
        """1 where both bits are."""
        for one, other in ((a, b), (b, a)):
            if (value := self.value(one)) is not None:
                return other if value else one
        return a if a == b else self._node(Gate.AND, (min(a, b), max(a, b)), None, 0, 1)

    def either(self, a: int, b: int) -> int:
        """1 where a bit is."""
        for one, other in ((a, b), (b, a)):
            if (value := self.value(one)) is not None:
                return one if value else other
        return a if a == b else self._node(Gate.OR, (min(a, b), max(a, b)), None, 0, 1)

    def any(self, a: int) -> int:
        """1 where a is not 0."""
        node = self._nodes[a]
        if node.lo > 0 or node.hi < 0:
            return self.constant(1)
        if node.lo == node.hi:
            return self.constant(0)
        return a if (node.lo, node.hi) == (0, 1) else self._node(Gate.ANY, (a,), None, 0, 1)

    def join(self, bits: Sequence[int]) -> int:
        """The number that bits spell, the lowest first."""
        values = [self.value(b) for b in bits]
        if all(v is not None for v in values):
            return self.constant(sum((v or 0) << k for k, v in enumerate(values)))
        if len(bits) == 1:
            return bits[0]
        lo = sum((v or 0) << k for k, v in enumerate(values))
        hi = sum((1 if v is None else v) << k for k, v in enumerate(values))
        return self._node(Gate.JOIN, tuple(bits), None, lo, hi)

    def table(self, a: int, words: Sequence[int]) -> int:
        """words[a - lo] where a lies in lo..lo + len(words) - 1."""
        node = self._nodes[a]
        if len(words) != node.hi - node.lo + 1:
            raise InternalError(f"{len(words)} words for codes {node.lo}..{node.hi}")
        lo, hi = min(words), max(words)
        if lo == hi:
            return self.constant(lo)
        if all(w == node.lo + k for k, w in enumerate(words)):
            return a
        if len(words) == 2:
            last = a if node.lo == 0 else self.equal(a, self.constant(node.hi))
            return self.select(last, self.constant(words[1]), self.constant(words[0]))
        return self._node(Gate.TABLE, (a,), tuple(words), lo, hi)

    def parity(self, a: int, mask: int) -> int:
        """The exclusive-or of the bits of a that a mask selects."""
        return self._node(Gate.PARITY, (a,), mask, 0, 1) if mask else self.constant(0)

    def greater(self, a: int, b: int) -> int:
        """The greater of two."""
        if not self._overlap(a, b):
            return a if self.lo(a) >= self.hi(b) else b
        chosen = self.select(self.less(a, b), b, a)
        return self.within(chosen, max(self.lo(a), self.lo(b)), max(self.hi(a), self.hi(b)))

    def lesser(self, a: int, b: int) -> int:
        """The lesser of two."""
        if not self._overlap(a, b):
            return b if self.lo(a) >= self.hi(b) else a
        chosen = self.select(self.less(a, b), a, b)
        return self.within(chosen, min(self.lo(a), self.lo(b)), min(self.hi(a), self.hi(b)))

    def _overlap(self, a: int, b: int) -> bool:
        return self.lo(a) < self.hi(b) and self.lo(b) < self.hi(a)

    def mapped(self, name: str, element: Element, operands: Signals) -> Signals:
        """(n, results) of `element` on each row of (n, operands).

        Rows become calls of one module, its inputs as wide as the widest of each column, where there are several and
        all of them are inputs or constants; else each row is made here.
        """
        plain = all(self._nodes[s].gate in (Gate.INPUT, Gate.CONSTANT) for s in np.unique(operands).tolist())
        rows: list[list[int]] = operands.tolist()
        distinct = {tuple(row) for row in rows}
        if len(distinct) < LEAST_CALLS or not plain:
            return np.asarray([list(element(self, row)) for row in rows], dtype=np.int64)
        inner = Builder()
        ends = [
            (min(self.lo(row[k]) for row in distinct), max(self.hi(row[k]) for row in distinct))
            for k in range(operands.shape[1])
        ]
        xs = inner.inputs(ends)
        made = list(element(inner, xs))
        circuit = inner.circuit([made])
        known = next((n for n, c in self._modules.items() if c == circuit), None)
        label = known or (name if name not in self._modules else f"{name}_{len(self._modules)}")
        self._modules[label] = circuit
        results = []
        for row in rows:
            results.append([self._called(label, tuple(row), k, inner, s) for k, s in enumerate(made)])
        return np.asarray(results, dtype=np.int64)

    def _called(self, label: str, row: tuple[int, ...], k: int, inner: Builder, made: int) -> int:
        value = inner.value(made)
        return self.constant(value) if value is not None else self._call(label, row, k, inner.lo(made), inner.hi(made))

    def _call(self, label: str, row: tuple[int, ...], k: int, lo: int, hi: int) -> int:
        return self._node(Gate.CALL, row, (label, k), lo, hi)

    def circuit(self, outputs: Sequence[Sequence[int]]) -> Circuit:
        """What was made, with these outputs."""
        groups = tuple(tuple(int(s) for s in group) for group in outputs)
        return Circuit(tuple(self._nodes), tuple(self._inputs), groups, dict(self._modules), dict(self._notes))
