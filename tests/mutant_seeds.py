"""Small valid models of every family that hwq reads, for the structured mutator to damage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
from onnx import helper

from models import const, mlp, model, node, quant_constants, small_model

SHARED = Path(__file__).resolve().parents[2] / "shared" / "models"
LARGEST = 50_000  # bytes of a file of others that is taken
CHANNELS_LAST = "qonnx.custom_op.channels_last"


def _ints(name: str, *values: int) -> onnx.TensorProto:
    return const(name, values, np.int64)


def _weights(shape: tuple[int, ...], seed: int = 3) -> Any:
    return np.random.default_rng(seed).integers(-7, 8, shape)


def _quantized(kind: Any = np.int8) -> list[onnx.TensorProto]:
    """Scale and zero point of activations `s zp`, and of weights `ws wz`."""
    zero = 0 if kind == np.int8 else 128
    return [const("s", 0.0625), const("zp", zero, kind), const("ws", 0.125), const("wz", 0, np.int8)]


def _pair(source: str, result: str) -> list[onnx.NodeProto]:
    return [
        node("QuantizeLinear", f"{source} s zp", f"{result}_q"),
        node("DequantizeLinear", f"{result}_q s zp", result),
    ]


def qdq_dense() -> onnx.ModelProto:
    """QDQ: MatMul, Add, Relu."""
    nodes = [
        *_pair("x", "a"),
        node("DequantizeLinear", "w ws wz", "wd"),
        node("MatMul", "a wd", "m"),
        node("Add", "m b", "n"),
        node("Relu", "n", "r"),
        *_pair("r", "y"),
    ]
    constants = [*_quantized(), const("w", _weights((4, 3)), np.int8), const("b", [0.5, -0.25, 0.125])]
    return model(nodes, None, ["y"], constants)


def qdq_conv() -> onnx.ModelProto:
    """QDQ: Conv per channel with padding, MaxPool, GlobalAveragePool, Flatten, Gemm."""
    nodes = [
        *_pair("x", "a"),
        node("DequantizeLinear", "w wv wzv", "wd", axis=0),
        node("DequantizeLinear", "b bs bz", "bd", axis=0),
        node("Conv", "a wd bd", "c", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("Relu", "c", "r"),
        *_pair("r", "d"),
        node("MaxPool", "d", "p", kernel_shape=[2, 2], strides=[2, 2]),
        node("GlobalAveragePool", "p", "g"),
        *_pair("g", "h"),
        node("Flatten", "h", "f"),
        node("DequantizeLinear", "v ws wz", "vd"),
        node("Gemm", "f vd", "y", transB=1),
    ]
    constants = [
        *_quantized(np.uint8),
        const("w", _weights((3, 2, 3, 3)), np.int8),
        const("wv", [0.125, 0.25, 0.0625]),
        const("wzv", [0, 0, 0], np.int8),
        const("b", [5, -3, 100], np.int32),
        const("bs", [0.0078125, 0.015625, 0.00390625]),
        const("bz", [0, 0, 0], np.int32),
        const("v", _weights((2, 3)), np.int8),
    ]
    return model(nodes, {"x": [1, 2, 4, 4]}, ["y"], constants)


def qoperator() -> onnx.ModelProto:
    """QOperator: QuantizeLinear, QLinearConv, QLinearMatMul behind a Reshape, DequantizeLinear."""
    nodes = [
        node("QuantizeLinear", "x s zp", "q"),
        node("QLinearConv", "q s zp w ws wz s zp bias", "c", kernel_shape=[1, 1]),
        node("Reshape", "c shape", "f"),
        node("QLinearMatMul", "f s zp v ws wz s zp", "m"),
        node("DequantizeLinear", "m s zp", "y"),
    ]
    constants = [
        *_quantized(np.uint8),
        const("w", _weights((2, 2, 1, 1)), np.int8),
        const("bias", [7, -9], np.int32),
        const("v", _weights((8, 3)), np.int8),
        _ints("shape", 1, 8),
    ]
    return model(nodes, {"x": [1, 2, 2, 2]}, ["y"], constants)


def microsoft() -> onnx.ModelProto:
    """onnxruntime's own domain: QLinearAdd, QLinearConcat, QLinearSigmoid, QLinearGlobalAveragePool."""
    ms = "com.microsoft"
    nodes = [
        node("QuantizeLinear", "x s zp", "q"),
        node("QLinearAdd", "q s zp q s zp s zp", "a", domain=ms),
        node("QLinearSigmoid", "a s zp ss zp", "g", domain=ms),
        node("QLinearConcat", "s zp a s zp g ss zp", "c", domain=ms, axis=1),
        node("QLinearGlobalAveragePool", "c s zp s zp", "p", domain=ms, channels_last=0),
        node("DequantizeLinear", "p s zp", "y"),
    ]
    constants = [*_quantized(np.uint8), const("ss", 0.00390625)]
    return model(nodes, {"x": [1, 2, 3, 3]}, ["y"], constants, opsets=[("", 13), (ms, 1)])


def qonnx_mix() -> onnx.ModelProto:
    """QONNX: Quant, BipolarQuant, MultiThreshold, Trunc, BatchNormalization, TopK."""
    nodes = [
        node("BatchNormalization", "h g b m v", "n", epsilon=1e-5),
        node("MultiThreshold", "n t", "th", out_scale=0.5, out_bias=-1.0, out_dtype="INT4"),
        node("BipolarQuant", "th s", "bi"),
        node("Add", "th bi", "a"),
        node("Quant", "a s z b8", "q8", signed=1, narrow=1, rounding_mode="ROUND"),
        node("Trunc", "q8 s z b8 bits", "tr", rounding_mode="FLOOR"),
        node("TopK", "tr k", ["y", "where"], axis=1),
    ]
    constants = [
        const("g", [1.0, 0.5, -2.0]),
        const("b", [0.0, 0.5, 1.0]),
        const("m", [0.25, 0.0, -0.5]),
        const("v", [1.0, 2.0, 0.5]),
        const("t", [[-1.0, 0.0, 1.0], [-2.0, 0.5, 2.0], [0.0, 0.25, 0.5]]),
        const("b8", 8.0),
        _ints("k", 2),
    ]
    return _newer(small_model(nodes, constants, outputs=["y"]))


def qkeras_dense() -> onnx.ModelProto:
    """The domain `qkeras`: quantizers of activations and weights with their attributes."""
    nodes = [
        node("quantized_bits", "x", "a", domain="qkeras", bits=6, integer=2, keep_negative=1, alpha=1.0),
        node("quantized_bits", "w", "wq", domain="qkeras", bits=4, integer=1, keep_negative=1, alpha=1.0),
        node("MatMul", "a wq", "m"),
        node("quantized_relu", "m", "r", domain="qkeras", bits=5, integer=2),
        node("ternary", "v", "vq", domain="qkeras", alpha=1.0, threshold=0.3),
        node("MatMul", "r vq", "n"),
        node("quantized_tanh", "n", "y", domain="qkeras", bits=6),
    ]
    rng = np.random.default_rng(4)
    constants = [const("w", rng.normal(size=(4, 3))), const("v", rng.normal(size=(3, 2)))]
    return model(nodes, None, ["y"], constants, opsets=[("", 13), ("qkeras", 1)])


def channels_last() -> onnx.ModelProto:
    """QONNX's channels_last domain: Conv and MaxPool of (N, H, W, C)."""
    nodes = [
        node("Quant", "x s z bits", "xq", signed=1, narrow=0, rounding_mode="ROUND"),
        node("Quant", "cw ws z bits", "wq", signed=1, narrow=0, rounding_mode="ROUND"),
        node("Conv", "xq wq", "c", domain=CHANNELS_LAST, kernel_shape=[2, 2], group=1, pads=[0, 0, 0, 0]),
        node("Relu", "c", "r"),
        node("MaxPool", "r", "p", domain=CHANNELS_LAST, kernel_shape=[2, 2], strides=[1, 1]),
        node("Quant", "p s z bits", "y", signed=0, narrow=0, rounding_mode="FLOOR"),
    ]
    rng = np.random.default_rng(5)
    constants = [*quant_constants()[:4], const("cw", rng.normal(size=(3, 2, 2, 2)))]
    imports = [("", 13), ("qonnx.custom_op.general", 1), (CHANNELS_LAST, 1)]
    return model(nodes, {"x": [1, 4, 4, 2]}, ["y"], constants, opsets=imports)


def functions() -> onnx.ModelProto:
    """Functions of one element between quantizers: Sigmoid, Gelu by its parts, HardSwish, PRelu, Pow, Clip."""
    nodes = [
        *_pair("x", "a"),
        node("Sigmoid", "a", "f1"),
        *_pair("f1", "b"),
        node("HardSwish", "b", "f2"),
        node("Clip", "f2 lo hi", "f3"),
        *_pair("f3", "c"),
        node("PRelu", "c slope", "f4"),
        node("Erf", "f4", "f5"),
        node("Mul", "f5 half", "f6"),
        *_pair("f6", "d"),
        node("Tanh", "d", "f7"),
        node("LeakyRelu", "f7", "f8", alpha=0.125),
        *_pair("f8", "y"),
    ]
    constants = [
        *_quantized(),
        const("lo", -0.5),
        const("hi", 1.5),
        const("slope", [0.25]),
        const("half", 0.5),
    ]
    return model(nodes, {"x": [1, 5]}, ["y"], constants, opset=14)


def normalization() -> onnx.ModelProto:
    """LayerNormalization, Softmax, ReduceMean between quantizers."""
    nodes = [
        *_pair("x", "a"),
        node("LayerNormalization", "a g be", "n", axis=-1, epsilon=1e-5),
        *_pair("n", "b"),
        node("ReduceMean", "b", "m", axes=[1], keepdims=0),
        *_pair("m", "c"),
        node("Softmax", "c", "p", axis=-1),
        *_pair("p", "y"),
    ]
    constants = [*_quantized(), const("g", [1.0, 0.5, 2.0, 1.0]), const("be", [0.0, 0.25, -0.5, 0.0])]
    return model(nodes, {"x": [1, 3, 4]}, ["y"], constants, opset=17)


def resizing() -> onnx.ModelProto:
    """Resize, Pad, Slice, Split, Concat, Transpose, AveragePool."""
    nodes = [
        *_pair("x", "a"),
        node(
            "Resize",
            "a _ scales",
            "up",
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        ),
        node("Pad", "up pads", "pd", mode="constant"),
        node("Slice", "pd starts ends axes steps", "sl"),
        node("Split", "sl parts", ["left", "right"], axis=1),
        node("Concat", "right left", "cc", axis=1),
        node("Transpose", "cc", "tr", perm=[0, 1, 3, 2]),
        node("AveragePool", "tr", "ap", kernel_shape=[2, 2], strides=[2, 2]),
        *_pair("ap", "y"),
    ]
    constants = [
        *_quantized(),
        const("scales", [1.0, 1.0, 2.0, 2.0]),
        _ints("pads", 0, 0, 1, 0, 0, 0, 1, 0),
        _ints("starts", 0, 0),
        _ints("ends", 6, 6),
        _ints("axes", 2, 3),
        _ints("steps", 1, 1),
        _ints("parts", 1, 1),
    ]
    return model(nodes, {"x": [1, 2, 3, 3]}, ["y"], constants)


def attention() -> onnx.ModelProto:
    """A MatMul of two activations, Softmax, and another MatMul."""
    nodes = [
        *_pair("x", "a"),
        node("Transpose", "a", "t", perm=[0, 2, 1]),
        node("MatMul", "a t", "qk"),
        node("Mul", "qk half", "sc"),
        *_pair("sc", "b"),
        node("Softmax", "b", "p", axis=-1),
        *_pair("p", "c"),
        node("MatMul", "c a", "o"),
        *_pair("o", "y"),
    ]
    return model(nodes, {"x": [1, 3, 2]}, ["y"], [*_quantized(), const("half", 0.5)])


def shape_arithmetic() -> onnx.ModelProto:
    """Integer arithmetic on shapes: Shape, Gather, Mul, Unsqueeze, Concat, Reshape, Expand, Where, Cast."""
    nodes = [
        *_pair("x", "a"),
        node("Shape", "a", "sh"),
        node("Gather", "sh one", "e1", axis=0),
        node("Gather", "sh two", "e2", axis=0),
        node("Mul", "e1 e2", "em"),
        node("Unsqueeze", "em zero_axis", "eu"),
        node("Concat", "first eu", "target", axis=0),
        node("Reshape", "a target", "r"),
        node("ConstantOfShape", "target", "fill", value=const("v", [0.5])),
        node("Add", "r fill", "ad"),
        node("Cast", "flags", "cf", to=onnx.TensorProto.FLOAT),
        node("Mul", "ad cf", "mu"),
        node("ArgMax", "mu", "am", axis=1, keepdims=0),
        *_pair("mu", "y"),
    ]
    constants = [
        *_quantized(),
        _ints("first", 1),
        _ints("zero_axis", 0),
        const("one", 1, np.int64),
        const("two", 2, np.int64),
        const("flags", [1, 0, 1, 1, 0, 1], np.bool_),
    ]
    proto = model(nodes, {"x": [1, 2, 3]}, ["y", "am"], constants)
    proto.graph.output[1].type.tensor_type.elem_type = onnx.TensorProto.INT64
    return proto


def branches() -> onnx.ModelProto:
    """Two inputs, joined by Add, Mul, Max and Concat."""
    nodes = [
        *_pair("x", "a"),
        *_pair("x2", "b"),
        node("Add", "a b", "s1"),
        *_pair("s1", "c"),
        node("Mul", "c b", "s2"),
        *_pair("s2", "d"),
        node("Max", "d a", "s3"),
        node("Concat", "s3 c", "s4", axis=1),
        node("Sub", "s4 k", "s5"),
        node("ReduceSum", "s5 ax", "y", keepdims=1),
        node("Neg", "d", "z"),
    ]
    constants = [*_quantized(), const("k", 0.25), _ints("ax", 1)]
    return model(nodes, {"x": [1, 4], "x2": [1, 4]}, ["y", "z"], constants)


def integer_kernels() -> onnx.ModelProto:
    """ConvInteger, MatMulInteger and Cast, as dynamic quantizers without the dynamics write them."""
    nodes = [
        node("QuantizeLinear", "x s zp", "q"),
        node("MatMulInteger", "q w zp wz", "mi"),
        node("Cast", "mi", "cf", to=onnx.TensorProto.FLOAT),
        node("Mul", "cf ms", "sc"),
        node("Add", "sc b", "y"),
    ]
    constants = [
        *_quantized(np.uint8),
        const("w", _weights((4, 3)), np.int8),
        const("ms", 0.0078125),
        const("b", [0.5, 1.0, -1.0]),
    ]
    return model(nodes, None, ["y"], constants)


def local_function() -> onnx.ModelProto:
    """A node of a function that the file itself defines, with an attribute that the function passes on."""
    inner = [helper.make_node("LeakyRelu", ["i"], ["o"], name="inner")]
    inner[0].attribute.add(name="alpha", type=onnx.AttributeProto.FLOAT, ref_attr_name="slope")
    proto = model(
        [*_pair("x", "a"), node("Leak", "a", "l", domain="local", slope=0.25), *_pair("l", "y")],
        None,
        ["y"],
        _quantized(),
        opsets=[("", 13), ("local", 1)],
    )
    made = helper.make_function("local", "Leak", ["i"], ["o"], inner, [helper.make_opsetid("", 13)], ["slope"])
    proto.functions.append(made)
    return proto


def conditional() -> onnx.ModelProto:
    """An If on a constant."""

    def branch(name: str, kind: str) -> onnx.GraphProto:
        return helper.make_graph(
            [helper.make_node(kind, ["a"], [f"{name}_o"], name=name)],
            name,
            [],
            [helper.make_tensor_value_info(f"{name}_o", onnx.TensorProto.FLOAT, None)],
        )

    nodes = [
        *_pair("x", "a"),
        node("If", "cond", "i", then_branch=branch("yes", "Relu"), else_branch=branch("no", "Neg")),
        *_pair("i", "y"),
    ]
    return model(nodes, None, ["y"], [*_quantized(), const("cond", True, np.bool_)])


def _newer(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The same in the first opset whose BatchNormalization the onnx package runs as inference."""
    proto.opset_import[0].version = 14
    return proto


SEEDS: Mapping[str, Callable[[], onnx.ModelProto]] = MappingProxyType(
    {
        make.__name__: make
        for make in (
            qdq_dense,
            qdq_conv,
            qoperator,
            microsoft,
            qonnx_mix,
            qkeras_dense,
            channels_last,
            functions,
            normalization,
            resizing,
            attention,
            shape_arithmetic,
            branches,
            integer_kernels,
            local_function,
            conditional,
        )
    }
    | {"mlp": lambda: _newer(mlp((4, 3, 2)))}
)


def own_models() -> dict[str, onnx.ModelProto]:
    """The seeds of this file."""
    return {name: make() for name, make in SEEDS.items()}


def shared_models() -> dict[str, onnx.ModelProto]:
    """Small files that exporters wrote, where they lie beside this checkout."""
    if not SHARED.is_dir():
        return {}
    files = [f for f in sorted(SHARED.glob("*.onnx")) if f.stat().st_size <= LARGEST]
    return {f.stem: onnx.load(f) for f in files}
