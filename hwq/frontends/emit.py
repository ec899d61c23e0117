"""Real ops as the rules of quantizers emit them: affine maps, clips, functions, one rounding; or why they cannot be."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from hwq.frontends.call import Call, Signal
from hwq.ir import real
from hwq.numeric.fixed import Rounding, pow2
from hwq.numeric.rational import Rationals, rationals, scalar
from hwq.quantizers import Quantizer
from hwq.quantizers.smooth import SLOPES

MAX_SPAN = 28  # binary places from the least to the greatest power of two of one tensor

ZERO, ONE, HALF = Fraction(0), Fraction(1), Fraction(1, 2)


def rounded(
    call: Call,
    x: Signal,
    factor: Rationals | Fraction,
    offset: Fraction,
    codes: tuple[int, int],
    scale: Rationals | Fraction,
    value_offset: Fraction = ZERO,
) -> Signal:
    """code = clip(round_half_even(factor x + offset)), worth scale * code + value_offset."""
    a, s = (v if isinstance(v, np.ndarray) else scalar(v) for v in (factor, scale))
    fits(call, x, s)
    op = real.Quantize(a, scalar(offset), Rounding.HALF_EVEN, *codes, s, scalar(value_offset))
    return call.emit(op, [x], x.shape)[0]


def fits(call: Call, x: Signal, scale: Rationals) -> None:
    """Refuse a scale that does not broadcast to an activation."""
    try:
        fits = scale.size == 1 or np.broadcast_shapes(x.shape, scale.shape) == x.shape
    except ValueError:
        fits = False
    if not fits:
        raise call.fail(
            f"a scale of shape {list(scale.shape)} for an activation of {list(x.shape)}",
            "give one alpha, or one per channel of the last axis",
        )


def alpha_of(q: Quantizer) -> Rationals:
    """The scale of a quantizer as exact rationals, 1 where it has none."""
    return scalar(1) if q.scale is None else rationals(q.scale)


def affine(call: Call, x: Signal, a: Fraction, b: Fraction = ZERO) -> Signal:
    """a x + b."""
    return x if (a, b) == (ONE, ZERO) else call.emit(real.Affine(scalar(a), scalar(b)), [x], x.shape)[0]


def clip(call: Call, x: Signal, lo: Fraction | None, hi: Fraction | None) -> Signal:
    """x within bounds; None: no bound."""
    bounds = (None if v is None else scalar(v) for v in (lo, hi))
    return call.emit(real.Clip(*bounds), [x], x.shape)[0]


def unary(call: Call, x: Signal, function: str, *arguments: Fraction | int) -> Signal:
    """A function of one variable, by its name and exact arguments."""
    return call.emit(real.Unary(function, tuple(scalar(v) for v in arguments)), [x], x.shape)[0]


def sign(call: Call, x: Signal, scale: Rationals, offset: Rationals) -> Signal:
    """scale * [x >= 0] + offset."""
    fits(call, x, scale)
    levels = scalar(0).reshape((1,) * (len(x.shape) + 1))
    return call.emit(real.Stairs(levels, scale, offset), [x], x.shape)[0]


def sigmoid(call: Call, x: Signal, which: str, shift: int = 0) -> Signal:
    """The internal sigmoid of x / 2**shift."""
    if which not in SLOPES:
        return unary(call, affine(call, x, pow2(-shift)), "Sigmoid")
    return clip(call, affine(call, x, SLOPES[which] * pow2(-shift), HALF), ZERO, ONE)


def check_span(call: Call, least: int, most: int, representable: bool = True) -> None:
    """Refuse powers of two too far apart for the shifts of one tensor."""
    if not representable or most - least > MAX_SPAN:
        raise call.fail(
            f"powers of two from 2^{least} to 2^{most}: every product would be a shift over {most - least} places",
            "use fewer bits or a max_value, such as quantized_po2(4, 1); a zero becomes the least power",
        )
