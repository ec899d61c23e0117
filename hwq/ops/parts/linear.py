"""What `Dense` and `Conv` share: sums of products with constant weights, `pe` outputs by `simd` taps a cycle."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from hwq.errors import InternalError
from hwq.ir.hardware import Edge
from hwq.kernels.blocked_matmul import Blocks
from hwq.kernels.signed_sums import signed_sums
from hwq.netlist.builder import Builder
from hwq.netlist.sums import linear
from hwq.numeric.fixed import FLOAT64_EXACT, INT64_SAFE, Codes, FixedType, code_dtype
from hwq.ops.base import Kernel, Op, Rom, proved
from hwq.ops.parts.adder_graph import AdderGraph
from hwq.ops.parts.resources import Kind, Unit, product_units, signed_digits
from hwq.ops.parts.weight_coding import Binary, Coding, coding_of, term_type

NARROW = tuple(np.dtype(f"i{octets}") for octets in (1, 2, 4, 8))
PROVED_PRODUCTS = 1 << 23  # that the proof of a range may take


class Products(Op):
    """y[o] = sum over taps t of weights[o, t] x[t], plus bias[o]; in integers wide enough for every reachable sum.

    `weights` and `bias` are codes: `frac` is the weights' binary point, the bias has the accumulator's. Each cycle
    multiplies `pe` outputs by `simd` taps; 0 is all at once. With `xnor`, weights -1 and 1 meet codes 0 and 1: products
    are not summed, but the bits of both that agree counted, as w x = [agree] - [w < 0]. With `adders`, hardware
    makes the sums of all outputs by that graph.
    """

    makes_new = True
    weights: Codes
    bias: Codes | None
    frac: int
    pe: int
    simd: int
    xnor: bool
    adders: AdderGraph | None

    @cached_property
    @abstractmethod
    def rows(self) -> Codes:
        """The weights as (outputs, taps), taps in the order in which a kernel visits them."""

    @abstractmethod
    def kernel(self, inputs: tuple[Edge, ...], factor: float) -> Kernel:
        """What makes the sums times `factor`, which is 1 where they are not held as floats."""

    def prepare(self, inputs: tuple[Edge, ...]) -> Kernel:
        return self.kernel(inputs, 1.0)

    def scaled(self, inputs: tuple[Edge, ...], factor: float) -> Kernel | None:
        if not self.proves_range(inputs) or self.magnitude(inputs[0]) >= FLOAT64_EXACT:
            return None  # the simulator checks the sums, or they are Python integers
        return self.kernel(inputs, factor)

    @property
    def n_out(self) -> int:
        return int(self.rows.shape[0])

    @property
    def taps(self) -> int:
        """Products of one output element."""
        return int(self.rows.shape[1])

    @property
    def array(self) -> tuple[int, int]:
        """(pe, simd) as numbers."""
        return self.pe or self.n_out, self.simd or self.taps

    @property
    def folds(self) -> tuple[int, int]:
        """(output folds, tap folds): the trip counts of the two loops."""
        pe, simd = self.array
        return self.n_out // pe, self.taps // simd

    @cached_property
    def coding(self) -> Coding:
        """How the weights are stored, and so what a product is."""
        return coding_of(self.weights, self.frac)

    @cached_property
    def weight_type(self) -> FixedType:
        return FixedType.covering(int(self.weights.min(initial=0)), int(self.weights.max(initial=0)), self.frac)

    @cached_property
    def signed_sums(self) -> tuple[Codes, Codes]:
        """Per output, what its positive weights add up to, and its negative ones."""
        return signed_sums(self.rows)

    @property
    def start(self) -> Codes | None:
        """What a sum starts with: the bias, less the weights -1 where agreements are counted; None where all are 0."""
        if not self.xnor:
            return self.bias
        start = (0 if self.bias is None else self.bias) + self.signed_sums[1]
        return np.asarray(start) if start.any() else None

    @property
    def matrix(self) -> Codes:
        """The weights as (inputs, outputs) of one cycle where nothing is folded: a group's inputs after another's."""
        return self.rows.T

    @property
    def bits(self) -> FixedType:
        """The bits of the taps of one cycle, side by side."""
        return FixedType(False, self.array[1])

    @property
    def shares_terms(self) -> bool:
        """Whether several outputs of a cycle choose between the same taps and their negatives."""
        return isinstance(self.coding, Binary) and not self.xnor and self.array[0] > 1

    def term(self, x: Edge) -> FixedType:
        """One product with a weight that needs no multiplier, whatever its sign."""
        return term_type(self.weights, self.reach(x), x.type.frac + self.frac)

    def countable(self, x: Edge) -> bool:
        """Whether products are of bits on both sides."""
        return self.reach(x) == (0, 1) and isinstance(self.coding, Binary)

    def counting(self) -> Products:
        """The same sums by XNOR."""
        this: Any = self
        counting: Products = replace(this, xnor=True)
        return counting

    def check(self, x: Edge) -> None:
        """Raise where agreements are counted of what is not one bit."""
        if self.xnor and not self.countable(x):
            raise InternalError(f"agreements of {x.type} with weights of coding '{self.coding}'")

    def reach(self, x: Edge) -> tuple[int, int]:
        """The lowest and the highest code that can meet a weight."""
        return x.lo, x.hi

    def sums(self, x: Edge, *, partial: bool) -> tuple[int, int]:
        """Least and greatest sum over all taps; with `partial`, over any subset of the terms."""
        if self.xnor and partial:
            start = np.zeros(1) if self.start is None else self.start
            return min(0, int(start.min())), max(0, int(start.max())) + self.taps
        wide: Any = np.int64 if self.magnitude(x) < INT64_SAFE else object
        up, down = (v.astype(wide, copy=False) for v in self.signed_sums)
        x_lo, x_hi = self.reach(x)
        if partial:
            x_lo, x_hi = min(x_lo, 0), max(x_hi, 0)
        lo, hi = up * x_lo + down * x_hi, up * x_hi + down * x_lo
        if self.bias is not None:
            lo = lo + (np.minimum(self.bias, 0) if partial else self.bias)
            hi = hi + (np.maximum(self.bias, 0) if partial else self.bias)
        return int(lo.min()), int(hi.max())

    def magnitude(self, x: Edge) -> int:
        """A bound on every partial sum's absolute value, in any order of addition."""
        up, down = self.signed_sums
        total = int((up - down).max()) * max(1, *(abs(v) for v in self.reach(x)))
        return total + (int(np.abs(self.bias).max()) if self.bias is not None else 0)

    def blocks(self, x: Edge, rows: Codes) -> Blocks:
        """In which dtype, and how many taps at once, sums over `rows` (outputs, taps) are exact."""
        return Blocks.of(rows, max(1, *(abs(v) for v in self.reach(x))), self.magnitude(x))

    def proves_range(self, inputs: tuple[Edge, ...]) -> bool:
        """By every output's greatest and least sum, where they cost little."""
        return self.n_out * int(self.weights.size) <= PROVED_PRODUCTS

    def prove(self, x: Edge, y: Edge, rows: Codes, sums: Callable[[Codes], Codes], factor: float) -> None:
        """Raise where `sums` of (n, taps) codes with `rows` (outputs, taps), times `factor`, can leave y's range."""
        for ends in (self.reach(x), self.reach(x)[::-1]):
            made = sums(np.where(rows > 0, *(np.asarray(end, dtype=code_dtype(*sorted(ends))) for end in ends)))
            proved(y, made if factor == 1 else made / factor)

    def sums_of(self, b: Builder, taps: Sequence[int], first: int, last: int) -> list[int]:
        """Outputs `first` up to `last` as signals."""
        made, bias = [], None if self.bias is None else self.bias.tolist()
        for o, weights in enumerate(self.rows[first:last].tolist(), first):
            b.note(f"output {o}: {sum(1 for w in weights if w)} of {len(weights)} weights are not 0")
            made.append(linear(b, taps, weights, 0 if bias is None else bias[o]))
        return made

    def accumulator(self, x: Edge) -> FixedType:
        """The running sum: holds every partial sum, in any order."""
        return FixedType.covering(*self.sums(x, partial=True), x.type.frac + self.frac)

    @cached_property
    def words(self) -> Codes:
        """The weights as (cycles, products of one), in the least memory."""
        (pe, simd), (out_folds, tap_folds) = self.array, self.folds
        ordered = self.rows.reshape(out_folds, pe, tap_folds, simd).transpose(0, 2, 1, 3)
        if ordered.dtype != object:
            bits = self.weight_type.width + int(not self.weight_type.signed)
            ordered = ordered.astype(next(t for t in NARROW if bits <= 8 * t.itemsize), order="C")
        return ordered.reshape(out_folds * tap_folds, pe * simd)

    def roms(self) -> tuple[Rom, ...]:
        if self.adders is not None:  # constants of the graph
            return ()
        (pe, simd), (out_folds, _) = self.array, self.folds
        coding = self.coding if not self.coding.multiplies else None
        roms = [Rom("weights", self.words, self.weight_type, coding=coding, packed=simd if self.xnor else 1)]
        if self.start is not None:
            kind = FixedType.covering(int(self.start.min()), int(self.start.max()))
            roms.append(Rom("bias", self.start.reshape(out_folds, pe), kind))
        return tuple(roms)

    def units(self, inputs: tuple[Edge, ...]) -> tuple[Unit, ...]:
        """Products and the tree that adds them; constants are multiplied by adding what their digits shift."""
        (x,) = inputs
        (pe, simd), wide = self.array, self.accumulator(x).width
        if self.adders is not None:
            return (Unit(Kind.ADD, 1, self.adders.bits),)
        if self.xnor:
            return (Unit(Kind.COUNT, pe, simd), Unit(Kind.ADD, pe, wide))
        if self.folds == (1, 1):
            return (Unit(Kind.ADD, max(0, signed_digits(self.weights)), wide),)
        factors = product_units(
            self.coding, pe * simd, self.weight_type, FixedType.covering(*self.reach(x)), self.term(x)
        )
        return (*factors, Unit(Kind.ADD, pe * simd, wide))

    def described(self, size: str) -> str:
        """One line for listings."""
        pe, simd = self.array
        bias = "" if (self.start if self.adders is None else self.bias) is None else " bias"
        xnor = " xnor" if self.xnor else ""
        if self.adders is not None:
            return f"{self.kind}[{size} w {self.coding}{bias} {self.adders}]"
        return f"{self.kind}[{size} w {self.coding}{xnor}{bias} pe {pe} simd {simd}]"
