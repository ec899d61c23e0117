"""`quantized_ulaw`: the u-law of a quantized argument; a table whose values lie on no grid."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np

from hwq.numeric.fixed import FixedType
from hwq.quantizers import smooth
from hwq.quantizers.base import Codes, Doubles, Fit, Floats, Quantizer, to_codes
from hwq.quantizers.params import flag, param, positive, whole


@dataclass(frozen=True, repr=False)
class QuantizedUlaw(Quantizer):
    """y = 2**integer * clip(sign(r) ln(1 + u|r|) / ln(1 + u), -1 + symmetric/m, 1 - 1/m), r = 2k/m - 1.

    The argument is what is quantized: k = round_half_even(m * sigmoid(x / 2**integer)), m = 2**(bits-1), is the code
    word and the index of a table of m + 1 irrational values (top indices share a value by the clip).
    Source: SEMANTICS 1.5.
    """

    NAME: ClassVar[str] = "quantized_ulaw"
    POSITIONAL: ClassVar[int] = 3

    bits: int = param(8, whole(1, 24))
    integer: int = param(0, whole(-100, 100))
    symmetric: bool = param(False, flag)
    u: float = param(255.0, positive)
    internal_sigmoid: str = param("hard", smooth.mode, kw_only=True)

    @property
    def type(self) -> FixedType:
        return FixedType(False, self.bits)

    def code_range(self) -> tuple[int, int]:
        return 0, 1 << (self.bits - 1)

    @property
    def lsb(self) -> float | None:
        return None

    @property
    def code_word(self) -> str:
        return f"index 0..{1 << (self.bits - 1)} into the table of values"

    def min(self) -> float:
        """The package's bound: -max(1, 2**integer)."""
        return -max(1.0, 2.0**self.integer)

    def max(self) -> float:
        """The package's bound: max(1, 2**integer)."""
        return max(1.0, 2.0**self.integer)

    def _encode(self, x: Floats, fit: Fit | None) -> Codes:
        levels = 1 << (self.bits - 1)
        rounded = smooth.sigmoid_codes(x, self.internal_sigmoid, Fraction(levels), self.integer)
        return to_codes(rounded, 0, levels)

    def _values(self, codes: Codes, fit: Fit | None) -> Doubles:
        levels = 1 << (self.bits - 1)
        ratio = 2.0 * codes.astype(np.float64) / levels - 1.0
        law = np.sign(ratio) * np.log1p(self.u * np.abs(ratio)) / np.log1p(self.u)
        bounded = np.clip(law, -1.0 + int(self.symmetric) / levels, 1.0 - 1.0 / levels)
        return np.asarray(np.ldexp(bounded, self.integer))
