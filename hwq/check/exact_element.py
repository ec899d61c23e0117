"""One element of one quantizer, by the definition: its real input as a fraction, and the code of any real number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from hwq.errors import InternalError
from hwq.functions.arithmetic import Irrational, Precise
from hwq.functions.curve import Curve
from hwq.ir import real
from hwq.ir.hardware import Edge, Shape
from hwq.numeric.fixed import Codes, Rounding, round_ratio
from hwq.passes.lowering.curves import whole
from hwq.passes.lowering.state import Affine, Coded, Curved, Pending, Raw

BOUND = Fraction(1, 1 << 22)  # of the greatest value that can occur there: what float32 arithmetic may be off by
CURVE_BOUND = Fraction(1, 1 << 20)  # of a function's value, or BOUND of its greatest: executors approximate
PRECISION = 256  # bits of a value that is not rational


@dataclass(frozen=True)
class Element:
    """A quantizer as one element sees it: `clip(round(a x + b) + after, lo, hi)`, or a count of levels reached."""

    a: Fraction
    b: Fraction
    rounding: Rounding
    lo: int | None
    hi: int | None
    after: int
    levels: tuple[Fraction, ...] | None
    opened: int = 0  # so many of the last levels are reached above themselves

    def scaled(self, x: Fraction) -> Fraction:
        """What is rounded, as a code; the value itself where levels are counted."""
        return x if self.levels is not None else self.a * x + self.b + self.after


def at(values: Any, shape: Shape, index: int) -> Any:
    """One element of an array that broadcasts to `shape`."""
    array = np.asarray(values, dtype=object)
    if array.size == 1:
        return array.reshape(-1)[0]
    padded = array.reshape((1,) * (len(shape) - array.ndim) + array.shape)
    where = np.unravel_index(index, shape)
    return padded[tuple(0 if d == 1 else int(w) for d, w in zip(padded.shape, where, strict=True))]


def element(op: real.RealOp, shape: Shape, index: int) -> Element:
    """The quantizer `op` of a tensor of `shape`, at one element."""
    if isinstance(op, real.Quantize):
        a, b, after = (at(v, shape, index) for v in (op.a, op.b, op.after))
        return Element(Fraction(a), Fraction(b), op.rounding, op.lo, op.hi, int(after), None)
    if not isinstance(op, real.Stairs):
        raise InternalError("no quantizer")
    levels = tuple(Fraction(at(op.levels[..., k], shape, index)) for k in range(op.levels.shape[-1]))
    scale, offset = Fraction(at(op.scale, shape, index)), Fraction(at(op.offset, shape, index))
    after = offset / scale
    whole_after = int(after) if after.denominator == 1 else 0
    return Element(1 / scale, Fraction(0), Rounding.FLOOR, None, None, whole_after, levels, op.opened)


def code_of(place: Element, x: Fraction) -> int:
    """The code of the real number x."""
    if place.levels is not None:
        closed = len(place.levels) - place.opened
        return place.after + sum(1 for k, t in enumerate(place.levels) if (t <= x if k < closed else t < x))
    value = place.a * x + place.b
    pair = np.asarray([value.numerator], dtype=object), np.asarray([value.denominator], dtype=object)
    code = int(round_ratio(*pair, place.rounding)[0]) + place.after
    code = code if place.lo is None else max(code, place.lo)
    return code if place.hi is None else min(code, place.hi)


def input_reach(place: Element, code: int, theirs: int | None) -> Fraction:
    """The size of the real numbers about the two codes."""
    return max(abs(Fraction(c - place.after) / place.a) for c in (code, code if theirs is None else theirs))


def number(
    state: Pending,
    edges: Mapping[str, Edge],
    inputs: Mapping[str, npt.NDArray[np.float64]],
    codes: Mapping[str, Codes],
    sample: int,
    index: int,
    shape: Shape,
) -> tuple[Fraction, Fraction, Fraction]:
    """The exact real value of one element, the greatest size that its parts can have, and what one code is worth."""
    if isinstance(state, Raw):
        values = inputs[state.source.name][sample].reshape(state.shape)
        for move in state.moves:
            values = move.forward(values)
        x = Fraction(float(values.reshape(-1)[index]))
        return _affine(state.of, x, abs(x), shape, index)
    edge = edges[state.edge]
    code = int(codes[state.edge][sample].reshape(-1)[index])
    if isinstance(state, Coded):
        return _affine(state.of, Fraction(code), Fraction(max(abs(edge.lo), abs(edge.hi))), shape, index)
    value, *ends = (_on_curve(state, c, shape, index) for c in (code, edge.lo, edge.hi))
    return value, max(abs(value) * CURVE_BOUND / BOUND, *map(abs, ends)), Fraction(0)


def _affine(of: Affine, x: Fraction, most: Fraction, shape: Shape, index: int) -> tuple[Fraction, Fraction, Fraction]:
    a, b = Fraction(at(of.a, shape, index)), Fraction(at(of.b, shape, index))
    value, size = a * x + b, abs(a) * most + abs(b)
    if of.lo is not None:
        value = max(value, Fraction(at(of.lo, shape, index)))
    if of.hi is not None:
        value = min(value, Fraction(at(of.hi, shape, index)))
    return value, size, abs(a)


def _on_curve(state: Curved, code: int, shape: Shape, index: int) -> Fraction:
    """A function's value: exact where it is rational, else to `PRECISION` bits."""

    def one(values: Any) -> Any:
        out = np.empty(1, dtype=object)
        out[0] = at(values, shape, index)
        return out

    curve: Curve = whole(state).mapped(one)
    try:
        return Fraction(curve.number(code, 0, None))
    except Irrational:
        m = Precise(PRECISION)
        value = curve.number(code, 0, m)
        return value if isinstance(value, Fraction) else m.fraction(value.middle)
