"""`quantized_linear`: the fixed-point quantizer whose alpha scales the grid before rounding."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from hwq.errors import SpecError
from hwq.numeric.fixed import FixedType, Overflow, log2_exact
from hwq.quantizers.base import EPS, Codes, Doubles, Fit, Floats, Grid, Quantizer, to_codes
from hwq.quantizers.bits import check_variables
from hwq.quantizers.params import any_alpha, axes, binary_point, bit_width, flag, number, optional, param, text
from hwq.quantizers.scales import ScaleAxes, least_squares, power_of_two


@dataclass(frozen=True, repr=False)
class QuantizedLinear(Quantizer):
    """y = S * round_half_even(clip(x / S, -2**n + symmetric, 2**n - 1)), S = alpha * 2**(integer - n).

    n = bits - keep_negative. alpha scales the grid before rounding (in `quantized_bits` it multiplies afterwards).
    `symmetric` is True by default. bits=1 with a sign is +-S/2, the sign of 0 being +. alpha "auto"/"auto_po2": S from
    the data, per channel, each element of a vector its own. Raises `SpecError`. Source: SEMANTICS 1.2.
    """

    NAME: ClassVar[str] = "quantized_linear"
    POSITIONAL: ClassVar[int] = 3

    bits: int = param(8, bit_width)
    integer: int = param(0, binary_point)
    symmetric: bool = param(True, flag)
    keep_negative: bool = param(True, flag)
    alpha: float | str | tuple[Any, ...] | None = param(None, any_alpha)
    use_stochastic_rounding: bool = param(False, flag)
    scale_axis: int | tuple[int, ...] | None = param(None, optional(axes))
    qnoise_factor: float = param(1.0, number)
    var_name: str | None = param(None, optional(text))
    use_variables: bool = param(False, flag)

    def _check(self) -> None:
        check_variables(self.NAME, self.var_name, self.use_variables)
        if not self.is_auto and self.alpha is not None and not (np.asarray(self.alpha) != 0).all():
            raise SpecError(f"{self.NAME}: alpha={self.alpha} is not a step size", remedy="use numbers other than 0")

    @property
    def _sign_only(self) -> bool:
        return self.bits == 1 and self.keep_negative

    @property
    def type(self) -> FixedType:
        return FixedType(False, 1) if self._sign_only else self._data_type

    @property
    def _data_type(self) -> FixedType:
        return FixedType.from_qkeras(self.bits, self.integer, self.keep_negative)

    @property
    def overflow(self) -> Overflow:
        return Overflow.SATURATE_SYMMETRIC if self.symmetric and self.keep_negative else Overflow.SATURATE

    @property
    def grid(self) -> Grid | None:
        shift = 0
        if self.alpha is not None:
            power = None if isinstance(self.alpha, str | tuple) else log2_exact(Fraction(float(np.float32(self.alpha))))
            if power is None:
                return None
            shift = power
        if self._sign_only or self._noisy:
            return None
        base = self._data_type
        return FixedType(base.signed, base.width, base.frac - shift), self.rounding, self.overflow

    def code_range(self) -> tuple[int, int]:
        low = -self.type.hi if self.overflow is Overflow.SATURATE_SYMMETRIC and self.type.signed else self.type.lo
        return low, self.type.hi

    @property
    def lsb(self) -> float | None:
        return float(self._data_type.lsb)

    @property
    def code_word(self) -> str:
        return "1 bit: 0 is -LSB/2, 1 is +LSB/2" if self._sign_only else super().code_word

    def min(self) -> Any:
        """The smallest value, per channel where alpha is a list; of scale 1 before an auto scale is known."""
        return self._bound(self.code_range()[0])

    def max(self) -> Any:
        """The largest value, per channel where alpha is a list; of scale 1 before an auto scale is known."""
        return self._bound(self.code_range()[1])

    def range(self) -> Floats:
        """Every value, in the package's order: codes 0.., then the negative ones; for bits=1 +S/2, -S/2."""
        if self.is_auto and self.scale is None:  # the package speaks of scale 1 then
            return self._unscaled(self.codes()).astype(np.float32)
        values = super().range()
        return values[::-1] if self._sign_only else values

    def _factor(self) -> Doubles:
        scale = np.float32(1) if self.scale is None else self.scale
        return np.asarray(scale, dtype=np.float64)

    def _bound(self, code: int) -> Any:
        value = (self._unscaled(np.asarray(code, dtype=np.int64)) * self._factor()).astype(np.float32)
        return float(value) if value.ndim == 0 else value

    def _unscaled(self, codes: Codes) -> Doubles:
        units = codes.astype(np.float64) - 0.5 if self._sign_only else codes.astype(np.float64)
        return np.asarray(np.ldexp(units, -self._data_type.frac))

    def _encode(self, x: Floats, fit: Fit | None) -> Codes:
        if self._sign_only:
            return (x >= 0).astype(np.int64)
        lo, hi = self.code_range()
        if fit is not None:
            return to_codes(self._float32_codes(x, fit.step), lo, hi)
        # float64 decides every tie of a float32 quotient: two 24-bit integers never come that close to one
        with np.errstate(over="ignore", under="ignore"):
            return to_codes(np.rint(np.ldexp(x.astype(np.float64), self._data_type.frac) / self._factor()), lo, hi)

    def _values(self, codes: Codes, fit: Fit | None) -> Doubles:
        if fit is not None:
            units = codes.astype(np.float64) - 0.5 if self._sign_only else codes.astype(np.float64)
            return np.asarray(units * fit.step.astype(np.float64))
        return np.asarray(self._unscaled(codes) * self._factor())

    def _float32_codes(self, x: Floats, step: Floats) -> Floats:
        if self._sign_only:
            return np.where(x >= 0, np.float32(0.5), np.float32(-0.5))
        lo, hi = self.code_range()
        with np.errstate(divide="ignore", over="ignore"):
            return np.asarray(np.rint(np.clip(x / step, np.float32(lo), np.float32(hi))), dtype=np.float32)

    def _unit_fit(self) -> Fit | None:
        step = np.asarray(self._data_type.lsb, dtype=np.float32)
        return Fit(np.ones((), dtype=np.float32), step) if self.is_auto else None

    def _measure(self, x: Floats) -> Fit:
        over = ScaleAxes.of(x, self.scale_axis)
        lo, hi = self.code_range()
        span = np.float32(1 if self._sign_only else hi - lo)
        around = () if x.ndim == 1 else over.reduced
        if self.keep_negative:
            peak = np.max(np.abs(x), axis=around, keepdims=True) * np.float32(2)
        else:
            peak = np.max(x, axis=around, keepdims=True)
        step = np.asarray(np.maximum(peak / span, EPS), dtype=np.float32)
        if self.alpha == "auto_po2":
            step = power_of_two(step, log2=True)
            for _ in range(1 if self._sign_only else 5):
                step = power_of_two(least_squares(x, self._float32_codes(x, step), over), log2=True)
        return Fit(np.ldexp(step, self._data_type.frac).astype(np.float32), step)
