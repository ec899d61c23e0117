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

from hwq import real
from hwq.constants import Coded
from hwq.exact import Rationals, elementwise, rationals, scalar
from hwq.fixed import Rounding, pow2
from hwq.frontends.call import Call, Rule, Signal, Value
from hwq.onnx_ops import quantizer_of
from hwq.prng import RANDOM_BITS
from hwq.quantizers import QUANTIZERS, Quantizer
from hwq.quantizers.binary import SignQuantizer, StochasticBinary
from hwq.quantizers.bits import BitsQuantizer
from hwq.quantizers.functions import BinarySigmoid, Function
from hwq.quantizers.functions import stochastic_round as draw_round
from hwq.quantizers.functions import stochastic_round_po2 as draw_round_po2
from hwq.quantizers.hswish import QuantizedHswish
from hwq.quantizers.linear import QuantizedLinear
from hwq.quantizers.po2 import Po2Quantizer
from hwq.quantizers.relu import QuantizedRelu
from hwq.quantizers.sigmoid import QuantizedSigmoid, QuantizedTanh
from hwq.quantizers.smooth import SLOPES
from hwq.quantizers.ternary import StochasticTernary, TernaryQuantizer
from hwq.quantizers.ulaw import QuantizedUlaw

MAX_SPAN = 28  # binary places from the least to the greatest power of two of one tensor

ZERO, ONE, HALF = Fraction(0), Fraction(1), Fraction(1, 2)


def quantize(call: Call) -> list[Value]:
    """Any quantizer of the domain, on a constant or an activation."""
    q = quantizer_of(call.kind, call.attributes)
    if len(call.inputs) != 1 or call.n_outputs != 1:
        raise call.broken(f"{len(call.inputs)} inputs and {call.n_outputs} outputs")
    seed = call.next_seed() if isinstance(q, StochasticBinary | StochasticTernary) else None
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
        return [_drawn_sign(call, q, x, seed)]
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
    codes = q.encode(values) if seed is None else _drawn_codes(q, values.astype(np.float32), seed)
    if isinstance(q, QuantizedUlaw):
        raise call.fail("values of the u-law lie on no grid", "use quantized_bits for weights")
    if isinstance(q, Po2Quantizer):
        return _powers(call, q, codes)
    scale = scalar(1) if q.scale is None else rationals(q.scale)
    if q.code_word in ("two's complement", "unsigned"):
        integers, step = codes, q.type.lsb
    else:
        integers, step = _unit_integers(call, q, codes)
    dead = elementwise(lambda v: v == 0, scale).astype(bool)  # a channel of zeros under an auto scale
    integers = np.where(np.broadcast_to(dead, integers.shape), 0, integers)
    return Coded(integers, elementwise(lambda v: v * step or ONE, scale), scalar(0))


def _drawn_codes(q: Quantizer, values: Any, seed: int) -> Any:
    """Codes of a constant, drawn once; stochastic_ternary draws with automatic scales only, as in the package."""
    if isinstance(q, StochasticBinary) or (isinstance(q, StochasticTernary) and q.is_auto):
        q.fit(values)
        return q.sample_codes(values, seed)
    return q.encode(values)


def _unit_integers(call: Call, q: Quantizer, codes: Any) -> tuple[Any, Fraction]:
    """Integer multiples of one power of two that the unscaled values of the codes are."""
    unit = q if q.is_auto or not hasattr(q, "alpha") else replace(q, **{"alpha": 1.0})
    values = unit.unit_values(codes)
    exact = {Fraction(v) for v in np.unique(values).tolist()}
    step = Fraction(1, max(v.denominator for v in exact))
    if max(abs(v / step) for v in exact) >= 1 << MAX_SPAN:
        raise call.fail(f"{q.NAME}: values that need more than {MAX_SPAN} bits", "use a bound on the grid, or none")
    return np.rint(values / float(step)).astype(np.int64), step


def _powers(call: Call, q: Po2Quantizer, codes: Any) -> Coded:
    """Powers of two as integer multiples of the least one in the tensor."""
    values = q.unit_values(codes)
    magnitudes = np.abs(values)
    least, most = (int(np.frexp(v)[1]) - 1 for v in (magnitudes.min(), magnitudes.max()))
    _check_span(call, least, most, bool((magnitudes > 0).all() and np.isfinite(magnitudes).all()))
    return Coded(np.ldexp(values, -least).astype(np.int64), scalar(pow2(least)), scalar(0))


def _check_span(call: Call, least: int, most: int, representable: bool = True) -> None:
    if not representable or most - least > MAX_SPAN:
        raise call.fail(
            f"powers of two from 2^{least} to 2^{most}: every product would be a shift over {most - least} places",
            "use fewer bits or a max_value, such as quantized_po2(4, 1); a zero becomes the least power",
        )


def _rounded(
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
    _fits(call, x, s)
    op = real.Quantize(a, scalar(offset), Rounding.HALF_EVEN, *codes, s, scalar(value_offset))
    return call.emit(op, [x], x.shape)[0]


def _fits(call: Call, x: Signal, scale: Rationals) -> None:
    try:
        fits = scale.size == 1 or np.broadcast_shapes(x.shape, scale.shape) == x.shape
    except ValueError:
        fits = False
    if not fits:
        raise call.fail(
            f"a scale of shape {list(scale.shape)} for an activation of {list(x.shape)}",
            "give one alpha, or one per channel of the last axis",
        )


def _alpha(q: Quantizer) -> Rationals:
    return scalar(1) if q.scale is None else rationals(q.scale)


def _affine(call: Call, x: Signal, a: Fraction, b: Fraction = ZERO) -> Signal:
    return x if (a, b) == (ONE, ZERO) else call.emit(real.Affine(scalar(a), scalar(b)), [x], x.shape)[0]


def _clip(call: Call, x: Signal, lo: Fraction | None, hi: Fraction | None) -> Signal:
    bounds = (None if v is None else scalar(v) for v in (lo, hi))
    return call.emit(real.Clip(*bounds), [x], x.shape)[0]


def _unary(call: Call, x: Signal, function: str, *arguments: Fraction | int) -> Signal:
    return call.emit(real.Unary(function, tuple(scalar(v) for v in arguments)), [x], x.shape)[0]


def _sign(call: Call, x: Signal, scale: Rationals, offset: Rationals) -> Signal:
    """scale * [x >= 0] + offset."""
    _fits(call, x, scale)
    levels = scalar(0).reshape((1,) * (len(x.shape) + 1))
    return call.emit(real.Stairs(levels, scale, offset), [x], x.shape)[0]


def _sigmoid(call: Call, x: Signal, which: str, shift: int = 0) -> Signal:
    """The internal sigmoid of x / 2**shift."""
    if which not in SLOPES:
        return _unary(call, _affine(call, x, pow2(-shift)), "Sigmoid")
    return _clip(call, _affine(call, x, SLOPES[which] * pow2(-shift), HALF), ZERO, ONE)


def _bits(call: Call, q: BitsQuantizer, x: Signal) -> Signal:
    """alpha * LSB * clip(round(x / LSB)): alpha scales after rounding."""
    alpha = _alpha(q)
    if q.code_word.startswith("1 bit"):
        return _sign(call, x, 2 * alpha, -alpha)
    return _rounded(call, x, pow2(q.type.frac), ZERO, q.code_range(), alpha * q.type.lsb)


def _hswish(call: Call, q: QuantizedHswish, x: Signal) -> Signal:
    upper, shift = Fraction(q.relu_upper_bound), Fraction(q.relu_shift)
    return _bits(call, q, _unary(call, x, "HardSwish", 1 / upper, shift / upper))


def _linear(call: Call, q: QuantizedLinear, x: Signal) -> Signal:
    """S * round(clip(x / S)): alpha scales the grid."""
    step = _alpha(q) * Fraction(q.lsb or 1)
    if q.code_word.startswith("1 bit"):
        return _sign(call, x, step, -step / 2)
    return _rounded(call, x, elementwise(lambda v: 1 / v, step), ZERO, q.code_range(), step)


def _relu(call: Call, q: QuantizedRelu, x: Signal) -> Signal:
    slope, top = Fraction(q.negative_slope), pow2(int(q.integer))
    levels = 1 << (q.bits - int(slope != 0))
    lsb = top / levels
    if q.use_sigmoid:
        y = _relu_sigmoid(call, q, x, levels)
    else:
        least = -slope * levels
        leaky = x if slope in (0, 1) else _unary(call, x, "PRelu", slope)
        y = _rounded(call, leaky, 1 / lsb, ZERO, (least.__floor__(), levels - 1), lsb)
        if least.denominator != 1:
            y = _clip(call, y, least * lsb, None)
    if q.relu_upper_bound is not None and not q.is_quantized_clip:
        y = _clip(call, y, None, Fraction(float(np.float32(q.relu_upper_bound))))
    return y


def _relu_sigmoid(call: Call, q: QuantizedRelu, x: Signal, levels: int) -> Signal:
    """top * (2 round(m s) / m - 1) clipped to 0 .. 1 - 1/m, plus the same of the slope below zero."""
    slope, top = Fraction(q.negative_slope), pow2(int(q.integer))
    s = _sigmoid(call, x, q.internal_sigmoid, int(q.integer))
    step = 2 * top / levels
    above = _rounded(call, s, Fraction(levels), ZERO, (0, levels), step, -top)
    above = _clip(call, above, ZERO, top * (1 - Fraction(1, levels)))
    if not slope:
        return above
    most = (slope * levels).__ceil__()
    below = _rounded(call, s, slope * levels, ZERO, (0, most), step, -top * slope)
    below = _clip(call, below, -top * slope, ZERO)
    return call.emit(real.Add(), [above, below], x.shape)[0]


def _quantized_sigmoid(call: Call, q: QuantizedSigmoid, x: Signal) -> Signal:
    s = _sigmoid(call, x, q.curve)
    return _rounded(call, s, pow2(q.bits), ZERO, q.code_range(), q.type.lsb)


def _quantized_tanh(call: Call, q: QuantizedTanh, x: Signal) -> Signal:
    """The internal real sigmoid makes tanh(x / 2)."""
    inner = _affine(call, x, {"tanh": ONE, "real": HALF}.get(q.curve, q.affine[0]))
    t = _clip(call, inner, -ONE, ONE) if q.curve in SLOPES else _unary(call, inner, "Tanh")
    return _rounded(call, t, pow2(q.bits - 1), ZERO, q.code_range(), q.type.lsb)


def _ulaw(call: Call, q: QuantizedUlaw, x: Signal) -> Signal:
    """The law of a quantized argument: its values lie on no grid, so a quantizer has to follow."""
    levels = 1 << (q.bits - 1)
    s = _sigmoid(call, x, q.internal_sigmoid, q.integer)
    ratio = _rounded(call, s, Fraction(levels), ZERO, (0, levels), Fraction(2, levels), -ONE)
    law = _unary(call, ratio, "ULaw", Fraction(float(q.u)))
    bounded = _clip(call, law, -ONE + Fraction(int(q.symmetric), levels), ONE - Fraction(1, levels))
    return _affine(call, bounded, pow2(q.integer))


def _po2(call: Call, q: Po2Quantizer, x: Signal) -> Signal:
    """The place of the power among all, counted exactly; then the power that is at that place."""
    least, most, _ = q.exponents
    _check_span(call, least, most)
    low, high = q.span
    cap = ZERO if q.max_value is None else Fraction(float(np.float32(q.max_value)))
    slope = Fraction(float(np.float32(getattr(q, "negative_slope", 1.0))))
    quadratic, floor = bool(getattr(q, "quadratic_approximation", False)), getattr(q, "log2_rounding", "") == "floor"
    place = _unary(call, x, "Po2Index", least, low, high, cap, slope, int(quadratic), int(floor))
    index = _rounded(call, place, ONE, ZERO, (least - 1 - most if slope else 0, most - least), ONE)
    return _unary(call, index, "Po2Value", least)


def _binary(call: Call, q: SignQuantizer, x: Signal) -> Signal:
    alpha = _alpha(q)
    if q.lsb == 1.0:
        return _sign(call, x, alpha, scalar(0))
    return _sign(call, x, 2 * alpha, -alpha)


def _ternary(call: Call, q: TernaryQuantizer, x: Signal) -> Signal:
    three = _unary(call, x, "Ternary", Fraction(q.cut))
    return _rounded(call, three, ONE, ZERO, (-1, 1), _alpha(q))


def _step(call: Call, q: BinarySigmoid, x: Signal) -> Signal:
    """1 where x > 2**-24 (float32's round_half_even(x/2 + 1/2)), else 0 or -1."""
    above = _unary(call, x, "Above", pow2(-24))
    high = Fraction(q.lsb or 1)
    return _rounded(call, above, ONE, ZERO, (0, 1), high, ONE - high)


def _function(call: Call, q: Function, x: Signal) -> Signal:
    """A plain function: no code, so a quantizer has to follow the curved ones."""
    if q.NAME in ("sigmoid", "tanh"):
        return _unary(call, x, q.NAME.capitalize())
    a, b, lo, hi = LINEAR[q.NAME]
    return _affine(call, x, a, b) if lo is None else _clip(call, _affine(call, x, a, b), lo, hi)


def _drawn(call: Call, p: Signal, seed: int, scale: Rationals, offset: Rationals) -> Signal:
    """scale * B + offset, B being 1 with probability p, rounded to a multiple of 2**-24."""
    unit = 1 << RANDOM_BITS
    chance = _rounded(call, p, Fraction(unit), ZERO, (0, unit), Fraction(1, unit))
    return call.emit(real.Draw(seed, scale, offset), [chance], p.shape)[0]


def _drawn_sign(call: Call, q: StochasticBinary, x: Signal, seed: int) -> Signal:
    """P(+) = sigmoid(temperature x); the deviation is 1 where alpha is none of the automatic ones."""
    warm = _affine(call, x, Fraction(float(q.temperature)))
    p = _sigmoid(call, warm, "real" if q.use_real_sigmoid else q.internal_sigmoid)
    alpha = _alpha(q)
    _fits(call, x, alpha)
    return _drawn(call, p, seed, alpha, scalar(0)) if q.lsb == 1.0 else _drawn(call, p, seed, 2 * alpha, -alpha)


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
    steps = _affine(call, x, 1 / unit)
    low = _unary(call, steps, "Floor")
    rest = call.emit(real.Add(), [steps, _affine(call, low, Fraction(-1))], x.shape)[0]
    up = _drawn(call, rest, seed, scalar(unit), scalar(0))
    return [call.emit(real.Add(), [_affine(call, low, unit), up], x.shape)[0]]


def stochastic_round_po2(call: Call) -> list[Value]:
    """A random exponent e, one of the two around log2|x|, with E[2**e] = |x|."""
    seed = call.next_seed()
    if seed is None:
        raise call.fail("it draws at random", "draw with --stochastic SEED, or use quantized_po2")
    x = call.value(0)
    if not isinstance(x, Signal):
        return [np.asarray(draw_round_po2(call.array(0, "the tensor"), seed=seed), dtype=np.float64)]
    exponent = _unary(call, x, "Exponent")
    up = _drawn(call, _unary(call, x, "Mantissa"), seed, scalar(1), scalar(0))
    return [call.emit(real.Add(), [exponent, up], x.shape)[0]]


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
RULES: MappingProxyType[str, Rule] = MappingProxyType(
    {
        **dict.fromkeys(QUANTIZERS, quantize),
        "stochastic_round": stochastic_round,
        "stochastic_round_po2": stochastic_round_po2,
    }
)
