"""Weights on their way to a product: common factors go to its scale, and what counts of bits need to its bias."""

from __future__ import annotations

import numpy as np

from hwq.exact import Rationals, scalar, uniform
from hwq.fixed import Codes
from hwq.ir import Edge
from hwq.ops.coding import Binary, coding_of

PROBE = 64  # taps looked at before all of them are


def without_factors(rows: Codes) -> tuple[Codes, Rationals]:
    """(outputs, taps) integers less what divides them all, and that as a scale: one, or one per output.

    A factor per output goes where it leaves weights that need no multiplier, such as -3 and 3 beside -5 and 5.
    """
    ones = scalar(1)
    if not rows.size or bool((_divisors(rows[:, :PROBE]) == 1).all()):
        return rows, ones
    by_output = _divisors(rows)
    whole = int(np.gcd.reduce(by_output[by_output > 0], initial=0)) or 1
    reduced, rest = rows // whole, np.maximum(by_output // whole, 1)
    if (rest > 1).any() and coding_of(reduced).multiplies:
        apart = reduced // rest[:, None]
        if not coding_of(apart).multiplies:
            return apart, scalar(whole) * rest.astype(object)
    return reduced, scalar(whole)


def _divisors(rows: Codes) -> Codes:
    return np.asarray(np.gcd.reduce(np.abs(rows), axis=1))


def agreement_bias(x: Edge, rows: Codes, scale: Rationals, offset: Rationals) -> tuple[Codes | None, Rationals]:
    """How many weights are -1, per output, as a bias; and `offset` less it, where that spares a sum its start.

    With it a sum over bits is the number of taps at which weight and code agree (see `Products.xnor`).
    """
    if (x.lo, x.hi) != (0, 1) or uniform(offset) is not None or not isinstance(coding_of(rows), Binary):
        return None, offset
    negative = (rows < 0).sum(axis=1)
    return negative, np.asarray(offset - negative.astype(object) * scale, dtype=object)
