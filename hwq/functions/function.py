"""What a scalar function is: a formula for all arithmetics, its parameters, its trend and its strict bounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from hwq.functions.arithmetic import EXACT

Formula = Callable[..., Any]
"""(numbers, x, *parameters) -> value."""
Bounds = Callable[..., tuple[Fraction | None, Fraction | None]]
"""(x, *parameters) -> what the value is strictly above and strictly below, wherever it is irrational.

x is None where it is irrational itself.
"""
Trend = Callable[..., int]
"""(*parameters) -> +1 where the function never falls, -1 where it never rises, 0 where it does both."""


@dataclass(frozen=True)
class Function:
    """One real function of one variable."""

    name: str
    formula: Formula
    parameters: tuple[str, ...] = ()
    trend: Trend = lambda *_: 0
    bounds: Bounds = lambda *_: (None, None)
    gated: bool = False  # rational everywhere, and 0 throughout an interval at whose ends it is 0
    flat: bool = False  # constant between jumps, and monotone: equal at two points is equal between them

    def exact(self, x: Fraction, *parameters: Fraction) -> Fraction:
        """The value where it is rational; raises `Irrational` or `Undefined`."""
        return Fraction(self.formula(EXACT, x, *parameters))


def rising(*_: Fraction) -> int:
    """The trend of a function that never falls."""
    return 1


def falling(*_: Fraction) -> int:
    """The trend of a function that never rises."""
    return -1
