"""shift: y = clamp(round((x + add) / 2**drop)), the requantizer whose scale is a power of two."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hwq.ir.hardware import Edge
from hwq.kernels.rounded_line import PLACES, Line
from hwq.netlist.builder import Builder
from hwq.netlist.rounding import clamped, rounded
from hwq.numeric.fixed import FLOAT64_EXACT, Codes, FixedType, Overflow, Rounding, round_shift
from hwq.ops.base import Channels, Rom, Sample, as_codes, quick_dtype
from hwq.ops.parts.elementwise import Elementwise, Evaluator
from hwq.ops.parts.resources import Kind, Unit


@dataclass(frozen=True)
class Circuit:
    """What the kernel template needs to know of a shift."""

    total: FixedType | None  # of x + add; None where x can be converted as it is
    offset: int  # the one offset, where all channels share it
    rounded: FixedType  # before the clamp
    rounded_negative: FixedType  # of floor(-v), for the modes that no vendor type has
    rounding: Rounding
    overflow: Overflow
    mirrored: str  # "always": ceil(v) = -floor(-v); "positive": so where v > 0
    clamp: bool  # the kernel clamps; otherwise the conversion does
    clamp_low: bool
    clamp_high: bool
    wrap: Overflow = Overflow.WRAP


@dataclass(frozen=True, eq=False)
class Shift(Elementwise):
    """Drops `drop` bits (negative: appends zeros) after adding `add[channel]`, then clamps codes to `lo..hi`.

    The output's binary point moves with the bits: `frac` becomes `frac - drop`.
    """

    kind = "shift"
    drop: int
    rounding: Rounding
    lo: int
    hi: int
    add: Codes | None = None
    channels: Channels = Channels()
    type: FixedType | None = None  # None: the narrowest that holds the clamped range
    lanes: int = 0  # elements a cycle; 0: all

    def _widened(self, x: Edge) -> tuple[int, int]:
        """The range of x + add."""
        if self.add is None:
            return x.lo, x.hi
        return x.lo + min(0, int(self.add.min())), x.hi + max(0, int(self.add.max()))

    def sum_edge(self, x: Edge) -> Edge:
        """x + add, in full."""
        lo, hi = self._widened(x)
        return Edge.covering(x.shape, lo, hi, x.type.frac)

    def _extremes(self, x: Edge) -> tuple[int, int]:
        """The rounded range before the clamp."""
        shifts = [0] if self.add is None else [int(self.add.min()), int(self.add.max())]
        ends = np.asarray([x.lo + shifts[0], x.hi + shifts[-1]], dtype=object)
        low, high = round_shift(ends, self.drop, self.rounding)
        return int(low), int(high)

    def infer(self, inputs: tuple[Edge, ...]) -> tuple[Edge, ...]:
        (x,) = inputs
        low, high = self._extremes(x)
        lo, hi = min(max(low, self.lo), self.hi), max(min(high, self.hi), self.lo)
        frac = x.type.frac - self.drop
        stated = self.type
        kind = FixedType(stated.signed, stated.width, frac) if stated else FixedType.covering(lo, hi, frac)
        return (Edge(x.shape, kind, lo, hi),)

    def clamps(self, x: Edge) -> tuple[bool, bool]:
        """Whether the lower and the upper clamp can act at all."""
        low, high = self._extremes(x)
        return low < self.lo, high > self.hi

    def rounded_type(self, x: Edge) -> FixedType:
        """Holds the rounded value before the clamp."""
        low, high = self._extremes(x)
        return FixedType.covering(low, high, x.type.frac - self.drop)

    def circuit(self, x: Edge, y: Edge) -> Circuit:
        """How a kernel says it: one vendor conversion, or a conversion and a clamp of its own."""
        low_acts, high_acts = self.clamps(x)
        rounded = self.rounded_type(x)
        total = None if self.add is None else self.sum_edge(x).type
        source = total or x.type
        if self.drop > source.width:
            total = FixedType(source.signed, self.drop, x.type.frac)  # AMD's header aborts on rounding more than it has
        mirrored = {Rounding.CEIL: "always", Rounding.AWAY: "positive"}.get(self.rounding, "")
        low_fits, high_fits = not low_acts or self.lo == y.type.lo, not high_acts or self.hi == y.type.hi
        # The vendors' symmetric saturation of a one-bit signed type gives -1, not 0.
        symmetric = self.lo == -y.type.hi and self.hi == y.type.hi and y.type.signed and y.type.width > 1
        overflow = Overflow.WRAP
        if low_acts or high_acts:
            overflow = Overflow.SATURATE if low_fits and high_fits else Overflow.SATURATE_SYMMETRIC
        own_clamp = bool(mirrored) or (overflow is Overflow.SATURATE_SYMMETRIC and not symmetric)
        return Circuit(
            total=total,
            offset=0 if self.add is None else int(self.add[0]),
            rounded=rounded,
            rounded_negative=FixedType.covering(*self._negated(x), x.type.frac - self.drop),
            rounding=Rounding.FLOOR if mirrored else self.rounding,
            overflow=Overflow.WRAP if own_clamp else overflow,
            mirrored=mirrored,
            clamp=own_clamp,
            clamp_low=low_acts,
            clamp_high=high_acts,
        )

    def _negated(self, x: Edge) -> tuple[int, int]:
        """The range of floor(-v)."""
        total = self.sum_edge(x)
        ends = round_shift(np.asarray([-total.hi, -total.lo], dtype=object), self.drop, Rounding.FLOOR)
        return int(ends[0]), int(ends[1])

    def evaluator(self, x: Edge) -> Evaluator:
        exact = self._integers(x)
        self.proved_at_ends(x, exact)
        return self._line(x) or exact

    def _line(self, x: Edge) -> Line | None:
        """In a float dtype that holds everything, where the rounding is one of floats'; None where there is none."""
        total, to_integer = self.sum_edge(x), {Rounding.HALF_EVEN: np.rint, Rounding.FLOOR: np.floor}.get(self.rounding)
        most_added = 0 if self.add is None else int(np.abs(self.add).max())
        dtype = quick_dtype(max(most_added, *(abs(v) for v in (total.lo, total.hi, x.lo, x.hi))))
        if to_integer is None or not 0 <= self.drop <= PLACES or np.dtype(dtype).kind != "f":
            return None
        lo, hi = (min(max(v, -FLOAT64_EXACT), FLOAT64_EXACT) for v in (self.lo, self.hi))
        factor, add = 2.0**-self.drop, np.zeros(1) if self.add is None else self.add.astype(np.float64)
        return Line.of([factor], add * factor, lo, hi, dtype, to_integer)

    def _integers(self, x: Edge) -> Evaluator:
        """On (batch, outer, C, inner) codes, in integers."""
        low, high = self._extremes(x)
        spare = 1 << max(0, self.drop)
        total = self.sum_edge(x)
        bound = 4 * max(abs(total.lo), abs(total.hi), abs(low), abs(high), spare)
        add = None if self.add is None else as_codes(self.add, -bound, bound).reshape(1, 1, -1, 1)
        least, most = max(self.lo, -bound), min(self.hi, bound)  # a clamp may lie far outside what is reached

        def run(codes: Codes) -> Codes:
            acc = as_codes(codes, -bound, bound)
            if add is not None:
                acc = acc + add
            acc = round_shift(acc, self.drop, self.rounding)
            return as_codes(np.minimum(np.maximum(acc, least), most), least, most)

        return run

    def element(self, b: Builder, x: int, channel: int) -> int:
        added = 0 if self.add is None else int(self.add[channel % self.add.size])
        return clamped(b, rounded(b, b.add(x, b.constant(added)), self.drop, self.rounding), self.lo, self.hi)

    def units(self, inputs: tuple[Edge, ...]) -> tuple[Unit, ...]:
        (x,) = inputs
        lanes, wide = self.lanes or x.size, self.sum_edge(x).type.width
        adds = (self.add is not None) + (self.drop > 0 and self.rounding is not Rounding.FLOOR)
        return (Unit(Kind.ADD, adds * lanes, wide), Unit(Kind.COMPARE, sum(self.clamps(x)) * lanes, wide))

    def roms(self) -> tuple[Rom, ...]:
        if self.add is None or self.add.size == 1:
            return ()
        kind = FixedType.covering(int(self.add.min()), int(self.add.max()))
        return (Rom("offsets", self.add.reshape(-1, 1), kind, self.channels.rows(self.lanes)),)

    def __str__(self) -> str:
        add = "" if self.add is None else f" add x{self.add.size}"
        return f"shift[>>{self.drop} {self.rounding.value} clamp {self.lo}..{self.hi}{add}]"

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        x = Edge.covering((1, 40), -200, 199, 5)
        for mode in Rounding:
            yield Sample(mode.value, cls(3, mode, -8, 7), (x,))
        yield Sample("left", cls(-2, Rounding.FLOOR, -800, 800), (x,))
        yield Sample("relu", cls(2, Rounding.HALF_EVEN, 0, 15), (x,))
        yield Sample("narrow", cls(4, Rounding.HALF_EVEN, -7, 7), (x,))
        yield Sample("odd_clamp", cls(1, Rounding.HALF_AWAY, -3, 90, type=FixedType(True, 10)), (x,))
        yield Sample("never_negative", cls(1, Rounding.CEIL, 5, 90), (x,))
        add = np.asarray([-30, 0, 1, 77])
        yield Sample("offsets", cls(3, Rounding.HALF_EVEN, -16, 15, add, Channels(4, 1)), (x,))
        yield Sample("offsets_inner", cls(3, Rounding.CEIL, -16, 15, add, Channels(4, 10)), (x,))
        yield Sample("one_bit", cls(2, Rounding.HALF_EVEN, -1, 1), (Edge.covering((1, 5), -1, 0, 1),))
        yield Sample("every_bit_dropped", cls(9, Rounding.HALF_AWAY, -1, 1), (Edge.covering((1, 9), -4, 3, 1),))
        yield Sample("one_offset", cls(2, Rounding.AWAY, -16, 15, np.asarray([-3])), (x,))
        huge = Edge.covering((1, 6), -(1 << 70), 1 << 70)
        yield Sample("past_int64", cls(60, Rounding.HALF_EVEN, -2000, 2000), (huge,))
