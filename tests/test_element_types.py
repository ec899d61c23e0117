"""Element types: never lost on the way, integers that wrap or are refused, constants folded in their own type."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import hwq
from hwq.errors import HwqError, ModelError, SpecError, UnsupportedError
from hwq.frontends import integer_tensors
from hwq.frontends.element_types import INTEGER_BITS, LATEST, integer_range, output_types, schema_of, typed
from hwq.frontends.onnx import STANDARD

FLOAT, INT8, UINT8, INT32, INT64 = (int(getattr(TensorProto, k)) for k in ("FLOAT", "INT8", "UINT8", "INT32", "INT64"))
DTYPES = {INT8: np.int8, UINT8: np.uint8, TensorProto.INT16: np.int16, TensorProto.UINT16: np.uint16, INT32: np.int32}


def constant(name: str, values: Any, dtype: Any = np.float32) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(values, dtype=dtype), name)


def node(kind: str, inputs: str, outputs: str, **attributes: Any) -> onnx.NodeProto:
    read = ["" if i == "_" else i for i in inputs.split()]
    return helper.make_node(kind, read, outputs.split(), name=f"{kind}_{outputs.split()[0]}", **attributes)


def model(
    nodes: list[onnx.NodeProto],
    constants: list[onnx.TensorProto],
    shape: tuple[int, ...] = (1, 4),
    kind: int = FLOAT,
    out: int = FLOAT,
    opset: int = 17,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", out, None)],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def by_onnxruntime(proto: onnx.ModelProto, x: Any) -> Any:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


SCALE, SHAPES = constant("s", 0.25), [constant("one", [1], np.int64), constant("axis", [0], np.int64)]
WAYS = {
    "Identity": [node("Identity", "z", "t")],
    "Reshape": [node("Reshape", "z one", "t")],
    "Squeeze": [node("Unsqueeze", "z axis", "u"), node("Squeeze", "u axis", "t")],
    "Neg": [node("Neg", "z", "t")],
    "Slice": [node("Unsqueeze", "z axis", "u"), node("Slice", "u axis one axis", "t")],
    "Concat": [node("Unsqueeze", "z axis", "u"), node("Concat", "u", "t", axis=0)],
    "ConstantOfShape": [node("ConstantOfShape", "none", "t", value=constant("v", [3], np.int8))],
    "Constant": [node("Constant", "", "t", value=constant("v", 3, np.int8))],
    "Cast": [node("Cast", "f", "t", to=INT8)],
    "Mul": [node("Mul", "z z", "t")],
    "Where": [node("Where", "yes z z", "t")],
    "Max": [node("Max", "z z", "t")],
}


@pytest.mark.parametrize("way", sorted(WAYS))
def test_the_type_of_a_zero_point_survives(way: str):
    stored = [
        constant("z", 3, np.int8),
        constant("f", 3.0),
        constant("yes", True, bool),
        constant("none", [], np.int64),
    ]
    nodes = [*WAYS[way], node("QuantizeLinear", "x s t", "q"), node("DequantizeLinear", "q s t", "y")]
    proto = model(nodes, [SCALE, *SHAPES, *stored])
    x = np.asarray([[-100, -1, 0.5, 100]], dtype=np.float32)
    np.testing.assert_array_equal(hwq.compile(proto).simulate(x), by_onnxruntime(proto, x))


CONSTANTS = {
    "uint8 Sub wraps": ([node("Sub", "a b", "k")], [3, 5, 200, 7], [5, 3, 100, 7], np.uint8),
    "int8 Add wraps": ([node("Add", "a b", "k")], [100, -100, 1, 2], [100, -100, 1, 2], np.int8),
    "int32 Mul wraps": ([node("Mul", "a b", "k")], [1 << 20, 3, -5, 7], [1 << 13, 3, 5, 7], np.int32),
    "int8 Neg wraps": ([node("Neg", "a", "k")], [-128, 1, 2, 3], [0, 0, 0, 0], np.int8),
    "int8 Abs wraps": ([node("Abs", "a", "k")], [-128, -1, 2, 3], [0, 0, 0, 0], np.int8),
    "int32 Div truncates": ([node("Div", "a b", "k")], [-7, 7, -8, 9], [2, -2, 3, 4], np.int32),
    "Cast to int8 wraps": ([node("Cast", "a", "k", to=INT8)], [300, -129, 5, 128], [0, 0, 0, 0], np.int32),
    "Cast to uint8 wraps": ([node("Cast", "a", "k", to=UINT8)], [300, -1, 5, 256], [0, 0, 0, 0], np.int64),
    "Cast to float16 rounds": ([node("Cast", "a", "k", to=10)], [0.1, 1.0009, 2049, 1e-7], [0, 0, 0, 0], np.float32),
    "Cast to bfloat16 rounds": ([node("Cast", "a", "k", to=16)], [0.1, 1.003, 257, 1e-7], [0, 0, 0, 0], np.float32),
}


@pytest.mark.parametrize("what", sorted(CONSTANTS))
def test_constants_are_folded_in_their_own_type(what: str):
    nodes, a, b, dtype = CONSTANTS[what]
    proto = model(
        [*nodes, node("Cast", "k", "f", to=FLOAT), node("Add", "x f", "y")],
        [constant("a", a, dtype), constant("b", b, dtype)],
    )
    design = hwq.compile(proto, {"input_types": {"x": "ap_fixed<8,4>"}})
    x = np.zeros((1, 4), dtype=np.float32)
    np.testing.assert_array_equal(design.simulate(x).astype(np.float32), by_onnxruntime(proto, x))


FOLDED = {
    "Gemm": node("Gemm", "m m c", "k", alpha=0.5),
    "MatMul": node("MatMul", "m m", "k"),
    "Softmax": node("Softmax", "m", "k", axis=1),
    "BatchNormalization": node("BatchNormalization", "m c c c v", "k"),
    "Conv": node("Conv", "i w", "k"),
    "MaxPool": node("MaxPool", "i", "k", kernel_shape=[2, 2]),
    "ReduceMean": node("ReduceMean", "m", "k", axes=[1]),
    "ArgMax": node("ArgMax", "m", "k", axis=1),
    "LayerNormalization": node("LayerNormalization", "m c", "k"),
    "CumSum": node("CumSum", "m axis0", "k"),
    "Einsum": node("Einsum", "m m", "k", equation="ij,kj->ik"),
    "OneHot": node("OneHot", "hot depth levels", "k"),
    "Trilu": node("Trilu", "m", "k"),
    "GatherElements": node("GatherElements", "m picks", "k", axis=1),
    "Resize": node("Resize", "i _ up", "k", mode="linear"),
}


@pytest.mark.parametrize("kind", sorted(FOLDED))
def test_any_op_on_constants_is_folded(kind: str):
    rng = np.random.default_rng(3)
    stored = [
        constant("m", rng.integers(-3, 4, (4, 4))),
        constant("c", rng.integers(1, 4, 4)),
        constant("v", [1, 4, 9, 16]),
        constant("i", rng.integers(-3, 4, (1, 1, 4, 4))),
        constant("w", rng.integers(-3, 4, (1, 1, 2, 2))),
        constant("axis0", 0, np.int64),
        constant("hot", [1, 0, 2], np.int64),
        constant("depth", 4, np.int64),
        constant("levels", [0, 2]),
        constant("picks", rng.integers(0, 4, (4, 4)), np.int64),
        constant("up", [1, 1, 2, 2]),
    ]
    to_float = node("Cast", "k", "f", to=FLOAT)
    total = node("ReduceSum", "f", "t", keepdims=0)
    proto = model([FOLDED[kind], to_float, total, node("Add", "x t", "y")], stored)
    x = np.zeros((1, 4), dtype=np.float32)
    made = hwq.compile(proto, {"input_types": {"x": "ap_fixed<8,4>"}}).simulate(x)
    np.testing.assert_allclose(made, by_onnxruntime(proto, x), rtol=1e-5)


def test_every_standard_op_says_what_it_does_to_integers():
    sets = (integer_tensors.EXACT, integer_tensors.KEPT, integer_tensors.TRUNCATED, integer_tensors.OPEN)
    named = frozenset[str]().union(*sets)
    assert sum(map(len, sets)) == len(named)
    assert named <= set(STANDARD)
    for kind in set(STANDARD) - named:  # no schema of theirs takes integers
        schema = schema_of(kind, LATEST)
        first = schema.inputs[0].type_str if schema and schema.inputs else ""
        allowed = [c.allowed_type_strs for c in schema.type_constraints if c.type_param_str == first] if schema else []
        assert not allowed or not any("int" in t for t in allowed[0]), kind


ON_INTEGERS = {
    "Add": [node("Add", "x c", "y")],
    "Add of itself": [node("Add", "x x", "y")],
    "Sub": [node("Sub", "x c", "y")],
    "Mul": [node("Mul", "x c", "y")],
    "Neg": [node("Neg", "x", "y")],
    "Abs": [node("Abs", "x", "y")],
    "Div": [node("Div", "x c", "y")],
    "Div by minus two": [node("Neg", "c", "n"), node("Div", "x n", "y")],
    "Max": [node("Max", "x c", "y")],
    "Min": [node("Min", "x c", "y")],
    "Relu": [node("Relu", "x", "y")],
    "Clip": [node("Clip", "x _ c", "y")],
    "Sign": [node("Sign", "x", "y")],
    "Transpose": [node("Transpose", "x", "y")],
    "ReduceSum": [node("ReduceSum", "x", "y")],
    "ReduceMax": [node("ReduceMax", "x", "y")],
    "ReduceMean": [node("ReduceMean", "x", "y")],
    "Pow": [node("Pow", "x c", "y")],
    "Concat": [node("Concat", "x x", "y", axis=1)],
    "Slice": [node("Slice", "x axis one one", "y")],
    "Cast": [node("Cast", "x", "f", to=FLOAT), node("Mul", "f half", "y")],
    "Cast narrower": [node("Cast", "x", "t", to=INT8), node("Cast", "t", "y", to=INT32)],
    "ArgMax": [node("ArgMax", "x", "y", axis=1)],
    "ArgMax then Div": [node("ArgMax", "x", "a", axis=1), node("Div", "a two", "y")],
}
SMALL = (-20, 20)


def taken(proto: onnx.ModelProto) -> bool:
    """Whether ONNX' own type inference finds the model valid."""
    try:
        onnx.shape_inference.infer_shapes(proto, check_type=True, strict_mode=True)
    except onnx.shape_inference.InferenceError:
        return False
    return True


@pytest.mark.parametrize("kind", sorted(DTYPES))
@pytest.mark.parametrize("what", sorted(ON_INTEGERS))
def test_integer_activations_are_onnx_integers_or_refused(what: str, kind: int):
    """Values are small (the input's type is stated), so that no result can wrap: each is onnxruntime's, or refused."""
    dtype, signed = DTYPES[kind], INTEGER_BITS[kind][1]
    stored = [constant("c", 2, dtype), constant("half", 0.5), constant("two", 2, np.int64), *SHAPES]
    proto = model(ON_INTEGERS[what], stored, kind=kind, out=0)
    values = np.random.default_rng(5).integers(SMALL[0] if signed else 0, SMALL[1], (9, 4))
    stated = "ap_int<6>" if signed else "ap_uint<5>"
    if what in ("ReduceMean", "Pow") or (not signed and what in ("Neg", "Sub", "Div by minus two")) or not taken(proto):
        with pytest.raises(HwqError, match=r"integers, for which|would wrap|does not take"):
            hwq.compile(proto, {"input_types": {"x": stated}})
        return
    made = np.asarray(hwq.compile(proto, {"input_types": {"x": stated}}).simulate(values))
    try:
        wanted = np.stack([by_onnxruntime(proto, v[None].astype(dtype)) for v in values])
    except Exception:  # onnxruntime has no kernel of this type
        run = ReferenceEvaluator(proto)
        wanted = np.stack([np.asarray(run.run(None, {"x": v[None].astype(dtype)})[0]) for v in values])
    np.testing.assert_array_equal(made.reshape(-1), wanted.reshape(-1))


@pytest.mark.parametrize("what", ["Add", "Add of itself", "Sub", "Mul", "Neg", "Abs", "Cast narrower"])
def test_integers_that_can_wrap_are_refused_with_their_range(what: str):
    kind, dtype = (INT32, np.int32) if what == "Cast narrower" else (INT8, np.int8)
    proto = model(ON_INTEGERS[what], [constant("c", 2, dtype), *SHAPES], kind=kind, out=0)
    with pytest.raises(UnsupportedError, match="would wrap: the tensor is int8"):
        hwq.compile(proto)


def test_division_truncates_toward_zero_over_all_of_int8():
    proto = model([node("Div", "x c", "y")], [constant("c", 7, np.int8)], (1, 256), INT8, INT8)
    x = np.arange(-128, 128).reshape(1, 256)
    np.testing.assert_array_equal(hwq.compile(proto).simulate(x).reshape(-1), np.trunc(x[0] / 7))


def test_linear_resize_of_integers_is_refused_and_nearest_is_not():
    nodes = [node("Resize", "x _ up", "y", mode="nearest", coordinate_transformation_mode="asymmetric")]
    proto = model(nodes, [constant("up", [1, 1, 2, 2])], (1, 1, 3, 3), UINT8, UINT8)
    x = np.arange(9, dtype=np.uint8).reshape(1, 1, 3, 3)
    np.testing.assert_array_equal(hwq.compile(proto).simulate(x).reshape(-1), by_onnxruntime(proto, x).reshape(-1))
    nodes[0] = node("Resize", "x _ up", "y", mode="linear", coordinate_transformation_mode="asymmetric")
    with pytest.raises(UnsupportedError, match="Resize of uint8"):
        hwq.compile(model(nodes, [constant("up", [1, 1, 2, 2])], (1, 1, 3, 3), UINT8, UINT8))


@pytest.mark.parametrize(("kind", "spec"), [(10, "ap_fixed<11,5>"), (16, "ap_fixed<8,5>")])
def test_a_cast_to_a_narrow_float_is_exact_or_refused(kind: int, spec: str):
    nodes = [node("Cast", "x", "h", to=kind), node("Cast", "h", "y", to=FLOAT)]
    x = np.linspace(-8, 7.75, 256).reshape(64, 4)
    design = hwq.compile(model(nodes, []), {"input_types": {"x": spec}})
    np.testing.assert_array_equal(design.simulate(x), hwq.quantizer("linear")(design.simulate(x)))
    with pytest.raises(UnsupportedError, match="that rounds"):
        hwq.compile(model(nodes, []), {"input_types": {"x": "ap_fixed<16,5>"}})


def test_a_value_past_float16_is_refused():
    nodes = [node("Cast", "x", "h", to=10), node("Cast", "h", "y", to=FLOAT)]
    with pytest.raises(UnsupportedError, match="infinite"):
        hwq.compile(model(nodes, []), {"input_types": {"x": "ap_fixed<8,20>"}})


@pytest.mark.parametrize("spec", ["ap_fixed<65,8>", "ap_ufixed<64,8>", "ap_fixed<100,8>"])
@pytest.mark.parametrize("kind", ["MatMul", "Conv"])
def test_codes_past_63_bits_are_multiplied_exactly(kind: str, spec: str):
    shape, weights = (
        ((1, 4), np.arange(8).reshape(4, 2) - 3) if kind == "MatMul" else ((1, 1, 4, 4), [[[[-3, 1], [2, 5]]]])
    )
    proto = model([node(kind, "x w", "y")], [constant("w", weights)], shape)
    x = (np.arange(2 * np.prod(shape)).reshape(2, *shape) * 0.75).astype(np.float32)
    wanted = np.stack([by_onnxruntime(proto, v) for v in x])
    made = hwq.compile(proto, {"input_types": {"x": spec}}).simulate(x)
    np.testing.assert_array_equal(made.reshape(-1), wanted.reshape(-1))


BOUNDS = {
    "the greatest floats": (-3.4028235e38, 3.4028235e38),
    "infinities": (-np.inf, np.inf),
    "min above max": (3.0, -2.0),
    "vectors of one": ([-1.0], [2.0]),
}


@pytest.mark.parametrize("what", sorted(BOUNDS))
def test_clip_bounds_are_onnxruntimes(what: str):
    lo, hi = BOUNDS[what]
    proto = model([node("Clip", "x lo hi", "y")], [constant("lo", lo), constant("hi", hi)])
    x = np.asarray([[-9, -1.5, 2, 7]], dtype=np.float32)
    made = hwq.compile(proto, {"input_types": {"x": "ap_fixed<8,5>"}}).simulate(x)
    np.testing.assert_array_equal(made, by_onnxruntime(proto, x))


@pytest.mark.parametrize(("lo", "hi"), [(np.nan, 1.0), (np.inf, None), (None, -np.inf), ([0.0, 1.0], None)])
def test_clip_bounds_that_mean_nothing_finite_are_refused(lo: Any, hi: Any):
    given = [constant(n, v) for n, v in (("lo", lo), ("hi", hi)) if v is not None]
    names = " ".join(n if v is not None else "_" for n, v in (("lo", lo), ("hi", hi)))
    with pytest.raises(HwqError, match="bound"):
        hwq.compile(model([node("Clip", f"x {names}", "y")], given), {"input_types": {"x": "ap_fixed<8,5>"}})


QUANTIZE, DEQUANTIZE = node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "y")
ZERO = constant("z", 0, np.int8)
TWICE = helper.make_node("Clip", ["x"], ["y"], min=0.0)
TWICE.attribute.append(helper.make_attribute("min", 1.0))
INVALID = {
    "a node that writes a name twice": ([node("Split", "x", "y y", axis=1)], [], "already defined"),
    "an attribute twice": ([TWICE], [], "given twice"),
    "floats to dequantize": ([node("DequantizeLinear", "x s", "y")], [SCALE], "no integer type"),
    "two types of zero point": (
        [QUANTIZE, node("DequantizeLinear", "q s u", "y")],
        [SCALE, ZERO, constant("u", 0, np.uint8)],
        "int8 and uint8",
    ),
    "a scale without elements": ([QUANTIZE, DEQUANTIZE], [constant("s", []), ZERO], "0 elements"),
    "a zero point that is NaN": ([QUANTIZE, DEQUANTIZE], [SCALE, constant("z", np.nan)], "no integer"),
    "a cast of NaN": (
        [node("Cast", "n", "k", to=INT64), node("Cast", "k", "f", to=FLOAT), node("Add", "x f", "y")],
        [constant("n", np.nan)],
        "of nan",
    ),
    "integers where only floats are allowed": (
        [QUANTIZE, node("Sigmoid", "q", "t"), node("Cast", "t", "y", to=FLOAT)],
        [SCALE, ZERO],
        "int8, which the op does not take",
    ),
    "axes twice": ([node("Unsqueeze", "x two", "y")], [constant("two", [0, -4], np.int64)], "name one twice"),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("what", sorted(INVALID))
def test_invalid_nodes_are_refused_in_one_line(what: str):
    nodes, stored, message = INVALID[what]
    with pytest.raises(HwqError, match=message) as caught:
        hwq.compile(model(nodes, stored), {"input_types": {"x": "ap_fixed<8,8>"}})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("again", ["", "ai.onnx"])
def test_one_domain_is_imported_once(again: str):
    proto = model([QUANTIZE, DEQUANTIZE], [SCALE, ZERO])
    proto.opset_import.append(helper.make_opsetid(again, 13))
    with pytest.raises(ModelError, match="imported twice"):
        hwq.compile(proto)


def test_the_standard_domain_may_be_spelt_out():
    """A Softmax of opset 12 flattens; were `ai.onnx` another domain, opset 0's rule would be taken."""
    nodes = [QUANTIZE, DEQUANTIZE]
    plain, spelt = model(nodes, [SCALE, ZERO]), model(nodes, [SCALE, ZERO])
    spelt.opset_import[0].domain = "ai.onnx"
    for n in spelt.graph.node:
        n.domain = "ai.onnx"
    assert str(hwq.compile(plain).graph) == str(hwq.compile(spelt).graph)


def test_reductions_over_an_axis_that_is_named_twice_divide_once():
    nodes = [QUANTIZE, node("DequantizeLinear", "q s z", "d"), node("ReduceMean", "d", "y", axes=[1, -1])]
    proto = model(nodes, [SCALE, ZERO])
    x = np.asarray([[1, 2, 3, 6]], dtype=np.float32)
    np.testing.assert_array_equal(hwq.compile(proto).simulate(x).reshape(-1), by_onnxruntime(proto, x).reshape(-1))


def test_a_cast_of_codes_to_their_own_type_is_nothing():
    nodes = [QUANTIZE, node("Cast", "q", "k", to=INT8), node("DequantizeLinear", "k s z", "y")]
    proto = model(nodes, [SCALE, ZERO])
    x = np.asarray([[-100, -0.3, 0.4, 100]], dtype=np.float32)
    np.testing.assert_array_equal(hwq.compile(proto).simulate(x), by_onnxruntime(proto, x))


def test_complex_data_is_refused_and_huge_data_saturates_without_a_warning():
    design = hwq.compile(model([QUANTIZE, DEQUANTIZE], [SCALE, ZERO]))
    with pytest.raises(SpecError, match="not numeric"):
        design.simulate(np.ones((1, 4), dtype=complex))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert design.simulate(np.asarray([[1e308, -1e308, 1e300, 0]])).tolist() == [[31.75, -32, 31.75, 0]]


def test_inferred_types_are_those_of_onnx():
    """Every standard op of one output type variable: what ONNX' own shape inference says of typical inputs."""
    assert output_types("", "Shape", 17, [FLOAT], {}, 1) == [INT64]
    assert output_types("", "ArgMax", 17, [INT8], {}, 1) == [INT64]
    assert output_types("", "ConvInteger", 17, [UINT8, INT8, UINT8, INT8], {}, 1) == [INT32]
    assert output_types("", "MatMulInteger", 17, [UINT8, INT8], {}, 1) == [INT32]
    assert output_types("", "QuantizeLinear", 17, [FLOAT, FLOAT, INT8], {}, 1) == [INT8]
    assert output_types("", "QuantizeLinear", 17, [FLOAT, FLOAT], {}, 1) == [UINT8]
    assert output_types("", "DequantizeLinear", 17, [INT8, FLOAT, INT8], {}, 1) == [FLOAT]
    assert output_types("", "QLinearConv", 17, [UINT8, FLOAT, UINT8, INT8, FLOAT, INT8, FLOAT, INT8], {}, 1) == [INT8]
    assert output_types("", "Cast", 17, [FLOAT], {"to": INT32}, 1) == [INT32]
    assert output_types("", "TopK", 17, [INT8, INT64], {}, 2) == [INT8, INT64]
    assert output_types("", "Where", 17, [9, INT8, INT8], {}, 1) == [INT8]
    assert output_types("com.microsoft", "QLinearAdd", 1, [UINT8, FLOAT, UINT8] * 2 + [FLOAT, INT8], {}, 1) == [INT8]
    assert output_types("qonnx.custom_op.general", "Quant", 1, [FLOAT] * 4, {}, 1) == [FLOAT]


@pytest.mark.parametrize("kind", sorted(k for k in INTEGER_BITS if INTEGER_BITS[k][0] <= 32))
def test_integers_wrap_to_their_range(kind: int):
    lo, hi = integer_range(kind)
    values = np.asarray([lo - 1, lo, hi, hi + 1, 0], dtype=np.int64)
    assert typed(values, kind).tolist() == [hi, lo, hi, lo, 0]


def test_narrow_floats_round_as_numpy_does():
    values = np.random.default_rng(0).normal(size=999) * 10.0 ** np.arange(-9, 9)[:, None]
    with np.errstate(over="ignore"):
        wanted = values.astype(np.float16).astype(np.float64)
    np.testing.assert_array_equal(typed(values, 10), wanted)
