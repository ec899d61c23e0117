"""QuantizeLinear and DequantizeLinear against exact rational arithmetic and against the models' float64 references."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto as T
from onnx import helper

from hwq.errors import HwqError
from hwq.frontends.onnx import read_onnx
from hwq.numeric.rational import to_float
from hwq.passes import Options, compile_graph
from hwq.simulate.simulator import Simulator
from rational_onnx import RANGES, agree, model, simulated, tensor

MODELS = Path(__file__).resolve().parents[2] / "shared" / "models"
FLOAT = T.FLOAT


def unequal_codes(name: str) -> int:
    path = MODELS / f"{name}.onnx"
    if not path.exists():
        pytest.skip(f"../shared/models/{name}.onnx is not here")
    data = np.load(MODELS / f"{name}.npz")
    graph = compile_graph(read_onnx(path), Options())
    run = Simulator(graph)
    codes = run.run(run.quantized(data["x"].astype(np.float64)))
    (port,) = graph.outputs
    have = codes[port.edge]
    want = np.rint((data["y64"].reshape(have.shape) - to_float(port.offset)) / to_float(port.scale))
    assert np.abs(want).max() > 0
    return int((want != have).sum())


@pytest.mark.parametrize("name", ["qdq_bc_mlp_u8u8_asym", "qdq_digits_mlp_s8s8_pt", "qdq_digits_mlp_a16w8_contrib"])
def test_dense_qdq_models_equal_their_float64_reference_in_every_code(name: str) -> None:
    assert unequal_codes(name) == 0


def node(kind: str, inputs: str, output: str, domain: str = "", **attributes: Any) -> onnx.NodeProto:
    names = ["" if i == "_" else i for i in inputs.split()]
    return helper.make_node(kind, names, [output], name=output, domain=domain, **attributes)


def samples(seed: int, shape: tuple[int, ...], spread: float = 3.0) -> Any:
    return (np.random.default_rng(seed).standard_normal(shape) * spread).astype(np.float32)


@pytest.mark.parametrize("kind", sorted(RANGES))
@pytest.mark.parametrize("scale", [0.1, 0.25, 7.9e-3])
def test_every_integer_type_quantizes_and_dequantizes_exactly(kind: int, scale: float) -> None:
    lo, hi = RANGES[kind]
    zero = 0 if kind == T.INT32 else (lo + hi) // 2 | 1
    if kind == T.INT32:
        scale = 0.25
    proto = model(
        [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "y")],
        {"x": (FLOAT, (1, 50))},
        {"y": FLOAT} if kind == T.INT32 else {"y": FLOAT, "q": kind},
        [tensor("s", FLOAT, np.float32(scale)), tensor("z", kind, zero)],
    )
    ties = (np.arange(-200, 200).reshape(8, 50) + 0.5) * 0.25
    assert agree(proto, {"x": ties.astype(np.float32)})


def test_a_missing_zero_point_means_uint8_and_output_dtype_overrides_it() -> None:
    x = {"x": samples(1, (20, 6), 400.0)}
    scale = tensor("s", FLOAT, np.float32(1.5))
    plain = model([node("QuantizeLinear", "x s", "y")], {"x": (FLOAT, (1, 6))}, {"y": T.UINT8}, [scale], 13)
    assert agree(plain, x)
    assert simulated(plain, x)["y"].min() == 0
    stated = model(
        [node("QuantizeLinear", "x s", "y", output_dtype=T.INT4)], {"x": (FLOAT, (1, 6))}, {"y": T.INT4}, [scale]
    )
    assert agree(stated, x)
    assert simulated(stated, x)["y"].min() == -8


@pytest.mark.parametrize("zero", [[3, 4, 5], [-1, -1, -1], [0, 2, -4]])
def test_zero_points_per_axis_are_added_after_rounding(zero: list[int]) -> None:
    proto = model(
        [node("QuantizeLinear", "x s z", "q", axis=-1), node("DequantizeLinear", "q s z", "y", axis=-1)],
        {"x": (FLOAT, (1, 4, 3))},
        {"y": FLOAT},
        [tensor("s", FLOAT, [0.5, 0.5, 0.3]), tensor("z", T.INT8, zero)],
    )
    x = (np.arange(-60, 60).reshape(10, 4, 3) + 0.5) * 0.5  # ties
    assert agree(proto, {"x": x.astype(np.float32)})


def test_a_zero_point_per_axis_inside_the_model_is_exact_too() -> None:
    proto = dense_model(quantizer="per_axis")
    assert agree(proto, {"x": samples(3, (30, 5))})


def dense_model(quantizer: str = "per_tensor", clip: bool = False, bias: str = "int32") -> onnx.ModelProto:
    rng = np.random.default_rng(7)
    axis = {"axis": 1} if quantizer == "per_axis" else {}
    scale, zero = ([0.3, 0.21, 0.4], [3, -5, 6]) if axis else (0.3, -7)
    nodes = [
        node("QuantizeLinear", "x sx zx", "xq"),
        node("DequantizeLinear", "xq sx zx", "xd"),
        node("DequantizeLinear", "w sw zw", "wd", axis=0),
        node("DequantizeLinear", "b sb _", "bd", axis=0) if bias == "int32" else node("Identity", "bf", "bd"),
        node("Gemm", "xd wd bd", "h", transB=1),
        node("Relu", "h", "r"),
        node("QuantizeLinear", "r sy zy", "yq", **axis),
    ]
    if clip:
        nodes.append(node("Clip", "yq clo chi", "yc"))
    nodes += [node("DequantizeLinear", ("yc" if clip else "yq") + " sy zy", "y", **axis)]
    if bias != "int32":
        nodes = [n for n in nodes if n.op_type != "Identity"]
        nodes[3] = node("Gemm", "xd wd bf", "h", transB=1)
    constants = [
        tensor("sx", FLOAT, np.float32(0.07)),
        tensor("zx", T.UINT8, 119),
        tensor("w", T.INT8, rng.integers(-128, 128, (3, 5))),
        tensor("sw", FLOAT, np.asarray([0.01, 0.013, 0.004], dtype=np.float32)),
        tensor("zw", T.INT8, [0, 3, -2]),
        tensor("b", T.INT32, rng.integers(-900, 900, 3)),
        tensor("sb", FLOAT, np.asarray([0.0007, 0.00091, 0.00028], dtype=np.float32)),
        tensor("bf", FLOAT, np.asarray([0.123, -0.7, 0.01], dtype=np.float32)),
        tensor("sy", FLOAT, np.asarray(scale, dtype=np.float32)),
        tensor("zy", T.INT8, zero),
        tensor("clo", T.INT8, -8),
        tensor("chi", T.INT8, 7),
    ]
    return model(nodes, {"x": (FLOAT, (1, 5))}, {"y": FLOAT}, constants)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1 << 30))
def test_dense_layers_of_random_scales_and_zero_points_are_exact(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kinds = [T.UINT8, T.INT8, T.INT4, T.UINT4, T.INT16]
    kx, kw, ky = (int(rng.choice(kinds)) for _ in range(3))

    def within(kind: int, size: Any = None) -> Any:
        return rng.integers(RANGES[kind][0], RANGES[kind][1] + 1, size)

    sx = float(np.float32(rng.uniform(1e-3, 0.1)))
    sw = (rng.integers(1 << 23, 1 << 24, 3) * 2.0 ** -rng.integers(24, 34, 3)).astype(np.float32)
    sw[int(rng.integers(0, 3))] = rng.choice([7.9e-13, 0.5, 0.01])
    reach = sx * float(sw.max()) * 5 * max(map(abs, RANGES[kx])) * max(map(abs, RANGES[kw]))
    sy = np.float32(reach / float(rng.uniform(1, 4)) / (RANGES[ky][1] - RANGES[ky][0]))
    proto = model(
        [
            node("QuantizeLinear", "x sx zx", "xq"),
            node("DequantizeLinear", "xq sx zx", "xd"),
            node("DequantizeLinear", "w sw zw", "wd", axis=1),
            node("MatMul", "xd wd", "m"),
            node("Add", "m b", "h"),
            node("Relu", "h", "r") if rng.integers(0, 2) else node("Mul", "h minus", "r"),
            node("QuantizeLinear", "r sy zy", "q"),
            node("DequantizeLinear", "q sy zy", "y"),
        ],
        {"x": (FLOAT, (1, 5))},
        {"y": FLOAT},
        [
            tensor("sx", FLOAT, np.float32(sx)),
            tensor("zx", kx, within(kx)),
            tensor("w", kw, within(kw, (5, 3))),
            tensor("sw", FLOAT, sw),
            tensor("zw", kw, within(kw, 3)),
            tensor("b", FLOAT, (rng.standard_normal(3) * reach / 9).astype(np.float32)),
            tensor("minus", FLOAT, np.asarray([-1.5, 0.0, 2.0], dtype=np.float32)),
            tensor("sy", FLOAT, sy),
            tensor("zy", ky, within(ky)),
        ],
    )
    assert agree(proto, {"x": samples(seed % 1000, (12, 5), 60 * sx)})


@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("bias", ["int32", "float"])
def test_a_dense_layer_of_any_scale_zero_point_bias_and_clip_is_exact(clip: bool, bias: str) -> None:
    proto = dense_model(clip=clip, bias=bias)
    x = {"x": samples(4, (60, 5))}
    assert agree(proto, x)
    assert len(set(simulated(proto, x)["y"].reshape(-1))) > 4


def test_a_clip_between_carries_the_width() -> None:
    graph = compile_graph(read_onnx(dense_model(clip=True)), Options())
    assert [graph.edges[p.edge].type.width for p in graph.outputs] == [4]
    assert len(graph.nodes) == 2


def test_dequantizing_with_other_parameters_than_it_was_quantized_with_is_exact() -> None:
    proto = model(
        [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q t u", "y")],
        {"x": (FLOAT, (1, 9))},
        {"y": FLOAT},
        [
            tensor("s", FLOAT, np.float32(0.11)),
            tensor("z", T.UINT8, 100),
            tensor("t", FLOAT, np.float32(0.37)),
            tensor("u", T.UINT8, 3),
        ],
    )
    assert agree(proto, {"x": samples(5, (30, 9))})


def test_a_redundant_pair_costs_nothing() -> None:
    proto = model(
        [
            node("QuantizeLinear", "x s z", "q"),
            node("DequantizeLinear", "q s z", "d"),
            node("Reshape", "d shape", "e"),
            node("QuantizeLinear", "e s z", "q2"),
            node("DequantizeLinear", "q2 s z", "y"),
        ],
        {"x": (FLOAT, (1, 4, 3))},
        {"y": FLOAT},
        [tensor("s", FLOAT, np.float32(0.11)), tensor("z", T.UINT8, 100), tensor("shape", T.INT64, [1, 12])],
    )
    assert agree(proto, {"x": samples(6, (30, 4, 3))})
    graph = compile_graph(read_onnx(proto), Options())
    assert [n.op.kind for n in graph.nodes] == ["reshape"]


def test_several_dequantizers_of_one_tensor_share_one_quantizer() -> None:
    proto = model(
        [
            node("QuantizeLinear", "x s _", "q"),
            node("DequantizeLinear", "q s _", "d"),
            node("DequantizeLinear", "q s _", "e"),
            node("Relu", "d", "y"),
            node("Relu", "e", "y2"),
        ],
        {"x": (FLOAT, (1, 4))},
        {"y": FLOAT, "y2": FLOAT},
        [tensor("s", FLOAT, np.float32(0.5))],
    )
    assert agree(proto, {"x": samples(6, (30, 4))})
    assert len(compile_graph(read_onnx(proto), Options()).inputs) == 1


@pytest.mark.parametrize("kind", [T.INT8, T.UINT4, T.INT16])
def test_an_input_of_integer_type_is_read_as_codes(kind: int) -> None:
    lo, hi = RANGES[kind]
    proto = model(
        [node("DequantizeLinear", "x s z", "d"), node("Relu", "d", "r"), node("QuantizeLinear", "r t u", "y")],
        {"x": (kind, (1, 8))},
        {"y": T.INT8},
        [
            tensor("s", FLOAT, np.float32(0.013)),
            tensor("z", kind, 5),
            tensor("t", FLOAT, np.float32(0.7)),
            tensor("u", T.INT8, -3),
        ],
    )
    assert agree(proto, {"x": np.random.default_rng(8).integers(lo, hi + 1, (20, 8))})


def test_weights_quantized_in_the_graph_equal_weights_stored_quantized() -> None:
    w = np.random.default_rng(9).standard_normal((5, 4)).astype(np.float32)
    w[0, 0] = 0.125  # a tie at scale 0.25
    proto = model(
        [
            node("QuantizeLinear", "x s z", "q"),
            node("DequantizeLinear", "q s z", "d"),
            node("QuantizeLinear", "w t u", "wq", axis=1),
            node("DequantizeLinear", "wq t u", "wd", axis=1),
            node("MatMul", "d wd", "y"),
        ],
        {"x": (FLOAT, (1, 5))},
        {"y": FLOAT},
        [
            tensor("s", FLOAT, np.float32(0.07)),
            tensor("z", T.INT8, 11),
            tensor("w", FLOAT, w),
            tensor("t", FLOAT, np.asarray([0.25, 0.1, 0.3, 0.21], dtype=np.float32)),
            tensor("u", T.INT4, [1, 0, -3, 2]),
        ],
    )
    assert agree(proto, {"x": samples(10, (30, 5))})


@pytest.mark.parametrize("axis", [0, 1])
def test_blocked_weights_are_exact(axis: int) -> None:
    rng = np.random.default_rng(11)
    shape = (3, 4) if axis == 0 else (5, 2)
    proto = model(
        [
            node("QuantizeLinear", "x s z", "q"),
            node("DequantizeLinear", "q s z", "d"),
            node("DequantizeLinear", "w t u", "wd", axis=axis, block_size=2),
            node("MatMul", "d wd", "y"),
        ],
        {"x": (FLOAT, (1, 5))},
        {"y": FLOAT},
        [
            tensor("s", FLOAT, np.float32(0.07)),
            tensor("z", T.INT8, 11),
            tensor("w", T.INT4, rng.integers(-8, 8, (5, 4))),
            tensor("t", FLOAT, rng.uniform(0.01, 0.02, shape).astype(np.float32)),
            tensor("u", T.INT4, rng.integers(-8, 8, shape)),
        ],
    )
    assert agree(proto, {"x": samples(12, (30, 5))})


def test_microsoft_spellings_mean_the_same() -> None:
    proto = model(
        [
            node("QuantizeLinear", "x s z", "q", "com.microsoft"),
            node("DequantizeLinear", "q s z", "y", "com.microsoft"),
        ],
        {"x": (FLOAT, (1, 6))},
        {"y": FLOAT},
        [tensor("s", FLOAT, np.float32(0.0031)), tensor("z", T.UINT16, 1001)],
        13,
    )
    assert agree(proto, {"x": samples(13, (20, 6), 40.0)})


REFUSED = {
    "blocks": ([node("QuantizeLinear", "x s2 _", "y", block_size=3, axis=1)], "block"),
    "a scale of zero": ([node("QuantizeLinear", "x zero _", "y")], "not positive"),
    "minifloat": ([node("QuantizeLinear", "x s _", "y", output_dtype=T.FLOAT8E4M3FN)], "float8e4m3fn"),
    "a scale from data": ([node("Relu", "x", "r"), node("QuantizeLinear", "x r _", "y")], "dynamic"),
    "scales that do not fit": ([node("QuantizeLinear", "x s2 _", "y", axis=1)], "2 elements"),
}


@pytest.mark.parametrize("case", sorted(REFUSED))
def test_what_cannot_be_quantized_is_refused_by_name(case: str) -> None:
    nodes, words = REFUSED[case]
    constants = [tensor("s", FLOAT, np.float32(0.5)), tensor("s2", FLOAT, [0.5, 0.5]), tensor("zero", FLOAT, 0.0)]
    with pytest.raises(HwqError, match=words) as error:
        simulated(model(nodes, {"x": (FLOAT, (1, 6))}, {"y": T.UINT8}, constants), {"x": samples(1, (2, 6))})
    assert error.value.node == "y"
    assert error.value.remedy


def test_dynamic_quantization_is_refused_with_advice() -> None:
    path = MODELS / "dyn_digits_mlp_u8s8.onnx"
    if not path.exists():
        pytest.skip("../shared/models/dyn_digits_mlp_u8s8.onnx is not here")
    with pytest.raises(HwqError, match="quantize statically"):
        read_onnx(path)
