"""ONNX' sums, products, clamps and orders of whole tensors; integer tensors wrap."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import numpy as np

from hwq.check.exact_onnx import integers, scalar, values
from hwq.check.exact_onnx.node import Node, Op, Unknown
from hwq.check.exact_onnx.tensor import (
    BOOL,
    FLOAT,
    Exact,
    Undecided,
    bits_of,
    limits,
    of_fractions,
    rounded,
    whole,
    wrapped,
)


def is_integer(x: Exact) -> bool:
    """Whether the element type is an integer type."""
    return bits_of(x.kind) is not None


def add(node: Node, a: Exact, b: Exact) -> Exact:
    """Add, as its op page has it."""
    return wrapped(values.add(a, b))


def sub(node: Node, a: Exact, b: Exact) -> Exact:
    """Sub, as its op page has it."""
    return wrapped(values.sub(a, b))


def mul(node: Node, a: Exact, b: Exact) -> Exact:
    """Mul, as its op page has it."""
    return wrapped(values.mul(a, b))


def div(node: Node, a: Exact, b: Exact) -> Exact:
    """a / b; integers towards zero."""
    if is_integer(a):
        n, d = integers.mul(a.num, np.sign(b.num)), np.asarray(abs(b.num))
        if d.size and not bool(np.asarray(d > 0).all()):
            raise Unknown("an integer division by zero")
        return wrapped(Exact(integers.quotient(n, d, "to_zero"), Fraction(1), a.kind))
    return values.divide(a, b)


def mod(node: Node, a: Exact, b: Exact) -> Exact:
    """The remainder: of the divisor's sign, or of the dividend's where `fmod`."""
    quotient = values.divide(a.typed(FLOAT), b.typed(FLOAT))
    q = whole(rounded(quotient, "to_zero" if node.integer("fmod", 0) else "floor"), FLOAT)
    return values.sub(a, values.mul(q, b)).typed(a.kind)


def neg(node: Node, x: Exact) -> Exact:
    """Neg, as its op page has it."""
    return wrapped(values.neg(x))


def absolute(node: Node, x: Exact) -> Exact:
    """Absolute, as its op page has it."""
    return wrapped(values.function(x, abs))


def relu(node: Node, x: Exact) -> Exact:
    """Relu, as its op page has it."""
    return values.larger(x, values.zero(x))


def clip(node: Node, x: Exact, lo: Exact | None = None, hi: Exact | None = None) -> Exact:
    """min(max(x, lo), hi); bounds are attributes before opset 11."""
    bounds: list[Exact | None] = [lo, hi]
    for i, name in enumerate(("min", "max")):
        if bounds[i] is None and name in node.attributes:
            bound = float(np.float32(node.attributes[name]))
            bounds[i] = None if np.isinf(bound) else values.number(Fraction(bound), x)
    lo, hi = (None if b is None else b.reshaped(*(1,) * x.rank) for b in bounds)
    above = x if lo is None else values.larger(x, lo)
    return (above if hi is None else values.smaller(above, hi)).typed(x.kind)


def _fold(step: Any) -> Op:
    def op(node: Node, *parts: Exact) -> Exact:
        result = parts[0]
        for part in parts[1:]:
            result = step(result, part)
        return wrapped(result)

    return op


def mean(node: Node, *parts: Exact) -> Exact:
    """Mean, as its op page has it."""
    return values.scaled(_fold(values.add)(node, *parts), Fraction(1, len(parts)))


def batch_normalization(node: Node, x: Exact, *parameters: Exact) -> Exact:
    """scale (x - mean) / sqrt(var + epsilon) + B, the channel on axis 1 (the last in channels_last)."""
    if node.integer("training_mode", 0):
        raise Unknown("BatchNormalization in training mode")
    axis = x.rank - 1 if "channels_last" in node.domain or x.rank < 2 else 1
    shape = [1] * x.rank
    shape[axis] = -1
    scale, bias, centre, var = (p.reshaped(*shape) for p in parameters[:4])
    epsilon = node.number("epsilon", 1e-5)
    deviation = values.function(values.add(var, values.number(epsilon, var)), scalar.root)
    factor = values.divide(scale, deviation)
    return values.add(values.mul(x, factor), values.sub(bias, values.mul(centre, factor)))


def _ordered(x: Exact, axis: int, largest: bool, last: bool) -> tuple[Any, Any]:
    """Places in order along the last axis, and the tensor with the axis moved there."""
    moved = x.moved(lambda a: np.moveaxis(a, axis, -1))
    num = integers.wide(moved.num)
    n = num.shape[-1]
    places = np.empty(num.shape, dtype=np.int64)
    rad = None if moved.rad is None else np.broadcast_to(moved.rad, num.shape)
    for at in np.ndindex(*num.shape[:-1]):
        row = num[at].tolist()
        order = sorted(range(n), key=lambda j: (-row[j] if largest else row[j], -j if last else j))
        if rad is not None:
            spread = rad[at].tolist()
            for i, j in itertools.pairwise(order):
                if abs(row[i] - row[j]) <= spread[i] + spread[j] and not (row[i] == row[j] and spread[i] == 0):
                    raise Undecided("two irrational values lie too near each other to be ordered")
        places[at] = order
    return places, moved


def _arg(largest: bool) -> Op:
    def op(node: Node, x: Exact) -> Exact:
        axis = node.integer("axis", 0) % x.rank
        places, _ = _ordered(x, axis, largest, bool(node.integer("select_last_index", 0)))
        best = np.moveaxis(places[..., :1], -1, axis)
        return whole(best if node.integer("keepdims", 1) else best.squeeze(axis))

    return op


def topk(node: Node, x: Exact, k: Exact | None = None) -> tuple[Exact, Exact]:
    """The k greatest (least) along an axis, in order, and their places."""
    count = node.integer("k", 1) if k is None else k.ints()[0]
    axis = node.integer("axis", -1) % x.rank
    places, moved = _ordered(x, axis, bool(node.integer("largest", 1)), False)
    places = places[..., :count]
    best = moved.moved(lambda a: np.take_along_axis(a, places, -1)).moved(lambda a: np.moveaxis(a, -1, axis))
    return best, whole(np.moveaxis(places, -1, axis))


def _reduced(step: Any) -> Op:
    def op(node: Node, x: Exact, axes: Exact | None = None) -> Exact:
        listed = node.integers("axes") if axes is None else axes.ints()
        if not listed:
            if node.integer("noop_with_empty_axes", 0):
                return x
            listed = list(range(x.rank))
        which = tuple(a % x.rank for a in listed)
        if len(set(which)) < len(which):
            raise Unknown("an axis that is reduced twice")
        return wrapped(step(x, which, bool(node.integer("keepdims", 1))))

    return op


def _extreme(pick: Any) -> Any:
    def step(x: Exact, axes: tuple[int, ...], keep: bool) -> Exact:
        low, high = (np.asarray(pick(e, axis=axes, keepdims=keep)) for e in x.ends())
        return (
            Exact(integers.narrow(low), x.unit, x.kind) if x.rad is None else values.of_ends(low, high, x.unit, x.kind)
        )

    return step


def _mean(x: Exact, axes: tuple[int, ...], keep: bool) -> Exact:
    count = int(np.prod([x.shape[a] for a in axes]))
    if is_integer(x):
        return Exact(
            integers.quotient(integers.total(x.num, axes, keep), np.asarray(count), "to_zero"), Fraction(1), x.kind
        )
    return values.scaled(values.total(x, axes, keep), Fraction(1, count))


def _sum_square(x: Exact, axes: tuple[int, ...], keep: bool) -> Exact:
    return values.total(values.mul(x, x), axes, keep)


def _l1(x: Exact, axes: tuple[int, ...], keep: bool) -> Exact:
    return values.total(values.function(x, abs), axes, keep)


def _l2(x: Exact, axes: tuple[int, ...], keep: bool) -> Exact:
    return values.function(_sum_square(x, axes, keep), scalar.root)


def _product(x: Exact, axes: tuple[int, ...], keep: bool) -> Exact:
    if x.rad is not None:
        raise Unknown("a product of irrational values")
    num = np.asarray(integers.wide(x.num).prod(axis=axes, keepdims=keep))
    return Exact(integers.narrow(num), x.unit ** int(np.prod([x.shape[a] for a in axes])), x.kind)


def cumsum(node: Node, x: Exact, axis: Exact) -> Exact:
    """Sums of what comes before (and at) each place."""
    if node.integer("exclusive", 0) or node.integer("reverse", 0) or x.rad is not None:
        raise Unknown("CumSum with exclusive or reverse")
    return wrapped(replace(x, num=integers.narrow(np.cumsum(integers.wide(x.num), axis=axis.ints()[0]))))


def cast(node: Node, x: Exact) -> Exact:
    """Floats to integers towards zero; floats of 32 and 64 bits keep their values."""
    to = node.integer("to", FLOAT)
    if to == BOOL:
        return whole(np.asarray(x.num != 0).astype(np.int64), BOOL)
    if bits_of(to) is not None:
        if is_integer(x):
            return wrapped(x.typed(to))
        result = rounded(x, "to_zero")
        lo, hi = limits(to)
        if result.size and (int(result.min()) < lo or int(result.max()) > hi):
            raise Unknown("a Cast of values beyond the integer type's range: ONNX leaves them open")
        return whole(result, to)
    if to in (1, 11):
        return x.typed(to)
    if to == 10 and x.rad is None:
        halves = [Fraction(float(np.float16(float(v)))) for v in x.fractions().reshape(-1)]
        return of_fractions(halves, x.shape, to)
    raise Unknown(f"a Cast to element type {to}")


def cast_like(node: Node, x: Exact, like: Exact) -> Exact:
    """CastLike, as its op page has it."""
    return cast(replace(node, attributes={"to": like.kind}), x)


def _compared(test: Any) -> Op:
    def op(node: Node, a: Exact, b: Exact) -> Exact:
        above, below = values.at_least(a, b), values.at_least(b, a)
        return whole(np.asarray(test(above, below)).astype(np.int64), BOOL)

    return op


def where(node: Node, condition: Exact, a: Exact, b: Exact) -> Exact:
    """a where the condition holds, else b."""
    mask = Exact(np.asarray(condition.num != 0).astype(np.int64))
    other = Exact(1 - mask.num)
    return values.add(values.mul(mask, a), values.mul(other, b)).typed(a.kind)


def _logical(f: Any) -> Op:
    return lambda node, *parts: whole(np.asarray(f(*(p.num != 0 for p in parts))).astype(np.int64), BOOL)


def range_(node: Node, start: Exact, stop: Exact, step: Exact) -> Exact:
    """start, start + step, ... below stop."""
    first, last, by = (v.fractions().reshape(-1)[0] for v in (start, stop, step))
    count = max(0, -int((first - last) // by))
    return of_fractions([first + i * by for i in range(count)], (count,), start.kind)


TABLE: Mapping[str, Op] = MappingProxyType(
    {
        "Abs": absolute,
        "Add": add,
        "And": _logical(np.logical_and),
        "ArgMax": _arg(True),
        "ArgMin": _arg(False),
        "BatchNormalization": batch_normalization,
        "Cast": cast,
        "CastLike": cast_like,
        "Clip": clip,
        "CumSum": cumsum,
        "Div": div,
        "Equal": _compared(lambda above, below: above & below),
        "Greater": _compared(lambda above, below: ~below),
        "GreaterOrEqual": _compared(lambda above, below: above),
        "Less": _compared(lambda above, below: ~above),
        "LessOrEqual": _compared(lambda above, below: below),
        "Max": _fold(values.larger),
        "Mean": mean,
        "Min": _fold(values.smaller),
        "Mod": mod,
        "Mul": mul,
        "Neg": neg,
        "Not": _logical(np.logical_not),
        "Or": _logical(np.logical_or),
        "Range": range_,
        "ReduceL1": _reduced(_l1),
        "ReduceL2": _reduced(_l2),
        "ReduceMax": _reduced(_extreme(np.max)),
        "ReduceMean": _reduced(_mean),
        "ReduceMin": _reduced(_extreme(np.min)),
        "ReduceProd": _reduced(_product),
        "ReduceSum": _reduced(values.total),
        "ReduceSumSquare": _reduced(_sum_square),
        "Relu": relu,
        "Sub": sub,
        "Sum": _fold(values.add),
        "TopK": topk,
        "Where": where,
    }
)
