"""Float weights that are integers times a scale: the scale is sought, and proved by making every float32 anew.

An exporter that multiplies integers k by a scale s in float32 leaves float32(k s). Such numbers lie on no dyadic grid,
but only one s of few bits gives all of them. The weights then mean k s, within half a unit in float32's last place of
what the file holds. Where several roundings came between (2 (k / 15) - 1), each weight lies within one unit in the last
place of the greatest one instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from hwq.ir.constants import Coded
from hwq.numeric.fixed import Codes
from hwq.numeric.rational import Rationals, scalar

Doubles = npt.NDArray[np.float64]

FEW, MANY = 255, 32767  # greatest integers: 8 bits and a sign, and 16 bits
ENOUGH = 5  # different magnitudes that leave no doubt about integers above FEW
ENOUGH_ROUNDED = 3  # and about a scale that several roundings hide
PROBES = 6  # weights of a row that are looked at before all of them are
AT_ONCE = 1 << 21  # candidates times rows
SCALE_BITS = range(25, 37)  # of a scale that is no float32


def on_spelt_grid(x: npt.NDArray[Any], axis: int) -> Coded | None:
    """Integers of up to 16 bits times one scale, or one per index of `axis`; None where that is not what floats are."""
    values = np.asarray(x, dtype=np.float64)
    single = values.astype(np.float32)
    if not np.isfinite(single).all() or not np.array_equal(single.astype(np.float64), values) or not values.ndim:
        return None
    moved = np.moveaxis(values, axis, 0)
    rows = moved.reshape(len(moved), -1)
    for limit, rounded in ((FEW, False), (MANY, False), (FEW, True)):
        for part in (rows.reshape(1, -1), rows):
            found = _scales(part, limit, rounded)
            if found is not None:
                return _coded(values, moved.shape, axis, *found)
    return None


def _coded(values: Doubles, moved: tuple[int, ...], axis: int, codes: Codes, scales: Doubles) -> Coded:
    whole = np.ascontiguousarray(np.moveaxis(codes.reshape(moved), 0, axis))
    if len(scales) == 1:
        return Coded(whole, scalar(Fraction(float(scales[0]))), scalar(0))
    shape = [1] * values.ndim
    shape[axis] = len(scales)
    column: Rationals = np.asarray([Fraction(float(s)) for s in scales], dtype=object)
    return Coded(whole, column.reshape(shape), scalar(0))


def _scales(rows: Doubles, limit: int, rounded: bool) -> tuple[Codes, Doubles] | None:
    """Codes and the scale of every row, or None where a row has none."""
    size = np.abs(rows)
    ordered = np.sort(size, axis=1)
    distinct = 1 + (ordered[:, 1:] > ordered[:, :-1]).sum(axis=1) - (ordered[:, 0] == 0)
    codes, scales = np.zeros(rows.shape, dtype=np.int64), np.ones(len(rows))
    waiting = np.nonzero(ordered[:, -1] > 0)[0]
    if rounded and (distinct[waiting] < ENOUGH_ROUNDED).any():
        return None
    some = max(1, AT_ONCE // limit)
    for start in range(0, len(waiting), some):
        part = waiting[start : start + some]
        if limit > FEW:
            part = _solved(size, ordered, part, FEW, rounded, codes, scales)
            if (distinct[part] < ENOUGH).any():
                return None
        if len(_solved(size, ordered, part, limit, rounded, codes, scales)):
            return None
    return np.where(rows < 0, -codes, codes), scales


def _solved(
    size: Doubles, ordered: Doubles, part: Codes, limit: int, rounded: bool, codes: Codes, scales: Doubles
) -> Codes:
    """Fill in codes and scales of the rows `part`; those that stay without are returned."""
    if not len(part):
        return part
    fits = _candidates(ordered[part], limit, rounded)
    while len(part) and fits.any():
        some = fits.any(axis=1)
        first = fits.argmax(axis=1)
        index = part[some]
        good, k, s = _proved(size[index], first[some] + 1, rounded)
        codes[index[good]], scales[index[good]] = k[good], s[good]
        fits[np.arange(len(part)), first] = False
        kept = np.ones(len(part), dtype=bool)
        kept[np.nonzero(some)[0][good]] = False
        part, fits = part[kept], fits[kept]
    return part


def _slack(size: Doubles, rounded: bool) -> Doubles:
    """How far a weight may lie from its multiple of the scale."""
    if rounded:
        return np.broadcast_to(np.spacing(size.max(axis=1, keepdims=True).astype(np.float32)), size.shape) * 1.0
    return np.asarray(np.spacing(size.astype(np.float32)) / 2.0, dtype=np.float64)


def _candidates(ordered: Doubles, limit: int, rounded: bool) -> npt.NDArray[np.bool_]:
    """[row, k - 1]: whether the row's greatest weight may be k times its scale, by a few of its weights."""
    top = ordered[:, -1]
    empty = (ordered == 0).sum(axis=1)
    at = empty + np.linspace(0, 1, PROBES)[:, None] * (ordered.shape[1] - 1 - empty)
    probes = np.take_along_axis(ordered, at.T.astype(np.int64), axis=1)
    slack = _slack(np.concatenate([probes, top[:, None]], axis=1), rounded)
    fits = np.ones((len(ordered), limit), dtype=bool)
    k = np.arange(1, limit + 1, dtype=np.float64)
    for column in range(PROBES):
        ratio = probes[:, column] / top
        reach = (slack[:, column] + slack[:, -1] * ratio) / top * (1 + 2**-20)
        multiple = ratio[:, None] * k
        nearest = np.rint(multiple)
        fits &= (np.abs(multiple - nearest) <= reach[:, None] * k) & (nearest > 0)
    return fits


def _proved(size: Doubles, top: Codes, rounded: bool) -> tuple[npt.NDArray[np.bool_], Codes, Doubles]:
    """Per row, whether one scale makes every weight, the greatest being `top` times it; the integers; the scale."""
    k = np.rint(size * (top / size.max(axis=1))[:, None])
    slack, some = _slack(size, rounded), size > 0
    divisor = np.where(some, k, 1.0)
    possible = (divisor > 0).all(axis=1)
    divisor = np.maximum(divisor, 1.0)
    least = np.where(some, (size - slack) / divisor, 0.0).max(axis=1)
    most = np.where(some, (size + slack) / divisor, np.inf).min(axis=1)
    possible &= least <= most
    good, scales = np.zeros(len(size), dtype=bool), np.ones(len(size))
    single = size.astype(np.float32)
    for s in _between(least, most):
        trial = possible & ~good
        if not trial.any():
            break
        made = k[trial] * s[trial, None]  # exact: 16 bits times at most 36
        if rounded:
            same = (np.abs(made - size[trial]) <= slack[trial]).all(axis=1)
        else:
            same = (made.astype(np.float32) == single[trial]).all(axis=1)
        index = np.nonzero(trial)[0][same]
        good[index], scales[index] = True, s[index]
    return good, k.astype(np.int64), scales


def _between(least: Doubles, most: Doubles) -> Iterator[Doubles]:
    """Scales from `least` to `most`, those of float32 first, then the ones of fewest bits near the middle."""
    s = least.astype(np.float32)
    s = np.where(s.astype(np.float64) < least, np.nextafter(s, np.float32(np.inf)), s)
    for _ in range(4):
        yield s.astype(np.float64)
        s = np.nextafter(s, np.float32(np.inf))
    mantissa, exponent = np.frexp((least + np.minimum(most, 2 * least)) / 2)
    for bits in SCALE_BITS:
        yield np.ldexp(np.rint(np.ldexp(mantissa, bits)), exponent - bits)
