"""`--semantics ort`: quantizers that take over onnxruntime's float32 roundings, as exact steps of integers."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto as T

from hwq.errors import HwqError
from hwq.frontends.onnx import read_onnx
from hwq.functions.table import FUNCTIONS
from hwq.ir import real
from hwq.ir.hardware import Graph
from hwq.numeric.float32_steps import Float32Steps
from hwq.numeric.rational import to_float
from hwq.passes import Options, compile_graph
from hwq.passes.lowering import ort
from hwq.simulate.simulator import Simulator
from rational_onnx import model, tensor
from test_qdq import node, samples

MODELS = Path(__file__).resolve().parents[2] / "shared" / "models"
FLOAT = T.FLOAT


def compiled(source: Any) -> Graph:
    return compile_graph(read_onnx(source), Options(semantics="ort"))


def unequal(name: str, reference: str, semantics: str) -> int:
    path = MODELS / f"{name}.onnx"
    if not path.exists():
        pytest.skip(f"../shared/models/{name}.onnx is not here")
    data = np.load(MODELS / f"{name}.npz")
    graph = compile_graph(read_onnx(path), Options(semantics=semantics))
    run = Simulator(graph)
    (port,) = graph.outputs
    have = run.run(run.quantized(data["x"].astype(np.float64)))[port.edge]
    want = (data[reference].astype(np.float64).reshape(have.shape) - to_float(port.offset)) / to_float(port.scale)
    return int((np.rint(want) != have).sum())


@pytest.mark.parametrize(
    "name",
    [
        "qdq_bc_mlp_u8u8_asym",
        "qdq_digits_mlp_s8s8_pt",
        "qdq_digits_conv1d_s8s8_asym_pc",
        "bvqcdq_digits_cnn_w8a8_pc",
        "qdq_digits_cnn_u8s8_pc",
        "qdq_digits_cnn_s8s8_po2",
        "qop_digits_cnn_u8s8_pc",
    ],
)
def test_models_equal_onnxruntime_with_its_optimizer_on_in_every_code(name: str) -> None:
    assert unequal(name, "y_ort_opt", "ort") == 0


def test_the_two_meanings_differ_where_float32_rounds_otherwise() -> None:
    assert unequal("qdq_digits_mlp_s8s8_pt", "y_ort_opt", "real") > 0
    assert unequal("qdq_digits_mlp_s8s8_pt", "y64", "ort") > 0


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("qdq_digits_mlp_a16w8_contrib", "more than 8 bits"),
        ("pt2e_digits_cnn_x86", "average pooling"),
        ("nncf_digits_cnn_mixed", "an Add of other than two quantized tensors"),
        ("units/mul_two_tensors", "no kernel for Quant"),
        ("units/quant_zp_u8", "no kernel for Quant"),
    ],
)
def test_what_depends_on_the_processor_is_refused_with_the_reason(name: str, reason: str) -> None:
    path = MODELS / f"{name}.onnx"
    if not path.exists():
        pytest.skip(f"../shared/models/{name}.onnx is not here")
    with pytest.raises(HwqError, match=reason) as error:
        compiled(path)
    assert error.value.remedy is not None
    assert "--semantics real" in error.value.remedy


def test_every_real_op_is_reproduced_or_refused_by_name() -> None:
    """A new op is in neither table, and refused until it is."""
    ops = {kind for kind in vars(real).values() if isinstance(kind, type) and issubclass(kind, real.RealOp)}
    named = {*ort.REPRODUCED, *ort.NOT_REPRODUCED}
    assert named == ops - {real.RealOp, real.Pool}  # a Pool by what it does with a window
    assert not {*ort.REPRODUCED} & {*ort.NOT_REPRODUCED}

    class New(real.RealOp):
        """Of no table."""

    node = real.RealNode("n", "Something", New(), ("x",), ("y",))
    with pytest.raises(HwqError, match=r"node .n. .*no rule is known for its Something"):
        ort.check_reproducible(real.RealGraph("g", (), {"y": "y"}, (node,), {"x": (1,), "y": (1,)}))


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_no_function_is_reproduced(function: str) -> None:
    node = real.RealNode("n", function, real.Unary(function), ("x",), ("y",))
    with pytest.raises(HwqError, match="float32 approximations"):
        ort.check_reproducible(real.RealGraph("g", (), {"y": "y"}, (node,), {"x": (1,), "y": (1,)}))


FLOAT_ARITHMETIC = {
    "Softmax": ([], {"axis": -1}),
    "LayerNormalization": ([tensor("g", FLOAT, np.ones(6, dtype=np.float32))], {}),
    "Mul": ([tensor("g", FLOAT, np.float32(0.3))], {}),
    "Sub": ([tensor("g", FLOAT, np.float32(0.3))], {}),
    "Div": ([tensor("g", FLOAT, np.float32(3))], {}),
    "Sigmoid": ([], {}),
    "Round": ([], {}),
    "ReduceMean": ([], {"axes": [1], "keepdims": 1}),
}


@pytest.mark.parametrize("kind", sorted(FLOAT_ARITHMETIC))
def test_float_arithmetic_between_quantizers_is_refused_by_its_node(kind: str) -> None:
    constants, attributes = FLOAT_ARITHMETIC[kind]
    nodes = [
        node("QuantizeLinear", "x s z", "q"),
        node("DequantizeLinear", "q s z", "d"),
        node(kind, "d g" if constants else "d", "f", **attributes),
        node("QuantizeLinear", "f s z", "y"),
    ]
    both = [tensor("s", FLOAT, np.float32(0.05)), tensor("z", T.INT8, 0), *constants]
    with pytest.raises(HwqError, match="onnxruntime is not reproduced here") as error:
        compiled(model(nodes, {"x": (FLOAT, (1, 6))}, {"y": T.INT8}, both, 17))
    assert error.value.op == kind


def in_float32(op: Float32Steps, channel: int, acc: int) -> int:
    """The kernel, one operation at a time."""
    value = np.float32(int(acc) + int(op.add[channel]))
    value = np.float32(value * op.factor[channel])
    value = np.float32(value / op.divisor[channel])
    return int(min(max(int(np.rint(value)), int(op.lo[channel])), int(op.hi[channel])))


def test_steps_are_where_float32_has_them() -> None:
    rng = np.random.default_rng(1)
    factors = rng.uniform(1e-5, 3e-3, 6).astype(np.float32)
    ends = np.full(6, -128), np.full(6, 127)
    op = Float32Steps(rng.integers(-90000, 90000, 6), factors, np.ones(6, dtype=np.float32), *ends)
    lo, hi = -(1 << 26), 1 << 26  # past 2^24: the accumulator itself is rounded
    rows = op.integer_rows(lo, hi)
    assert rows.bounds.shape == (6, 255)
    for c in range(6):
        for k, bound in enumerate(rows.bounds[c]):
            if bound <= hi:
                assert in_float32(op, c, int(bound)) >= -127 + k
                assert in_float32(op, c, int(bound) - 1) < -127 + k


def test_the_hosts_quantizer_divides_in_float32() -> None:
    scale = np.float32(0.0173)
    proto = model(
        [node("QuantizeLinear", "x s z", "y")],
        {"x": (FLOAT, (1, 400))},
        {"y": T.INT8},
        [tensor("s", FLOAT, scale), tensor("z", T.INT8, 5)],
    )
    steps = (np.arange(-140, 140, dtype=np.float64) + 0.5) * float(scale)
    around = np.concatenate([np.nextafter(steps.astype(np.float32), np.float32(d * np.inf)) for d in (-1, 1)])
    x = np.concatenate([steps.astype(np.float32), around])[:800].reshape(2, 400)
    run = Simulator(compiled(proto))
    have = run.run(run.quantized(x.astype(np.float64)))["n_x"]
    want = np.clip(np.rint(x / scale) + 5, -128, 127)
    assert (have.reshape(-1) == want.reshape(-1)).all()


def test_a_dequantized_tensor_is_rounded_to_float32_before_it_is_quantized_again() -> None:
    s, t = np.float32(0.0371), np.float32(0.01855)  # twice the second, nearly: codes fall on ties in float32
    proto = model(
        [node("DequantizeLinear", "x s z", "d"), node("QuantizeLinear", "d t z", "y")],
        {"x": (T.INT8, (1, 256))},
        {"y": T.INT8},
        [tensor("s", FLOAT, s), tensor("t", FLOAT, t), tensor("z", T.INT8, 1)],
    )
    codes = np.arange(-128, 128).reshape(1, 256)
    run = Simulator(compiled(proto))
    (have,) = run.run(run.quantized(codes.astype(np.float64))).values()
    want = np.clip(np.rint(((codes - 1).astype(np.float32) * s) / t) + 1, -128, 127)
    assert (have.reshape(-1) == want.reshape(-1)).all()


def quantized_add(scales: tuple[float, float, float], zeros: tuple[int, int, int]) -> Any:
    """A model of one QLinearAdd on two rows of bytes."""
    constants = [
        item
        for name, scale, zero in zip("abc", scales, zeros, strict=True)
        for item in (tensor("s" + name, FLOAT, np.float32(scale)), tensor("z" + name, T.UINT8, zero))
    ]
    nodes = [node("QLinearAdd", "a sa za b sb zb sc zc", "y", "com.microsoft")]
    inputs = {"a": (T.UINT8, (1, 256)), "b": (T.UINT8, (1, 256))}
    return model(nodes, inputs, {"y": T.UINT8}, constants, 17)


def test_a_quantized_add_whose_float_noise_no_integer_rule_has_is_refused() -> None:
    with pytest.raises(HwqError, match="no integer factors"):
        compiled(quantized_add((0.07287, 0.05037, 0.0819), (131, 7, 90)))


@pytest.mark.parametrize("scales", [(0.0311, 0.0523, 0.0917), (0.017, 0.0523, 0.2113), (0.5, 0.25, 0.5)])
def test_a_quantized_add_has_the_fused_kernels_code_for_every_pair(scales: tuple[float, float, float]) -> None:
    """The kernel on x86-64 with FMA, one operation at a time, in an arithmetic of its own."""
    zeros, (sa, sb, sc) = (131, 7, 90), (np.float32(s) for s in scales)
    proto = quantized_add(scales, zeros)
    a, b = np.tile(np.arange(256), (256, 1)), np.tile(np.arange(256)[:, None], (1, 256))
    run = Simulator(compiled(proto))
    (have,) = run.run(run.quantized({"a": a, "b": b})).values()
    ra, rb = sa / sc, sb / sc
    fixed = np.float32(zeros[2]) - (ra * np.float32(zeros[0]) + rb * np.float32(zeros[1]))

    def fma(u: Any, v: Any, w: Any) -> Any:
        exact = [Fraction(float(p)) * Fraction(float(v)) + Fraction(float(q)) for p, q in zip(u, w, strict=True)]
        return np.asarray([np.float32(float(e)) for e in exact], dtype=np.float32)

    inner = fma(b.reshape(-1), rb, np.full(b.size, fixed))
    want = np.clip(np.rint(fma(a.reshape(-1), ra, inner)), 0, 255)
    assert len(set(want.tolist())) > 50
    assert (have.reshape(-1) == want).all()


def test_onnxruntime_itself_agrees_when_it_is_installed() -> None:
    ort = pytest.importorskip("onnxruntime")
    rng = np.random.default_rng(4)
    constants = [
        tensor("sx", FLOAT, np.float32(0.0311)),
        tensor("zx", T.UINT8, 131),
        tensor("w", T.INT8, rng.integers(-128, 128, (40, 24))),
        tensor("sw", FLOAT, rng.uniform(0.001, 0.02, 24).astype(np.float32)),
        tensor("zw", T.INT8, np.zeros(24, dtype=np.int64)),
        tensor("sy", FLOAT, np.float32(0.0917)),
        tensor("zy", T.UINT8, 7),
    ]
    nodes = [
        node("QuantizeLinear", "x sx zx", "xq"),
        node("QLinearMatMul", "xq sx zx w sw zw sy zy", "y"),
    ]
    proto = model(nodes, {"x": (FLOAT, (1, 40))}, {"y": T.UINT8}, constants, 17)
    proto.ir_version = 8
    x = samples(5, (400, 40), 1.5)
    session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    want = np.concatenate([session.run(None, {"x": row[None]})[0] for row in x])
    run = Simulator(compiled(proto))
    (have,) = run.run(run.quantized(x.astype(np.float64))).values()
    assert (have.reshape(want.shape) == want).all()
