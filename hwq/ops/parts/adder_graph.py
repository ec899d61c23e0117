"""Sums of constant multiples as a graph of additions, subtractions and shifts that outputs share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hwq.errors import InternalError
from hwq.numeric.fixed import Codes, FixedType

CONSTANT = -1  # in place of an operand: the adder's constant


@dataclass(frozen=True)
class Operand:
    """A signal (an input by its number, an adder after all inputs, or `CONSTANT`), moved left and perhaps negated."""

    signal: int
    shift: int = 0
    negative: bool = False


@dataclass(frozen=True)
class Adder:
    """left + right; `constant` is what an operand `CONSTANT` stands for."""

    left: Operand
    right: Operand
    constant: int = 0


@dataclass(frozen=True, eq=False)
class AdderGraph:
    """y = x W + bias by adders in executable order. `lo`, `hi` (K,) are the inputs' ranges.

    `outputs` are signals with a shift, never negative; an output that is `CONSTANT` is its bias alone.
    """

    lo: Codes
    hi: Codes
    adders: tuple[Adder, ...]
    outputs: tuple[Operand, ...]
    unshared: int = 0  # pairs that occur more than once and were left, where the search was cut

    @property
    def inputs(self) -> int:
        return len(self.lo)

    @cached_property
    def forms(self) -> tuple[Codes, Codes]:
        """Every signal as a linear form of the inputs: factors (signals, K) and constants (signals,)."""
        count, total = self.inputs, self.inputs + len(self.adders)
        factors = np.zeros((total, count), dtype=object if self._wide else np.int64)
        factors[:count] = np.eye(count, dtype=np.int64)
        constants: list[int] = [0] * total
        for at, adder in enumerate(self.adders, count):
            for operand in (adder.left, adder.right):
                sign = -1 if operand.negative else 1
                if operand.signal == CONSTANT:
                    constants[at] += sign * (adder.constant << operand.shift)
                else:
                    factors[at] += factors[operand.signal] * (sign << operand.shift)
                    constants[at] += constants[operand.signal] * (sign << operand.shift)
        return factors, np.asarray(constants, dtype=object)

    @cached_property
    def _wide(self) -> bool:
        """Whether factors may pass 62 bits: each adder at most adds what its operands reach."""
        sizes = [0] * self.inputs
        for adder in self.adders:
            sizes.append(1 + max(0 if o.signal == CONSTANT else sizes[o.signal] + o.shift for o in _both(adder)))
        return max(sizes, default=0) > 61

    @cached_property
    def ranges(self) -> tuple[tuple[int, int], ...]:
        """The least and the greatest value of every signal over all inputs: exact, as inputs vary independently."""
        factors, constants = self.forms
        lows, highs = reach(factors, self.lo, self.hi)
        return tuple((int(a) + c, int(b) + c) for a, b, c in zip(lows, highs, constants.tolist(), strict=True))

    @cached_property
    def depths(self) -> tuple[int, ...]:
        """Adders on the longest way to each signal."""
        depths = [0] * self.inputs
        for adder in self.adders:
            depths.append(1 + max(0 if o.signal == CONSTANT else depths[o.signal] for o in _both(adder)))
        return tuple(depths)

    @property
    def depth(self) -> int:
        return max((self.depths[o.signal] for o in self.outputs if o.signal != CONSTANT), default=0)

    def __str__(self) -> str:
        return f"adders {len(self.adders)} depth {self.depth}"

    def type_of(self, signal: int, frac: int = 0) -> FixedType:
        """The narrowest type that holds a signal."""
        return FixedType.covering(*self.ranges[signal], frac)

    @cached_property
    def bits(self) -> int:
        """Full adders of all adders: the bits of a sum, less those that only one operand reaches from below."""
        return sum(self._price(at, adder) for at, adder in enumerate(self.adders, self.inputs))

    def _price(self, at: int, adder: Adder) -> int:
        low, high = sorted(_both(adder), key=lambda o: o.shift)
        free = 0 if low.negative or CONSTANT in (low.signal, high.signal) else high.shift - low.shift
        return max(0, self.type_of(at).width - free)

    def prove(self, matrix: Codes, bias: Codes | None) -> int:
        """Raise unless the outputs are x `matrix` + bias as linear forms, for all x at once; the coefficients compared.

        `matrix` is (K, N), `bias` (N,).
        """
        factors, constants = self.forms
        starts = [0] * len(self.outputs) if bias is None else [int(b) for b in bias]
        for column, (output, start) in enumerate(zip(self.outputs, starts, strict=True)):
            if output.negative:
                raise InternalError(f"output {column} of an adder graph is negated")
            if output.signal == CONSTANT:
                same = not matrix[:, column].any()
            else:
                form: Any = factors[output.signal] * (1 << output.shift)
                same = np.array_equal(form, matrix[:, column])
                same &= int(constants[output.signal]) << output.shift == start
            if not same:
                raise InternalError(f"output {column} of an adder graph is not its column of weights")
        return int(matrix.size) + len(starts)


def _both(adder: Adder) -> tuple[Operand, Operand]:
    return adder.left, adder.right


def reach(factors: Codes, lo: Codes, hi: Codes) -> tuple[Codes, Codes]:
    """The least and the greatest of each linear form (rows of `factors`) of inputs in lo..hi."""
    up, down = np.maximum(factors, 0), np.minimum(factors, 0)
    return up @ lo + down @ hi, up @ hi + down @ lo
