"""ONNX Conv and ConvTranspose of any number of spatial axes (operators.md: Conv, ConvTranspose)."""

from __future__ import annotations

from fractions import Fraction
from types import MappingProxyType

import numpy as np

from hwq.frontends.call import Array, Call, Rule, Signal, Value
from hwq.frontends.standard import affine, weights_of
from hwq.frontends.windows import agreed, integers, kernel_of, spatial
from hwq.ir import real
from hwq.ir.constants import Coded
from hwq.ir.hardware import Shape
from hwq.ir.selection import Selection
from hwq.ir.window import Window
from hwq.numeric.rational import scalar


def convolved(call: Call, x: Signal, weights: Coded) -> Signal:
    """x * weights without bias, by the attributes of the call; weights (M, C / group, ...)."""
    rank = len(x.shape) - 2
    if rank < 1 or len(weights.shape) != rank + 2:
        raise call.broken(f"weights of shape {list(weights.shape)} for an activation of {list(x.shape)}")
    groups = _groups(call, x.shape[1], weights.shape[0], weights.shape[1])
    window = spatial(call, x.shape[2:], kernel_of(call, rank, weights.shape[2:])).window
    return _emit(call, x, weights, window, groups)


def _emit(call: Call, x: Signal, weights: Coded, window: Window, groups: int) -> Signal:
    shape = (x.shape[0], weights.shape[0], *window.outputs(x.shape[2:]))
    return call.emit(real.Conv(weights, window, groups), [x], shape)[0]


def _groups(call: Call, channels: int, outputs: int, per_group: int) -> int:
    groups = int(call.attribute("group", 1))
    if groups < 1 or channels != groups * per_group or outputs % groups or not outputs:
        raise call.broken(f"{channels} channels in {groups} groups of {per_group} for {outputs} outputs")
    return groups


def biased(call: Call, y: Signal, index: int) -> Signal:
    """y + bias along axis 1, where the bias is given."""
    if not call.given(index):
        return y
    bias = call.exact(index, "the bias").reshape(-1)
    if bias.size != y.shape[1]:
        raise call.broken(f"a bias of {bias.size} elements for {y.shape[1]} channels")
    return affine(call, y, scalar(1), bias.reshape(1, -1, *(1,) * (len(y.shape) - 2)))


def conv(call: Call) -> list[Value]:
    """y = sum over the window of x w, plus bias (ONNX Conv)."""
    return [biased(call, convolved(call, call.signal(0), weights_of(call, 1, 0)), 2)]


def conv_transpose(call: Call) -> list[Value]:
    """A convolution with the turned kernel over the data with stride - 1 zeros between its elements."""
    x, weights = call.signal(0), weights_of(call, 1, 1)
    rank = len(x.shape) - 2
    if rank < 1 or len(weights.shape) != rank + 2 or weights.shape[0] != x.shape[1]:
        raise call.broken(f"weights of shape {list(weights.shape)} for an activation of {list(x.shape)}")
    groups = int(call.attribute("group", 1))
    if groups < 1 or x.shape[1] % groups:
        raise call.broken(f"{x.shape[1]} channels in {groups} groups")
    kernel = kernel_of(call, rank, weights.shape[2:])
    strides, dilations = integers(call, "strides", rank, 1, 1), integers(call, "dilations", rank, 1, 1)
    spans = tuple(d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True))
    before, after = _transposed_pads(call, x.shape[2:], strides, spans)
    stuffed = _stuffed(call, x, strides, before, after, spans)
    ones, none = (1,) * rank, (0,) * rank
    turned = weights.moved(lambda w: _turned(w, groups))
    return [biased(call, _emit(call, stuffed, turned, Window(kernel, ones, dilations, none, none), groups), 2)]


def _turned(weights: Array, groups: int) -> Array:
    """(C, M / groups, ...) as (M, C / groups, ...), the kernel turned about its centre."""
    c, m = weights.shape[:2]
    split = weights.reshape(groups, c // groups, m, *weights.shape[2:])
    swapped = np.moveaxis(split, 1, 2).reshape(groups * m, c // groups, *weights.shape[2:])
    return swapped[(slice(None), slice(None), *(slice(None, None, -1) for _ in weights.shape[2:]))]


def _transposed_pads(call: Call, extents: Shape, strides: Shape, spans: Shape) -> tuple[Shape, Shape]:
    """What is cut from both ends of the full result (negative: zeros added), by pads, auto_pad or output_shape."""
    rank = len(extents)
    extra = integers(call, "output_padding", rank, 0, 0)
    full = [s * (n - 1) + e + span for s, n, e, span in zip(strides, extents, extra, spans, strict=True)]
    mode = str(call.attribute("auto_pad", "NOTSET")) or "NOTSET"
    wanted, pads = call.attribute("output_shape"), integers(call, "pads", 2 * rank, 0, 0)
    if wanted is None and mode in ("SAME_UPPER", "SAME_LOWER"):
        wanted = [n * s for n, s in zip(extents, strides, strict=True)]
    if wanted is None:
        before, after = pads[:rank], pads[rank:]
        if mode != "NOTSET":
            before, after = agreed(call, mode, pads, (0,) * rank, (0,) * rank)
    else:  # whatever the pads say (ONNX ConvTranspose)
        totals = [f - int(w) for f, w in zip(full, list(wanted)[-rank:], strict=True)]
        small, large = tuple(t // 2 for t in totals), tuple(t - t // 2 for t in totals)
        before, after = (small, large) if mode == "SAME_UPPER" else (large, small)
    return before, tuple(a - e for a, e in zip(after, extra, strict=True))


def _stuffed(call: Call, x: Signal, strides: Shape, before: Shape, after: Shape, spans: Shape) -> Signal:
    """x with zeros between its elements, and as many around it as the kernel needs to give the stated extents."""
    axes = []
    for n, s, b, a, span in zip(x.shape[2:], strides, before, after, spans, strict=True):
        left, length = span - 1 - b, s * (n - 1) + 1
        total = length + left + span - 1 - a
        if total < span:
            raise call.empty(f"pads {[b, a]} that leave no output")
        at = np.arange(total) - left
        axes.append(np.where((at >= 0) & (at < length) & (at % s == 0), at // s, -1))
    selection = Selection.of(x.shape, [None, None, *axes])
    if selection.trivial:
        return x
    return call.emit(real.Select(selection, Fraction(0)), [x], selection.shape)[0]


RULES: MappingProxyType[str, Rule] = MappingProxyType({"Conv": conv, "ConvTranspose": conv_transpose})
