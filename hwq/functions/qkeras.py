"""Functions that only QKeras' quantizers need: powers of two, three levels, a strict step, the u-law."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from hwq.functions.arithmetic import Numbers
from hwq.functions.function import Function, rising

EPSILON = Fraction(float(np.float32(1e-7)))
"""Keras' epsilon: magnitudes below it have the least exponent."""


def _exponent(m: Numbers, x: Any, low: Any, high: Any, cap: Any, quadratic: Any, floor: Any) -> Any:
    """The exponent of the power of two that stands for a magnitude x >= 0.

    Between 2**e and 2**(e+1) the step is their geometric mean: where x * x passes 2 * 4**e. Quadratic: even exponents,
    2 * round_half_even(log2(x) / 2), where the odd powers of two are ties.
    """

    def away() -> Any:
        z = m.select((cap > 0) & (x > cap), lambda: x * 0 + cap, lambda: x)
        e = m.exponent(z)
        if quadratic:
            half = m.floor(e / 2)
            odd, even_half = e - 2 * half, half - 2 * m.floor(half / 2) == 0
            up = m.select(
                (z > m.two_to(e)) | ~even_half if _array(x) else z > m.two_to(e) or not even_half, _one, _zero
            )
            half = half if floor else half + odd * up
            return 2 * _clip(m, half, low, high)
        if not floor:
            e = e + m.select(z * z > 2 * m.two_to(e) * m.two_to(e), _one, _zero)
        return _clip(m, e, low, high)

    return m.select(x < m.const(EPSILON), lambda: x * 0 + low, away)


def _chance(m: Numbers, x: Any, low: Any, high: Any, cap: Any, quadratic: Any) -> Any:
    """How often the next power above is drawn, so that the mean is x (quadratic: of the roots, that of x).

    z / 2**e - 1 with e = floor(log2(z)); 0 where clipping leaves one exponent.
    """

    def away() -> Any:
        z = m.select((cap > 0) & (x > cap), lambda: x * 0 + cap, lambda: x)
        e = m.exponent(z)
        if not _flag(quadratic):
            return m.select((e < low) | (e >= high), lambda: x * 0, lambda: z / m.two_to(e) - 1)
        half = m.floor(e / 2)
        clipped = (half < low) | (half >= high)
        return m.select(clipped, lambda: x * 0, lambda: m.sqrt(z / m.two_to(2 * half)) - 1)

    return m.select(x < m.const(EPSILON), lambda: x * 0, away)


def _one() -> int:
    return 1


def _zero() -> int:
    return 0


def _array(x: Any) -> bool:
    return isinstance(x, np.ndarray)


def _clip(m: Numbers, x: Any, low: Any, high: Any) -> Any:
    return m.select(x < low, lambda: x * 0 + low, lambda: m.select(x > high, lambda: x * 0 + high, lambda: x))


def _index(
    m: Numbers, x: Any, least: Any, low: Any, high: Any, cap: Any, slope: Any, quadratic: Any, floor: Any
) -> Any:
    """Powers of two in the order of their values: e - least for +2**e, least - 1 - e for -2**e."""

    def place(magnitude: Any) -> Any:
        return _exponent(m, magnitude, low, high, cap, _flag(quadratic), _flag(floor)) - least

    def below() -> Any:
        return x * 0 + place(-x * 0) if _flag(slope == 0) else -1 - place(-x * slope)

    return m.select(x >= 0, lambda: place(m.select(x >= 0, lambda: x, lambda: x * 0)), below)


def _flag(value: Any) -> bool:
    """A parameter that is the same for all channels, as a condition."""
    return bool(np.all(value)) if _array(value) else bool(value)


def _value(m: Numbers, x: Any, least: Any) -> Any:
    """The power of two at a place of that order."""
    return m.select(x < 0, lambda: -m.two_to(least - 1 - x), lambda: m.two_to(least + x))


def _ternary(m: Numbers, x: Any, threshold: Any) -> Any:
    """sign(x) where |x| >= threshold, else 0."""
    far = m.select(x < 0, lambda: -x, lambda: x) >= threshold
    sign = m.select(x > 0, lambda: x * 0 + 1, lambda: m.select(x < 0, lambda: x * 0 - 1, lambda: x * 0))
    return m.select(far, lambda: sign, lambda: x * 0)


def _ulaw(m: Numbers, x: Any, u: Any) -> Any:
    """sign(x) ln(1 + u |x|) / ln(1 + u), rational at 0 and at +-1."""

    def away() -> Any:
        return m.select(x < 0, lambda: -m.log1p(-u * x), lambda: m.log1p(u * x)) / m.log1p(u)

    return m.select((x == 0) | (x == 1) | (x == -1), lambda: x, away)


def _size(m: Numbers, x: Any) -> Any:
    return m.select(x < 0, lambda: -x, lambda: x)


def _log2_floor(m: Numbers, x: Any) -> Any:
    """floor(log2 |x|)."""
    return m.exponent(_size(m, x))


def _log2_rest(m: Numbers, x: Any) -> Any:
    """|x| / 2**floor(log2 |x|) - 1."""
    return _size(m, x) / m.two_to(_log2_floor(m, x)) - 1


def _index_trend(
    least: Fraction, low: Fraction, high: Fraction, cap: Fraction, slope: Fraction, quadratic: Fraction, floor: Fraction
) -> int:
    """Zero's exponent is the least one, except of the quadratic form."""
    return 0 if quadratic else 1


QKERAS: tuple[Function, ...] = (
    Function("ULaw", _ulaw, ("u",), rising),
    Function("Ternary", _ternary, ("threshold",), rising, flat=True),
    Function(
        "Above", lambda m, x, t: m.select(x > t, lambda: x * 0 + 1, lambda: x * 0), ("threshold",), rising, flat=True
    ),
    Function("Po2Index", _index, ("least", "low", "high", "cap", "slope", "quadratic", "floor"), _index_trend),
    Function("Po2Chance", _chance, ("low", "high", "cap", "quadratic")),
    Function("Po2Value", _value, ("least",), rising),
    Function("Exponent", _log2_floor),
    Function("Mantissa", _log2_rest),
)
