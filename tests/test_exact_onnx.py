"""The second reading of ONNX: complete, what onnxruntime computes, and it finds what the compiler does wrong."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

import hwq
from hwq.check.exact_onnx import TABLE, Evaluator, Undecided, Unknown, integers
from hwq.check.exact_onnx.tensor import FLOAT, of_array, of_fractions, rounded
from hwq.check.exact_samples import exactly
from hwq.frontends.loading import load_model
from hwq.frontends.onnx import RULES
from hwq.ir import real
from models import const, mlp, model, node, small_model

MODELS = sorted((Path(__file__).resolve().parents[2] / "shared" / "models").glob("*.onnx"))


def test_every_op_that_is_compiled_has_a_second_reading() -> None:
    missing = {domain: sorted(set(rules) - set(TABLE.get(domain, {}))) for domain, rules in RULES.items()}
    assert {domain: ops for domain, ops in missing.items() if ops} == {}


def test_the_second_reading_imports_nothing_that_compiles() -> None:
    folder = Path(hwq.__file__).parent / "check" / "exact_onnx"
    lines = [
        line for p in folder.glob("*.py") for line in p.read_text().splitlines() if "hwq" in line and "import" in line
    ]
    assert len(lines) > 10
    assert [line for line in lines if not line.startswith("from hwq.check.exact_onnx")] == []


def test_integer_products_are_exact_at_every_width() -> None:
    rng = np.random.default_rng(0)
    for bits in (8, 20, 31, 40, 62, 90, 200):
        a, b = (
            np.asarray(
                [[int(v) * (1 << max(0, bits - 30)) + 1 for v in row] for row in rng.integers(-(2**30), 2**30, shape)],
                dtype=object,
            )
            for shape in ((5, 70), (70, 4))
        )
        got = integers.matmul(integers.narrow(a), integers.narrow(b))
        assert (np.asarray(got, dtype=object) == a @ b).all(), bits


@pytest.mark.parametrize(
    ("mode", "want"),
    [
        ("floor", [-3, -2, -1, 0, 0, 1, 2]),
        ("ceil", [-2, -1, 0, 0, 1, 2, 3]),
        ("to_zero", [-2, -1, 0, 0, 0, 1, 2]),
        ("away", [-3, -2, -1, 0, 1, 2, 3]),
        ("half_even", [-2, -2, 0, 0, 0, 2, 2]),
        ("half_away", [-3, -2, -1, 0, 1, 2, 3]),
        ("half_to_zero", [-2, -1, 0, 0, 0, 1, 2]),
        ("half_up", [-2, -1, 0, 0, 1, 2, 3]),
        ("half_down", [-3, -2, -1, 0, 0, 1, 2]),
    ],
)
def test_ties_are_rounded_by_the_mode(mode: str, want: list[int]) -> None:
    halves = of_fractions([Fraction(k, 2) for k in (-5, -3, -1, 0, 1, 3, 5)], (7,))
    assert rounded(halves, mode).tolist() == want
    big = replace(halves, num=integers.wide(halves.num) * (1 << 80), unit=halves.unit / (1 << 80))
    assert rounded(big, mode).tolist() == want


def test_a_value_too_near_a_boundary_is_undecided_not_guessed() -> None:
    x = replace(of_fractions([Fraction(1, 2)], (1,)), rad=np.asarray([1]))
    with pytest.raises(Undecided):
        rounded(x, "half_even")


def parts_of(name: str) -> Any:
    design = hwq.compile(small_model() if name == "small" else mlp())
    return load_model(design.model)[0], design.meaning(), design.graph


@pytest.mark.parametrize("name", ["small", "mlp"])
def test_a_compiled_model_is_exact(name: str) -> None:
    outcome = exactly(*parts_of(name))
    assert outcome
    assert outcome.samples == 4
    assert outcome.left == ()
    assert outcome.tensors >= 2


def test_a_wrong_bound_a_wrong_scale_and_a_wrong_weight_are_found() -> None:
    file, meaning, graph = parts_of("mlp")
    for wrong in ("lo", "scale"):
        changed = onnx.ModelProto()
        changed.CopyFrom(file)
        for tensor in changed.graph.initializer:
            if tensor.name == ("as0" if wrong == "scale" else "m0"):
                values = onnx.numpy_helper.to_array(tensor) * np.float32(1.3)
                tensor.CopyFrom(onnx.numpy_helper.from_array(np.asarray(values), tensor.name))
        outcome = exactly(changed, meaning, graph)
        assert not outcome
        assert outcome.first is not None
        assert outcome.first.tensor == ("act0" if wrong == "scale" else "bn0")
        assert "WRONG: net" in outcome.text("net")


def test_a_pass_that_pulls_a_bound_into_a_range_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from hwq.passes.real import merge

    honest = merge._clamped

    def pulled(quantize: real.Quantize, clip: real.Clip) -> real.Quantize | None:
        found = honest(quantize, clip)
        if found is None or found.lo is None or found.hi is None:
            return found
        inside = min(max(found.lo, -128), 127)
        return replace(found, lo=inside, hi=max(inside, min(found.hi, 127)))

    monkeypatch.setattr(merge, "_clamped", pulled)
    nodes = [
        node("QuantizeLinear", "x s z", "q"),
        node("DequantizeLinear", "q s z", "v"),
        node("Clip", ["v", "lo"], "y"),
    ]
    constants = [const("s", 2.0**-10), const("z", 0, np.int8), const("lo", 1.0)]
    design = hwq.compile(model(nodes, {"x": [1, 4]}, ["y"], constants))
    outcome = design.exactly()
    assert not outcome
    assert outcome.first is not None
    assert outcome.first.tensor == "y"


def test_an_op_that_is_not_known_is_named() -> None:
    file, meaning, graph = parts_of("small")
    changed = onnx.ModelProto()
    changed.CopyFrom(file)
    changed.graph.node[-1].op_type = "MatMulOfTheFuture"
    outcome = exactly(changed, meaning, graph)
    assert any("MatMulOfTheFuture" in text for text in outcome.left)
    assert "not evaluated" in outcome.text("net")


def test_output_types_and_softmax_options_are_followed() -> None:
    file = mlp()
    file.graph.node.append(node("Quant", "logits in_s zero a_bits", "lq", signed=1, narrow=0, rounding_mode="ROUND"))
    file.graph.node.append(node("Softmax", "lq", "p"))
    file.graph.output[0].name = "p"
    for config in ({}, {"softmax": "skip"}, {"softmax": "host"}, {"output_types": {"p": "ap_fixed<12,2>"}}):
        outcome = hwq.compile(file, config).exactly()
        assert outcome, outcome.text(str(config))
        assert outcome.left == ()
    typed = hwq.compile(mlp(), {"output_types": {"logits": "ap_fixed<9,5,AP_RND,AP_SAT>"}}).exactly()
    assert typed
    argmax = hwq.compile(file, {"softmax": "argmax"}).exactly()
    assert argmax
    assert argmax.left == ("output 'p': no tensor of the file is its value",)


def test_prove_reports_the_samples(tmp_path: Path) -> None:
    proved = hwq.compile(small_model()).export(tmp_path / "p", "native").prove("native")
    assert proved
    assert proved.exact is not None
    assert "EXACT: net" in proved.text("net")
    assert proved.plain()["exact"]["equal"]
    broken = replace(proved, exact=replace(proved.exact, differing=1))
    assert not broken
    assert "WRONG: net" in broken.text("net")


def evaluate(nodes: list[onnx.NodeProto], x: Any, constants: list[onnx.TensorProto], opset: int = 18) -> Any:
    proto = model(nodes, {"x": list(np.shape(x))}, [nodes[-1].output[0]], constants, opset=opset)
    values = Evaluator(proto)({"x": of_array(np.asarray(x, dtype=np.float64), FLOAT)})
    return values[nodes[-1].output[0]]


X4 = np.random.default_rng(1).integers(-20, 20, (2, 4, 6, 6)) / 8.0
X2 = np.random.default_rng(2).integers(-20, 20, (3, 8)) / 8.0
CASES: list[tuple[str, str, Any, dict[str, Any], dict[str, Any]]] = [
    (
        "Conv",
        "x w b",
        X4,
        {"w": np.arange(-12, 60).reshape(4, 2, 3, 3) / 4.0, "b": [1.0, 2.0, -1.0, 0.5]},
        {"group": 2, "pads": [1, 0, 2, 1], "strides": [2, 1], "dilations": [1, 2]},
    ),
    (
        "Conv",
        "x w",
        X4,
        {"w": np.arange(-24, 48).reshape(2, 4, 3, 3) / 4.0},
        {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
    ),
    (
        "ConvTranspose",
        "x w",
        X4,
        {"w": np.arange(-24, 48).reshape(4, 2, 3, 3) / 4.0},
        {"strides": [2, 1], "pads": [1, 0, 0, 1], "output_padding": [1, 0]},
    ),
    (
        "ConvTranspose",
        "x w",
        X4,
        {"w": np.arange(-24, 48).reshape(4, 2, 3, 3) / 4.0},
        {"group": 2, "dilations": [2, 1]},
    ),
    ("MaxPool", "x", X4, {}, {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1], "ceil_mode": 1}),
    (
        "AveragePool",
        "x",
        X4,
        {},
        {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "ceil_mode": 1, "count_include_pad": 1},
    ),
    ("AveragePool", "x", X4, {}, {"kernel_shape": [2, 3], "auto_pad": "SAME_UPPER"}),
    ("GlobalAveragePool", "x", X4, {}, {}),
    ("LpPool", "x", X4, {}, {"kernel_shape": [2, 2]}),
    (
        "Gemm",
        "x w b",
        X2,
        {"w": np.arange(24).reshape(3, 8) / 2.0, "b": [1.0, 2.0, 3.0]},
        {"transB": 1, "alpha": 0.5, "beta": 2.0},
    ),
    ("MatMul", "x w", X2, {"w": np.arange(24).reshape(8, 3) / 2.0}, {}),
    ("Softmax", "x", X2, {}, {"axis": 0}),
    ("LayerNormalization", "x w", X2, {"w": np.arange(8) / 4.0}, {}),
    ("InstanceNormalization", "x w b", X4, {"w": [1.0, 2.0, -1.0, 0.5], "b": [0.0, 1.0, 2.0, 3.0]}, {}),
    ("LpNormalization", "x", X2, {}, {"axis": 1, "p": 2}),
    (
        "BatchNormalization",
        "x a b c d",
        X4,
        {"a": [1.0, -2.0, 0.5, 0.0], "b": [0.0, 1.0, 2.0, 3.0], "c": [0.5] * 4, "d": [1.0, 2.0, 3.0, 0.25]},
        {},
    ),
    ("Clip", "x a b", X2, {"a": 1.0, "b": -1.0}, {}),
    ("ArgMax", "x", X2, {}, {"axis": 1, "keepdims": 0}),
    ("ReduceMean", "x", X4, {}, {"keepdims": 0}),
    (
        "Slice",
        "x a b c d",
        X4,
        {"a": np.asarray([5, -1]), "b": np.asarray([0, -100]), "c": np.asarray([2, 3]), "d": np.asarray([-2, -1])},
        {},
    ),
    ("Pad", "x a b", X4, {"a": np.asarray([0, 1, 0, 2, 0, 0, 1, -1]), "b": 2.5}, {}),
    ("Pad", "x a", X4, {"a": np.asarray([0, 0, 1, 2, 0, 0, 1, 1])}, {"mode": "reflect"}),
    ("DepthToSpace", "x", X4, {}, {"blocksize": 2, "mode": "CRD"}),
    ("DepthToSpace", "x", X4, {}, {"blocksize": 2}),
    ("SpaceToDepth", "x", X4, {}, {"blocksize": 2}),
    ("Resize", "x _ s", X4, {"s": [1.0, 1.0, 2.0, 1.5]}, {"mode": "linear"}),
    (
        "Resize",
        "x _ s",
        X4,
        {"s": [1.0, 1.0, 0.5, 2.0]},
        {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
    ),
    ("PRelu", "x a", X2, {"a": np.arange(8) / 8.0}, {}),
    *(
        (op, "x", X2, {}, {})
        for op in (
            "Sigmoid",
            "Tanh",
            "Erf",
            "Exp",
            "Elu",
            "Selu",
            "Celu",
            "Softplus",
            "Softsign",
            "Mish",
            "HardSwish",
            "HardSigmoid",
            "LeakyRelu",
            "Shrink",
            "ThresholdedRelu",
            "Abs",
            "Neg",
            "Floor",
            "Ceil",
            "Round",
            "Sign",
            "Sin",
            "Cos",
            "Atan",
            "Sinh",
            "Asinh",
        )
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0]}-{len(c[4])}")
def test_each_op_is_what_onnxruntime_computes(case: tuple[str, str, Any, dict[str, Any], dict[str, Any]]) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    kind, inputs, x, arrays, attributes = case
    constants = [
        const(name, a, np.int64 if np.asarray(a).dtype.kind == "i" else np.float32) for name, a in arrays.items()
    ]
    nodes = [node(kind, inputs, "y", **attributes)]
    proto = model(nodes, {"x": list(x.shape)}, ["y"], constants, opset=18)
    if kind == "ArgMax":
        proto.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.INT64
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    (want,) = session.run(None, {"x": x.astype(np.float32)})
    got = Evaluator(proto)({"x": of_array(x, FLOAT)})["y"]
    assert got.shape == want.shape
    floats = np.asarray([float(v) for v in got.fractions().reshape(-1)]).reshape(want.shape)
    np.testing.assert_allclose(floats, want, rtol=2e-5, atol=2e-6)


def test_integer_tensors_wrap() -> None:
    x = onnx.numpy_helper.from_array(np.asarray([100, -128, 7], dtype=np.int8), "a")
    nodes = [node("Add", "a a", "b"), node("Neg", "a", "c"), node("Mul", "a a", "d")]
    proto = model(nodes, {"x": [1]}, ["b", "c", "d"], [x])
    values = Evaluator(proto)({"x": of_array(np.zeros(1), FLOAT)})
    assert [values[k].ints() for k in "bcd"] == [[-56, 0, 14], [-100, -128, -7], [16, 0, 49]]


def test_a_function_of_the_model_and_a_constant_branch_are_walked_into() -> None:
    body = [node("Mul", "a k", "m"), node("Relu", "m", "r")]
    body[0].input[1] = "a"
    function = helper.make_function("local", "square_relu", ["a"], ["r"], body, [helper.make_opsetid("", 18)])
    proto = model([helper.make_node("square_relu", ["x"], ["y"], domain="local")], {"x": [2]}, ["y"], [], opset=18)
    proto.functions.append(function)
    proto.opset_import.append(helper.make_opsetid("local", 1))
    values = Evaluator(proto)({"x": of_array(np.asarray([-3.0, 0.5]), FLOAT)})
    assert values["y"].fractions().tolist() == [Fraction(9), Fraction(1, 4)]


def test_a_custom_op_is_refused_by_name() -> None:
    with pytest.raises(Unknown, match=r"Mystery.*not known"):
        evaluate([node("Mystery", "x", "y")], np.zeros(2), [])


SLOW = ("qonnx_espcn_nnresize_16", "qdq_digits_cnnplain_softmax_a16w8")


@pytest.mark.parametrize(
    "path",
    [pytest.param(p, marks=[pytest.mark.slow] if p is not None and p.stem in SLOW else []) for p in MODELS or [None]],
    ids=lambda p: "none" if p is None else p.stem,
)
def test_every_model_is_exact(path: Path | None) -> None:
    if path is None:
        pytest.skip("the models are not here")
    try:
        design = hwq.compile(path)
    except hwq.HwqError as error:
        pytest.skip(f"refused: {error}")
    outcome = design.exactly()
    assert outcome, outcome.text(path.stem)
    assert outcome.left == ()
    assert outcome.samples == 4
