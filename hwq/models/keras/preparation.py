"""Rescaling, Normalization and Embedding; and the normalizations that scale a sample by what it holds."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np

from hwq.errors import printable
from hwq.models.builder import Tensor
from hwq.models.keras.layer import Layer, Rule, table

MAX_WORDS = 1 << 14  # of an embedding: every word costs a comparison per index


def array_of(layer: Layer, key: str, default: Any = None) -> Any:
    """A finite number or array of the configuration, as float32."""
    value = layer.config.get(key, default)
    while isinstance(value, dict) and isinstance(value.get("config"), dict):
        value = value["config"].get("value")
    try:
        array = np.asarray(value, dtype=np.float32)
    except (ValueError, TypeError):
        raise layer.broken(f"{key} is {printable(value)}") from None
    if not np.isfinite(array).all() or value is None:
        raise layer.broken(f"{key} is {printable(value)}")
    return array


def _rescaling(layer: Layer, x: Tensor) -> Tensor:
    """x scale + offset; both are numbers, or arrays along the last axes."""
    scale, offset = array_of(layer, "scale"), array_of(layer, "offset", 0.0)
    for values in (scale, offset):
        if values.ndim > len(x.shape) or np.broadcast_shapes(x.shape, values.shape) != x.shape:
            raise layer.broken(f"a scale of shape {list(values.shape)} for {list(x.shape)}")
    x = layer.b.last(x) if scale.ndim + offset.ndim else x
    y = layer.node("Mul", [x, layer.value("scale", scale)], x, "scaled" if offset.any() else "")
    return layer.node("Add", [y, layer.value("offset", offset)], y) if offset.any() else y


def _normalization(layer: Layer, x: Tensor) -> Tensor:
    """(x - mean) / max(sqrt(variance), 1e-7), or the inverse of it; the statistics were seen, or are stated."""
    axes = axes_of(layer, len(x.shape), -1)
    shape = tuple(d if i + 1 in axes else 1 for i, d in enumerate(x.shape))
    if layer.config.get("mean") is not None:
        mean, variance = array_of(layer, "mean"), array_of(layer, "variance")
    else:
        layer.config.get("variance")
        found = layer.read(("mean", "variance"))
        mean, variance = found["mean"], found["variance"]
    if any(v.size not in (1, prod(shape)) for v in (mean, variance)) or (variance < 0).any():
        raise layer.broken(f"statistics of shape {list(mean.shape)} where {list(shape)} belongs")
    mean, variance = (np.broadcast_to(v.reshape(-1), (prod(shape),)).reshape(shape) for v in (mean, variance))
    deviation = np.maximum(np.sqrt(variance), np.float32(1e-7))
    x = layer.b.last(x)
    if layer.flag("invert", False):
        y = layer.node("Mul", [x, layer.constant("deviation", None, deviation)], x, "scaled")
        return layer.node("Add", [y, layer.constant("mean", None, mean)], y)
    y = layer.node("Sub", [x, layer.constant("mean", None, mean)], x, "centered")
    return layer.node("Div", [y, layer.constant("deviation", None, deviation)], y)


def axes_of(layer: Layer, rank: int, default: Any = None, key: str = "axis") -> tuple[int, ...]:
    """The axes of the configuration, counted from the batch, which is not among them; `rank` is without it."""
    value = layer.config.get(key, default)
    if value is None:
        return ()
    listed = value if isinstance(value, list | tuple) else [value]
    if any(type(v) is not int or not (-rank <= v <= -1 or 1 <= v <= rank) for v in listed):
        raise layer.fail(f"{key} {printable(value)}", "use axes behind the batch")
    axes = tuple(sorted(v if v > 0 else rank + 1 + v for v in listed))
    if len(set(axes)) != len(axes):
        raise layer.broken(f"{key} is {printable(value)}")
    return axes


def _embedding(layer: Layer, x: Tensor) -> Tensor:
    """Row x of the table: 1 where the index is a word's and 0 elsewhere (ReLU(1 - |x - word|)), times the table.

    Exact for integers within the table; a Keras index outside of it has no meaning that all backends share.
    """
    words, size = layer.integer("input_dim"), layer.integer("output_dim")
    layer.inert("input_length")
    if layer.flag("mask_zero", False):
        raise layer.fail("an Embedding with mask_zero", "use mask_zero=False: hwq converts no masks")
    if words > MAX_WORDS:
        raise layer.fail(f"an Embedding of {words} words", f"hwq takes up to {MAX_WORDS}")
    table_ = layer.expect("embeddings", layer.read(("embeddings",))["embeddings"], (words, size))
    shape = x.shape
    column = Tensor("", (*shape, 1))
    y = layer.node("Unsqueeze", [layer.b.last(x), layer.value("last", [-1], np.int64)], column, "column")
    wide = Tensor("", (*shape, words))
    times = layer.value("times", [1] * (len(shape) + 1) + [words], np.int64)
    y = layer.node("Tile", [y, times], wide, "repeated")
    y = layer.node("Sub", [y, layer.value("words", np.arange(words))], wide, "distances")
    y = layer.node("Abs", [y], wide, "absolute")
    y = layer.node("Sub", [layer.value("one", 1.0), y], wide, "nearness")
    y = layer.node("Relu", [y], wide, "one_hot")
    return layer.node("MatMul", [y, layer.constant("embeddings", None, table_)], Tensor("", (*shape, size)))


def _layer_normalization(layer: Layer, x: Tensor) -> Tensor:
    """LayerNormalization over any axes, which move last for it."""
    if layer.flag("rms_scaling", False):
        raise layer.fail("LayerNormalization with rms_scaling", "use rms_scaling=False")
    axes = axes_of(layer, len(x.shape), -1)
    shape = tuple(x.shape[a - 1] for a in axes)
    names = [n for n, key in (("gamma", "scale"), ("beta", "center")) if layer.flag(key, True)]
    found = layer.read(names) if names else {}
    epsilon = layer.number("epsilon", 1e-3)
    gamma = layer.expect("gamma", found.get("gamma", np.ones(shape, np.float32)), shape)
    beta = layer.expect("beta", found.get("beta", np.zeros(shape, np.float32)), shape)
    parameters = [layer.constant("gamma", None, gamma), layer.constant("beta", None, beta)]
    x, rank = layer.b.last(x), len(x.shape) + 1
    perm = [*(i for i in range(rank) if i not in axes), *axes]
    start = rank - len(axes)
    if perm == list(range(rank)):
        return layer.node("LayerNormalization", [x, *parameters], x, axis=start, epsilon=epsilon)
    moved = Tensor("", tuple(x.shape[i - 1] for i in perm[1:]))
    y = layer.node("Transpose", [x], moved, "moved", perm=perm)
    y = layer.node("LayerNormalization", [y, *parameters], moved, "normalized", axis=start, epsilon=epsilon)
    return layer.node("Transpose", [y], x, perm=[int(i) for i in np.argsort(perm)])


def _group_normalization(layer: Layer, x: Tensor) -> Tensor:
    """GroupNormalization: each group of channels as a row, normalized; then a factor and an offset per channel."""
    (axis,) = axes_of(layer, len(x.shape), -1)
    if axis != len(x.shape):
        raise layer.fail("GroupNormalization over another axis than the last", "normalize the last axis")
    channels, groups = x.channels, layer.config.get("groups", 32)
    groups = channels if groups == -1 else groups
    if type(groups) is not int or not 1 <= groups <= channels or channels % groups:
        raise layer.broken(f"{printable(groups)} groups of {channels} channels")
    names = [n for n, key in (("gamma", "scale"), ("beta", "center")) if layer.flag(key, True)]
    found = layer.read(names) if names else {}
    first, rank = layer.b.first(x), len(x.shape)
    size = prod(x.shape) // groups
    rows = Tensor("", (groups, size))
    y = layer.node("Reshape", [first, layer.value("rows", [0, groups, size], np.int64)], rows, "groups")
    ones, zeros = layer.value("ones", np.ones(size)), layer.value("zeros", np.zeros(size))
    epsilon = layer.number("epsilon", 1e-3)
    y = layer.node("LayerNormalization", [y, ones, zeros], rows, "normalized", axis=2, epsilon=epsilon)
    target = [0, channels, *x.shape[:-1]] if first.first else [0, channels]
    y = layer.node("Reshape", [y, layer.value("shape", target, np.int64)], first, "shaped")
    along = (channels, *[1] * (rank - 1))
    for name, op in (("gamma", "Mul"), ("beta", "Add")):
        if name in found:
            values = layer.expect(name, found[name], (channels,)).reshape(along)
            y = layer.node(op, [y, layer.constant(name, None, values)], first, name)
    return y


def _unit_normalization(layer: Layer, x: Tensor) -> Tensor:
    """x over its Euclidean norm along one axis."""
    axes = axes_of(layer, len(x.shape), -1)
    if len(axes) != 1:
        raise layer.fail("UnitNormalization over several axes", "use one axis")
    x = layer.b.last(x)
    return layer.node("LpNormalization", [x], x, axis=axes[0], p=2)


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        **table(
            {
                "Rescaling": _rescaling,
                "Normalization": _normalization,
                "Embedding": _embedding,
                "LayerNormalization": _layer_normalization,
                "GroupNormalization": _group_normalization,
                "UnitNormalization": _unit_normalization,
            }
        )
    }
)
