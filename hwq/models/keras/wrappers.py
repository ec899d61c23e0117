"""Layers around layers, and moves along axes: TimeDistributed, Cropping, RepeatVector."""

from __future__ import annotations

from functools import partial

import numpy as np

from hwq.models.builder import Tensor
from hwq.models.keras.functions import part
from hwq.models.keras.layer import Layer, table
from hwq.models.keras.moves import TRAINING, pairs_of
from hwq.models.keras.topology import inner_spec

MAX_STEPS = 256  # of a TimeDistributed layer that is not one product over all steps
AT_ONCE = frozenset({*TRAINING, "Dense", "QDense", "ReLU", "LeakyReLU", "ELU"})  # the same on every step


def _time_distributed(layer: Layer, x: Tensor) -> Tensor:
    """The inner layer on every step of axis 1: at once where its rule looks at the last axis alone, else one by one."""
    spec = inner_spec(layer.config.get("layer"), layer.spec, "layer")
    assert layer.apply is not None
    if len(x.shape) < 2:
        raise layer.broken("an input without steps")
    if spec.kind in AT_ONCE:
        return layer.apply(spec, layer.label, [x])
    if x.shape[0] > MAX_STEPS:
        raise layer.fail(f"{spec.kind} on {x.shape[0]} steps", f"hwq unrolls up to {MAX_STEPS}")
    results = []
    for i in range(x.shape[0]):
        step = part(layer, x, 1, i, i + 1, f"step{i}")
        axis = layer.value("axis1", [1], np.int64)
        one = layer.node("Squeeze", [step, axis], Tensor("", x.shape[1:]), f"input{i}")
        y = layer.b.last(layer.apply(spec, f"{layer.label}_{i}", [one]))
        results.append(layer.node("Unsqueeze", [y, axis], Tensor("", (1, *y.shape)), f"output{i}"))
    shape = (len(results), *results[0].shape[1:])
    return layer.node("Concat", results, Tensor("", shape), axis=1) if len(results) > 1 else results[0]


def _crop(layer: Layer, x: Tensor, *, rank: int) -> Tensor:
    """The spatial axes without their ends: one number, one per axis, or (before, after) per axis."""
    layer.channels_last()
    if len(x.shape) != rank + 1:
        raise layer.broken(f"an input of {len(x.shape)} axes where {rank + 1} belong")
    pairs = pairs_of(layer, "cropping", rank)
    if any(before + after >= d for d, (before, after) in zip(x.shape, pairs, strict=False)):
        raise layer.broken(f"a cropping of {pairs} from {list(x.shape)}")
    x = layer.b.last(x)
    starts = [before for before, _ in pairs]
    ends = [d - after for d, (_, after) in zip(x.shape, pairs, strict=False)]
    bounds = [layer.value("bounds", v, np.int64) for v in (starts, ends, list(range(1, rank + 1)))]
    shape = tuple(e - s for s, e in zip(starts, ends, strict=True)) + x.shape[-1:]
    return layer.node("Slice", [x, *bounds], Tensor("", shape))


def _repeat(layer: Layer, x: Tensor) -> Tensor:
    """(features) as (n, features)."""
    n = layer.integer("n")
    if len(x.shape) != 1:
        raise layer.broken(f"an input of {len(x.shape)} axes where 1 belongs")
    row = layer.node("Unsqueeze", [x, layer.value("axis1", [1], np.int64)], Tensor("", (1, *x.shape)), "row")
    return layer.node("Tile", [row, layer.value("times", [1, n, 1], np.int64)], Tensor("", (n, *x.shape)))


RULES = table(
    {
        "TimeDistributed": _time_distributed,
        **{f"Cropping{n}D": partial(_crop, rank=n) for n in (1, 2, 3)},
        "RepeatVector": _repeat,
    }
)
