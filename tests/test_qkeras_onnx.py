"""The domain `qkeras`: every quantizer as weight and as activation, simulator = onnx.reference = C++."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import hwq
from hwq.build.toolchain import find_headers
from hwq.models import qkeras_domain as onnx_ops
from hwq.quantizers import QUANTIZERS
from hwq.targets import get_target

ACTIVATIONS = (
    "quantized_bits(8,0,0)",
    "quantized_bits(8,0,1)",
    "quantized_bits(4,2,0,keep_negative=False)",
    "quantized_bits(1,0,0)",
    "quantized_bits(4,0,0,alpha=0.3)",
    "quantized_bits(4,1,0,alpha=[0.5 0.25 0.3 1.0])",
    "quantized_linear(8,0,1)",
    "quantized_linear(8,0,1,alpha=0.25)",
    "quantized_linear(1,0,1)",
    "quantized_linear(5,0,0,alpha=0.3)",
    "quantized_relu(6,2)",
    "quantized_relu(6,2,negative_slope=0.125)",
    "quantized_relu(4,1,negative_slope=1.0)",
    "quantized_relu(4,0,use_sigmoid=True)",
    "quantized_relu(4,1,use_sigmoid=True,negative_slope=0.25)",
    "quantized_relu(6,3,relu_upper_bound=6,is_quantized_clip=False)",
    "quantized_relu(6,3,relu_upper_bound=5.3,is_quantized_clip=False)",
    "quantized_relu(3,0,negative_slope=0.0625)",
    "quantized_sigmoid(8)",
    "quantized_sigmoid(6,symmetric=True,internal_sigmoid='smooth')",
    "quantized_sigmoid(8,use_real_sigmoid=True)",
    "quantized_tanh(8)",
    "quantized_tanh(6,internal_sigmoid='smooth')",
    "quantized_tanh(6,internal_sigmoid='real')",
    "quantized_tanh(8,use_real_tanh=True)",
    "quantized_tanh(5,symmetric=True,use_real_tanh=True)",
    "quantized_hswish(8,2,0)",
    "quantized_hswish(6,1,1,alpha=0.5)",
    "quantized_po2(4)",
    "quantized_po2(4,1)",
    "quantized_po2(4,3,quadratic_approximation=True)",
    "quantized_po2(4,1,log2_rounding='floor')",
    "quantized_po2(3,quadratic_approximation=True,log2_rounding='floor')",
    "quantized_relu_po2(4)",
    "quantized_relu_po2(4,4,negative_slope=0.25)",
    "quantized_relu_po2(3,2)",
    "binary()",
    "binary(use_01=True)",
    "binary(alpha=0.5)",
    "ternary()",
    "ternary(alpha=0.5,threshold=0.6)",
    "stochastic_binary()",
    "stochastic_ternary()",
    "binary_sigmoid",
    "binary_tanh",
    "hard_sigmoid",
    "smooth_sigmoid",
    "hard_tanh",
    "smooth_tanh",
    "relu",
    "linear",
)
WEIGHTS = (
    "quantized_bits(8,0,0)",
    "quantized_bits(4,0,1,alpha=0.3)",
    "quantized_bits(4,0,0,alpha=[0.5 0.25 0.3])",
    "quantized_bits(4,0,0,alpha='auto')",
    "quantized_bits(4,0,0,alpha='auto_po2')",
    "quantized_bits(4,0,0,keep_negative=False,alpha='auto_po2')",
    "quantized_bits(1,0,0)",
    "quantized_bits(2,0,0,alpha='auto',scale_axis=0)",
    "quantized_linear(5,0,1)",
    "quantized_linear(5,0,1,alpha='auto')",
    "quantized_linear(4,0,0,alpha='auto_po2')",
    "quantized_linear(1,0,1,alpha='auto_po2')",
    "quantized_linear(4,1,1,alpha=0.7)",
    "quantized_relu(4,0)",
    "quantized_relu(4,0,negative_slope=0.25)",
    "quantized_sigmoid(4,use_real_sigmoid=True)",
    "quantized_tanh(4)",
    "quantized_hswish(5,1,0)",
    "quantized_po2(4)",
    "quantized_po2(4,1)",
    "quantized_relu_po2(4,1)",
    "quantized_relu_po2(3,2,negative_slope=0.5)",
    "binary()",
    "binary(use_01=True)",
    "binary(alpha='auto')",
    "binary(alpha='auto_po2')",
    "ternary()",
    "ternary(alpha='auto')",
    "ternary(alpha='auto_po2')",
    "stochastic_binary(alpha='auto')",
    "stochastic_ternary(alpha='auto_po2')",
    "binary_sigmoid",
    "binary_tanh",
)
CHANNELS = 4  # of an activation
ROWS, COLUMNS = 6, 3  # of a weight


def tensors(**shapes: list[int]) -> list[Any]:
    return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]


def model(nodes: list[Any], inputs: list[Any], outputs: list[Any], constants: list[Any] | None = None) -> Any:
    graph = helper.make_graph(nodes, "g", inputs, outputs, constants or [])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21), onnx_ops.opset()])


def activation_model(specs: tuple[str, ...]) -> Any:
    names = [f"y{i}" for i in range(len(specs))]
    nodes = [onnx_ops.quantizer_node(s, "x", y, name=f"{y}_q") for s, y in zip(specs, names, strict=True)]
    return model(nodes, tensors(x=[1, CHANNELS]), tensors(**{name: [1, CHANNELS] for name in names}))


def weights(seed: int) -> Any:
    values = np.random.default_rng(seed).normal(size=(ROWS, COLUMNS)).astype(np.float32)
    values[0, 0] = 0.0
    return values


def weight_model(specs: tuple[str, ...]) -> Any:
    nodes, constants, outputs = [], [], {}
    for i, spec in enumerate(specs):
        constants.append(numpy_helper.from_array(weights(i), f"w{i}"))
        nodes.append(onnx_ops.quantizer_node(spec, f"w{i}", f"wq{i}", name=f"w{i}_q"))
        nodes.append(helper.make_node("MatMul", ["x", f"wq{i}"], [f"y{i}"], name=f"y{i}_mm"))
        outputs[f"y{i}"] = [1, COLUMNS]
    return model(nodes, tensors(x=[1, ROWS]), tensors(**outputs), constants)


def every_code(width: int, frac: int) -> Any:
    half = 1 << (width - 1)
    return np.ldexp(np.arange(-half, half), -frac).astype(np.float32).reshape(-1, CHANNELS)


def outputs_of(design: Any, x: Any) -> dict[str, Any]:
    result = design.simulate(x)
    return result if isinstance(result, dict) else {design.outputs[0].name: result}


@pytest.mark.parametrize("spec", ACTIVATIONS)
def test_an_activation_equals_the_quantizer_and_onnx_reference_for_every_code(spec: str):
    x = every_code(10, 6)
    proto = activation_model((spec,))
    design = hwq.compile(proto, {"input_types": {"x": "ap_fixed<10,4>"}})
    got = design.simulate(x).astype(np.float32)
    assert np.array_equal(got, hwq.quantizer(spec)(x))
    evaluator = ReferenceEvaluator(proto, new_ops=onnx_ops.reference_ops())
    assert np.array_equal(got, evaluator.run(None, {"x": x})[0])


MONOTONE = [s for s in ACTIVATIONS if "hswish" not in s and "quadratic" not in s and "=[" not in s]


@pytest.mark.parametrize("spec", MONOTONE)
def test_an_activation_of_wide_accumulators_equals_the_quantizer(spec: str):
    """A dense layer before it: 20-bit codes, too many for a table, still exact in float32."""
    matrix = np.ldexp(np.asarray([[5.0, -3.0, 1.0, 0.0], [7.0, 2.0, -9.0, 15.0]], dtype=np.float32), -3)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["a"]), onnx_ops.quantizer_node(spec, "a", "y", name="act")]
    inputs, outputs = tensors(x=[1, 2]), tensors(y=[1, 4])
    proto = model(nodes, inputs, outputs, [numpy_helper.from_array(matrix, "w")])
    design = hwq.compile(proto, {"input_types": {"x": "ap_fixed<16,3>"}})
    x = np.ldexp(np.random.default_rng(3).integers(-(1 << 14), 1 << 14, (200, 2)), -13).astype(np.float32)
    x[:40] = np.ldexp(np.rint(np.ldexp(x[:40], 6)), -6)
    assert np.array_equal(design.simulate(x).astype(np.float32), hwq.quantizer(spec)(x @ matrix))


@pytest.mark.parametrize("spec", ["quantized_po2(4,3,quadratic_approximation=True)"])
def test_a_function_that_turns_of_wide_accumulators_asks_for_a_quantizer(spec: str):
    nodes = [onnx_ops.quantizer_node(spec, "x", "y", name="act")]
    proto = model(nodes, tensors(x=[1, 4]), tensors(y=[1, 4]))
    with pytest.raises(hwq.HwqError, match=r"node 'act'.*too many for a table; put a quantizer of at most 16 bits"):
        hwq.compile(proto, {"input_types": {"x": "ap_fixed<20,6>"}})


@pytest.mark.parametrize(
    "chain",
    [
        ("quantized_ulaw(6,1,0)", "quantized_bits(8,1,0)"),
        ("quantized_ulaw(4,0,1,internal_sigmoid='real')", "quantized_bits(8,0,1)"),
        ("sigmoid", "quantized_bits(8,0,1)"),
        ("tanh", "quantized_linear(6,0,1)"),
        ("hard_sigmoid", "quantized_bits(5,0,0,keep_negative=False)"),
        ("smooth_tanh", "binary()"),
        ("quantized_relu(4,1,use_sigmoid=True,negative_slope=0.25)", "quantized_po2(4,1)"),
    ],
    ids=str,
)
def test_a_chain_of_two_equals_onnx_reference_for_every_code(chain: tuple[str, str]):
    x = every_code(9, 6)
    nodes = [
        onnx_ops.quantizer_node(chain[0], "x", "h", name="first"),
        onnx_ops.quantizer_node(chain[1], "h", "y", name="second"),
    ]
    proto = model(nodes, tensors(x=[1, CHANNELS]), tensors(y=[1, CHANNELS]))
    design = hwq.compile(proto, {"input_types": {"x": "ap_fixed<9,3>"}})
    evaluator = ReferenceEvaluator(proto, new_ops=onnx_ops.reference_ops())
    assert np.array_equal(design.simulate(x).astype(np.float32), evaluator.run(None, {"x": x})[0])


def exact_weights(spec: str, values: Any) -> Any:
    """The law of the quantizer in fractions: unscaled values, which are dyadic, times the float32 scale."""
    q = hwq.quantizer(spec)
    codes = q.encode(values)
    unit = q if q.is_auto or getattr(q, "alpha", None) is None else replace(q, **{"alpha": 1.0})
    units = unit.unit_values(codes)
    scale = np.broadcast_to(np.float32(1) if q.scale is None else q.scale, units.shape)
    exact = np.frompyfunc(lambda u, s: Fraction(float(u)) * Fraction(float(s)), 2, 1)
    return exact(units, scale)


@pytest.mark.parametrize("spec", WEIGHTS)
def test_a_weight_has_the_quantizers_codes_and_exact_scale(spec: str):
    proto = weight_model((spec,))
    design = hwq.compile(proto, {"input_types": {"x": "ap_fixed<5,5>"}})
    x = np.random.default_rng(5).integers(-16, 16, (20, ROWS))
    codes = design.simulate(x, codes=True)
    port = design.graph.outputs[0]
    scale = np.broadcast_to(port.scale, (1, COLUMNS))
    offset = np.broadcast_to(port.offset, (1, COLUMNS))
    wanted = x.astype(object) @ exact_weights(spec, weights(0))
    assert np.array_equal(codes.astype(object) * scale + offset, wanted)


def test_a_kernel_in_keras_layout_keeps_its_scale_per_output_channel_through_a_transpose():
    kernel = np.random.default_rng(8).normal(size=(2, 2, 3, 4)).astype(np.float32) * [0.1, 1.0, 3.0, 9.0]
    nodes = [
        onnx_ops.quantizer_node("quantized_bits(4,0,1,alpha='auto_po2')", "k", "kq", name="kq"),
        helper.make_node("Transpose", ["kq"], ["w"], perm=[3, 2, 0, 1]),
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv"),
        onnx_ops.quantizer_node("quantized_relu(6,3)", "c", "y", name="act"),
    ]
    constants = [numpy_helper.from_array(kernel.astype(np.float32), "k")]
    proto = model(nodes, tensors(x=[1, 3, 5, 5]), tensors(y=[1, 4, 4, 4]), constants)
    design = hwq.compile(proto, {"input_types": {"x": "ap_fixed<6,3>"}})
    x = np.ldexp(np.random.default_rng(9).integers(-32, 32, (8, 3, 5, 5)), -3).astype(np.float32)
    evaluator = ReferenceEvaluator(proto, new_ops=onnx_ops.reference_ops())
    wanted = np.concatenate([evaluator.run(None, {"x": one[None]})[0] for one in x])
    assert np.array_equal(design.simulate(x).reshape(wanted.shape).astype(np.float32), wanted)


def test_every_quantizer_has_a_case_as_activation_and_as_weight():
    functions = {"hard_sigmoid", "smooth_sigmoid", "hard_tanh", "smooth_tanh", "relu", "linear"}
    chained = {"quantized_ulaw", "sigmoid", "tanh"}
    activations = {s.partition("(")[0] for s in ACTIVATIONS}
    assert set(QUANTIZERS) == activations | chained | {"bernoulli"}
    assert set(QUANTIZERS) == {s.partition("(")[0] for s in WEIGHTS} | functions | chained | {"bernoulli"}


LADDER = [("vivado", "parallel"), ("catapult", "parallel"), ("native", "stream")]
LADDER_TOO = [
    ("native", "parallel"),
    ("vitis", "parallel"),
    ("vivado", "stream"),
    ("catapult", "stream"),
]


@pytest.mark.parametrize(
    ("target", "io"), [*LADDER, *(pytest.param(*rung, marks=pytest.mark.slow) for rung in LADDER_TOO)]
)
def test_all_activations_and_weights_in_cpp_equal_the_simulator(target: str, io: str, tmp_path: Path):
    if find_headers(get_target(target)) is None:
        pytest.skip("no headers: pip install da4ml")
    first, second = activation_model(ACTIVATIONS).graph, weight_model(WEIGHTS).graph
    for node in second.node:  # one program for both
        for names in (node.input, node.output):
            names[:] = [f"m_{n}" for n in names]
    rename = [helper.make_tensor_value_info(f"m_{t.name}", TensorProto.FLOAT, [1, COLUMNS]) for t in second.output]
    constants = [numpy_helper.from_array(numpy_helper.to_array(t), f"m_{t.name}") for t in second.initializer]
    inputs = [*first.input, *tensors(m_x=[1, ROWS])]
    proto = model([*first.node, *second.node], inputs, [*first.output, *rename], constants)
    design = hwq.compile(proto, {"input_types": {"x": "ap_fixed<10,4>", "m_x": "ap_fixed<5,5>"}, "io": io})
    x = every_code(10, 6)
    other = np.random.default_rng(5).integers(-16, 16, (len(x), ROWS)).astype(float)
    result = design.export(tmp_path / "p", target).verify({"x": x, "m_x": other})
    assert result, f"{result.first} {result.fault}"


def test_a_ulaw_without_a_quantizer_behind_it_is_a_table_of_sixteen_bit_words(tmp_path: Path):
    """At the output, and before a product: within half a word's step of the package's law, the same in C++."""
    nodes = [
        onnx_ops.quantizer_node("quantized_ulaw(6,1,0)", "x", "y", name="act"),
        helper.make_node("MatMul", ["y", "w"], ["z"], name="product"),
    ]
    weights = np.ldexp(np.asarray([[5, -3], [7, 2], [1, -9], [0, 4]], dtype=np.float32), -3)
    proto = model(nodes, tensors(x=[1, 4]), tensors(y=[1, 4], z=[1, 2]), [numpy_helper.from_array(weights, "w")])
    design = hwq.compile(proto, {"input_types": {"x": "ap_fixed<10,4>"}})
    x = every_code(10, 6)
    got, law = design.simulate(x), hwq.quantizer("quantized_ulaw(6,1,0)")(x).astype(np.float64)
    step = 2.0**-14  # values from -2 to 2
    assert np.abs(got["y"].reshape(law.shape) - law).max() <= step / 2 + 1e-6
    assert np.array_equal(got["z"], got["y"] @ weights)
    result = design.export(tmp_path / "p").verify(x, types="native")
    assert result, str(result.first)


REFUSED = {
    "bernoulli": ("bernoulli()", "draws at random, at inference too.*; draw with --stochastic SEED, or use binary"),
    "noise": ("quantized_bits(8,0,1,qnoise_factor=0.5)", "qnoise_factor=0.5 .*; set it to 1"),
    "auto": ("quantized_bits(8,0,1,alpha='auto')", "alpha='auto' on an activation.*; use alpha None"),
    "powers": ("quantized_po2(8)", r"powers of two from 2\^-64 to 2\^63.*; use fewer bits or a max_value"),
    "channels": ("quantized_bits(4,0,0,alpha=[0.5 0.25 0.3])", r"a scale of shape \[3\] for an activation of \[1, 4\]"),
}


@pytest.mark.parametrize(("spec", "message"), REFUSED.values(), ids=REFUSED)
def test_what_hardware_cannot_have_as_an_activation_is_refused_with_a_remedy(spec: str, message: str):
    with pytest.raises(hwq.HwqError, match=message) as caught:
        hwq.compile(activation_model((spec,)), {"input_types": {"x": "ap_fixed<8,4>"}})
    assert "\n" not in str(caught.value)


REFUSED_WEIGHTS = {
    "bernoulli": ("bernoulli()", "draws at random"),
    "powers": ("quantized_po2(8)", r"node 'w0_q'.*powers of two from 2\^-64.*; use fewer bits or a max_value"),
    "law": ("quantized_ulaw(6,0,0)", "lie on no grid; use quantized_bits"),
    "noise": ("quantized_linear(4,0,1,qnoise_factor=0.0)", "qnoise_factor=0"),
}


@pytest.mark.parametrize(("spec", "message"), REFUSED_WEIGHTS.values(), ids=REFUSED_WEIGHTS)
def test_what_hardware_cannot_have_as_a_weight_is_refused_with_a_remedy(spec: str, message: str):
    with pytest.raises(hwq.HwqError, match=message):
        hwq.compile(weight_model((spec,)), {"input_types": {"x": "ap_fixed<5,5>"}})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda n: setattr(n, "op_type", "quantized_nothing"), "hwq does not compile this op of domain 'qkeras'"),
        (lambda n: setattr(n, "op_type", "stochastic_round"), "draws at random; draw with --stochastic SEED"),
        (lambda n: n.attribute.append(helper.make_attribute("depth", 3)), "has no parameter 'depth'"),
        (lambda n: n.input.append("x"), "2 inputs and 1 outputs"),
    ],
    ids=["unknown op", "random function", "unknown attribute", "two inputs"],
)
def test_a_node_that_is_no_quantizer_is_refused_by_name(change: Any, message: str):
    proto = activation_model(("quantized_bits(8,0,1)",))
    if "draws" in message:
        del proto.graph.node[0].attribute[:]
    change(proto.graph.node[0])
    with pytest.raises(hwq.HwqError, match=message) as caught:
        hwq.compile(proto, {"input_types": {"x": "ap_fixed<8,4>"}})
    assert "node 'y0_q'" in str(caught.value)


@pytest.mark.parametrize("spec", [*ACTIVATIONS, *WEIGHTS])
def test_a_node_reads_back_to_the_quantizer_it_was_built_from(spec: str):
    q = hwq.quantizer(spec)
    node = onnx_ops.quantizer_node(q, "x", "y")
    assert (node.op_type, node.domain) == (q.NAME, "qkeras")
    values = {
        a.name: helper.get_attribute_value(a) for a in onnx.NodeProto.FromString(node.SerializeToString()).attribute
    }
    assert onnx_ops.quantizer_of(node.op_type, values) == q


def single_precision(config: Any) -> Any:
    """The config with floats as the float32 that they mean."""
    if isinstance(config, dict):
        return {key: single_precision(value) for key, value in config.items()}
    if isinstance(config, list):
        return [single_precision(value) for value in config]
    return float(np.float32(config)) if isinstance(config, float) else config


def test_every_golden_configuration_reads_back_from_its_node():
    from test_quantizers_golden import CASES, make

    for case in CASES:
        q = make(case)
        node = onnx_ops.quantizer_node(q, "x", "y")
        values = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        back = onnx_ops.quantizer_of(node.op_type, values)
        assert single_precision(back.config) == single_precision(q.config), case


def test_nested_scales_survive_as_a_tensor():
    q = hwq.quantizer("quantized_bits", bits=4, alpha=[[0.5, 0.25], [1.0, 2.0]])
    values = {a.name: helper.get_attribute_value(a) for a in onnx_ops.quantizer_node(q, "x", "y").attribute}
    assert onnx_ops.quantizer_of("quantized_bits", values) == q


def test_shapes_pass_through_quantizers():
    spec = "quantized_relu(4,1)"
    nodes = [
        onnx_ops.quantizer_node(spec, "x", "a", name="a"),
        helper.make_node("Transpose", ["a"], ["b"], perm=[1, 0]),
        onnx_ops.quantizer_node(spec, "b", "y", name="y"),
    ]
    proto = model(nodes, tensors(x=[2, 5]), [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    inferred = onnx_ops.infer_shapes(proto)
    shapes = {t.name: [d.dim_value for d in t.type.tensor_type.shape.dim] for t in inferred.graph.value_info}
    shapes["y"] = [d.dim_value for d in inferred.graph.output[0].type.tensor_type.shape.dim]
    assert shapes == {"a": [2, 5], "b": [5, 2], "y": [5, 2]}
    assert inferred.graph.node[0] == nodes[0]
