"""Units: the arithmetic that a layer puts side by side, for estimates of what it costs (docs/estimates.md)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from hwq.fixed import Codes


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


def signed_digits(values: Codes) -> int:
    """Digits other than 0 of all values in signed binary, where no two neighbours are (canonical signed digits)."""
    sizes = np.abs(values)
    if values.dtype == object:
        return sum((int(v) ^ (3 * int(v))).bit_count() for v in sizes.reshape(-1))
    return int(np.bitwise_count(sizes ^ (3 * sizes)).sum())
