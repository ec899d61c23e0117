"""ONNX ops that pick, repeat and rearrange elements: Slice, Split, Pad, Gather, Tile, DepthToSpace, SpaceToDepth."""

from __future__ import annotations

from fractions import Fraction
from math import prod
from types import MappingProxyType

import numpy as np

from hwq.frontends import shapes
from hwq.frontends.call import MAX_ELEMENTS, Array, Call, Rule, Signal, Value
from hwq.frontends.folding import fold
from hwq.frontends.shapes import moved, reshaped, shape_of
from hwq.ir import real
from hwq.ir.constants import Coded
from hwq.ir.hardware import Shape
from hwq.ir.selection import Selection
from hwq.ir.window import Window


def selected(call: Call, x: Value, selection: Selection, fill: Fraction = Fraction(0)) -> Value:
    """The selection of an activation or of a constant."""
    call.bound(selection.shape)
    if selection.trivial:
        return x
    if isinstance(x, Signal):
        return call.emit(real.Select(selection, fill), [x], selection.shape)[0]
    if isinstance(x, Coded):
        if not selection.fills:
            return x.moved(selection.apply)
        x = x.values()
    return selection.apply(x, float(fill) if x.dtype.kind == "f" else int(fill))


def _whole(call: Call, index: int, what: str) -> list[int]:
    return [int(v) for v in call.array(index, what).reshape(-1)]


def slice_(call: Call) -> list[Value]:
    """Slice: starts, ends, axes, steps are attributes before opset 10, inputs since; ends beyond the data are cut."""
    x = call.value(0)
    extents = shape_of(x)
    if call.given(1):
        starts, ends = _whole(call, 1, "starts"), _whole(call, 2, "ends")
        axes = _whole(call, 3, "axes") if call.given(3) else list(range(len(starts)))
        steps = _whole(call, 4, "steps") if call.given(4) else [1] * len(starts)
    else:
        starts, ends = (list(call.attribute(key, ())) for key in ("starts", "ends"))
        axes = list(call.attribute("axes", range(len(starts))))
        steps = [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise call.broken(f"starts {starts}, ends {ends}, axes {axes}, steps {steps}")
    positions: list[Array | None] = [None] * len(extents)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        n = extents[call.axis(axis, len(extents))]
        chosen = np.arange(n)[start:end:step]  # Python cuts bounds as ONNX does
        if not chosen.size and isinstance(x, Signal):
            raise call.empty(f"slice {start}:{end}:{step} of an axis of {n}")
        positions[call.axis(axis, len(extents))] = chosen
    return [selected(call, x, Selection.of(extents, positions))]


def split(call: Call) -> list[Value]:
    """Split along an axis: sizes given, or as equal as num_outputs allows, the last part the smallest."""
    x = call.value(0)
    if isinstance(x, np.ndarray):
        return fold(call)
    extents = shape_of(x)
    axis = call.axis(call.attribute("axis", 0), len(extents))
    n = extents[axis]
    if call.given(1):
        sizes = _whole(call, 1, "split")
    elif call.attribute("split"):
        sizes = [int(v) for v in call.attribute("split")]
    else:
        count = int(call.attribute("num_outputs", call.n_outputs))
        if count < 1 or count > n:
            raise call.broken(f"{count} parts of an axis of {n}")
        part = -(-n // count)
        sizes = [part] * (count - 1) + [n - part * (count - 1)]
    if sum(sizes) != n or min(sizes) < 0 or len(sizes) < call.n_outputs:
        raise call.broken(f"parts {sizes} of an axis of {n}")
    if 0 in sizes:
        raise call.empty(f"parts {sizes} of an axis of {n}")
    starts = np.cumsum([0, *sizes[:-1]])
    return [
        selected(call, x, Selection.along(extents, axis, np.arange(start, start + size)))
        for start, size in zip(starts, sizes, strict=True)
    ]


def pad(call: Call) -> list[Value]:
    """Pad: constant, edge, reflect or wrap; negative pads cut. Attributes before opset 11, inputs since."""
    x = call.value(0)
    extents = shape_of(x)
    raw = _whole(call, 1, "pads") if call.given(1) else [int(v) for v in call.attribute("pads", ())]
    axes = list(range(len(extents)))
    if call.given(3):
        axes = [call.axis(a, len(extents)) for a in _whole(call, 3, "axes")]
    if len(raw) != 2 * len(axes):
        raise call.broken(f"pads {raw} for {len(axes)} axes")
    mode = str(call.attribute("mode", "constant"))
    if mode not in ("constant", "edge", "reflect", "wrap"):
        raise call.broken(f"mode '{mode}'")
    if mode == "constant" and call.given(2):
        fill = call.exact(2, "the padding's value").reshape(-1)[0]
    else:
        fill = Fraction(float(np.float32(call.attribute("value", 0.0))))
    positions: list[Array | None] = [None] * len(extents)
    for axis, before, after in zip(axes, raw[: len(axes)], raw[len(axes) :], strict=True):
        n = extents[axis]
        cut, kept = max(0, -before), n - max(0, -before) - max(0, -after)
        if max(abs(before), abs(after)) > MAX_ELEMENTS:
            raise call.broken(f"pads {[before, after]} of an axis of {n}")
        if kept < 1:
            raise call.empty(f"pads {[before, after]} of an axis of {n}")
        at = _pad_positions(call, mode, np.arange(-max(0, before), kept + max(0, after)), kept)
        positions[axis] = np.where(at < 0, -1, at + cut)
    return [selected(call, x, Selection.of(extents, positions), fill)]


def _pad_positions(call: Call, mode: str, at: Array, n: int) -> Array:
    """Where the padded axis reads the data: `at` counts from its first element, after negative pads have cut."""
    if mode == "constant":
        return np.where((at >= 0) & (at < n), at, -1)
    if mode == "edge":
        return np.clip(at, 0, n - 1)
    if mode == "wrap":
        return at % n
    if n == 1:
        if at.min() < 0 or at.max() > 0:
            raise call.broken("a reflection of an axis of 1")
        return at
    period = 2 * (n - 1)
    folded = at % period
    return np.asarray(np.minimum(folded, period - folded))


def gather(call: Call) -> list[Value]:
    """Gather along an axis by a constant index."""
    x = call.value(0)
    if not isinstance(x, Signal):
        return list(shapes.gather(call))
    if isinstance(call.value(1), Signal):
        raise call.fail("an index computed from data", "gather on the host")
    axis = call.axis(call.attribute("axis", 0), len(x.shape))
    index, n = call.array(1, "the index").astype(np.int64), x.shape[axis]
    if not index.size:
        raise call.empty("an index without elements")
    if not (-n <= index.min() and index.max() < n):
        raise call.broken(f"index {index.reshape(-1)[:3].tolist()} along an axis of {n}")
    y = selected(call, x, Selection.along(x.shape, axis, index.reshape(-1) % n))
    return reshaped(call, y, (*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]))


def tile(call: Call) -> list[Value]:
    """Whole repetitions along axes (ONNX Tile)."""
    x = call.value(0)
    if not isinstance(x, Signal):
        return fold(call)
    repeats = _whole(call, 1, "repeats")
    if len(repeats) != len(x.shape) or min(repeats) < 0 or max(repeats) > MAX_ELEMENTS:
        raise call.broken(f"repeats {repeats} of shape {list(x.shape)}")
    if 0 in repeats:
        raise call.empty(f"repeats {repeats} of shape {list(x.shape)}")
    call.bound(tuple(n * r for n, r in zip(x.shape, repeats, strict=True)))
    positions = [np.arange(n * r) % n for n, r in zip(x.shape, repeats, strict=True)]
    return [selected(call, x, Selection.of(x.shape, positions))]


def expand(call: Call) -> list[Value]:
    """Expand: axes of 1 repeated, and axes of 1 added in front."""
    x = call.value(0)
    if not isinstance(x, Signal):
        return fold(call)
    wanted = _whole(call, 1, "the shape")
    try:
        shape = tuple(np.broadcast_shapes(x.shape, tuple(wanted)))
    except ValueError:
        raise call.broken(f"shapes {list(x.shape)} and {wanted} do not broadcast") from None
    call.bound(shape)
    (wide,) = reshaped(call, x, (1,) * (len(shape) - len(x.shape)) + x.shape)
    positions = [np.arange(n) % m for n, m in zip(shape, shape_of(wide), strict=True)]
    return [selected(call, wide, Selection.of(shape_of(wide), positions))]


def _rearranged(call: Call, split_to: Shape, perm: tuple[int, ...], merged: Shape) -> list[Value]:
    """Reshape, transpose, reshape."""
    (parts,) = reshaped(call, call.value(0), split_to)
    turned = tuple(split_to[p] for p in perm)
    (moved_parts,) = moved(call, parts, real.Transpose(perm), turned, lambda a: a.transpose(perm))
    return reshaped(call, moved_parts, merged)


def depth_to_space(call: Call) -> list[Value]:
    """DepthToSpace: blocks of channels become blocks of pixels; DCR takes the block index first, CRD the channel."""
    n, c, h, w = _four(call)
    b = _block(call)
    if c % (b * b):
        raise call.broken(f"{c} channels in blocks of {b}")
    rest = c // (b * b)
    if str(call.attribute("mode", "DCR")) == "CRD":
        return _rearranged(call, (n, rest, b, b, h, w), (0, 1, 4, 2, 5, 3), (n, rest, h * b, w * b))
    return _rearranged(call, (n, b, b, rest, h, w), (0, 3, 4, 1, 5, 2), (n, rest, h * b, w * b))


def space_to_depth(call: Call) -> list[Value]:
    """SpaceToDepth: blocks of pixels become blocks of channels."""
    n, c, h, w = _four(call)
    b = _block(call)
    if h % b or w % b:
        raise call.broken(f"{h} x {w} pixels in blocks of {b}")
    split_to = (n, c, h // b, b, w // b, b)
    return _rearranged(call, split_to, (0, 3, 5, 1, 2, 4), (n, c * b * b, h // b, w // b))


def _four(call: Call) -> Shape:
    shape = shape_of(call.value(0))
    if len(shape) != 4 or prod(shape) == 0:
        raise call.broken(f"an activation of shape {list(shape)}")
    return shape


def _block(call: Call) -> int:
    block = int(call.attribute("blocksize", 0))
    if not 1 <= block <= MAX_ELEMENTS:
        raise call.broken(f"blocksize {block}")
    return block


def im2col(call: Call) -> list[Value]:
    """QONNX Im2Col on (N, H, W, C): the windows' elements side by side, by kernel row, kernel column and channel."""
    n, h, w, c = _four(call)
    kernel, strides = (_pair(call, key) for key in ("kernel_size", "stride"))
    dilations = _pair(call, "dilations", (1, 1))
    pads = [int(v) for v in call.attribute("pad_amount", (0, 0, 0, 0))]
    if len(pads) != 4 or min(pads) < 0 or max(pads) > MAX_ELEMENTS:
        raise call.broken(f"pad_amount {pads}")
    window = Window(kernel, strides, dilations, (pads[0], pads[1]), (pads[2], pads[3]))
    (oh, ow), (kh, kw) = window.outputs((h, w)), kernel
    if oh < 1 or ow < 1:
        raise call.broken(f"a window of {list(kernel)} on {[h, w]}", "give the model a larger input")
    rows, columns = (window.positions(axis, (h, w)).reshape(-1) for axis in (0, 1))
    inside = [np.where((at >= 0) & (at < size), at, -1) for at, size in ((rows, h), (columns, w))]
    fill = Fraction(float(np.float32(call.attribute("pad_value", 0))))
    read = selected(call, call.value(0), Selection.of((n, h, w, c), [None, *inside, None]), fill)
    (parts,) = reshaped(call, read, (n, oh, kh, ow, kw, c))
    perm = (0, 1, 3, 2, 4, 5)
    turned = (n, oh, ow, kh, kw, c)
    (ordered,) = moved(call, parts, real.Transpose(perm), turned, lambda a: a.transpose(perm))
    return reshaped(call, ordered, (n, oh, ow, kh * kw * c))


def _pair(call: Call, name: str, default: Shape | None = None) -> tuple[int, int]:
    """An attribute for both axes: two integers, or one for both."""
    raw = call.attribute(name, default)
    values = [int(v) for v in raw] if isinstance(raw, list | tuple) else [int(raw or 0)]
    values = values * 2 if len(values) == 1 else values
    if len(values) != 2 or not all(1 <= v <= MAX_ELEMENTS for v in values):
        raise call.broken(f"{name} {values}")
    return values[0], values[1]


RULES: MappingProxyType[str, Rule] = MappingProxyType(
    {
        "Slice": slice_,
        "Split": split,
        "Pad": pad,
        "Gather": gather,
        "Tile": tile,
        "Expand": expand,
        "DepthToSpace": depth_to_space,
        "SpaceToDepth": space_to_depth,
    }
)
QONNX: MappingProxyType[str, Rule] = MappingProxyType({"Im2Col": im2col})
