"""The scalar functions, one line each: a formula in well-conditioned form, its parameters, and where it rises.

A formula is written once for all `Numbers`: it keeps its relative precision wherever float64 or mpmath keep theirs
(no difference of nearly equal numbers), so that one bound on the error holds for every function.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import prod
from types import MappingProxyType
from typing import Any

from hwq.functions.arithmetic import Numbers
from hwq.functions.function import Bounds, Function, falling, rising
from hwq.functions.qkeras import QKERAS


def _if_positive(*parameters: Fraction) -> int:
    """Rises where all parameters are at least 0."""
    return 1 if all(p >= 0 for p in parameters) else 0


def _between(lo: int, hi: int) -> Bounds:
    return lambda *_: (Fraction(lo), Fraction(hi))


def _weighted(x: Fraction | None, *parameters: Fraction) -> tuple[Fraction | None, Fraction | None]:
    """x times a weight between 0 and 1."""
    if x is None or any(p <= 0 for p in parameters):
        return None, None
    return min(x, Fraction(0)), max(x, Fraction(0))


def _above_relu(x: Fraction | None) -> tuple[Fraction | None, Fraction | None]:
    return max(x or Fraction(0), Fraction(0)), None


def _above_minus(x: Fraction | None, *factors: Fraction) -> tuple[Fraction | None, Fraction | None]:
    """Above minus the product of the factors, which are positive."""
    return (-prod(factors, start=Fraction(1)), None) if all(p > 0 for p in factors) else (None, None)


def _sigmoid(m: Numbers, x: Any) -> Any:
    return 1 / (1 + m.exp(-x))


def _softplus(m: Numbers, x: Any) -> Any:
    return m.select(x > 0, lambda: x + m.log1p(m.exp(-x)), lambda: m.log1p(m.exp(x)))


def _mish(m: Numbers, x: Any) -> Any:
    def above() -> Any:
        k = m.exp(-x)
        return x * (1 + 2 * k) / (1 + 2 * k + 2 * k * k)

    def below() -> Any:
        k = m.exp(x)
        return x * (k * (k + 2)) / (k * (k + 2) + 2)

    return m.select(x > 0, above, below)


def _gelu_tanh(m: Numbers, x: Any) -> Any:
    """x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2, as x times a sigmoid."""

    def away() -> Any:
        cubic = x + m.const(Fraction(44715, 1000000)) * x * x * x
        return x * _sigmoid(m, cubic * m.sqrt(8 / m.pi()))

    return m.select(x == 0, lambda: x, away)


def _leaky(m: Numbers, x: Any, slope: Any) -> Any:
    return m.select(x < 0, lambda: x * slope, lambda: x)


def _elu(m: Numbers, x: Any, alpha: Any) -> Any:
    return m.select(x > 0, lambda: x, lambda: alpha * m.expm1(x))


def _selu(m: Numbers, x: Any, alpha: Any, gamma: Any) -> Any:
    return gamma * _elu(m, x, alpha)


def _celu(m: Numbers, x: Any, alpha: Any) -> Any:
    return m.select(x > 0, lambda: x, lambda: alpha * m.expm1(x / alpha))


def _softsign(m: Numbers, x: Any) -> Any:
    return m.select(x < 0, lambda: x / (1 - x), lambda: x / (1 + x))


def _gate(m: Numbers, x: Any, slope: Any, offset: Any) -> Any:
    """x clip(slope x + offset, 0, 1): HardSwish and its relatives."""
    gate = slope * x + offset
    return m.select(gate <= 0, lambda: x * 0, lambda: m.select(gate >= 1, lambda: x, lambda: x * gate))


def _sign(m: Numbers, x: Any) -> Any:
    return m.select(x > 0, lambda: x * 0 + 1, lambda: m.select(x < 0, lambda: x * 0 - 1, lambda: x * 0))


def _shrink(m: Numbers, x: Any, lambd: Any, bias: Any) -> Any:
    return m.select(x > lambd, lambda: x - bias, lambda: m.select(x < -lambd, lambda: x + bias, lambda: x * 0))


def _abs(m: Numbers, x: Any) -> Any:
    return m.select(x < 0, lambda: -x, lambda: x)


def _reciprocal(m: Numbers, x: Any) -> Any:
    return 1 / x


def _power_trend(p: Fraction) -> int:
    return 1 if p > 0 and p.denominator == 1 and p.numerator % 2 == 1 else 0


FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        f.name: f
        for f in (
            Function("Sigmoid", _sigmoid, (), rising, _between(0, 1)),
            Function("Tanh", lambda m, x: m.tanh(x), (), rising, _between(-1, 1)),
            Function("Swish", lambda m, x, alpha: x / (1 + m.exp(-alpha * x)), ("alpha",), bounds=_weighted),
            Function("HardSwish", _gate, ("slope", "offset"), gated=True),
            Function("Gelu", lambda m, x: x * m.normal(x), bounds=_weighted),
            Function("GeluTanh", _gelu_tanh, bounds=_weighted),
            Function("Mish", _mish, bounds=_weighted),
            Function("Softplus", _softplus, (), rising, _above_relu),
            Function("Softsign", _softsign, (), rising),
            Function("Elu", _elu, ("alpha",), _if_positive, _above_minus),
            Function("Selu", _selu, ("alpha", "gamma"), _if_positive, _above_minus),
            Function("Celu", _celu, ("alpha",), rising, _above_minus),
            Function("LeakyRelu", _leaky, ("alpha",), _if_positive),
            Function("PRelu", _leaky, ("slope",), _if_positive),
            Function(
                "ThresholdedRelu",
                lambda m, x, a: m.select(x > a, lambda: x, lambda: x * 0),
                ("alpha",),
                _if_positive,
                gated=True,
            ),
            Function("Shrink", _shrink, ("lambd", "bias"), gated=True),
            Function("Exp", lambda m, x: m.exp(x), (), rising),
            Function("Log", lambda m, x: m.log(x), (), rising),
            Function("Sqrt", lambda m, x: m.sqrt(x), (), rising),
            Function("Reciprocal", _reciprocal),
            Function("Abs", _abs),
            Function("Pow", lambda m, x, exponent: m.power(x, exponent), ("exponent",), _power_trend),
            Function("Exponential", lambda m, x, base: m.power(base, x), ("base",), lambda b: 1 if b >= 1 else -1),
            Function("Erf", lambda m, x: m.erf(x), (), rising, _between(-1, 1)),
            Function("Sin", lambda m, x: m.sin(x)),
            Function("Cos", lambda m, x: m.cos(x)),
            Function("Tan", lambda m, x: m.tan(x)),
            Function("Asin", lambda m, x: m.asin(x), (), rising),
            Function("Acos", lambda m, x: m.acos(x), (), falling),
            Function("Atan", lambda m, x: m.atan(x), (), rising),
            Function("Sinh", lambda m, x: m.sinh(x), (), rising),
            Function("Cosh", lambda m, x: m.cosh(x)),
            Function("Asinh", lambda m, x: m.asinh(x), (), rising),
            Function("Acosh", lambda m, x: m.acosh(x), (), rising),
            Function("Atanh", lambda m, x: m.atanh(x), (), rising),
            Function("Floor", lambda m, x: m.floor(x), (), rising, flat=True),
            Function("Ceil", lambda m, x: m.ceil(x), (), rising, flat=True),
            Function("Round", lambda m, x: m.nearest(x), (), rising, flat=True),
            Function("Sign", _sign, (), rising, flat=True),
            *QKERAS,
        )
    }
)
