"""Constant tensors of a model: plain numbers, or codes on a grid with exact scale and offset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from hwq.errors import UnsupportedError
from hwq.exact import Rationals, narrowed, rationals, scalar, to_float
from hwq.fixed import Codes, Rounding, log2_exact, round_doubles, round_ratio

GRID_BITS = 20  # widest integers a bare float tensor may be read as


@dataclass(frozen=True, eq=False)
class Coded:
    """`value = scale * codes + offset`; scale and offset broadcast to the codes' shape."""

    codes: Codes
    scale: Rationals
    offset: Rationals

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.codes.shape)

    def values(self) -> npt.NDArray[np.float64]:
        """The nearest float64 of every element."""
        return to_float(self.scale) * self.codes.astype(np.float64) + to_float(self.offset)

    def moved(self, move: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]) -> Coded:
        """A reshape, transpose or the like, done to the codes and to whatever varies with them."""

        def follow(parameter: Rationals) -> Rationals:
            if parameter.size == 1:
                return scalar(parameter.reshape(-1)[0])
            return narrowed(np.asarray(move(np.broadcast_to(parameter, self.codes.shape)), dtype=object))

        return Coded(np.ascontiguousarray(move(self.codes)), follow(self.scale), follow(self.offset))

    def times(self, factor: Rationals) -> Coded:
        return Coded(self.codes, self.scale * factor, self.offset * factor)

    def integers(self, what: str) -> tuple[Codes, Rationals]:
        """Integer multiples of a scale without offset: zero points are taken out, half-step offsets doubled."""
        ratio = np.asarray(self.offset / self.scale, dtype=object)
        if any(abs(v) >= 1 << 61 for v in ratio.reshape(-1)):
            raise UnsupportedError(f"{what} with a zero point past 61 bits", remedy="retrain or re-export the model")
        if all(v.denominator == 1 for v in ratio.reshape(-1)):
            return self.codes + np.asarray(ratio).astype(object).astype(np.int64), self.scale
        if all((2 * v).denominator == 1 for v in ratio.reshape(-1)):
            return 2 * self.codes + np.asarray(2 * ratio).astype(object).astype(np.int64), self.scale / 2
        raise UnsupportedError(f"{what} with a zero point that is no integer", remedy="use integer zero points")


def quantize_constant(
    x: npt.NDArray[Any],
    a: Rationals,
    b: Rationals,
    rounding: Rounding,
    lo: int,
    hi: int,
    after: int | Codes = 0,
) -> Codes:
    """clip(round(a x + b) + after, lo, hi) of floats, exactly: estimated in float64, near-ties decided by fractions."""
    values = np.asarray(x, dtype=np.float64)
    factor, shift = to_float(a), to_float(b)
    estimate = values * factor + shift
    spread = np.abs(values * factor) + np.abs(shift)
    limit = float(max(abs(lo), abs(hi)) + 2)
    bounded = np.clip(estimate, -limit * 2, limit * 2)
    step = bounded + 0.5 if rounding.nearest else bounded  # steps are at the integers of this
    doubtful = np.abs(step - np.rint(step)) <= 4e-12 * (1 + np.minimum(spread, limit * 4))
    if not shift.any() and all(log2_exact(v) is not None for v in a.reshape(-1)):
        doubtful = np.zeros_like(doubtful)  # a product with a power of two is exact
    rounded = np.asarray(round_doubles(bounded, rounding)).astype(np.int64)
    where = np.nonzero(doubtful)
    if where[0].size or (doubtful.ndim == 0 and doubtful):
        exact_a, exact_b = np.broadcast_to(a, values.shape)[where], np.broadcast_to(b, values.shape)[where]
        exact = exact_a * rationals(values[where]) + exact_b
        num = np.asarray([v.numerator for v in np.atleast_1d(exact)], dtype=object)
        den = np.asarray([v.denominator for v in np.atleast_1d(exact)], dtype=object)
        decided = np.clip(round_ratio(num, den, rounding), -(1 << 62), 1 << 62)
        rounded[where] = decided.astype(np.int64) if rounded.ndim else int(decided[0])
    return np.asarray(np.clip(rounded + after, lo, hi))


def on_dyadic_grid(x: npt.NDArray[Any]) -> Coded | None:
    """The coarsest power-of-two grid that holds every element, or None where it needs more than 20 bits."""
    values = np.asarray(x, dtype=np.float64)
    if not np.isfinite(values).all():
        return None
    top = float(np.abs(values).max(initial=0.0))
    if top == 0.0:
        return Coded(np.zeros(values.shape, dtype=np.int64), scalar(1), scalar(0))
    exponent = int(np.frexp(top)[1])
    finest = exponent - GRID_BITS
    scaled = np.ldexp(values, -finest)
    if not np.array_equal(scaled, np.rint(scaled)):
        return None
    codes = scaled.astype(np.int64)
    low = int(np.bitwise_or.reduce(np.abs(codes).reshape(-1)))
    spare = (low & -low).bit_length() - 1
    step = finest + spare
    scale = Fraction(2) ** step
    return Coded(codes >> spare, scalar(scale), scalar(0))
