"""lut: y = a table's word at the input's code, the address kept inside a window, one half serving both if mirrored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hwq.ir.hardware import Edge
from hwq.kernels.lookup import of_table
from hwq.netlist.builder import Builder
from hwq.netlist.rounding import clamped
from hwq.numeric.fixed import Codes, FixedType
from hwq.ops.base import Channels, Rom, Sample, proved
from hwq.ops.parts.elementwise import Elementwise, Evaluator
from hwq.ops.parts.resources import Kind, Unit

WHOLE_TABLE = 64  # codes that a circuit looks up without keeping the address in the window, or mirroring it


@dataclass(frozen=True)
class Mirror:
    """Codes below `twice / 2` are looked up at `twice - x`; their result is `total + sign * word`."""

    twice: int
    total: int
    sign: int  # +1: even symmetry; -1: odd, about total / 2


@dataclass(frozen=True, eq=False)
class Lut(Elementwise):
    """`y = clamp(words[c, clip(x, first, first + N - 1) - first])`, codes clamped to `lo..hi`.

    `words` (C, N): one row per channel, one row for a whole tensor where C = 1. With a mirror the window is its upper
    half. The clamp matters only where a mirrored word leaves the output's range.
    """

    kind = "lut"
    words: Codes
    first: int
    lo: int
    hi: int
    type: FixedType
    channels: Channels = Channels()
    mirror: Mirror | None = None
    lanes: int = 0  # elements a cycle; 0: all
    functions: str = ""  # what it tabulates, for reports

    @property
    def depth(self) -> int:
        """Words of one channel."""
        return int(self.words.shape[1])

    @property
    def last(self) -> int:
        return self.first + self.depth - 1

    @property
    def word_type(self) -> FixedType:
        return FixedType.covering(int(self.words.min()), int(self.words.max()))

    def clamps(self, x: Edge) -> tuple[bool, bool]:
        """Whether the address has to be kept from falling below and from rising above the window."""
        low, high = x.lo, x.hi
        if self.mirror is not None:
            high = max(high, self.mirror.twice - low)
            low = max(low, (self.mirror.twice + 1) // 2)
        return low < self.first, high > self.last

    @property
    def overflows(self) -> tuple[bool, bool]:
        """Whether a looked-up or mirrored word can leave `lo..hi` below and above."""
        ends = [int(self.words.min()), int(self.words.max())]
        if self.mirror is not None:
            ends += [self.mirror.total + self.mirror.sign * v for v in ends]
        return min(ends) < self.lo, max(ends) > self.hi

    def infer(self, inputs: tuple[Edge, ...]) -> tuple[Edge, ...]:
        (x,) = inputs
        every = self.values(np.broadcast_to(np.arange(x.lo, x.hi + 1), (self.words.shape[0], x.hi - x.lo + 1)))
        return (Edge(x.shape, self.type, int(every.min()), int(every.max())),)

    def values(self, codes: Codes) -> Codes:
        """Results for codes (C, n), one row per channel."""
        address, mirrored = codes, np.zeros(codes.shape, dtype=bool)
        if self.mirror is not None:
            mirrored = 2 * codes < self.mirror.twice
            address = np.where(mirrored, self.mirror.twice - codes, codes)
        index = np.clip(address, self.first, self.last) - self.first
        found = np.take_along_axis(self.words, index, axis=1)
        if self.mirror is not None:
            found = np.where(mirrored, self.mirror.total + self.mirror.sign * found, found)
        return np.asarray(np.clip(found, self.lo, self.hi))

    def evaluator(self, x: Edge) -> Evaluator:
        span = x.hi - x.lo + 1
        table = self.values(np.broadcast_to(np.arange(x.lo, x.hi + 1), (self.words.shape[0], span)))
        proved(self.infer((x,))[0], table)
        return of_table(table, x.lo)

    def element(self, b: Builder, x: int, channel: int) -> int:
        if b.hi(x) - b.lo(x) < WHOLE_TABLE:
            codes = np.broadcast_to(np.arange(b.lo(x), b.hi(x) + 1), (self.words.shape[0], b.hi(x) - b.lo(x) + 1))
            return b.table(x, self.values(codes)[channel].tolist())
        mirror, below = self.mirror, b.constant(0)
        address = x
        if mirror is not None:
            below = b.less(x, b.constant((mirror.twice + 1) // 2))
            address = b.select(below, b.subtract(b.constant(mirror.twice), x), x)
        address = clamped(b, address, self.first, self.last)
        start = b.lo(address) - self.first
        word = b.table(address, self.words[channel, start : b.hi(address) - self.first + 1].tolist())
        if mirror is not None:
            word = b.select(below, b.add(b.constant(mirror.total), word, sign=mirror.sign), word)
        return clamped(b, word, self.lo, self.hi)

    def units(self, inputs: tuple[Edge, ...]) -> tuple[Unit, ...]:
        """Clamps of the address and of the word; the mirror's two subtractions."""
        (x,) = inputs
        lanes = self.lanes or x.size
        compares = sum(self.clamps(x)) + sum(self.overflows)
        mirror = 0 if self.mirror is None else 2
        return (Unit(Kind.COMPARE, compares * lanes, x.type.width), Unit(Kind.ADD, mirror * lanes, x.type.width))

    def roms(self) -> tuple[Rom, ...]:
        return (Rom("table", self.words.reshape(-1, 1), self.word_type),)

    def __str__(self) -> str:
        half = "" if self.mirror is None else " half"
        channels = "" if self.channels.count == 1 else f"{self.channels.count}x"
        what = f" {self.functions}" if self.functions else ""
        return f"lut[{channels}{self.depth}{half} {self.word_type}{what}]"

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        rng = np.random.default_rng(7)
        x = Edge.covering((1, 60), -30, 29, 3)
        kind = FixedType(True, 6, 2)
        yield Sample("direct", cls(rng.integers(-32, 32, (1, 60)), -30, -32, 31, kind), (x,))
        yield Sample("window", cls(rng.integers(-32, 32, (1, 17)), -8, -32, 31, kind), (x,))
        odd = np.asarray([[0, 3, 9, 20, 32]])
        yield Sample("odd", cls(odd, 0, -32, 31, kind, mirror=Mirror(0, 0, -1)), (x,))
        yield Sample("even", cls(odd, 0, -32, 31, kind, mirror=Mirror(-1, 0, 1)), (x,))
        unsigned = FixedType(False, 5, 5)
        yield Sample("offset", cls(odd + 16, 4, 0, 31, unsigned, mirror=Mirror(8, 32, -1)), (x,))
        rows = rng.integers(0, 32, (4, 60))
        yield Sample("channels", cls(rows, -30, 0, 31, unsigned, Channels(4, 3), lanes=3), (x,))
        yield Sample("constant", cls(np.asarray([[7]]), 0, 7, 7, FixedType(False, 3)), (x,))
        wide = Edge.covering((1, 4), 1 << 29, (1 << 29) + 300)
        yield Sample("far", cls(rng.integers(0, 9, (1, 301)), 1 << 29, 0, 8, FixedType(False, 4)), (wide,))
