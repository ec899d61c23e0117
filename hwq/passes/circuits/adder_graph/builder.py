"""Adders as they are made: equal ones once, each with its linear form and so its exact range."""

from __future__ import annotations

import numpy as np

from hwq.numeric.fixed import Codes, FixedType
from hwq.ops.parts.adder_graph import CONSTANT, Adder, Operand, reach


class Builder:
    """Signals so far: the inputs, then adders. Terms are operands."""

    def __init__(self, lo: Codes, hi: Codes) -> None:
        self.lo, self.hi = lo, hi
        self.adders: list[Adder] = []
        self.forms: list[Codes] = list(np.eye(len(lo), dtype=lo.dtype))
        self.constants: list[int] = [0] * len(lo)
        self.depths: list[int] = [0] * len(lo)
        self.widths: list[int] = [FixedType.covering(int(a), int(b)).width for a, b in zip(lo, hi, strict=True)]
        self._known: dict[Adder, int] = {}

    def join(self, a: Operand, b: Operand, *, positive: bool = False) -> Operand:
        """The sum of two terms as a term: shifts that both have stay outside, and so does a sign if it may.

        The operand that reaches lower is added rather than subtracted, as its lowest bits then pass unchanged;
        `positive` asks for a sum without a sign instead, where one of the terms has none.
        """
        if (b.shift, b.negative, b.signal) < (a.shift, a.negative, a.signal):
            a, b = b, a
        flip = a.negative and (b.negative or (not positive and a.shift < b.shift))
        left = Operand(a.signal, 0, a.negative != flip)
        right = Operand(b.signal, b.shift - a.shift, b.negative != flip)
        if left.negative and not right.shift:
            left, right = right, left
        return Operand(self._made(Adder(left, right)), a.shift, flip)

    def plus(self, term: Operand, constant: int) -> Operand:
        """A term and a constant."""
        if constant == 0 and not term.negative:
            return term
        return Operand(self._made(Adder(term, Operand(CONSTANT, 0, constant < 0), abs(constant))))

    def _made(self, adder: Adder) -> int:
        if adder in self._known:
            return self._known[adder]
        form, constant, depth = np.zeros_like(self.forms[0]), 0, 0
        for operand in (adder.left, adder.right):
            if operand.signal == CONSTANT:
                constant += -adder.constant if operand.negative else adder.constant
                continue
            factor = (-1 if operand.negative else 1) << operand.shift
            form = form + self.forms[operand.signal] * factor
            constant += self.constants[operand.signal] * factor
            depth = max(depth, self.depths[operand.signal])
        low, high = reach(form, self.lo, self.hi)
        self.adders.append(adder)
        self.forms.append(form)
        self.constants.append(constant)
        self.depths.append(depth + 1)
        self.widths.append(FixedType.covering(int(low) + constant, int(high) + constant).width)
        self._known[adder] = len(self.forms) - 1
        return len(self.forms) - 1
