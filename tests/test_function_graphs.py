"""Functions inside graphs: chains, joins, moves, wide accumulators, and what is refused with which remedy."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import hwq
from hwq.numeric.fixed import FixedType
from test_functions import CASES, MP, OUTPUTS, f32, model, nearest, quant_node, values_of, wanted_codes


def test_a_chain_of_elementwise_ops_becomes_one_table_equal_to_the_chain():
    x = values_of(FixedType(True, 8, 4))
    constants = [
        numpy_helper.from_array(np.float32(v), n) for n, v in (("half", 0.5), ("root", 0.70710678), ("one", 1.0))
    ]
    nodes = [
        helper.make_node("Mul", ["x", "root"], ["a"], name="a"),
        helper.make_node("Erf", ["a"], ["b"], name="b"),
        helper.make_node("Add", ["b", "one"], ["c"], name="c"),
        helper.make_node("Mul", ["x", "c"], ["d"], name="d"),
        helper.make_node("Mul", ["d", "half"], ["e"], name="e"),
        quant_node("e", "y", OUTPUTS[0], constants),
    ]
    design = hwq.compile(model(nodes, constants, x.size, ["y"]), {"input_types": {"x": "ap_fixed<8,4>"}})
    assert [n.op.kind for n in design.graph.nodes] == ["lut"]
    want = wanted_codes(lambda v: v * (1 + MP.erf(v * f32(0.70710678))) / 2, x, OUTPUTS[0])
    assert design.simulate(x[None], codes=True).reshape(-1).tolist() == want


def test_a_function_of_a_join_of_codes_with_themselves_is_a_table_of_those_codes():
    """The join's own codes would need 33 bits: 0.1 and the codes share no coarser grid."""
    x = values_of(FixedType(True, 7, 4))
    constants = [numpy_helper.from_array(np.float32(v), n) for n, v in (("lo", 0.1), ("hi", 3.1))]
    nodes = [
        helper.make_node("Clip", ["x", "lo", "hi"], ["c"], name="c"),
        helper.make_node("Mul", ["c", "x"], ["m"], name="m"),
        helper.make_node("Sin", ["m"], ["s"], name="s"),
        helper.make_node("Add", ["s", "x"], ["a"], name="a"),
        quant_node("a", "y", OUTPUTS[0], constants),
    ]
    design = hwq.compile(model(nodes, constants, x.size, ["y"]), {"input_types": {"x": "ap_fixed<7,3>"}})
    assert [n.op.kind for n in design.graph.nodes] == ["lut"]
    want = wanted_codes(lambda v: MP.sin(v * min(max(v, f32(0.1)), f32(3.1))) + v, x, OUTPUTS[0])
    assert design.simulate(x[None], codes=True).reshape(-1).tolist() == want


def test_slopes_per_channel_make_tables_per_channel():
    slopes = np.asarray([0.1, 0.25, -0.5, 1.0], dtype=np.float32)
    constants = [numpy_helper.from_array(slopes, "s")]
    nodes = [helper.make_node("PRelu", ["x", "s"], ["f"], name="prelu"), quant_node("f", "y", OUTPUTS[0], constants)]
    design = hwq.compile(model(nodes, constants, 4, ["y"]), {"input_types": {"x": "ap_fixed<8,3>"}})
    x = values_of(FixedType(True, 8, 5))
    got = design.simulate(np.repeat(x[:, None], 4, axis=1), codes=True)
    for c, slope in enumerate(slopes):
        want = wanted_codes(lambda v, s=slope: v if v > 0 else MP.mpf(float(s)) * v, x, OUTPUTS[0])
        assert got[:, c].tolist() == want


def wide_model(op: str) -> Any:
    """A dense layer of 16-bit inputs: accumulators far too wide for a table."""
    weights = np.asarray([[3.0, -5.0], [7.0, 2.0]], dtype=np.float32) / 4
    constants = [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(np.float32([0.3, -0.1]), "b")]
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["d"], name="dense"),
        helper.make_node(op, ["d"], ["f"], name="function"),
        quant_node("f", "y", (8, 1, 2.0**-7, 0.0, "ROUND"), constants),
    ]
    return model(nodes, constants, 2, ["y"]), weights


def test_a_monotone_function_of_wide_accumulators_becomes_exact_thresholds():
    proto, weights = wide_model("Tanh")
    design = hwq.compile(proto, {"input_types": {"x": "ap_fixed<16,4>"}})
    assert design.graph.nodes[-1].op.kind == "threshold"
    rng = np.random.default_rng(0)
    x = np.ldexp(rng.integers(-3000, 3000, (40, 2)).astype(float), -12)
    got = design.simulate(x, codes=True)
    for row, codes in zip(x, got, strict=True):
        sums = [sum(MP.mpf(float(v)) * float(w) for v, w in zip(row, column, strict=True)) for column in weights.T]
        values = [MP.tanh(s + f32(b)) for s, b in zip(sums, (0.3, -0.1), strict=True)]
        assert codes.tolist() == [min(max(nearest(v * 128, "ROUND"), -128), 127) for v in values]


def test_a_function_that_turns_often_of_wide_accumulators_names_the_quantizer_to_add():
    with pytest.raises(hwq.HwqError, match=r"Sin of codes .* too many for a table; put a quantizer of at most 16 bits"):
        hwq.compile(wide_model("Sin")[0], {"input_types": {"x": "ap_fixed<16,4>"}})


@pytest.mark.parametrize(
    "chain", [("Tanh", "Sign"), ("Elu", "Elu", "Floor"), ("Mish", "Sin", "ThresholdedRelu")], ids=str
)
def test_a_chain_through_irrational_values_may_end_in_rational_ones(chain: tuple[str, ...]):
    """floor(elu(elu(x))) is an integer although nothing before it is rational: digits alone would never decide it."""
    x, constants, values = (
        values_of(FixedType(True, 6, 3)),
        [],
        [MP.mpf(float(v)) for v in values_of(FixedType(True, 6, 3))],
    )
    names = ["x", *(f"t{i}" for i in range(len(chain)))]
    nodes = [
        helper.make_node(CASES[op][0], [a], [b], name=b, **CASES[op][1])
        for op, a, b in zip(chain, names, names[1:], strict=False)
    ]
    nodes.append(quant_node(names[-1], "y", (6, 1, 0.5, 0.0, "FLOOR"), constants))
    for op in chain:
        values = [CASES[op][2](v) for v in values]
    design = hwq.compile(model(nodes, constants, x.size, ["y"]), {"input_types": {"x": "ap_fixed<6,3>"}})
    want = [min(max(nearest(v * 2, "FLOOR"), -32), 31) for v in values]
    assert design.simulate(x[None], codes=True).reshape(-1).tolist() == want


def test_a_clamp_beside_the_range_is_a_constant():
    """Clip(x, -2.5, -2) of x in -0.5 .. 0.4375 is -2."""
    constants = [numpy_helper.from_array(np.float32(v), n) for n, v in (("lo", -2.5), ("hi", -2.0))]
    nodes = [
        helper.make_node("Clip", ["x", "lo", "hi"], ["c"], name="c"),
        helper.make_node("Add", ["c", "x"], ["s"], name="s"),
        quant_node("s", "y", (8, 1, 0.0625, 0.0, "ROUND"), constants),
    ]
    design = hwq.compile(model(nodes, constants, 2, ["y"]), {"input_types": {"x": "ap_fixed<4,0>"}})
    assert design.simulate(np.asarray([[-0.5, 0.4375]]), codes=True).tolist() == [[-40, -25]]


@pytest.mark.parametrize(
    ("op", "attributes"), [("LeakyRelu", {"alpha": 0.125}), ("LeakyRelu", {"alpha": -0.5}), ("Abs", {})]
)
def test_two_slopes_of_wide_codes_are_shifts_and_a_comparison(op: str, attributes: dict[str, float]):
    constants: list[Any] = []
    nodes = [
        helper.make_node(op, ["x"], ["f"], name="f", **attributes),
        quant_node("f", "y", (8, 1, 0.0625, 0.0, "ROUND"), constants),
    ]
    design = hwq.compile(model(nodes, constants, 4, ["y"]), {"input_types": {"x": "ap_fixed<20,6>"}})
    assert {n.op.kind for n in design.graph.nodes} == {"shift", "extremum"}
    x = np.ldexp(np.random.default_rng(1).integers(-(1 << 19), 1 << 19, (500, 4)).astype(float), -14)
    x[:200] = np.rint(np.ldexp(x[:200], 6)) / 64  # ties among them
    slope = Fraction(attributes.get("alpha", -1.0))
    want = [
        [min(max(round((v if v > 0 else slope * v) * 16), -128), 127) for v in map(Fraction, row)] for row in x.tolist()
    ]
    assert design.simulate(x, codes=True).tolist() == want


def test_two_slopes_of_wide_codes_need_no_quantizer():
    design = hwq.compile(single("Abs", False), {"input_types": {"x": "ap_fixed<24,8>"}})
    x = np.ldexp(np.random.default_rng(1).integers(-(1 << 23), 1 << 23, (50, 3)).astype(float), -16)
    assert np.array_equal(design.simulate(x), np.abs(x))


@pytest.mark.parametrize("op", ["Sigmoid", "Neg", "Softsign"])
def test_a_pool_and_a_slice_let_a_monotone_function_pass_to_the_quantizer(op: str):
    """max f(x) = f(max x): one table, after the pool."""
    shape, constants = (
        [1, 2, 4, 4],
        [numpy_helper.from_array(np.asarray(v), n) for n, v in (("a", [1]), ("b", [2]), ("c", [1]))],
    )
    nodes = [
        helper.make_node(op, ["x"], ["f"], name="f"),
        helper.make_node("Softplus", ["f"], ["g"], name="g"),
        helper.make_node("MaxPool", ["g"], ["p"], name="p", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Slice", ["p", "a", "b", "c"], ["s"], name="s"),
        quant_node("s", "y", OUTPUTS[0], constants),
    ]
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, d) for n, d in (("x", shape), ("y", [1, 1, 2, 2]))]
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("qonnx.custom_op.general", 1)]
    proto = helper.make_model(helper.make_graph(nodes, "g", infos[:1], infos[1:], constants), opset_imports=opsets)
    design = hwq.compile(proto, {"input_types": {"x": "ap_fixed<8,4>"}})
    assert sum(n.op.kind in ("lut", "threshold") for n in design.graph.nodes) == 1
    x = np.ldexp(np.random.default_rng(2).integers(-128, 128, (20, 2, 4, 4)).astype(float), -4)
    function = CASES[op][2]
    plain = np.frompyfunc(lambda v: MP.log(1 + MP.exp(function(MP.mpf(v)))), 1, 1)(x)
    pooled = plain[:, 1].reshape(20, 2, 2, 2, 2).max(axis=(2, 4))
    want = [[[min(nearest(v * 32, "ROUND"), 127) for v in row] for row in plane] for plane in pooled]
    assert design.simulate(x, codes=True).reshape(20, 2, 2).tolist() == want


def single(op: str, quantized: bool, **attributes: Any) -> Any:
    constants: list[Any] = []
    nodes = [helper.make_node(op, ["x"], ["f"], name="function", **attributes)]
    if quantized:
        nodes.append(quant_node("f", "y", OUTPUTS[0], constants))
    return model(nodes, constants, 3, ["y" if quantized else "f"])


def test_a_sum_of_a_function_without_a_quantizer_is_refused_by_name_with_a_remedy():
    nodes = [
        helper.make_node("Sigmoid", ["x"], ["f"], name="function"),
        helper.make_node("ReduceMean", ["f"], ["y"], name="mean", axes=[1]),
    ]
    with pytest.raises(hwq.HwqError, match=r"Sigmoid reaches it without a quantizer.*put a Quant node after Sigmoid"):
        hwq.compile(model(nodes, [], 3, ["y"]), {"input_types": {"x": "ap_fixed<8,4>"}})


@pytest.mark.parametrize(
    ("op", "of", "frac", "kind"),
    [
        ("Sigmoid", lambda v: 1 / (1 + MP.exp(-v)), 16, "u16.16"),
        ("Tanh", MP.tanh, 15, "s17.15"),
        ("Exp", MP.exp, 4, "u16.4"),
    ],
)
def test_a_function_that_leaves_the_design_is_rounded_once_to_sixteen_bits(op: str, of: Any, frac: int, kind: str):
    x = values_of(FixedType(True, 8, 4))
    design = hwq.compile(single(op, False), {"input_types": {"x": "ap_fixed<8,4>"}})
    assert str(design.outputs[0].type) == kind
    assert design.outputs[0].scale == 2.0**-frac
    rows = np.concatenate([x, x[:2]]).reshape(-1, 3)
    want = [nearest(of(v) * 2**frac, "ROUND") for v in rows.reshape(-1)]
    assert design.simulate(rows, codes=True).reshape(-1).tolist() == want


def test_a_monotone_function_of_an_accumulator_leaves_by_thresholds():
    rng = np.random.default_rng(3)
    constants = [numpy_helper.from_array((rng.integers(-99, 100, (3, 2)) / 128).astype(np.float32), "w")]
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"], name="product"),
        helper.make_node("Tanh", ["h"], ["y"], name="function"),
    ]
    design = hwq.compile(model(nodes, constants, 3, ["y"]), {"input_types": {"x": "ap_fixed<12,2>"}})
    x = rng.integers(-2048, 2048, (50, 3)) / 1024
    exact = [MP.tanh(MP.fsum(MP.mpf(a) * MP.mpf(float(b)) for a, b in zip(row, column, strict=True)))
             for row in x.tolist() for column in numpy_helper.to_array(constants[0]).T]  # fmt: skip
    want = [nearest(v * 2**15, "ROUND") for v in exact]
    assert design.simulate(x, codes=True).reshape(-1).tolist() == want


def test_an_output_type_is_the_quantizer_that_a_function_needs():
    config = {"input_types": {"x": "ap_fixed<8,4>"}, "output_types": {"f": "ap_ufixed<8,0>"}}
    design = hwq.compile(single("Sigmoid", False), config)
    assert design.simulate(np.zeros((1, 3)), codes=True).tolist() == [[128, 128, 128]]


def test_a_function_of_an_untyped_model_input_asks_for_the_input_type():
    with pytest.raises(hwq.HwqError, match=r"--input-type 'x="):
        hwq.compile(single("Sigmoid", True))


def test_a_point_without_a_value_is_refused_with_a_remedy():
    with pytest.raises(hwq.HwqError, match=r"Log is not defined at .* put a Clip before it"):
        hwq.compile(single("Log", True), {"input_types": {"x": "ap_fixed<8,4>"}})


@pytest.mark.parametrize("op", ["Abs", "Sign", "Floor", "LeakyRelu"])
def test_values_that_lie_on_a_grid_need_no_quantizer(op: str):
    attributes = {"alpha": 0.25} if op == "LeakyRelu" else {}
    design = hwq.compile(single(op, False, **attributes), {"input_types": {"x": "ap_fixed<8,4>"}})
    x = values_of(FixedType(True, 8, 4))[:255].reshape(-1, 3)
    want = {"Abs": np.abs, "Sign": np.sign, "Floor": np.floor, "LeakyRelu": lambda v: np.where(v < 0, v / 4, v)}[op](x)
    assert np.array_equal(design.simulate(x), want)
