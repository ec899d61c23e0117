"""Units: the arithmetic that a layer puts side by side, for estimates of what it costs (docs/estimates.md)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from hwq.numeric.fixed import Codes, FixedType
from hwq.ops.parts.weight_coding import Coding, Po2


class Kind(Enum):
    """What a unit does with operands of `a` (and `b`) bits."""

    MULTIPLY = "multiply"
    ADD = "add"  # also a subtraction, or a negation that is chosen
    COMPARE = "compare"
    SELECT = "select"  # one of two operands
    SHIFT = "shift"  # by one of `b` places
    COUNT = "count"  # the bits set among `a`


@dataclass(frozen=True)
class Unit:
    """`count` units of a kind."""

    kind: Kind
    count: int
    a: int
    b: int = 0


def product_units(coding: Coding, count: int, factor: FixedType, x: FixedType, term: FixedType) -> tuple[Unit, ...]:
    """What takes codes of `x` times factors of a coding: a multiplier, or what shifts and negates to a `term`."""
    if coding.multiplies:
        return (Unit(Kind.MULTIPLY, count, factor.width, x.width),)
    places = coding.places if isinstance(coding, Po2) else 1
    shifts = (Unit(Kind.SHIFT, count, term.width, places),) if places > 1 else ()
    return (*shifts, Unit(Kind.SELECT, count, term.width))


def signed_digits(values: Codes) -> int:
    """Digits other than 0 of all values in signed binary, where no two neighbours are (canonical signed digits)."""
    sizes = np.abs(values)
    if values.dtype == object:
        return sum((int(v) ^ (3 * int(v))).bit_count() for v in sizes.reshape(-1))
    return int(np.bitwise_count(sizes ^ (3 * sizes)).sum())
