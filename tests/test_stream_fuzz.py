"""Random graphs of one ONNX op each, many to a program: streams and arrays give every integer of the simulator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import hwq
from hwq.errors import InternalError
from models import const, model, node

Shape = tuple[int, ...]
GRAPHS = 24  # of a program
MOST = 240  # elements of an input


class Single:
    """One random op behind quantized inputs; all its names begin with `prefix`."""

    def __init__(self, prefix: str, seed: int) -> None:
        self.prefix, self.rng = prefix, np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.inputs: dict[str, Shape] = {}
        self.outputs: list[str] = []
        self.kind = self.pick(sorted(KINDS))
        outs = KINDS[self.kind](self)
        for out in outs:
            needed = self.kind in ROUNDED
            self.outputs.append(self.quant(out) if needed or self.rng.random() < 0.4 else out)
        self.reuse = self.pick([None, None, 1, 2, 3, 5, 8, 64])

    # -- draws

    def pick(self, values: Any) -> Any:
        return values[int(self.rng.integers(len(values)))]

    def upto(self, most: int, least: int = 1) -> int:
        return int(self.rng.integers(least, most + 1))

    def chance(self, p: float = 0.5) -> bool:
        return bool(self.rng.random() < p)

    def shape(self, rank: int, batch: bool = True) -> Shape:
        """Extents 1 to 7; the first is the batch of a sample, mostly 1."""
        most = {1: 24, 2: 12, 3: 7, 4: 6, 5: 4}[rank]
        dims = [self.upto(most) for _ in range(rank)]
        if batch and rank > 1:
            dims[0] = self.pick([1, 1, 1, 2])
        while np.prod(dims) > MOST:
            dims[int(np.argmax(dims))] -= 1
        return tuple(dims)

    # -- parts of a model

    def name(self, what: str) -> str:
        return f"{self.prefix}_{what}{len(self.nodes)}_{len(self.constants)}"

    def constant(self, values: Any, dtype: Any = np.float32) -> str:
        name = self.name("c")
        self.constants.append(const(name, values, dtype))
        return name

    def ints(self, values: Any) -> str:
        return self.constant(list(values), np.int64)

    def op(self, kind: str, inputs: list[str], count: int = 1, **attributes: Any) -> list[str]:
        outs = [self.name("t") + f"_{k}" for k in range(count)]
        self.nodes.append(node(kind, inputs, outs, self.name("n"), **attributes))
        return outs

    def quant(self, x: str) -> str:
        scale, bits = self.pick([0.25, 0.5, 0.37, 1.0]), float(self.upto(6, 2))
        options = {"signed": int(self.chance(0.8)), "narrow": 0, "rounding_mode": self.pick(["ROUND", "FLOOR"])}
        return self.op("Quant", [x, self.constant(scale), self.constant(0.0), self.constant(bits)], **options)[0]

    def source(self, shape: Shape, scale: float | None = None, bits: int | None = None) -> str:
        name = self.name("x")
        self.inputs[name] = shape
        scale = self.pick([0.25, 0.5, 1.0]) if scale is None else scale
        bits = self.upto(5, 1) if bits is None else bits
        values = [self.constant(scale), self.constant(0.0), self.constant(float(bits))]
        return self.op("Quant", [name, *values], signed=1, narrow=0, rounding_mode="ROUND")[0]

    def weights(self, shape: Shape) -> str:
        """Weights on a grid of 1/4, binary and ternary ones and powers of two among them."""
        kind = self.upto(4)
        values = self.rng.integers(-7, 8, shape)
        if kind == 1:
            values = self.rng.choice([-1, 1], shape)
        elif kind == 2:
            values = self.rng.integers(-1, 2, shape)
        elif kind == 3:
            values = self.rng.choice([-1, 1], shape) << self.rng.integers(0, 4, shape)
        return self.constant(values / 4)

    def window(self, extents: Shape, transposed: bool = False) -> dict[str, list[int]]:
        """A window that fits, some of them with padding by mode."""
        kernel, strides, dilations, before, after = [], [], [], [], []
        for n in extents:
            d = self.pick([1, 1, 1, 2])
            k = self.upto(4)
            reach = d * (k - 1) + 1
            b, a = (self.upto(min(2, reach - 1), 0) for _ in (0, 1))
            if not transposed and n + b + a < reach:
                k, d, b, a = self.upto(n), 1, 0, 0
            kernel.append(k)
            dilations.append(d)
            strides.append(self.upto(3))
            before.append(b)
            after.append(a)
        return {"kernel_shape": kernel, "strides": strides, "dilations": dilations, "pads": before + after}


def conv(g: Single) -> list[str]:
    rank = g.pick([1, 2, 2, 3])
    groups, per_in, per_out = g.pick([1, 1, 2, 3]), g.upto(3), g.upto(3)
    spatial = g.shape(rank, batch=False)
    x = g.source((g.pick([1, 1, 2]), groups * per_in, *spatial))
    window = g.window(spatial)
    inputs = [x, g.weights((groups * per_out, per_in, *window["kernel_shape"]))]
    if g.chance():
        inputs.append(g.constant(g.rng.integers(-9, 10, groups * per_out) / 4))
    if g.chance(0.2):
        del window["pads"]
        window["auto_pad"] = g.pick(["SAME_UPPER", "SAME_LOWER"])
        window["dilations"] = [1] * rank
    return g.op("Conv", inputs, group=groups, **window)


def conv_transpose(g: Single) -> list[str]:
    rank = g.pick([1, 2, 2])
    groups, per_in, per_out = g.pick([1, 1, 2]), g.upto(2), g.upto(2)
    spatial = tuple(min(n, 5) for n in g.shape(rank, batch=False))
    x = g.source((1, groups * per_in, *spatial))
    window = g.window(spatial, transposed=True)
    pairs = zip(window["strides"], window["dilations"], strict=True)
    window["output_padding"] = [g.upto(max(pair) - 1, 0) for pair in pairs]
    weights = g.weights((groups * per_in, per_out, *window["kernel_shape"]))
    return g.op("ConvTranspose", [x, weights], group=groups, **window)


def pool(g: Single) -> list[str]:
    rank = g.pick([1, 2, 2, 3])
    shape = (g.pick([1, 1, 2]), g.upto(4), *g.shape(rank, batch=False))
    kind = g.pick(["MaxPool", "AveragePool", "LpPool", "GlobalAveragePool", "GlobalMaxPool"])
    x = g.source(shape)
    if kind.startswith("Global"):
        return g.op(kind, [x])
    window = g.window(shape[2:])
    options: dict[str, Any] = {"ceil_mode": int(g.chance(0.3))}
    if kind == "LpPool":
        options["p"] = 1
        del options["ceil_mode"], window["dilations"]
    if kind == "AveragePool":
        options["count_include_pad"] = int(g.chance())
        del window["dilations"]
    window["pads"] = [min(p, (k - 1)) for p, k in zip(window["pads"], window["kernel_shape"] * 2, strict=True)]
    fits = all(n >= k for n, k in zip(shape[2:], window["kernel_shape"], strict=True))
    if not fits or "dilations" not in window:
        window["kernel_shape"] = [min(n, k) for n, k in zip(shape[2:], window["kernel_shape"], strict=True)]
        window["pads"] = [min(p, (k - 1)) for p, k in zip(window["pads"], window["kernel_shape"] * 2, strict=True)]
    return g.op(kind, [x], **window, **options)


def resize(g: Single) -> list[str]:
    rank = g.pick([3, 4, 4])
    shape = g.shape(rank)
    scales = [1.0, 1.0, *(g.pick([0.5, 1.0, 1.5, 2.0, 3.0]) for _ in shape[2:])]
    if g.chance(0.2):
        scales[1] = 2.0
    scales = [s if int(n * s) else 1.0 for n, s in zip(shape, scales, strict=True)]
    how = g.pick(["asymmetric", "half_pixel", "align_corners", "pytorch_half_pixel"])
    mode = g.pick(["nearest", "nearest", "linear"])
    options = {"coordinate_transformation_mode": how, "mode": mode}
    if mode == "nearest":
        options["nearest_mode"] = g.pick(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
    return g.op("Resize", [g.source(shape), "", g.constant(scales)], **options)


def pad(g: Single) -> list[str]:
    shape = g.shape(g.upto(4))
    mode = g.pick(["constant", "constant", "edge", "reflect"])
    least = -1 if g.chance(0.3) else 0
    pads = [g.upto(min(2, n - 1) if mode == "reflect" else 2, least if n > 2 else 0) for n in shape * 2]
    inputs = [g.source(shape), g.ints(pads)]
    if mode == "constant" and g.chance():
        inputs.append(g.constant(g.pick([0.5, -1.0, 3.0])))
    return g.op("Pad", inputs, mode=mode)


def depth_to_space(g: Single) -> list[str]:
    b = g.upto(3)
    rest, h, w = g.upto(3), g.upto(4), g.upto(4)
    if g.chance():
        return g.op("SpaceToDepth", [g.source((1, rest, h * b, w * b))], blocksize=b)
    return g.op("DepthToSpace", [g.source((1, rest * b * b, h, w))], blocksize=b, mode=g.pick(["DCR", "CRD"]))


def transpose(g: Single) -> list[str]:
    shape = g.shape(g.upto(5, 2))
    return g.op("Transpose", [g.source(shape)], perm=g.rng.permutation(len(shape)).tolist())


def reduce(g: Single) -> list[str]:
    shape = g.shape(g.upto(4))
    axes = [a for a in range(len(shape)) if g.chance()] or [g.upto(len(shape), 1) - 1]
    kind = g.pick(["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin"])
    x, keep = g.source(shape), int(g.chance())
    if kind == "ReduceSum":
        return g.op(kind, [x, g.ints(axes)], keepdims=keep)
    return g.op(kind, [x], axes=axes, keepdims=keep)


def concat(g: Single) -> list[str]:
    shape = list(g.shape(g.upto(4)))
    axis = g.upto(len(shape)) - 1
    parts = []
    for _ in range(g.upto(3)):
        shape[axis] = g.upto(4)
        parts.append(g.source(tuple(shape)))
    if g.chance(0.3):
        parts.append(parts[0])
    return g.op("Concat", parts, axis=axis)


def slice_(g: Single) -> list[str]:
    shape = g.shape(g.upto(4))
    axes = [a for a in range(len(shape)) if g.chance(0.7)] or [0]
    starts, ends, steps = [], [], []
    for a in axes:
        n, step = shape[a], g.pick([1, 1, 2, -1, -2])
        first, last = sorted((g.upto(n) - 1, g.upto(n) - 1))
        starts.append(first if step > 0 else last)
        ends.append(last + 1 if step > 0 else (first - 1 if first else -n - 1))
        steps.append(step)
    return g.op("Slice", [g.source(shape), g.ints(starts), g.ints(ends), g.ints(axes), g.ints(steps)])


def split(g: Single) -> list[str]:
    shape = list(g.shape(g.upto(4)))
    axis = g.upto(len(shape)) - 1
    sizes = [g.upto(3) for _ in range(g.upto(3))]
    shape[axis] = sum(sizes)
    return g.op("Split", [g.source(tuple(shape)), g.ints(sizes)], len(sizes), axis=axis)


def gather(g: Single) -> list[str]:
    shape = g.shape(g.upto(4))
    axis = g.upto(len(shape)) - 1
    index = g.rng.integers(-shape[axis], shape[axis], g.pick([(1,), (3,), (5,), (2, 2), ()]))
    return g.op("Gather", [g.source(shape), g.constant(index, np.int64)], axis=axis)


def tile(g: Single) -> list[str]:
    shape = g.shape(g.upto(4))
    if g.chance():
        return g.op("Tile", [g.source(shape), g.ints([g.upto(2) for _ in shape])])
    shape = tuple(1 if g.chance() else n for n in shape)
    wide = [g.upto(4) if n == 1 else n for n in shape]
    return g.op("Expand", [g.source(shape), g.ints([*([2] if g.chance(0.3) else []), *wide])])


def softmax(g: Single) -> list[str]:
    shape = g.shape(g.upto(4))
    return g.op("Softmax", [g.source(shape)], axis=g.upto(len(shape)) - 1)


def select(g: Single) -> list[str]:
    shape = g.shape(g.upto(4))
    axis = g.upto(len(shape)) - 1
    x = g.source(shape)
    if g.chance():
        options = {"axis": axis, "keepdims": int(g.chance()), "select_last_index": int(g.chance())}
        return g.op(g.pick(["ArgMax", "ArgMin"]), [x], **options)
    values, where = g.op("TopK", [x, g.ints([g.upto(shape[axis])])], 2, axis=axis, largest=int(g.chance()))
    return [values, where] if g.chance() else [values]


def join(g: Single) -> list[str]:
    shape = g.shape(g.upto(4))
    kind = g.pick(["Add", "Sub", "Mul", "Max", "Min", "Mean", "Sum"])
    cut = g.upto(len(shape)) - 1 if g.chance(0.3) else 0
    other = tuple(1 if g.chance(0.3) else n for n in shape)[cut:]
    x = g.source(shape)
    return g.op(kind, [x, x if g.chance(0.1) else g.source(other)])


def product(g: Single) -> list[str]:
    *outer, k = g.shape(g.upto(3))
    x = g.source((*outer, k))
    n = g.upto(6)
    if g.chance(0.3) and len(outer) == 1:
        return g.op("Gemm", [x, g.weights((n, k)), g.constant(g.rng.integers(-9, 9, n) / 4)], transB=1)
    return g.op("MatMul", [x, g.weights((k, n))])


def attention(g: Single) -> list[str]:
    *outer, m, k = g.shape(g.upto(4, 2))
    return g.op("MatMul", [g.source((*outer, m, k)), g.source((*outer, k, g.upto(4)))])


def normalize(g: Single) -> list[str]:
    shape = g.shape(g.upto(4, 3))
    kind = g.pick(["LayerNormalization", "InstanceNormalization", "BatchNormalization"])
    x, c = g.source(shape, bits=4), shape[1]
    if kind == "LayerNormalization":
        return g.op(kind, [x, g.constant(np.ones(shape[-1]))], axis=-1)
    if kind == "InstanceNormalization":
        return g.op(kind, [x, g.constant(np.ones(c)), g.constant(np.zeros(c))])
    values = [g.rng.uniform(0.5, 2, c), g.rng.normal(size=c), g.rng.normal(size=c), g.rng.uniform(0.5, 2, c)]
    return g.op(kind, [x, *map(g.constant, values)])


def function(g: Single) -> list[str]:
    kind = g.pick(["Relu", "LeakyRelu", "Sigmoid", "Tanh", "Exp", "Abs", "HardSigmoid", "Softplus", "Clip", "PRelu"])
    shape = g.shape(g.upto(4))
    x = g.source(shape)
    if kind == "Clip":
        return g.op(kind, [x, g.constant(-0.75), g.constant(1.25)])
    if kind == "PRelu":
        slopes = g.rng.integers(0, 4, (shape[1], *[1] * (len(shape) - 2)) if len(shape) > 1 else shape) / 4
        return g.op(kind, [x, g.constant(slopes)])
    return g.op(kind, [x])


def shaped(g: Single) -> list[str]:
    shape = g.shape(g.upto(4))
    x = g.source(shape)
    if g.chance():
        return g.op("Flatten", [x], axis=g.upto(len(shape), 0))
    return g.op("Reshape", [x, g.ints(g.pick([[-1], [1, -1], [-1, shape[-1]], [*shape, 1]]))])


KINDS: dict[str, Callable[[Single], list[str]]] = {
    f.__name__.rstrip("_"): f
    for f in (
        *(conv, conv_transpose, pool, resize, pad, depth_to_space, transpose, reduce, concat, slice_, split, gather),
        *(tile, softmax, select, join, product, attention, normalize, function, shaped),
    )
}
ROUNDED = ("softmax", "normalize", "function")  # what lies on no grid until a quantizer follows


def whole(parts: list[Single]) -> tuple[onnx.ModelProto, dict[str, Any]]:
    """One model of independent graphs, and how each is folded."""
    proto = model(
        [n for g in parts for n in g.nodes],
        {name: shape for g in parts for name, shape in g.inputs.items()},
        [out for g in parts for out in g.outputs],
        [c for g in parts for c in g.constants],
        opset=17,
    )
    return proto, {"layers": {f"{g.prefix}_*": {"reuse": g.reuse} for g in parts if g.reuse}}


def drawn(seed: int, count: int) -> list[Single]:
    """So many graphs that hwq compiles; most of those that are drawn."""
    parts: list[Single] = []
    refused: list[str] = []
    while len(parts) < count:
        k = len(parts) + len(refused)
        single = Single(f"g{k}", 1000 * seed + k)
        proto, config = whole([single])
        try:
            hwq.compile(proto, config)
        except InternalError:
            raise
        except hwq.HwqError as error:
            refused.append(f"{single.kind}: {error}")
            continue
        parts.append(single)
    assert len(refused) <= count // 4, refused
    return parts


def agree(seed: int, io: str, folder: Path, count: int = GRAPHS) -> None:
    proto, config = whole(drawn(seed, count))
    project = hwq.compile(proto, {**config, "target": "vitis", "io": io}).export(folder / io)
    result = project.verify(types="native", samples=4, seed=seed)
    assert result, f"seed {seed}: {result.fault or result.first}"
    assert result.codes >= 4 * count


@pytest.mark.parametrize("io", ["parallel", "stream"])
def test_random_single_ops_agree_with_the_simulator(io: str, tmp_path: Path) -> None:
    agree(0, io, tmp_path, count=8)


@pytest.mark.slow
@pytest.mark.parametrize("io", ["parallel", "stream"])
@pytest.mark.parametrize("seed", range(1, 15))
def test_many_random_single_ops_agree_with_the_simulator(seed: int, io: str, tmp_path: Path) -> None:
    agree(seed, io, tmp_path)
