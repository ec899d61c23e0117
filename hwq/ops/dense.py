"""dense: y = x W + bias along the last axis, in integers wide enough for every reachable sum."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np

from hwq.fixed import Codes, FixedType
from hwq.ir import Edge
from hwq.ops.base import Kernel, Op, Rom, Sample, as_codes

FLOAT32_EXACT, FLOAT64_EXACT = 1 << 24, 1 << 53


@dataclass(frozen=True, eq=False)
class Dense(Op):
    """`weights` (K, N) and `bias` (N,) are codes; `frac` is the weights' binary point; pe x simd products a cycle.

    The bias has the accumulator's binary point. `pe` divides N, `simd` divides K.
    """

    kind = "dense"
    weights: Codes
    bias: Codes | None = None
    frac: int = 0
    pe: int = 0  # 0: all outputs at once
    simd: int = 0  # 0: all inputs at once

    @property
    def n_in(self) -> int:
        return int(self.weights.shape[0])

    @property
    def n_out(self) -> int:
        return int(self.weights.shape[1])

    @property
    def array(self) -> tuple[int, int]:
        """(pe, simd) as numbers."""
        return self.pe or self.n_out, self.simd or self.n_in

    @property
    def folds(self) -> tuple[int, int]:
        """(output folds, input folds): the trip counts of the two loops."""
        pe, simd = self.array
        return self.n_out // pe, self.n_in // simd

    @property
    def weight_type(self) -> FixedType:
        return FixedType.covering(int(self.weights.min(initial=0)), int(self.weights.max(initial=0)), self.frac)

    def _sums(self, x: Edge, *, partial: bool) -> tuple[int, int]:
        """Least and greatest sum over all inputs in x's range; with `partial`, over any subset of the terms."""
        wide = self.weights.astype(np.float64 if self._magnitude(x) < FLOAT64_EXACT else object)
        up, down = np.maximum(wide, 0).sum(axis=0), np.minimum(wide, 0).sum(axis=0)
        x_lo, x_hi = (min(x.lo, 0), max(x.hi, 0)) if partial else (x.lo, x.hi)
        lo, hi = up * x_lo + down * x_hi, up * x_hi + down * x_lo
        if self.bias is not None:
            lo = lo + (np.minimum(self.bias, 0) if partial else self.bias)
            hi = hi + (np.maximum(self.bias, 0) if partial else self.bias)
        return int(lo.min()), int(hi.max())

    def _magnitude(self, x: Edge) -> int:
        """A bound on every partial sum's absolute value, in any order of addition."""
        total = int(np.abs(self.weights).sum(axis=0).max()) * max(abs(x.lo), abs(x.hi), 1)
        return total + (int(np.abs(self.bias).max()) if self.bias is not None else 0)

    def accumulator(self, x: Edge) -> FixedType:
        """The running sum: holds every partial sum, in any order."""
        return FixedType.covering(*self._sums(x, partial=True), x.type.frac + self.frac)

    def infer(self, inputs: tuple[Edge, ...]) -> tuple[Edge, ...]:
        (x,) = inputs
        lo, hi = self._sums(x, partial=False)
        return (Edge.covering((*x.shape[:-1], self.n_out), lo, hi, x.type.frac + self.frac),)

    def prepare(self, inputs: tuple[Edge, ...]) -> Kernel:
        (x,) = inputs
        (y,) = self.infer(inputs)
        magnitude = self._magnitude(x)
        dtype = np.float32 if magnitude < FLOAT32_EXACT else np.float64 if magnitude < FLOAT64_EXACT else object
        weights = self.weights.astype(dtype)
        bias = None if self.bias is None else self.bias.astype(dtype)

        def kernel(codes: Codes) -> tuple[Codes, ...]:
            rows = codes.reshape(-1, self.n_in).astype(dtype)
            acc = rows @ weights
            if bias is not None:
                acc += bias
            return (as_codes(acc, y.lo, y.hi).reshape(codes.shape[0], *y.shape),)

        return kernel

    def roms(self) -> tuple[Rom, ...]:
        (pe, simd), (out_folds, in_folds) = self.array, self.folds
        words = self.weights.reshape(in_folds, simd, out_folds, pe).transpose(2, 0, 3, 1)
        roms = [Rom("weights", words.reshape(out_folds * in_folds, pe * simd), self.weight_type)]
        if self.bias is not None:
            kind = FixedType.covering(int(self.bias.min()), int(self.bias.max()))
            roms.append(Rom("bias", self.bias.reshape(out_folds, pe), kind))
        return tuple(roms)

    def macs(self, inputs: tuple[Edge, ...]) -> int:
        return int(self.weights.size) * prod(inputs[0].shape[:-1])

    def lanes_in_out(self, inputs: tuple[Edge, ...]) -> tuple[int, int]:
        pe, simd = self.array
        return simd, pe

    def cycles(self, inputs: tuple[Edge, ...]) -> int:
        return self.folds[0] * self.folds[1] * prod(inputs[0].shape[:-1])

    def __str__(self) -> str:
        pe, simd = self.array
        bias = "" if self.bias is None else " bias"
        return f"dense[{self.n_in}x{self.n_out} w {self.weight_type}{bias} pe {pe} simd {simd}]"

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        rng = np.random.default_rng(1)
        small = rng.integers(-7, 8, (6, 4))
        x = Edge.covering((1, 6), -8, 7, 3)
        yield Sample("signed", cls(small, frac=2), (x,))
        yield Sample("folded_with_bias", cls(small, rng.integers(-99, 99, 4), frac=2, pe=2, simd=3), (x,))
        yield Sample("binary_inputs", cls(rng.choice([-1, 1], (12, 5)), pe=1, simd=4), (Edge.covering((1, 12), 0, 1),))
        yield Sample("unsigned", cls(np.abs(small)), (Edge.covering((1, 6), 0, 255, -1),))
        yield Sample("rows", cls(small, pe=4, simd=2), (Edge.covering((1, 3, 6), -8, 7),))
        yield Sample("zero_weights", cls(np.zeros((3, 2), dtype=np.int64)), (Edge.covering((1, 3), -4, 3),))
        wide = rng.integers(-(1 << 30), 1 << 30, (5, 3))
        yield Sample("past_int64", cls(wide, simd=1), (Edge.covering((1, 5), -(1 << 40), 1 << 40),))
