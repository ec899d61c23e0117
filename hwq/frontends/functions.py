"""ONNX' scalar functions: one line each says which function of the table it is and where its parameters come from.

What is piecewise linear without a jump becomes Affine and Clip; everything else one `Unary`. A function of a constant
is folded in float64.
"""

from __future__ import annotations

from fractions import Fraction
from types import MappingProxyType

import numpy as np

from hwq.frontends import folding
from hwq.frontends.broadcast import broadcast
from hwq.frontends.call import Call, Rule, Signal, Value
from hwq.frontends.element_types import words
from hwq.frontends.standard import affine
from hwq.functions.arithmetic import FLOAT64
from hwq.functions.table import FUNCTIONS
from hwq.ir import real
from hwq.numeric.rational import Rationals, scalar, squeeze_uniform, to_float, uniform

FOLDED = words("Abs Ceil Cos Erf Exp Floor Log Reciprocal Round Sigmoid Sign Sin Softplus Sqrt Tanh")
SELU_ALPHA, SELU_GAMMA = 1.67326319217681884765625, 1.05070102214813232421875


MOST_POWER = 1 << 10


def applied(call: Call, x: Value, function: str, *arguments: Rationals) -> list[Value]:
    """The function of an activation, or of a constant."""
    if not isinstance(x, Signal):
        if call.kind in FOLDED:
            return list(folding.fold(call))
        with np.errstate(all="ignore"):
            values = np.asarray(call.array(0, "input 0"), dtype=np.float64)
            return [np.asarray(FUNCTIONS[function].formula(FLOAT64, values, *(to_float(v) for v in arguments)))]
    for parameter in arguments:
        x = broadcast(call, x, *([] if parameter.shape == (1,) else [parameter.shape]))
    return list(call.emit(real.Unary(function, tuple(arguments)), [x], x.shape))


def number(call: Call, name: str, default: float) -> Rationals:
    """A float attribute, which is float32 and therefore a fraction."""
    return scalar(Fraction(float(np.float32(call.attribute(name, default)))))


def plain(function: str, **defaults: float) -> Rule:
    """The rule of a function whose parameters are float attributes with these defaults, in the table's order."""

    def rule(call: Call) -> list[Value]:
        return applied(call, call.value(0), function, *(number(call, n, v) for n, v in defaults.items()))

    return rule


def hard_sigmoid(call: Call) -> list[Value]:
    """clip(alpha x + beta, 0, 1)."""
    x = call.value(0)
    alpha, beta = number(call, "alpha", 0.2), number(call, "beta", 0.5)
    if not isinstance(x, Signal):
        return [np.clip(call.array(0, "input 0") * to_float(alpha) + to_float(beta), 0.0, 1.0)]
    return list(call.emit(real.Clip(scalar(0), scalar(1)), [affine(call, x, alpha, beta)], x.shape))


def hard_swish(call: Call) -> list[Value]:
    """x max(0, min(1, x/6 + 1/2))."""
    return applied(call, call.value(0), "HardSwish", scalar(Fraction(1, 6)), scalar(Fraction(1, 2)))


def gelu(call: Call) -> list[Value]:
    """x Phi(x), or its tanh form (ONNX Gelu)."""
    approximate = str(call.attribute("approximate", "none"))
    if approximate not in ("none", "tanh"):
        raise call.broken(f"approximate = '{approximate}'")
    return applied(call, call.value(0), "GeluTanh" if approximate == "tanh" else "Gelu")


def fast_gelu(call: Call) -> list[Value]:
    """com.microsoft: the tanh form, of x plus a bias where one is given."""
    x = call.signal(0)
    if call.given(1):
        x = affine(call, x, scalar(1), call.exact(1, "the bias"))
    return applied(call, x, "GeluTanh")


def quick_gelu(call: Call) -> list[Value]:
    """com.microsoft: x sigmoid(alpha x)."""
    return applied(call, call.value(0), "Swish", number(call, "alpha", 1.702))


def prelu(call: Call) -> list[Value]:
    """x where x >= 0, else slope x; one slope per tensor or per channel."""
    x, slope = call.signal(0), squeeze_uniform(call.exact(1, "the slope"))
    return leaky(call, x, slope)


def leaky(call: Call, x: Signal, slope: Rationals) -> list[Value]:
    """A leaky ReLU; slope 0 is Relu and slope 1 nothing."""
    one = uniform(slope)
    if one == 1:
        return [x]
    if one == 0:
        return list(call.emit(real.Clip(scalar(0), None), [x], x.shape))
    return applied(call, x, "PRelu", slope)


def leaky_relu(call: Call) -> list[Value]:
    """x where positive, else alpha x (ONNX LeakyRelu)."""
    x, slope = call.value(0), number(call, "alpha", 0.01)
    return leaky(call, x, slope) if isinstance(x, Signal) else applied(call, x, "LeakyRelu", slope)


def power(call: Call) -> list[Value]:
    """x ** p, or b ** x, with a constant p or b."""
    base, exponent = call.value(0), call.value(1)
    if isinstance(base, Signal) and isinstance(exponent, Signal):
        raise call.fail("a power of two activations", "raise to a constant exponent")
    if isinstance(base, Signal):
        p = squeeze_uniform(call.exact(1, "the exponent"))
        if any(abs(v) > MOST_POWER for v in p.reshape(-1)):
            raise call.fail("a power past 2^10, either way", "raise to a smaller exponent")
        return [base] if uniform(p) == 1 else applied(call, base, "Pow", p)
    if isinstance(exponent, Signal):
        b = squeeze_uniform(call.exact(0, "the base"))
        if any(v <= 0 for v in b.reshape(-1)):
            raise call.fail("a power of a base that is not positive", "use a positive base")
        return applied(call, exponent, "Exponential", b)
    return list(folding.fold(call))


RULES: MappingProxyType[str, Rule] = MappingProxyType(
    {
        **{
            name: plain(name)
            for name in (
                "Sigmoid",
                "Tanh",
                "Mish",
                "Softplus",
                "Softsign",
                "Exp",
                "Log",
                "Sqrt",
                "Reciprocal",
                "Abs",
                "Erf",
                "Sin",
                "Cos",
                "Tan",
                "Asin",
                "Acos",
                "Atan",
                "Sinh",
                "Cosh",
                "Asinh",
                "Acosh",
                "Atanh",
                "Floor",
                "Ceil",
                "Round",
                "Sign",
            )
        },
        "Swish": plain("Swish", alpha=1.0),
        "Elu": plain("Elu", alpha=1.0),
        "Selu": plain("Selu", alpha=SELU_ALPHA, gamma=SELU_GAMMA),
        "Celu": plain("Celu", alpha=1.0),
        "ThresholdedRelu": plain("ThresholdedRelu", alpha=1.0),
        "Shrink": plain("Shrink", lambd=0.5, bias=0.0),
        "HardSigmoid": hard_sigmoid,
        "HardSwish": hard_swish,
        "Gelu": gelu,
        "LeakyRelu": leaky_relu,
        "PRelu": prelu,
        "Pow": power,
    }
)
MICROSOFT_RULES: MappingProxyType[str, Rule] = MappingProxyType(
    {"Gelu": gelu, "FastGelu": fast_gelu, "QuickGelu": quick_gelu}
)
