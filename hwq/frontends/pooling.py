"""ONNX' pools and reductions as extrema and sums of windows (operators.md: MaxPool, AveragePool, Global*, Reduce*)."""

from __future__ import annotations

from fractions import Fraction
from math import prod
from types import MappingProxyType

import numpy as np

from hwq.frontends.call import Call, Rule, Signal, Value
from hwq.frontends.folding import fold
from hwq.frontends.shapes import reshaped
from hwq.frontends.standard import affine
from hwq.frontends.windows import Spatial, kernel_of, spatial
from hwq.ir import real
from hwq.ir.window import Reduction, Window
from hwq.numeric.fixed import Codes, Rounding
from hwq.numeric.rational import Rationals, elementwise, scalar


def spatial_window(call: Call, x: Signal) -> Window:
    """The window of a pool over all axes of x, from the node's attributes."""
    return _spatial(call, x).window


def _spatial(call: Call, x: Signal, channels_last: bool = False) -> Spatial:
    """The window over all axes of x, from the node's attributes."""
    rank = len(x.shape) - 2
    if rank < 1:
        raise call.broken(f"a pool over an activation of shape {list(x.shape)}")
    extents = x.shape[1:-1] if channels_last else x.shape[2:]
    return spatial(call, extents, kernel_of(call, rank)).over(len(x.shape), 1 if channels_last else 2)


def pooled(call: Call, x: Signal, window: Window, how: Reduction) -> Signal:
    """Emit a pooling op over the last axes of an activation."""
    return call.emit(real.Pool(window, how), [x], window.outputs(x.shape))[0]


def largest(call: Call, channels_last: bool = False) -> list[Value]:
    """MaxPool: what lies outside the data is -inf."""
    x = call.signal(0)
    if call.n_outputs > 1:
        raise call.fail("the Indices output of MaxPool", "use its first output only")
    window = _spatial(call, x, channels_last).window
    if int(window.counts(x.shape).min()) == 0:
        raise call.fail("a window that lies in the padding alone", "use pads smaller than the kernel")
    return [pooled(call, x, window, Reduction.LARGEST)]


def max_pool(call: Call) -> list[Value]:
    """The greatest element of each window (ONNX MaxPool)."""
    return largest(call)


def average_pool(call: Call) -> list[Value]:
    """AveragePool: the sum of a window's data over how many they are; count_include_pad counts the padding too."""
    x = call.signal(0)
    found = _spatial(call, x)
    margins = found.margins if call.attribute("count_include_pad", 0) else None
    counts = found.window.counts(x.shape, margins)
    if int(counts.min()) == 0:
        raise call.fail("a window that lies in the padding alone", "use pads smaller than the kernel")
    total = pooled(call, x, found.window, Reduction.SUM)
    return [affine(call, total, _reciprocals(counts), scalar(0))]


def _reciprocals(counts: Codes) -> Rationals:
    """1 / count per position; one where all windows hold as many."""
    values = np.unique(counts)
    if values.size == 1:
        return scalar(Fraction(1, int(values[0])))
    return elementwise(lambda n: Fraction(1, int(n)), counts.astype(object))


def _global(call: Call, how: Reduction) -> Signal:
    x = call.signal(0)
    if len(x.shape) < 3:
        raise call.broken(f"a global pool over an activation of shape {list(x.shape)}")
    return pooled(call, x, Window.over(x.shape, tuple(range(2, len(x.shape)))), how)


def global_max_pool(call: Call) -> list[Value]:
    """The greatest element of each channel (ONNX GlobalMaxPool)."""
    return [_global(call, Reduction.LARGEST)]


def global_average_pool(call: Call) -> list[Value]:
    """The mean of each channel (ONNX GlobalAveragePool)."""
    x = call.signal(0)
    return [affine(call, _global(call, Reduction.SUM), scalar(Fraction(1, prod(x.shape[2:]))), scalar(0))]


def _reduced(call: Call, how: Reduction, mean: bool = False) -> list[Value]:
    """A reduction over whole axes, given as an attribute (older opsets) or an input; none given: over all."""
    x = call.value(0)
    if not isinstance(x, Signal):
        return fold(call)
    rank = len(x.shape)
    axes, keep = call.axes(1, rank), call.attribute("keepdims", 1)
    if not axes:
        if call.attribute("noop_with_empty_axes", 0):
            return [x]
        axes = list(range(rank))
    y = pooled(call, x, Window.over(x.shape, tuple(axes)), how)
    if mean:
        y = affine(call, y, scalar(Fraction(1, prod(x.shape[a] for a in axes))), scalar(0))
    if keep:
        return [y]
    return reshaped(call, y, tuple(n for a, n in enumerate(x.shape) if a not in axes))


def reduce_mean(call: Call) -> list[Value]:
    """The mean along axes (ONNX ReduceMean)."""
    return _reduced(call, Reduction.SUM, mean=True)


def reduce_sum(call: Call) -> list[Value]:
    """The sum along axes (ONNX ReduceSum)."""
    return _reduced(call, Reduction.SUM)


def reduce_max(call: Call) -> list[Value]:
    """The greatest along axes (ONNX ReduceMax)."""
    return _reduced(call, Reduction.LARGEST)


def reduce_min(call: Call) -> list[Value]:
    """The least along axes (ONNX ReduceMin)."""
    return _reduced(call, Reduction.LEAST)


def quant_avg_pool(call: Call) -> list[Value]:
    """QuantAvgPool2d: (sum of the window) >> (bits of k k (2^ibits - 1), less obits); no padding."""
    x = call.signal(0)
    kernel, stride = int(call.attribute("kernel", 1)), int(call.attribute("stride", 1))
    in_bits, out_bits = int(call.attribute("ibits", 1)), int(call.attribute("obits", 1))
    if len(x.shape) != 4 or min(kernel, stride, in_bits, out_bits) < 1 or max(in_bits, out_bits) > 64:
        raise call.broken(f"kernel {kernel}, stride {stride}, {in_bits} to {out_bits} bits on {list(x.shape)}")
    shift = (kernel * kernel * ((1 << in_bits) - 1)).bit_length() - out_bits
    if shift < 0:
        raise call.fail(f"an average of {in_bits} bits in {out_bits}", "lower obits")
    last = str(call.attribute("data_layout", "NCHW")) == "NHWC"
    ones, none = (1,) * 4, (0,) * 4
    moving = (False, True, True, False) if last else (False, False, True, True)
    size, strides = (tuple(v if m else 1 for m in moving) for v in (kernel, stride))
    window = Window(size, strides, ones, none, none)
    if any(n < k for n, k in zip(x.shape, size, strict=True)):
        raise call.broken(f"a window of {kernel} on {list(x.shape)}", "give the model a larger input")
    total = pooled(call, x, window, Reduction.SUM)
    a = scalar(Fraction(1, 1 << shift))
    floor = real.Quantize(a, scalar(0), Rounding.FLOOR, None, None, scalar(1), scalar(0))
    return list(call.emit(floor, [total], total.shape))


RULES: MappingProxyType[str, Rule] = MappingProxyType(
    {
        "MaxPool": max_pool,
        "AveragePool": average_pool,
        "GlobalMaxPool": global_max_pool,
        "GlobalAveragePool": global_average_pool,
        "ReduceMean": reduce_mean,
        "ReduceSum": reduce_sum,
        "ReduceMax": reduce_max,
        "ReduceMin": reduce_min,
    }
)
QONNX: MappingProxyType[str, Rule] = MappingProxyType({"QuantAvgPool2d": quant_avg_pool})
