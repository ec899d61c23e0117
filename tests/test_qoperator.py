"""The QOperator form against the same model in QDQ form, and against ONNX' own vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto as T
from onnx import numpy_helper

from hwq.errors import HwqError
from rational_onnx import agree, exact, model, simulated, tensor
from test_qdq import node, samples, unequal_codes

FLOAT = T.FLOAT
SPEC = Path(__file__).resolve().parents[2] / "shared" / "models" / "onnx_spec"
RNG = np.random.default_rng(3)
CONSTANTS = [
    tensor("sa", FLOAT, np.float32(0.0713)),
    tensor("za", T.UINT8, 119),
    tensor("sb", FLOAT, np.float32(0.0119)),
    tensor("zb", T.INT8, -3),
    tensor("sn", FLOAT, np.asarray([0.01, 0.013, 0.004], dtype=np.float32)),
    tensor("zn", T.INT8, [0, 4, -9]),
    tensor("sc", FLOAT, np.float32(0.0931)),
    tensor("zc", T.UINT8, 57),
    tensor("w", T.INT8, RNG.integers(-128, 128, (5, 3))),
    tensor("wt", T.INT8, RNG.integers(-128, 128, (3, 5))),
    tensor("bias", T.INT32, RNG.integers(-2000, 2000, 3)),
]
READ_X = [node("QuantizeLinear", "x sa za", "xq")]
X = {"x": samples(5, (60, 5), 4.0)}


def check(fused: list[onnx.NodeProto], plain: list[onnx.NodeProto], extra: Any = (), kind: int = T.UINT8) -> None:
    """The fused op's codes are those of the plain nodes, read by the test's own rational reader."""
    constants = [*CONSTANTS, *extra]
    inputs = {"x": (FLOAT, (1, 5))}
    want = exact(model([*READ_X, *plain], inputs, {"y": kind}, constants), X)["y"]
    have = simulated(model([*READ_X, *fused], inputs, {"y": kind}, constants, 21), X)["y"]
    assert len(set(want.reshape(-1))) > 5
    assert (want.reshape(-1) == have.reshape(-1)).all()


@pytest.mark.parametrize("opset", [11, 13])
def test_qlinear_softmax_is_dequantize_softmax_quantize(opset: int) -> None:
    """Before opset 13 a Softmax runs over all axes from one on: here over the rows and columns of each sample."""
    scale = [tensor("sp", FLOAT, np.float32(1 / 256)), tensor("zp", T.INT8, -128)]
    attributes = {"axis": 1, "opset": opset}
    fused = [node("QLinearSoftmax", "xq sa za sp zp", "y", "com.microsoft", **attributes)]
    plain = [
        node("DequantizeLinear", "xq sa za", "xd"),
        node("Softmax", "xd", "p", axis=1),
        node("QuantizeLinear", "p sp zp", "y"),
    ]
    inputs, outputs, x = {"x": (FLOAT, (1, 2, 3))}, {"y": T.INT8}, {"x": samples(5, (60, 2, 3), 4.0)}
    constants = [*CONSTANTS, *scale]
    want = simulated(model([*READ_X, *plain], inputs, outputs, constants, opset), x)["y"]
    have = simulated(model([*READ_X, *fused], inputs, outputs, constants, 21), x)["y"]
    assert len(set(want.reshape(-1))) > 5
    assert np.array_equal(want, have)
    real = np.exp((q := np.clip(np.rint(x["x"] / np.float32(0.0713)), -119, 136) * np.float32(0.0713)) - q.max())
    real /= real.sum(axis=(1, 2) if opset == 11 else 1, keepdims=True)
    assert np.abs(have.reshape(real.shape) - real / (1 / 256) - (0 if have.min() >= 0 else -128)).max() <= 1.01


@pytest.mark.parametrize("columns", [False, True])
def test_qlinear_matmul_is_dequantize_multiply_quantize(columns: bool) -> None:
    s, z = ("sn", "zn") if columns else ("sb", "zb")
    check(
        [node("QLinearMatMul", f"xq sa za w {s} {z} sc zc", "y")],
        [
            node("DequantizeLinear", "xq sa za", "xd"),
            node("DequantizeLinear", f"w {s} {z}", "wd", axis=1),
            node("MatMul", "xd wd", "h"),
            node("QuantizeLinear", "h sc zc", "y"),
        ],
    )


@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize("quantized", [False, True])
def test_qgemm_adds_its_bias_in_accumulator_units(columns: bool, quantized: bool) -> None:
    s, z = ("sn", "zn") if columns else ("sb", "zb")
    # A float64 constant holds the product of two float32 scales exactly.
    sb = np.asarray([0.01, 0.013, 0.004], dtype=np.float32) if columns else np.full(3, np.float32(0.0119))
    step = tensor("step", T.DOUBLE, sb.astype(np.float64) * np.float64(np.float32(0.0713)))
    plain = [
        node("DequantizeLinear", "xq sa za", "xd"),
        node("DequantizeLinear", f"wt {s} {z}", "wd", axis=0),
        node("DequantizeLinear", "bias step _", "bd", axis=0),
        node("Gemm", "xd wd bd", "h" if quantized else "y", transB=1),
    ]
    fused = [
        node("QGemm", f"xq sa za wt {s} {z} bias" + (" sc zc" if quantized else ""), "y", "com.microsoft", transB=1)
    ]
    if quantized:
        plain.append(node("QuantizeLinear", "h sc zc", "y"))
    check(fused, plain, [step], T.UINT8 if quantized else FLOAT)


@pytest.mark.parametrize("kind", ["Add", "Mul"])
@pytest.mark.parametrize("other", ["rq sb zb", "k sb zb"])
def test_qlinear_add_and_mul_join_activations_and_constants(kind: str, other: str) -> None:
    shared = [node("QuantizeLinear", "x sb zb", "rq")]
    fused = [*shared, node("QLinear" + kind, f"xq sa za {other} sc zc", "y", "com.microsoft")]
    plain = [
        *shared,
        node("DequantizeLinear", "xq sa za", "xd"),
        node("DequantizeLinear", other, "rd"),
        node(kind, "xd rd", "h"),
        node("QuantizeLinear", "h sc zc", "y"),
    ]
    check(fused, plain, [tensor("k", T.INT8, [[-128, -3, 0, 64, 127]])])


def test_qlinear_concat_brings_parts_to_the_output_scale() -> None:
    shared = [node("QuantizeLinear", "x sb zb", "rq")]
    fused = [*shared, node("QLinearConcat", "sc zc xq sa za rq sb zb", "y", "com.microsoft", axis=1)]
    plain = [
        *shared,
        node("DequantizeLinear", "xq sa za", "xd"),
        node("DequantizeLinear", "rq sb zb", "rd"),
        node("Concat", "xd rd", "h", axis=1),
        node("QuantizeLinear", "h sc zc", "y"),
    ]
    check(fused, plain)


@pytest.mark.parametrize("zeros", ["_ _", "za zb", "za zn"])
def test_matmul_integer_with_constant_zero_points_is_exact(zeros: str) -> None:
    a, b = zeros.split()
    one = tensor("one", FLOAT, 1.0)
    plain = [
        node("DequantizeLinear", f"xq one {a}", "xd"),
        node("DequantizeLinear", f"w {'ones' if b == 'zn' else 'one'} {b}", "wd", axis=1),
        node("MatMul", "xd wd", "y"),
    ]
    check([node("MatMulInteger", f"xq w {zeros}", "y")], plain, [one, tensor("ones", FLOAT, [1.0] * 3)], T.INT32)


def test_a_zero_point_from_data_is_refused() -> None:
    proto = model(
        [*READ_X, node("MatMulInteger", "xq w zx", "y")],
        {"x": (FLOAT, (1, 5)), "zx": (T.UINT8, (1,))},
        {"y": T.INT32},
        CONSTANTS,
    )
    with pytest.raises(HwqError, match="static quantization"):
        simulated(proto, {**X, "zx": np.zeros((60, 1))})


STATIC = {
    "test_convinteger_with_padding": ("x",),
    "test_qlinearconv": ("x",),
    "test_dequantizelinear": ("x",),
    "test_dequantizelinear_uint16": ("x",),
    "test_quantizelinear_axis": ("x",),
    "test_quantizelinear_uint16": ("x",),
    "test_qlinearmatmul_2D_uint8_float32": ("a",),
    "test_qlinearmatmul_3D_uint8_float32": ("a",),
    "test_dequantizelinear_int2": ("x",),
    "test_dequantizelinear_uint4": ("x",),
    "test_quantizelinear_int2": ("x",),
    "test_quantizelinear_uint4": ("x",),
}


def widened(values: Any) -> Any:
    """An array as it is; a TensorProto of a narrow type as int8."""
    return numpy_helper.to_array(values.item()).astype(np.int8) if values.dtype == object else values


def spec_model(name: str, activations: tuple[str, ...]) -> tuple[onnx.ModelProto, Any]:
    """A vector of the ONNX backend tests with all inputs but the activations made initializers."""
    path = SPEC / f"{name}.onnx"
    if not path.exists():
        pytest.skip(f"../shared/models/onnx_spec/{name}.onnx is not here")
    proto = onnx.load(path)
    # 4-bit and 2-bit vectors hold TensorProtos: pickled, but in our own test data.
    with np.load(SPEC / f"{name}.npz", allow_pickle=True) as file:
        data = {k: widened(file[k]) for k in file.files}
    for info in list(proto.graph.input):
        if info.name in activations:
            continue
        values = data[f"in_{info.name}"]
        proto.graph.initializer.append(tensor(info.name, info.type.tensor_type.elem_type, values))
        proto.graph.input.remove(info)
    return proto, data


@pytest.mark.parametrize("name", sorted(STATIC))
def test_onnx_backend_vectors_of_static_ops_are_reproduced(name: str) -> None:
    (activation,) = STATIC[name]
    proto, data = spec_model(name, STATIC[name])
    x = data[f"in_{activation}"]
    have = simulated(proto, {activation: x[None]})["y"]
    want = data["out_y"]
    got = np.asarray([float(v) for v in have.reshape(-1)]).reshape(want.shape)
    assert np.array_equal(got.astype(want.dtype), want)


@pytest.mark.parametrize("name", ["test_dequantizelinear_blocked", "test_quantizelinear_blocked_symmetric"])
def test_blocks_on_an_activation_are_refused(name: str) -> None:
    proto, data = spec_model(name, ("x",))
    with pytest.raises(HwqError, match="block"):
        simulated(proto, {"x": data["in_x"][None]})


def test_blocked_constants_equal_the_onnx_vector() -> None:
    proto, data = spec_model("test_dequantizelinear_blocked", ())
    proto.graph.input.add().CopyFrom(onnx.helper.make_tensor_value_info("v", FLOAT, data["out_y"].shape))
    proto.graph.node.append(node("QuantizeLinear", "v one _", "vq"))
    proto.graph.node.append(node("DequantizeLinear", "vq one _", "vd"))
    proto.graph.node.append(node("Mul", "vd y", "p"))
    proto.graph.output[0].name = "p"
    proto.graph.initializer.append(tensor("one", FLOAT, 1.0))
    ones = np.ones((1, *data["out_y"].shape[1:]), dtype=np.float32)
    got = simulated(proto, {"v": ones})["p"].astype(float)
    assert np.array_equal(got.reshape(-1), data["out_y"].astype(float).reshape(-1))


def test_the_two_readers_agree_on_what_a_tie_is() -> None:
    assert agree(
        model(
            [node("QuantizeLinear", "x half z", "y")],
            {"x": (FLOAT, (1, 5))},
            {"y": T.INT8},
            [tensor("half", FLOAT, 0.5), tensor("z", T.INT8, 3)],
        ),
        {"x": np.arange(-20, 20, dtype=np.float32).reshape(8, 5) / 4},
    )


@pytest.mark.parametrize("name", ["qop_digits_cnn_u8s8_pc"])
def test_qoperator_models_equal_their_float64_reference_in_every_code(name: str) -> None:
    assert unequal_codes(name) == 0


@pytest.mark.parametrize("kind", ["Sigmoid", "LeakyRelu"])
def test_functions_of_quantized_tensors_are_tables(kind: str) -> None:
    attributes = {"alpha": 0.1} if kind == "LeakyRelu" else {}
    fused = [node("QLinear" + kind, "xq sa za st zc", "y", "com.microsoft", **attributes)]
    plain = [
        node("DequantizeLinear", "xq sa za", "xd"),
        node(kind, "xd", "h", **attributes),
        node("QuantizeLinear", "h st zc", "y"),
    ]
    constants = [*CONSTANTS, tensor("st", FLOAT, np.float32(0.0071))]
    inputs = {"x": (FLOAT, (1, 5))}
    want = simulated(model([*READ_X, *plain], inputs, {"y": T.UINT8}, constants), X)["y"]
    have = simulated(model([*READ_X, *fused], inputs, {"y": T.UINT8}, constants, 21), X)["y"]
    assert len(set(want.reshape(-1))) > 5
    assert (want == have).all()
