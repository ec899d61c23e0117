"""Naive references of convolutions, pools and gathers: one element at a time, from the ops' definitions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def _inside(at: Any, extents: Any) -> bool:
    return all(0 <= i < n for i, n in zip(at, extents, strict=True))


def _extents(window: Any, extents: Any) -> list[int]:
    """Output extents, by sliding until the window leaves the padded data."""
    found = []
    for axis, n in enumerate(extents):
        span = window.dilations[axis] * (window.kernel[axis] - 1) + 1
        start, count = -window.before[axis], 0
        while start + span <= n + window.after[axis]:
            start, count = start + window.strides[axis], count + 1
        found.append(count)
    return found


def _reads(window: Any, out: Any) -> list[tuple[Any, Any]]:
    """(kernel position, input position) of everything one output reads."""
    places = []
    for k in np.ndindex(*window.kernel):
        at = tuple(
            o * s - b + i * d
            for o, s, b, i, d in zip(out, window.strides, window.before, k, window.dilations, strict=True)
        )
        places.append((k, at))
    return places


def conv(op: Any, inputs: Any, x: Any) -> list[Any]:
    images, _, *extents = x.shape
    outputs, per_group, *_ = op.weights.shape
    y = np.empty((images, outputs, *_extents(op.window, extents)), dtype=object)
    for image, m, *out in np.ndindex(*y.shape):
        first = m // (outputs // op.groups) * per_group
        total = 0 if op.bias is None else int(op.bias[m])
        for k, at in _reads(op.window, out):
            for c in range(per_group):
                code = int(x[(image, first + c, *at)]) if _inside(at, extents) else op.pad
                total += code * int(op.weights[(m, c, *k)])
        y[(image, m, *out)] = total
    return [y]


def pool(op: Any, inputs: Any, x: Any) -> list[Any]:
    y = np.empty(_extents(op.window, x.shape), dtype=object)
    for out in np.ndindex(*y.shape):
        reads = [at for _, at in _reads(op.window, out)]
        codes = [int(x[at]) for at in reads if _inside(at, x.shape)]
        if op.how.value == "sum":
            y[out] = sum(codes) + op.pad * (len(reads) - len(codes))
        else:
            y[out] = max(codes) if op.how.value == "max" else min(codes)
    return [y]


def gather(op: Any, inputs: Any, x: Any) -> list[Any]:
    positions = [
        range(n) if p is None else [int(v) for v in p] for n, p in zip(x.shape, op.selection.axes, strict=True)
    ]
    y = np.empty([len(p) for p in positions], dtype=object)
    for out in np.ndindex(*y.shape):
        at = tuple(p[o] for p, o in zip(positions, out, strict=True))
        y[out] = op.fill if min(at) < 0 else int(x[at])
    return [y]


WINDOW_REFERENCES: dict[str, Callable[..., list[Any]]] = {"conv": conv, "pool": pool, "gather": gather}
