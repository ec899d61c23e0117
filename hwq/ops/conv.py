"""conv: y = sum over channels and kernel positions of x w, plus bias, wide enough for every reachable sum."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import product
from math import prod
from typing import Any

import numpy as np

from hwq.ir.hardware import Edge, Shape
from hwq.ir.window import Window, WindowAxis
from hwq.kernels.banded_conv import Bands
from hwq.kernels.blocked_matmul import Blocks, times
from hwq.kernels.im2col import Columns
from hwq.kernels.rounded_line import repeated
from hwq.netlist.builder import Builder
from hwq.netlist.circuit import Signals
from hwq.numeric.fixed import Codes, FixedType
from hwq.ops.base import Kernel, Rom, Sample, held, wide_constant
from hwq.ops.parts.adder_graph import AdderGraph
from hwq.ops.parts.linear import Products

FEW_SAMPLES = 8  # that are convolved by a matrix with zeros in it
MATRIX_LIMIT, WHOLE_LIMIT = 1 << 18, 1 << 15  # elements of a banded one, and of one for all of a sample
Convolve = Callable[[Codes], Codes]
"""Sums of products of (batch, C, ...) codes, (batch, M, ...)."""


@dataclass(frozen=True, eq=False)
class Conv(Products):
    """`weights` (M, C / groups, ...) and `bias` (M,) are codes; x is (N, C, ...); outside x stands the code `pad`.

    `frac` is the weights' binary point; the bias has the accumulator's. Each cycle multiplies `pe` outputs by `simd`
    taps; taps are counted over kernel positions, and in each over the channels of a group. `simd` divides their number;
    `pe` divides the outputs of a group or is a multiple of them.
    """

    kind = "conv"
    lean = True
    scattered = True
    weights: Codes
    window: Window
    groups: int = 1
    pad: int = 0
    bias: Codes | None = None
    frac: int = 0
    pe: int = 0  # 0: all outputs at once
    simd: int = 0  # 0: all taps at once
    xnor: bool = False
    adders: AdderGraph | None = None

    @cached_property
    def rows(self) -> Codes:
        return np.moveaxis(self.weights, 1, -1).reshape(self.weights.shape[0], -1)

    @property
    def matrix(self) -> Codes:
        blocks = self.rows.reshape(self.groups, -1, self.taps)
        matrix = np.zeros((self.groups, self.taps, self.groups, blocks.shape[1]), dtype=self.rows.dtype)
        for group, block in enumerate(blocks):
            matrix[group, :, group] = block.T
        return matrix.reshape(self.groups * self.taps, self.n_out)

    @property
    def channels(self) -> tuple[int, int]:
        """(input, output) channels of one group."""
        return int(self.weights.shape[1]), self.n_out // self.groups

    @property
    def groups_at_once(self) -> int:
        """Groups that the outputs of one cycle belong to."""
        return max(1, self.array[0] // self.channels[1])

    def tap_type(self, x: Edge) -> FixedType:
        """What a window holds: x's type, wider where the padding's code does not fit it."""
        if not self.window.padded or x.type.contains(self.pad, self.pad):
            return x.type
        return FixedType.covering(min(x.lo, self.pad), max(x.hi, self.pad), x.type.frac)

    def reach(self, x: Edge) -> tuple[int, int]:
        if not self.window.padded:
            return x.lo, x.hi
        return min(x.lo, self.pad), max(x.hi, self.pad)

    def outputs(self, x: Edge) -> Shape:
        """The spatial extents of y."""
        return self.window.outputs(x.shape[2:])

    def axes(self, x: Edge) -> list[WindowAxis]:
        """The loops over the spatial axes."""
        rank = self.window.rank
        names = tuple("zyx"[3 - rank :]) if rank <= 3 else tuple(f"d{i}" for i in range(rank))
        return self.window.loops(x.shape[2:], names)

    def infer(self, inputs: tuple[Edge, ...]) -> tuple[Edge, ...]:
        (x,) = inputs
        self.check(x)
        lo, hi = self.sums(x, partial=False)
        shape = (x.shape[0], self.n_out, *self.outputs(x))
        return (Edge.covering(shape, lo, hi, x.type.frac + self.frac),)

    def kernel(self, inputs: tuple[Edge, ...], factor: float) -> Kernel:
        (x,) = inputs
        (y,) = self.infer(inputs)
        rows = self.weights.reshape(self.n_out, -1)
        blocks = self.blocks(x, rows)
        flat = None if self.bias is None else times(self.bias.astype(blocks.total), factor)
        bias = None if flat is None else repeated(flat.reshape(1, -1, *(1,) * self.window.rank))
        if self.proves_range(inputs):
            taps = times(rows.T.astype(blocks.dtype), factor)
            start = 0 if flat is None else flat
            self.prove(x, y, rows, lambda data: blocks.product(held(data, blocks.dtype), taps) + start, factor)
        weights = times(self.weights.astype(blocks.dtype), factor)
        ways, samples, results = self._ways(x, blocks, weights), (-1, *x.shape[1:]), (-1, *y.shape)

        def run(codes: Codes) -> tuple[Codes, ...]:
            data = held(codes.reshape(samples), blocks.dtype)
            acc = ways[len(data) > FEW_SAMPLES](data)
            if bias is not None:
                acc += bias(acc.shape)
            return (acc.reshape(results),)

        return run

    def _ways(self, x: Edge, blocks: Blocks, weights: Codes) -> tuple[Convolve, Convolve]:
        """The quickest form for few samples, and that for many."""
        extents, outputs, alone = x.shape[2:], self.outputs(x), self.channels == (1, 1)
        if self.window.taps == 1 and not any(self.window.moves()):
            matrix, n_in = weights.reshape(self.groups, -1, self.channels[0]), self.channels[0]

            def point(data: Codes) -> Codes:
                if data.shape[0] == self.groups == 1:  # without what numpy does for stacks of matrices
                    return blocks.product(matrix[0], data.reshape(n_in, -1)).reshape(1, -1, *outputs)
                flat = data.reshape(len(data), self.groups, n_in, -1)
                return blocks.product(matrix, flat).reshape(len(data), -1, *outputs)

            return point, point
        columns = Columns(weights, blocks, self.window, self.groups, self.pad)
        piece = columns.pieces(outputs)

        def many(data: Codes) -> Codes:
            parts = [
                np.moveaxis(columns(np.moveaxis(data[i : i + piece], 0, -1), outputs), -1, 0)
                for i in range(0, len(data), piece)
            ]
            return parts[0] if len(parts) == 1 else np.concatenate(parts)

        if blocks.dtype is object or Bands.size(weights, self.window, extents) > MATRIX_LIMIT:
            return many, many
        if prod(x.shape[1:]) * self.n_out * prod(outputs) <= WHOLE_LIMIT:
            return _whole(many, x.shape[1:], blocks.total), many
        bands = Bands.of(weights.astype(blocks.total), self.window, self.groups, self.pad, extents)
        return bands, bands if alone else many

    def netlist(self, b: Builder, inputs: tuple[Edge, ...], xs: tuple[Signals, ...]) -> tuple[Signals, ...]:
        (x,), window = inputs, self.window
        (n_in, n_out), outputs = self.channels, self.outputs(x)
        margins = ((0, 0), (0, 0), *zip(window.before, window.after, strict=True))
        padded = np.pad(xs[0], margins, constant_values=b.constant(self.pad)) if window.padded else xs[0]
        seen = np.stack([window.slices(padded, outputs, k) for k in product(*map(range, window.kernel))], axis=-1)
        made = []
        for g in range(self.groups):
            taps = np.moveaxis(seen[:, g * n_in : (g + 1) * n_in], 1, -1)  # (N, outputs.., kernel positions, channels)
            sums = partial(self.sums_of, first=g * n_out, last=(g + 1) * n_out)
            results = b.mapped("window", sums, taps.reshape(-1, self.taps))
            made.append(np.moveaxis(results.reshape(x.shape[0], *outputs, n_out), -1, 1))
        return (np.concatenate(made, axis=1),)

    def roms(self) -> tuple[Rom, ...]:
        return (*super().roms(), *wide_constant("pad", self.pad))

    def macs(self, inputs: tuple[Edge, ...]) -> int:
        return inputs[0].shape[0] * prod(self.outputs(inputs[0])) * self.n_out * self.taps

    def lanes_in_out(self, inputs: tuple[Edge, ...]) -> tuple[int, int]:
        pe, simd = self.array
        return simd * self.groups_at_once, pe

    def cycles(self, inputs: tuple[Edge, ...]) -> int:
        return self.folds[0] * self.folds[1] * inputs[0].shape[0] * prod(self.outputs(inputs[0]))

    def __str__(self) -> str:
        group = f" groups {self.groups}" if self.groups > 1 else ""
        return self.described("x".join(map(str, self.weights.shape)) + group)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        rng = np.random.default_rng(5)

        def weights(*shape: int) -> Codes:
            return rng.integers(-7, 8, shape)

        def square(k: int, s: int = 1, d: int = 1, before: int = 0, after: int = 0) -> Window:
            return Window((k, k), (s, s), (d, d), (before, before), (after, after))

        x = Edge.covering((1, 4, 5, 6), -8, 7, 3)
        yield Sample("plain", cls(weights(3, 4, 3, 3), square(3), frac=2), (x,))
        yield Sample("padded", cls(weights(3, 4, 3, 3), square(3, 2, 1, 1, 1), pad=-3), (x,))
        yield Sample("pad_outside_type", cls(weights(2, 4, 2, 2), square(2, 1, 1, 1, 0), pad=25), (x,))
        yield Sample("folded", cls(weights(6, 4, 2, 2), square(2), bias=rng.integers(-50, 50, 6), pe=2, simd=8), (x,))
        yield Sample("dilated", cls(weights(2, 4, 2, 2), square(2, 1, 3), pe=1, simd=4), (x,))
        yield Sample("depthwise", cls(weights(4, 1, 3, 3), square(3, 1, 1, 1, 1), 4, pe=2, simd=3), (x,))
        yield Sample("depthwise_multiplier", cls(weights(8, 1, 3, 3), square(3), 4, pe=4, simd=9), (x,))
        yield Sample("groups", cls(weights(6, 2, 2, 2), square(2), 2, pe=1, simd=2), (x,))
        line = Window((3,), (2,), (1,), (2,), (0,))
        yield Sample("line", cls(weights(5, 2, 3), line, pe=5, simd=2), (Edge.covering((1, 2, 9), 0, 15),))
        flat = Window((1, 1), (1, 1), (1, 1), (0, 0), (0, 0))
        yield Sample("point", cls(weights(3, 4, 1, 1), flat, simd=2), (x,))
        bits, signs = Edge.covering((1, 4, 5, 6), 0, 1, -1), rng.choice([-1, 1], (6, 4, 3, 3))
        yield Sample("xnor", cls(signs, square(3), xnor=True), (bits,))
        start = rng.integers(-9, 9, 6)
        yield Sample("xnor_padded", cls(signs, square(3, 2, 1, 1, 1), 1, 1, start, pe=3, simd=18, xnor=True), (bits,))
        yield Sample("xnor_groups", cls(signs[:, :2], square(3), 2, pe=6, simd=9, xnor=True), (bits,))
        yield Sample("binary", cls(signs, square(3, 1, 1, 1, 1), pad=-3, frac=1, pe=2, simd=12), (x,))
        yield Sample("ternary", cls(rng.integers(-1, 2, (3, 4, 2, 2)), square(2), simd=8), (x,))
        powers = rng.choice([-1, 0, 1], (4, 1, 3, 3)) << rng.integers(0, 5, (4, 1, 3, 3))
        yield Sample("po2_depthwise", cls(powers, square(3, 1, 1, 1, 1), 4, frac=4), (x,))
        wide = rng.integers(-(1 << 30), 1 << 30, (2, 4, 2, 2))
        far = Edge.covering((1, 4, 3, 3), -(1 << 40), 1 << 40)
        yield Sample("past_int64", cls(wide, square(2, 1, 1, 1, 1), pad=5), (far,))


def _whole(convolve: Convolve, shape: Shape, dtype: Any) -> Convolve:
    """A convolution of samples of `shape` (C, ...) as one product and an offset."""
    size = prod(shape)
    base = convolve(np.zeros((1, *shape), dtype=dtype))
    matrix = (convolve(np.eye(size, dtype=dtype).reshape(size, *shape)) - base).reshape(size, -1)

    def few(data: Codes) -> Codes:
        sums: Codes = data.reshape(len(data), size) @ matrix
        sums += base.reshape(1, -1)
        return sums.reshape(len(data), *base.shape[1:])

    return few
