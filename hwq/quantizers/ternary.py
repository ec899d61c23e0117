"""`ternary` and `stochastic_ternary`: -1, 0, +1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hwq.errors import SpecError
from hwq.numeric import xorshift as prng
from hwq.numeric.fixed import FixedType, Overflow
from hwq.quantizers import smooth
from hwq.quantizers.base import Codes, Doubles, Fit, Floats, Quantizer
from hwq.quantizers.binary import largest, spread
from hwq.quantizers.params import any_alpha, flag, number, optional, param, positive, whole
from hwq.quantizers.scales import ScaleAxes, least_squares, power_of_two

DEFAULT_THRESHOLD = 0.33

_unrolls = whole(1, 1000)


@dataclass(frozen=True, repr=False)
class TernaryQuantizer(Quantizer):
    """Shared by both: codes -1, 0, 1 in two bits."""

    alpha: float | str | tuple[Any, ...] | None = param(None, any_alpha)
    threshold: float | None = param(None, optional(number))

    @property
    def _unrolls(self) -> int:
        raise NotImplementedError

    def _check(self) -> None:
        if self.is_auto and self.threshold is not None:
            found = f"{self.NAME}: threshold={self.threshold} with alpha='{self.alpha}'"
            raise SpecError(found, remedy="leave the threshold out: auto alphas compute it")

    @property
    def type(self) -> FixedType:
        return FixedType(True, 2)

    @property
    def overflow(self) -> Overflow:
        return Overflow.SATURATE_SYMMETRIC

    def code_range(self) -> tuple[int, int]:
        return -1, 1

    @property
    def cut(self) -> float:
        """The magnitude from which on a value counts (alpha not auto), float32."""
        return float(np.float32(DEFAULT_THRESHOLD if self.threshold is None else self.threshold))

    @property
    def scale(self) -> Floats | None:
        """The package's `.scale`: 1 where alpha is None."""
        found = super().scale
        return np.asarray(1, dtype=np.float32) if found is None and not self.is_auto else found

    def min(self) -> float:
        """The package's bound: -max(1, alpha)."""
        return -largest(self.alpha)

    def max(self) -> float:
        """The package's bound: max(1, alpha)."""
        return largest(self.alpha)

    def _encode(self, x: Floats, fit: Fit | None) -> Codes:
        if fit is not None:
            return _auto_codes(x, fit.step).astype(np.int64)
        return (np.sign(x) * (np.abs(x) >= np.float32(self.cut))).astype(np.int64)

    def _values(self, codes: Codes, fit: Fit | None) -> Doubles:
        scale = fit.scale if fit is not None else self.scale
        return np.asarray(codes * np.asarray(scale, dtype=np.float64))

    def _measure(self, x: Floats) -> Fit:
        """`step` is the scale that made the codes, one iteration before the `scale` that multiplies them."""
        over = ScaleAxes.of(x, None)
        po2 = self.alpha == "auto_po2"
        peak = np.max(np.abs(x), axis=None if x.ndim == 1 else over.reduced, keepdims=True)
        scale = np.asarray(peak * np.float32(2) / np.float32(3), dtype=np.float32)
        scale = power_of_two(scale) if po2 else scale
        step = scale
        for _ in range(self._unrolls):
            step = scale
            scale = least_squares(x, _auto_codes(x, step), over)
            scale = power_of_two(scale) if po2 else scale
        return Fit(scale, step)


def _auto_codes(x: Floats, step: Floats) -> Floats:
    """sign(x) where |x| / step rounds (half to even) to more than 0; a step of 0 (a dead channel) gives 0."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        reached = (np.rint(x / step) != 0) & (step != 0)
    return np.asarray(np.sign(x) * reached, dtype=np.float32)


@dataclass(frozen=True, repr=False)
class Ternary(TernaryQuantizer):
    """y = scale * sign(x) * [|x| >= threshold], threshold 0.33 by default and not scaled; 0 stays 0.

    alpha "auto"/"auto_po2" (threshold None): per channel, number_of_unrolls times codes from |x| > scale/2 and the
    least-squares scale for them. Code word: two's complement -1, 0, 1. Source: SEMANTICS 1.10.
    """

    NAME: ClassVar[str] = "ternary"
    POSITIONAL: ClassVar[int] = 0

    use_stochastic_rounding: bool = param(False, flag)
    number_of_unrolls: int = param(5, _unrolls)

    def _check(self) -> None:
        super()._check()
        if self.use_stochastic_rounding and not self.is_auto:
            found = f"{self.NAME}: use_stochastic_rounding with alpha={self.alpha!r}"
            raise SpecError(found, remedy="it needs alpha='auto' or 'auto_po2', and changes nothing at inference")

    @property
    def _unrolls(self) -> int:
        return self.number_of_unrolls


@dataclass(frozen=True, repr=False)
class StochasticTernary(smooth.Switched, TernaryQuantizer):
    """As `ternary` at inference; with a seed a training sample: code (q0 + q1) / 2.

    P(q0 = +1) = sigmoid(T (x - s/2) / std), P(q1 = +1) = sigmoid(T (x + s/2) / std), T = temperature, else -1. s and
    std are those of the channel for auto alphas. Others the package cannot sample: hwq does, the threshold being s/2
    (as it is at inference) and std 1 (as in `stochastic_binary`). Source: SEMANTICS 1.10.
    """

    NAME: ClassVar[str] = "stochastic_ternary"
    POSITIONAL: ClassVar[int] = 0

    temperature: float = param(8.0, positive)
    use_real_sigmoid: bool = param(True, flag)
    number_of_unrolls: int = param(5, _unrolls)
    internal_sigmoid: str = param("hard", smooth.mode, kw_only=True)

    def _check(self) -> None:
        super()._check()
        if self.threshold == 1.0:
            raise SpecError(
                f"{self.NAME}: threshold=1.0, which the package refuses", remedy="use ternary(threshold=1.0)"
            )

    @property
    def _unrolls(self) -> int:
        return self.number_of_unrolls

    def sample_codes(self, x: Floats, seed: int) -> Codes:
        """Code words of a draw; element n takes the PRNG's outputs 2n (q0) and 2n + 1 (q1)."""
        fit = self._fit_for(x)
        std = np.float64(1) if fit is None else spread(x).astype(np.float64)
        half = np.float64(self.cut) if fit is None else fit.scale.astype(np.float64) / 2
        draws = []
        for lane, offset in enumerate((-half, half)):
            chance = smooth.internal(float(self.temperature) * (x.astype(np.float64) + offset) / std, self.curve)
            draws.append(prng.draw(np.broadcast_to(chance, x.shape), seed, lane, 2).astype(np.int64))
        return draws[0] + draws[1] - 1

    def _sample(self, x: Floats, seed: int) -> Floats:
        codes = self.sample_codes(x, seed)
        return self._values(codes, self._fit_for(x)).astype(np.float32)
