"""ONNX' normalizations over the data itself, and the norms that pools take (operators.md: LayerNormalization, ...)."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import prod
from types import MappingProxyType

import numpy as np

from hwq.frontends.call import Call, Rule, Signal, Value
from hwq.frontends.pooling import pooled, spatial_window
from hwq.ir import real
from hwq.ir.hardware import Shape
from hwq.ir.window import Reduction, Window
from hwq.numeric.rational import Rationals, scalar


def _epsilon(call: Call) -> Fraction:
    eps = Fraction(float(np.float32(call.attribute("epsilon", 1e-5))))
    if eps < 0:
        raise call.broken(f"epsilon {float(eps):g}")
    return eps


def _grouped(call: Call, x: Signal, groups: Shape, op: real.Normalize) -> Signal:
    """The op on rows of the reshaped tensor, and the tensor's shape again."""
    (rows,) = call.emit(real.Reshape(groups), [x], groups)
    (made,) = call.emit(op, [rows], groups)
    return call.emit(real.Reshape(x.shape), [made], x.shape)[0]


def _scaled(call: Call, x: Signal, scale: Rationals | None, bias: Rationals | None) -> Signal:
    """scale x + bias, both broadcast as they stand."""
    a, b = scalar(1) if scale is None else scale, scalar(0) if bias is None else bias
    for values in (a, b):
        if np.broadcast_shapes(values.shape, x.shape) != x.shape:
            raise call.broken(f"a scale or bias of shape {list(values.shape)} for {list(x.shape)}")
    return call.emit(real.Affine(a, b), [x], x.shape)[0]


def _given(call: Call, index: int, what: str) -> Rationals | None:
    return call.exact(index, what) if call.given(index) else None


def _over_last(call: Call, op: real.Normalize) -> list[Value]:
    """Axes from `axis` on are one group; scale and bias are of their shape."""
    x = call.signal(0)
    if call.n_outputs > 1:
        raise call.fail("outputs beside the first", "use the normalized tensor only")
    axis = call.axis(call.attribute("axis", -1), len(x.shape))
    y = _grouped(call, x, (prod(x.shape[:axis]), prod(x.shape[axis:])), op)
    return [_scaled(call, y, _given(call, 1, "the scale"), _given(call, 2, "the bias"))]


def layer_normalization(call: Call) -> list[Value]:
    """(x - mean) / sqrt(variance + epsilon) * scale + bias over the axes from `axis` on."""
    return _over_last(call, real.Normalize(1, centred=True, mean=True, eps=_epsilon(call)))


def rms_normalization(call: Call) -> list[Value]:
    """x / sqrt(mean of squares + epsilon) * scale over the axes from `axis` on."""
    return _over_last(call, real.Normalize(1, centred=False, mean=True, eps=_epsilon(call)))


def _by_channel(call: Call, index: int, what: str, rank: int, repeat: int = 1) -> Rationals:
    """Parameters (C,) for a tensor (N, C, ...); each stands for `repeat` channels."""
    values = np.repeat(call.exact(index, what).reshape(-1), repeat)
    return np.asarray(values.reshape(-1, *(1,) * (rank - 2)), dtype=object)


def instance_normalization(call: Call) -> list[Value]:
    """(x - mean) / sqrt(variance + epsilon) * scale + bias over each channel's spatial axes."""
    x, op = call.signal(0), real.Normalize(1, centred=True, mean=True, eps=_epsilon(call))
    rank = len(x.shape)
    if rank < 3:
        raise call.broken(f"an activation of shape {list(x.shape)}")
    y = _grouped(call, x, (prod(x.shape[:2]), prod(x.shape[2:])), op)
    return [_scaled(call, y, _by_channel(call, 1, "the scale", rank), _by_channel(call, 2, "the bias", rank))]


def group_normalization(call: Call) -> list[Value]:
    """The same over groups of channels; scale and bias are per group before opset 21, per channel from there on."""
    x, groups = call.signal(0), int(call.attribute("num_groups", 0))
    rank = len(x.shape)
    if rank < 2 or groups < 1 or x.shape[1] % groups:
        raise call.broken(f"{groups} groups of an activation of shape {list(x.shape)}")
    op = real.Normalize(1, centred=True, mean=True, eps=_epsilon(call))
    y = _grouped(call, x, (x.shape[0] * groups, prod(x.shape[1:]) // groups), op)
    repeat = x.shape[1] // groups if call.version < 21 else 1
    scale, bias = (_by_channel(call, i, what, rank, repeat) for i, what in ((1, "the scale"), (2, "the bias")))
    return [_scaled(call, y, scale, bias)]


def _order(call: Call) -> int:
    p = call.attribute("p", 2)
    if p not in (1, 2):
        raise call.fail(f"p={p}", "use p 1 or 2")
    return int(p)


def lp_normalization(call: Call) -> list[Value]:
    """x over its 1- or 2-norm along an axis; zeros stay zeros."""
    x, p = call.signal(0), _order(call)
    axis = call.axis(call.attribute("axis", -1), len(x.shape))
    return list(call.emit(real.Normalize(axis, centred=False, mean=False, power=p), [x], x.shape))


def _norm(call: Call, x: Signal, window: Window, p: int) -> Signal:
    """(sum of |x|^p over windows)^(1/p), exactly: a sum, and a root that the next quantizer rounds."""
    if p == 1:
        return pooled(call, call.emit(real.Unary("Abs"), [x], x.shape)[0], window, Reduction.SUM)
    squares = call.emit(real.Unary("Pow", (scalar(2),)), [x], x.shape)[0]
    total = pooled(call, squares, window, Reduction.SUM)
    return call.emit(real.Unary("Sqrt"), [total], total.shape)[0]


def lp_pool(call: Call) -> list[Value]:
    """The 1- or 2-norm of each window; the padding is 0."""
    x = call.signal(0)
    return [_norm(call, x, spatial_window(call, x), _order(call))]


def global_lp_pool(call: Call) -> list[Value]:
    """The 1- or 2-norm of each channel."""
    x = call.signal(0)
    if len(x.shape) < 3:
        raise call.broken(f"a global pool over an activation of shape {list(x.shape)}")
    return [_norm(call, x, Window.over(x.shape, tuple(range(2, len(x.shape)))), _order(call))]


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "LayerNormalization": layer_normalization,
        "RMSNormalization": rms_normalization,
        "SimplifiedLayerNormalization": rms_normalization,
        "InstanceNormalization": instance_normalization,
        "GroupNormalization": group_normalization,
        "LpNormalization": lp_normalization,
        "LpPool": lp_pool,
        "GlobalLpPool": global_lp_pool,
    }
)
MICROSOFT: Mapping[str, Rule] = MappingProxyType({"SimplifiedLayerNormalization": rms_normalization})
