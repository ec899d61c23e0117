"""Numbers of an exact evaluation: fractions as long as they are rational, else balls of some precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from operator import add, mul
from typing import Any

from hwq.functions.arithmetic import Precise

Number = Any
"""A `Fraction`, or a `Ball` of some precision."""
HAIR = Fraction(1, 1 << 2048)  # nearer to a bound of few digits than any step of few digits that is not the bound


@dataclass(frozen=True)
class Ball:
    """A real number within `radius` of `middle`, both of one `Precise` arithmetic.

    `above` and `below`, where known, are fractions it is strictly above and below: a sigmoid stays below 1, however
    many digits say 1.
    """

    middle: Any
    radius: Any
    above: Fraction | None = None
    below: Fraction | None = None

    def ends(self, m: Precise) -> tuple[Fraction, Fraction]:
        """Fractions between which no step lies that the number does not pass."""
        low, high = m.fraction(self.middle - self.radius), m.fraction(self.middle + self.radius)
        if self.above is not None and low <= self.above:
            low = self.above + HAIR
        if self.below is not None and high >= self.below:
            high = self.below - HAIR
        return min(low, high), max(low, high)


def ball(x: Number, m: Precise) -> Ball:
    """The number as a ball of `m`."""
    if isinstance(x, Ball):
        return x
    middle = m.const(x)
    return Ball(middle, m.context.ldexp(abs(middle), -m.bits))


def times(x: Number, y: Number, m: Precise | None) -> Number:
    """x y; a fraction 0 makes it 0 whatever the other is."""
    if isinstance(x, Fraction) and isinstance(y, Fraction):
        return x * y
    if (isinstance(x, Fraction) and x == 0) or (isinstance(y, Fraction) and y == 0):
        return Fraction(0)
    assert m is not None
    p, q = ball(x, m), ball(y, m)
    middle = p.middle * q.middle
    radius = abs(p.middle) * q.radius + abs(q.middle) * p.radius + p.radius * q.radius
    bounds: tuple[Fraction | None, Fraction | None] = (None, None)
    for factor, other in ((x, q), (y, p)):
        if isinstance(factor, Fraction):
            ends = (other.above, other.below) if factor > 0 else (other.below, other.above)
            bounds = _mapped(ends, partial(mul, factor))
    return Ball(middle, radius + m.context.ldexp(abs(middle), -m.bits), *bounds)


def _mapped(
    bounds: tuple[Fraction | None, Fraction | None], change: Callable[[Fraction], Fraction]
) -> tuple[Fraction | None, Fraction | None]:
    above, below = (None if v is None else change(v) for v in bounds)
    return above, below


def plus(x: Number, y: Number, m: Precise | None) -> Number:
    """x + y."""
    if isinstance(x, Fraction) and isinstance(y, Fraction):
        return x + y
    assert m is not None
    p, q = ball(x, m), ball(y, m)
    middle = p.middle + q.middle
    bounds: tuple[Fraction | None, Fraction | None] = (None, None)
    for term, other in ((x, q), (y, p)):
        if isinstance(term, Fraction):
            bounds = _mapped((other.above, other.below), partial(add, term))
    return Ball(middle, p.radius + q.radius + m.context.ldexp(abs(middle), -m.bits), *bounds)


def extremum(x: Number, y: Number, largest: bool, m: Precise | None) -> Number:
    """max(x, y) or min(x, y)."""
    pick = max if largest else min
    if isinstance(x, Fraction) and isinstance(y, Fraction):
        return pick(x, y)
    assert m is not None
    p, q = ball(x, m), ball(y, m)
    if abs(p.middle - q.middle) > p.radius + q.radius:  # a fraction that wins stays a fraction
        return x if (p.middle > q.middle) == largest else y
    return Ball(pick(p.middle, q.middle), max(p.radius, q.radius))
