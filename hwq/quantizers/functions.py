"""The plain functions of `qkeras.quantizers`: activations without parameters, random rounding, and small helpers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hwq.errors import SpecError, printable
from hwq.numeric import xorshift as prng
from hwq.numeric.fixed import FixedType
from hwq.quantizers import smooth
from hwq.quantizers.base import Codes, Doubles, Fit, Floats, Quantizer, unsupported


@dataclass(frozen=True, repr=False)
class Function(Quantizer):
    """An activation without parameters and codes: `q(x)` is the real function's value, rounded to float32 once."""

    def __str__(self) -> str:
        return self.NAME

    @property
    def type(self) -> FixedType:
        raise self._refusal()

    def decode(self, codes: npt.ArrayLike) -> Floats:
        raise self._refusal()

    def _encode(self, x: Floats, fit: Fit | None) -> Codes:
        raise self._refusal()

    def _refusal(self) -> Exception:
        return unsupported(
            self.NAME, "a function has no codes", "quantize its result, for example with quantized_bits(8,0)"
        )

    def _quantize(self, x: Floats, fit: Fit | None) -> Floats:
        with np.errstate(under="ignore", over="ignore"):
            return self._function(x.astype(np.float64)).astype(np.float32)

    def _function(self, x: Doubles) -> Doubles:
        raise NotImplementedError

    @property
    def lsb(self) -> float | None:
        return None

    def limits(self) -> tuple[float, float]:
        ends = self(np.asarray([-np.inf, np.inf], dtype=np.float32))
        return float(ends[0]), float(ends[1])


class HardSigmoid(Function):
    """y = clip(x/2 + 1/2, 0, 1) (not Keras' hard sigmoid)."""

    NAME: ClassVar[str] = "hard_sigmoid"

    def _function(self, x: Doubles) -> Doubles:
        return smooth.internal(x, "hard")


class SmoothSigmoid(Function):
    """y = clip(3x/16 + 1/2, 0, 1)."""

    NAME: ClassVar[str] = "smooth_sigmoid"

    def _function(self, x: Doubles) -> Doubles:
        return smooth.internal(x, "smooth")


class HardTanh(Function):
    """y = clip(x, -1, 1)."""

    NAME: ClassVar[str] = "hard_tanh"

    def _function(self, x: Doubles) -> Doubles:
        return np.clip(x, -1.0, 1.0)


class SmoothTanh(Function):
    """y = clip(3x/8, -1, 1)."""

    NAME: ClassVar[str] = "smooth_tanh"

    def _function(self, x: Doubles) -> Doubles:
        return np.clip(0.375 * x, -1.0, 1.0)


class Relu(Function):
    """y = max(x, 0), Keras' own activation, which a spec may name."""

    NAME: ClassVar[str] = "relu"

    def _function(self, x: Doubles) -> Doubles:
        return np.maximum(x, 0.0)


class Linear(Function):
    """y = x, Keras' own activation, which a spec may name."""

    NAME: ClassVar[str] = "linear"

    def _function(self, x: Doubles) -> Doubles:
        return x


class Sigmoid(Function):
    """y = 1 / (1 + exp(-x)), Keras' own activation, which a spec may name."""

    NAME: ClassVar[str] = "sigmoid"

    def _function(self, x: Doubles) -> Doubles:
        return smooth.logistic(x)


class Tanh(Function):
    """y = tanh(x), Keras' own activation, which a spec may name."""

    NAME: ClassVar[str] = "tanh"

    def _function(self, x: Doubles) -> Doubles:
        return np.tanh(x)


@dataclass(frozen=True, repr=False)
class BinarySigmoid(Quantizer):
    """y = 1 if x > 2**-24 else 0: float32's round_half_even(x/2 + 1/2), where smaller inputs vanish and 0 is a tie.

    Equal to x > 0 for fixed-point inputs of up to 23 fraction bits. Code word: 1 bit. Source: SEMANTICS 2.
    """

    NAME: ClassVar[str] = "binary_sigmoid"
    _low: ClassVar[float] = 0.0

    @property
    def type(self) -> FixedType:
        return FixedType(False, 1)

    @property
    def lsb(self) -> float | None:
        return 1.0 - self._low

    @property
    def code_word(self) -> str:
        return f"1 bit: 0 is {self._low:g}, 1 is 1"

    def __str__(self) -> str:
        return self.NAME

    def _encode(self, x: Floats, fit: Fit | None) -> Codes:
        return (x > np.float32(2.0**-24)).astype(np.int64)

    def _values(self, codes: Codes, fit: Fit | None) -> Doubles:
        return np.where(codes > 0, 1.0, self._low)


@dataclass(frozen=True, repr=False)
class BinaryTanh(BinarySigmoid):
    """y = 1 if x > 2**-24 else -1, as `binary_sigmoid` (0 gives -1, unlike `binary`). Code word: 1 bit, 1 for +1."""

    NAME: ClassVar[str] = "binary_tanh"
    _low: ClassVar[float] = -1.0


def _array_function(kind: type[Quantizer]) -> Callable[[npt.ArrayLike], Floats]:
    def function(x: npt.ArrayLike) -> Floats:
        return kind()(x)

    function.__name__ = kind.NAME
    function.__doc__ = kind.__doc__
    return function


hard_sigmoid = _array_function(HardSigmoid)
smooth_sigmoid = _array_function(SmoothSigmoid)
binary_sigmoid = _array_function(BinarySigmoid)
hard_tanh = _array_function(HardTanh)
smooth_tanh = _array_function(SmoothTanh)
binary_tanh = _array_function(BinaryTanh)


def stochastic_round(x: npt.ArrayLike, precision: float = 0.5, *, seed: int) -> Floats:
    """A random one of the two multiples of `precision` around each x, of mean x: float32, x's shape.

    Element n draws the n-th output of `hwq.prng` (the package draws from an unseeded generator).
    Raises `SpecError` for a precision that is not positive, or a bad seed. Source: SEMANTICS 2.
    """
    if not np.isfinite(precision) or precision <= 0:
        raise SpecError(f"precision={precision}", remedy="use a positive number")
    steps = np.asarray(x, dtype=np.float32).astype(np.float64) / float(precision)
    low = np.floor(steps)
    return np.asarray((low + prng.draw(steps - low, seed)) * float(precision), dtype=np.float32)


def stochastic_round_po2(x: npt.ArrayLike, *, seed: int) -> Floats:
    """A random exponent e, one of the two around log2|x|, with E[2**e] = |x|; float32, of x's shape.

    It is the exponent, not the power; that of a power of two is certain. Raises `SpecError` for zeros and infinities.
    Source: SEMANTICS 2.
    """
    magnitude = np.abs(np.asarray(x, dtype=np.float32).astype(np.float64))
    if not (np.isfinite(magnitude) & (magnitude > 0)).all():
        raise SpecError("stochastic_round_po2: zero or an infinity has no exponent", remedy="remove it from the data")
    fraction, power = np.frexp(magnitude)
    return np.asarray(power - 1 + prng.draw(2 * fraction - 1, seed), dtype=np.float32)


def get_weight_scale(quantizer: Quantizer | None, x: npt.ArrayLike | None = None) -> Any:
    """The numpy value of `quantizer.scale`, 1.0 where there is none (yet); `x` is ignored, as in the package."""
    scale = None if quantizer is None else quantizer.scale
    return 1.0 if scale is None else scale


def get_quantized_initializer(w_initializer: Any, w_range: float) -> Any:
    """The Keras initializer's `{"class_name", "config"}` for weights within +-w_range; other names unchanged.

    he_*: VarianceScaling(2 w_range, fan_in); glorot_*: VarianceScaling(w_range, fan_avg); random_uniform:
    RandomUniform(-w_range, w_range). For training only: hwq initialises nothing. Source: SEMANTICS 2.
    """
    if not isinstance(w_range, int | float) or not np.isfinite(w_range) or w_range <= 0:
        raise SpecError(f"w_range={printable(w_range)}", remedy="use a positive number")
    modes = {"he": (2.0 * w_range, "fan_in"), "glorot": (float(w_range), "fan_avg")}
    shapes = {"normal": "truncated_normal", "uniform": "uniform"}
    family, _, shape = str(w_initializer).partition("_")
    if family in modes and shape in shapes:
        scale, mode = modes[family]
        return {
            "class_name": "VarianceScaling",
            "config": {"scale": scale, "mode": mode, "distribution": shapes[shape]},
        }
    if w_initializer == "random_uniform":
        return {"class_name": "RandomUniform", "config": {"minval": -float(w_range), "maxval": float(w_range)}}
    return w_initializer
