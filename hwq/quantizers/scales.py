"""Scales that are computed from data (`alpha="auto"`, `"auto_po2"`): float32 throughout, step by step as the package.

Here the float32 result is the definition: an auto scale is a constant that is evaluated once, offline.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwq.errors import SpecError
from hwq.quantizers.base import EPS, Floats

Axes = int | tuple[int, ...] | None


def power_of_two(scale: Floats, log2: bool = False) -> Floats:
    """The power of two nearest to `scale` in the log domain, `2**round(log2(scale + 1e-7))`, in float32."""
    shifted = scale + EPS
    with np.errstate(divide="ignore", over="ignore"):
        logarithm = np.log2(shifted) if log2 else np.log(shifted) / np.float32(np.log(2.0))
        return np.asarray(np.exp2(np.rint(logarithm)), dtype=np.float32)


@dataclass(frozen=True)
class ScaleAxes:
    """Which elements share a scale: `kept` axes have their own, blocks of `per_scale` indices along them share one."""

    kept: tuple[int, ...]
    rank: int
    per_scale: tuple[int, ...] | None = None

    @staticmethod
    def of(x: Floats, scale_axis: Axes, elements_per_scale: Axes = None) -> ScaleAxes:
        """The axes for an input: by default all but the last are shared (one scale per output channel)."""
        rank = x.ndim
        if rank == 1 or scale_axis is None:
            if elements_per_scale is not None and scale_axis is None:
                raise SpecError("elements_per_scale without scale_axis", remedy="give scale_axis too")
            return ScaleAxes((rank - 1,), rank)
        listed = (scale_axis,) if isinstance(scale_axis, int) else scale_axis
        if any(not -rank <= axis < rank for axis in listed):
            raise SpecError(f"scale_axis {list(listed)} for an input of rank {rank}", remedy=f"use 0 to {rank - 1}")
        kept = tuple(axis % rank for axis in listed)
        if elements_per_scale is None:
            return ScaleAxes(kept, rank)
        per = (elements_per_scale,) * len(kept) if isinstance(elements_per_scale, int) else elements_per_scale
        if len(per) != len(kept) or any(n < 1 or x.shape[axis] % n for axis, n in zip(kept, per, strict=True)):
            found = f"elements_per_scale {list(per)} for scale_axis {list(kept)} of shape {list(x.shape)}"
            raise SpecError(found, remedy="give one divisor of the axis' length for each scale axis")
        return ScaleAxes(kept, rank, per)

    @property
    def reduced(self) -> tuple[int, ...]:
        return tuple(axis for axis in range(self.rank) if axis not in self.kept)

    def mean(self, values: Floats) -> Floats:
        """Means over what shares a scale; broadcasts against `values`. A vector's elements are each their own."""
        if self.per_scale is None:
            return values if self.rank == 1 else np.mean(values, axis=self.reduced, keepdims=True, dtype=np.float32)
        shape: list[int] = []
        over: list[int] = []
        blocks = dict(zip(self.kept, self.per_scale, strict=True))
        for axis, length in enumerate(values.shape):
            if axis in blocks:
                over.append(len(shape) + 1)
                shape += [length // blocks[axis], blocks[axis]]
            else:
                over.append(len(shape))
                shape.append(length)
        means = np.mean(values.reshape(shape), axis=tuple(over), keepdims=True, dtype=np.float32)
        means = means.reshape([n // blocks[axis] if axis in blocks else 1 for axis, n in enumerate(values.shape)])
        for axis, n in blocks.items():
            means = np.repeat(means, n, axis=axis)
        return np.asarray(means, dtype=np.float32)


def least_squares(x: Floats, codes: Floats, axes: ScaleAxes) -> Floats:
    """The scale that minimises the error of `scale * codes` against `x`: mean(x c) / (mean(c c) + 1e-7)."""
    return np.asarray(axes.mean(x * codes) / (axes.mean(codes * codes) + EPS), dtype=np.float32)


def clip_power(scale: Floats, least: int | None, most: int | None) -> Floats:
    """A scale held within `2**least .. 2**most` where these are given."""
    if least is None or most is None:
        return scale
    return np.clip(scale, np.float32(2.0**least), np.float32(2.0**most))


def check_scale_options(
    name: str,
    alpha: object,
    scale_axis: Axes,
    elements_per_scale: Axes,
    min_po2_exponent: int | None,
    max_po2_exponent: int | None,
    autos: tuple[str, ...] = ("auto_po2",),
) -> None:
    """Refuse the combinations of scale options that the package fails on."""
    exponents = (min_po2_exponent, max_po2_exponent)
    if exponents != (None, None):
        if alpha != "auto_po2":
            raise SpecError(f"{name}: min/max_po2_exponent with alpha={alpha!r}", remedy="they need alpha='auto_po2'")
        if min_po2_exponent is None or max_po2_exponent is None or min_po2_exponent > max_po2_exponent:
            raise SpecError(f"{name}: min/max_po2_exponent {exponents}", remedy="give both, the smaller one first")
    if elements_per_scale is not None:
        if alpha not in autos:
            raise SpecError(f"{name}: elements_per_scale with alpha={alpha!r}", remedy=f"it needs alpha in {autos}")
        if scale_axis is None:
            raise SpecError(f"{name}: elements_per_scale without scale_axis", remedy="give scale_axis too")
