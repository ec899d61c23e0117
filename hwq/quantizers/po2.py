"""`quantized_po2` and `quantized_relu_po2`: signed powers of two, coded as sign and exponent."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from hwq.errors import SpecError
from hwq.numeric import xorshift as prng
from hwq.numeric.fixed import FixedType
from hwq.quantizers.base import EPS, Codes, Doubles, Fit, Floats, Quantizer
from hwq.quantizers.bits import check_variables
from hwq.quantizers.params import choice, flag, number, optional, param, text, whole

_bits = whole(1, 12)
_rounding = choice("rnd", "floor")


@dataclass(frozen=True, repr=False)
class Po2Quantizer(Quantizer):
    """Shared by both: exponents `lo..hi` of the magnitude, a code word of sign bit (high) and exponent index (low)."""

    bits: int = param(8, _bits)
    max_value: float | None = param(None, optional(number))

    @property
    def _options(self) -> tuple[bool, str]:
        """quadratic_approximation, log2_rounding."""
        raise NotImplementedError

    @property
    def _has_sign(self) -> bool:
        raise NotImplementedError

    @property
    def _exponent_bits(self) -> int:
        raise NotImplementedError

    def _check(self) -> None:
        if self.max_value is not None and not _held(self.max_value) > 0:
            raise SpecError(f"{self.NAME}: max_value={self.max_value}", remedy="use a positive bound, or None")
        if self._exponent_bits < 0:
            found = f"{self.NAME}: bits={self.bits} leaves no exponent (a constant 2**-0.5 in the package)"
            raise SpecError(found, remedy="use at least 2 bits, or max_value <= 1")

    @property
    def _signed_exponent(self) -> int:
        return 0 if self.max_value is not None and self.max_value <= 1 else 1

    @property
    def span(self) -> tuple[int, int]:
        """The clip of the rounded logarithm (of half of it where quadratic)."""
        high = 2**self._exponent_bits - 1
        return -(2**self._exponent_bits), 2 * (high // 2) if self._options[0] else high

    @property
    def exponents(self) -> tuple[int, int, int]:
        """Least and greatest exponent that occur, and their step."""
        low, _ = self.span
        largest = np.finfo(np.float32).max if self.max_value is None else np.float32(self.max_value)
        most = int(self._exponent(np.asarray(largest, dtype=np.float64)))
        step = 2 if self._options[0] and low % 2 == 0 else 1  # a lone odd `low` for zero needs every exponent
        return min(low, self._smallest), max(most, low), step

    @property
    def _smallest(self) -> int:
        """The exponent of 1e-7; below it only `lo` occurs, which leaves a gap where there are many exponents."""
        return int(self._exponent(np.asarray(EPS, dtype=np.float64)))

    @property
    def _index_bits(self) -> int:
        least, most, step = self.exponents
        return max(1, ((most - least) // step).bit_length())

    @property
    def type(self) -> FixedType:
        return FixedType(False, self._index_bits + int(self._has_sign))

    def codes(self) -> Codes:
        least, most, step = self.exponents
        low, _ = self.span
        exponents = np.arange(self._smallest, most + 1, 2 if self._options[0] else 1, dtype=np.int64)
        index = (np.unique(np.append(exponents, low)) - least) // step
        return np.concatenate([index, index + (1 << self._index_bits)]) if self._has_sign else index

    def code_range(self) -> tuple[int, int]:
        words = self.codes()
        return int(words[0]), int(words[-1])

    def extreme_codes(self) -> tuple[int, ...]:
        return tuple(int(w) for w in self.codes())

    @property
    def levels(self) -> int:
        return len(self.codes())

    @property
    def lsb(self) -> float | None:
        return None

    @property
    def code_word(self) -> str:
        least, _, step = self.exponents
        sign = f"sign bit {self._index_bits} (1 is negative), " if self._has_sign else ""
        unit = "" if step == 1 else f"{step} * "
        return f"{sign}exponent = {unit}low {self._index_bits} bits + ({least})"

    def max(self) -> float:
        """The package's bound: max(1, max_value), or 2**hi without max_value."""
        return max(1.0, float(self.max_value) if self.max_value is not None else _power(self.span[1]))

    def range(self) -> Floats:
        return np.sort(self.decode(self.codes()))

    def _exponent(self, magnitude: Doubles) -> Codes:
        """The exponent of the power of two that stands for a magnitude (of at most 48 significant bits)."""
        quadratic, rounding = self._options
        low, high = self.span
        capped = np.minimum(magnitude, self._cap)
        with np.errstate(invalid="ignore"):
            fraction, power = np.frexp(np.where(np.isinf(capped), np.finfo(np.float64).max, capped))
        floor = power.astype(np.int64) - 1  # capped is 2 * fraction * 2**floor
        if quadratic:
            exponents = 2 * np.clip(_half(floor, fraction > 0.5, rounding), low, high)
        elif rounding == "floor":
            exponents = np.clip(floor, low, high)
        else:  # sqrt(1/2) is irrational and `fraction` short, so comparing with its float64 is exact
            exponents = np.clip(floor + (fraction > math.sqrt(0.5)), low, high)
        return np.asarray(np.where(magnitude < EPS, low, exponents), dtype=np.int64)

    @property
    def quadratic(self) -> bool:
        """Whether only even exponents occur."""
        return self._options[0]

    @property
    def floors(self) -> bool:
        """Whether the logarithm is rounded down."""
        return self._options[1] == "floor"

    @property
    def cap(self) -> Fraction:
        """The bound on magnitudes, as the package holds it; 0 without one."""
        return Fraction(0) if self._cap == math.inf else Fraction(self._cap)

    @property
    def _cap(self) -> float:
        """The same; infinite without one."""
        return math.inf if self.max_value is None else _held(self.max_value)

    @property
    def slope(self) -> Fraction:
        """What a negative input is multiplied by before a power of two stands for it, as the package holds it."""
        return Fraction(1)

    @property
    def is_random(self) -> bool:
        """Whether training draws the exponent at random; log2_rounding="floor" has the last word."""
        return bool(getattr(self, "use_stochastic_rounding", False)) and not self.floors

    @property
    def drawn_exponents(self) -> tuple[int, int]:
        """Least and greatest exponent of samples."""
        (low, high), step = self.span, 2 if self.quadratic else 1
        cap = self._cap
        floor = high if cap == math.inf else math.frexp(cap)[1] - 1 >> step - 1
        most = step * min(max(floor + (cap > _power(step * floor)), low), high)
        least = step * min(max(math.frexp(EPS)[1] - 1 >> step - 1, low), high)
        return min(least, low), max(most, low)

    def sample_values(self, x: Floats, seed: int) -> Doubles:
        """A training sample, float64: one of the two powers around |x|, at random so that |x| is their mean; clipped.

        With quadratic_approximation that of the root of |x|, squared. Element n takes output n of `hwq.prng`. A
        max_value between two powers gives the greater one too, which inference may not. Raises `SpecError` where
        nothing is random. Source: SEMANTICS 1.7 and 2.
        """
        if not self.is_random:
            raise SpecError(
                f"{self.NAME} is not random: a seed has no use",
                remedy="call it without a seed, or set use_stochastic_rounding (and log2_rounding='rnd')",
            )
        low, high = self.span
        magnitude = np.abs(self._leaky(x))
        z = np.minimum(magnitude, self._cap)
        # z has 48 bits: 2**24 of its root stays 2**-27.5 from a tie, more than a rounding of float64
        bounded = np.clip(np.sqrt(z) if self.quadratic else z, _power(low), _power(high))
        fraction, power = np.frexp(bounded)
        drawn = (power - 1 + prng.draw(2 * fraction - 1, seed)) * (2 if self.quadratic else 1)
        exponent = np.where(magnitude < EPS, low, drawn)
        return np.asarray(np.where((x < 0) & self._has_sign, -1.0, 1.0) * np.ldexp(1.0, exponent))

    def _sample(self, x: Floats, seed: int) -> Floats:
        return self._blend(x, self.sample_values(x, seed))

    def _leaky(self, x: Floats) -> Doubles:
        """What the power of two stands for, with its sign."""
        return x.astype(np.float64)

    def _words(self, negative: npt.NDArray[np.bool_], magnitude: Doubles) -> Codes:
        least, _, step = self.exponents
        index = (self._exponent(magnitude) - least) // step
        return np.asarray(index + (negative.astype(np.int64) << self._index_bits), dtype=np.int64)

    def _values(self, codes: Codes, fit: Fit | None) -> Doubles:
        least, _, step = self.exponents
        exponent = (codes & ((1 << self._index_bits) - 1)) * step + least
        sign = np.where(codes >> self._index_bits, -1.0, 1.0) if self._has_sign else 1.0
        with np.errstate(over="ignore", under="ignore"):
            return np.asarray(sign * np.ldexp(1.0, np.clip(exponent, -1074, 1024).astype(np.int32)))


def _half(floor: Codes, above: npt.NDArray[np.bool_], rounding: str) -> Codes:
    """log2 / 2 rounded, given floor(log2) and whether log2 is above it; an odd power of two is a tie, taken to even."""
    half = floor >> 1
    if rounding == "floor":
        return half
    odd = (floor & 1) == 1
    return np.asarray(half + (odd & (above | ((half & 1) == 1))))


def _held(value: float) -> float:
    """A number as the package holds it, in float32."""
    return float(np.float32(value))


def _power(exponent: int) -> float:
    return math.ldexp(1.0, exponent) if exponent < 1024 else math.inf


@dataclass(frozen=True, repr=False)
class QuantizedPo2(Po2Quantizer):
    """y = sgn(x) * 2**e, e = clip(round_half_even(log2(min(|x|, max_value))), -2**E, 2**E - 1), with sgn(0) = +1.

    E = bits - 1 - (0 if max_value <= 1 else 1). The threshold between two powers is their geometric mean, exactly.
    |x| < 1e-7 gives +-2**-2**E: there is no zero. `log2_rounding="floor"` rounds the logarithm down;
    `quadratic_approximation` allows even exponents only and doubles their range. The word: sign bit, exponent index.
    Source: SEMANTICS 1.7.
    """

    NAME: ClassVar[str] = "quantized_po2"
    POSITIONAL: ClassVar[int] = 2

    use_stochastic_rounding: bool = param(False, flag)
    quadratic_approximation: bool = param(False, flag)
    log2_rounding: str = param("rnd", _rounding)
    qnoise_factor: float = param(1.0, number)
    var_name: str | None = param(None, optional(text))
    use_ste: bool = param(True, flag)
    use_variables: bool = param(False, flag)

    def _check(self) -> None:
        super()._check()
        check_variables(self.NAME, self.var_name, self.use_variables)

    @property
    def _options(self) -> tuple[bool, str]:
        return self.quadratic_approximation, self.log2_rounding

    @property
    def _has_sign(self) -> bool:
        return True

    @property
    def _exponent_bits(self) -> int:
        return self.bits - 1 - self._signed_exponent

    def min(self) -> float:
        """The package's bound: -max(1, max_value), or -2**hi without max_value."""
        return -self.max()

    def _encode(self, x: Floats, fit: Fit | None) -> Codes:
        return self._words(x < 0, np.abs(x.astype(np.float64)))


@dataclass(frozen=True, repr=False)
class QuantizedReluPo2(Po2Quantizer):
    """y = 2**e(x) for x >= 0; below, 2**e(0), or with a negative_slope r: -2**e(r |x|); e as in `quantized_po2`.

    The exponent has all the bits (E = bits, one less unless max_value <= 1), so twice as many as `quantized_po2`. Zero
    and (without a slope) all negative inputs give the least power, not 0. Word: exponent index, with a slope a sign bit
    above it. Source: SEMANTICS 1.8.
    """

    NAME: ClassVar[str] = "quantized_relu_po2"
    POSITIONAL: ClassVar[int] = 2

    negative_slope: float = param(0, number)
    use_stochastic_rounding: bool = param(False, flag)
    quadratic_approximation: bool = param(False, flag)
    log2_rounding: str = param("rnd", _rounding)
    qnoise_factor: float = param(1.0, number)
    var_name: str | None = param(None, optional(text))
    use_ste: bool = param(True, flag)
    use_variables: bool = param(False, flag)

    def _check(self) -> None:
        super()._check()
        check_variables(self.NAME, self.var_name, self.use_variables)
        if self.negative_slope < 0 or (self.negative_slope and not self.slope):
            raise SpecError(f"{self.NAME}: negative_slope={self.negative_slope}", remedy="use a float32 of at least 0")

    @property
    def _options(self) -> tuple[bool, str]:
        return self.quadratic_approximation, self.log2_rounding

    @property
    def _has_sign(self) -> bool:
        return self.negative_slope > 0

    @property
    def _exponent_bits(self) -> int:
        return self.bits - self._signed_exponent

    def min(self) -> float:
        """The package's bound: the least power; with a slope, -slope * 2**(bits - 1)."""
        return -float(self.negative_slope) * 2.0 ** (self.bits - 1) if self._has_sign else _power(self.span[0])

    @property
    def slope(self) -> Fraction:
        return Fraction(_held(self.negative_slope))

    def _leaky(self, x: Floats) -> Doubles:
        wide = x.astype(np.float64)
        slope = float(self.slope)
        with np.errstate(invalid="ignore"):
            return np.where(wide < 0, slope * wide if slope else 0.0, wide)

    def _encode(self, x: Floats, fit: Fit | None) -> Codes:
        return self._words((x < 0) & self._has_sign, np.abs(self._leaky(x)))

    def passes(self, x: Floats) -> Doubles:
        leaky = self._leaky(x)
        return np.minimum(leaky, self._cap)
