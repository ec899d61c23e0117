"""QONNX quantizers (Brevitas, FINN, QKeras exports): Quant, BipolarQuant, Trunc, MultiThreshold; XnorPopcountMatMul.

Sources: the qonnx op pages of these. QONNX adds the zero point before rounding.
"""

from __future__ import annotations

from fractions import Fraction
from types import MappingProxyType

import numpy as np

from hwq.frontends.call import MAX_EXACT, Call, Rule, Signal, Value
from hwq.frontends.standard import affine, product, weights_of
from hwq.ir import real
from hwq.ir.constants import Coded, quantize_constant
from hwq.numeric.fixed import Rounding, pieces
from hwq.numeric.rational import Rationals, elementwise, rationals, scalar, squeeze_uniform

MAX_BITS = 64
NARROW = ("Quant", "IntQuant", "BipolarQuant")  # read constants in float32 as they lie in the file

ROUNDINGS: MappingProxyType[str, Rounding] = MappingProxyType(
    {
        "ROUND": Rounding.HALF_EVEN,
        "HALF_EVEN": Rounding.HALF_EVEN,
        "FLOOR": Rounding.FLOOR,
        "CEIL": Rounding.CEIL,
        "DOWN": Rounding.TO_ZERO,
        "ROUND_TO_ZERO": Rounding.TO_ZERO,
        "UP": Rounding.AWAY,
        "HALF_UP": Rounding.HALF_AWAY,
        "HALF_DOWN": Rounding.HALF_TO_ZERO,
    }
)


def _rounding(call: Call, default: str) -> Rounding:
    name = str(call.attribute("rounding_mode", default)).upper()
    if name not in ROUNDINGS:
        raise call.fail(f"rounding mode '{name}'", "use one of " + ", ".join(sorted(ROUNDINGS)))
    return ROUNDINGS[name]


def _scale(call: Call, index: int) -> Rationals:
    scale = squeeze_uniform(call.exact(index, "the scale"))
    if any(v <= 0 for v in scale.reshape(-1)):
        raise call.fail("a scale that is not positive", "retrain or re-export the model")
    return scale


def _bits(call: Call, index: int, what: str) -> int:
    bits = call.integer(index, what)
    if not 1 <= bits <= MAX_BITS:
        raise call.fail(f"{what} of {bits}", f"use 1 to {MAX_BITS} bits")
    return bits


def integer_limits(bits: int, signed: bool, narrow: bool) -> tuple[int, int]:
    """The clamp of a Quant node; `narrow` takes the lowest signed code or the highest unsigned one."""
    if signed:
        return -(1 << (bits - 1)) + int(narrow), (1 << (bits - 1)) - 1
    return 0, (1 << bits) - 1 - int(narrow)


def reciprocal(scale: Rationals) -> Rationals:
    """1 / scale, exactly."""
    return elementwise(lambda v: 1 / v, scale)


def quantize(call: Call, op: real.Quantize) -> list[Value]:
    """Quantize an activation by emitting `op`, a constant by doing it."""
    x = call.value(0)
    if isinstance(x, Signal):
        for parameter in (op.a, op.b, op.scale):
            try:
                fits = parameter.size == 1 or np.broadcast_shapes(x.shape, parameter.shape) == x.shape
            except ValueError:
                fits = False
            if not fits:
                raise call.fail(
                    f"a quantizer parameter of shape {list(parameter.shape)} for an activation of {list(x.shape)}",
                    "use one scale per tensor or per channel of this tensor",
                )
        return list(call.emit(op, [x], x.shape))
    if op.lo is None or op.hi is None:
        raise call.fail("a truncated constant", "fold it before export")
    values = call.array(0, "the tensor")
    if not all(np.isfinite(part).all() for part in pieces(values)):
        raise call.fail("a constant that holds NaN or infinity", "retrain or re-export the model")
    codes = quantize_constant(values, op.a, op.b, op.rounding, op.lo, op.hi, op.after)
    return [Coded(codes, op.scale, op.offset)]


def bipolar(call: Call, scale: Rationals) -> list[Value]:
    """+scale where x >= 0, else -scale: code 1 and 0."""
    x = call.value(0)
    if isinstance(x, Signal):
        levels = scalar(0).reshape((1,) * (len(x.shape) + 1))
        return list(call.emit(real.Stairs(levels, 2 * scale, -scale), [x], x.shape))
    return [Coded(np.where(call.array(0, "the tensor") >= 0, 1, -1), scale, scalar(0))]


def quant(call: Call) -> list[Value]:
    """Quant / IntQuant: clamp(x / scale + zeropt), rounded; one signed bit means the sign."""
    scale = _scale(call, 1)
    zero = squeeze_uniform(call.exact(2, "the zero point"))
    bits = _bits(call, 3, "the bit width")
    signed, narrow = bool(call.attribute("signed", 1)), bool(call.attribute("narrow", 0))
    rounding = _rounding(call, "ROUND")
    if bits == 1 and signed:
        if any(v != 0 for v in zero.reshape(-1)):
            raise call.fail("a one-bit signed Quant with a zero point", "use BipolarQuant, or no zero point")
        return bipolar(call, scale)
    lo, hi = integer_limits(bits, signed, narrow)
    op = real.Quantize(reciprocal(scale), zero, rounding, lo, hi, scale, squeeze_uniform(-zero * scale))
    return quantize(call, op)


def bipolar_quant(call: Call) -> list[Value]:
    """+scale where x >= 0, else -scale (QONNX BipolarQuant)."""
    return bipolar(call, _scale(call, 1))


def trunc(call: Call) -> list[Value]:
    """Trunc, told apart by its inputs: 5 keep the scale and shift; 6 state the output's scale and clamp."""
    scale, zero = _scale(call, 1), squeeze_uniform(call.exact(2, "the zero point"))
    in_bits = _bits(call, 3, "the input bit width")
    rounding = _rounding(call, "FLOOR")
    signed, narrow = bool(call.attribute("signed", 1)), bool(call.attribute("narrow", 0))
    x = call.signal(0)
    # A bare model input of unstated sign: wide enough for both readings of in_bits.
    expected = (-(1 << (in_bits - 1)), (1 << in_bits) - 1)
    integers = real.Quantize(
        reciprocal(scale),
        zero,
        Rounding.HALF_EVEN,
        None,
        None,
        scale,
        squeeze_uniform(-zero * scale),
        expected=expected,
    )
    (whole,) = call.emit(integers, [x], x.shape)
    ones = reciprocal(scale)
    lo: int | None
    hi: int | None
    if len(call.inputs) >= 6:
        out_scale, out_bits = _scale(call, 4), _bits(call, 5, "the output bit width")
        divisor = elementwise(_nearest_power_of_two, out_scale / scale)
        lo, hi = integer_limits(out_bits, signed, narrow)
        offset = -(zero / divisor) * out_scale
    else:
        out_bits = _bits(call, 4, "the output bit width")
        if out_bits > in_bits:
            raise call.fail(f"a Trunc from {in_bits} to {out_bits} bits", "truncate to fewer bits")
        divisor, out_scale, lo, hi = scalar(1 << (in_bits - out_bits)), scale, None, None
        offset = -zero * scale
    shifted = real.Quantize(
        ones / divisor, zero / divisor, rounding, lo, hi, squeeze_uniform(out_scale), squeeze_uniform(offset)
    )
    return list(call.emit(shifted, [whole], x.shape))


def _nearest_power_of_two(ratio: Fraction) -> Fraction:
    """2**round(log2(ratio)): the boundary is the geometric mean, compared by squares."""
    exponent = ratio.numerator.bit_length() - ratio.denominator.bit_length()
    while Fraction(2) ** (2 * exponent + 1) < ratio * ratio:
        exponent += 1
    while Fraction(2) ** (2 * exponent - 1) > ratio * ratio:
        exponent -= 1
    return Fraction(2) ** exponent


def multi_threshold(call: Call) -> list[Value]:
    """out_scale * #{k: x >= thresholds[c, k]} + out_bias, the channel on axis 1, or last if the layout ends in C."""
    x = call.signal(0)
    thresholds = call.array(1, "the thresholds")
    if thresholds.ndim != 2 or not np.isfinite(np.asarray(thresholds, dtype=np.float64)).all():
        raise call.broken(
            f"thresholds of shape {list(thresholds.shape)}", "give finite ones of shape [channels or 1, steps]"
        )
    layout = str(call.attribute("data_layout", ""))
    axis = len(x.shape) - 1 if layout.endswith("C") and layout != "NC" else min(1, len(x.shape) - 1)
    rows, steps = thresholds.shape
    if thresholds.size > MAX_EXACT:
        raise call.fail(f"{thresholds.size} thresholds", f"hwq takes up to {MAX_EXACT}")
    if rows not in (1, x.shape[axis]):
        raise call.broken(f"{rows} rows of thresholds for {x.shape[axis]} channels", "give a row, or one per channel")
    ordered = np.sort(thresholds, axis=1)
    if rows > 1 and bool((ordered == ordered[:1]).all()):
        ordered, rows = ordered[:1], 1
    shape = [1] * len(x.shape)
    shape[axis] = rows
    levels = rationals(ordered).reshape(*shape, steps)
    scale = scalar(Fraction(float(np.float32(call.attribute("out_scale", 1.0)))))
    bias = scalar(Fraction(float(np.float32(call.attribute("out_bias", 0.0)))))
    if scale[0] == 0:
        raise call.fail("an output scale of zero", "re-export the model")
    # Integer biases are part of the code, as FINN's out_dtype has it; others stay with the value.
    return list(call.emit(real.Stairs(levels, scale, bias), [x], x.shape))


def xnor_popcount(call: Call) -> list[Value]:
    """The number of k with x[k] == w[k], of bits: half of K and of the product of bipolar values, as FINN folds it."""
    x, bits = call.signal(0), weights_of(call, 1).values()
    if not np.isin(bits, (0.0, 1.0)).all():
        raise call.broken("weights that are not 0 and 1", "give the bits of bipolar weights")
    bipolar = Coded(2 * bits.astype(np.int64) - 1, scalar(1), scalar(0))
    y = product(call, affine(call, x, scalar(2), scalar(-1)), bipolar)
    return [affine(call, y, scalar(Fraction(1, 2)), scalar(Fraction(x.shape[-1], 2)))]


RULES: MappingProxyType[str, Rule] = MappingProxyType(
    {
        "Quant": quant,
        "IntQuant": quant,
        "BipolarQuant": bipolar_quant,
        "Trunc": trunc,
        "MultiThreshold": multi_threshold,
        "XnorPopcountMatMul": xnor_popcount,
    }
)
