"""ONNX ops that move or describe data. They act alike on activations, plain constants and coded constants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import prod
from types import MappingProxyType

import numpy as np

from hwq.frontends import coded
from hwq.frontends.call import MAX_AXES, Array, Call, Rule, Signal, Value
from hwq.frontends.element_types import INTEGER_BITS, integer_range, type_name
from hwq.ir import real
from hwq.ir.constants import Coded
from hwq.ir.hardware import Shape
from hwq.ir.selection import Selection
from hwq.numeric.rational import scalar

MOST_INT64 = (1 << 63) - 1024  # the greatest double that int64 holds


def shape_of(value: Value) -> Shape:
    """The shape of an activation or a constant."""
    return tuple(value.shape)


def moved(call: Call, value: Value, op: real.RealOp, shape: Shape, move: Callable[[Array], Array]) -> list[Value]:
    """The value under a move of its elements: a real op on activations, done at once on constants."""
    if isinstance(value, Signal):
        return list(call.emit(op, [value], shape))
    return [value.moved(move) if isinstance(value, Coded) else np.asarray(move(value))]


def reshaped(call: Call, value: Value, shape: Shape) -> list[Value]:
    """The value under another shape of as many elements."""
    if len(shape) > MAX_AXES:
        raise call.fail(f"a shape of {len(shape)} axes", f"use up to {MAX_AXES}")
    if prod(shape) != prod(shape_of(value)):
        raise call.broken(f"cannot turn shape {list(shape_of(value))} into {list(shape)}")
    return moved(call, value, real.Reshape(shape), shape, lambda a: a.reshape(shape))


def reshape(call: Call) -> list[Value]:
    """ONNX Reshape: 0 copies an extent (unless allowzero), -1 takes what is left."""
    value = call.value(0)
    raw = call.array(1, "the shape").reshape(-1).tolist() if call.given(1) else call.attribute("shape", [])
    have = shape_of(value)
    want = [int(d) for d in raw]
    if not call.attribute("allowzero", 0):
        if any(d == 0 and i >= len(have) for i, d in enumerate(want)):
            raise call.broken(f"shape {want} copies an axis that is not there")
        want = [have[i] if d == 0 else d for i, d in enumerate(want)]
    if want.count(-1) > 1 or any(d < -1 for d in want):
        raise call.broken(f"shape {want}")
    known = prod(d for d in want if d != -1)
    if -1 in want:
        if known == 0 or prod(have) % known:
            raise call.broken(f"cannot turn shape {list(have)} into {want}")
        want[want.index(-1)] = prod(have) // known
    return reshaped(call, value, tuple(want))


def flatten(call: Call) -> list[Value]:
    """Axes before `axis` become one, those from it on another (ONNX Flatten)."""
    value = call.value(0)
    shape = shape_of(value)
    axis = call.attribute("axis", 1)
    if not -len(shape) <= axis <= len(shape):
        raise call.broken(f"axis {axis} of a tensor with {len(shape)} axes")
    axis = axis + len(shape) if axis < 0 else axis
    return reshaped(call, value, (prod(shape[:axis]), prod(shape[axis:])))


def squeeze(call: Call) -> list[Value]:
    """Drop axes of extent 1 (ONNX Squeeze)."""
    value = call.value(0)
    shape = shape_of(value)
    axes = call.axes(1, len(shape))
    drop = [i for i, d in enumerate(shape) if d == 1] if axes is None else axes
    if any(shape[a] != 1 for a in drop):
        raise call.broken(f"squeezes an axis of shape {list(shape)} that is longer than 1")
    return reshaped(call, value, tuple(d for i, d in enumerate(shape) if i not in drop))


def unsqueeze(call: Call) -> list[Value]:
    """Insert axes of extent 1 (ONNX Unsqueeze)."""
    value = call.value(0)
    shape = list(shape_of(value))
    raw = call.array(1, "axes").reshape(-1).tolist() if call.given(1) else call.attribute("axes", [])
    rank = len(shape) + len(raw)
    if len({call.axis(int(a), rank) for a in raw}) < len(raw):
        raise call.broken(f"axes {[int(a) for a in raw]} name one twice")
    for axis in sorted(call.axis(int(a), rank) for a in raw):
        shape.insert(axis, 1)
    return reshaped(call, value, tuple(shape))


def transpose(call: Call) -> list[Value]:
    """Output axis i is input axis perm[i] (ONNX Transpose)."""
    value = call.value(0)
    shape = shape_of(value)
    perm = tuple(call.attribute("perm", range(len(shape))[::-1]))
    if sorted(perm) != list(range(len(shape))):
        raise call.broken(f"perm {list(perm)} for {len(shape)} axes")
    op = real.Transpose(perm)
    return moved(call, value, op, tuple(shape[p] for p in perm), lambda a: a.transpose(perm))


def identity(call: Call) -> list[Value]:
    """Identity; Dropout at inference; Cast of an activation between float types."""
    return [call.value(0)]


def dropout(call: Call) -> list[Value]:
    """The input itself, and a mask of ones where one is asked for (ONNX Dropout at inference)."""
    if call.given(2) and bool(np.any(call.array(2, "training_mode"))):
        raise call.fail("Dropout in training mode", "export the model in evaluation mode")
    value = call.value(0)
    return [value] if call.n_outputs < 2 else [value, np.ones(shape_of(value), dtype=bool)]


def shape(call: Call) -> list[Value]:
    """The extents, the batch axis being 1 (ONNX Shape)."""
    dims = np.asarray(shape_of(call.value(0)), dtype=np.int64)
    rank = dims.size
    first, last = call.attribute("start", 0), call.attribute("end", rank)
    return [dims[slice(first, last)]]


def size(call: Call) -> list[Value]:
    """The number of elements (ONNX Size)."""
    return [np.asarray(prod(shape_of(call.value(0))), dtype=np.int64)]


def constant(call: Call) -> list[Value]:
    """Constant: the walk has read tensors already; scalars and lists come as attributes."""
    for key in ("value", "value_float", "value_int", "value_floats", "value_ints"):
        if key in call.attributes:
            array = np.asarray(call.attributes[key])
            return [array.astype(np.float64) if array.dtype.kind == "f" else array]
    raise call.fail("a constant that is no number", "use a dense numeric constant")


def constant_of_shape(call: Call) -> list[Value]:
    """A constant filled with one value; absurd shapes are refused first (ONNX ConstantOfShape)."""
    dims = [int(d) for d in call.array(0, "the shape").reshape(-1)]
    call.bound(tuple(dims))
    fill = call.attribute("value", np.zeros(1))
    return [np.full(dims, np.asarray(fill).reshape(-1)[0])]


def gather(call: Call) -> list[Value]:
    """Elements of a constant by index (ONNX Gather)."""
    data, index = call.value(0), call.array(1, "the index")
    if isinstance(data, Signal):
        raise call.fail("Gather on an activation", "slice with Reshape/Transpose, or move the selection to the host")
    shape_ = shape_of(data)
    axis = call.axis(call.attribute("axis", 0), max(1, len(shape_)))
    if index.dtype.kind not in "bi":
        raise call.broken("an index that is no integer")
    index = index.astype(np.int64)
    if not shape_:
        raise call.broken("an element of a scalar")
    call.bound((*shape_[:axis], *index.shape, *shape_[axis + 1 :]))
    if index.size and not (-shape_[axis] <= index.min() and index.max() < shape_[axis]):
        raise call.broken(f"index {index.reshape(-1)[:3].tolist()} along an axis of {shape_[axis]}")
    if isinstance(data, Coded):
        return [data.moved(lambda a: a.take(index, axis=axis))]
    return [np.asarray(data.take(index, axis=axis))]


def concat(call: Call) -> list[Value]:
    """Concat of constants, or of activations."""
    values = [call.value(i) for i in range(len(call.inputs))]
    signals = [v for v in values if isinstance(v, Signal)]
    if signals and len(signals) == len(values):
        return _concat_signals(call, signals)
    if signals:
        return [_concat_mixed(call, values)]
    arrays = [v.values() if isinstance(v, Coded) else v for v in values if not isinstance(v, Signal)]
    if not arrays:
        raise call.broken("nothing to concatenate")
    call.bound((sum(a.size for a in arrays),))
    try:
        kept = coded.joined(values, call.attribute("axis", 0))
        if kept is not None:
            return [kept]
        return [np.concatenate(arrays, axis=call.attribute("axis", 0))]
    except ValueError:
        raise call.broken(f"shapes {[list(a.shape) for a in arrays]} do not fit together") from None


def _concat_mixed(call: Call, values: list[Value]) -> Signal:
    """Activations and constants in a row: zeros where the constants belong, and the constants added to them."""
    rank = len(values[0].shape)
    axis = call.axis(call.attribute("axis", 1), rank)
    rests = {(*v.shape[:axis], *v.shape[axis + 1 :]) for v in values}
    if len(rests) > 1 or any(len(v.shape) != rank for v in values):
        raise call.broken(f"shapes {[list(v.shape) for v in values]} do not fit together")
    (x,) = _concat_signals(call, [v for v in values if isinstance(v, Signal)])
    assert isinstance(x, Signal)
    places: list[int] = []
    parts, done = [], 0
    for i, value in enumerate(values):
        extent = value.shape[axis]
        if isinstance(value, Signal):
            places += range(done, done + extent)
            done += extent
        else:
            places += [-1] * extent
        exact = scalar(0) if isinstance(value, Signal) else call.exact(i, f"input {i}")
        parts.append(np.broadcast_to(exact.reshape((1,) * (rank - exact.ndim) + exact.shape), value.shape))
    selection = Selection.along(x.shape, axis, places)
    (spaced,) = call.emit(real.Select(selection, Fraction(0)), [x], selection.shape)
    added = np.asarray(np.concatenate(parts, axis=axis), dtype=object)
    return call.emit(real.Affine(scalar(1), added), [spaced], selection.shape)[0]


def _concat_signals(call: Call, parts: list[Signal]) -> list[Value]:
    first = parts[0].shape
    axis = call.axis(call.attribute("axis", 1), len(first))
    rests = {(*p.shape[:axis], *p.shape[axis + 1 :]) for p in parts}
    if len(rests) > 1 or any(len(p.shape) != len(first) for p in parts):
        raise call.broken(f"shapes {[list(p.shape) for p in parts]} do not fit together")
    if len(parts) == 1:
        return [parts[0]]
    shape = (*first[:axis], sum(p.shape[axis] for p in parts), *first[axis + 1 :])
    return list(call.emit(real.Concat(axis), parts, shape))


def cast(call: Call) -> Sequence[Value]:
    """Cast of a constant, toward zero; of activations see `integer_tensors`."""
    value = call.value(0)
    to = int(call.attribute("to", 1))
    integers, floats = {*INTEGER_BITS}, {1, 10, 11, 16}
    if isinstance(value, Signal):
        raise call.fail("a Cast of an activation", "quantize with Quant or QuantizeLinear instead")
    if isinstance(value, Coded):
        if to in (1, 11):
            return [value]
        value = value.values()
    if to in floats:
        return [value.astype(np.float64)]
    if to in integers:
        if value.dtype.kind != "f":
            return [value.astype(np.int64)]
        lo, hi = integer_range(to)
        with np.errstate(invalid="ignore"):
            inside = (np.trunc(value) >= lo) & (np.trunc(value) <= min(hi, MOST_INT64))
        if not inside.all():
            raise call.fail(
                f"a Cast to {type_name(to)} of {value[~inside].reshape(-1)[0]:g}, which ONNX leaves open",
                "keep the constant inside the type's range",
            )
        return [np.trunc(value).astype(np.int64)]
    if to == 9:
        return [value.astype(bool)]
    raise call.fail(f"a Cast to ONNX type {to}", "use a numeric type")


RULES: MappingProxyType[str, Rule] = MappingProxyType(
    {
        "Reshape": reshape,
        "Flatten": flatten,
        "Squeeze": squeeze,
        "Unsqueeze": unsqueeze,
        "Transpose": transpose,
        "Identity": identity,
        "Dropout": dropout,
        "Shape": shape,
        "Size": size,
        "Constant": constant,
        "ConstantOfShape": constant_of_shape,
        "Gather": gather,
        "Concat": concat,
        "Cast": cast,
    }
)
