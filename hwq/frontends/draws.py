"""Quantizers that draw at random, with a seed: one comparison of a probability with a generator of their own."""

from __future__ import annotations

from fractions import Fraction
from types import MappingProxyType
from typing import Any

import numpy as np

from hwq.frontends.call import Call, Rule, Signal, Value
from hwq.frontends.emit import ONE, ZERO, affine, alpha_of, check_span, fits, rounded, sigmoid, sign, unary
from hwq.ir import real
from hwq.numeric.rational import Rationals, scalar
from hwq.numeric.xorshift import RANDOM_BITS
from hwq.quantizers import Quantizer
from hwq.quantizers.binary import StochasticBinary
from hwq.quantizers.functions import stochastic_round as draw_round
from hwq.quantizers.functions import stochastic_round_po2 as draw_round_po2
from hwq.quantizers.po2 import Po2Quantizer
from hwq.quantizers.ternary import StochasticTernary


def is_random(q: Quantizer) -> bool:
    """Whether training (of bernoulli: inference too) draws at random."""
    return isinstance(q, StochasticBinary | StochasticTernary) or (isinstance(q, Po2Quantizer) and q.is_random)


def _drawn(call: Call, p: Signal, seed: int, scale: Rationals, offset: Rationals) -> Signal:
    """scale * B + offset, B being 1 with probability p, rounded to a multiple of 2**-24."""
    return call.emit(real.Draw(seed, scale, offset), [_chance(call, p)], p.shape)[0]


def _chance(call: Call, p: Signal) -> Signal:
    unit = 1 << RANDOM_BITS
    return rounded(call, p, Fraction(unit), ZERO, (0, unit), Fraction(1, unit))


def drawn_sign(call: Call, q: StochasticBinary, x: Signal, seed: int) -> Signal:
    """P(+) = sigmoid(temperature x); the deviation is 1 where alpha is none of the automatic ones."""
    warm = affine(call, x, Fraction(float(q.temperature)))
    p = sigmoid(call, warm, q.curve)
    alpha = alpha_of(q)
    fits(call, x, alpha)
    return _drawn(call, p, seed, alpha, scalar(0)) if q.lsb == 1.0 else _drawn(call, p, seed, 2 * alpha, -alpha)


def drawn_ternary(call: Call, q: StochasticTernary, x: Signal, seed: int) -> Signal:
    """alpha times the half sum of two signs: P(+) = sigmoid(temperature (x -+ threshold))."""
    heat, alpha = Fraction(float(q.temperature)), alpha_of(q)
    fits(call, x, alpha)
    shifts = (-heat * Fraction(q.cut), heat * Fraction(q.cut))
    chances = [_chance(call, sigmoid(call, affine(call, x, heat, shift), q.curve)) for shift in shifts]
    return call.emit(real.Draw(seed, alpha, scalar(0), -1), chances, x.shape)[0]


def drawn_po2(call: Call, q: Po2Quantizer, x: Signal, seed: int) -> Signal:
    """The lower of the two powers around |x|, or at random the one above it, so that |x| is their mean; clipped.

    With the quadratic approximation the root of |x| is that mean, and the exponents are doubled.
    """
    (low, high), step = q.span, 2 if q.quadratic else 1
    least, most = q.drawn_exponents
    check_span(call, least, most)
    slope = q.slope
    leaky = x if slope in (0, 1) else unary(call, x, "PRelu", slope)
    size = unary(call, leaky, "Abs") if slope else leaky
    below = unary(call, size, "Po2Index", least, low, high, q.cap, int(slope != 0), step - 1, 1)
    place = rounded(call, below, ONE, ZERO, (0, most - least), ONE)
    chance = unary(call, size, "Po2Chance", low, high, q.cap, step - 1)
    up = _drawn(call, chance, seed, scalar(step), scalar(0))
    power = unary(call, call.emit(real.Add(), [place, up], x.shape)[0], "Po2Value", least)
    if not slope:
        return power
    return call.emit(real.Mul(), [power, sign(call, x, scalar(2), scalar(-1))], x.shape)[0]


def stochastic_round(call: Call) -> list[Value]:
    """A random one of the two multiples of `precision` around x, of mean x."""
    seed, precision = call.next_seed(), float(call.attribute("precision", 0.5))
    if seed is None:
        raise call.fail("it draws at random", "draw with --stochastic SEED, or use quantized_bits")
    if not precision > 0:
        raise call.fail(f"precision={precision}", "use a positive number")
    x, unit = call.value(0), Fraction(float(np.float32(precision)))
    if not isinstance(x, Signal):
        return [np.asarray(draw_round(call.array(0, "the tensor"), float(unit), seed=seed), dtype=np.float64)]
    steps = affine(call, x, 1 / unit)
    low = unary(call, steps, "Floor")
    rest = call.emit(real.Add(), [steps, affine(call, low, Fraction(-1))], x.shape)[0]
    up = _drawn(call, rest, seed, scalar(unit), scalar(0))
    return [call.emit(real.Add(), [affine(call, low, unit), up], x.shape)[0]]


def stochastic_round_po2(call: Call) -> list[Value]:
    """A random exponent e, one of the two around log2|x|, with E[2**e] = |x|."""
    seed = call.next_seed()
    if seed is None:
        raise call.fail("it draws at random", "draw with --stochastic SEED, or use quantized_po2")
    x = call.value(0)
    if not isinstance(x, Signal):
        return [np.asarray(draw_round_po2(call.array(0, "the tensor"), seed=seed), dtype=np.float64)]
    exponent = unary(call, x, "Exponent")
    up = _drawn(call, unary(call, x, "Mantissa"), seed, scalar(1), scalar(0))
    return [call.emit(real.Add(), [exponent, up], x.shape)[0]]


def drawn_codes(q: StochasticBinary | StochasticTernary, values: Any, seed: int) -> Any:
    """Codes of a constant, drawn once."""
    q.fit(values)
    return q.sample_codes(values, seed)


RULES: MappingProxyType[str, Rule] = MappingProxyType(
    {"stochastic_round": stochastic_round, "stochastic_round_po2": stochastic_round_po2}
)
