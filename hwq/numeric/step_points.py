"""Step points on an arithmetic progression, all at once: 44-bit fractions in int64, Fractions where those cannot tell.

The points of `clip(round(a x + b))` lie at `origin + m * spacing` for integers m. A fraction kept to F bits is at most
m + 1 units too low, so the least integer at or above a point is certain unless that error may reach an integer.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from hwq.numeric.fixed import Codes
from hwq.numeric.rational import Rationals

Mask = npt.NDArray[np.bool_]


def least_integers(origin: Rationals, spacing: Rationals, multiples: Codes, closed: Mask, exists: Mask) -> Codes:
    """Per channel c and place k, the least integer x with `x >= origin[c] + multiples[c, k] * spacing[c]`.

    `x >` where not closed. `multiples` are not negative, every existing point fits int64 with a bit to spare, and
    places that do not exist hold anything.
    """
    most = int(multiples.max(initial=0, where=exists))
    bits = 61 - most.bit_length()
    whole0, part0, exact0 = _split(origin, bits)
    whole1, part1, exact1 = _split(spacing, bits)
    fraction = part0[:, None] + multiples * part1[:, None]
    floor = whole0[:, None] + multiples * whole1[:, None] + (fraction >> bits)
    fraction &= (1 << bits) - 1
    inexact = ~(exact0 & exact1)
    result = floor + np.where(closed & (fraction == 0), 0, 1)
    if inexact.any():
        doubtful = (fraction == 0) | (fraction + multiples + 1 >= 1 << bits)
        doubtful &= inexact[:, None] & exists
        for c, k in np.argwhere(doubtful):
            point = origin[c] + int(multiples[c, k]) * spacing[c]
            result[c, k] = _least(point, bool(closed[c, k]))
    return np.asarray(result)


def _least(point: Fraction, closed: bool) -> int:
    floor = point.numerator // point.denominator
    return floor + (0 if closed and point.denominator == 1 else 1)


def _split(values: Rationals, bits: int) -> tuple[Codes, Codes, Mask]:
    """Floor, the next `bits` bits, and whether nothing is left after them."""
    whole, part, exact = [], [], []
    for v in values:
        scaled, rest = divmod(v.numerator << bits, v.denominator)
        whole.append(_wrapped(scaled >> bits))
        part.append(scaled & ((1 << bits) - 1))
        exact.append(rest == 0)
    return np.asarray(whole, dtype=np.int64), np.asarray(part, dtype=np.int64), np.asarray(exact, dtype=bool)


def _wrapped(value: int) -> int:
    """The low 64 bits, signed: sums of such numbers are right wherever the true sum fits."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)
