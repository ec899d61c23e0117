"""The sigmoids inside quantizers, and their rounding to codes: exact for the piecewise linear ones.

`hard` is clip(x/2 + 1/2, 0, 1), `smooth` is clip(3x/16 + 1/2, 0, 1), `real` is 1/(1 + exp(-x)). The package chooses by
a process-global switch; here it is an argument.
"""

from __future__ import annotations

import decimal
from collections.abc import Callable
from fractions import Fraction
from types import MappingProxyType

import numpy as np

from hwq.quantizers.base import Doubles, Floats
from hwq.quantizers.params import choice

MODES = ("hard", "smooth", "real")
mode = choice(*MODES)

SLOPES = MappingProxyType({"hard": Fraction(1, 2), "smooth": Fraction(3, 16)})

_DIGITS = 60
_DOUBT = 2.0**-46
"""Relative distance to a tie within which float64 is not trusted; numpy's exp and tanh err by a few 2**-53."""

Exact = Callable[[decimal.Decimal], decimal.Decimal]


class Switched:
    """A quantizer with the package's choice between the real sigmoid and the internal one."""

    use_real_sigmoid: bool
    internal_sigmoid: str

    @property
    def curve(self) -> str:
        """The sigmoid in use: hard, smooth or real."""
        return "real" if self.use_real_sigmoid else self.internal_sigmoid


def round_affine(x: Floats | Doubles, mul: Fraction, add: Fraction) -> Doubles:
    """round_half_even(mul * x + add), exactly, for a dyadic `mul` of few bits: a lost addend only decides ties."""
    product = x.astype(np.float64) * float(mul)
    offset = float(add)
    with np.errstate(invalid="ignore", over="ignore"):
        total = product + offset
        part = total - product
        lost = (product - (total - part)) + (offset - part)
        rounded = np.rint(total)
        low = np.floor(total)
        tie = (total - low == 0.5) & (lost != 0)
    return np.asarray(np.where(tie, low + (lost > 0), rounded))


def settle(approximate: Doubles, x: Doubles, exact: Exact) -> Doubles:
    """round_half_even of a real function of `x` that float64 approximates; `exact` decides what is close to a tie."""
    with np.errstate(invalid="ignore"):
        distance = np.abs(approximate - np.floor(approximate) - 0.5)
        doubtful = distance <= np.abs(approximate) * _DOUBT
    rounded = np.rint(approximate)
    if doubtful.any():
        with decimal.localcontext(decimal.Context(prec=_DIGITS)):
            settled = [
                float(exact(decimal.Decimal(float(v))).to_integral_value(decimal.ROUND_HALF_EVEN)) for v in x[doubtful]
            ]
        rounded = np.array(rounded, ndmin=rounded.ndim)
        rounded[doubtful] = settled
    return np.asarray(rounded)


def logistic(x: Doubles) -> Doubles:
    """1 / (1 + exp(-x)) in float64, without overflow."""
    with np.errstate(over="ignore", under="ignore"):
        small = np.exp(-np.abs(x))
        return np.asarray(np.where(x >= 0, 1 / (1 + small), small / (1 + small)))


def exact_logistic(x: decimal.Decimal) -> decimal.Decimal:
    """1 / (1 + exp(-x)) to 60 digits."""
    return 1 / (1 + (-x).exp())


def internal(x: Doubles, which: str) -> Doubles:
    """The internal sigmoid's real value, float64."""
    if which == "real":
        return logistic(x)
    return np.asarray(np.clip(float(SLOPES[which]) * x + 0.5, 0.0, 1.0))


def sigmoid_codes(x: Floats, which: str, levels: Fraction, shift: int = 0) -> Doubles:
    """round_half_even(levels * sigmoid(x * 2**-shift)), exactly (before any clip to the code range)."""
    if which != "real":
        mul = SLOPES[which] * levels
        rounded = round_affine(np.ldexp(x.astype(np.float64), -shift), mul, levels / 2)
        # the clip of the sigmoid to 0..1 comes before rounding
        return np.asarray(np.clip(rounded, 0, round(levels)))
    factor = float(levels)
    scaled = np.ldexp(x.astype(np.float64), -shift)
    top = decimal.Decimal(levels.numerator) / decimal.Decimal(levels.denominator)
    return settle(factor * logistic(scaled), scaled, lambda v: top * exact_logistic(v))
