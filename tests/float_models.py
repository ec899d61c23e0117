"""Small float models of the kinds people write, by name: what onnxruntime's quantize_static is given in the tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Shape = Sequence[int]


class Maker:
    """A float graph that grows node by node; weights are seeded by the model's name."""

    def __init__(self, name: str, shape: Shape) -> None:
        self.rng = np.random.default_rng(sum(map(ord, name)))
        self.name, self.shape = name, shape
        self.kind = TensorProto.INT64 if "argmax" in name else TensorProto.FLOAT
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def const(self, values: Any) -> str:
        array = np.asarray(values)
        array = array.astype(np.float32) if array.dtype.kind == "f" else array.astype(np.int64)
        self.constants.append(numpy_helper.from_array(array, f"c{len(self.constants)}"))
        return self.constants[-1].name

    def weight(self, *shape: int) -> str:
        return self.const(self.rng.normal(0, 1 / np.sqrt(max(1, np.prod(shape[1:]))), shape))

    def op(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        names = [f"t{len(self.nodes)}_{k}" for k in range(outputs)]
        self.nodes.append(helper.make_node(kind, [*inputs], names, name=f"n{len(self.nodes)}", **attributes))
        return names[0] if outputs == 1 else names

    def conv(self, x: str, i: int, o: int, k: Shape = (3, 3), pads: int | None = None, **attributes: Any) -> str:
        group = attributes.get("group", 1)
        pad = k[0] // 2 if pads is None else pads
        w, b = self.weight(o, i // group, *k), self.const(self.rng.normal(0, 0.1, o))
        result: str = self.op("Conv", x, w, b, kernel_shape=[*k], pads=[pad] * (2 * len(k)), **attributes)
        return result

    def linear(self, x: str, i: int, o: int) -> str:
        result: str = self.op("Gemm", x, self.weight(o, i), self.const(self.rng.normal(0, 0.1, o)), transB=1)
        return result

    def dense(self, x: str, i: int, o: int) -> str:
        """MatMul and Add, as layers over sequences are written."""
        w = self.const(self.rng.normal(0, 1 / np.sqrt(i), (i, o)))
        result: str = self.op("Add", self.op("MatMul", x, w), self.const(self.rng.normal(0, 0.1, o)))
        return result

    def norm(self, x: str, channels: int) -> str:
        stats = [self.rng.uniform(0.5, 1.5, channels), *self.rng.normal(0, 0.2, (2, channels))]
        result: str = self.op("BatchNormalization", x, *map(self.const, (*stats, self.rng.uniform(0.5, 1.5, channels))))
        return result

    def model(self, y: str) -> onnx.ModelProto:
        """The model whose output y is."""
        for node in self.nodes:
            node.output[:] = ["y" if o == y else o for o in node.output]
            node.input[:] = ["y" if i == y else i for i in node.input]
        graph = helper.make_graph(
            self.nodes,
            self.name,
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *self.shape])],
            [helper.make_tensor_value_info("y", self.kind, None)],
            self.constants,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


IMAGE, ROW, LINE = (3, 8, 8), (10,), (5, 6)
Build = Callable[[Maker], str]


def _mlp(function: str, **attributes: Any) -> Build:
    return lambda m: m.linear(m.op(function, m.linear("x", 10, 12), **attributes), 12, 4)


def _cnn(function: str, **attributes: Any) -> Build:
    return lambda m: m.conv(m.op(function, m.conv("x", 3, 6), **attributes), 6, 4)


def _head(m: Maker, x: str, channels: int) -> str:
    return m.linear(m.op("Flatten", m.op("GlobalAveragePool", x)), channels, 3)


def _residual(m: Maker) -> str:
    a = m.op("Relu", m.conv("x", 3, 4))
    return _head(m, m.op("Relu", m.op("Add", m.conv(a, 4, 4), a)), 4)


def _depthwise(m: Maker) -> str:
    a = m.op("Clip", m.conv("x", 3, 6), m.const(0.0), m.const(6.0))
    return m.conv(m.op("Relu", m.conv(a, 6, 6, group=6)), 6, 4, (1, 1))


def _batch_norm(m: Maker) -> str:
    return _head(m, m.op("Relu", m.norm(m.conv("x", 3, 6), 6)), 6)


def _norm_first(m: Maker) -> str:
    return m.conv(m.op("Relu", m.norm("x", 3)), 3, 4)


def _squeeze_excite(m: Maker) -> str:
    a = m.op("Relu", m.conv("x", 3, 6))
    s = m.op("Relu", m.conv(m.op("GlobalAveragePool", a), 6, 2, (1, 1)))
    return m.conv(m.op("Mul", a, m.op("Sigmoid", m.conv(s, 2, 6, (1, 1)))), 6, 3)


def _inception(m: Maker) -> str:
    a, b = m.op("Relu", m.conv("x", 3, 3, (1, 1))), m.op("Relu", m.conv("x", 3, 4))
    return m.conv(m.op("Concat", a, b, axis=1), 7, 3)


def _unet(m: Maker) -> str:
    a = m.op("Relu", m.conv("x", 3, 4))
    low = m.op("Relu", m.conv(m.op("MaxPool", a, kernel_shape=[2, 2], strides=[2, 2]), 4, 4))
    up = m.op(
        "Resize",
        low,
        "",
        m.const([1.0, 1.0, 2.0, 2.0]),
        mode="nearest",
        nearest_mode="floor",
        coordinate_transformation_mode="asymmetric",
    )
    return m.conv(m.op("Concat", a, up, axis=1), 8, 2)


def _bilinear(m: Maker) -> str:
    a = m.op("Relu", m.conv("x", 3, 4))
    return m.conv(m.op("Resize", a, "", m.const([1.0, 1.0, 2.0, 2.0]), mode="linear"), 4, 2)


def _transposed(m: Maker) -> str:
    a = m.op("Relu", m.conv("x", 3, 4))
    return m.op("ConvTranspose", a, m.weight(4, 2, 2, 2), kernel_shape=[2, 2], strides=[2, 2])


def _layer_norm(m: Maker) -> str:
    a = m.dense("x", 6, 8)
    scale, bias = m.const(m.rng.uniform(0.5, 1.5, 8)), m.const(m.rng.normal(0, 0.2, 8))
    return m.dense(m.op("LayerNormalization", a, scale, bias, axis=-1), 8, 4)


def _attention(m: Maker) -> str:
    q, k, v = (m.dense("x", 6, 4) for _ in range(3))
    scores = m.op("Mul", m.op("MatMul", q, m.op("Transpose", k, perm=[0, 2, 1])), m.const(0.5))
    return m.dense(m.op("MatMul", m.op("Softmax", scores, axis=-1), v), 4, 3)


def _shuffle(m: Maker) -> str:
    a = m.op("Reshape", m.op("Relu", m.conv("x", 3, 6)), m.const([1, 2, 3, 8, 8]))
    b = m.op("Reshape", m.op("Transpose", a, perm=[0, 2, 1, 3, 4]), m.const([1, 6, 8, 8]))
    return m.conv(b, 6, 4, group=2)


def _split(m: Maker) -> str:
    a, b = m.op("Split", m.op("Relu", m.conv("x", 3, 6)), outputs=2, axis=1)
    return m.conv(m.op("Add", m.conv(a, 3, 3), b), 3, 2)


def _slices(m: Maker) -> str:
    a = m.op("Relu", m.conv("x", 3, 4))
    return m.conv(m.op("Slice", a, m.const([1, 1]), m.const([7, 8]), m.const([2, 3]), m.const([1, 2])), 4, 2)


def _padded(m: Maker, mode: str) -> str:
    return m.conv(m.op("Pad", "x", m.const([0, 0, 1, 1, 0, 0, 1, 1]), mode=mode), 3, 4, pads=0)


def _prelu(m: Maker) -> str:
    return m.conv(m.op("PRelu", m.conv("x", 3, 4), m.const(m.rng.uniform(0.1, 0.4, (4, 1, 1)))), 4, 3)


def _silu(m: Maker) -> str:
    a = m.conv("x", 3, 4)
    return m.conv(m.op("Mul", a, m.op("Sigmoid", a)), 4, 3)


def _hard_swish_parts(m: Maker) -> str:
    a = m.conv("x", 3, 4)
    clipped = m.op("Clip", m.op("Add", a, m.const(3.0)), m.const(0.0), m.const(6.0))
    return m.conv(m.op("Div", m.op("Mul", a, clipped), m.const(6.0)), 4, 3)


def _gelu_parts(m: Maker) -> str:
    a = m.dense("x", 6, 8)
    half = m.op("Mul", a, m.op("Add", m.op("Erf", m.op("Div", a, m.const(1.4142135))), m.const(1.0)))
    return m.dense(m.op("Mul", half, m.const(0.5)), 8, 4)


def _row_conv(m: Maker) -> str:
    a = m.op("Relu", m.conv("x", 5, 6, (3,)))
    return m.conv(m.op("MaxPool", a, kernel_shape=[2], strides=[2]), 6, 3, (3,))


def _ending(kind: str, **attributes: Any) -> Build:
    return lambda m: m.op(kind, m.linear("x", 10, 5), **attributes)


MODELS: dict[str, tuple[Shape, Build]] = {
    "mlp relu": (ROW, _mlp("Relu")),
    "mlp leaky relu": (ROW, _mlp("LeakyRelu", alpha=0.1)),
    "mlp tanh": (ROW, _mlp("Tanh")),
    "mlp sigmoid": (ROW, _mlp("Sigmoid")),
    "mlp elu": (ROW, _mlp("Elu")),
    "mlp selu": (ROW, _mlp("Selu")),
    "mlp softplus": (ROW, _mlp("Softplus")),
    "mlp hard sigmoid": (ROW, _mlp("HardSigmoid")),
    "mlp hard swish": (ROW, _mlp("HardSwish")),
    "mlp softsign": (ROW, _mlp("Softsign")),
    "mlp exp": (ROW, _mlp("Exp")),
    "mlp abs": (ROW, _mlp("Abs")),
    "linear alone": (ROW, lambda m: m.linear("x", 10, 4)),
    "ends in softmax": (ROW, _ending("Softmax", axis=-1)),
    "ends in sigmoid": (ROW, _ending("Sigmoid")),
    "ends in argmax": (ROW, _ending("ArgMax", axis=-1)),
    "matmul and add": (LINE, lambda m: m.dense(m.op("Relu", m.dense("x", 6, 8)), 8, 4)),
    "cnn relu": (IMAGE, _cnn("Relu")),
    "cnn leaky relu": (IMAGE, _cnn("LeakyRelu", alpha=0.2)),
    "cnn hard swish": (IMAGE, _cnn("HardSwish")),
    "cnn silu": (IMAGE, _silu),
    "cnn hard swish in parts": (IMAGE, _hard_swish_parts),
    "cnn prelu": (IMAGE, _prelu),
    "cnn with head": (IMAGE, lambda m: _head(m, m.op("Relu", m.conv("x", 3, 6)), 6)),
    "cnn strided": (IMAGE, lambda m: m.conv(m.op("Relu", m.conv("x", 3, 6, strides=[2, 2])), 6, 4)),
    "cnn dilated": (IMAGE, lambda m: m.conv("x", 3, 4, pads=2, dilations=[2, 2])),
    "cnn flattened": (IMAGE, lambda m: m.linear(m.op("Flatten", m.op("Relu", m.conv("x", 3, 2))), 128, 4)),
    "max pooling": (
        IMAGE,
        lambda m: m.conv(m.op("MaxPool", m.conv("x", 3, 4), kernel_shape=[2, 2], strides=[2, 2]), 4, 3),
    ),
    "average pooling": (
        IMAGE,
        lambda m: m.conv(m.op("AveragePool", m.conv("x", 3, 4), kernel_shape=[2, 2], strides=[2, 2]), 4, 3),
    ),
    "residual": (IMAGE, _residual),
    "depthwise": (IMAGE, _depthwise),
    "grouped": (IMAGE, lambda m: m.conv(m.op("Relu", m.conv("x", 3, 6, group=3)), 6, 4, group=2)),
    "batch norm": (IMAGE, _batch_norm),
    "batch norm first": (IMAGE, _norm_first),
    "squeeze and excite": (IMAGE, _squeeze_excite),
    "inception": (IMAGE, _inception),
    "unet": (IMAGE, _unet),
    "bilinear": (IMAGE, _bilinear),
    "transposed convolution": (IMAGE, _transposed),
    "channel shuffle": (IMAGE, _shuffle),
    "split": (IMAGE, _split),
    "slices": (IMAGE, _slices),
    "padded by zeros": (IMAGE, lambda m: _padded(m, "constant")),
    "padded by reflection": (IMAGE, lambda m: _padded(m, "reflect")),
    "row convolution": (LINE, _row_conv),
    "layer norm": (LINE, _layer_norm),
    "attention": (LINE, _attention),
    "gelu in parts": (LINE, _gelu_parts),
    "reduce mean": (IMAGE, lambda m: m.linear(m.op("ReduceMean", m.conv("x", 3, 4), axes=[2, 3], keepdims=0), 4, 3)),
    "product of two branches": (
        ROW,
        lambda m: m.op("Mul", m.linear("x", 10, 5), m.op("Sigmoid", m.linear("x", 10, 5))),
    ),
    "difference of two branches": (ROW, lambda m: m.op("Sub", m.linear("x", 10, 5), m.linear("x", 10, 5))),
    "greatest of two branches": (ROW, lambda m: m.op("Max", m.linear("x", 10, 5), m.linear("x", 10, 5))),
}
"""Shape of a sample, and what builds the model."""


def float_model(name: str) -> onnx.ModelProto:
    """The model of that name."""
    shape, build = MODELS[name]
    maker = Maker(name, shape)
    return maker.model(build(maker))
