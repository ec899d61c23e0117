"""`quantized_sigmoid` and `quantized_tanh`: a sigmoid or tanh, rounded to a fixed-point fraction."""

from __future__ import annotations

import decimal
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from hwq.numeric.fixed import FixedType, Overflow
from hwq.quantizers import smooth
from hwq.quantizers.base import Codes, Fit, Floats, Grid, Quantizer, to_codes
from hwq.quantizers.params import flag, param, whole

_bits = whole(1, 24)


@dataclass(frozen=True, repr=False)
class QuantizedSigmoid(smooth.Switched, Quantizer):
    """y = clip(round_half_even(2**bits * p(x)), symmetric, 2**bits - 1) / 2**bits: `ap_ufixed<bits, 0>`.

    p is the logistic function where use_real_sigmoid, else the internal sigmoid (hard: clip(x/2 + 1/2, 0, 1)).
    The hard and smooth forms are an exact `affine` in front of a fixed-point conversion; the real form is rounded from
    the real function, where the package's float32 differs in a few codes of 16 bits. Source: SEMANTICS 1.4.
    """

    NAME: ClassVar[str] = "quantized_sigmoid"

    bits: int = param(8, _bits)
    symmetric: bool = param(False, flag)
    use_real_sigmoid: bool = param(False, flag)
    use_stochastic_rounding: bool = param(False, flag)
    internal_sigmoid: str = param("hard", smooth.mode, kw_only=True)

    @property
    def type(self) -> FixedType:
        return FixedType(False, self.bits, self.bits)

    @property
    def grid(self) -> Grid | None:
        """None for the real function, and for symmetric, whose lowest code 1 no overflow mode has."""
        if self.curve == "real" or self.symmetric:
            return None
        return self.type, self.rounding, self.overflow

    @property
    def affine(self) -> tuple[Fraction, Fraction]:
        return (Fraction(1), Fraction(0)) if self.curve == "real" else (smooth.SLOPES[self.curve], Fraction(1, 2))

    def code_range(self) -> tuple[int, int]:
        return int(self.symmetric), self.type.hi

    def _encode(self, x: Floats, fit: Fit | None) -> Codes:
        rounded = smooth.sigmoid_codes(x, self.curve, Fraction(1 << self.bits))
        return to_codes(rounded, *self.code_range())


@dataclass(frozen=True, repr=False)
class QuantizedTanh(Quantizer):
    """y = clip(round_half_even(m * t(x)), -m + symmetric, m - 1) / m, m = 2**(bits - 1): `ap_fixed<bits, 1>`.

    t is tanh where use_real_tanh, else 2 * internal sigmoid - 1 (hard: clip(x, -1, 1), so that this equals
    `quantized_bits(bits, 0, symmetric)`; smooth: 3x/8; real: tanh(x/2)). The second positional parameter is
    use_stochastic_rounding. The real forms are rounded from the real function. Source: SEMANTICS 1.4.
    """

    NAME: ClassVar[str] = "quantized_tanh"

    bits: int = param(8, _bits)
    use_stochastic_rounding: bool = param(False, flag)
    symmetric: bool = param(False, flag)
    use_real_tanh: bool = param(False, flag)
    internal_sigmoid: str = param("hard", smooth.mode, kw_only=True)

    @property
    def curve(self) -> str:
        """The function in use: hard, smooth, real (tanh of x/2) or tanh."""
        return "tanh" if self.use_real_tanh else self.internal_sigmoid

    @property
    def type(self) -> FixedType:
        return FixedType(True, self.bits, self.bits - 1)

    @property
    def overflow(self) -> Overflow:
        return Overflow.SATURATE_SYMMETRIC if self.symmetric else Overflow.SATURATE

    @property
    def grid(self) -> Grid | None:
        """None for the real functions, and for the constant 0 of bits=1, symmetric, which no vendor mode gives."""
        if self.curve not in smooth.SLOPES or (self.bits == 1 and self.symmetric):
            return None
        return self.type, self.rounding, self.overflow

    @property
    def affine(self) -> tuple[Fraction, Fraction]:
        return 2 * smooth.SLOPES.get(self.curve, Fraction(1, 2)), Fraction(0)

    def code_range(self) -> tuple[int, int]:
        return -self.type.hi if self.symmetric else self.type.lo, self.type.hi

    def _encode(self, x: Floats, fit: Fit | None) -> Codes:
        rounded: Any
        scale = 1 << (self.bits - 1)
        if self.curve in smooth.SLOPES:
            rounded = smooth.round_affine(x, self.affine[0] * scale, Fraction(0))
        else:
            inner = x.astype(np.float64) / (1 if self.curve == "tanh" else 2)
            rounded = smooth.settle(scale * np.tanh(inner), inner, lambda v: scale * exact_tanh(v))
        return to_codes(rounded, *self.code_range())


def exact_tanh(x: decimal.Decimal) -> decimal.Decimal:
    """tanh to about 60 digits."""
    return 2 * smooth.exact_logistic(2 * x) - 1
