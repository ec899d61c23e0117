"""What every quantizer is: parameters, code words, values, and the fixed-point conversion where there is one.

A quantizer maps float32 values to integer code words (`encode`) and code words to values (`decode`); calling it does
both. Subclasses state the parameters as dataclass fields in the package's order and implement `_encode` and `_decode`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hwq.errors import SpecError, UnsupportedError, printable
from hwq.numeric.fixed import FixedType, Overflow, Rounding
from hwq.quantizers.grammar import spell
from hwq.quantizers.params import Check
from hwq.targets import TYPE_STYLES

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Grid = tuple[FixedType, Rounding, Overflow]

EPS = np.float32(1e-7)
"""Keras' epsilon, which the package adds inside logarithms and divisions."""


@dataclass(frozen=True)
class Fit:
    """What an auto alpha learned from data: the package's `.scale`, and the float32 step that codes are made with."""

    scale: Floats
    step: Floats


@dataclass(frozen=True, repr=False)
class Quantizer:
    """A quantizer of the package `qkeras` (version 3), exact where the package is float32.

    `q(x)` values (float32, of x's shape), `q.encode(x)` code words (int64), `q.decode(codes)` values.
    Inputs are cast to float32, as in the package. NaN stays NaN in `q(x)` and is refused by `q.encode`; infinities
    saturate. An auto alpha is computed from each `x`, unless `q.fit(x)` has fixed it. Source: SEMANTICS, 2026.
    """

    NAME: ClassVar[str] = ""
    POSITIONAL: ClassVar[int] = 1
    INHERITED: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    """Keys that the package writes into its configs from a parent class, with the one value that means nothing here."""
    """How many leading parameters `str` writes without their names."""

    def __post_init__(self) -> None:
        for f in fields(self):
            check: Check = f.metadata["check"]
            try:
                object.__setattr__(self, f.name, check(f.name, getattr(self, f.name)))
            except SpecError as error:
                raise SpecError(f"{self.NAME}: {error.found}", remedy=error.remedy) from None
        object.__setattr__(self, "_seen", None)
        object.__setattr__(self, "_fixed", False)
        self._check()

    def _check(self) -> None:
        """Refuse combinations of parameters that have no meaning."""

    # -- the face ---------------------------------------------------------------------------------------------------

    def __call__(self, x: npt.ArrayLike, *, seed: int | None = None) -> Floats:
        """Quantized float32 values of x's shape; `seed` draws a sample, and is refused where nothing is random."""
        if seed is not None:
            return self._sample(_float32(x), seed)
        array = _float32(x)
        missing = np.isnan(array)
        if missing.any():
            filled = np.where(missing, np.float32(0), array)
            return np.where(missing, np.float32(np.nan), self._quantize(filled, self._fit_for(filled)))
        return self._quantize(array, self._fit_for(array))

    def encode(self, x: npt.ArrayLike) -> Codes:
        """The code words of `x`, int64 of its shape. Raises `SpecError` for NaN, which has no code."""
        array = _float32(x)
        if np.isnan(array).any():
            raise SpecError(f"{self.NAME}: NaN has no code", remedy="remove it from the data")
        return self._encode(array, self._fit_for(array))

    def decode(self, codes: npt.ArrayLike) -> Floats:
        """The float32 values of code words. Raises `SpecError` for words outside `q.type` and unknown auto scales."""
        words = np.asarray(codes)
        if words.size and not np.issubdtype(words.dtype, np.integer):
            raise SpecError(f"{self.NAME}: codes are integers, not {words.dtype}", remedy="pass what encode returned")
        words = words.astype(np.int64, copy=False)
        if words.size and (words.min() < self.type.lo or words.max() > self.type.hi):
            found = f"{self.NAME}: a code outside {self.type.lo}..{self.type.hi}"
            raise SpecError(found, remedy=f"codes of this quantizer are of type {self.type}")
        if self.is_auto and self._seen is None:
            raise SpecError(f"{self.NAME}: its scale is not known yet", remedy="call q.fit(x) first")
        return _narrow(self._values(words, self._seen))

    def fit(self, x: npt.ArrayLike) -> Quantizer:
        """Compute an auto scale from `x` and keep it for all later calls; returns the quantizer itself."""
        object.__setattr__(self, "_fixed", False)
        self._fit_for(_float32(x))
        object.__setattr__(self, "_fixed", True)
        return self

    @property
    def type(self) -> FixedType:
        """The type of the code word."""
        raise NotImplementedError

    @property
    def rounding(self) -> Rounding:
        """How a value between two codes is rounded."""
        return Rounding.HALF_EVEN

    @property
    def overflow(self) -> Overflow:
        """What happens to a value beyond the last code."""
        return Overflow.SATURATE

    @property
    def grid(self) -> Grid | None:
        """Type, rounding and overflow of the one fixed-point conversion that `encode` is (after `affine`), or None."""
        return None

    @property
    def affine(self) -> tuple[Fraction, Fraction]:
        """The exact `(mul, add)` in front of the grid's conversion: codes are those of `mul * x + add`."""
        return Fraction(1), Fraction(0)

    def hls(self, target: str) -> str:
        """The vendor's type: with modes where `grid` is known, else the storage type of the code word."""
        if target not in TYPE_STYLES:
            raise SpecError(f"unknown target '{printable(target)}'", remedy="use one of: " + ", ".join(TYPE_STYLES))
        style = TYPE_STYLES[target]
        return style.storage(self.type) if self.grid is None else style.conversion(*self.grid)

    @property
    def is_auto(self) -> bool:
        """Whether the scale is computed from the data."""
        return isinstance(getattr(self, "alpha", None), str)

    @property
    def scale(self) -> Floats | None:
        """The package's `.scale`, float32: alpha, or what the last call or `fit` found for auto alphas; else None."""
        alpha = getattr(self, "alpha", None)
        if self.is_auto:
            return None if self._seen is None else self._seen.scale
        return None if alpha is None else np.asarray(alpha, dtype=np.float32)

    def min(self) -> Any:
        """The package's `min()`: a bound that it states, not always reached (see `limits`)."""
        return self.limits()[0]

    def max(self) -> Any:
        """The package's `max()`: a bound that it states, not always reached (see `limits`)."""
        return self.limits()[1]

    def range(self) -> Floats:
        """Every value, in the order of the code words read as unsigned integers (0.., then the negative ones)."""
        if self.scale is not None and self.scale.size > 1:
            raise SpecError(f"{self.NAME}: range() with one scale per channel", remedy="decode the codes of a channel")
        words = self.codes()
        return self.decode(np.concatenate([words[words >= 0], words[words < 0]]))

    def limits(self) -> tuple[float, float]:
        """The smallest and largest value that really occur (an auto scale must be known)."""
        words = np.asarray(self.extreme_codes(), dtype=np.int64)
        values = self.decode(words.reshape(-1, *[1] * np.ndim(self.scale)) if self.scale is not None else words)
        return float(values.min()), float(values.max())

    def code_range(self) -> tuple[int, int]:
        """The lowest and highest code word that occur."""
        return self.type.lo, self.type.hi

    def extreme_codes(self) -> tuple[int, ...]:
        """Code words among which the smallest and the largest value are."""
        return self.code_range()

    @property
    def levels(self) -> int:
        """How many code words occur."""
        lo, hi = self.code_range()
        return hi - lo + 1

    def codes(self) -> Codes:
        """Every code word that occurs, ascending."""
        lo, hi = self.code_range()
        if hi - lo >= 1 << 24:
            raise SpecError(f"{self.NAME}: {self.levels} codes are too many to list", remedy="use code_range()")
        return np.arange(lo, hi + 1, dtype=np.int64)

    @property
    def lsb(self) -> float | None:
        """The distance of neighbouring values (scale 1), or None where they are not evenly spaced."""
        return float(self.type.lsb)

    @property
    def code_word(self) -> str:
        """What the bits of the code word are, in one line."""
        return "two's complement" if self.type.signed else "unsigned"

    @property
    def config(self) -> dict[str, Any]:
        """Every parameter, JSON-able; `quantizer({"class_name": ..., "config": q.config})` equals q."""
        result = {f.name: _lists(getattr(self, f.name)) for f in fields(self)}
        if result.get("internal_sigmoid") == "hard":
            del result["internal_sigmoid"]  # not a parameter of the package's classes
        return result

    def __str__(self) -> str:
        first = [getattr(self, f.name) for f in fields(self)[: self.POSITIONAL]]
        while first and first[-1] is None:
            first.pop()
        parts = [spell(int(value) if isinstance(value, bool) else value) for value in first]
        for f in fields(self)[self.POSITIONAL :]:
            value = getattr(self, f.name)
            if value != f.default or type(value) is not type(f.default):
                parts.append(f"{f.name}={spell(value)}")
        return f"{self.NAME}({','.join(parts)})"

    def __repr__(self) -> str:
        return f'quantizer("{self}")'

    # -- what subclasses provide ------------------------------------------------------------------------------------

    def _encode(self, x: Floats, fit: Fit | None) -> Codes:
        raise NotImplementedError

    def _values(self, codes: Codes, fit: Fit | None) -> Doubles:
        """The ideal values of codes, float64."""
        frac = self.type.frac
        values = codes * 2.0**-frac if abs(frac) < 1000 else np.ldexp(codes.astype(np.float64), -frac)  # ldexp is slow
        if self.scale is None:
            return np.asarray(values)
        return np.asarray(values * self.scale.astype(np.float64))

    def _unit_fit(self) -> Fit | None:
        """The fit of an auto alpha for which `.scale` is 1, to speak about values without data."""
        one = np.ones((), dtype=np.float32)
        return Fit(one, one) if self.is_auto else None

    def unit_values(self, codes: Codes) -> Doubles:
        """The ideal values of code words, float64; those of an auto alpha for a scale of 1."""
        return self._values(codes, self._unit_fit())

    def _measure(self, x: Floats) -> Fit | None:
        """The auto scale of `x`; None where there is none."""
        return None

    def passes(self, x: Floats) -> Doubles:
        """The activation before quantization (what `qnoise_factor` < 1 lets through)."""
        return x.astype(np.float64)

    def _sample(self, x: Floats, seed: int) -> Floats:
        raise SpecError(f"{self.NAME} is not random: a seed has no use", remedy="call it without a seed")

    @property
    def _noisy(self) -> bool:
        """Whether part of the activation passes unquantized, so that values lie on no grid."""
        return bool(getattr(self, "qnoise_factor", 1.0) != 1)

    # -- shared -----------------------------------------------------------------------------------------------------

    def _quantize(self, x: Floats, fit: Fit | None) -> Floats:
        return self._blend(x, self._values(self._encode(x, fit), fit))

    def _blend(self, x: Floats, y: Doubles) -> Floats:
        """`x_u + q (y - x_u)` with q = qnoise_factor, in float64."""
        noise = float(np.float32(getattr(self, "qnoise_factor", 1.0)))
        if noise != 1.0:
            free = self.passes(x)
            y = free + noise * (y - free)
        return _narrow(y)

    def _fit_for(self, x: Floats) -> Fit | None:
        if not self.is_auto:
            self._match(x, self.scale)
            return None
        if self._fixed and self._seen is not None:
            self._match(x, self._seen.scale)
            return self._seen
        if x.ndim == 0 or x.size == 0:
            raise SpecError(
                f"{self.NAME}: an auto alpha needs at least one dimension and one element", remedy="pass an array"
            )
        found = self._measure(x)
        self._match(x, None if found is None else found.scale)
        object.__setattr__(self, "_seen", found)
        return found

    def _match(self, x: Floats, scale: Floats | None) -> None:
        if scale is None or scale.ndim == 0:
            return
        try:
            np.broadcast_shapes(x.shape, scale.shape)
        except ValueError:
            found = f"{self.NAME}: a scale of shape {list(scale.shape)} for an input of shape {list(x.shape)}"
            raise SpecError(found, remedy="give one scale per channel of the last axis") from None

    _seen: ClassVar[Fit | None]
    _fixed: ClassVar[bool]


def _float32(x: npt.ArrayLike) -> Floats:
    try:
        with np.errstate(over="ignore"):
            return np.asarray(x, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise SpecError("the input is not an array of numbers", remedy="pass a regular array") from error


def _narrow(values: Doubles) -> Floats:
    with np.errstate(over="ignore", under="ignore"):
        return values.astype(np.float32)


def _lists(value: Any) -> Any:
    return [_lists(v) for v in value] if isinstance(value, tuple) else value


def to_codes(rounded: npt.NDArray[Any], lo: int, hi: int) -> Codes:
    """Already rounded floats, clipped to `lo..hi` and made int64; infinities saturate."""
    if int(rounded.dtype.type(hi)) == hi and hi < 1 << 53:
        bounded = np.clip(rounded, rounded.dtype.type(lo), rounded.dtype.type(hi))
        return np.asarray(bounded, dtype=np.int64)
    inside = np.clip(rounded.astype(np.float64), -(2.0**62), 2.0**62)
    return np.clip(inside.astype(np.int64), lo, hi)


def scaled(x: Floats, exponent: int) -> npt.NDArray[Any]:
    """`x * 2**exponent`, exactly: float32 where the factor is a normal float32 (overflow is infinity), else float64."""
    if abs(exponent) <= 120:
        with np.errstate(over="ignore", under="ignore"):
            return np.asarray(x * np.float32(2.0**exponent))
    return np.ldexp(x.astype(np.float64), exponent)


def unsupported(name: str, found: str, remedy: str) -> UnsupportedError:
    """An error for a quantizer that exists but cannot do this."""
    return UnsupportedError(f"{name}: {found}", remedy=remedy)
