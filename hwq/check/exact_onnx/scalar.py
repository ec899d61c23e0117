"""ONNX' scalar functions, one by one, from their op pages: rational where they are, else by mpmath to 400 bits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import partial
from math import isqrt
from types import MappingProxyType
from typing import Any

import mpmath
import numpy as np

from hwq.check.exact_onnx import values
from hwq.check.exact_onnx.node import Node, Op
from hwq.check.exact_onnx.tensor import Exact

HALF = Fraction(1, 2)


def mp(v: Fraction) -> Any:
    """The fraction as an mpmath number."""
    return mpmath.mpf(v.numerator) / v.denominator


def root(v: Fraction) -> Any:
    """The square root, exact where it is rational."""
    num, den = isqrt(v.numerator), isqrt(v.denominator)
    if num * num == v.numerator and den * den == v.denominator:
        return Fraction(num, den)
    return mpmath.sqrt(mp(v))


def at_zero(value: Fraction, f: Callable[[Any], Any], at: Fraction = Fraction(0)) -> Callable[[Fraction], Any]:
    """A function that is transcendental at every rational but one."""
    return lambda v: value if v == at else f(mp(v))


def sigmoid(v: Fraction) -> Any:
    """Sigmoid, as its op page has it."""
    return HALF if v == 0 else 1 / (1 + mpmath.exp(-mp(v)))


def tanh(v: Fraction) -> Any:
    """Tanh, as its op page has it."""
    return Fraction(0) if v == 0 else mpmath.tanh(mp(v))


def swish(alpha: Fraction) -> Callable[[Fraction], Any]:
    """Swish, as its op page has it."""
    return lambda v: v * HALF if v * alpha == 0 else mp(v) / (1 + mpmath.exp(-mp(v * alpha)))


def gelu(v: Fraction) -> Any:
    """Gelu, as its op page has it."""
    return Fraction(0) if v == 0 else mp(v) / 2 * (1 + mpmath.erf(mp(v) / mpmath.sqrt(2)))


def gelu_tanh(v: Fraction) -> Any:
    """GeluTanh, as its op page has it."""
    if v == 0:
        return Fraction(0)
    x = mp(v)
    return x / 2 * (1 + mpmath.tanh(mpmath.sqrt(2 / mpmath.pi) * (x + mp(Fraction(44715, 10**6)) * x**3)))


def power(base: Fraction, exponent: Fraction) -> Any:
    """base ** exponent, exact for whole and half exponents where it is rational."""
    if exponent.denominator == 1 and abs(exponent) <= 64:
        return base**exponent.numerator
    if base < 0:
        raise ValueError("a fractional power of a negative number")
    if base == 0:
        return Fraction(0)
    if exponent.denominator == 2 and abs(exponent) <= 64:
        r = root(base)
        return r**exponent.numerator
    if base == 1:
        return Fraction(1)
    return mpmath.power(mp(base), mp(exponent))


def _simple(f: Callable[[Fraction], Any], jumps: bool = False) -> Op:
    return lambda node, x: values.function(x, f, jumps)


def _half_even(v: Fraction) -> Fraction:
    return Fraction(round(v))


def _piecewise(build: Callable[[Node], Callable[[Fraction], Any]], jumps: bool = False) -> Op:
    return lambda node, x: values.function(x, build(node), jumps)


def _elu(node: Node) -> Callable[[Fraction], Any]:
    alpha = node.number("alpha", 1.0)
    return lambda v: v if v >= 0 else mp(alpha) * mpmath.expm1(mp(v))


def _selu(node: Node) -> Callable[[Fraction], Any]:
    alpha = node.number("alpha", 1.67326319217681884765625)
    gamma = node.number("gamma", 1.05070102214813232421875)
    return lambda v: gamma * v if v >= 0 else mp(gamma * alpha) * mpmath.expm1(mp(v))


def _celu(node: Node) -> Callable[[Fraction], Any]:
    alpha = node.number("alpha", 1.0)
    return lambda v: v if v >= 0 else mp(alpha) * mpmath.expm1(mp(v / alpha))


def _shrink(node: Node) -> Callable[[Fraction], Any]:
    lambd, bias = node.number("lambd", 0.5), node.number("bias", 0.0)
    return lambda v: v + bias if v < -lambd else v - bias if v > lambd else Fraction(0)


def _thresholded(node: Node) -> Callable[[Fraction], Any]:
    alpha = node.number("alpha", 1.0)
    return lambda v: v if v > alpha else Fraction(0)


def _hard_sigmoid(node: Node) -> Callable[[Fraction], Any]:
    alpha, beta = node.number("alpha", 0.2), node.number("beta", 0.5)
    return lambda v: max(Fraction(0), min(Fraction(1), alpha * v + beta))


def _hard_swish(v: Fraction) -> Fraction:
    return v * max(Fraction(0), min(Fraction(1), v / 6 + HALF))


def _leaky(node: Node) -> Callable[[Fraction], Any]:
    alpha = node.number("alpha", 0.01)
    return lambda v: v if v >= 0 else alpha * v


def prelu(node: Node, x: Exact, slope: Exact) -> Exact:
    """x where x >= 0, else slope x."""
    high = values.larger(x, values.zero(x))
    low = values.smaller(x, values.zero(x))
    return values.add(high, values.mul(low, slope))


def _raised(exponent: Fraction, base: Fraction) -> Any:
    return power(base, exponent)


def pow_(node: Node, x: Exact, y: Exact) -> Exact:
    """x ** y."""
    if int(np.prod(y.shape)) == 1:
        exponent = y.fractions().reshape(-1)[0]
        return values.function(x, lambda v: power(v, exponent))
    if int(np.prod(x.shape)) == 1:
        base = x.fractions().reshape(-1)[0]
        return values.function(y, lambda v: power(base, v)).typed(x.kind)
    shape = np.broadcast_shapes(x.shape, y.shape)
    parts = []
    flat_y = np.broadcast_to(y.fractions(), shape)
    result = None
    for e in dict.fromkeys(flat_y.reshape(-1).tolist()):
        here = values.function(x, partial(_raised, e))
        mask = Exact(np.asarray(flat_y == e).astype(np.int64))
        term = values.mul(here, mask)
        result = term if result is None else values.add(result, term)
        parts.append(e)
    assert result is not None
    return result


def gelu_op(node: Node, x: Exact) -> Exact:
    """Gelu, exact or in its tanh form."""
    return values.function(x, gelu_tanh if node.text("approximate", "none") == "tanh" else gelu)


def fast_gelu(node: Node, x: Exact, bias: Exact | None = None) -> Exact:
    """com.microsoft FastGelu: the tanh form of x plus a bias."""
    return values.function(x if bias is None else values.add(x, bias), gelu_tanh)


TABLE: Mapping[str, Op] = MappingProxyType(
    {
        "Abs": _simple(abs),
        "Acos": _simple(at_zero(Fraction(0), mpmath.acos, Fraction(1))),
        "Acosh": _simple(at_zero(Fraction(0), mpmath.acosh, Fraction(1))),
        "Asin": _simple(at_zero(Fraction(0), mpmath.asin)),
        "Asinh": _simple(at_zero(Fraction(0), mpmath.asinh)),
        "Atan": _simple(at_zero(Fraction(0), mpmath.atan)),
        "Atanh": _simple(at_zero(Fraction(0), mpmath.atanh)),
        "Ceil": _simple(lambda v: Fraction(-((-v.numerator) // v.denominator)), jumps=True),
        "Cos": _simple(at_zero(Fraction(1), mpmath.cos)),
        "Cosh": _simple(at_zero(Fraction(1), mpmath.cosh)),
        "Celu": _piecewise(_celu),
        "Elu": _piecewise(_elu),
        "Erf": _simple(at_zero(Fraction(0), mpmath.erf)),
        "Exp": _simple(at_zero(Fraction(1), mpmath.exp)),
        "Floor": _simple(lambda v: Fraction(v.numerator // v.denominator), jumps=True),
        "Gelu": gelu_op,
        "HardSigmoid": _piecewise(_hard_sigmoid),
        "HardSwish": _simple(_hard_swish),
        "LeakyRelu": _piecewise(_leaky),
        "Log": _simple(at_zero(Fraction(0), mpmath.log, Fraction(1))),
        "Mish": _simple(at_zero(Fraction(0), lambda v: v * mpmath.tanh(mpmath.log1p(mpmath.exp(v))))),
        "PRelu": prelu,
        "Pow": pow_,
        "Reciprocal": _simple(lambda v: 1 / v),
        "Round": _simple(_half_even, jumps=True),
        "Selu": _piecewise(_selu),
        "Shrink": _piecewise(_shrink, jumps=True),
        "Sigmoid": _simple(sigmoid),
        "Sign": _simple(lambda v: Fraction((v > 0) - (v < 0)), jumps=True),
        "Sin": _simple(at_zero(Fraction(0), mpmath.sin)),
        "Sinh": _simple(at_zero(Fraction(0), mpmath.sinh)),
        "Softplus": _simple(lambda v: mpmath.log1p(mpmath.exp(mp(v)))),
        "Softsign": _simple(lambda v: v / (1 + abs(v))),
        "Sqrt": _simple(root),
        "Swish": _piecewise(lambda node: swish(node.number("alpha", 1.0))),
        "Tan": _simple(at_zero(Fraction(0), mpmath.tan)),
        "Tanh": _simple(tanh),
        "ThresholdedRelu": _piecewise(_thresholded, jumps=True),
    }
)
MICROSOFT: Mapping[str, Op] = MappingProxyType(
    {
        "Gelu": gelu_op,
        "FastGelu": fast_gelu,
        "QuickGelu": _piecewise(lambda node: swish(node.number("alpha", 1.702))),
    }
)
