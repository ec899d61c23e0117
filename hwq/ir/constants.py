"""Constant tensors of a model: plain numbers, or codes on a grid with exact scale and offset."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from hwq.errors import UnsupportedError
from hwq.numeric.fixed import Codes, Rounding, log2_exact, round_doubles, round_ratio
from hwq.numeric.rational import Rationals, narrowed, rationals, scalar, to_float

AT_ONCE = 1 << 14  # elements that are quantized together
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
        if not any(ratio.reshape(-1)):
            return self.codes, self.scale
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
    values = x if x.dtype == np.float32 else np.asarray(x, dtype=np.float64)
    factor, shift = to_float(a), to_float(b)
    limit = float(max(abs(lo), abs(hi)) + 2)
    exact_products = not shift.any() and all(log2_exact(v) is not None for v in a.reshape(-1))
    rounded = np.empty(np.broadcast_shapes(values.shape, factor.shape, shift.shape), dtype=np.int64)
    doubtful = np.zeros(rounded.shape, dtype=bool)
    operands = (values, factor, shift, rounded, doubtful)
    for v, f, s, codes, near in _pieces(operands, outputs=2):
        estimate = v * f + s
        bounded = np.clip(estimate, -limit * 2, limit * 2)
        codes[...] = round_doubles(bounded, rounding)
        if not exact_products:  # steps are at the integers of this
            step = bounded + 0.5 if rounding.nearest else bounded
            spread = np.minimum(np.abs(v * f) + np.abs(s), limit * 4)
            near[...] = np.abs(step - np.rint(step)) <= 4e-12 * (1 + spread)
    if not exact_products and doubtful.any():
        where = np.nonzero(doubtful)
        exact_a, exact_b, exact_x = (np.broadcast_to(v, rounded.shape)[where] for v in (a, b, values))
        exact = exact_a * rationals(exact_x) + exact_b
        num = np.asarray([v.numerator for v in exact], dtype=object)
        den = np.asarray([v.denominator for v in exact], dtype=object)
        rounded[where] = np.clip(round_ratio(num, den, rounding), -(1 << 62), 1 << 62).astype(np.int64)
    if np.any(after):
        rounded = rounded + after
    return np.asarray(np.clip(rounded, lo, hi, out=rounded))


def _pieces(operands: tuple[npt.NDArray[Any], ...], outputs: int) -> Iterator[tuple[npt.NDArray[Any], ...]]:
    """Views of arrays that broadcast to one shape, some thousand elements at a time; the last `outputs` are written,
    the others read as float64.
    """
    modes: Any = [["readonly"]] * (len(operands) - outputs) + [["writeonly"]] * outputs
    flags: Any = ["external_loop", "buffered", "zerosize_ok"]
    kinds = [np.float64 if mode == ["readonly"] else a.dtype for mode, a in zip(modes, operands, strict=True)]
    with np.nditer(operands, flags=flags, op_flags=modes, op_dtypes=kinds, buffersize=AT_ONCE) as parts:
        yield from parts


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
