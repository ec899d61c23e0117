"""Softmax and the normalizations over the data: irrational, so with a radius."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType

import mpmath
import numpy as np

from hwq.check.exact_onnx import scalar, values
from hwq.check.exact_onnx.node import Node, Op, Unknown
from hwq.check.exact_onnx.tensor import Exact


def softmax(node: Node, x: Exact) -> Exact:
    """exp(x) / sum(exp(x)): along an axis since opset 13, over all axes from `axis` on before."""
    modern = node.version >= 13
    axis = node.integer("axis", -1 if modern else 1) % max(1, x.rank)
    rows = x if modern else x.reshaped(int(np.prod(x.shape[:axis])), int(np.prod(x.shape[axis:])))
    along = axis if modern else 1
    low, high = (np.asarray(e.max(axis=along, keepdims=True)) for e in rows.ends())
    top = values.of_ends(low, high, rows.unit, rows.kind)
    powers = values.function(values.sub(rows, top), lambda v: Fraction(1) if v == 0 else mpmath.exp(scalar.mp(v)))
    return values.divide(powers, values.total(powers, (along,), True)).reshaped(*x.shape)


def log_softmax(node: Node, x: Exact) -> Exact:
    """LogSoftmax, as its op page has it."""
    return values.function(softmax(node, x), lambda v: Fraction(0) if v == 1 else mpmath.log(scalar.mp(v)))


def _normalized(x: Exact, axes: tuple[int, ...], epsilon: Fraction, centred: bool = True) -> Exact:
    count = Fraction(1, int(np.prod([x.shape[a] for a in axes])))
    centre = values.sub(x, values.scaled(values.total(x, axes, True), count)) if centred else x
    variance = values.scaled(values.total(values.mul(centre, centre), axes, True), count)
    return _ratio(centre, variance, epsilon)


def _ratio(top: Exact, square: Exact, epsilon: Fraction) -> Exact:
    """top / sqrt(square + epsilon); 0 where that is 0 / 0."""
    shifted = values.add(square, values.number(epsilon, square))
    inverse = values.function(shifted, lambda v: Fraction(0) if v == 0 else 1 / scalar.root(v))
    return values.mul(top, inverse)


def _over_last(centred: bool) -> Op:
    def op(node: Node, x: Exact, scale: Exact | None = None, bias: Exact | None = None) -> Exact:
        first = node.integer("axis", -1) % x.rank
        y = _normalized(x, tuple(range(first, x.rank)), node.number("epsilon", 1e-5), centred)
        y = y if scale is None else values.mul(y, scale)
        return y if bias is None else values.add(y, bias)

    return op


def _by_channel(p: Exact, x: Exact) -> Exact:
    return p.reshaped(-1, *(1,) * (x.rank - 2))


def instance_normalization(node: Node, x: Exact, scale: Exact, bias: Exact) -> Exact:
    """InstanceNormalization, as its op page has it."""
    y = _normalized(x, tuple(range(2, x.rank)), node.number("epsilon", 1e-5))
    return values.add(values.mul(y, _by_channel(scale, x)), _by_channel(bias, x))


def group_normalization(node: Node, x: Exact, scale: Exact, bias: Exact) -> Exact:
    """Over groups of channels; parameters per group before opset 21."""
    groups = node.integer("num_groups", 1)
    rows = x.reshaped(x.shape[0] * groups, -1)
    y = _normalized(rows, (1,), node.number("epsilon", 1e-5)).reshaped(*x.shape)
    if node.version < 21:
        each = x.shape[1] // groups
        scale, bias = (p.moved(lambda a: np.repeat(a, each)) for p in (scale, bias))
    return values.add(values.mul(y, _by_channel(scale, x)), _by_channel(bias, x))


def lp_normalization(node: Node, x: Exact) -> Exact:
    """LpNormalization, as its op page has it."""
    axis, p = node.integer("axis", -1) % x.rank, node.integer("p", 2)
    if p == 1:
        size = values.total(values.function(x, abs), (axis,), True)
        return values.mul(x, values.function(size, lambda v: Fraction(0) if v == 0 else 1 / v))
    if p != 2:
        raise Unknown(f"LpNormalization with p = {p}")
    return _ratio(x, values.total(values.mul(x, x), (axis,), True), Fraction(0))


BOUNDED = (
    "Softmax",
    "LogSoftmax",
    "LayerNormalization",
    "RMSNormalization",
    "SimplifiedLayerNormalization",
    "InstanceNormalization",
    "GroupNormalization",
    "LpNormalization",
)
"""Ops whose hardware is within one step of the real value, not correctly rounded."""

TABLE: Mapping[str, Op] = MappingProxyType(
    {
        "GroupNormalization": group_normalization,
        "InstanceNormalization": instance_normalization,
        "LayerNormalization": _over_last(True),
        "LogSoftmax": log_softmax,
        "LpNormalization": lp_normalization,
        "RMSNormalization": _over_last(False),
        "SimplifiedLayerNormalization": _over_last(False),
        "Softmax": softmax,
    }
)
MICROSOFT: Mapping[str, Op] = MappingProxyType({"SimplifiedLayerNormalization": _over_last(False)})
