"""What `Dense` and `Conv` share: sums of products with constant weights, `pe` outputs by `simd` taps a cycle."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import Any

import numpy as np

from hwq.fixed import Codes, FixedType
from hwq.ir import Edge
from hwq.ops.base import Op, Rom

FLOAT32_EXACT, FLOAT64_EXACT = 1 << 24, 1 << 53


class Products(Op):
    """y[o] = sum over taps t of weights[o, t] x[t], plus bias[o]; in integers wide enough for every reachable sum.

    `weights` and `bias` are codes: `frac` is the weights' binary point, the bias has the accumulator's. Each cycle
    multiplies `pe` outputs by `simd` taps; 0 is all at once.
    """

    weights: Codes
    bias: Codes | None
    frac: int
    pe: int
    simd: int

    @cached_property
    @abstractmethod
    def rows(self) -> Codes:
        """The weights as (outputs, taps), taps in the order in which a kernel visits them."""

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

    @property
    def weight_type(self) -> FixedType:
        return FixedType.covering(int(self.weights.min(initial=0)), int(self.weights.max(initial=0)), self.frac)

    def reach(self, x: Edge) -> tuple[int, int]:
        """The lowest and the highest code that can meet a weight."""
        return x.lo, x.hi

    def sums(self, x: Edge, *, partial: bool) -> tuple[int, int]:
        """Least and greatest sum over all taps; with `partial`, over any subset of the terms."""
        wide = self.rows.astype(np.float64 if self.magnitude(x) < FLOAT64_EXACT else object)
        up, down = np.maximum(wide, 0).sum(axis=1), np.minimum(wide, 0).sum(axis=1)
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
        total = int(np.abs(self.rows).sum(axis=1).max()) * max(1, *(abs(v) for v in self.reach(x)))
        return total + (int(np.abs(self.bias).max()) if self.bias is not None else 0)

    def arithmetic(self, x: Edge) -> Any:
        """The dtype in which the sums are exact, in any order: float32 and float64, for BLAS, or Python integers."""
        magnitude = self.magnitude(x)
        return np.float32 if magnitude < FLOAT32_EXACT else np.float64 if magnitude < FLOAT64_EXACT else object

    def accumulator(self, x: Edge) -> FixedType:
        """The running sum: holds every partial sum, in any order."""
        return FixedType.covering(*self.sums(x, partial=True), x.type.frac + self.frac)

    def roms(self) -> tuple[Rom, ...]:
        (pe, simd), (out_folds, tap_folds) = self.array, self.folds
        words = self.rows.reshape(out_folds, pe, tap_folds, simd).transpose(0, 2, 1, 3)
        roms = [Rom("weights", words.reshape(out_folds * tap_folds, pe * simd), self.weight_type)]
        if self.bias is not None:
            kind = FixedType.covering(int(self.bias.min()), int(self.bias.max()))
            roms.append(Rom("bias", self.bias.reshape(out_folds, pe), kind))
        return tuple(roms)

    def described(self, size: str) -> str:
        """One line for listings."""
        pe, simd = self.array
        bias = "" if self.bias is None else " bias"
        return f"{self.kind}[{size} w {self.weight_type}{bias} pe {pe} simd {simd}]"
