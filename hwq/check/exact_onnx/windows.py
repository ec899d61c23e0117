"""Products and windows: MatMul, Gemm, convolutions, pools, from the sums on their op pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import product
from types import MappingProxyType
from typing import Any

import numpy as np

from hwq.check.exact_onnx import integers, scalar, values
from hwq.check.exact_onnx.node import Node, Op, Unknown
from hwq.check.exact_onnx.tensor import FLOAT, Exact, aligned, whole

INT32 = 6


def matmul(node: Node, a: Exact, b: Exact) -> Exact:
    """numpy's matmul."""
    return values.matmul(a, b)


def gemm(node: Node, a: Exact, b: Exact, c: Exact | None = None) -> Exact:
    """alpha A' B' + beta C."""
    left = a.moved(np.transpose) if node.integer("transA", 0) else a
    right = b.moved(np.transpose) if node.integer("transB", 0) else b
    y = values.scaled(values.matmul(left, right), node.number("alpha", 1.0))
    return y if c is None else values.add(y, values.scaled(c, node.number("beta", 1.0)))


def einsum(node: Node, *parts: Exact) -> Exact:
    """Sums of products by letters, of rational tensors."""
    equation = node.text("equation", "").replace(" ", "")
    result, unit = np.einsum(equation, *(integers.wide(p.num) for p in parts), optimize=False), Fraction(1)
    for p in parts:
        if p.rad is not None:
            raise Unknown("Einsum of irrational values")
        unit *= p.unit
    return Exact(integers.narrow(np.asarray(result, dtype=object)), unit, parts[0].kind)


class Window:
    """Extents, strides, dilations and paddings of a window over the spatial axes of (N, C, ...)."""

    def __init__(self, node: Node, extents: Sequence[int], kernel: Sequence[int], ceil: bool = False) -> None:
        rank = len(extents)
        self.extents, self.kernel = tuple(extents), tuple(kernel)
        self.strides = tuple(node.integers("strides") or [1] * rank)
        self.dilations = tuple(node.integers("dilations") or [1] * rank)
        spans = [(k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations, strict=True)]
        auto = node.text("auto_pad", "NOTSET")
        if auto in ("SAME_UPPER", "SAME_LOWER"):
            self.outputs = tuple(-(-n // s) for n, s in zip(extents, self.strides, strict=True))
            needs = [
                max(0, (o - 1) * s + k - n)
                for o, s, k, n in zip(self.outputs, self.strides, spans, extents, strict=True)
            ]
            self.before = tuple((p if auto == "SAME_UPPER" else p + 1) // 2 for p in needs)
            self.after = tuple(p - b for p, b in zip(needs, self.before, strict=True))
            return
        pads = [0] * (2 * rank) if auto == "VALID" else node.integers("pads") or [0] * (2 * rank)
        self.before, self.after = tuple(pads[:rank]), tuple(pads[rank:])
        outputs = []
        for n, s, k, b, a in zip(extents, self.strides, spans, self.before, self.after, strict=True):
            room = n + b + a - k
            count = (-(-room // s) if ceil else room // s) + 1
            if ceil and (count - 1) * s >= n + b:
                count -= 1  # a window that starts in the padding behind is none
            outputs.append(count)
        self.outputs = tuple(outputs)

    def taps(self) -> list[tuple[tuple[int, ...], list[Any], list[Any]]]:
        """Per tap: its place in the kernel; per axis, at which outputs it reads inside, and what."""
        result = []
        for tap in product(*(range(k) for k in self.kernel)):
            outs, ins = [], []
            for t, o, s, d, b, n in zip(
                tap, self.outputs, self.strides, self.dilations, self.before, self.extents, strict=True
            ):
                at = np.arange(o) * s + t * d - b
                inside = (at >= 0) & (at < n)
                outs.append(np.nonzero(inside)[0])
                ins.append(at[inside])
            result.append((tap, outs, ins))
        return result


def columns(x: Any, window: Window, fill: int = 0) -> Any:
    """(N, C, taps, outputs) of the elements that each tap reads, `fill` outside."""
    n, c = x.shape[:2]
    taps = window.taps()
    result = np.full((n, c, len(taps), *window.outputs), fill, dtype=x.dtype)
    for i, (_, outs, ins) in enumerate(taps):
        if all(o.size for o in outs):
            result[(slice(None), slice(None), i, *np.ix_(*outs))] = x[(slice(None), slice(None), *np.ix_(*ins))]
    return result.reshape(n, c, len(taps), -1)


def convolved(node: Node, x: Exact, w: Exact) -> Exact:
    """Sums over channels and taps, group by group; the padding is zero."""
    groups = node.integer("group", 1)
    window = Window(node, x.shape[2:], w.shape[2:])
    n, out = x.shape[0], w.shape[0]
    per, each = w.shape[1], out // groups
    patches = x.moved(lambda a: columns(a, window))
    parts = []
    for g in range(groups):
        own = patches.moved(lambda a, g=g: a[:, g * per : (g + 1) * per].reshape(n, -1, a.shape[-1]))  # type: ignore[misc]
        kernel = w.moved(lambda a, g=g: a[g * each : (g + 1) * each].reshape(each, -1))  # type: ignore[misc]
        parts.append(values.matmul(kernel, own))
    y = parts[0] if len(parts) == 1 else concatenated(parts, 1)
    return y.reshaped(n, out, *window.outputs).typed(x.kind)


def concatenated(parts: Sequence[Exact], axis: int) -> Exact:
    """Tensors side by side, in one unit."""
    first = parts[0]
    unit = first.unit
    for p in parts[1:]:
        unit = aligned(Exact(np.zeros(0, dtype=np.int64), unit), Exact(np.zeros(0, dtype=np.int64), p.unit))[0].unit
    same = [p.in_units(unit) for p in parts]
    nums = [p.num for p in same]
    if any(n.dtype == object for n in nums):
        nums = [integers.wide(n) for n in nums]
    rad = None
    if any(p.rad is not None for p in same):
        zeros = [integers.wide(np.broadcast_to(0 if p.rad is None else p.rad, p.shape)) for p in same]
        rad = np.concatenate(zeros, axis=axis)
    return Exact(np.concatenate(nums, axis=axis), unit, first.kind, rad)


def conv(node: Node, x: Exact, w: Exact, b: Exact | None = None) -> Exact:
    """Conv; channels_last has (N, ..., C) and weights (O, ..., I)."""
    if node.domain.endswith("channels_last"):
        y = convolved(node, x.moved(lambda a: np.moveaxis(a, -1, 1)), w.moved(lambda a: np.moveaxis(a, -1, 1)))
        y = y if b is None else values.add(y, b.reshaped(1, -1, *(1,) * (x.rank - 2)))
        return y.moved(lambda a: np.moveaxis(a, 1, -1))
    y = convolved(node, x, w)
    return y if b is None else values.add(y, b.reshaped(1, -1, *(1,) * (x.rank - 2)))


def _tap(kernel: Any, tap: tuple[int, ...]) -> Any:
    """(outputs, inputs) at one place of a kernel (inputs, outputs, ...)."""
    at: Any = (slice(None), slice(None), *tap)
    return kernel[at].T


def conv_transpose(node: Node, x: Exact, w: Exact, b: Exact | None = None) -> Exact:
    """Each input element adds its kernel, times itself, to the output; then the pads are cut off."""
    rank, groups = x.rank - 2, node.integer("group", 1)
    strides = node.integers("strides") or [1] * rank
    dilations = node.integers("dilations") or [1] * rank
    extra = node.integers("output_padding") or [0] * rank
    spans = [(k - 1) * d + 1 for k, d in zip(w.shape[2:], dilations, strict=True)]
    full = [s * (n - 1) + k + e for s, n, k, e in zip(strides, x.shape[2:], spans, extra, strict=True)]
    auto, asked = node.text("auto_pad", "NOTSET"), node.integers("output_shape")
    if asked or auto in ("SAME_UPPER", "SAME_LOWER"):
        wanted = asked or [n * s for n, s in zip(x.shape[2:], strides, strict=True)]
        cut = [f - o for f, o in zip(full, wanted, strict=True)]
        before = [c // 2 if auto == "SAME_UPPER" else c - c // 2 for c in cut]
    else:
        pads = [0] * (2 * rank) if auto == "VALID" else node.integers("pads") or [0] * (2 * rank)
        before = list(pads[:rank])
        wanted = [f - pads[i] - pads[i + rank] for i, f in enumerate(full)]
    n, per, each = x.shape[0], x.shape[1] // groups, w.shape[1]
    parts: list[Exact] = []
    for tap in product(*(range(k) for k in w.shape[2:])):
        blocks = []
        for g in range(groups):
            rows = x.moved(lambda a, g=g: a[:, g * per : (g + 1) * per].reshape(n, per, -1))  # type: ignore[misc]
            kernel = w.moved(lambda a, g=g, tap=tap: _tap(a[g * per : (g + 1) * per], tap))  # type: ignore[misc]
            blocks.append(values.matmul(kernel, rows))
        term = blocks[0] if groups == 1 else concatenated(blocks, 1)
        spread = term.reshaped(n, each * groups, *x.shape[2:])

        def placed(a: Any, tap: tuple[int, ...] = tap) -> Any:
            wide = np.zeros((n, each * groups, *full), dtype=a.dtype)
            at = [np.arange(m) * s + t * d for m, s, t, d in zip(x.shape[2:], strides, tap, dilations, strict=True)]
            places: Any = (slice(None), slice(None), *np.ix_(*at))
            wide[places] = a
            return wide

        parts.append(spread.moved(placed))
    y = parts[0]
    for part in parts[1:]:
        y = values.add(y, part)

    def cropped(a: Any) -> Any:
        padded = np.pad(
            a,
            [(0, 0), (0, 0), *((max(0, -p), max(0, w + p - f)) for p, w, f in zip(before, wanted, full, strict=True))],
        )
        return padded[
            (slice(None), slice(None), *(slice(max(0, p), max(0, p) + w) for p, w in zip(before, wanted, strict=True)))
        ]

    y = y.moved(cropped)
    return y if b is None else values.add(y, b.reshaped(1, -1, *(1,) * rank))


def _centred(x: Exact, zero: Exact | None, shape: tuple[int, ...] | None = None) -> Exact:
    if zero is None:
        return x
    fitting = zero if shape is None or int(np.prod(zero.shape)) == 1 else zero.reshaped(*shape)
    return values.sub(x, fitting if shape is not None or not zero.rank else zero.reshaped(*(1,) * x.rank))


def conv_integer(node: Node, x: Exact, w: Exact, xz: Exact | None = None, wz: Exact | None = None) -> Exact:
    """Conv of codes less their zero points; what pads is the zero point."""
    wide = _centred(w, wz, (-1, *(1,) * (w.rank - 1)))
    return convolved(node, _centred(x, xz), wide).typed(INT32)


def matmul_integer(node: Node, a: Exact, b: Exact, az: Exact | None = None, bz: Exact | None = None) -> Exact:
    """MatMul of codes less their zero points."""
    return values.matmul(_centred(a, az, (-1, 1)), _centred(b, bz, (1, -1))).typed(INT32)


def _pooled(node: Node, x: Exact, kernel: Sequence[int], least: Callable[[Exact, Window], Exact]) -> Exact:
    window = Window(node, x.shape[2:], kernel, bool(node.integer("ceil_mode", 0)))
    return least(x, window).reshaped(*x.shape[:2], *window.outputs)


def _largest(x: Exact, window: Window) -> Exact:
    bound = integers.top(x.num) + 1
    low, high = (columns(integers.wide(e) if bound >= integers.SAFE else e, window, -2 * bound) for e in x.ends())
    if x.rad is None:
        return Exact(integers.narrow(low.max(axis=2)), x.unit, x.kind)
    return values.of_ends(low.max(axis=2), high.max(axis=2), x.unit, x.kind)


def max_pool(node: Node, x: Exact) -> Exact:
    """The greatest in each window; nothing outside takes part."""
    if len(node.outputs) > 1:
        raise Unknown("MaxPool's places")
    kernel = node.integers("kernel_shape") or []
    if node.domain.endswith("channels_last"):
        y = _pooled(node, x.moved(lambda a: np.moveaxis(a, -1, 1)), kernel, _largest)
        return y.moved(lambda a: np.moveaxis(a, 1, -1))
    return _pooled(node, x, kernel, _largest)


def _window_total(x: Exact, window: Window) -> Exact:
    return values.total(x.moved(lambda a: columns(a, window)), (2,), False)


def average_pool(node: Node, x: Exact) -> Exact:
    """The mean of what lies inside, or inside the stated padding."""
    include = bool(node.integer("count_include_pad", 0))

    def step(x: Exact, window: Window) -> Exact:
        counts = np.zeros(window.outputs, dtype=np.int64)
        for tap in product(*(range(k) for k in window.kernel)):
            mask = np.ones(window.outputs, dtype=np.int64)
            for axis, t in enumerate(tap):
                at = np.arange(window.outputs[axis]) * window.strides[axis] + t * window.dilations[axis]
                lo = 0 if include else window.before[axis]
                hi = window.before[axis] + window.extents[axis] + (window.after[axis] if include else 0)
                shape = [-1 if i == axis else 1 for i in range(len(tap))]
                mask = mask * ((at >= lo) & (at < hi)).astype(np.int64).reshape(shape)
            counts = counts + mask
        return values.divide(_window_total(x, window), whole(counts.reshape(1, 1, -1), FLOAT))

    return _pooled(node, x, node.integers("kernel_shape") or [], step)


def lp_pool(node: Node, x: Exact) -> Exact:
    """(sum |x|^p)^(1/p) of each window."""
    p = node.integer("p", 2)
    if p not in (1, 2):
        raise Unknown(f"LpPool with p = {p}")
    powers = values.function(x, abs) if p == 1 else values.mul(x, x)
    y = _pooled(node, powers, node.integers("kernel_shape") or [], _window_total)
    return y if p == 1 else values.function(y, scalar.root)


def _global(op: Op) -> Op:
    def whole_image(node: Node, x: Exact) -> Exact:
        inner = {k: v for k, v in node.attributes.items() if k in ("p", "channels_last")}
        sized = Node(
            node.name, node.kind, "", node.version, {**inner, "kernel_shape": list(x.shape[2:])}, node.outputs, node.run
        )
        result: Exact = op(sized, x)
        return result

    return whole_image


def xnor_popcount(node: Node, x: Exact, w: Exact) -> Exact:
    """The number of places at which bits agree (FINN)."""
    ones = values.matmul(x, w)
    zeros = values.matmul(values.sub(values.number(1, x), x), values.sub(values.number(1, w), w))
    return values.add(ones, zeros)


def quant_avg_pool(node: Node, x: Exact) -> Exact:
    """The window's sum, cut by a shift (QONNX QuantAvgPool2d)."""
    k, s = node.integer("kernel", 1), node.integer("stride", 1)
    last = node.text("data_layout", "NCHW") == "NHWC"
    moved = x.moved(lambda a: np.moveaxis(a, -1, 1)) if last else x
    sized = Node(node.name, node.kind, "", node.version, {"strides": [s, s]}, node.outputs, node.run)
    shift = (k * k * ((1 << node.integer("ibits", 1)) - 1)).bit_length() - node.integer("obits", 1)
    total = _pooled(sized, moved, [k, k], _window_total)
    cut = values.function(
        values.scaled(total, Fraction(1, 1 << shift)), lambda v: Fraction(v.numerator // v.denominator), True
    )
    return cut.moved(lambda a: np.moveaxis(a, 1, -1)) if last else cut


TABLE: Mapping[str, Op] = MappingProxyType(
    {
        "AveragePool": average_pool,
        "Conv": conv,
        "ConvInteger": conv_integer,
        "ConvTranspose": conv_transpose,
        "Einsum": einsum,
        "Gemm": gemm,
        "GlobalAveragePool": _global(average_pool),
        "GlobalLpPool": _global(lp_pool),
        "GlobalMaxPool": _global(max_pool),
        "LpPool": lp_pool,
        "MatMul": matmul,
        "MatMulInteger": matmul_integer,
        "MaxPool": max_pool,
    }
)
QONNX: Mapping[str, Op] = MappingProxyType({"QuantAvgPool2d": quant_avg_pool, "XnorPopcountMatMul": xnor_popcount})
CHANNELS_LAST: Mapping[str, Op] = MappingProxyType({"Conv": conv, "MaxPool": max_pool})
