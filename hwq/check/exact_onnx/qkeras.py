"""QKeras' quantizers at inference, from what the package computes: codes, grids and laws one by one.

Automatic scales, which the package finds in float32, and what draws at random are not read here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import mpmath
import numpy as np

from hwq.check.exact_onnx import scalar, values
from hwq.check.exact_onnx.node import Node, Op, Unknown
from hwq.check.exact_onnx.tensor import Exact, of_fractions

HALF, ONE = Fraction(1, 2), Fraction(1)
TINY = Fraction(1, 10**7)  # Keras' epsilon
Function = Callable[[Fraction], Any]


def shortest(value: Any) -> Fraction:
    """The shortest decimal that is this float32: what was written, 0.3 and not 0.300000012."""
    return Fraction(str(np.float32(value)))


def _number(node: Node, name: str, default: Any = 0) -> Fraction:
    value = node.attributes.get(name)
    return Fraction(default) if value is None else shortest(value)


def _two_to(exponent: Fraction | int) -> Fraction:
    e = Fraction(exponent)
    if e.denominator != 1:
        raise Unknown("a power of two with a fractional exponent")
    return Fraction(2) ** int(e)


def _alpha(node: Node, x: Exact) -> Exact:
    """alpha: None is 1; a number or a list of float32."""
    value = node.attributes.get("alpha")
    if value is None:
        return values.number(1, x)
    if isinstance(value, Exact):
        return value
    if isinstance(value, bytes | str):
        raise Unknown("an automatic scale: the package finds it in float32")
    listed = value if isinstance(value, list | tuple) else [value]
    numbers = [Fraction(float(np.float32(v))) for v in listed]
    return of_fractions(numbers, (len(numbers),))


def half_even(v: Any) -> int:
    """To the nearest, ties to even; an mpmath number is irrational and has no ties."""
    return round(v) if isinstance(v, Fraction) else int(mpmath.nint(v))


def _clip(v: Any, lo: Any, hi: Any) -> Any:
    return min(max(v, lo), hi)


def _signed(node: Node, x: Exact, size: Exact) -> Exact:
    above = values.at_least(x, values.zero(x))
    return values.mul(Exact(np.where(above, 1, -1)), size)


def _codes(x: Exact, f: Function) -> Exact:
    return values.function(x, f, jumps=True)


def quantized_bits(node: Node, x: Exact) -> Exact:
    """quantized_bits (qkeras) at inference."""
    bits, integer = int(_number(node, "bits", 8)), _number(node, "integer", 0)
    keep = int(_number(node, "keep_negative", 1))
    symmetric = int(_number(node, "symmetric", 0))
    n, alpha = bits - keep, _alpha(node, x)
    if n <= 0:
        if keep:
            return _signed(node, x, alpha)
        return values.mul(_codes(x, lambda v: Fraction(v >= 0)), alpha)
    lsb = _two_to(integer - n)
    lo, hi = -keep * (2**n - symmetric), 2**n - 1
    return values.mul(_codes(x, lambda v: _clip(half_even(v / lsb), lo, hi) * lsb), alpha)


def quantized_linear(node: Node, x: Exact) -> Exact:
    """quantized_linear (qkeras) at inference."""
    bits, integer = int(_number(node, "bits", 8)), _number(node, "integer", 0)
    keep = int(_number(node, "keep_negative", 1))
    symmetric = int(_number(node, "symmetric", 1))
    n = bits - keep
    step = values.scaled(_alpha(node, x), _two_to(integer - n))
    if n == 0:
        return _signed(node, x, values.scaled(step, HALF))
    lo, hi = -keep * (2**n - symmetric), 2**n - 1
    ratio = values.divide(x, step)
    return values.mul(_codes(ratio, lambda v: Fraction(_clip(half_even(v), lo, hi))), step)


def _internal(mode: str) -> Function:
    """The package's internal sigmoid."""
    if mode == "real":
        return scalar.sigmoid
    slope = Fraction(3, 16) if mode == "smooth" else HALF
    return lambda v: _clip(slope * v + HALF, Fraction(0), ONE)


def _mode(node: Node) -> str:
    return node.text("internal_sigmoid", "hard")


def quantized_relu(node: Node, x: Exact) -> Exact:
    """quantized_relu (qkeras) at inference."""
    bits, integer = int(_number(node, "bits", 8)), _number(node, "integer", 0)
    slope = _number(node, "negative_slope", 0)
    n = bits - (slope != 0)
    m, top = 2**n, _two_to(integer)
    lsb = top / m
    if node.integer("use_sigmoid", 0):
        curve = _internal(_mode(node))

        def law(v: Fraction) -> Fraction:
            s = curve(v / top)
            above = _clip(Fraction(2 * half_even(m * s), m) - 1, Fraction(0), 1 - Fraction(1, m))
            below = Fraction(0)
            if slope:
                r = slope * m
                below = slope * _clip(2 * Fraction(half_even(_times(r, s))) / r - 1, Fraction(-1), Fraction(0))
            return Fraction(top * (above + below))
    else:

        def law(v: Fraction) -> Fraction:
            above = _clip(half_even(v / lsb), 0, m - 1) * lsb
            below = _clip(Fraction(half_even(slope * v / lsb)), -slope * m, Fraction(0)) * lsb if slope else Fraction(0)
            return Fraction(above + below)

    y = _codes(x, law)
    bound = node.attributes.get("relu_upper_bound")
    if bound is not None and not node.integer("is_quantized_clip", 1):
        y = values.smaller(y, values.number(Fraction(float(np.float32(bound))), y))
    return y


def _times(factor: Fraction, v: Any) -> Any:
    return factor * v if isinstance(v, Fraction) else scalar.mp(factor) * v


def quantized_sigmoid(node: Node, x: Exact) -> Exact:
    """quantized_sigmoid (qkeras) at inference."""
    bits, s = int(_number(node, "bits", 8)), int(_number(node, "symmetric", 0))
    curve = scalar.sigmoid if node.integer("use_real_sigmoid", 0) else _internal(_mode(node))
    return _codes(x, lambda v: Fraction(_clip(half_even(2**bits * curve(v)), s, 2**bits - 1), 2**bits))


def quantized_tanh(node: Node, x: Exact) -> Exact:
    """quantized_tanh (qkeras) at inference."""
    bits, s = int(_number(node, "bits", 8)), int(_number(node, "symmetric", 0))
    m = 2 ** (bits - 1)
    if node.integer("use_real_tanh", 0):
        curve: Function = scalar.tanh
    else:
        inner = _internal(_mode(node))
        curve = lambda v: 2 * inner(v) - 1  # noqa: E731
    return _codes(x, lambda v: Fraction(_clip(half_even(m * curve(v)), -m + s, m - 1), m))


def quantized_ulaw(node: Node, x: Exact) -> Exact:
    """quantized_ulaw (qkeras) at inference."""
    bits, integer = int(_number(node, "bits", 8)), _number(node, "integer", 0)
    s, u, m, top = int(_number(node, "symmetric", 0)), _number(node, "u", 255), 2 ** (bits - 1), _two_to(integer)
    curve = _internal(_mode(node))

    def law(v: Fraction) -> Any:
        r = 2 * Fraction(half_even(m * curve(v / top)), m) - 1
        lo, hi = -1 + Fraction(s, m), 1 - Fraction(1, m)
        if r == 0:
            return Fraction(0)
        if abs(r) == 1:
            return top * (hi if r > 0 else max(lo, Fraction(-1)))
        c = mpmath.log1p(scalar.mp(u * abs(r))) / mpmath.log1p(scalar.mp(u)) * (1 if r > 0 else -1)
        if c > scalar.mp(hi):
            return top * hi
        return top * lo if c < scalar.mp(lo) else scalar.mp(top) * c

    return values.function(x, law)


def quantized_hswish(node: Node, x: Exact) -> Exact:
    """quantized_hswish (qkeras) at inference."""
    shift, upper = _number(node, "relu_shift", 3), _number(node, "relu_upper_bound", 6)
    return quantized_bits(node, values.function(x, lambda v: v * _clip(v + shift, Fraction(0), upper) / upper))


def _power_law(node: Node, bits: int) -> Callable[[Fraction], Fraction]:
    """|x| -> 2^e, by the geometric means between the powers."""
    stated = node.attributes.get("max_value")
    most = None if stated is None else shortest(stated)
    quadratic = bool(node.integer("quadratic_approximation", 0))
    floors = node.text("log2_rounding", "rnd") == "floor"
    edge = 2 ** (bits - (0 if most is not None and most <= 1 else 1))
    if edge < 1:
        raise Unknown("a power of two of no bits")
    lo, hi = -edge, edge - 1
    if quadratic:
        hi = 2 * (hi // 2)

    def log2_rounded(z: Fraction, halve: bool, down: bool) -> int:
        """round(log2(z) / (2 if halve else 1)), exactly: powers of 2 (or of 4) about the square."""
        per = 2 if halve else 1
        k = (z.numerator.bit_length() - z.denominator.bit_length()) // per - 2
        if down:
            while _two_to(per * (k + 1)) <= z:
                k += 1
            return k
        while True:  # the boundary between k and k + 1 is 2^(per (k + 1/2)): squared 2^(per (2 k + 1))
            limit = _two_to(per * (2 * k + 1))
            if z * z > limit or (z * z == limit and k % 2 == 1):
                k += 1
            else:
                return k

    def law(a: Fraction) -> Fraction:
        if a < TINY:
            return _two_to(lo)
        z = a if most is None else min(a, most)
        if quadratic:
            return _two_to(2 * _clip(log2_rounded(z, True, floors), lo, hi))
        return _two_to(_clip(log2_rounded(z, False, floors), lo, hi))

    return law


def quantized_po2(node: Node, x: Exact) -> Exact:
    """quantized_po2 (qkeras) at inference."""
    law = _power_law(node, int(_number(node, "bits", 8)) - 1)
    return _codes(x, lambda v: law(abs(v)) * (1 if v >= 0 else -1))


def quantized_relu_po2(node: Node, x: Exact) -> Exact:
    """quantized_relu_po2 (qkeras) at inference."""
    law, slope = _power_law(node, int(_number(node, "bits", 8))), _number(node, "negative_slope", 0)
    return _codes(x, lambda v: law(max(v, Fraction(0))) if v >= 0 or not slope else -law(slope * -v))


def binary(node: Node, x: Exact) -> Exact:
    """binary (qkeras) at inference."""
    alpha = _alpha(node, x)
    if node.integer("use_01", 0):
        return values.mul(_codes(x, lambda v: Fraction(v >= 0)), alpha)
    return _signed(node, x, alpha)


def ternary(node: Node, x: Exact) -> Exact:
    """ternary (qkeras) at inference."""
    threshold = node.attributes.get("threshold")
    cut = Fraction(float(np.float32(0.33 if threshold is None else threshold)))
    signs = _codes(x, lambda v: Fraction((v > 0) - (v < 0)) if abs(v) >= cut else Fraction(0))
    return values.mul(signs, _alpha(node, x))


def _step(low: int) -> Op:
    """1 where x > 2^-24, as float32 has it, else `low`."""
    return lambda node, x: _codes(x, lambda v: ONE if v > Fraction(1, 1 << 24) else Fraction(low))


def _line(f: Function) -> Op:
    return lambda node, x: values.function(x, f)


def _random(node: Node, x: Exact) -> Exact:
    raise Unknown(f"{node.kind}: it draws at random")


TABLE: Mapping[str, Op] = MappingProxyType(
    {
        "bernoulli": _random,
        "binary": binary,
        "binary_sigmoid": _step(0),
        "binary_tanh": _step(-1),
        "hard_sigmoid": _line(_internal("hard")),
        "hard_tanh": _line(lambda v: _clip(v, Fraction(-1), ONE)),
        "linear": _line(lambda v: v),
        "quantized_bits": quantized_bits,
        "quantized_hswish": quantized_hswish,
        "quantized_linear": quantized_linear,
        "quantized_po2": quantized_po2,
        "quantized_relu": quantized_relu,
        "quantized_relu_po2": quantized_relu_po2,
        "quantized_sigmoid": quantized_sigmoid,
        "quantized_tanh": quantized_tanh,
        "quantized_ulaw": quantized_ulaw,
        "relu": _line(lambda v: max(v, Fraction(0))),
        "sigmoid": _line(scalar.sigmoid),
        "smooth_sigmoid": _line(_internal("smooth")),
        "smooth_tanh": _line(lambda v: _clip(Fraction(3, 8) * v, Fraction(-1), ONE)),
        "stochastic_binary": binary,
        "stochastic_round": _random,
        "stochastic_round_po2": _random,
        "stochastic_ternary": ternary,
        "tanh": _line(scalar.tanh),
        "ternary": ternary,
    }
)
