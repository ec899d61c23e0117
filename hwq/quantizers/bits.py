"""`quantized_bits`: the fixed-point quantizer, and its scale where alpha is given or computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hwq.errors import SpecError
from hwq.numeric.fixed import FixedType, Overflow, Rounding
from hwq.quantizers.base import Codes, Doubles, Fit, Floats, Grid, Quantizer, scaled, to_codes
from hwq.quantizers.params import (
    axes,
    binary_point,
    bit_width,
    flag,
    list_alpha,
    number,
    numbers,
    optional,
    param,
    text,
    whole,
)
from hwq.quantizers.scales import ScaleAxes, check_scale_options, clip_power, least_squares, power_of_two


def check_variables(name: str, var_name: str | None, use_variables: bool) -> None:
    """The package cannot name its variables: both options together fail there."""
    if var_name is not None and use_variables:
        raise SpecError(f"{name}: var_name with use_variables, on which the package fails", remedy="leave var_name out")


@dataclass(frozen=True, repr=False)
class BitsQuantizer(Quantizer):
    """Shared by `quantized_bits` and the quantizers that end in it; reads `_n`, `_point`, `_signed`, `_symmetric`."""

    @property
    def _parts(self) -> tuple[int, int, bool, bool]:
        """bits, integer, keep_negative, symmetric."""
        raise NotImplementedError

    @property
    def _sign_only(self) -> bool:
        width, _, signed, _ = self._parts
        return width == 1 and signed and not self.is_auto

    @property
    def type(self) -> FixedType:
        width, integer, signed, _ = self._parts
        if self._sign_only:
            return FixedType(False, 1)
        if self.is_auto:  # keep_negative is ignored for the codes, but moves the binary point
            return FixedType(True, width, width - int(signed) - integer)
        return FixedType.from_qkeras(width, integer, signed)

    @property
    def overflow(self) -> Overflow:
        _, _, signed, symmetric = self._parts
        return Overflow.SATURATE_SYMMETRIC if (symmetric and signed) or self.is_auto else Overflow.SATURATE

    @property
    def rounding(self) -> Rounding:
        return Rounding.HALF_AWAY if self.is_auto else Rounding.HALF_EVEN

    @property
    def grid(self) -> Grid | None:
        plain = not self._sign_only and not self.is_auto and not self._noisy and _is_one(getattr(self, "alpha", None))
        return (self.type, self.rounding, self.overflow) if plain else None

    def code_range(self) -> tuple[int, int]:
        low = -self.type.hi if self.overflow is Overflow.SATURATE_SYMMETRIC else self.type.lo
        return low, self.type.hi

    @property
    def lsb(self) -> float | None:
        return 2.0 if self._sign_only else float(self.type.lsb)

    @property
    def code_word(self) -> str:
        return "1 bit: 0 is -1, 1 is +1" if self._sign_only else super().code_word

    def _encode(self, x: Floats, fit: Fit | None) -> Codes:
        if fit is not None:
            shifted = scaled(x, -self._parts[1]).astype(np.float32)
            return self._auto_codes(shifted, fit.step).astype(np.int64)
        if self._sign_only:
            return (x >= 0).astype(np.int64)
        lo, hi = self.code_range()
        steps = scaled(x, self.type.frac)
        return to_codes(np.rint(steps), lo, hi)

    def _values(self, codes: Codes, fit: Fit | None) -> Doubles:
        if fit is not None:
            return np.asarray(np.ldexp(codes * fit.step.astype(np.float64), self._parts[1]))
        if self._sign_only:
            codes = 2 * codes - 1
        return super()._values(codes, fit)

    def _unit_fit(self) -> Fit | None:
        width, _, signed, _ = self._parts
        step = np.asarray(2.0 ** (int(signed) - width), dtype=np.float32)
        return Fit(np.ones((), dtype=np.float32), step) if self.is_auto else None

    def _auto_codes(self, shifted: Floats, step: Floats) -> Floats:
        """sign(x) * min(floor(|x| / step + 1/2), L), in float32; a step of 0 (a dead channel) gives 0."""
        largest = np.float32(2 ** (self._parts[0] - 1) - 1)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            magnitude = np.minimum(np.floor(np.abs(shifted) / step + np.float32(0.5)), largest)
        return np.asarray(np.where(step == 0, np.float32(0), np.sign(shifted) * magnitude), dtype=np.float32)


def _is_one(alpha: Any) -> bool:
    return alpha is None or (isinstance(alpha, int | float) and alpha == 1)


@dataclass(frozen=True, repr=False)
class QuantizedBits(BitsQuantizer):
    """y = alpha * LSB * clip(round_half_even(x / LSB), -2**n + symmetric, 2**n - 1), n = bits - keep_negative.

    LSB = 2**(integer - n): `integer` does not count the sign, so this is `ap_fixed<bits, integer+1>`, unsigned
    `ap_ufixed<bits, integer>`. bits=1 with a sign is +-alpha, whatever `integer`. alpha scales after rounding.
    alpha "auto" or "auto_po2": symmetric, ties away from zero, value = code * LSB * scale, computed per channel.
    Raises `SpecError` for parameters without meaning. Source: SEMANTICS 1.1.
    """

    NAME: ClassVar[str] = "quantized_bits"
    POSITIONAL: ClassVar[int] = 3

    bits: int = param(8, bit_width)
    integer: int = param(0, binary_point)
    symmetric: bool = param(False, flag)
    keep_negative: bool = param(True, flag)
    alpha: float | str | tuple[Any, ...] | None = param(None, list_alpha)
    use_stochastic_rounding: bool = param(False, flag)
    scale_axis: int | tuple[int, ...] | None = param(None, optional(axes))
    qnoise_factor: float = param(1.0, number)
    var_name: str | None = param(None, optional(text))
    use_ste: bool = param(True, flag)
    use_variables: bool = param(False, flag)
    elements_per_scale: int | tuple[int, ...] | None = param(None, optional(axes))
    min_po2_exponent: int | None = param(None, optional(whole(-126, 126)))
    max_po2_exponent: int | None = param(None, optional(whole(-126, 126)))
    post_training_scale: float | tuple[Any, ...] | None = param(None, optional(numbers))

    def _check(self) -> None:
        check_variables(self.NAME, self.var_name, self.use_variables)
        options = (self.scale_axis, self.elements_per_scale, self.min_po2_exponent, self.max_po2_exponent)
        check_scale_options(self.NAME, self.alpha, *options)
        if self.post_training_scale is not None and not self.is_auto:
            found = f"{self.NAME}: post_training_scale with alpha={self.alpha!r}"
            raise SpecError(found, remedy="it needs alpha='auto' or 'auto_po2'")
        if self.bits == 1 and self.alpha == "auto":
            found = f"{self.NAME}: bits=1 with alpha='auto' is NaN in the package"
            raise SpecError(found, remedy="use binary(alpha='auto')")

    @property
    def _parts(self) -> tuple[int, int, bool, bool]:
        return self.bits, self.integer, self.keep_negative, self.symmetric

    def min(self) -> float:
        """The package's bound: -max(1, 2**integer) (-1 for bits=1), 0 where unsigned."""
        return -self.max() if self.keep_negative else 0.0

    def max(self) -> float:
        """The package's bound: max(1, 2**integer), 1 where only the sign is kept."""
        return max(1.0, 2.0**self.integer) if self.bits > int(self.keep_negative) else 1.0

    def _quantize(self, x: Floats, fit: Fit | None) -> Floats:
        special = self._sign_only or self.is_auto or self._noisy
        if special or self.type.width > 24 or abs(self.type.frac) > 120:
            return super()._quantize(x, fit)
        lo, hi = self.code_range()  # all steps are exact in float32, and done in place: this path is the fast one
        y = np.atleast_1d(scaled(x, self.type.frac))
        np.rint(y, out=y)
        np.clip(y, np.float32(lo), np.float32(hi), out=y)
        y *= np.float32(2.0**-self.type.frac)
        if not _is_one(getattr(self, "alpha", None)) and self.scale is not None:
            with np.errstate(over="ignore", under="ignore"):
                return np.asarray(y.reshape(x.shape) * self.scale, dtype=np.float32)  # rounded once, as in float64
        return y.reshape(x.shape)

    def _measure(self, x: Floats) -> Fit:
        unit = np.float32(2.0 ** (self.bits - int(self.keep_negative)))
        if self.post_training_scale is not None:
            given = np.asarray(self.post_training_scale, dtype=np.float32)
            return Fit(given, given / unit)
        over = ScaleAxes.of(x, self.scale_axis, self.elements_per_scale)
        shifted = scaled(x, -self.integer).astype(np.float32)
        largest = np.float32(2 * (2 ** (self.bits - 1) - 1))
        around = None if x.ndim == 1 else over.reduced
        peak = np.max(np.abs(shifted), axis=around, keepdims=True)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            step = np.asarray(peak * np.float32(2) / largest, dtype=np.float32)
        if self.alpha == "auto_po2":
            step = power_of_two(step)
            for _ in range(5):
                codes = self._auto_codes(shifted, step)
                step = power_of_two(least_squares(shifted, codes, over))
                step = clip_power(step, self.min_po2_exponent, self.max_po2_exponent)
        return Fit(step * unit, step)
