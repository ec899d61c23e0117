"""Curves: scalar functions of an integer code, built of affine maps, clamps, functions and joins; evaluated exactly.

A value is first estimated in float64 with a bound on its error. Where the bound leaves a step undecided, the value is
computed as a fraction if it is rational, else with as many digits as decide it: a table entry is never a guess.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from hwq.errors import UnsupportedError
from hwq.functions.arithmetic import FLOAT64, Irrational, Precise, Undefined
from hwq.functions.balls import Ball, Number, ball, extremum, plus, times
from hwq.functions.function import Function
from hwq.functions.table import FUNCTIONS
from hwq.numeric.rational import Rationals, to_float

Doubles = npt.NDArray[np.float64]
Map = Callable[[Rationals], Rationals]

RELATIVE = 2.0**-46  # bound on a float64 formula's relative error: a hundred units in the last place
ABSOLUTE = 1e-290  # what underflow may hide


@dataclass(frozen=True, eq=False)
class Curve(ABC):
    """A real function of a code, per channel; parameters broadcast like those of the edge, or are one row each."""

    @abstractmethod
    def mapped(self, follow: Map) -> Curve:
        """The same curve with every parameter array replaced."""

    @abstractmethod
    def floats(self, codes: Doubles) -> tuple[Doubles, Doubles]:
        """Estimates for codes (C, n), parameters being columns, and bounds on their errors."""

    @abstractmethod
    def number(self, code: int, channel: int, m: Precise | None) -> Number:
        """The value at one code: a fraction, or a ball of `m` (None: raises `Irrational` instead)."""

    @abstractmethod
    def trends(self, channels: int) -> list[int]:
        """Per channel, +1 (never falls), -1 (never rises) or 0 (not known)."""

    def parameters(self) -> list[Rationals]:
        """Every parameter array, in the order `mapped` visits them."""
        found: list[Rationals] = []

        def keep(values: Rationals) -> Rationals:
            found.append(values)
            return values

        self.mapped(keep)
        return found


@dataclass(frozen=True, eq=False)
class Code(Curve):
    """The code itself."""

    def mapped(self, follow: Map) -> Curve:
        return self

    def floats(self, codes: Doubles) -> tuple[Doubles, Doubles]:
        return codes, np.where(np.abs(codes) < 2.0**53, 0.0, np.abs(codes) * RELATIVE)

    def number(self, code: int, channel: int, m: Precise | None) -> Number:
        return Fraction(code)

    def trends(self, channels: int) -> list[int]:
        return [1] * channels


@dataclass(frozen=True, eq=False)
class Scaled(Curve):
    """clip(a * of + b, lo, hi); None where there is no bound."""

    of: Curve
    a: Rationals
    b: Rationals
    lo: Rationals | None = None
    hi: Rationals | None = None

    def mapped(self, follow: Map) -> Curve:
        of, a, b = self.of.mapped(follow), follow(self.a), follow(self.b)
        lo, hi = (None if v is None else follow(v) for v in (self.lo, self.hi))
        return Scaled(of, a, b, lo, hi)

    def floats(self, codes: Doubles) -> tuple[Doubles, Doubles]:
        x, error = self.of.floats(codes)
        a, b = _column(self.a), _column(self.b)
        product = a * x
        value = product + b
        error = np.abs(a) * error + RELATIVE * (np.abs(product) + np.abs(b)) + ABSOLUTE
        if self.lo is not None:
            value = np.maximum(value, _column(self.lo))
        if self.hi is not None:
            value = np.minimum(value, _column(self.hi))
        return value, error + RELATIVE * np.abs(value)

    def number(self, code: int, channel: int, m: Precise | None) -> Number:
        x = self.of.number(code, channel, m)
        value = plus(times(x, _at(self.a, channel), m), _at(self.b, channel), m)
        for bound, largest in ((self.lo, True), (self.hi, False)):
            if bound is not None:
                value = extremum(value, _at(bound, channel), largest, m)
        return value

    def trends(self, channels: int) -> list[int]:
        signs = [(_at(self.a, c) > 0) - (_at(self.a, c) < 0) for c in range(channels)]
        return [t * s if s else 1 for t, s in zip(self.of.trends(channels), signs, strict=True)]


@dataclass(frozen=True, eq=False)
class Applied(Curve):
    """A function of the table, of another curve."""

    of: Curve
    function: str
    arguments: tuple[Rationals, ...] = ()

    def mapped(self, follow: Map) -> Curve:
        return replace(self, of=self.of.mapped(follow), arguments=tuple(follow(v) for v in self.arguments))

    def floats(self, codes: Doubles) -> tuple[Doubles, Doubles]:
        x, error = self.of.floats(codes)
        columns = [_column(v) for v in self.arguments]
        formula = FUNCTIONS[self.function].formula
        with np.errstate(all="ignore"):
            value, below, above = (
                np.asarray(formula(FLOAT64, v, *columns), dtype=np.float64) for v in (x, x - error, x + error)
            )
            # Between x - error and x + error a smooth function strays less than twice what its ends do; a jump shows
            # as a difference of its own size.
            error = _spread(value, below, above, error) + RELATIVE * np.abs(value) + ABSOLUTE
            return value, np.where(np.isfinite(value) & np.isfinite(error), error, np.inf)

    def number(self, code: int, channel: int, m: Precise | None) -> Number:
        x = self.of.number(code, channel, m)
        arguments = [_at(v, channel) for v in self.arguments]
        function = FUNCTIONS[self.function]
        if isinstance(x, Fraction):
            try:
                return function.exact(x, *arguments)
            except Irrational:
                if m is None:
                    raise
            except (Undefined, ZeroDivisionError):
                raise UnsupportedError(
                    f"{self.function} is not defined at {float(x):g}, which code {code} means",
                    remedy="put a Clip before it that keeps to where it is defined",
                ) from None
        assert m is not None
        if isinstance(x, Ball) and (function.flat or function.gated):
            low, high = (function.exact(v, *arguments) for v in x.ends(m))
            if low == high and (function.flat or low == 0):
                return low
        return self._ball(function, x, arguments, m)

    def _ball(self, function: Function, exact: Number, arguments: list[Fraction], m: Precise) -> Number:
        x, constants = ball(exact, m), [m.const(v) for v in arguments]
        try:
            value, below, above = (
                function.formula(m, v, *constants) for v in (x.middle, x.middle - x.radius, x.middle + x.radius)
            )
        except (ZeroDivisionError, OverflowError):
            return Ball(m.context.mpf(0), m.context.inf)
        if value == below == above == 0 != x.radius:
            return Fraction(0)  # the zero piece of a piecewise function: no other is 0 at three points
        stray = 2 * max(abs(below - value), abs(above - value))
        if not function.trend(*arguments):  # about a turn the ends may agree; the curvature is far below 2**20
            stray += m.context.ldexp(min(x.radius, abs(value)) * x.radius, 20)
        bounds = function.bounds(exact if isinstance(exact, Fraction) else None, *arguments)
        return Ball(value, stray + m.context.ldexp(abs(value), -m.bits), *bounds)

    def trends(self, channels: int) -> list[int]:
        inner = self.of.trends(channels)
        trend = FUNCTIONS[self.function].trend
        return [t * trend(*(_at(v, c) for v in self.arguments)) for c, t in enumerate(inner)]


@dataclass(frozen=True, eq=False)
class Joined(Curve):
    """left + right, left * right, max or min of two curves of the same code."""

    how: str
    left: Curve
    right: Curve

    def mapped(self, follow: Map) -> Curve:
        return Joined(self.how, self.left.mapped(follow), self.right.mapped(follow))

    def floats(self, codes: Doubles) -> tuple[Doubles, Doubles]:
        (x, dx), (y, dy) = self.left.floats(codes), self.right.floats(codes)
        with np.errstate(all="ignore"):
            if self.how == "add":
                value, error = x + y, dx + dy + RELATIVE * (np.abs(x) + np.abs(y))
            elif self.how == "mul":
                value, error = x * y, np.abs(x) * dy + np.abs(y) * dx + dx * dy
            else:
                value, error = (np.maximum if self.how == "max" else np.minimum)(x, y), np.maximum(dx, dy)
            error = error + RELATIVE * np.abs(value) + ABSOLUTE
            return value, np.where(np.isfinite(value) & np.isfinite(error), error, np.inf)

    def number(self, code: int, channel: int, m: Precise | None) -> Number:
        left = self.left.number(code, channel, m)
        if self.how == "mul" and left == 0:
            return Fraction(0)
        right = self.right.number(code, channel, m)
        if self.how == "add":
            return plus(left, right, m)
        if self.how == "mul":
            return times(left, right, m)
        return extremum(left, right, self.how == "max", m)

    def trends(self, channels: int) -> list[int]:
        if self.how == "mul":
            return [0] * channels
        both = zip(self.left.trends(channels), self.right.trends(channels), strict=True)
        return [a if a == b else 0 for a, b in both]


def function_names(curve: Curve) -> Iterator[str]:
    """The functions of a curve, innermost first."""
    if isinstance(curve, Applied):
        yield from function_names(curve.of)
        yield curve.function
    elif isinstance(curve, Scaled):
        yield from function_names(curve.of)
    elif isinstance(curve, Joined):
        yield from function_names(curve.left)
        yield from function_names(curve.right)


def _column(values: Rationals) -> Doubles:
    return to_float(values).reshape(-1, 1)


def _at(values: Rationals, channel: int) -> Fraction:
    flat = values.reshape(-1)
    return Fraction(flat[channel if flat.size > 1 else 0])


def _spread(value: Doubles, below: Doubles, above: Doubles, error: Doubles) -> Doubles:
    stray = 2 * np.maximum(np.abs(below - value), np.abs(above - value)) + error * 2.0**-8
    return np.where(error == 0, 0.0, stray)
