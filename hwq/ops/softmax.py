"""softmax: tables of exp below the greatest code, an integer sum, and a long division (docs/softmax.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from hwq.ir.hardware import Edge, Shape
from hwq.netlist.builder import Builder
from hwq.netlist.circuit import Signals
from hwq.netlist.division import quotient
from hwq.netlist.sums import Term, total
from hwq.numeric.fixed import FLOAT32_EXACT, Codes, FixedType, Overflow, Rounding
from hwq.ops.base import Kernel, Op, Rom, Sample, proved
from hwq.ops.parts.resources import Kind, Unit

WORD_BITS, DOUBLE_BITS = 62, 53
TABLE_LIMIT = 1 << 16  # exponentials that the simulator multiplies beforehand


@dataclass(frozen=True, eq=False)
class Softmax(Op):
    """`y = round(e / sum(e) * 2**frac)` along `axis`, `e = high[d >> split] * low[d & mask] >> exp_frac`, d = max - x.

    `high` ends with a zero, which stands for every greater distance; `low` is one entry where `split` is 0. A code of
    `2**frac` is the value 1, and none is greater. Ties of the last rounding go up.
    """

    kind = "softmax"
    lean = True
    bounded = True
    rounding: ClassVar[Rounding] = Rounding.HALF_UP  # of the product of two table entries
    wrap: ClassVar[Overflow] = Overflow.WRAP  # which never happens
    axis: int
    high: Codes
    low: Codes
    split: int
    exp_frac: int
    frac: int
    step: float = 0.0  # of the real input per code, for reports; 0: not known

    def groups(self, shape: Shape) -> tuple[int, int, int]:
        """(outer, n, inner) of the axis in the flat array."""
        return prod(shape[: self.axis]), shape[self.axis], prod(shape[self.axis + 1 :])

    @property
    def exp_type(self) -> FixedType:
        """An exponential: at most 2**exp_frac."""
        return FixedType(False, self.exp_frac + 1, self.exp_frac)

    def sum_type(self, shape: Shape) -> FixedType:
        """The sum of all exponentials of a group."""
        return FixedType.covering(0, shape[self.axis] << self.exp_frac, self.exp_frac)

    def rest_type(self, shape: Shape) -> FixedType:
        """The division's remainder, doubled."""
        return FixedType.covering(0, shape[self.axis] << (self.exp_frac + 1), self.exp_frac)

    @property
    def furthest(self) -> int:
        """The distance from which on exp is 0."""
        return (len(self.high) - 1) << self.split

    def units(self, inputs: tuple[Edge, ...]) -> tuple[Unit, ...]:
        """A comparison for the greatest code, the product of two table entries, the sum, a step of the division."""
        (x,) = inputs
        rest = self.rest_type(x.shape).width
        product = (Unit(Kind.MULTIPLY, 1, self.exp_frac + 1, self.exp_frac + 1),) if self.split else ()
        adds = Unit(Kind.ADD, 2, rest)
        return (*product, adds, Unit(Kind.COMPARE, 1, x.type.width), Unit(Kind.ADD, self.frac + 1, rest))

    def infer(self, inputs: tuple[Edge, ...]) -> tuple[Edge, ...]:
        (x,) = inputs
        return (Edge(x.shape, FixedType(False, self.frac + 1, self.frac), 0, 1 << self.frac),)

    def exponentials(self, distance: Codes) -> Codes:
        """`2**exp_frac * exp`, as the tables have it, of non-negative distances."""
        d = np.minimum(distance, self.furthest).astype(np.int64, copy=False)
        if not self.split:
            return np.asarray(self.high.take(d))
        wide = 2 * self.exp_frac + 1 > WORD_BITS  # the product of two entries
        e: Codes = self.high.astype(object if wide else np.int64).take(d >> self.split)
        e = (e * self.low.take(d & ((1 << self.split) - 1)) + (1 << (self.exp_frac - 1))) >> self.exp_frac
        return e.astype(np.int64)

    def prepare(self, inputs: tuple[Edge, ...]) -> Kernel:
        (x,) = inputs
        axes = list(range(len(x.shape) + 1))
        axes.insert(0, axes.pop(self.axis + 1))
        front, back = tuple(axes), tuple(np.argsort(axes).tolist())
        # What is no half lies 1 / (2 sum) from the next; the quotient and the sum are rounded to 53 bits.
        doubles = self.sum_type(x.shape).width + self.frac + 3 <= DOUBLE_BITS
        divided = self._in_doubles if doubles else self._in_integers
        proved(self.infer(inputs)[0], divided(np.asarray([[1 << self.exp_frac], [0]])[: x.shape[self.axis]]))
        table, singles = None, x.hi - x.lo < FLOAT32_EXACT
        if self.furthest < TABLE_LIMIT:
            table = self.exponentials(np.arange(self.furthest + 1)).astype(np.float64 if doubles else np.int64)

        def kernel(codes: Codes) -> tuple[Codes, ...]:
            kept = singles and codes.dtype == np.float32
            groups = np.ascontiguousarray(codes.transpose(front), dtype=None if kept else np.int64)
            distance = np.maximum.reduce(groups) - groups  # along the first axis, rows are long
            if table is None:
                e = self.exponentials(distance)
            else:
                e = table.take(np.minimum(distance, self.furthest).astype(np.int64, copy=False))
            return (divided(e).transpose(back),)

        return kernel

    def _in_doubles(self, e: Codes) -> Codes:
        """Quotients by the sums along the first axis."""
        y = e / np.add.reduce(e)
        y *= 2.0**self.frac
        y += 0.5
        return np.asarray(np.floor(y, y))

    def _in_integers(self, e: Codes) -> Codes:
        wide = e.astype(object if self.exp_frac + self.frac + 2 > WORD_BITS else np.int64, copy=False)
        codes: Codes = ((wide << (self.frac + 1)) // np.add.reduce(wide) + 1) >> 1
        return codes.astype(np.int64)

    def netlist(self, b: Builder, inputs: tuple[Edge, ...], xs: tuple[Signals, ...]) -> tuple[Signals, ...]:
        groups = np.moveaxis(xs[0], self.axis, -1)
        made = b.mapped("group", self._group, groups.reshape(-1, groups.shape[-1]))
        return (np.moveaxis(made.reshape(groups.shape), -1, self.axis),)

    def _group(self, b: Builder, xs: Sequence[int]) -> list[int]:
        """The codes of the elements of one group."""
        left = list(xs)
        while len(left) > 1:
            pairs = [b.greater(*left[i : i + 2]) for i in range(0, len(left) - 1, 2)]
            left = pairs + left[2 * len(pairs) :]
        spread = max(b.hi(x) for x in xs) - min(b.lo(x) for x in xs)
        exps = [self._exponential(b, b.within(b.subtract(left[0], x), 0, spread)) for x in xs]
        whole = total(b, [Term(e) for e in exps])
        made = []
        for e in exps:
            twice = b.within(quotient(b, e, whole, self.frac + 1, self.frac + 2), 0, 2 << self.frac)
            made.append(b.floored(b.add(twice, b.constant(1)), 1))
        return made

    def _exponential(self, b: Builder, distance: int) -> int:
        """What the tables have for a distance."""
        d = b.lesser(distance, b.constant(self.furthest))
        if not self.split:
            return b.table(d, self.high[: b.hi(d) + 1].tolist())
        high, low = b.floored(d, self.split), b.low(d, self.split)
        pairs = ((high, self.high), (low, self.low))
        factors = [b.table(place, words[: b.hi(place) + 1].tolist()) for place, words in pairs]
        half = b.constant(1 << (self.exp_frac - 1))
        return b.floored(b.add(b.multiply(*factors), half), self.exp_frac)

    def roms(self) -> tuple[Rom, ...]:
        high = Rom("high", self.high.reshape(-1, 1), self.exp_type)
        return (high, Rom("low", self.low.reshape(-1, 1), self.exp_type)) if self.split else (high,)

    def lanes_in_out(self, inputs: tuple[Edge, ...]) -> tuple[int, int]:
        return 1, 1

    def cycles(self, inputs: tuple[Edge, ...]) -> int:
        return inputs[0].size * (2 + self.frac + 2)

    def __str__(self) -> str:
        entries = len(self.high) + (len(self.low) if self.split else 0)
        return f"softmax[axis {self.axis} {entries} exp entries u{self.exp_frac + 1} out u{self.frac + 1}.{self.frac}]"

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        def table(step: float, count: int, exp_frac: int) -> Codes:
            return np.asarray(np.rint(np.exp(-step * np.arange(count)) * 2.0**exp_frac), dtype=np.int64)

        one = np.asarray([1 << 20])
        whole = np.append(table(0.125, 110, 20), 0)
        yield Sample("one_table", cls(1, whole, one, 0, 20, 16), (Edge.covering((1, 10), -100, 99, 3),))
        high, low = np.append(table(0.004 * 64, 60, 24), 0), table(0.004, 64, 24)
        yield Sample("two_tables", cls(1, high, low, 6, 24, 18), (Edge.covering((1, 7), -3000, 5000),))
        high, low = np.append(table(0.02 * 16, 120, 45), 0), table(0.02, 16, 45)
        yield Sample("past_int64", cls(1, high, low, 4, 45, 32), (Edge.covering((1, 5), -900, 900),))
        yield Sample("inner_axis", cls(1, whole, one, 0, 20, 8), (Edge.covering((1, 4, 3), -20, 20),))
        yield Sample("lone_element", cls(1, whole, one, 0, 20, 8), (Edge.covering((1, 1), -20, 20),))
