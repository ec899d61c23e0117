"""Naive references of the hardware ops: Python integers, one element at a time, written from each op's definition.

`REFERENCES[kind](op, inputs, *arrays)` takes object arrays of one sample and returns one array per output.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import ceil, floor
from typing import Any

import numpy as np

from hwq.numeric.fixed import Rounding
from window_oracles import WINDOW_REFERENCES


def rounded(value: Fraction, mode: Rounding) -> int:
    """The definition of each rounding mode, by cases."""
    low, high = floor(value), ceil(value)
    toward_zero = low if value > 0 else high
    away = high if value > 0 else low
    if mode is Rounding.FLOOR:
        return low
    if mode is Rounding.CEIL:
        return high
    if mode is Rounding.TO_ZERO:
        return toward_zero
    if mode is Rounding.AWAY:
        return away
    if value - low != Fraction(1, 2):
        return low if value - low < Fraction(1, 2) else high
    even = low if low % 2 == 0 else high
    return {
        Rounding.HALF_EVEN: even,
        Rounding.HALF_AWAY: away,
        Rounding.HALF_TO_ZERO: toward_zero,
        Rounding.HALF_UP: high,
        Rounding.HALF_DOWN: low,
    }[mode]


def _channel(op: Any, i: int) -> int:
    return (i // op.channels.inner) % op.channels.count


def dense(op: Any, inputs: Any, x: Any) -> list[Any]:
    rows = x.reshape(-1, op.weights.shape[0])
    out = np.empty((rows.shape[0], op.weights.shape[1]), dtype=object)
    for r in range(rows.shape[0]):
        for n in range(op.weights.shape[1]):
            bias = int(op.bias[n]) if op.bias is not None else 0
            out[r, n] = bias + sum(int(op.weights[k, n]) * int(rows[r, k]) for k in range(rows.shape[1]))
    return [out.reshape(*x.shape[:-1], op.weights.shape[1])]


def shift(op: Any, inputs: Any, x: Any) -> list[Any]:
    out = np.empty(x.size, dtype=object)
    for i, v in enumerate(x.reshape(-1)):
        add = 0 if op.add is None else int(op.add[_channel(op, i)])
        value = rounded(Fraction(int(v) + add) / Fraction(2) ** op.drop, op.rounding)
        out[i] = min(max(value, op.lo), op.hi)
    return [out.reshape(x.shape)]


def threshold(op: Any, inputs: Any, x: Any) -> list[Any]:
    out = np.empty(x.size, dtype=object)
    for i, v in enumerate(x.reshape(-1)):
        c = _channel(op, i)
        reached = sum(1 for t in op.thresholds[c] if int(v) >= int(t))
        out[i] = int(op.base[c]) + int(op.sign[c]) * reached
    return [out.reshape(x.shape)]


def lut(op: Any, inputs: Any, x: Any) -> list[Any]:
    out = np.empty(x.size, dtype=object)
    for i, v in enumerate(x.reshape(-1)):
        mirrored = op.mirror is not None and 2 * int(v) < op.mirror.twice
        address = op.mirror.twice - int(v) if mirrored else int(v)
        place = min(max(address - op.first, 0), op.words.shape[1] - 1)
        word = int(op.words[_channel(op, i), place])
        out[i] = min(max(op.mirror.total + op.mirror.sign * word if mirrored else word, op.lo), op.hi)
    return [out.reshape(x.shape)]


def scale(op: Any, inputs: Any, x: Any) -> list[Any]:
    flat = [int(v) * int(op.mult[_channel(op, i)]) + int(op.add[_channel(op, i)]) for i, v in enumerate(x.reshape(-1))]
    return [np.asarray(flat, dtype=object).reshape(x.shape)]


def reshape(op: Any, inputs: Any, x: Any) -> list[Any]:
    return [x.reshape(op.shape)]


def transpose(op: Any, inputs: Any, x: Any) -> list[Any]:
    out = np.empty([x.shape[p] for p in op.perm], dtype=object)
    for place in np.ndindex(*out.shape):
        source = [0] * x.ndim
        for axis, p in enumerate(op.perm):
            source[p] = place[axis]
        out[place] = x[tuple(source)]
    return [out]


def topk(op: Any, inputs: Any, x: Any) -> list[Any]:
    moved = np.moveaxis(x, op.axis, -1)
    values = np.empty((*moved.shape[:-1], op.k), dtype=object)
    where = np.empty_like(values)
    for place in np.ndindex(*moved.shape[:-1]):
        row = [int(v) for v in moved[place]]
        order = sorted(range(len(row)), key=lambda j: (-row[j] if op.largest else row[j], -j if op.last else j))
        for k in range(op.k):
            values[(*place, k)], where[(*place, k)] = row[order[k]], order[k]
    return [np.moveaxis(values, -1, op.axis), np.moveaxis(where, -1, op.axis)]


def _pairs(op: Any, inputs: Any, a: Any, b: Any) -> Any:
    """Output shape, and (channel, element of a, element of b) of every output place in order."""
    shape = np.broadcast_shapes(a.shape, b.shape)
    both = zip(np.broadcast_to(a, shape).reshape(-1), np.broadcast_to(b, shape).reshape(-1), strict=True)
    channels = getattr(op, "channels", None)
    return shape, [(_channel(op, i) if channels else 0, int(u), int(v)) for i, (u, v) in enumerate(both)]


def _shaped(values: list[int], shape: Any) -> list[Any]:
    return [np.asarray(values, dtype=object).reshape(shape)]


def add(op: Any, inputs: Any, a: Any, b: Any) -> list[Any]:
    shape, pairs = _pairs(op, inputs, a, b)
    return _shaped([int(op.left[c]) * u + int(op.right[c]) * v for c, u, v in pairs], shape)


def mul(op: Any, inputs: Any, a: Any, b: Any) -> list[Any]:
    shape, pairs = _pairs(op, inputs, a, b)
    return _shaped([(u + op.shifts[0]) * (v + op.shifts[1]) for _, u, v in pairs], shape)


def extremum(op: Any, inputs: Any, a: Any, b: Any) -> list[Any]:
    shape, pairs = _pairs(op, inputs, a, b)
    pick = max if op.largest else min
    return _shaped([pick(int(op.left[c]) * u, int(op.right[c]) * v + int(op.add[c])) for c, u, v in pairs], shape)


def concat(op: Any, inputs: Any, *parts: Any) -> list[Any]:
    moved = [part for whole in parts for part in np.moveaxis(whole, op.axis, 0)]
    return [np.moveaxis(np.stack(moved), 0, op.axis)]


def multiply_shift(op: Any, inputs: Any, x: Any) -> list[Any]:
    out = []
    for i, v in enumerate(x.reshape(-1)):
        c = _channel(op, i)
        value = floor(Fraction(int(v) * int(op.mult[c]) + int(op.add[c]), 2**op.drop))
        out.append(min(max(value, op.lo), op.hi))
    return _shaped(out, x.shape)


def softmax(op: Any, inputs: Any, x: Any) -> list[Any]:
    moved = np.moveaxis(x, op.axis, -1)
    out = np.empty(moved.shape, dtype=object)
    half = 1 << (op.exp_frac - 1)
    for place in np.ndindex(*moved.shape[:-1]):
        row = [int(v) for v in moved[place]]
        exps = []
        for v in row:
            d = min(max(row) - v, op.furthest)
            e = int(op.high[d >> op.split])
            exps.append((e * int(op.low[d % (1 << op.split)]) + half) // (1 << op.exp_frac) if op.split else e)
        for j, e in enumerate(exps):
            out[(*place, j)] = rounded(Fraction(e << op.frac, sum(exps)), Rounding.HALF_UP)
    return [np.moveaxis(out, -1, op.axis)]


def normalize(op: Any, inputs: Any, x: Any) -> list[Any]:
    """By comparing squares: the greatest k of which (k r)^2 is not above the term's."""
    moved = np.moveaxis(x, op.axis, -1)
    out = np.empty(moved.shape, dtype=object)
    for place in np.ndindex(*moved.shape[:-1]):
        row = [int(v) for v in moved[place]]
        total, m = (sum(row) if op.centred else 0), (len(row) if op.mean else 1)
        v = ((m * sum(c * c for c in row) - total**2) << op.eps_frac) + op.eps
        r = 0
        for bit in reversed(range(200)):
            r += (1 << bit) * ((r + (1 << bit)) ** 2 <= v << (2 * op.guard - op.eps_frac))
        r = sum(map(abs, row)) if op.power == 1 else r
        for j, c in enumerate(row):
            value = Fraction((m * c - total) << (op.frac + op.guard), r) if r else Fraction(0)
            out[(*place, j)] = rounded(Fraction(int(2 * abs(value)), 2), Rounding.HALF_UP) * (1 if value > 0 else -1)
    return [np.moveaxis(out, -1, op.axis)]


def draw(op: Any, inputs: Any, *xs: Any, sample: int = 0) -> list[Any]:
    h = (op.seed + 0x9E3779B9) % 2**32
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        h = (h ^ (h >> shift)) * factor % 2**32
    state, size, codes = h or 1, xs[0].size, []
    for n in range((sample + 1) * size):
        code = op.least
        for x in xs:
            state ^= state << 13 & 0xFFFFFFFF
            state ^= state >> 17
            state ^= state << 5 & 0xFFFFFFFF
            code += (state >> 8) < int(x.reshape(-1)[n % size])
        if n >= sample * size:
            codes.append(int(code))
    return _shaped(codes, xs[0].shape)


REFERENCES: dict[str, Callable[..., list[Any]]] = {
    "dense": dense,
    "shift": shift,
    "threshold": threshold,
    "lut": lut,
    "scale": scale,
    "reshape": reshape,
    "transpose": transpose,
    "topk": topk,
    "softmax": softmax,
    "draw": draw,
    "normalize": normalize,
    "add": add,
    "mul": mul,
    "extremum": extremum,
    "concat": concat,
    "multiply_shift": multiply_shift,
    **WINDOW_REFERENCES,
}
