"""argmax and topk: positions and codes of the greatest elements along one axis; ties go to the lower index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from hwq.ir.hardware import Edge, Shape
from hwq.netlist.builder import Builder
from hwq.netlist.circuit import Signals
from hwq.numeric.fixed import Codes
from hwq.ops.base import Kernel, Op, Sample
from hwq.ops.parts.resources import Kind, Unit


def _split(shape: Shape, axis: int) -> tuple[int, int, int]:
    """(outer, n, inner) of an axis in the flat array."""
    return prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :])


@dataclass(frozen=True)
class TopK(Op):
    """The k greatest (or least) codes along `axis` in order, and their indices (ONNX TopK, sorted).

    With `k = 1` and only the indices read it is ArgMax or ArgMin; `last` gives ties to the higher index.
    """

    kind = "topk"
    axis: int
    k: int = 1
    largest: bool = True
    last: bool = False

    def split(self, shape: Shape) -> tuple[int, int, int]:
        return _split(shape, self.axis)

    def infer(self, inputs: tuple[Edge, ...]) -> tuple[Edge, ...]:
        (x,) = inputs
        shape = (*x.shape[: self.axis], self.k, *x.shape[self.axis + 1 :])
        return Edge(shape, x.type, x.lo, x.hi), Edge.covering(shape, 0, x.shape[self.axis] - 1)

    def prepare(self, inputs: tuple[Edge, ...]) -> Kernel:
        axis, n = self.axis + 1, inputs[0].shape[self.axis]

        def kernel(codes: Codes) -> tuple[Codes, ...]:
            keys = -codes if self.largest else codes
            if self.last:
                order = n - 1 - np.argsort(np.flip(keys, axis), axis=axis, kind="stable")
            else:
                order = np.argsort(keys, axis=axis, kind="stable")
            order = np.take(order, np.arange(self.k), axis=axis)
            return np.take_along_axis(codes, order, axis), order.astype(np.int64)

        return kernel

    def netlist(self, b: Builder, inputs: tuple[Edge, ...], xs: tuple[Signals, ...]) -> tuple[Signals, ...]:
        groups = np.moveaxis(xs[0], self.axis, -1)
        made = b.mapped("group", self._group, groups.reshape(-1, groups.shape[-1]))
        codes, places = (
            np.moveaxis(part.reshape(*groups.shape[:-1], self.k), -1, self.axis)
            for part in (made[:, : self.k], made[:, self.k :])
        )
        return codes, places

    def _before(self, b: Builder, one: int, other: int) -> int:
        """1 where the code `one`, which stands behind the other, goes before it."""
        smaller, greater = (one, other) if self.largest else (other, one)
        return b.inverted(b.less(smaller, greater)) if self.last else b.less(greater, smaller)

    def _group(self, b: Builder, xs: Sequence[int]) -> list[int]:
        """Codes, then places, of the first k of a group in order."""
        ranked = [(x, b.constant(i)) for i, x in enumerate(xs)]
        if self.k == 1:
            while len(ranked) > 1:
                pairs = zip(ranked[::2], ranked[1::2], strict=False)
                joined = [self._chosen(b, self._before(b, one[0], other[0]), one, other) for other, one in pairs]
                ranked = joined + ranked[2 * len(joined) :]
            return list(ranked[0])
        best: list[tuple[int, int]] = []
        for entry in ranked:  # put where it belongs among those that went before
            wins = [self._before(b, entry[0], other) for other, _ in best]
            moved = [entry, *best]
            kept = [
                self._chosen(b, win, self._chosen(b, above, moved[k], entry), best[k])
                for k, (above, win) in enumerate(zip([b.constant(0), *wins], wins, strict=False))
            ]
            last = self._chosen(b, wins[-1], best[-1], entry) if wins else entry
            best = [*kept, last][: self.k]
        return [code for code, _ in best] + [place for _, place in best]

    @staticmethod
    def _chosen(b: Builder, first: int, one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
        """One of two codes with their places."""
        return b.select(first, one[0], other[0]), b.select(first, one[1], other[1])

    def lanes_in_out(self, inputs: tuple[Edge, ...]) -> tuple[int, int]:
        return 1, 1

    def units(self, inputs: tuple[Edge, ...]) -> tuple[Unit, ...]:
        return (Unit(Kind.COMPARE, self.k, inputs[0].type.width),)

    def cycles(self, inputs: tuple[Edge, ...]) -> int:
        return inputs[0].size

    def __str__(self) -> str:
        ends = ("largest" if self.largest else "smallest") + (" last" if self.last else "")
        return f"topk[axis {self.axis} k {self.k} {ends}]"

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        x = Edge.covering((1, 10), -4, 3, 1)
        yield Sample("argmax", cls(1), (x,))
        yield Sample("argmin_last", cls(1, largest=False, last=True), (x,))
        yield Sample("top3", cls(1, 3), (x,))
        yield Sample("inner_axis", cls(1, 2), (Edge.covering((1, 4, 5), 0, 15),))
        yield Sample("one_candidate", cls(1), (Edge.covering((1, 1), -4, 3),))
