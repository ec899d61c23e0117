"""`binary`, `stochastic_binary` and `bernoulli`: one bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hwq.errors import SpecError
from hwq.numeric import xorshift as prng
from hwq.numeric.fixed import FixedType
from hwq.quantizers import smooth
from hwq.quantizers.base import EPS, Codes, Doubles, Fit, Floats, Quantizer, unsupported
from hwq.quantizers.params import any_alpha, axes, flag, optional, param, positive, whole
from hwq.quantizers.scales import ScaleAxes, check_scale_options, clip_power, least_squares, power_of_two


def largest(value: Any) -> float:
    """The package's max() of a scaled sign: 1, or alpha where that is larger."""
    return 1.0 if value is None or isinstance(value, str) else max(1.0, float(np.max(np.asarray(value))))


def spread(x: Floats) -> Floats:
    """The standard deviation per channel plus 1e-7, by which the package divides where alpha is auto."""
    over = tuple(range(x.ndim - 1)) if x.ndim > 1 else (0,)
    return np.asarray(np.std(x, axis=over, keepdims=True, dtype=np.float32) + EPS, dtype=np.float32)


@dataclass(frozen=True, repr=False)
class SignQuantizer(Quantizer):
    """Shared by all three: a code word of 1 bit, worth `scale * _low` or `scale`."""

    _low: ClassVar[float] = -1.0

    @property
    def type(self) -> FixedType:
        return FixedType(False, 1)

    @property
    def _zero(self) -> float:
        """The value of code 0, unscaled."""
        return self._low

    @property
    def _scaling(self) -> tuple[Any, Any, int | None, int | None]:
        """scale_axis, elements_per_scale, min_po2_exponent, max_po2_exponent."""
        return None, None, None, None

    @property
    def lsb(self) -> float | None:
        return 1.0 - self._zero

    @property
    def code_word(self) -> str:
        return f"1 bit: 0 is {self._zero:g}, 1 is 1, times the scale"

    @property
    def scale(self) -> Floats | None:
        """The package's `.scale`: 1 where alpha is None."""
        found = super().scale
        return np.asarray(1, dtype=np.float32) if found is None and not self.is_auto else found

    def min(self) -> float:
        """The package's bound: -max(1, alpha), or 0 for {0, 1}."""
        return 0.0 if self._zero == 0 else -largest(getattr(self, "alpha", None))

    def max(self) -> float:
        """The package's bound: max(1, alpha)."""
        return largest(getattr(self, "alpha", None))

    def _encode(self, x: Floats, fit: Fit | None) -> Codes:
        return (x >= 0).astype(np.int64)

    def _values(self, codes: Codes, fit: Fit | None) -> Doubles:
        scale = fit.step if fit is not None else self.scale
        unit = np.where(codes > 0, 1.0, self._zero)
        return np.asarray(unit * np.asarray(scale, dtype=np.float64))

    def _measure(self, x: Floats) -> Fit:
        axis, per_scale, least, most = self._scaling
        codes = np.where(x >= 0, np.float32(1), np.float32(self._zero))
        scale = least_squares(x, codes, ScaleAxes.of(x, axis, per_scale))
        if getattr(self, "alpha", None) == "auto_po2":
            scale = clip_power(power_of_two(scale), least, most)
        return Fit(scale, scale)


@dataclass(frozen=True, repr=False)
class Binary(SignQuantizer):
    """y = scale * sgn(x), sgn(0) = +1; with use_01: scale * (1 if x >= 0 else 0).

    scale is alpha (None: 1), or computed per channel: mean|x| for "auto", the nearest power of two for "auto_po2".
    Code word: 1 bit, 1 for x >= 0. Source: SEMANTICS 1.9.
    """

    NAME: ClassVar[str] = "binary"

    use_01: bool = param(False, flag)
    alpha: float | str | tuple[Any, ...] | None = param(None, any_alpha)
    training: bool = param(False, flag)
    use_stochastic_rounding: bool = param(False, flag)
    scale_axis: int | tuple[int, ...] | None = param(None, optional(axes))
    elements_per_scale: int | tuple[int, ...] | None = param(None, optional(axes))
    min_po2_exponent: int | None = param(None, optional(whole(-126, 126)))
    max_po2_exponent: int | None = param(None, optional(whole(-126, 126)))

    def _check(self) -> None:
        check_scale_options(self.NAME, self.alpha, *self._scaling, autos=("auto", "auto_po2"))
        if self.use_stochastic_rounding or self.training:
            found = f"{self.NAME}: use_stochastic_rounding or training, on which the package fails"
            raise SpecError(found, remedy="leave it out, or use stochastic_binary")

    @property
    def _zero(self) -> float:
        return 0.0 if self.use_01 else -1.0

    @property
    def _scaling(self) -> tuple[Any, Any, int | None, int | None]:
        return self.scale_axis, self.elements_per_scale, self.min_po2_exponent, self.max_po2_exponent


@dataclass(frozen=True, repr=False)
class StochasticBinary(smooth.Switched, SignQuantizer):
    """y = scale * sgn(x) as `binary(alpha=...)`; with a seed a training sample, P(+) = sigmoid(temperature * x / std).

    std is 1, or that of the channel (plus 1e-7) for auto alphas. Source: SEMANTICS 1.9.
    """

    NAME: ClassVar[str] = "stochastic_binary"
    POSITIONAL: ClassVar[int] = 0

    alpha: float | str | tuple[Any, ...] | None = param(None, any_alpha)
    temperature: float = param(6.0, positive)
    use_real_sigmoid: bool = param(True, flag)
    internal_sigmoid: str = param("hard", smooth.mode, kw_only=True)

    def _probability(self, x: Floats) -> Doubles:
        wide = x.astype(np.float64) / (spread(x).astype(np.float64) if self.is_auto else 1.0)
        return smooth.internal(float(self.temperature) * wide, self.curve)

    def sample_codes(self, x: Floats, seed: int) -> Codes:
        """Code words of a draw: the PRNG of `hwq.prng`, elements in C order."""
        return prng.draw(self._probability(x), seed).astype(np.int64)

    def _sample(self, x: Floats, seed: int) -> Floats:
        return self._values(self.sample_codes(x, seed), self._fit_for(x)).astype(np.float32)


@dataclass(frozen=True, repr=False)
class Bernoulli(StochasticBinary):
    """y = scale * B, P(B = 1) = sigmoid(temperature * x / std): random at inference too, so it needs `q(x, seed=...)`.

    std and scale as in `stochastic_binary`, the scale from {0, 1} codes. Without a seed hwq refuses, as no two runs of
    the package agree. Source: SEMANTICS 1.11.
    """

    NAME: ClassVar[str] = "bernoulli"
    _low: ClassVar[float] = 0.0

    def _quantize(self, x: Floats, fit: Fit | None) -> Floats:
        raise self._refusal()

    def _encode(self, x: Floats, fit: Fit | None) -> Codes:
        raise self._refusal()

    def _refusal(self) -> Exception:
        return unsupported(
            self.NAME, "it draws at random, at inference too", "pass a seed: q(x, seed=1), or use binary"
        )
