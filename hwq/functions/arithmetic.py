"""The three arithmetics a scalar function is written for once: float64 arrays, any precision, exact fractions.

A formula takes one of them as its first argument. Float64 gives estimates of whole tables, mpmath decides what lies
close to a step, and fractions find the values that are rational, so that no tie is ever left to digits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Protocol

import mpmath
import numpy as np

from hwq.errors import UnsupportedError

Branch = Callable[[], Any]
MOST_ROOT = 64  # a power's denominator up to which an exact root is looked for
MOST_PLACES = 1 << 16  # of a power of two in a number that becomes a fraction
MOST_EXPONENT = 1 << 64  # argument of exp beyond which nothing is computed


class Irrational(Exception):
    """The value at this point is not known to be rational."""


class Undefined(Exception):
    """The function has no value at this point."""


class Numbers(Protocol):
    """What a formula may use besides + - * / and comparisons."""

    def const(self, value: Fraction) -> Any: ...
    def pi(self) -> Any: ...
    def select(self, condition: Any, yes: Branch, no: Branch) -> Any: ...
    def exp(self, x: Any) -> Any: ...
    def expm1(self, x: Any) -> Any: ...
    def log(self, x: Any) -> Any: ...
    def log1p(self, x: Any) -> Any: ...
    def tanh(self, x: Any) -> Any: ...
    def erf(self, x: Any) -> Any: ...
    def normal(self, x: Any) -> Any:
        """The normal distribution, erfc(-x / sqrt(2)) / 2."""

    def sqrt(self, x: Any) -> Any: ...
    def sin(self, x: Any) -> Any: ...
    def cos(self, x: Any) -> Any: ...
    def tan(self, x: Any) -> Any: ...
    def asin(self, x: Any) -> Any: ...
    def acos(self, x: Any) -> Any: ...
    def atan(self, x: Any) -> Any: ...
    def sinh(self, x: Any) -> Any: ...
    def cosh(self, x: Any) -> Any: ...
    def asinh(self, x: Any) -> Any: ...
    def acosh(self, x: Any) -> Any: ...
    def atanh(self, x: Any) -> Any: ...
    def power(self, x: Any, p: Any) -> Any: ...
    def floor(self, x: Any) -> Any: ...
    def ceil(self, x: Any) -> Any: ...
    def nearest(self, x: Any) -> Any:
        """The nearest integer, ties to even."""

    def exponent(self, x: Any) -> Any:
        """The greatest e with 2**e <= x (x > 0)."""

    def two_to(self, e: Any) -> Any:
        """2**e of an integer e."""


class Float64:
    """Arrays of doubles; overflow and undefined points become infinities and NaN, which nothing trusts."""

    def __init__(self) -> None:
        self.exp, self.expm1, self.log, self.log1p = np.exp, np.expm1, np.log, np.log1p
        self.tanh, self.sqrt, self.sin, self.cos, self.tan = np.tanh, np.sqrt, np.sin, np.cos, np.tan
        self.asin, self.acos, self.atan = np.arcsin, np.arccos, np.arctan
        self.sinh, self.cosh, self.asinh, self.acosh, self.atanh = np.sinh, np.cosh, np.arcsinh, np.arccosh, np.arctanh
        self.floor, self.ceil, self.nearest = np.floor, np.ceil, np.rint

    def const(self, value: Fraction) -> Any:
        return float(value)

    def pi(self) -> Any:
        return math.pi

    def select(self, condition: Any, yes: Branch, no: Branch) -> Any:
        return np.where(condition, yes(), no())

    def erf(self, x: Any) -> Any:
        return np.asarray(np.frompyfunc(math.erf, 1, 1)(x), dtype=np.float64)

    def normal(self, x: Any) -> Any:
        return np.asarray(np.frompyfunc(math.erfc, 1, 1)(x * -math.sqrt(0.5)), dtype=np.float64) / 2

    def power(self, x: Any, p: Any) -> Any:
        return np.power(x, p)

    def exponent(self, x: Any) -> Any:
        return np.frexp(x)[1] - 1.0

    def two_to(self, e: Any) -> Any:
        return np.exp2(e)


class Precise:
    """One number at a time, to `bits` significant bits (mpmath)."""

    def __init__(self, bits: int) -> None:
        self.bits = bits
        self.context = mpmath.MPContext()
        self.context.prec = bits + 20
        self.expm1, self.log1p = self.context.expm1, self.context.log1p
        self.tanh, self.erf = self.context.tanh, self.context.erf
        self.sin, self.cos, self.tan, self.atan = (getattr(self.context, f) for f in ("sin", "cos", "tan", "atan"))
        self.asinh = self.context.asinh
        self.floor, self.ceil, self.nearest = self.context.floor, self.context.ceil, self.context.nint

    def const(self, value: Fraction) -> Any:
        return self.context.mpf(value.numerator) / value.denominator

    def pi(self) -> Any:
        return +self.context.pi

    def select(self, condition: Any, yes: Branch, no: Branch) -> Any:
        return yes() if condition else no()

    def exp(self, x: Any) -> Any:
        if abs(x) > MOST_EXPONENT:
            raise OverflowError
        return self.context.exp(x)

    def log(self, x: Any) -> Any:
        return self._real(x > 0, lambda: self.context.log(x))

    def sqrt(self, x: Any) -> Any:
        return self._real(x >= 0, lambda: self.context.sqrt(x))

    def asin(self, x: Any) -> Any:
        return self._real(abs(x) <= self._just_over_one(), lambda: self.context.asin(min(max(x, -1), 1)))

    def acos(self, x: Any) -> Any:
        return self._real(abs(x) <= self._just_over_one(), lambda: self.context.acos(min(max(x, -1), 1)))

    def acosh(self, x: Any) -> Any:
        return self._real(x >= 2 - self._just_over_one(), lambda: self.context.acosh(max(x, 1)))

    def atanh(self, x: Any) -> Any:
        return self._real(abs(x) < 1, lambda: self.context.atanh(x))

    def sinh(self, x: Any) -> Any:
        return self._real(abs(x) < MOST_EXPONENT, lambda: self.context.sinh(x))

    def cosh(self, x: Any) -> Any:
        return self._real(abs(x) < MOST_EXPONENT, lambda: self.context.cosh(x))

    def _just_over_one(self) -> Any:
        """As far as the ball of 1 reaches: a function that ends there has its end's value."""
        return 1 + self.context.ldexp(1, 2 - self.bits)

    def normal(self, x: Any) -> Any:
        return self.context.erfc(-x / self.context.sqrt(2)) / 2

    def power(self, x: Any, p: Any) -> Any:
        return self._real(x > 0 or p == int(p), lambda: self.context.power(x, p))

    def exponent(self, x: Any) -> Any:
        return self._real(x > 0, lambda: self.context.mpf(self.context.frexp(x)[1] - 1))

    def two_to(self, e: Any) -> Any:
        return self.context.ldexp(self.context.mpf(1), int(e))

    def _real(self, inside: bool, value: Branch) -> Any:
        return value() if inside else self.context.nan

    def fraction(self, x: Any) -> Fraction:
        """The exact value of a number."""
        sign, mantissa, exponent, _ = x._mpf_
        whole = -int(mantissa) if sign else int(mantissa)
        if abs(exponent) > MOST_PLACES:
            raise UnsupportedError("a function whose values pass 2**65536", remedy="put a quantizer before it")
        return Fraction(whole << exponent) if exponent >= 0 else Fraction(whole, 1 << -exponent)


class Exact:
    """Fractions; raises `Irrational` where the value is none, `Undefined` where there is no value."""

    def const(self, value: Fraction) -> Any:
        return value

    def pi(self) -> Any:
        raise Irrational

    def select(self, condition: Any, yes: Branch, no: Branch) -> Any:
        return yes() if condition else no()

    def _at(self, x: Any, point: int, value: int) -> Fraction:
        if x == point:
            return Fraction(value)
        raise Irrational

    # Rational at one rational point only (Lindemann and Weierstrass; Siegel for erf).

    def exp(self, x: Any) -> Any:
        return self._at(x, 0, 1)

    def expm1(self, x: Any) -> Any:
        return self._at(x, 0, 0)

    def log(self, x: Any) -> Any:
        return self._at(_positive(x), 1, 0)

    def log1p(self, x: Any) -> Any:
        return self._at(_positive(1 + x), 1, 0)

    def tanh(self, x: Any) -> Any:
        return self._at(x, 0, 0)

    def erf(self, x: Any) -> Any:
        return self._at(x, 0, 0)

    def normal(self, x: Any) -> Any:
        return self._at(x, 0, 1) / 2

    def sin(self, x: Any) -> Any:
        return self._at(x, 0, 0)

    def cos(self, x: Any) -> Any:
        return self._at(x, 0, 1)

    def tan(self, x: Any) -> Any:
        return self._at(x, 0, 0)

    def asin(self, x: Any) -> Any:
        return self._at(_within_one(x), 0, 0)

    def acos(self, x: Any) -> Any:
        return self._at(_within_one(x), 1, 0)

    def atan(self, x: Any) -> Any:
        return self._at(x, 0, 0)

    def sinh(self, x: Any) -> Any:
        return self._at(x, 0, 0)

    def cosh(self, x: Any) -> Any:
        return self._at(x, 0, 1)

    def asinh(self, x: Any) -> Any:
        return self._at(x, 0, 0)

    def acosh(self, x: Any) -> Any:
        if x < 1:
            raise Undefined
        return self._at(x, 1, 0)

    def atanh(self, x: Any) -> Any:
        _positive(1 - abs(x))
        return self._at(x, 0, 0)

    def sqrt(self, x: Any) -> Any:
        return self.power(x, Fraction(1, 2))

    def power(self, x: Any, p: Any) -> Any:
        whole, root = Fraction(p).numerator, Fraction(p).denominator
        if x == 0 and whole <= 0 and p != 0:
            raise Undefined
        if root == 1:
            if abs(whole) > 1 << 12 and x not in (0, 1, -1):
                raise Irrational  # rational, but of no use: millions of digits
            return Fraction(x) ** whole
        if x < 0:
            raise Undefined
        if x in (0, 1):
            return Fraction(x)
        if root > MOST_ROOT:
            raise Irrational
        return Fraction(_root(x.numerator, root), _root(x.denominator, root)) ** whole

    def floor(self, x: Any) -> Any:
        return Fraction(math.floor(x))

    def ceil(self, x: Any) -> Any:
        return Fraction(math.ceil(x))

    def nearest(self, x: Any) -> Any:
        return Fraction(round(x))

    def exponent(self, x: Any) -> Any:
        power = _positive(x).numerator.bit_length() - x.denominator.bit_length()
        return Fraction(power if Fraction(2) ** power <= x else power - 1)

    def two_to(self, e: Any) -> Any:
        return Fraction(2) ** int(e)


def _positive(x: Any) -> Any:
    if x <= 0:
        raise Undefined
    return x


def _within_one(x: Any) -> Any:
    if abs(x) > 1:
        raise Undefined
    return x


def _root(value: int, degree: int) -> int:
    """The exact integer root."""
    low, high = 0, 1 << (value.bit_length() // degree + 1)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if middle**degree < value else (low, middle)
    if low**degree != value:
        raise Irrational
    return low


FLOAT64: Numbers = Float64()
EXACT: Numbers = Exact()
