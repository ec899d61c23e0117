"""dense: y = x W + bias along the last axis, in integers wide enough for every reachable sum."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from hwq.ir.hardware import Edge
from hwq.kernels.blocked_matmul import times
from hwq.kernels.rounded_line import repeated
from hwq.netlist.builder import Builder
from hwq.netlist.circuit import Signals
from hwq.numeric.fixed import Codes
from hwq.ops.base import Kernel, Sample, held
from hwq.ops.parts.adder_graph import AdderGraph
from hwq.ops.parts.linear import Products


@dataclass(frozen=True, eq=False)
class Dense(Products):
    """`weights` (K, N) and `bias` (N,) are codes; the taps are the K inputs. `pe` divides N, `simd` divides K."""

    kind = "dense"
    lean = True
    weights: Codes
    bias: Codes | None = None
    frac: int = 0
    pe: int = 0  # 0: all outputs at once
    simd: int = 0  # 0: all inputs at once
    xnor: bool = False
    adders: AdderGraph | None = None

    @cached_property
    def rows(self) -> Codes:
        return self.weights.T

    def infer(self, inputs: tuple[Edge, ...]) -> tuple[Edge, ...]:
        (x,) = inputs
        self.check(x)
        lo, hi = self.sums(x, partial=False)
        return (Edge.covering((*x.shape[:-1], self.n_out), lo, hi, x.type.frac + self.frac),)

    def kernel(self, inputs: tuple[Edge, ...], factor: float) -> Kernel:
        (x,) = inputs
        (y,) = self.infer(inputs)
        blocks, taps, out = self.blocks(x, self.rows), self.taps, y.shape
        weights = times(self.weights.astype(blocks.dtype), factor)
        bias = None if self.bias is None else repeated(times(self.bias.astype(blocks.total), factor).reshape(1, -1))

        def sums(data: Codes) -> Codes:
            acc = blocks.product(held(data, blocks.dtype), weights)
            if bias is not None:
                acc += bias(acc.shape)
            return acc

        if self.proves_range(inputs):
            self.prove(x, y, self.rows, sums, factor)
        return lambda codes: (sums(codes.reshape(-1, taps)).reshape(len(codes), *out),)

    def netlist(self, b: Builder, inputs: tuple[Edge, ...], xs: tuple[Signals, ...]) -> tuple[Signals, ...]:
        made = b.mapped("row", lambda b, x: self.sums_of(b, x, 0, self.n_out), xs[0].reshape(-1, self.taps))
        return (made.reshape(*inputs[0].shape[:-1], self.n_out),)

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
        bits, signs = Edge.covering((1, 70), 0, 1, -1), rng.choice([-1, 1], (70, 6))
        yield Sample("xnor", cls(signs, xnor=True), (bits,))
        counted = rng.integers(-9, 9, 6)
        yield Sample("xnor_folded", cls(signs, counted, frac=1, pe=2, simd=35, xnor=True), (bits,))
        yield Sample("xnor_rows", cls(signs[:7], pe=3, simd=1, xnor=True), (Edge.covering((2, 7), 0, 1),))
        yield Sample("binary", cls(signs, rng.integers(-99, 99, 6), pe=3, simd=7), (Edge.covering((1, 70), 0, 255, 3),))
        yield Sample("binary_scaled", cls(signs[:9], frac=2), (Edge.covering((1, 9), -8, 7, 3),))
        three = rng.integers(-1, 2, (9, 4))
        yield Sample("ternary", cls(three, pe=2, simd=3), (Edge.covering((1, 9), -128, 127, 4),))
        yield Sample("ternary_scaled", cls(three, frac=-3), (Edge.covering((1, 9), 0, 15),))
        yield Sample("ternary_positive", cls(np.abs(three)), (Edge.covering((1, 9), -8, 7),))
        yield Sample("ternary_negative", cls(-np.abs(three)), (Edge.covering((1, 9), 0, 7),))
        powers = rng.choice([-1, 1], (9, 4)) << rng.integers(0, 8, (9, 4))
        yield Sample("po2", cls(powers, frac=7, pe=2, simd=3), (Edge.covering((1, 9), -128, 127, 4),))
        yield Sample("po2_with_zero", cls(powers * (three != 0)), (Edge.covering((1, 9), 0, 255),))
        yield Sample("po2_positive", cls(np.abs(powers) << 3, simd=3), (Edge.covering((1, 9), -8, 7),))
        yield Sample("po2_far", cls(np.asarray([[1, -(1 << 50)], [1 << 61, 0]])), (Edge.covering((1, 2), -5, 9),))
        yield Sample("zero_weights", cls(np.zeros((3, 2), dtype=np.int64)), (Edge.covering((1, 3), -4, 3),))
        wide = rng.integers(-(1 << 30), 1 << 30, (5, 3))
        yield Sample("past_int64", cls(wide, simd=1), (Edge.covering((1, 5), -(1 << 40), 1 << 40),))
