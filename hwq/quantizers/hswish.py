"""`quantized_hswish`: hard swish, rounded by `quantized_bits`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from hwq.errors import SpecError
from hwq.quantizers.base import Codes, Doubles, Fit, Floats, Grid
from hwq.quantizers.bits import BitsQuantizer, QuantizedBits, check_variables
from hwq.quantizers.params import axes, binary_point, flag, list_alpha, number, optional, param, positive, text, whole


@dataclass(frozen=True, repr=False)
class QuantizedHswish(BitsQuantizer):
    """y = quantized_bits(bits, integer, symmetric, alpha)(h), h = x * clip(x + relu_shift, 0, U) / U.

    U = relu_upper_bound. The least h is -relu_shift**2 / (4 U) (for relu_shift <= 2 U), so few negative codes occur.
    hwq rounds the real h once; the package rounds h to float32 before. Source: SEMANTICS 1.6.
    """

    NAME: ClassVar[str] = "quantized_hswish"
    POSITIONAL: ClassVar[int] = 3
    INHERITED: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {
            "keep_negative": True,
            "post_training_scale": None,
            "elements_per_scale": None,
            "min_po2_exponent": None,
            "max_po2_exponent": None,
        }
    )

    bits: int = param(8, whole(1, 24))
    integer: int = param(0, binary_point)
    symmetric: bool = param(False, flag)
    alpha: float | str | tuple[Any, ...] | None = param(None, list_alpha)
    use_stochastic_rounding: bool = param(False, flag)
    scale_axis: int | tuple[int, ...] | None = param(None, optional(axes))
    qnoise_factor: float = param(1.0, number)
    var_name: str | None = param(None, optional(text))
    use_ste: bool = param(True, flag)
    use_variables: bool = param(False, flag)
    relu_shift: float = param(3, positive)
    relu_upper_bound: float = param(6, positive)

    def _check(self) -> None:
        check_variables(self.NAME, self.var_name, self.use_variables)
        if self.is_auto:
            found = f"{self.NAME}: alpha='{self.alpha}' makes the scale depend on the batch"
            raise SpecError(found, remedy="use alpha None or a number for an activation")

    @property
    def _parts(self) -> tuple[int, int, bool, bool]:
        return self.bits, self.integer, True, self.symmetric

    @property
    def grid(self) -> Grid | None:
        """None: hard swish comes before the conversion."""
        return None

    @property
    def conversion(self) -> Grid | None:
        """The fixed-point conversion after hard swish."""
        return super().grid

    @property
    def _turn(self) -> float:
        """Where h is least."""
        return (
            -min(self.relu_shift / 2, self.relu_upper_bound)
            if self.relu_shift <= 2 * self.relu_upper_bound
            else (self.relu_upper_bound - self.relu_shift)
        )

    def code_range(self) -> tuple[int, int]:
        low, high = super().code_range()
        least = self._encode(np.asarray(self._turn, dtype=np.float32), None)
        return max(low, int(least)), high

    def max(self) -> float:
        """The package's bound: max(1, 2**integer)."""
        return max(1.0, 2.0**self.integer)

    def passes(self, x: Floats) -> Doubles:
        wide = x.astype(np.float64)
        upper = float(self.relu_upper_bound)
        with np.errstate(over="ignore", invalid="ignore"):
            h = wide * np.clip(wide + float(self.relu_shift), 0.0, upper) / upper
        return np.where(wide == -np.inf, 0.0, h)

    def _encode(self, x: Floats, fit: Fit | None) -> Codes:
        h = self.passes(x)
        return self._plain_codes(h)

    def _plain_codes(self, h: Doubles) -> Codes:
        if self._sign_only:
            return (h >= 0).astype(np.int64)
        low, high = QuantizedBits(self.bits, self.integer, self.symmetric).code_range()
        with np.errstate(over="ignore", under="ignore"):
            return np.clip(np.rint(np.ldexp(h, self.type.frac)), low, high).astype(np.int64)
