"""QuantizeLinear and DequantizeLinear, in every opset's form and in Microsoft's domain.

A QuantizeLinear's output is an integer tensor: a real edge whose values are its codes. DequantizeLinear is affine on
it, so a pair with other parameters, a clamp between and an integer graph output mean what the file says.
ONNX adds the zero point after rounding (QONNX adds it before): with an odd one, ties go the other way.
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
from onnx import TensorProto

from hwq.frontends.call import Array, Call, Rule, Signal, Value
from hwq.frontends.element_types import type_name
from hwq.frontends.qonnx import integer_limits, quantize, reciprocal
from hwq.frontends.standard import affine
from hwq.ir import real
from hwq.ir.constants import Coded
from hwq.ir.hardware import Shape
from hwq.numeric.fixed import Codes, Rounding
from hwq.numeric.rational import Rationals, rationals, scalar, squeeze_uniform

INTEGERS: MappingProxyType[int, tuple[int, bool]] = MappingProxyType(
    {  # element type -> (bits, signed)
        TensorProto.UINT8: (8, False),
        TensorProto.INT8: (8, True),
        TensorProto.UINT16: (16, False),
        TensorProto.INT16: (16, True),
        TensorProto.INT32: (32, True),
        TensorProto.UINT4: (4, False),
        TensorProto.INT4: (4, True),
        25: (2, False),  # UINT2, INT2: younger than the oldest onnx package that hwq accepts
        26: (2, True),
    }
)


def along(call: Call, parameter: Array, shape: Shape, what: str) -> Array:
    """A scale or zero point made broadcastable to the tensor: per tensor, per axis, or per block of an axis."""
    stated, block = int(call.attribute("axis", 1)), int(call.attribute("block_size", 0))
    if parameter.size == 1:
        return parameter.reshape(1)
    rank = len(shape)
    axis = call.axis(stated, rank)
    if parameter.ndim == 1 and not block:
        if parameter.size != shape[axis]:
            raise call.broken(f"{what} of {parameter.size} elements along axis {axis} of shape {list(shape)}")
        return parameter.reshape([-1 if i == axis else 1 for i in range(rank)])
    blocks = tuple(-(-d // max(1, block)) if i == axis else d for i, d in enumerate(shape))
    if block < 1 or parameter.shape != blocks:
        raise call.broken(f"{what} of shape {list(parameter.shape)} for a tensor of shape {list(shape)}")
    return np.repeat(parameter, block, axis=axis).take(np.arange(shape[axis]), axis=axis)


def scale_of(call: Call, index: int, shape: Shape, what: str = "the scale", dead: bool = False) -> Rationals:
    """An exact, positive scale, broadcastable to the tensor; 0 only where channels may be `dead`."""
    value = call.value(index)
    if isinstance(value, Signal):
        raise call.fail(
            f"dynamic quantization: {what} is computed from data", "quantize statically, with a calibrated scale"
        )
    scale = along(call, call.exact(index, what), shape, what)
    if any(v < 0 or (v == 0 and not dead) for v in scale.reshape(-1)):
        raise call.fail(f"{what} is not positive", "retrain or re-export the model")
    return squeeze_uniform(scale)


def zero_of(call: Call, index: int, shape: Shape) -> Codes:
    """The zero point as integers broadcastable to the tensor; 0 where there is none."""
    if not call.given(index):
        return np.zeros(1, dtype=np.int64)
    zero = call.array(index, "the zero point")
    with np.errstate(invalid="ignore"):  # what is no number is no integer either
        whole = np.rint(zero).astype(np.int64)
    if not np.array_equal(whole, zero):
        raise call.fail("a zero point that is no integer", "quantize to integers: hwq does not compile minifloat")
    whole = along(call, whole, shape, "the zero point")
    return whole.reshape(-1)[:1] if bool((whole == whole.reshape(-1)[0]).all()) else whole


def code_limits(call: Call, zero_index: int) -> tuple[int, int]:
    """The integer range of a quantized tensor: by its zero point's type, else `output_dtype`, else uint8."""
    stated = int(call.attribute("output_dtype", 0))
    kind = (call.types[zero_index] if call.given(zero_index) else 0) or stated or TensorProto.UINT8
    if stated not in (0, kind):
        raise call.broken(f"output_dtype {type_name(stated)} and a zero point of {type_name(kind)}")
    if kind not in INTEGERS:
        name = TensorProto.DataType.Name(kind) if kind in TensorProto.DataType.values() else str(kind)
        raise call.fail(f"quantization to {name.lower()}", "quantize to an integer type of 2 to 32 bits")
    bits, signed = INTEGERS[kind]
    return integer_limits(bits, signed, False)


def _not_blocked(call: Call, value: Value) -> None:
    block = int(call.attribute("block_size", 0))
    if isinstance(value, Signal) and block:
        raise call.fail(
            f"blocks of {block} on an activation",
            "quantize activations per tensor or per channel (weights may be blocked)",
        )


def quantizer(scale: Rationals, zero: Codes, lo: int, hi: int) -> real.Quantize:
    """clip(round_half_even(x / scale) + zero, lo, hi), as an integer tensor."""
    after = int(zero[0]) if zero.shape == (1,) else zero
    return real.Quantize(reciprocal(scale), scalar(0), Rounding.HALF_EVEN, lo, hi, scalar(1), scalar(0), after)


def dequantized(call: Call, x: Value, scale: Rationals, zero: Codes) -> Value:
    """(x - zero) * scale. Weights of scale 0 are 0 whatever their codes, and are stored as such."""
    if isinstance(x, Signal | Coded):
        offset = squeeze_uniform(np.asarray(-rationals(zero) * scale, dtype=object))
    if isinstance(x, Signal):
        return affine(call, x, scale, offset)
    if isinstance(x, Coded):
        if not np.all(scale):
            raise call.fail("a scale of 0 for a tensor that was quantized in the graph", "store it quantized")
        return Coded(x.codes, x.scale * scale, squeeze_uniform(np.asarray(x.offset * scale + offset, dtype=object)))
    whole = np.rint(x).astype(np.int64)
    if not np.array_equal(whole, x):
        raise call.broken("it dequantizes a tensor that holds no integers")
    codes = np.asarray(np.atleast_1d(whole) - zero)
    dead = np.asarray(scale == 0, dtype=bool)
    if dead.any():
        codes = np.where(dead, 0, codes)
        scale = squeeze_uniform(np.where(dead, scalar(1), scale))
    return Coded(codes, scale, scalar(0))


def quantize_linear(call: Call) -> list[Value]:
    """QuantizeLinear: saturate(round_half_even(x / scale) + zero)."""
    x = call.value(0)
    _not_blocked(call, x)
    scale, zero = scale_of(call, 1, x.shape), zero_of(call, 2, x.shape)
    return quantize(call, quantizer(scale, zero, *code_limits(call, 2)))


def dequantize_linear(call: Call) -> list[Value]:
    """DequantizeLinear: (x - zero) * scale; constants become weights on their grid."""
    x = call.value(0)
    _not_blocked(call, x)
    if call.types[0] not in INTEGERS and call.types[0] != 0:
        raise call.fail("a tensor of no integer type to dequantize", "hwq does not compile minifloat")
    stated = int(call.attribute("output_dtype", 0))
    if stated not in (0, TensorProto.FLOAT, call.types[1]):
        raise call.fail(f"output_dtype {type_name(stated)}", "dequantize to float32")
    scale = scale_of(call, 1, x.shape, dead=not isinstance(x, Signal))
    return [dequantized(call, x, scale, zero_of(call, 2, x.shape))]


RULES: MappingProxyType[str, Rule] = MappingProxyType(
    {"QuantizeLinear": quantize_linear, "DequantizeLinear": dequantize_linear}
)
