"""multiply_shift: y = clamp((x * mult + add) >> drop) per channel, the requantizer of any real scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hwq.ir.hardware import Edge
from hwq.kernels.lookup import DIRECT_LIMIT, of_table
from hwq.kernels.rounded_line import STEPS_LIMIT, Line, Reached, Staircase, fitted
from hwq.netlist.builder import Builder
from hwq.netlist.rounding import clamped, rounded
from hwq.netlist.sums import linear
from hwq.numeric.fixed import FLOAT64_EXACT, INT64_SAFE, Codes, FixedType, Rounding, code_dtype
from hwq.ops.base import Channels, Rom, Sample, as_codes
from hwq.ops.parts.binary import columns, factor_type, scaled_range, with_coding
from hwq.ops.parts.elementwise import Elementwise, Evaluator
from hwq.ops.parts.resources import Kind, Unit, product_units
from hwq.ops.parts.weight_coding import Coding, coding_of, term_type
from hwq.ops.shift import Circuit, Shift


@dataclass(frozen=True, eq=False)
class MultiplyShift(Elementwise):
    """`mult` and `add` (C,) are integers, one `drop` and one clamp `lo..hi` serve all channels; `>>` floors."""

    kind = "multiply_shift"
    mult: Codes
    add: Codes
    drop: int
    lo: int
    hi: int
    type: FixedType
    channels: Channels = Channels()
    lanes: int = 0  # elements a cycle; 0: all

    def sum_edge(self, x: Edge) -> Edge:
        """x * mult + add, in full, at the binary point that makes the dropped bits a fraction of the output's step."""
        lo, hi = scaled_range(self.mult, self.add.astype(object), x)
        return Edge.covering(x.shape, int(lo.min()), int(hi.max()), self.type.frac + self.drop)

    def mult_type(self, x: Edge) -> FixedType:
        """The type of the factors: they take x's binary point to the sum's."""
        return factor_type(self.mult, x, self.type.frac + self.drop)

    @cached_property
    def coding(self) -> Coding:
        """How the factors are stored: powers of two shift."""
        return coding_of(self.mult)

    def term(self, x: Edge) -> FixedType:
        """x times a factor that needs no multiplier."""
        return term_type(self.mult, (x.lo, x.hi), self.type.frac + self.drop)

    def tail(self, x: Edge) -> Shift:
        """What follows the sum."""
        return Shift(self.drop, Rounding.FLOOR, self.lo, self.hi, type=self.type)

    def circuit(self, x: Edge, y: Edge) -> Circuit:
        """How a kernel drops the bits and clamps."""
        return self.tail(x).circuit(self.sum_edge(x), y)

    def infer(self, inputs: tuple[Edge, ...]) -> tuple[Edge, ...]:
        (x,) = inputs
        return self.tail(x).infer((self.sum_edge(x),))

    def evaluator(self, x: Edge) -> Evaluator:
        count, span, exact = self.channels.count, x.hi - x.lo + 1, self._integers(x)
        self.proved_at_ends(x, exact)
        if span * count <= DIRECT_LIMIT:
            every = np.broadcast_to(np.arange(x.lo, x.hi + 1)[:, None], (span, count))
            return of_table(exact(every.reshape(span, 1, count, 1)).reshape(span, count).T, x.lo)
        line = self._line(x, exact)
        single = isinstance(line, Line) and line.slope.dtype == np.float32
        return (line if single else None) or self._doubles(x) or line or exact

    def _line(self, x: Edge, exact: Evaluator) -> Line | Reached | None:
        """Scaled, rounded and clamped floats, where each of their steps is at the same code; None where one is not."""
        count = self.channels.count
        if code_dtype(x.lo, x.hi) is object:
            return None
        ends = np.broadcast_to(np.asarray([x.lo, x.hi])[:, None], (2, count))
        first, last = exact(ends.reshape(2, 1, count, 1)).reshape(2, count)
        number = np.arange(max(1, int(np.abs(last - first).max())))
        if number.size * count > STEPS_LIMIT:
            return None
        rising, sign = (last >= first)[:, None], np.where(last < first, -1, 1)[:, None]
        slope, offset = (np.ldexp(v.astype(np.float64), -self.drop)[:, None] for v in (self.mult, self.add))
        place = (first[:, None] + sign * number + rising - offset) / np.where(slope, slope, 1)
        near = np.where(rising, np.ceil(place), np.floor(place) + 1)  # one off at most
        passed = [exact(np.clip(near + off, x.lo, x.hi).T.reshape(-1, 1, count, 1)) for off in (-1, 0)]
        early, there = (sign * (y.reshape(-1, count).T - first[:, None]) > number for y in passed)
        steps = near + 1 - there - early
        steps[number >= np.abs(last - first)[:, None]] = np.nan
        stairs = Staircase(first, sign[:, 0], steps, x.lo, x.hi)
        spacing = np.abs(1 / np.where(slope, slope, 1))[:, 0]
        return fitted(stairs, spacing) if stairs.is_given_by(exact) else None

    def _doubles(self, x: Edge) -> Line | None:
        """In float64, where every product and sum fits 53 bits; None where one does not."""
        total = self.sum_edge(x)
        widest = max(abs(int(m)) for m in self.mult) * max(abs(x.lo), abs(x.hi))
        if max(widest, abs(total.lo), abs(total.hi), *(abs(int(r)) for r in self.add)) >= FLOAT64_EXACT:
            return None
        mult, add = (np.ldexp(v.astype(np.float64), -self.drop) for v in (self.mult, self.add))
        return Line.of(mult, add, self.lo, self.hi, np.float64, np.floor)

    def _integers(self, x: Edge) -> Evaluator:
        """In integers, on (batch, outer, C, inner) codes."""
        total = self.sum_edge(x)
        widest = max(abs(int(m)) for m in self.mult) * max(abs(x.lo), abs(x.hi))
        bound = 2 * max(widest, abs(total.lo), abs(total.hi), *(abs(int(r)) for r in self.add))
        low_bits = 0 if bound < INT64_SAFE else self._low_bits(x)
        if low_bits:
            bound = 0  # everything fits int64
        split = [
            [v >> low_bits, v & ((1 << low_bits) - 1)] for v in (self.mult.astype(object), self.add.astype(object))
        ]
        (mult, low_mult), (add, low_add) = (
            [as_codes(v, -bound, bound).reshape(1, 1, -1, 1) for v in parts] for parts in split
        )

        def run(codes: Codes) -> Codes:
            wide = as_codes(codes, -bound, bound)
            acc = wide * mult
            acc += add
            if low_bits:
                acc += (wide * low_mult + low_add) >> low_bits
            acc >>= self.drop - low_bits
            return as_codes(np.minimum(np.maximum(acc, self.lo), self.hi), self.lo, self.hi)

        return run

    def _low_bits(self, x: Edge) -> int:
        """How many low bits of the constants to work on apart, so that both halves fit int64; 0 where none do."""
        size = max(abs(x.lo), abs(x.hi), 1)
        bits = min(self.drop, 61 - size.bit_length())
        if bits < 1:
            return 0
        top = max(abs(int(m)) >> bits for m in self.mult) + 1, max(abs(int(r)) >> bits for r in self.add) + 1
        return bits if size * top[0] + top[1] + size < INT64_SAFE >> 1 else 0

    def element(self, b: Builder, x: int, channel: int) -> int:
        scaled = linear(b, [x], [int(self.mult[channel])], int(self.add[channel]))
        return clamped(b, rounded(b, scaled, self.drop, Rounding.FLOOR), self.lo, self.hi)

    @property
    def add_type(self) -> FixedType:
        """The type of the offsets: codes of the sum."""
        return FixedType.covering(int(self.add.min()), int(self.add.max()), self.type.frac + self.drop)

    def roms(self) -> tuple[Rom, ...]:
        roms = columns(self.channels.rows(self.lanes), multipliers=self.mult, offsets=self.add)
        return with_coding(roms, self.coding)

    def units(self, inputs: tuple[Edge, ...]) -> tuple[Unit, ...]:
        (x,) = inputs
        lanes, total = self.lanes or x.size, self.sum_edge(x)
        acts = sum(self.tail(x).clamps(total))
        return (
            *product_units(self.coding, lanes, self.mult_type(x), x.type, self.term(x)),
            Unit(Kind.ADD, lanes, total.type.width),
            Unit(Kind.COMPARE, acts * lanes, self.type.width + 1),
        )

    def macs(self, inputs: tuple[Edge, ...]) -> int:
        return inputs[0].size if self.coding.multiplies else 0

    @property
    def mult_bits(self) -> int:
        """Width of the widest factor, its sign included where there is one."""
        return FixedType.covering(int(self.mult.min()), int(self.mult.max())).width

    def __str__(self) -> str:
        factor = f"m {self.mult_bits} bits" if self.coding.multiplies or self.mult.size == 1 else f"m {self.coding}"
        return f"multiply_shift[x{self.mult.size} {factor} >>{self.drop} clamp {self.lo}..{self.hi}]"

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        x = Edge.covering((1, 60), -5000, 4999, 3)
        one, some = np.asarray([77]), np.asarray([77, -19, 0, 1])
        adds = np.asarray([1000, -3, 70000, 12])
        signed, unsigned = FixedType(True, 8, 2), FixedType(False, 8)
        yield Sample("uniform", cls(one, one, 12, -128, 127, signed), (x,))
        yield Sample("channels", cls(some, adds, 11, -128, 127, signed, Channels(4, 3)), (x,))
        powers = np.asarray([8, -4, 128, 1])
        yield Sample("shifts", cls(powers, adds, 9, -128, 127, signed, Channels(4, 3)), (x,))
        yield Sample("shifts_and_zero", cls(powers * (some > 1), adds, 9, 0, 255, unsigned, Channels(4, 1)), (x,))
        yield Sample("signs", cls(np.sign(powers), adds, 9, -128, 127, signed, Channels(4, 3), lanes=12), (x,))
        yield Sample("unsigned", cls(some, adds, 11, 0, 255, unsigned, Channels(4, 1)), (x,))
        yield Sample("odd_clamp", cls(one, -one, 11, -100, 90, signed), (x,))
        yield Sample("no_drop", cls(one, one, 0, -(1 << 19), 1 << 18, FixedType(True, 20, 5)), (x,))
        yield Sample("never_clamps", cls(one, 1000 * one, 14, -100, 100, FixedType(True, 8, -3)), (x,))
        long = np.asarray([(1 << 43) + 12345, -(1 << 42) - 1]), np.asarray([1 << 60, -(1 << 61)])
        yield Sample(
            "two_words",
            cls(*long, 57, -128, 127, FixedType(True, 8), Channels(2, 30)),
            (x.covering((1, 60), -(1 << 31), 1 << 31),),
        )
        far = Edge.covering((1, 6), -(1 << 50), 1 << 50)
        wide = np.asarray([(1 << 24) - 1, -(1 << 23)]), np.asarray([1 << 60, -(1 << 70)], dtype=object)
        yield Sample("past_int64", cls(*wide, 66, -128, 127, FixedType(True, 8), Channels(2, 3)), (far,))
