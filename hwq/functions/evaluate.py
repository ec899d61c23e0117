"""Exact tables of curves: float64 estimates with error bounds, and digits wherever a bound leaves a step undecided.

A value near a step is computed as a fraction if it is rational, else with as many digits as decide it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from hwq.errors import UnsupportedError
from hwq.functions.arithmetic import Irrational, Precise
from hwq.functions.curve import Curve, Doubles
from hwq.numeric.rational import Rationals

FIRST_BITS, MOST_BITS = 96, 1 << 13


class Step(ABC):
    """The monotone map from real values to codes that ends a curve."""

    @abstractmethod
    def floats(self, values: Doubles) -> npt.NDArray[np.int64]:
        """Codes of values (C, n)."""

    @abstractmethod
    def exact(self, value: Fraction, channel: int) -> int:
        """The code of one value."""


def codes_of(curve: Curve, step: Step, codes: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """The exact output code of every input code in `codes` (C, n)."""
    with np.errstate(all="ignore"):  # what is no number is not known
        values, errors = curve.floats(codes.astype(np.float64))
    values, errors = np.broadcast_to(values, codes.shape), np.broadcast_to(errors, codes.shape)
    known = np.isfinite(errors)
    with np.errstate(invalid="ignore"):
        least = step.floats(np.where(known, values - errors, 0.0))
        most = step.floats(np.where(known, values + errors, 0.0))
    result = np.array(least, dtype=np.int64)
    digits: dict[int, Precise] = {}
    trends = curve.trends(codes.shape[0])
    for channel, row in enumerate(~known | (least != most)):
        places = np.nonzero(row)[0]
        if places.size:
            ordered = trends[channel] != 0 and bool(np.all(codes[channel, 1:] >= codes[channel, :-1]))
            decide = partial(decided, curve, step, digits, channel)
            _settle(result[channel], codes[channel], places, ordered, decide)
    return result


def _settle(
    result: npt.NDArray[np.int64],
    codes: npt.NDArray[Any],
    places: npt.NDArray[np.intp],
    ordered: bool,
    decide: Callable[[int], int],
) -> None:
    """Decide the codes at `places`; between two of a monotone curve that agree, all do."""
    spans = [(0, len(places) - 1)]
    while spans:
        first, last = spans.pop()
        ends = [decide(int(codes[places[k]])) for k in sorted({first, last})]
        result[places[first]], result[places[last]] = ends[0], ends[-1]
        if last - first < 2:
            continue
        if ordered and ends[0] == ends[-1]:
            result[places[first : last + 1]] = ends[0]
        else:
            middle = (first + last) // 2
            spans += [(a, b) for a, b in ((first + 1, middle), (middle + 1, last - 1)) if a <= b]


def decided(curve: Curve, step: Step, digits: dict[int, Precise], channel: int, code: int) -> int:
    """The exact output code of one input code: by fractions, else by digits until both ends of the ball agree.

    `digits` keeps the arithmetics made, by their bits.
    """
    try:
        return step.exact(curve.number(code, channel, None), channel)
    except Irrational:
        pass
    bits = FIRST_BITS
    while bits <= MOST_BITS:
        m = digits[bits] if bits in digits else digits.setdefault(bits, Precise(bits))
        value = curve.number(code, channel, m)
        if isinstance(value, Fraction):
            return step.exact(value, channel)
        if m.context.isfinite(value.middle) and m.context.isfinite(value.radius):
            first, last = (step.exact(v, channel) for v in value.ends(m))
            if first == last:
                return first
        bits *= 2
    raise UnsupportedError(
        f"the value at code {code} lies within 2^-{MOST_BITS} of a step and is not seen to be rational",
        remedy="write the chain of functions as one, or put a quantizer inside it",
    )


def rational_values(curve: Curve, codes: range, channels: int) -> Rationals | None:
    """All values (channels, codes) as fractions, or None where one is not seen to be rational."""
    out = np.empty((channels, len(codes)), dtype=object)
    try:
        for channel in range(channels):
            for place, code in enumerate(codes):
                out[channel, place] = curve.number(code, channel, None)
    except Irrational:
        return None
    return out
