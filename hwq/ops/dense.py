"""dense: y = x W + bias along the last axis, in integers wide enough for every reachable sum."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from hwq.fixed import Codes
from hwq.ir import Edge
from hwq.ops.base import Kernel, Sample, as_codes
from hwq.ops.products import Products


@dataclass(frozen=True, eq=False)
class Dense(Products):
    """`weights` (K, N) and `bias` (N,) are codes; the taps are the K inputs. `pe` divides N, `simd` divides K."""

    kind = "dense"
    weights: Codes
    bias: Codes | None = None
    frac: int = 0
    pe: int = 0  # 0: all outputs at once
    simd: int = 0  # 0: all inputs at once

    @cached_property
    def rows(self) -> Codes:
        return self.weights.T

    def infer(self, inputs: tuple[Edge, ...]) -> tuple[Edge, ...]:
        (x,) = inputs
        lo, hi = self.sums(x, partial=False)
        return (Edge.covering((*x.shape[:-1], self.n_out), lo, hi, x.type.frac + self.frac),)

    def prepare(self, inputs: tuple[Edge, ...]) -> Kernel:
        (x,) = inputs
        (y,) = self.infer(inputs)
        dtype = self.arithmetic(x)
        weights = self.weights.astype(dtype)
        bias = None if self.bias is None else self.bias.astype(dtype)

        def kernel(codes: Codes) -> tuple[Codes, ...]:
            rows = codes.reshape(-1, self.taps).astype(dtype)
            acc = rows @ weights
            if bias is not None:
                acc += bias
            return (as_codes(acc, y.lo, y.hi).reshape(codes.shape[0], *y.shape),)

        return kernel

    def macs(self, inputs: tuple[Edge, ...]) -> int:
        return int(self.weights.size) * prod(inputs[0].shape[:-1])

    def lanes_in_out(self, inputs: tuple[Edge, ...]) -> tuple[int, int]:
        pe, simd = self.array
        return simd, pe

    def cycles(self, inputs: tuple[Edge, ...]) -> int:
        return self.folds[0] * self.folds[1] * prod(inputs[0].shape[:-1])

    def __str__(self) -> str:
        return self.described(f"{self.taps}x{self.n_out}")

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
