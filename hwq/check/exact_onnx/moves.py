"""Ops that move elements: reshapes, slices, pads, gathers, resizes."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import numpy as np

from hwq.check.exact_onnx.node import Node, Op, Unknown
from hwq.check.exact_onnx.tensor import FLOAT, Exact, of_array, of_fractions, whole
from hwq.check.exact_onnx.windows import concatenated


def reshape(node: Node, x: Exact, shape: Exact | None = None) -> Exact:
    """Reshape, as its op page has it."""
    asked = (node.integers("shape") or []) if shape is None else shape.ints()
    keep = not node.integer("allowzero", 0)
    return x.reshaped(*(x.shape[i] if d == 0 and keep else d for i, d in enumerate(asked)))


def flatten(node: Node, x: Exact) -> Exact:
    """Flatten, as its op page has it."""
    axis = node.integer("axis", 1)
    axis = axis + x.rank if axis < 0 else axis
    return x.reshaped(int(np.prod(x.shape[:axis])), -1) if x.num.size else x


def _axes(node: Node, axes: Exact | None) -> list[int] | None:
    return node.integers("axes") if axes is None else axes.ints()


def squeeze(node: Node, x: Exact, axes: Exact | None = None) -> Exact:
    """Squeeze, as its op page has it."""
    listed = _axes(node, axes)
    gone = (
        tuple(a % x.rank for a in listed) if listed is not None else tuple(i for i, d in enumerate(x.shape) if d == 1)
    )
    return x.moved(lambda a: a.squeeze(gone))


def unsqueeze(node: Node, x: Exact, axes: Exact | None = None) -> Exact:
    """Unsqueeze, as its op page has it."""
    listed = _axes(node, axes) or []
    rank = x.rank + len(listed)
    return x.moved(lambda a: np.expand_dims(a, tuple(v % rank for v in listed)))


def transpose(node: Node, x: Exact) -> Exact:
    """Transpose, as its op page has it."""
    perm = node.integers("perm")
    return x.moved(lambda a: a.transpose(perm) if perm else a.transpose())


def identity(node: Node, x: Exact, *rest: Any) -> Exact:
    """Identity, as its op page has it."""
    return x


def shape(node: Node, x: Exact) -> Exact:
    """Shape, as its op page has it."""
    return whole(np.asarray(x.shape, dtype=np.int64)[node.integer("start", 0) : node.attributes.get("end")])


def size(node: Node, x: Exact) -> Exact:
    """Size, as its op page has it."""
    return whole(np.asarray(int(np.prod(x.shape))))


def constant(node: Node) -> Exact:
    """The value, in whichever attribute."""
    for name, value in node.attributes.items():
        if name == "value":
            return value if isinstance(value, Exact) else of_array(np.asarray(value), FLOAT)
        if name in ("value_int", "value_ints"):
            return whole(np.asarray(value))
        if name in ("value_float", "value_floats"):
            return of_array(np.asarray(value, dtype=np.float32), FLOAT)
    raise Unknown("a Constant of no numbers")


def constant_of_shape(node: Node, shape: Exact) -> Exact:
    """ConstantOfShape, as its op page has it."""
    value = node.attributes.get("value") or Exact(np.zeros(1, dtype=np.int64), Fraction(1), FLOAT)
    extents = shape.ints()
    return value.moved(lambda a: np.broadcast_to(a.reshape(-1)[:1].reshape((1,) * len(extents)), extents).copy())


def gather(node: Node, x: Exact, at: Exact) -> Exact:
    """Gather, as its op page has it."""
    axis = node.integer("axis", 0) % x.rank
    places = np.asarray(at.num).astype(np.int64)
    places = np.where(places < 0, places + x.shape[axis], places)
    return x.moved(lambda a: np.take(a, places, axis=axis))


def gather_elements(node: Node, x: Exact, at: Exact) -> Exact:
    """GatherElements, as its op page has it."""
    axis = node.integer("axis", 0) % x.rank
    places = np.asarray(at.num).astype(np.int64) % x.shape[axis]
    return x.moved(lambda a: np.take_along_axis(a, places, axis))


def concat(node: Node, *parts: Exact) -> Exact:
    """Concat, as its op page has it."""
    return concatenated(parts, node.integer("axis", 1) % parts[0].rank)


def slice_(node: Node, x: Exact, *given: Exact | None) -> Exact:
    """Slice, as its op page has it."""
    if given:
        lists = [None if g is None else g.ints() for g in given] + [None] * (4 - len(given))
    else:
        lists = [node.integers("starts"), node.integers("ends"), node.integers("axes"), None]
    starts, ends, axes, steps = lists[:4]
    assert starts is not None
    assert ends is not None
    axes = axes if axes is not None else list(range(len(starts)))
    steps = steps if steps is not None else [1] * len(starts)
    cuts: list[Any] = [slice(None)] * x.rank
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        n = x.shape[axis % x.rank]
        start, end = (v + n if v < 0 else v for v in (start, end))
        if step > 0:
            cuts[axis % x.rank] = np.arange(min(max(start, 0), n), min(max(end, 0), n), step)
        else:
            cuts[axis % x.rank] = np.arange(min(max(start, 0), n - 1), min(max(end, -1), n - 1), step)

    def cut(a: Any) -> Any:
        for axis, places in enumerate(cuts):
            if not isinstance(places, slice):
                a = np.take(a, places, axis=axis)
        return a

    return x.moved(cut)


def split(node: Node, x: Exact, sizes: Exact | None = None) -> tuple[Exact, ...]:
    """Split, as its op page has it."""
    axis = node.integer("axis", 0) % x.rank
    listed = node.integers("split") if sizes is None else sizes.ints()
    if not listed:
        count, n = len(node.outputs), x.shape[axis]
        each = -(-n // count)
        listed = [each] * (count - 1) + [n - each * (count - 1)]
    ends = np.cumsum(listed)[:-1]
    return tuple(x.moved(lambda a, i=i: np.split(a, ends, axis)[i]) for i in range(len(listed)))  # type: ignore[misc]


def pad(
    node: Node, x: Exact, pads: Exact | None = None, value: Exact | None = None, axes: Exact | None = None
) -> Exact:
    """Pad, as its op page has it."""
    listed = (node.integers("pads") or node.integers("paddings") or []) if pads is None else pads.ints()
    which = list(range(x.rank)) if axes is None else [a % x.rank for a in axes.ints()]
    width = [(0, 0)] * x.rank
    for i, axis in enumerate(which):
        width[axis] = (listed[i], listed[i + len(which)])
    fill = value
    if fill is None and "value" in node.attributes:
        fill = of_fractions([node.number("value", 0.0)], (1,), x.kind)
    mode = node.text("mode", "constant")
    cuts = tuple(slice(max(0, -b), n - max(0, -a)) for n, (b, a) in zip(x.shape, width, strict=True))
    x, width = x.moved(lambda a: a[cuts]), [(max(0, b), max(0, a)) for b, a in width]
    if mode != "constant":
        padding: Any = np.pad
        return x.moved(lambda a: padding(a, width, mode=mode))
    number = Exact(np.zeros(1, dtype=np.int64)) if fill is None else fill.reshaped(1)
    both = concatenated([x.reshaped(-1), number.typed(x.kind)], 0)
    places = np.pad(np.arange(x.num.size).reshape(x.shape), width, constant_values=x.num.size)
    return both.moved(lambda a: a[places])


def tile(node: Node, x: Exact, repeats: Exact) -> Exact:
    """Tile, as its op page has it."""
    return x.moved(lambda a: np.tile(a, repeats.ints()))


def expand(node: Node, x: Exact, shape: Exact) -> Exact:
    """Expand, as its op page has it."""
    extents = np.broadcast_shapes(x.shape, tuple(shape.ints()))
    return x.moved(lambda a: np.broadcast_to(a, extents).copy())


def depth_to_space(node: Node, x: Exact) -> Exact:
    """DepthToSpace, as its op page has it."""
    n, c, h, w = x.shape
    b = node.integer("blocksize", 1)
    if node.text("mode", "DCR") == "CRD":
        return x.moved(
            lambda a: a.reshape(n, c // b**2, b, b, h, w).transpose(0, 1, 4, 2, 5, 3).reshape(n, -1, h * b, w * b)
        )
    return x.moved(
        lambda a: a.reshape(n, b, b, c // b**2, h, w).transpose(0, 3, 4, 1, 5, 2).reshape(n, -1, h * b, w * b)
    )


def space_to_depth(node: Node, x: Exact) -> Exact:
    """SpaceToDepth, as its op page has it."""
    n, c, h, w = x.shape
    b = node.integer("blocksize", 1)
    return x.moved(
        lambda a: a.reshape(n, c, h // b, b, w // b, b).transpose(0, 3, 5, 1, 2, 4).reshape(n, -1, h // b, w // b)
    )


def one_hot(node: Node, at: Exact, depth: Exact, ends: Exact) -> Exact:
    """OneHot, as its op page has it."""
    count, axis = depth.ints()[0], node.integer("axis", -1)
    places = np.asarray(at.num).astype(np.int64) % count
    axis = axis % (places.ndim + 1)
    hot = np.moveaxis(np.eye(count, dtype=np.int64)[places], -1, axis)
    return ends.moved(lambda a: a[hot])


def trilu(node: Node, x: Exact, k: Exact | None = None) -> Exact:
    """Trilu, as its op page has it."""
    shift = 0 if k is None else k.ints()[0]
    return x.moved(lambda a: np.triu(a, shift) if node.integer("upper", 1) else np.tril(a, shift))


def im2col(node: Node, x: Exact) -> Exact:
    """NHWC patches: (N, out_h, out_w, kh kw C) (FINN Im2Col)."""

    def pair(name: str, default: int | None = None) -> list[int]:
        value = node.attributes.get(name)
        if value is None:
            assert default is not None
            return [default, default]
        listed = [int(v) for v in value] if isinstance(value, list | tuple) else [int(value)]
        return listed * 2 if len(listed) == 1 else listed

    kh, kw = pair("kernel_size")
    sh, sw = pair("stride", 1)
    dh, dw = pair("dilations", 1)
    amount = node.attributes.get("pad_amount", [0, 0, 0, 0])
    pads = [int(v) for v in amount] if isinstance(amount, list | tuple) else [int(amount)] * 4
    top, left, bottom, right = pads
    padded = x.moved(lambda a: np.pad(a, [(0, 0), (top, bottom), (left, right), (0, 0)]))
    _, h, w, _ = padded.shape
    rows = (np.arange((h - dh * (kh - 1) - 1) // sh + 1) * sh)[:, None] + np.arange(kh) * dh
    cols = (np.arange((w - dw * (kw - 1) - 1) // sw + 1) * sw)[:, None] + np.arange(kw) * dw

    def patches(a: Any) -> Any:
        taken = a[:, rows][:, :, :, cols]  # N, oh, kh, ow, kw, C
        return taken.transpose(0, 1, 3, 2, 4, 5).reshape(a.shape[0], rows.shape[0], cols.shape[0], -1)

    return padded.moved(patches)


TABLE: Mapping[str, Op] = MappingProxyType(
    {
        "Concat": concat,
        "Constant": constant,
        "ConstantOfShape": constant_of_shape,
        "DepthToSpace": depth_to_space,
        "Dropout": identity,
        "Expand": expand,
        "Flatten": flatten,
        "Gather": gather,
        "GatherElements": gather_elements,
        "Identity": identity,
        "OneHot": one_hot,
        "Pad": pad,
        "Reshape": reshape,
        "Shape": shape,
        "Size": size,
        "Slice": slice_,
        "SpaceToDepth": space_to_depth,
        "Split": split,
        "Squeeze": squeeze,
        "Tile": tile,
        "Transpose": transpose,
        "Trilu": trilu,
        "Unsqueeze": unsqueeze,
    }
)
QONNX: Mapping[str, Op] = MappingProxyType({"Im2Col": im2col})
