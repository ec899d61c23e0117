"""Curves: scalar functions of an integer code, built of affine maps, clamps, functions and joins; evaluated exactly.

A value is first estimated in float64 with a bound on its error. Where the bound leaves a step undecided, the value is
computed as a fraction if it is rational, else with as many digits as decide it: a table entry is never a guess.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from hwq.errors import UnsupportedError
from hwq.exact import Rationals, to_float
from hwq.functions.arithmetic import FLOAT64, Irrational, Precise, Undefined
from hwq.functions.table import FUNCTIONS

Doubles = npt.NDArray[np.float64]
Map = Callable[[Rationals], Rationals]
Number = Any
"""A `Fraction`, or a `Ball` of some precision."""

SIDES = ("above", "below")
RELATIVE = 2.0**-46  # bound on a float64 formula's relative error: a hundred units in the last place
ABSOLUTE = 1e-290  # what underflow may hide
FIRST_BITS, MOST_BITS = 96, 1 << 13
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
        a, b = _at(self.a, channel), _at(self.b, channel)
        value = _plus(_times(x, a, m), b, m)
        if isinstance(x, Ball) and isinstance(value, Ball):
            ends = (x.above, x.below) if a > 0 else (x.below, x.above)
            value = replace(value, **{k: None if v is None else v * a + b for k, v in zip(SIDES, ends, strict=True)})
        for bound, largest in ((self.lo, True), (self.hi, False)):
            if bound is not None:
                value = _extremum(value, _at(bound, channel), largest, m)
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
        code_x = x if isinstance(x, Fraction) else None
        x = _ball(x, m)
        constants = [m.const(v) for v in arguments]
        try:
            value, below, above = (
                function.formula(m, v, *constants) for v in (x.middle, x.middle - x.radius, x.middle + x.radius)
            )
        except (ZeroDivisionError, OverflowError):
            return Ball(m.context.mpf(0), m.context.inf)
        stray = 2 * max(abs(below - value), abs(above - value)) + m.context.ldexp(x.radius, -8)
        bounds = function.bounds(code_x, *arguments) if code_x is not None else (None, None)
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
            return _plus(left, right, m)
        if self.how == "mul":
            return _times(left, right, m)
        return _extremum(left, right, self.how == "max", m)

    def trends(self, channels: int) -> list[int]:
        if self.how == "mul":
            return [0] * channels
        both = zip(self.left.trends(channels), self.right.trends(channels), strict=True)
        return [a if a == b else 0 for a, b in both]


def _column(values: Rationals) -> Doubles:
    return to_float(values).reshape(-1, 1)


def _at(values: Rationals, channel: int) -> Fraction:
    flat = values.reshape(-1)
    return Fraction(flat[channel if flat.size > 1 else 0])


def _spread(value: Doubles, below: Doubles, above: Doubles, error: Doubles) -> Doubles:
    stray = 2 * np.maximum(np.abs(below - value), np.abs(above - value)) + error * 2.0**-8
    return np.where(error == 0, 0.0, stray)


def _ball(x: Number, m: Precise) -> Ball:
    if isinstance(x, Ball):
        return x
    middle = m.const(x)
    return Ball(middle, m.context.ldexp(abs(middle), -m.bits))


def _times(x: Number, y: Number, m: Precise | None) -> Number:
    if isinstance(x, Fraction) and isinstance(y, Fraction):
        return x * y
    if (isinstance(x, Fraction) and x == 0) or (isinstance(y, Fraction) and y == 0):
        return Fraction(0)
    assert m is not None
    p, q = _ball(x, m), _ball(y, m)
    middle = p.middle * q.middle
    radius = abs(p.middle) * q.radius + abs(q.middle) * p.radius + p.radius * q.radius
    return Ball(middle, radius + m.context.ldexp(abs(middle), -m.bits))


def _plus(x: Number, y: Number, m: Precise | None) -> Number:
    if isinstance(x, Fraction) and isinstance(y, Fraction):
        return x + y
    assert m is not None
    p, q = _ball(x, m), _ball(y, m)
    middle = p.middle + q.middle
    return Ball(middle, p.radius + q.radius + m.context.ldexp(abs(middle), -m.bits))


def _extremum(x: Number, y: Number, largest: bool, m: Precise | None) -> Number:
    pick = max if largest else min
    if isinstance(x, Fraction) and isinstance(y, Fraction):
        return pick(x, y)
    assert m is not None
    p, q = _ball(x, m), _ball(y, m)
    if abs(p.middle - q.middle) > p.radius + q.radius:  # a fraction that wins stays a fraction
        return x if (p.middle > q.middle) == largest else y
    return Ball(pick(p.middle, q.middle), max(p.radius, q.radius))


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


__all__ = [
    "Applied",
    "Code",
    "Curve",
    "Joined",
    "Scaled",
    "Step",
    "codes_of",
    "decided",
    "rational_values",
]
