"""QONNX models against a second reading of the op texts, in Fractions and sharing no code with hwq."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import hwq
from hwq.errors import HwqError
from hwq.frontends.onnx import read_onnx
from hwq.ir.real import InputType
from hwq.passes import Options, compile_graph
from hwq.simulate.simulator import Simulator
from models import QONNX, const, model, node, quant_constants, samples, small_model

Values = Any  # object arrays of Fraction

# -- the reference ---------------------------------------------------------------------------------------------------


def fractions(values: Any) -> Values:
    source = np.asarray(values)
    out = np.empty(source.shape, dtype=object)
    for index in np.ndindex(source.shape):
        out[index] = Fraction(source[index].item())
    return out


def each(function: Callable[..., Any], *arrays: Any) -> Values:
    return np.asarray(np.frompyfunc(function, len(arrays), 1)(*arrays), dtype=object)


def to_nearest(tie: Callable[[Fraction], int]) -> Callable[[Fraction], int]:
    return lambda v: tie(v) if v.denominator == 2 else floor(v + Fraction(1, 2))


def away(v: Fraction) -> int:
    return ceil(v) if v > 0 else floor(v)


MODES: dict[str, Callable[[Fraction], int]] = {
    "ROUND": round,
    "HALF_EVEN": round,
    "FLOOR": floor,
    "CEIL": ceil,
    "DOWN": int,
    "ROUND_TO_ZERO": int,
    "UP": away,
    "HALF_UP": to_nearest(away),
    "HALF_DOWN": to_nearest(int),
}


def quant(
    x: Values, scale: Any, zero: Any, bits: int, *, mode: str = "ROUND", signed: bool = True, narrow: bool = False
) -> Values:
    """The QONNX text: the zero point is added before the clamp, the clamp comes before the rounding."""
    s, z = fractions(np.asarray(scale, dtype=np.float32)), fractions(np.asarray(zero, dtype=np.float32))
    if bits == 1 and signed:
        return each(lambda v, a, b: a if v / a + b >= 0 else -a, x, s, z)
    low = -(2 ** (bits - 1)) + narrow if signed else 0
    high = 2 ** (bits - 1) - 1 if signed else 2**bits - 1 - narrow
    return each(lambda v, a, b: (MODES[mode](min(max(v / a + b, low), high)) - b) * a, x, s, z)


def simulated(proto: onnx.ModelProto, x: Any, types: dict[str, InputType] | None = None) -> dict[str, Values]:
    """hwq's outputs by name: scale * code + offset, in Fractions."""
    graph = compile_graph(read_onnx(proto, types), Options())
    run = Simulator(graph)
    codes = run.run(run.quantized(x))
    return {
        p.name: (codes[p.edge].astype(object) * p.scale + p.offset).reshape(len(codes[p.edge]), -1)
        for p in graph.outputs
    }


def one_output(proto: onnx.ModelProto, x: Any) -> Values:
    (only,) = simulated(proto, x).values()
    return only


def same(have: Values, want: Any) -> bool:
    return bool((have == np.asarray(want, dtype=object).reshape(have.shape)).all())


# Multiples of 1/8 around zero, so that every quarter scale meets ties, and far values that saturate.
GRID = np.concatenate([np.arange(-40, 41) / 8, [-1e30, -77.125, 77.125, 1e30, -0.0, 5e-324, -5e-324]])


def quant_model(
    scale: Any, zero: Any, bits: float, shape: Sequence[int] = (1, 4), **attributes: Any
) -> onnx.ModelProto:
    constants = [
        const("s", scale),
        zero if isinstance(zero, onnx.TensorProto) else const("z", zero),
        const("bits", bits),
    ]
    kind = attributes.pop("kind", "Quant")
    return model([node(kind, "x s z bits", "y", **attributes)], {"x": shape}, ["y"], constants)


# -- Quant -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", sorted(MODES))
@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("narrow", [0, 1])
@pytest.mark.parametrize("zero", [0.0, 3.0, -2.0, 0.5])
def test_quant_of_a_model_input_rounds_and_clamps_as_the_text_says(
    mode: str, signed: int, narrow: int, zero: float
) -> None:
    x = GRID.reshape(-1, 4)
    for scale in (0.25, 0.1):
        proto = quant_model(scale, zero, 4, signed=signed, narrow=narrow, rounding_mode=mode)
        want = quant(fractions(x), scale, zero, 4, mode=mode, signed=bool(signed), narrow=bool(narrow))
        assert same(one_output(proto, x), want)


@pytest.mark.parametrize("mode", sorted(MODES))
@pytest.mark.parametrize(("signed", "narrow"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_quant_inside_the_model_rounds_and_clamps_as_the_text_says(mode: str, signed: int, narrow: int) -> None:
    """After a quantizer of 1/8, whose codes meet every tie of the second: a shift or thresholds in hardware."""
    x = GRID.reshape(-1, 4)
    first = quant(fractions(x), 0.125, 0, 7)
    for scale, zero in ((0.25, 0.0), (0.25, 1.0), (0.3, 0.0), (0.3, -3.0), (0.125, 0.5), (1.0, 0.0)):
        constants = [const("s", 0.125), const("z", 0.0), const("bits", 7.0), const("s2", scale), const("z2", zero)]
        constants.append(const("b2", 4.0))
        nodes = [
            node("Quant", "x s z bits", "q"),
            node("Quant", "q s2 z2 b2", "y", signed=signed, narrow=narrow, rounding_mode=mode),
        ]
        want = quant(first, scale, zero, 4, mode=mode, signed=bool(signed), narrow=bool(narrow))
        assert same(one_output(model(nodes, None, ["y"], constants), x), want)


@pytest.mark.parametrize("mode", sorted(MODES))
def test_constants_are_quantized_as_activations_are(mode: str) -> None:
    weights = np.arange(-16, 16).reshape(4, 8) / 8
    constants = [
        *quant_constants()[:3],
        const("w", weights),
        const("t", np.linspace(0.1, 0.4, 8).reshape(1, 8)),
        const("o", 1.0),
        const("three", 3.0),
    ]
    nodes = [
        node("Quant", "x s z bits", "q"),
        node("Quant", "w t o three", "wq", rounding_mode=mode),
        node("MatMul", "q wq", "y"),
    ]
    x = samples((30, 4))
    exact = quant(fractions(weights), np.linspace(0.1, 0.4, 8).reshape(1, 8), 1, 3, mode=mode)
    assert same(one_output(model(nodes, None, ["y"], constants), x), quant(fractions(x), 0.25, 0, 4) @ exact)


def test_the_rounding_mode_may_be_spelled_in_any_case() -> None:
    x = GRID.reshape(-1, 4)
    for spelled, mode in (("round_to_zero", "DOWN"), ("Floor", "FLOOR"), ("half_up", "HALF_UP")):
        proto = quant_model(0.25, 0.0, 4, rounding_mode=spelled)
        assert same(one_output(proto, x), quant(fractions(x), 0.25, 0, 4, mode=mode))


def test_attributes_that_are_left_out_mean_signed_wide_and_half_even() -> None:
    x = GRID.reshape(-1, 4)
    assert same(one_output(quant_model(0.25, 0.0, 4), x), quant(fractions(x), 0.25, 0, 4))


def test_an_odd_zero_point_turns_ties_to_the_other_side() -> None:
    """QONNX adds it before rounding: 0.5 + 1 goes to 2, which is worth 1; without it 0.5 goes to 0."""
    x = np.asarray([[0.5, 1.5, -0.5, 2.5]])
    assert one_output(quant_model(1.0, 1.0, 4), x).tolist() == [[1, 1, -1, 3]]
    assert one_output(quant_model(1.0, 0.0, 4), x).tolist() == [[0, 2, 0, 2]]


@pytest.mark.parametrize("bits", [1, 2, 3, 8, 16, 31])
@pytest.mark.parametrize("signed", [0, 1])
def test_every_width_clamps_at_its_own_limits(bits: int, signed: int) -> None:
    proto = quant_model(0.25, 0.0, bits, signed=signed)
    x = np.concatenate([GRID, [2.0 ** (bits - 3), 2.0 ** (bits - 2), -(2.0 ** (bits - 3)), 0.25 * 2.0**bits]])
    x = x.reshape(-1, 4) if x.size % 4 == 0 else np.resize(x, (x.size // 4 + 1, 4))
    assert same(one_output(proto, x), quant(fractions(x), 0.25, 0, bits, signed=bool(signed)))
    assert hwq.compile(proto).outputs[0].type.width == bits


def test_one_signed_bit_is_the_sign_and_zero_counts_as_positive() -> None:
    x = np.asarray([[-1.0, -0.0, 0.0, 1.0], [5e-324, -5e-324, 1e30, -1e30]])
    want = [[-0.75, 0.75, 0.75, 0.75], [0.75, -0.75, 0.75, -0.75]]
    assert one_output(quant_model(0.75, 0.0, 1), x).astype(float).tolist() == want
    bipolar = model([node("BipolarQuant", "x s", "y")], None, ["y"], [const("s", 0.75)])
    assert one_output(bipolar, x).astype(float).tolist() == want


SCALE_SHAPES: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "scalar": ((1, 3), ()),
    "one": ((1, 3), (1,)),
    "last axis": ((1, 3), (3,)),
    "both axes": ((1, 3), (1, 3)),
    "rows": ((1, 5, 3), (5, 1)),
    "channels of an image": ((1, 4, 2, 3), (1, 4, 1, 1)),
    "channels without the batch": ((1, 4, 2, 3), (4, 1, 1)),
    "the last axis of an image": ((1, 4, 2, 3), (3,)),
    "every element": ((1, 2, 3), (1, 2, 3)),
    "all ones": ((1, 2, 3), (1, 1, 1)),
}


@pytest.mark.parametrize("case", sorted(SCALE_SHAPES))
@pytest.mark.parametrize("where", ["scale", "zero point", "both"])
def test_scales_and_zero_points_broadcast(case: str, where: str) -> None:
    shape, extents = SCALE_SHAPES[case]
    rng = np.random.default_rng(5)
    scale = rng.uniform(0.1, 0.6, extents if where != "zero point" else ()).astype(np.float32)
    zero = rng.integers(-3, 4, extents if where != "scale" else ()).astype(np.float32)
    x = samples((25, *shape[1:]))
    want = quant(fractions(x), scale, zero, 4)
    assert same(one_output(quant_model(scale, zero, 4, shape), x), want)
    constants = [const("s", scale), const("z", zero), const("bits", 4.0), const("s0", 0.01), const("z0", 0.0)]
    constants.append(const("b0", 11.0))
    nodes = [node("Quant", "x s0 z0 b0", "q"), node("Quant", "q s z bits", "y")]
    inner = model(nodes, {"x": shape}, ["y"], constants)
    assert same(one_output(inner, x), quant(quant(fractions(x), 0.01, 0, 11), scale, zero, 4))


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64, np.uint8, np.float64, np.float16])
def test_parameters_may_come_in_any_number_type(dtype: Any) -> None:
    x = GRID.reshape(-1, 4)
    constants = [const("s", 2, dtype), const("z", 1, dtype), const("bits", 3, dtype)]
    proto = model([node("Quant", "x s z bits", "y")], None, ["y"], constants)
    assert same(one_output(proto, x), quant(fractions(x), 2, 1, 3))


def test_a_scale_of_type_double_is_not_rounded_to_float() -> None:
    constants = [const("s", 0.1, np.float64), const("z", 0.0), const("bits", 4.0)]
    design = hwq.compile(model([node("Quant", "x s z bits", "y")], None, ["y"], constants))
    assert design.outputs[0].scale == 0.1
    assert design.outputs[0].scale != float(np.float32(0.1))


def test_an_activation_without_axes_has_one_scale() -> None:
    constants = [*quant_constants(), const("half", 0.5), const("all", [0, 1], np.int64)]
    nodes = [node("ReduceSum", "h all", "sum", keepdims=0), node("Quant", "sum half z bits", "y")]
    x = GRID[:80].reshape(-1, 4)
    whole = one_output(small_model(nodes[:1], constants[5:]), x)
    assert same(one_output(small_model(nodes, constants[5:]), x), quant(whole, 0.5, 0, 4))


def test_parameters_may_be_computed_from_constants_in_the_graph() -> None:
    constants = [const("a", 0.5), const("two", 2.0), const("z", 0.0), const("four", 4), const("w", 0.0)]
    nodes = [
        node("Div", "a two", "quarter"),
        node("Pow", "two two", "bits"),
        node("Identity", "z", "zero"),
        node("Cast", "zero", "zi", to=TensorProto.INT64),
        node("Unsqueeze", "quarter axes", "s"),
        node("Quant", "x s zi bits", "y"),
    ]
    proto = model(nodes, None, ["y"], [*constants, const("axes", [0], np.int64)])
    x = GRID.reshape(-1, 4)
    assert same(one_output(proto, x), quant(fractions(x), 0.25, 0, 4))


# -- domains ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("domain", ["onnx.brevitas", QONNX, "finn.custom_op.general"])
@pytest.mark.parametrize("kind", ["Quant", "IntQuant"])
@pytest.mark.parametrize("imports", ["custom first", "custom last", "no custom", "version 2"])
def test_every_spelling_of_the_domain_means_the_same(domain: str, kind: str, imports: str) -> None:
    opsets = {
        "custom first": [(domain, 1), ("", 13)],
        "custom last": [("", 13), (domain, 1)],
        "no custom": [("", 13)],
        "version 2": [("", 13), (domain, 2)],
    }[imports]
    nodes = [
        node(kind, "x s z bits", "xq", domain=domain),
        node("Clip", "xq low high", "y", domain="ai.onnx" if imports == "custom last" else ""),
    ]
    constants = [*quant_constants()[:3], const("low", -1.0), const("high", 0.5)]
    proto = model(nodes, None, ["y"], constants, opsets=opsets)
    x = GRID.reshape(-1, 4)
    want = np.minimum(np.maximum(quant(fractions(x), 0.25, 0, 4), -1), Fraction(1, 2))
    assert same(one_output(proto, x), want)


def test_an_op_of_another_domain_is_not_taken_for_one_of_qonnx() -> None:
    proto = model([node("Quant", "x s z bits", "y", domain="somebody.else")], None, ["y"], quant_constants())
    with pytest.raises(HwqError, match=r"somebody\.else"):
        hwq.compile(proto)


# -- BipolarQuant, Trunc, MultiThreshold -----------------------------------------------------------------------------


def test_bipolar_weights_and_activations_multiply_exactly() -> None:
    w = np.asarray([[1.0, -0.0], [-2.0, 0.0], [0.5, -0.5], [-1e-30, 3.0]])
    nodes = [
        node("BipolarQuant", "x s", "xq"),
        node("BipolarQuant", "w t", "wq"),
        node("MatMul", "xq wq", "y"),
    ]
    constants = [const("s", 0.3), const("t", [[0.5, 0.7]]), const("w", w)]
    x = np.asarray([[0.0, -0.0, 1.0, -1.0], [-3.0, 2.0, -0.1, 0.1]])
    sign = [np.where(a >= 0, 1, -1) for a in (x, w)]
    left = fractions(sign[0]) * Fraction(float(np.float32(0.3)))
    right = fractions(sign[1]) * fractions(np.float32([[0.5, 0.7]]))
    assert same(one_output(model(nodes, None, ["y"], constants), x), left @ right)


def trunc_model(outer: str, constants: list[onnx.TensorProto], **attributes: Any) -> onnx.ModelProto:
    nodes = [
        node("Quant", "x s z ib", "q", signed=attributes.get("signed", 1)),
        node("Trunc", f"q s z ib {outer}", "y", **attributes),
    ]
    return model(nodes, None, ["y"], [const("ib", 8.0), *constants])


@pytest.mark.parametrize("mode", sorted(MODES))
@pytest.mark.parametrize("zero", [0.0, 5.0])
@pytest.mark.parametrize("scale", [0.125, 0.1])
def test_trunc_of_five_inputs_shifts_and_keeps_the_scale(mode: str, zero: float, scale: float) -> None:
    proto = trunc_model("ob", [const("s", scale), const("z", zero), const("ob", 5.0)], rounding_mode=mode)
    x = np.arange(-70, 70).reshape(-1, 4) / 8
    s, z = Fraction(float(np.float32(scale))), Fraction(zero)
    whole = quant(fractions(x), scale, zero, 8) / s + z
    assert same(one_output(proto, x), each(lambda v: (MODES[mode](v / 8) - z) * s, whole))


def test_trunc_without_a_mode_floors() -> None:
    proto = trunc_model("ob", [const("s", 1.0), const("z", 0.0), const("ob", 6.0)])
    assert one_output(proto, np.asarray([[-5.0, -4.0, 7.0, 8.0]])).tolist() == [[-2, -1, 1, 2]]


@pytest.mark.parametrize("mode", ["FLOOR", "ROUND", "CEIL", "DOWN", "HALF_UP"])
@pytest.mark.parametrize(("signed", "narrow"), [(1, 0), (1, 1), (0, 0)])
@pytest.mark.parametrize("ratio", [1.0, 4.0, 16.0, 5.0])
def test_trunc_of_six_inputs_states_its_scale_and_clamps(mode: str, signed: int, narrow: int, ratio: float) -> None:
    scale, zero, bits = 0.125, 2.0, 4
    constants = [const("s", scale), const("z", zero), const("os", scale * ratio), const("ob", float(bits))]
    proto = trunc_model("os ob", constants, signed=signed, narrow=narrow, rounding_mode=mode)
    x = np.arange(-70, 74).reshape(-1, 4) / 8
    shift = {1.0: 1, 4.0: 4, 16.0: 16, 5.0: 4}[ratio]
    low = -(2 ** (bits - 1)) + narrow if signed else 0
    high = 2 ** (bits - 1) - 1 if signed else 2**bits - 1 - narrow
    whole = quant(fractions(x), scale, zero, 8, signed=bool(signed)) / Fraction(scale) + 2
    step = Fraction(scale * ratio)
    want = each(lambda v: (MODES[mode](min(max(v / shift, low), high)) - Fraction(2, shift)) * step, whole)
    assert same(one_output(proto, x), want)


@pytest.mark.parametrize(
    ("shape", "layout", "axis"),
    [((1, 3), "NC", 1), ((1, 3, 2, 4), "NCHW", 1), ((1, 2, 4, 3), "NHWC", 3), ((1, 3), "", 1), ((1, 3, 2), "", 1)],
)
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize(("scale", "bias"), [(1.0, 0.0), (2.0, -3.0), (0.3, 0.1), (1.0, -0.5)])
def test_multi_threshold_counts_along_the_channel_axis(
    shape: tuple[int, ...], layout: str, axis: int, rows: int, scale: float, bias: float
) -> None:
    rng = np.random.default_rng(rows)
    thresholds = np.sort(np.round(rng.normal(size=(rows, 5)) * 4) / 4, axis=1)
    thresholds[0, 1] = thresholds[0, 0]  # thresholds need not be distinct
    attributes = {"data_layout": layout} if layout else {}
    nodes = [
        node("Quant", "x s z bits", "q"),
        node("MultiThreshold", "q t", "y", out_scale=scale, out_bias=bias, **attributes),
    ]
    proto = model(nodes, {"x": shape}, ["y"], [*quant_constants()[:3], const("t", thresholds)])
    x = samples((30, *shape[1:]))
    q = quant(fractions(x), 0.25, 0, 4)
    table = np.broadcast_to(thresholds, (3, 5)).reshape([3 if a == axis else 1 for a in range(len(shape))] + [5])
    count = (q[..., None] >= fractions(table)).sum(axis=-1)
    want = fractions(count) * Fraction(float(np.float32(scale))) + Fraction(float(np.float32(bias)))
    assert same(one_output(proto, x), want)
    bare = model([node("MultiThreshold", "x t", "y", **attributes)], {"x": shape}, ["y"], [const("t", thresholds)])
    assert same(one_output(bare, x), (x[..., None] >= table).sum(axis=-1))


# -- shapes, moves, folding ------------------------------------------------------------------------------------------


def test_a_symbolic_batch_is_any_number_of_samples() -> None:
    proto = small_model()
    proto.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4]))
    x = samples((17, 4))
    assert np.array_equal(hwq.compile(proto).simulate(x), hwq.compile(small_model()).simulate(x))
    assert hwq.compile(proto).simulate(x[0]).shape == (1, 3)


@pytest.mark.parametrize("extent", [0, -1, None])
def test_an_unstated_batch_is_any_number_of_samples(extent: int | None) -> None:
    proto = small_model()
    proto.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", TensorProto.FLOAT, [extent, 4]))
    assert hwq.compile(proto).simulate(samples((5, 4))).shape == (5, 3)


def flattening(batch: Any) -> onnx.ModelProto:
    """Flattening as PyTorch writes x.view(x.size(0), -1)."""
    constants = [*quant_constants()[:3], const("w", np.arange(-12, 12).reshape(12, 2))]
    constants += [const("zero", 0, np.int64), const("axes", [0], np.int64), const("rest", [-1], np.int64)]
    nodes = [
        node("Quant", "x s z bits", "q"),
        node("Shape", "q", "extents"),
        node("Gather", "extents zero", "first", axis=0),
        node("Unsqueeze", "first axes", "batch"),
        node("Concat", "batch rest", "flat_shape", axis=0),
        node("Reshape", "q flat_shape", "flat"),
        node("MatMul", "flat w", "y"),
    ]
    return model(nodes, {"x": [batch, 3, 2, 2]}, ["y"], constants)


@pytest.mark.parametrize("batch", ["N", 1])
def test_flattening_that_computes_its_shape_is_folded(batch: Any) -> None:
    x = samples((9, 3, 2, 2))
    want = quant(fractions(x), 0.25, 0, 4).reshape(9, 12) @ fractions(np.arange(-12, 12).reshape(12, 2))
    assert same(one_output(flattening(batch), x), want)


MOVES: dict[str, tuple[list[onnx.NodeProto], list[onnx.TensorProto], Callable[[Any], Any]]] = {
    "transpose": ([node("Transpose", "q", "y", perm=[0, 2, 3, 1])], [], lambda a: a.transpose(0, 2, 3, 1)),
    "transpose of all axes": (
        [node("Transpose", "q", "t", perm=[0, 3, 1, 2]), node("Transpose", "t", "y", perm=[0, 3, 2, 1])],
        [],
        lambda a: a.transpose(0, 3, 1, 2).transpose(0, 3, 2, 1),
    ),
    "flatten": ([node("Flatten", "q", "y")], [], lambda a: a.reshape(len(a), -1)),
    "flatten from the end": ([node("Flatten", "q", "y", axis=-3)], [], lambda a: a.reshape(len(a), -1)),
    "reshape by attribute of opset 1": ([node("Reshape", "q", "y", shape=[1, -1])], [], lambda a: a),
    "reshape with zeros": ([node("Reshape", "q n", "y")], [const("n", [0, 0, -1], np.int64)], lambda a: a),
    "squeeze and unsqueeze as inputs": (
        [node("Unsqueeze", "q a", "u"), node("Squeeze", "u a", "y")],
        [const("a", [2, -1], np.int64)],
        lambda a: a,
    ),
    "squeeze and unsqueeze as attributes": (
        [node("Unsqueeze", "q", "u", axes=[2]), node("Squeeze", "u", "y", axes=[-3])],
        [],
        lambda a: a,
    ),
    "identity": ([node("Identity", "q", "i"), node("Identity", "i", "y")], [], lambda a: a),
    "dropout": ([node("Dropout", "q", ["y", "mask"])], [], lambda a: a),
    "dropout with inputs": (
        [node("Dropout", "q r t", "y")],
        [const("r", 0.5), const("t", False, np.bool_)],
        lambda a: a,
    ),
    "cast between floats": ([node("Cast", "q", "y", to=TensorProto.DOUBLE)], [], lambda a: a),
    "negation": ([node("Neg", "q", "y")], [], lambda a: -a),
    "constant nodes": (
        [
            node("Constant", "", "c", value=const("v", [[[[0.25, -0.5]]]])),
            node("Constant", "", "f", value_float=0.5),
            node("Constant", "", "i", value_ints=[1, 1]),
            node("Cast", "i", "fi", to=TensorProto.FLOAT),
            node("Mul", "q f", "half"),
            node("Add", "half c", "sum"),
            node("Sub", "sum fi", "y"),
        ],
        [],
        lambda a: a / 2 + np.asarray([Fraction(1, 4), Fraction(-1, 2)], dtype=object) - 1,
    ),
    "a constant on the left": (
        [node("Sub", "c q", "y")],
        [const("c", [0.5, 1.0])],
        lambda a: fractions([0.5, 1.0]) - a,
    ),
    "division": ([node("Div", "q c", "y")], [const("c", [3.0, -7.0])], lambda a: a / fractions([3.0, -7.0])),
}


@pytest.mark.parametrize("case", sorted(MOVES))
def test_ops_that_move_or_scale_values_do_what_onnx_says(case: str) -> None:
    nodes, constants, want = MOVES[case]
    proto = model(
        [node("Quant", "x s z bits", "q"), *nodes], {"x": [1, 3, 2, 2]}, ["y"], [*quant_constants()[:3], *constants]
    )
    x = samples((12, 3, 2, 2))
    assert same(one_output(proto, x), want(quant(fractions(x), 0.25, 0, 4)))


@pytest.mark.parametrize("bounds", ["attributes", "inputs", "low only", "high only", "none", "huge"])
def test_clip_in_its_old_and_new_form(bounds: str) -> None:
    low, high = -0.6, 0.9
    limit = float(np.finfo(np.float32).max)
    constants = [*quant_constants()[:3], const("low", low), const("high", high)]
    clip = {
        "attributes": node("Clip", "q", "y", min=low, max=high),
        "inputs": node("Clip", "q low high", "y"),
        "low only": node("Clip", "q low", "y"),
        "high only": node("Clip", "q _ high", "y"),
        "none": node("Clip", "q", "y"),
        "huge": node("Clip", "q", "y", min=-limit, max=limit),
    }[bounds]
    proto = model([node("Quant", "x s z bits", "q"), clip], None, ["y"], constants, opset=6 if "att" in bounds else 13)
    want = quant(fractions(samples((30, 4))), 0.25, 0, 4)
    if bounds in ("attributes", "inputs", "low only"):
        want = np.maximum(want, Fraction(float(np.float32(low))))
    if bounds in ("attributes", "inputs", "high only"):
        want = np.minimum(want, Fraction(float(np.float32(high))))
    assert same(one_output(proto, samples((30, 4))), want)


# -- linear layers and batch normalization ---------------------------------------------------------------------------


def test_gemm_with_all_its_attributes_is_exact() -> None:
    w, c = np.arange(-6, 6).reshape(3, 4) / 4, np.asarray([0.1, -0.2, 0.3])
    nodes = [
        node("Quant", "x s z bits", "q"),
        node("Gemm", "q w c", "y", transB=1, alpha=0.7, beta=-1.3),
    ]
    proto = model(nodes, None, ["y"], [*quant_constants()[:3], const("w", w), const("c", c)])
    x = samples((20, 4))
    alpha, beta = (Fraction(float(np.float32(v))) for v in (0.7, -1.3))
    want = quant(fractions(x), 0.25, 0, 4) @ fractions(w.T) * alpha + fractions(c.astype(np.float32)) * beta
    assert same(one_output(proto, x), want)


def test_batch_normalization_of_every_sign_goes_into_the_thresholds() -> None:
    """sqrt(var + epsilon) is rational here: variances 3.75 and 0.75 with epsilon 0.25 have the roots 2 and 1."""
    gamma, beta = [1.5, -0.75, 0.0, 0.3, -0.3], [0.2, -0.1, 0.6, -5.0, 0.1]
    mean, var = [0.5, -1.0, 3.0, 0.1, 0.7], [3.75, 0.75, 3.75, 0.75, 3.75]
    w = np.arange(-10, 10).reshape(4, 5) / 4
    constants = [*quant_constants()[:3], const("w", w), const("t", 0.4)]
    constants += [const(n, v) for n, v in zip("gbmv", (gamma, beta, mean, var), strict=True)]
    for clamp in ("Relu", "Identity"):
        nodes = [
            node("Quant", "x s z bits", "q"),
            node("MatMul", "q w", "h"),
            node("BatchNormalization", "h g b m v", "n", epsilon=0.25),
            node(clamp, "n", "r"),
            node("Quant", "r t z bits", "y", signed=int(clamp == "Identity")),
        ]
        x = samples((200, 4))
        h = quant(fractions(x), 0.25, 0, 4) @ fractions(w)
        g, b, m = (fractions(np.float32(v)) for v in (gamma, beta, mean))
        n = g * (h - m) / fractions([2, 1, 2, 1, 2]) + b
        n = np.maximum(n, 0) if clamp == "Relu" else n
        want = quant(n, 0.4, 0, 4, signed=clamp == "Identity")
        assert same(one_output(model(nodes, None, ["y"], constants), x), want)
        assert len(set(want[:, 2])) == 1  # gamma 0: a dead channel
        assert len(set(want[:, 1])) > 3


def test_an_output_without_a_quantizer_keeps_its_scale_per_channel() -> None:
    w = np.asarray([[1, -2, 3], [0, 1, -1], [2, 2, -3], [-1, 3, 1]], dtype=float)
    scales, bias = np.float32([0.11, 0.07, 0.3]), np.float32([0.5, -0.3, 0.01])
    constants = [*quant_constants()[:3], const("w", w), const("ws", scales[None, :]), const("c", bias)]
    constants.append(const("one", 1.0))
    nodes = [
        node("Quant", "x s z bits", "q"),
        node("Quant", "w one z bits", "wq"),
        node("MatMul", "q wq", "h"),
        node("Mul", "h ws", "m"),
        node("Add", "m c", "y"),
    ]
    design = hwq.compile(model(nodes, None, ["y"], constants))
    x = samples((50, 4))
    (out,) = design.outputs
    exact_codes = quant(fractions(x), 0.25, 0, 4) @ fractions(w)
    codes = design.simulate(x, codes=True)
    assert codes.dtype == np.int64
    assert np.asarray(out.scale).size == 3
    port = design.graph.outputs[0]
    want = exact_codes * fractions(scales) + fractions(bias)
    assert same(codes.astype(object) * port.scale + port.offset, want)
    assert np.array_equal(design.simulate(x), codes * out.scale + out.offset)
    assert np.array_equal(np.asarray(out.scale).reshape(-1), [float(Fraction(v)) for v in port.scale.reshape(-1)])


def test_an_output_type_rounds_the_output_once() -> None:
    x = samples((60, 4), spread=3.0)
    plain = one_output(small_model(), x)
    design = hwq.compile(small_model(), {"output_types": {"h": "ap_fixed<6,4,AP_RND_CONV,AP_SAT>"}})
    assert (design.outputs[0].type.width, design.outputs[0].type.frac, design.outputs[0].scale) == (6, 2, 0.25)
    want = each(lambda v: Fraction(min(max(round(v * 4), -32), 31), 4), plain)
    assert same(fractions(design.simulate(x)), want)
    assert set(want.reshape(-1)) != set(plain.reshape(-1))  # it did saturate or round


# -- inputs, outputs, ends -------------------------------------------------------------------------------------------


def test_several_inputs_and_outputs_go_by_name() -> None:
    constants = [*quant_constants()[:3], const("t", 0.3), const("w", np.eye(4)[:, :2])]
    nodes = [
        node("Quant", "a s z bits", "qa"),
        node("Quant", "b t z bits", "qb"),
        node("MatMul", "qa w", "ya"),
        node("MatMul", "qb w", "yb"),
    ]
    proto = model(nodes, {"a": [1, 4], "b": [1, 4]}, ["yb", "ya", "qa"], constants)
    x = {"a": samples((8, 4), 1), "b": samples((8, 4), 2)}
    have = simulated(proto, x)
    assert list(have) == ["yb", "ya", "qa"]
    assert same(have["ya"], quant(fractions(x["a"]), 0.25, 0, 4)[:, :2])
    assert same(have["yb"], quant(fractions(x["b"]), 0.3, 0, 4)[:, :2])
    assert same(have["qa"], quant(fractions(x["a"]), 0.25, 0, 4))
    design = hwq.compile(proto)
    assert {k: v.shape for k, v in design.simulate(x).items()} == {"yb": (8, 2), "ya": (8, 2), "qa": (8, 4)}
    with pytest.raises(HwqError, match="one array for 2 inputs"):
        design.simulate(x["a"])
    with pytest.raises(HwqError, match="no data for input 'b'"):
        design.simulate({"a": x["a"]})
    with pytest.raises(HwqError, match="different batch sizes"):
        design.simulate({"a": x["a"], "b": x["b"][:3]})


def test_one_input_may_feed_two_different_quantizers() -> None:
    constants = [*quant_constants()[:3], const("t", 0.3), const("two", 2.0)]
    nodes = [node("Quant", "x s z bits", "fine"), node("Quant", "x t z two", "coarse", signed=0)]
    proto = model(nodes, None, ["fine", "coarse"], constants)
    x = samples((40, 4))
    have = simulated(proto, x)
    assert same(have["fine"], quant(fractions(x), 0.25, 0, 4))
    assert same(have["coarse"], quant(fractions(x), 0.3, 0, 2, signed=False))
    assert [i.name for i in hwq.compile(proto).inputs] == ["x", "x"]


def test_one_edge_may_be_an_output_and_go_on() -> None:
    proto = small_model([node("Relu", "h", "r")], outputs=["h", "r", "xq"])
    x = samples((25, 4))
    have = simulated(proto, x)
    assert same(have["xq"], quant(fractions(x), 0.25, 0, 4))
    assert same(have["r"], np.maximum(have["h"], 0))


def ending(kind: str, inputs: str, scales: Any = None, **attributes: Any) -> onnx.ModelProto:
    constants = [*quant_constants()[:3], const("w", np.eye(4) * 2), const("k", [3], np.int64)]
    nodes = [node("Quant", "x s z bits", "q"), node("MatMul", "q w", "h")]
    if scales is not None:
        constants.append(const("c", scales))
        nodes.append(node("Mul", "h c", "g"))
    outputs = ["values", "y"] if kind == "TopK" else "y"
    nodes.append(node(kind, f"{'h' if scales is None else 'g'} {inputs}", outputs, "end", **attributes))
    return model(nodes, None, ["y"] if kind != "TopK" else ["values", "y"], constants)


TIES = np.asarray([[0.5, 0.5, 0.25, 0.5], [0.0, 0.0, 0.0, 0.0], [-1.0, 1.0, -1.0, 1.0], [0.25, -0.5, 0.25, -0.5]])


@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("axis", [1, -1])
def test_argmax_and_argmin_take_the_first_or_the_last_of_equals(last: int, keepdims: int, axis: int) -> None:
    for kind, pick in (("ArgMax", np.argmax), ("ArgMin", np.argmin)):
        design = hwq.compile(ending(kind, "", axis=axis, keepdims=keepdims, select_last_index=last))
        want = 3 - pick(TIES[:, ::-1], axis=1) if last else pick(TIES, axis=1)
        have = design.simulate(TIES)
        assert have.shape == ((4, 1) if keepdims else (4,))
        assert have.reshape(-1).tolist() == want.tolist()


def test_argmax_over_channels_of_different_scale_compares_values_not_codes() -> None:
    scales = np.float32([0.1, 3.0, 0.7, -1.3])
    x = samples((100, 4))
    exact = quant(fractions(x), 0.25, 0, 4) * 2 * fractions(scales)
    have = hwq.compile(ending("ArgMax", "", scales, axis=1, keepdims=0)).simulate(x)
    assert have.reshape(-1).tolist() == [int(np.argmax(row)) for row in exact]
    codes_alone = [int(np.argmax(row)) for row in quant(fractions(x), 0.25, 0, 4)]
    assert have.reshape(-1).tolist() != codes_alone


@pytest.mark.parametrize("largest", [0, 1])
@pytest.mark.parametrize("scales", [None, [0.1, 3.0, 0.7, -1.3]])
def test_topk_gives_values_and_indices_in_order_ties_by_index(largest: int, scales: Any) -> None:
    x = np.concatenate([TIES, samples((60, 4))])
    design = hwq.compile(ending("TopK", "k", scales, largest=largest))
    exact = quant(fractions(x), 0.25, 0, 4) * 2
    exact = exact if scales is None else exact * fractions(np.float32(scales))
    have = design.simulate(x)
    order = [sorted(range(4), key=lambda i: (-row[i] if largest else row[i], i))[:3] for row in exact]
    assert have["y"].tolist() == order
    values = [[float(row[i]) for i in o] for row, o in zip(exact, order, strict=True)]
    assert np.array_equal(have["values"], np.asarray(values))


@pytest.mark.parametrize("seed", range(6))
def test_a_random_mlp_equals_the_reference_in_every_value(seed: int) -> None:
    """Per-channel scales, biases, Relu; narrow, unsigned and odd zero points mixed at random."""
    rng = np.random.default_rng(seed)
    widths = [5, 6, 4, 3]
    constants, nodes, edge = [], [], "x"
    x = samples((60, 5), seed)
    value = fractions(x)
    for i, (n_in, n_out) in enumerate(pairwise(widths)):
        mode = str(rng.choice(sorted(MODES)))
        bits, signed, narrow = int(rng.integers(2, 6)), bool(rng.integers(2)), bool(rng.integers(2))
        scale, zero = np.float32(rng.uniform(0.1, 0.5)), float(rng.integers(-2, 3))
        constants += [const(f"s{i}", scale), const(f"z{i}", zero), const(f"b{i}", bits)]
        nodes.append(node("Quant", f"{edge} s{i} z{i} b{i}", f"q{i}", signed=signed, narrow=narrow, rounding_mode=mode))
        value = quant(value, scale, zero, bits, mode=mode, signed=signed, narrow=narrow)
        w, ws = rng.normal(size=(n_in, n_out)).astype(np.float32), rng.uniform(0.1, 0.5, (1, n_out)).astype(np.float32)
        bias = rng.normal(size=n_out).astype(np.float32)
        constants += [const(f"w{i}", w), const(f"t{i}", ws), const(f"o{i}", bias), const("none", 0.0)][
            : 4 if not i else 3
        ]
        nodes.append(node("Quant", f"w{i} t{i} none b{i}", f"wq{i}", signed=1, narrow=1))
        nodes += [node("MatMul", f"q{i} wq{i}", f"h{i}"), node("Add", f"h{i} o{i}", f"a{i}")]
        value = value @ quant(fractions(w), ws, 0, bits, narrow=True) + fractions(bias)
        edge = f"a{i}"
        if i < 2:
            nodes.append(node("Relu", edge, f"r{i}"))
            value, edge = np.maximum(value, 0), f"r{i}"
    proto = model(nodes, {"x": [1, 5]}, [edge], constants)
    assert same(one_output(proto, x), value)
    assert len(set(value.reshape(-1))) > 5
