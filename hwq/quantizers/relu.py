"""`quantized_relu`: plain, leaky, through a sigmoid, and with an upper bound."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np

from hwq.errors import SpecError
from hwq.numeric.fixed import FixedType, log2_exact
from hwq.quantizers import smooth
from hwq.quantizers.base import Codes, Doubles, Fit, Floats, Grid, Quantizer, scaled, to_codes
from hwq.quantizers.bits import check_variables
from hwq.quantizers.params import bit_width, flag, number, optional, param, text, whole


@dataclass(frozen=True, repr=False)
class QuantizedRelu(Quantizer):
    """y = LSB * clip(round_half_even(x / LSB), 0, m - 1) + LSB * clip(round_half_even(r x / LSB), -r m, 0).

    r = negative_slope, 0 or a power of two; m = 2**(bits - (r != 0)), LSB = 2**integer / m. `use_sigmoid` replaces
    both parts by 2*sigmoid - 1 of x / 2**integer. `relu_upper_bound` U acts only with is_quantized_clip=False:
    y = min(y, U), U itself being a value, off the grid or not. Code words count the LSB (a finer unit 2**integer * r
    where r*m < 1); the least word that reaches U stands for U. Raises `SpecError`. Source: SEMANTICS 1.3.
    """

    NAME: ClassVar[str] = "quantized_relu"
    POSITIONAL: ClassVar[int] = 2

    bits: int = param(8, bit_width)
    integer: float = param(0, whole(-1024, 1024, keep_float=True))
    use_sigmoid: bool = param(False, flag)
    negative_slope: float = param(0.0, number)
    use_stochastic_rounding: bool = param(False, flag)
    relu_upper_bound: float | None = param(None, optional(number))
    is_quantized_clip: bool = param(True, flag)
    qnoise_factor: float = param(1.0, number)
    var_name: str | None = param(None, optional(text))
    use_ste: bool = param(True, flag)
    use_variables: bool = param(False, flag)
    internal_sigmoid: str = param("hard", smooth.mode, kw_only=True)

    def _check(self) -> None:
        check_variables(self.NAME, self.var_name, self.use_variables)
        if self.integer < 0 and isinstance(self.integer, int):
            found = f"{self.NAME}: integer={self.integer}, on which TensorFlow fails (2 to a negative integer power)"
            raise SpecError(found, remedy=f"write it as a float, integer={self.integer}.0")
        if self.negative_slope != 0 and log2_exact(Fraction(self.negative_slope)) is None:
            found = f"{self.NAME}: negative_slope={self.negative_slope}"
            raise SpecError(found, remedy="use 0 or a power of two such as 0.125")
        if self.relu_upper_bound is not None and self.relu_upper_bound < 0:
            raise SpecError(
                f"{self.NAME}: relu_upper_bound={self.relu_upper_bound}", remedy="use a bound of at least 0"
            )

    @property
    def _point(self) -> int:
        return int(self.integer)

    @property
    def _levels(self) -> int:
        return 1 << (self.bits - int(self.negative_slope != 0))

    @property
    def _slope(self) -> Fraction:
        return Fraction(self.negative_slope)

    @property
    def _least(self) -> Fraction:
        """The most negative value in LSBs, -r*m; a fraction where the slope's whole range is below one LSB."""
        return -self._slope * self._levels

    @property
    def _fine(self) -> int:
        """log2 of how many code steps make one LSB."""
        return 0 if self._slope == 0 else max(0, -(log2_exact(-self._least) or 0))

    @property
    def _bound(self) -> float | None:
        """The upper bound U where it acts, float32."""
        if self.is_quantized_clip or self.relu_upper_bound is None:
            return None
        return float(np.float32(self.relu_upper_bound))

    @property
    def _frac(self) -> int:
        return self._levels.bit_length() - 1 - self._point + self._fine

    @property
    def type(self) -> FixedType:
        if self._slope == 0:
            return FixedType(False, self.bits, self._frac)
        return FixedType.covering(int(self._least * 2**self._fine), (self._levels - 1) << self._fine, self._frac)

    @property
    def grid(self) -> Grid | None:
        if self._noisy or self.use_sigmoid or self._bound is not None or self._slope not in (0, 1) or self._fine:
            return None
        return self.type, self.rounding, self.overflow

    def code_range(self) -> tuple[int, int]:
        top = (self._levels - 1) << self._fine
        if self._bound is not None:
            top = min(top, int(np.ceil(np.ldexp(self._bound, self._frac))))
        return int(self._least * 2**self._fine), top

    def codes(self) -> Codes:
        """Every code word that occurs: with a sigmoid or a slope not all between the lowest and the highest."""
        if self._levels * max(1, int(self._slope)) > 1 << 24:
            raise SpecError(f"{self.NAME}: too many codes to list", remedy="use code_range()")
        low, high = self.code_range()
        top = (self._levels - 1) << self._fine
        stride = (2 if self.use_sigmoid else 1) << self._fine
        positive = np.append(np.arange(0, top, stride, dtype=np.int64), top)
        if not self._slope:
            words = positive
        elif self.use_sigmoid and self._fine:  # the negative part is constant then
            words = positive + low
        else:
            negative = np.asarray([low], dtype=np.int64) if self._fine else np.arange(low, 0, stride, dtype=np.int64)
            words = np.concatenate([negative, positive])
        return np.unique(np.minimum(words, high))

    @property
    def levels(self) -> int:
        uneven = self.use_sigmoid or self._fine
        return len(self.codes()) if uneven else super().levels

    @property
    def code_word(self) -> str:
        word = super().code_word
        return word if self._bound is None else f"{word}, the word {self.code_range()[1]} stands for {self._bound}"

    def min(self) -> float:
        """The package's bound: 0, or -slope * 2**integer (-1 for bits=1)."""
        if self._slope == 0:
            return 0.0
        return -1.0 if self.bits == 1 else -float(self._slope) * 2.0**self._point

    def max(self) -> float:
        """The package's bound: max(1, 2**integer), 1 where no bit is left beside the sign."""
        return max(1.0, 2.0**self._point) if self._levels > 1 else 1.0

    def _encode(self, x: Floats, fit: Fit | None) -> Codes:
        top = self._levels - 1
        if self.use_sigmoid:
            half = smooth.sigmoid_codes(x, self.internal_sigmoid, Fraction(self._levels), self._point)
            codes = to_codes(2 * half - self._levels, 0, top) << self._fine
        else:
            codes = to_codes(np.rint(scaled(x, self._frac - self._fine)), 0, top) << self._fine
        if self._slope:
            codes = codes + self._negative(x)
        if self._bound is not None:
            codes = np.minimum(codes, self.code_range()[1])
        return codes

    def _negative(self, x: Floats) -> Codes:
        """The part below zero, in code steps."""
        least = int(self._least * 2**self._fine)
        if self.use_sigmoid:
            half = smooth.sigmoid_codes(x, self.internal_sigmoid, -self._least, self._point)
            return np.clip(np.ldexp(2 * half + float(self._least), self._fine).astype(np.int64), least, 0)
        shift = log2_exact(self._slope) or 0
        steps = to_codes(np.rint(scaled(x, self._frac - self._fine + shift)), -(1 << 61), 0)
        return np.maximum(steps, least >> self._fine) * 1 if not self._fine else np.where(steps < 0, least, 0)

    def _values(self, codes: Codes, fit: Fit | None) -> Doubles:
        values = super()._values(codes, fit)
        return values if self._bound is None else np.minimum(values, self._bound)

    def passes(self, x: Floats) -> Doubles:
        wide = x.astype(np.float64)
        leaky = np.where(wide < 0, wide * float(self._slope), wide)
        if self.is_quantized_clip:
            return np.minimum(leaky, np.ldexp(float(self._levels - 1), self._fine - self._frac))
        return leaky if self._bound is None else np.minimum(leaky, self._bound)
