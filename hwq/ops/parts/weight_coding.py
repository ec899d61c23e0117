"""How hardware stores constant weights: a bit for -1 and 1, two for -1, 0 and 1, sign and exponent for powers of two.

Such weights need no multiplier. Which coding a tensor has follows from its integers alone, whatever made them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwq.errors import InternalError
from hwq.numeric.fixed import Codes, FixedType, pieces


class Coding(ABC):
    """Words of type `word`, one a weight: `decode(encode(weights))` equals `weights`."""

    name: ClassVar[str]
    multiplies: ClassVar[bool] = False  # whether a product needs a multiplier

    @property
    @abstractmethod
    def word(self) -> FixedType:
        """What a ROM stores of one weight."""

    @abstractmethod
    def encode(self, weights: Codes) -> Codes: ...

    @abstractmethod
    def decode(self, words: Codes) -> Codes: ...

    def __str__(self) -> str:
        return f"{self.name} {self.word}"


@dataclass(frozen=True)
class TwosComplement(Coding):
    """Any integers."""

    name = "two's complement"
    multiplies = True
    type: FixedType

    @property
    def word(self) -> FixedType:
        return self.type

    def encode(self, weights: Codes) -> Codes:
        return weights

    def decode(self, words: Codes) -> Codes:
        return words

    def __str__(self) -> str:
        return str(self.type)


@dataclass(frozen=True)
class Binary(Coding):
    """-1 is the bit 0, 1 the bit 1. A product is x or -x; with binary activations, the XNOR of two bits."""

    name = "binary"

    @property
    def word(self) -> FixedType:
        return FixedType(False, 1)

    def encode(self, weights: Codes) -> Codes:
        return (weights > 0).astype(np.int64)

    def decode(self, words: Codes) -> Codes:
        return 2 * words - 1


@dataclass(frozen=True)
class Ternary(Coding):
    """-1, 0 and 1 in two's complement: two bits, one where either sign is missing. A product is x, 0 or -x."""

    name = "ternary"
    negative: bool = True
    positive: bool = True

    @property
    def word(self) -> FixedType:
        return FixedType(self.negative, 1 + (self.negative and self.positive))

    def encode(self, weights: Codes) -> Codes:
        return weights

    def decode(self, words: Codes) -> Codes:
        return words


@dataclass(frozen=True)
class Po2(Coding):
    """+-2**(least + k), stored as k below the sign's bit; where there is a zero, it is 0 and the powers are k + 1.

    A product is x shifted to the left, and negated where the sign is set.
    """

    name = "po2"
    least: int
    places: int  # from the least exponent to the greatest
    sign: bool
    zero: bool

    @property
    def exponent_bits(self) -> int:
        return max(1, (self.places + int(self.zero)).bit_length())

    @property
    def word(self) -> FixedType:
        return FixedType(False, self.exponent_bits + int(self.sign))

    def encode(self, weights: Codes) -> Codes:
        size = np.abs(weights)
        k = np.frexp(size.astype(np.float64))[1] - 1 - self.least + int(self.zero)
        words: Codes = np.where(size > 0, k, 0).astype(np.int64)
        return np.asarray(words + ((weights < 0).astype(np.int64) << self.exponent_bits))

    def decode(self, words: Codes) -> Codes:
        k = words & ((1 << self.exponent_bits) - 1)
        power = np.ones_like(words) << (self.least + np.clip(k - int(self.zero), 0, self.places))
        size = np.where(k == 0, 0, power) if self.zero else power
        negative = words >> self.exponent_bits != 0
        return np.asarray(np.where(negative, -size, size))

    def __str__(self) -> str:
        return f"{self.name} {'sign + ' if self.sign else ''}{self.exponent_bits}" + (" with zero" if self.zero else "")


def coding_of(weights: Codes, frac: int = 0) -> Coding:
    """The coding of integers: without a multiplier where that takes no more bits than two's complement."""
    lo, hi = int(weights.min(initial=0)), int(weights.max(initial=0))
    plain = TwosComplement(FixedType.covering(lo, hi, frac))
    coding: Coding = plain
    if lo >= -1 and hi <= 1:
        coding = Binary() if weights.all() else Ternary(lo < 0, hi > 0 or lo == 0)
    elif weights.dtype != object:
        coding = _powers(weights, plain)
    if coding is plain:
        return plain
    if not all(np.array_equal(coding.decode(coding.encode(part)), part) for part in pieces(weights)):
        raise InternalError(f"weights of {lo}..{hi} are not what their coding '{coding}' says")
    return coding


def term_type(factors: Codes, reach: tuple[int, int], frac: int) -> FixedType:
    """Holds every activation of `reach` times a factor, whatever the factor's sign where one has one; and 0."""
    lo, hi = int(factors.min(initial=0)), int(factors.max(initial=0))
    most, sign = max(-lo, hi), lo < 0
    ends = [v * w for v in (*reach, 0) for w in (most, -most * sign)]
    return FixedType.covering(min(ends), max(ends), frac)


def _powers(weights: Codes, plain: TwosComplement) -> Coding:
    found, zeros = [], False
    for part in pieces(weights):  # most tensors show at once that they are none
        size = np.abs(part)
        if (size & (size - 1)).any():
            return plain
        some = size[size > 0]
        zeros |= some.size < size.size
        found += [int(some.min()), int(some.max())] if some.size else []
    least, most = min(found).bit_length() - 1, max(found).bit_length() - 1
    coding = Po2(least, most - least, plain.type.signed, zeros)
    return coding if coding.word.width <= plain.word.width else plain
