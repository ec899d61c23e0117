"""Where a curve turns: Gelu, Swish and their kin fall, turn once and rise, so that each side of the turn is monotone.

A turn is known for a function of the table, for a product of a code with a gate that is one of them written out
(x * Sigmoid(x)), and for what affine maps and clamps make of these. It is a fraction near enough to the true one that
no code lies between the two; were one to, it would be within 2^-60 of the turn, where both neighbours are above it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor
from typing import Any

import numpy as np

from hwq.functions.arithmetic import Precise
from hwq.functions.balls import Number
from hwq.functions.curve import Applied, Code, Curve, Doubles, Joined, Map, Scaled
from hwq.functions.evaluate import Step, codes_of
from hwq.numeric.fixed import Codes
from hwq.numeric.rational import Rationals

SIGMOID = Fraction("-1.27846454276107379510935873902298015543947748861974576545318")  # least of v / (1 + exp(-v))
ERF = Fraction("-0.531596885149393222726191312346044772010524797842339465829984")  # of v (1 + erf(v))
GELU = Fraction("-0.75179152469356445745790494677952403966447115342345384838654")
GELU_TANH = Fraction("-0.752461422071016258487954443288916090605392178037629270641773")
MISH = Fraction("-1.19243121451549521213758834042073940560068640932252931455166")


@dataclass(frozen=True)
class Turn:
    """A curve falls before `code` and rises after it; not `valley`: the other way round."""

    code: Fraction
    valley: bool


@dataclass(frozen=True, eq=False)
class Side(Curve):
    """One side of a curve; beyond the turning codes `at` (C,), the value there. `left`: the side of lesser codes."""

    of: Curve
    at: Codes
    left: bool
    trend: int

    def mapped(self, follow: Map) -> Curve:
        return replace(self, of=self.of.mapped(follow))

    def floats(self, codes: Doubles) -> tuple[Doubles, Doubles]:
        at = self.at.astype(np.float64)[:, None]
        return self.of.floats(np.minimum(codes, at) if self.left else np.maximum(codes, at))

    def number(self, code: int, channel: int, m: Precise | None) -> Number:
        at = int(self.at[channel])
        return self.of.number(min(code, at) if self.left else max(code, at), channel, m)

    def trends(self, channels: int) -> list[int]:
        return [self.trend] * channels


def sides_of(curve: Curve, step: Step, lo: int, hi: int, channels: int) -> tuple[Side, Side, bool] | None:
    """Both sides of a curve of codes lo..hi, parameters a row per channel, and whether it is the greater of the two."""
    turns = [turn_of(curve, c) for c in range(channels)]
    known = [t for t in turns if t is not None]
    if len(known) < channels or len({t.valley for t in known}) > 1:
        return None
    valley = known[0].valley
    floors = [min(max(t.code.numerator // t.code.denominator, lo), hi - 1) for t in known]
    pair = np.asarray([[f, f + 1] for f in floors], dtype=object)
    ends = codes_of(curve, step, pair)
    second = ends[:, 1] < ends[:, 0] if valley else ends[:, 1] > ends[:, 0]
    at: Codes = np.where(second, pair[:, 1], pair[:, 0])
    return Side(curve, at, True, -1 if valley else 1), Side(curve, at, False, 1 if valley else -1), valley


def turn_of(curve: Curve, channel: int) -> Turn | None:
    """The one turn of a channel's curve; None where none is known."""
    if isinstance(curve, Scaled):
        turn, a = turn_of(curve.of, channel), _at(curve.a, channel)
        return None if turn is None or a == 0 else Turn(turn.code, turn.valley == (a > 0))
    if isinstance(curve, Applied):
        line = _line(curve.of, channel)
        place = _place(curve.function, [_at(v, channel) for v in curve.arguments])
        return None if line is None or place is None else Turn((place - line[1]) / line[0], True)
    if isinstance(curve, Joined) and curve.how == "mul":
        for one, other in ((curve.left, curve.right), (curve.right, curve.left)):
            line = _line(one, channel)
            if line is not None:
                return _gated(line, other, channel)
    return None


def window_of(curve: Curve, lo: int, hi: int, channel: int) -> tuple[int, int]:
    """The part of codes lo..hi outside which a curve no longer changes: clamps of the codes bound it."""
    if isinstance(curve, Joined):
        one, other = (window_of(c, lo, hi, channel) for c in (curve.left, curve.right))
        return min(one[0], other[0]), max(one[1], other[1])
    if isinstance(curve, Applied):
        return window_of(curve.of, lo, hi, channel)
    if not isinstance(curve, Scaled):
        return lo, hi
    first, last = window_of(curve.of, lo, hi, channel)
    line = _line(curve.of, channel)
    if line is None:
        return first, last
    a, b = _at(curve.a, channel) * line[0], _at(curve.a, channel) * line[1] + _at(curve.b, channel)
    if a == 0:
        return first, first
    bounds = [None if v is None else (_at(v, channel) - b) / a for v in (curve.lo, curve.hi)]
    least, most = bounds if a > 0 else bounds[::-1]
    first = first if least is None else min(max(first, floor(least)), last)
    return first, last if most is None else max(min(last, ceil(most)), first)


def _at(values: Rationals, channel: int) -> Fraction:
    flat = values.reshape(-1)
    return Fraction(flat[channel if flat.size > 1 else 0])


def _unscaled(curve: Curve, channel: int) -> tuple[Curve, Fraction, Fraction]:
    """The curve inside affine maps without clamps, and the map."""
    a, b = Fraction(1), Fraction(0)
    while isinstance(curve, Scaled) and curve.lo is None and curve.hi is None:
        own, offset = _at(curve.a, channel), _at(curve.b, channel)
        a, b, curve = a * own, a * offset + b, curve.of
    return curve, a, b


def _line(curve: Curve, channel: int) -> tuple[Fraction, Fraction] | None:
    inner, a, b = _unscaled(curve, channel)
    return (a, b) if isinstance(inner, Code) and a != 0 else None


def _place(function: str, arguments: list[Fraction]) -> Fraction | None:
    """Where a function of the table turns from falling to rising."""
    places: dict[str, Callable[..., Fraction | None]] = {
        "Gelu": lambda: GELU,
        "GeluTanh": lambda: GELU_TANH,
        "Mish": lambda: MISH,
        "Swish": lambda alpha: SIGMOID / alpha if alpha > 0 else None,
        "HardSwish": lambda slope, offset: (
            _parabola(-offset / slope, (1 - offset) / slope, Fraction(0)) if slope > 0 else None
        ),
        "Abs": lambda: Fraction(0),
        "Cosh": lambda: Fraction(0),
        "PRelu": lambda slope: Fraction(0) if slope <= 0 else None,
        "LeakyRelu": lambda slope: Fraction(0) if slope <= 0 else None,
        "Pow": lambda p: Fraction(0) if p > 0 and p.denominator == 1 and p.numerator % 2 == 0 else None,
    }
    return places[function](*arguments) if function in places else None


def _parabola(start: Fraction, end: Fraction, zero: Fraction) -> Fraction:
    """Where (v - zero) * gate turns: the gate rises from 0 at `start` to its greatest value at `end`."""
    return start if zero <= start else min((start + zero) / 2, end)


def _gated(line: tuple[Fraction, Fraction], gate: Curve, channel: int) -> Turn | None:
    """The turn of (a c + b) * gate(c)."""
    a, b = line
    inner, scale, offset = _unscaled(gate, channel)
    if scale == 0:
        return None
    if isinstance(inner, Scaled):
        return _gated_by_clip(line, inner, scale, offset, channel)
    name, of = _named(inner)
    own = None if of is None else _line(of, channel)
    if own is None or b * own[0] != own[1] * a:  # both have to be 0 at one code
        return None
    alpha = own[0] / a
    place = None
    if name in ("Sigmoid", "Mish") and offset == 0:
        place = SIGMOID if name == "Sigmoid" else MISH
        if name == "Mish" and alpha != 1:
            return None
    elif name in ("Erf", "Tanh") and abs(offset) == abs(scale):
        place = (ERF if name == "Erf" else SIGMOID / 2) * (1 if offset == scale else -1)
    return None if place is None else Turn((place - own[1]) / own[0], scale / alpha > 0)


def _named(curve: Curve) -> tuple[str, Curve | None]:
    """A gate's name and argument: a function of the table, or tanh of a softplus, which is Mish's."""
    if not isinstance(curve, Applied):
        return "", None
    inner: Any = curve.of
    if curve.function == "Tanh":
        bare, a, b = _unscaled(inner, 0)
        if isinstance(bare, Applied) and bare.function == "Softplus" and a == 1 and b == 0:
            return "Mish", bare.of
    return curve.function, inner


def _gated_by_clip(
    line: tuple[Fraction, Fraction], gate: Scaled, scale: Fraction, offset: Fraction, channel: int
) -> Turn | None:
    """The turn of (a c + b) * clip(p c + q, 0, top), rising in c."""
    (a, b), own = line, _line(gate.of, channel)
    if own is None or gate.lo is None or gate.hi is None or offset or _at(gate.lo, channel) != 0:
        return None
    p, q = _at(gate.a, channel) * own[0], _at(gate.a, channel) * own[1] + _at(gate.b, channel)
    top = _at(gate.hi, channel)
    if p <= 0 or top <= 0:
        return None
    return Turn(_parabola(-q / p, (top - q) / p, -b / a), scale * a > 0)
