"""Operations of keras.ops that move elements: reshape, transpose, slices, take, flip, concatenate, stack, split."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np

from hwq.errors import printable
from hwq.models.builder import Tensor
from hwq.models.keras.functions import part
from hwq.models.keras.layer import MAX_EXTENT, Layer, Rule
from hwq.models.keras.merges import RULES as MERGES
from hwq.models.keras.preparation import axes_of

Inputs = tuple[Tensor, ...]


def only(layer: Layer, inputs: Inputs) -> Tensor:
    """The tensor of an operation that takes nothing else."""
    if len(inputs) != 1 or len(layer.args) != 1 or layer.kwargs:
        raise layer.fail("arguments beside one tensor", "call it with one tensor, and constants as its parameters")
    return inputs[0]


def _reshaped(layer: Layer, x: Tensor, shape: tuple[int, ...]) -> Tensor:
    if prod(shape) != prod(x.shape) or not shape:
        raise layer.broken(f"the shape {list(shape)} for {list(x.shape)}")
    target = layer.value("shape", [0, *shape], np.int64)
    return layer.node("Reshape", [layer.b.last(x), target], Tensor("", shape))


def _reshape(layer: Layer, inputs: Inputs) -> Tensor:
    """The batch first, as -1 or None; one of the other extents may be -1 where the batch is not."""
    x, shape = only(layer, inputs), layer.config.get("newshape")
    if not isinstance(shape, list) or len(shape) < 2 or shape[0] not in (-1, None):
        raise layer.fail(f"the shape {printable(shape)}", "begin it with -1 for the batch")
    if any(type(d) is not int or not 1 <= d <= MAX_EXTENT for d in shape[1:]):
        raise layer.fail(f"the shape {printable(shape)}", "state every extent behind the batch")
    return _reshaped(layer, x, tuple(shape[1:]))


def _transpose(layer: Layer, inputs: Inputs) -> Tensor:
    x, axes = only(layer, inputs), layer.config.get("axes")
    return _permuted(layer, x, axes)


def _permuted(layer: Layer, x: Tensor, axes: Any) -> Tensor:
    rank = len(x.shape) + 1
    if not isinstance(axes, list) or any(type(a) is not int or not -rank <= a < rank for a in axes):
        raise layer.fail(f"axes {printable(axes)}", "state every axis, the batch first")
    axes = [a % rank for a in axes]
    if sorted(axes) != list(range(rank)) or axes[0] != 0:
        raise layer.fail(f"axes {printable(axes)}", "state every axis once, the batch first")
    return layer.node("Transpose", [layer.b.last(x)], Tensor("", tuple(x.shape[a - 1] for a in axes[1:])), perm=axes)


def _swapaxes(layer: Layer, inputs: Inputs) -> Tensor:
    x, axes = only(layer, inputs), list(range(len(inputs[0].shape) + 1))
    (a,), (b,) = axes_of(layer, len(x.shape), key="axis1"), axes_of(layer, len(x.shape), key="axis2")
    axes[a], axes[b] = axes[b], axes[a]
    return _permuted(layer, x, axes)


def _squeeze(layer: Layer, inputs: Inputs) -> Tensor:
    x = only(layer, inputs)
    axes = axes_of(layer, len(x.shape)) or tuple(i for i, d in enumerate(x.shape, 1) if d == 1)
    if any(x.shape[a - 1] != 1 for a in axes):
        raise layer.broken(f"axes {list(axes)} of {list(x.shape)} dropped")
    return _reshaped(layer, x, tuple(d for i, d in enumerate(x.shape, 1) if i not in axes))


def _expand_dims(layer: Layer, inputs: Inputs) -> Tensor:
    x = only(layer, inputs)
    shape = list(x.shape)
    for axis in axes_of(layer, len(x.shape) + 1):
        shape.insert(axis - 1, 1)
    return _reshaped(layer, x, tuple(shape))


def _flip(layer: Layer, inputs: Inputs) -> Tensor:
    x = only(layer, inputs)
    if layer.config.get("axis") is None:
        raise layer.fail("a flip of the batch", "name the axes behind the batch")
    for axis in axes_of(layer, len(x.shape)):
        x = part(layer, x, axis, x.shape[axis - 1] - 1, -MAX_EXTENT, f"flip{axis}", -1, x.shape[axis - 1])
    return x


def _get_item(layer: Layer, inputs: Inputs) -> Tensor:
    """x[:, a:b:c, i, ...]: slices and integers; the batch stays whole."""
    if len(layer.args) != 2 or layer.kwargs:
        raise layer.broken(f"{len(layer.args)} arguments where two belong")
    x, key = layer.args
    if not isinstance(x, Tensor):
        raise layer.broken("an index into a constant")
    items = list(key) if isinstance(key, list) else [key]
    if any(not (isinstance(i, slice) or i is Ellipsis or i is None or type(i) is int) for i in items):
        raise layer.fail("an index that is neither a slice nor an integer", "use slices, integers, or keras.ops.take")
    rank = len(x.shape) + 1
    named = sum(i is not None and i is not Ellipsis for i in items)
    if items.count(Ellipsis) > 1 or named > rank:
        raise layer.broken("an index of more axes than there are")
    at = items.index(Ellipsis) if Ellipsis in items else len(items)
    items = [*items[:at], *[slice(None)] * (rank - named), *items[at + 1 :]]
    if items[0] != slice(None):
        raise layer.fail("an index into the batch", "begin with a whole slice")
    shape: list[int] = []
    axis = 0
    for item in items[1:]:
        if item is None:
            shape.append(1)
            continue
        axis += 1
        extent = x.shape[axis - 1]
        if isinstance(item, int) and not -extent <= item < extent:
            raise layer.broken(f"the index {item} of {extent} elements")
        index = slice(item % extent, item % extent + 1) if isinstance(item, int) else item
        if index.step == 0:
            raise layer.broken("a slice with step 0")
        start, stop, step = index.indices(extent)
        count = len(range(start, stop, step))
        if not count:
            raise layer.broken("a slice of nothing")
        if (start, stop, step) != (0, extent, 1):
            x = part(layer, x, axis, start, stop if stop >= 0 else -MAX_EXTENT, f"axis{axis}", step, count)
        if not isinstance(item, int):
            shape.append(count)
    if not shape:
        raise layer.fail("a result of one number per sample", "keep an axis: use a slice of one element")
    return x if tuple(shape) == x.shape else _reshaped(layer, x, tuple(shape))


def _take(layer: Layer, inputs: Inputs) -> Tensor:
    """Constant indices along an axis."""
    given = [*layer.args, *layer.kwargs.values()]
    if len(given) != 2 or not isinstance(given[0], Tensor) or isinstance(given[1], Tensor):
        raise layer.fail("indices that are no constants", "take by constant integers")
    x, indices = given[0], np.asarray(given[1])
    if layer.config.get("axis") is None or indices.dtype.kind not in "iu" or indices.ndim > 1 or not indices.size:
        raise layer.fail("indices that are no list of integers along an axis", "take a list along one axis")
    (axis,) = axes_of(layer, len(x.shape))
    extent = x.shape[axis - 1]
    if (indices < -extent).any() or (indices >= extent).any():
        raise layer.broken(f"indices beyond {extent} elements")
    flat = (indices.astype(np.int64) % extent).reshape(-1)
    shape = [*x.shape[: axis - 1], flat.size, *x.shape[axis:]]
    y = layer.node(
        "Gather", [layer.b.last(x), layer.value("indices", flat, np.int64)], Tensor("", tuple(shape)), axis=axis
    )
    return y if indices.ndim else _reshaped(layer, y, (*x.shape[: axis - 1], *x.shape[axis:]))


def _joined(layer: Layer, inputs: Inputs, *, stack: bool) -> Tensor:
    """Tensors along an axis that is there, or a new one."""
    if len(inputs) < 2 or len(layer.args) != 1 or len(inputs) != len(layer.args[0]):
        raise layer.fail("a list that is not of tensors alone", "join two or more tensors")
    if len({t.shape for t in inputs}) != 1 and stack:
        raise layer.broken("tensors of different shape")
    if not stack:
        return MERGES["Concatenate"](layer, inputs)  # type: ignore[return-value]
    (axis,) = axes_of(layer, len(inputs[0].shape) + 1, 0)
    shape = list(inputs[0].shape)
    shape.insert(axis - 1, 1)
    at = layer.value("axis", [axis], np.int64)
    rows = [
        layer.node("Unsqueeze", [layer.b.last(t), at], Tensor("", tuple(shape)), f"row{i}")
        for i, t in enumerate(inputs)
    ]
    shape[axis - 1] = len(inputs)
    return layer.node("Concat", rows, Tensor("", tuple(shape)), axis=axis)


def _split(layer: Layer, inputs: Inputs) -> tuple[Tensor, ...]:
    x, parts = only(layer, inputs), layer.config.get("indices_or_sections")
    (axis,) = axes_of(layer, len(x.shape), 0)
    extent = x.shape[axis - 1]
    if type(parts) is int and parts > 0 and extent % parts == 0:
        bounds = list(range(0, extent + 1, extent // parts))
    elif (
        isinstance(parts, list) and all(type(p) is int and 0 < p < extent for p in parts) and parts == sorted({*parts})
    ):
        bounds = [0, *parts, extent]
    else:
        raise layer.fail(f"a split at {printable(parts)}", "split into equal parts, or at rising indices")
    return tuple(part(layer, x, axis, a, b, f"part{i}") for i, (a, b) in enumerate(pairwise(bounds)))


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "Reshape": _reshape,
        "Transpose": _transpose,
        "Swapaxes": _swapaxes,
        "Squeeze": _squeeze,
        "ExpandDims": _expand_dims,
        "Flip": _flip,
        "GetItem": _get_item,
        "Take": _take,
        "Concatenate": partial(_joined, stack=False),
        "Stack": partial(_joined, stack=True),
        "Split": _split,
    }
)
