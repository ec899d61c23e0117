"""The domain `qkeras`: constants become codes with exact scales, activations the real ops that say what they compute.

Whatever a quantizer's hard form is, it is an affine map and one rounding; real sigmoids, hard swish and powers of two
are functions that a table or thresholds will hold. stochastic_* behave as they do at inference, unless there is a seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import numpy as np

from hwq.frontends import draws
from hwq.frontends.call import Call, Rule, Signal, Value
from hwq.frontends.draws import drawn_codes, drawn_po2, drawn_sign, drawn_ternary, is_random
from hwq.frontends.emit import (
    HALF,
    MAX_SPAN,
    ONE,
    ZERO,
    affine,
    alpha_of,
    check_span,
    clip,
    rounded,
    sigmoid,
    sign,
    unary,
)
from hwq.ir import real
from hwq.ir.constants import Coded
from hwq.models.qkeras_domain import quantizer_of
from hwq.numeric.fixed import pow2
from hwq.numeric.rational import elementwise, rationals, scalar
from hwq.quantizers import QUANTIZERS, Quantizer
from hwq.quantizers.binary import SignQuantizer, StochasticBinary
from hwq.quantizers.bits import BitsQuantizer
from hwq.quantizers.functions import BinarySigmoid, Function
from hwq.quantizers.hswish import QuantizedHswish
from hwq.quantizers.linear import QuantizedLinear
from hwq.quantizers.po2 import Po2Quantizer
from hwq.quantizers.relu import QuantizedRelu
from hwq.quantizers.sigmoid import QuantizedSigmoid, QuantizedTanh
from hwq.quantizers.smooth import SLOPES
from hwq.quantizers.ternary import StochasticTernary, TernaryQuantizer
from hwq.quantizers.ulaw import QuantizedUlaw


def quantize(call: Call) -> list[Value]:
    """Any quantizer of the domain, on a constant or an activation."""
    q = quantizer_of(call.kind, call.attributes)
    if len(call.inputs) != 1 or call.n_outputs != 1:
        raise call.broken(f"{len(call.inputs)} inputs and {call.n_outputs} outputs")
    seed = call.next_seed() if is_random(q) else None
    if q.NAME == "bernoulli" and seed is None:
        raise call.fail(
            "it draws at random, at inference too: no two runs of the package agree",
            "draw with --stochastic SEED, or use binary or stochastic_binary",
        )
    if getattr(q, "qnoise_factor", 1.0) != 1.0:
        raise call.fail(
            f"qnoise_factor={getattr(q, 'qnoise_factor', 1.0)} lets part of the input through unquantized",
            "set it to 1 before export",
        )
    x = call.value(0)
    if not isinstance(x, Signal):
        return [constant(call, q, seed)]
    if q.is_auto:
        raise call.fail(
            f"alpha='{getattr(q, 'alpha', None)}' on an activation: its scale would depend on the data",
            "use alpha None or a number for activations; automatic scales are for weights",
        )
    if seed is not None and isinstance(q, StochasticBinary):
        return [drawn_sign(call, q, x, seed)]
    if seed is not None and isinstance(q, StochasticTernary):
        return [drawn_ternary(call, q, x, seed)]
    if seed is not None and isinstance(q, Po2Quantizer):
        return [drawn_po2(call, q, x, seed)]
    for kind, build in ACTIVATIONS.items():
        if isinstance(q, kind):
            return [build(call, q, x)]
    raise call.fail(f"{q.NAME} on an activation", "use quantized_bits")


def constant(call: Call, q: Quantizer, seed: int | None = None) -> Value:
    """Codes and exact scales of a constant, drawn once where there is a seed; a plain function gives numbers."""
    values = call.array(0, "the tensor")
    if not np.isfinite(np.asarray(values, dtype=np.float64)).all():
        raise call.fail("a constant that holds NaN or infinity", "retrain or re-export the model")
    if isinstance(q, Function):
        return np.asarray(q(values), dtype=np.float64)
    if isinstance(q, Po2Quantizer):
        exact = q.unit_values(q.encode(values)) if seed is None else q.sample_values(values.astype(np.float32), seed)
        return _powers(call, exact)
    if seed is not None and isinstance(q, StochasticBinary | StochasticTernary):
        codes = drawn_codes(q, values.astype(np.float32), seed)
    else:
        codes = q.encode(values)
    if isinstance(q, QuantizedUlaw):
        raise call.fail("values of the u-law lie on no grid", "use quantized_bits for weights")
    scale = scalar(1) if q.scale is None else rationals(q.scale)
    if q.code_word in ("two's complement", "unsigned"):
        integers, step = codes, q.type.lsb
    else:
        integers, step = _unit_integers(call, q, codes)
    dead = elementwise(lambda v: v == 0, scale).astype(bool)  # a channel of zeros under an auto scale
    integers = np.where(np.broadcast_to(dead, integers.shape), 0, integers)
    return Coded(integers, elementwise(lambda v: v * step or ONE, scale), scalar(0))


def _unit_integers(call: Call, q: Quantizer, codes: Any) -> tuple[Any, Fraction]:
    """Integer multiples of one power of two that the unscaled values of the codes are."""
    unit = q if q.is_auto or not hasattr(q, "alpha") else replace(q, **{"alpha": 1.0})
    values = unit.unit_values(codes)
    exact = {Fraction(v) for v in np.unique(values).tolist()}
    step = Fraction(1, max(v.denominator for v in exact))
    if max(abs(v / step) for v in exact) >= 1 << MAX_SPAN:
        raise call.fail(f"{q.NAME}: values that need more than {MAX_SPAN} bits", "use a bound on the grid, or none")
    return np.rint(values / float(step)).astype(np.int64), step


def _powers(call: Call, values: Any) -> Coded:
    """Powers of two as integer multiples of the least one in the tensor."""
    magnitudes = np.abs(values)
    least, most = (int(np.frexp(v)[1]) - 1 for v in (magnitudes.min(), magnitudes.max()))
    check_span(call, least, most, bool((magnitudes > 0).all() and np.isfinite(magnitudes).all()))
    return Coded(np.ldexp(values, -least).astype(np.int64), scalar(pow2(least)), scalar(0))


def _bits(call: Call, q: BitsQuantizer, x: Signal) -> Signal:
    """alpha * LSB * clip(round(x / LSB)): alpha scales after rounding."""
    alpha = alpha_of(q)
    if q.code_word.startswith("1 bit"):
        return sign(call, x, 2 * alpha, -alpha)
    return rounded(call, x, pow2(q.type.frac), ZERO, q.code_range(), alpha * q.type.lsb)


def _hswish(call: Call, q: QuantizedHswish, x: Signal) -> Signal:
    upper, shift = Fraction(q.relu_upper_bound), Fraction(q.relu_shift)
    return _bits(call, q, unary(call, x, "HardSwish", 1 / upper, shift / upper))


def _linear(call: Call, q: QuantizedLinear, x: Signal) -> Signal:
    """S * round(clip(x / S)): alpha scales the grid."""
    step = alpha_of(q) * Fraction(q.lsb or 1)
    if q.code_word.startswith("1 bit"):
        return sign(call, x, step, -step / 2)
    return rounded(call, x, elementwise(lambda v: 1 / v, step), ZERO, q.code_range(), step)


def _relu(call: Call, q: QuantizedRelu, x: Signal) -> Signal:
    slope, top = Fraction(q.negative_slope), pow2(int(q.integer))
    levels = 1 << (q.bits - int(slope != 0))
    lsb = top / levels
    if q.use_sigmoid:
        y = _relu_sigmoid(call, q, x, levels)
    else:
        least = -slope * levels
        leaky = x if slope in (0, 1) else unary(call, x, "PRelu", slope)
        y = rounded(call, leaky, 1 / lsb, ZERO, (least.__floor__(), levels - 1), lsb)
        if least.denominator != 1:
            y = clip(call, y, least * lsb, None)
    if q.relu_upper_bound is not None and not q.is_quantized_clip:
        y = clip(call, y, None, Fraction(float(np.float32(q.relu_upper_bound))))
    return y


def _relu_sigmoid(call: Call, q: QuantizedRelu, x: Signal, levels: int) -> Signal:
    """top * (2 round(m s) / m - 1) clipped to 0 .. 1 - 1/m, plus the same of the slope below zero."""
    slope, top = Fraction(q.negative_slope), pow2(int(q.integer))
    s = sigmoid(call, x, q.internal_sigmoid, int(q.integer))
    step = 2 * top / levels
    above = rounded(call, s, Fraction(levels), ZERO, (0, levels), step, -top)
    above = clip(call, above, ZERO, top * (1 - Fraction(1, levels)))
    if not slope:
        return above
    most = (slope * levels).__ceil__()
    below = rounded(call, s, slope * levels, ZERO, (0, most), step, -top * slope)
    below = clip(call, below, -top * slope, ZERO)
    return call.emit(real.Add(), [above, below], x.shape)[0]


def _quantized_sigmoid(call: Call, q: QuantizedSigmoid, x: Signal) -> Signal:
    s = sigmoid(call, x, q.curve)
    return rounded(call, s, pow2(q.bits), ZERO, q.code_range(), q.type.lsb)


def _quantized_tanh(call: Call, q: QuantizedTanh, x: Signal) -> Signal:
    """The internal real sigmoid makes tanh(x / 2)."""
    inner = affine(call, x, {"tanh": ONE, "real": HALF}.get(q.curve, q.affine[0]))
    t = clip(call, inner, -ONE, ONE) if q.curve in SLOPES else unary(call, inner, "Tanh")
    return rounded(call, t, pow2(q.bits - 1), ZERO, q.code_range(), q.type.lsb)


def _ulaw(call: Call, q: QuantizedUlaw, x: Signal) -> Signal:
    """The law of a quantized argument: its values lie on no grid, so a quantizer has to follow."""
    levels = 1 << (q.bits - 1)
    s = sigmoid(call, x, q.internal_sigmoid, q.integer)
    ratio = rounded(call, s, Fraction(levels), ZERO, (0, levels), Fraction(2, levels), -ONE)
    law = unary(call, ratio, "ULaw", Fraction(float(q.u)))
    bounded = clip(call, law, -ONE + Fraction(int(q.symmetric), levels), ONE - Fraction(1, levels))
    return affine(call, bounded, pow2(q.integer))


def _po2(call: Call, q: Po2Quantizer, x: Signal) -> Signal:
    """The place of the power among all, counted exactly; then the power that is at that place."""
    least, most, _ = q.exponents
    check_span(call, least, most)
    options = (q.cap, q.slope, int(q.quadratic), int(q.floors))
    place = unary(call, x, "Po2Index", least, *q.span, *options)
    index = rounded(call, place, ONE, ZERO, (least - 1 - most if q.slope else 0, most - least), ONE)
    return unary(call, index, "Po2Value", least)


def _binary(call: Call, q: SignQuantizer, x: Signal) -> Signal:
    alpha = alpha_of(q)
    if q.lsb == 1.0:
        return sign(call, x, alpha, scalar(0))
    return sign(call, x, 2 * alpha, -alpha)


def _ternary(call: Call, q: TernaryQuantizer, x: Signal) -> Signal:
    three = unary(call, x, "Ternary", Fraction(q.cut))
    return rounded(call, three, ONE, ZERO, (-1, 1), alpha_of(q))


def _step(call: Call, q: BinarySigmoid, x: Signal) -> Signal:
    """1 where x > 2**-24 (float32's round_half_even(x/2 + 1/2)), else 0 or -1."""
    above = unary(call, x, "Above", pow2(-24))
    high = Fraction(q.lsb or 1)
    return rounded(call, above, ONE, ZERO, (0, 1), high, ONE - high)


def _function(call: Call, q: Function, x: Signal) -> Signal:
    """A plain function: no code, so a quantizer has to follow the curved ones."""
    if q.NAME in ("sigmoid", "tanh"):
        return unary(call, x, q.NAME.capitalize())
    a, b, lo, hi = LINEAR[q.NAME]
    return affine(call, x, a, b) if lo is None else clip(call, affine(call, x, a, b), lo, hi)


LINEAR: Mapping[str, tuple[Fraction, Fraction, Fraction | None, Fraction | None]] = MappingProxyType(
    {
        "hard_sigmoid": (SLOPES["hard"], HALF, ZERO, ONE),
        "smooth_sigmoid": (SLOPES["smooth"], HALF, ZERO, ONE),
        "hard_tanh": (2 * SLOPES["hard"], ZERO, -ONE, ONE),
        "smooth_tanh": (2 * SLOPES["smooth"], ZERO, -ONE, ONE),
        "relu": (ONE, ZERO, ZERO, None),
        "linear": (ONE, ZERO, None, None),
    }
)
ACTIVATIONS: Mapping[type[Quantizer], Callable[..., Signal]] = MappingProxyType(
    {
        QuantizedHswish: _hswish,  # before the quantizer it ends in
        BitsQuantizer: _bits,
        QuantizedLinear: _linear,
        QuantizedRelu: _relu,
        QuantizedSigmoid: _quantized_sigmoid,
        QuantizedTanh: _quantized_tanh,
        QuantizedUlaw: _ulaw,
        Po2Quantizer: _po2,
        SignQuantizer: _binary,
        TernaryQuantizer: _ternary,
        BinarySigmoid: _step,
        Function: _function,
    }
)
RULES: MappingProxyType[str, Rule] = MappingProxyType({**dict.fromkeys(QUANTIZERS, quantize), **draws.RULES})
