"""Quantizers as ONNX nodes: QONNX Quant or BipolarQuant where that is the same function, else domain `qkeras`.

Of a constant the same values are asked for, and checked here; of an activation the same function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from hwq.errors import UnsupportedError
from hwq.models import qkeras_domain as onnx_ops
from hwq.models.builder import Builder, Floats
from hwq.models.qonnx_domain import BipolarQuant, Quant
from hwq.numeric.fixed import Overflow, Rounding
from hwq.quantizers import Quantizer
from hwq.quantizers.binary import SignQuantizer
from hwq.quantizers.bits import BitsQuantizer
from hwq.quantizers.linear import QuantizedLinear

MAX_POWER = 120  # of a step: beyond, float32 division is not exact
Form = Quant | BipolarQuant
Move = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]


def as_it_is(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """No change of layout."""
    return values


def constant_node(b: Builder, wish: str, q: Quantizer | None, values: Floats, move: Move = as_it_is) -> str:
    """The name of q(values), moved into ONNX' layout: a constant, and the node that quantizes it.

    The constant holds the values as they were trained where the node is exact for them, else the quantized ones.
    """
    if q is None:
        return b.constant(wish, move(values))
    check(q, q.NAME)
    expected = q(values)
    for form in _forms(q, expected.shape):
        sources = (values, expected) if _exact_division(form.scale) else (expected,)
        for source in sources:
            if np.array_equal(form(source), expected):
                name = b.constant(f"{wish}_values", move(source))
                return _put(b, _moved(form, expected.shape, move), name, wish)
    if q.is_auto or np.size(q.scale if q.scale is not None else 1) > 1:
        found = f"a scale per channel that no Quant node holds ({q})"
        raise UnsupportedError(found, remedy="use quantized_bits with alpha='auto_po2'")
    name = b.constant(f"{wish}_values", move(values))
    return b.put(wish, lambda y: onnx_ops.quantizer_node(q, name, y, name=y))


def form_node(b: Builder, wish: str, form: Form, x: str) -> str:
    """The name of a QONNX quantizer's result."""
    return _put(b, form, x, wish)


def activation_node(b: Builder, wish: str, q: Quantizer, x: str) -> str:
    """The name of q(x) for an activation x."""
    check(q, q.NAME)
    if q.is_auto:
        found = f"alpha='{getattr(q, 'alpha', '')}' on an activation: its scale would depend on the data"
        raise UnsupportedError(found, remedy="use alpha None or a number for activations")
    form = activation_form(q)
    if form is not None:
        return _put(b, form, x, wish)
    return b.put(wish, lambda y: onnx_ops.quantizer_node(q, x, y, name=y))


def per_channel(q: Quantizer) -> bool:
    """Whether the quantizer holds one alpha per channel, so that the layout of its input matters."""
    return q.scale is not None and q.scale.size > 1


def check(q: Quantizer, name: str) -> None:
    """Refuse what no ONNX node can state."""
    if q.NAME == "bernoulli":
        raise UnsupportedError("bernoulli draws at random, at inference too", remedy="use binary or stochastic_binary")
    if getattr(q, "qnoise_factor", 1.0) != 1.0:
        found = f"{name}: qnoise_factor={getattr(q, 'qnoise_factor', 1.0)} lets part of the input through unquantized"
        raise UnsupportedError(found, remedy="set it to 1 before saving")


def activation_form(q: Quantizer) -> Form | None:
    """The QONNX node that is the same function as q for every input, or None."""
    if q.grid is not None and q.affine == (Fraction(1), Fraction(0)):
        kind, rounding, overflow = q.grid
        narrow = overflow is Overflow.SATURATE_SYMMETRIC and kind.signed
        plain = rounding is Rounding.HALF_EVEN and overflow in (Overflow.SATURATE, Overflow.SATURATE_SYMMETRIC)
        if plain and abs(kind.frac) <= MAX_POWER and not (kind.signed and kind.width == 1):
            return Quant(_float(2.0**-kind.frac), kind.width, kind.signed, narrow)
        return None
    if _is_sign(q) and not per_channel(q):
        low, high = _levels(q, ())
        if high == -low and high > 0:
            return BipolarQuant(_float(high))
    return None


def _is_sign(q: Quantizer) -> bool:
    return isinstance(q, BitsQuantizer | QuantizedLinear | SignQuantizer) and q.code_word.startswith("1 bit")


def _levels(q: Quantizer, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """The values of code 0 and code 1 of a 1-bit quantizer."""
    factor = q.scale if q.is_auto and q.scale is not None else np.float32(1)
    words = (np.zeros(shape, dtype=np.int64), np.ones(shape, dtype=np.int64))
    low, high = (np.asarray(q.unit_values(word) * factor, dtype=np.float32) for word in words)
    return low, high


def _forms(q: Quantizer, shape: tuple[int, ...]) -> Iterator[Form]:
    """Nodes that may hold the values of q, the most natural first; a step of 0 (a dead channel) becomes 1."""
    if q.code_word.startswith("1 bit"):
        low, high = _levels(q, () if q.scale is None else q.scale.shape)
        step = _positive(np.maximum(np.abs(low), np.abs(high)))
        yield BipolarQuant(step)
        yield Quant(step, 1, False, False)
        yield Quant(step, 2, True, True)
    elif q.code_word in ("two's complement", "unsigned"):
        scale = np.float32(1) if q.scale is None else q.scale
        step = _positive(np.abs(np.asarray(scale * np.float32(q.type.lsb), dtype=np.float32)))
        least, most = q.code_range()
        narrow = q.type.signed and least == -most
        yield Quant(step, q.type.width, q.type.signed, narrow)
        yield Quant(step, q.type.width + 1, True, False)


def _positive(step: Floats) -> Floats:
    return np.asarray(np.where(step > 0, step, 1), dtype=np.float32)


def _exact_division(scale: Floats) -> bool:
    mantissa, exponent = np.frexp(scale)
    return bool((mantissa == 0.5).all() and (np.abs(exponent) <= MAX_POWER).all())


def _float(value: Any) -> Floats:
    return np.asarray(value, dtype=np.float32)


def _moved(form: Form, shape: tuple[int, ...], move: Move) -> Form:
    """The form with its scale in the layout of its values, one number along each axis that shares it."""
    if form.scale.size == 1:
        scale = form.scale.reshape(())
    else:
        scale = move(np.broadcast_to(form.scale, shape))
        for axis in range(scale.ndim):
            one = np.take(scale, [0], axis=axis)
            scale = one if bool((scale == one).all()) else scale
        scale = scale.reshape(()) if scale.size == 1 else scale
    if isinstance(form, BipolarQuant):
        return BipolarQuant(scale)
    return Quant(scale, form.bits, form.signed, form.narrow, form.rounding)


def _put(b: Builder, form: Form, x: str, wish: str) -> str:
    scale = b.shared(f"{wish}_scale", form.scale)
    if isinstance(form, BipolarQuant):
        bipolar = form
        return b.put(wish, lambda y: bipolar.node(x, scale, y, y))
    quant, zero, bits = form, b.shared("zero", 0.0), b.shared(f"bits_{form.bits}", float(form.bits))
    return b.put(wish, lambda y: quant.node(x, scale, zero, bits, y, y))
