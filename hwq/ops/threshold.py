"""threshold: y = base +- the number of thresholds reached, any monotone step function of an integer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hwq.ir.hardware import Edge
from hwq.kernels.lookup import DIRECT_LIMIT, Buckets, Direct, counted
from hwq.kernels.rounded_line import Staircase, fitted
from hwq.netlist.builder import Builder
from hwq.netlist.rounding import stepped
from hwq.numeric.fixed import Codes, FixedType, code_dtype
from hwq.ops.base import Channels, Rom, Sample, as_codes, proved
from hwq.ops.parts.elementwise import Elementwise, Evaluator
from hwq.ops.parts.resources import Kind, Unit

PARALLEL_LIMIT = 16  # thresholds compared side by side in hardware; above, a binary search


@dataclass(frozen=True, eq=False)
class Threshold(Elementwise):
    """`y = base[c] + sign[c] * #{k: x >= thresholds[c, k]}`; rows ascend, and may repeat a threshold.

    `thresholds` (C, K), `base` (C,), `sign` (C,) of +1 or -1; one row for a whole tensor where C = 1.
    """

    kind = "threshold"
    thresholds: Codes
    base: Codes
    sign: Codes
    type: FixedType
    channels: Channels = Channels()
    lanes: int = 0  # elements a cycle; 0: all

    @property
    def levels(self) -> int:
        return int(self.thresholds.shape[1])

    @property
    def search(self) -> bool:
        """Whether hardware searches (log2 K comparisons in turn) rather than compares with all at once."""
        return self.levels > PARALLEL_LIMIT

    @property
    def rows(self) -> int:
        """Channels whose parameters are read in one cycle."""
        return self.channels.rows(self.lanes)

    @property
    def steps(self) -> int:
        """Comparisons of the binary search."""
        return self.levels.bit_length()

    def _ends(self, x: Edge) -> tuple[Codes, Codes]:
        """Output codes at the two ends of x's range, per channel."""
        first = self.base + self.sign * (self.thresholds <= x.lo).sum(axis=1)
        last = self.base + self.sign * (self.thresholds <= x.hi).sum(axis=1)
        return first, last

    def infer(self, inputs: tuple[Edge, ...]) -> tuple[Edge, ...]:
        (x,) = inputs
        first, last = self._ends(x)
        lo, hi = int(np.minimum(first, last).min()), int(np.maximum(first, last).max())
        return (Edge(x.shape, self.type, lo, hi),)

    def units(self, inputs: tuple[Edge, ...]) -> tuple[Unit, ...]:
        (x,) = inputs
        lanes = self.lanes or x.size
        if self.search:
            return (Unit(Kind.COMPARE, lanes, x.type.width), Unit(Kind.ADD, 2 * lanes, self.steps))
        return (Unit(Kind.COMPARE, lanes * self.levels, x.type.width), Unit(Kind.COUNT, lanes, self.levels))

    def evaluator(self, x: Edge) -> Evaluator:
        (y,), wide = self.infer((x,)), code_dtype(x.lo, x.hi) is object
        stairs = None if wide else Staircase.of_thresholds(self.thresholds, self.base, self.sign, x.lo, x.hi)
        line = None if stairs is None else fitted(stairs)
        if stairs is not None and line is not None:
            proved(y, stairs.ends)
            return line
        if not wide and self.thresholds.shape[0] * (x.hi - x.lo + 1) <= DIRECT_LIMIT:
            table = self.base[:, None] + self.sign[:, None] * counted(self.thresholds, x.lo, x.hi)
            proved(y, table)
            return Direct.listing(table, x.lo)
        if self.levels <= 2:
            count: Evaluator = self._compared
        elif wide:
            count = self._bisected
        else:
            count = Buckets.of(self.thresholds, x.hi) or self._bisected
        run = self._finished(count, x)
        self.proved_at_ends(x, run)
        return run

    def _finished(self, count: Evaluator, x: Edge) -> Evaluator:
        """Base and sign around a function that counts the thresholds reached."""
        sign, base = self.sign.reshape(1, 1, -1, 1), self.base.reshape(1, 1, -1, 1)
        dtype = code_dtype(x.lo, x.hi)
        rising, plain = bool((self.sign == 1).all()), not self.base.any()

        def run(codes: Codes) -> Codes:
            reached = count(codes.astype(dtype, copy=False))
            if not rising:
                reached = reached * sign
            return reached if plain else reached + base

        return run

    def _compared(self, acc: Codes) -> Codes:
        reached: Codes = np.zeros(acc.shape, dtype=np.int64)
        for k in range(self.levels):
            reached = reached + (acc >= self.thresholds[:, k].reshape(1, 1, -1, 1))
        return reached

    def _bisected(self, acc: Codes) -> Codes:
        rows = self.thresholds.astype(object, copy=False) if acc.dtype == object else self.thresholds
        if self.channels.count == 1:
            return np.asarray(np.searchsorted(rows[0], acc, side="right"))
        reached = np.empty(acc.shape, dtype=np.int64)
        for c, row in enumerate(rows):
            reached[:, :, c, :] = np.searchsorted(row, acc[:, :, c, :], side="right")
        return reached

    def element(self, b: Builder, x: int, channel: int) -> int:
        base, sign = int(self.base[channel]), int(self.sign[channel])
        values = [base + sign * k for k in range(self.levels + 1)]
        return stepped(b, x, self.thresholds[channel].tolist(), values)

    def roms(self) -> tuple[Rom, ...]:
        roms = []
        if self.levels:
            kind = FixedType.covering(int(self.thresholds.min()), int(self.thresholds.max()))
            roms.append(Rom("thresholds", self.thresholds, kind, self.rows, not self.search))
        if len(set(self.base.tolist())) > 1:
            base = FixedType.covering(int(self.base.min()), int(self.base.max()))
            roms.append(Rom("base", self.base.reshape(-1, 1), base, self.rows))
        if len(set(self.sign.tolist())) > 1:
            roms.append(Rom("falling", (self.sign < 0).astype(np.int64).reshape(-1, 1), FixedType(False, 1), self.rows))
        return tuple(roms)

    def cycles(self, inputs: tuple[Edge, ...]) -> int:
        """A search takes its comparisons in turn."""
        return super().cycles(inputs) * (self.steps if self.search else 1)

    def __str__(self) -> str:
        how = "search" if self.search else "compare"
        return f"threshold[{self.channels.count}x{self.levels} {how}]"

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        rng = np.random.default_rng(2)
        x = Edge.covering((1, 60), -100, 99, 2)
        one = np.asarray([1])
        yield Sample("sign", cls(np.asarray([[0]]), np.asarray([0]), one, FixedType(False, 1)), (x,))
        rows = np.sort(rng.integers(-100, 101, (4, 7)), axis=1)
        zeros, ones = np.zeros(4, dtype=np.int64), np.ones(4, dtype=np.int64)
        yield Sample("compare", cls(rows, zeros, ones, FixedType(False, 3, 1), Channels(4, 3)), (x,))
        mixed = np.asarray([1, -1, 1, -1])
        base = np.asarray([-4, 3, 0, 3])
        yield Sample("falling", cls(rows, base, mixed, FixedType(True, 4), Channels(4, 1)), (x,))
        many = np.sort(rng.integers(-100, 101, (4, 37)), axis=1)
        yield Sample("search", cls(many, base, mixed, FixedType(True, 7), Channels(4, 15)), (x,))
        yield Sample("constant", cls(np.zeros((1, 0), dtype=np.int64), np.asarray([5]), one, FixedType(False, 3)), (x,))
        far = np.sort(rng.integers(-(1 << 45), 1 << 45, (2, 200)), axis=1)
        wide = Edge.covering((1, 8), -(1 << 46), 1 << 46)
        two = np.ones(2, dtype=np.int64)
        yield Sample("wide", cls(far, np.zeros(2, dtype=np.int64), two, FixedType(False, 8), Channels(2, 2)), (wide,))
        huge = Edge.covering((1, 4), -(1 << 70), 1 << 70)
        steps = np.asarray([[-(1 << 69), 5, 1 << 68]], dtype=object)
        yield Sample("past_int64", cls(steps, np.asarray([0]), one, FixedType(False, 2)), (huge,))


def constant_rows(codes: Codes, type: FixedType, channels: Channels) -> Threshold:
    """A step function without steps: the constant `codes[c]`."""
    count = codes.shape[0]
    none = np.zeros((count, 0), dtype=np.int64)
    return Threshold(none, as_codes(codes, type.lo, type.hi), np.ones(count, dtype=np.int64), type, channels)
