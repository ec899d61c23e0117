"""Joins of two activations of any scales against exact rational arithmetic, and the narrowing of their factors."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto as T

from hwq.frontends.onnx import read_onnx
from hwq.ir.hardware import Edge
from hwq.numeric.fixed import FixedType, Rounding
from hwq.numeric.rational import scalar
from hwq.numeric.step_functions import Rounded
from hwq.ops import Add, Op
from hwq.ops.exact.requant import Requant
from hwq.passes import Options, compile_graph
from hwq.passes.circuits.narrow import narrowest
from rational_onnx import RANGES, agree, model, tensor
from test_qdq import node, samples, unequal_codes

FLOAT = T.FLOAT


@pytest.mark.parametrize("name", ["add_two_scales", "fork_sub", "mul_two_tensors", "concat_two_scales"])
def test_unit_models_of_joins_equal_their_reference_in_every_code(name: str) -> None:
    assert unequal_codes(f"units/{name}") == 0


def joined(
    kind: str,
    scales: tuple[float, float, float] = (0.11, 0.037, 0.21),
    zeros: tuple[int, int, int] = (3, -7, 5),
    shapes: tuple[tuple[int, ...], tuple[int, ...]] = ((1, 6), (1, 6)),
    last: str = "quantize",
    types: tuple[int, int, int] = (T.INT8, T.INT8, T.INT8),
    **attributes: Any,
) -> onnx.ModelProto:
    constants = []
    for name, scale, zero, element in zip("abc", scales, zeros, types, strict=True):
        constants += [tensor("s" + name, FLOAT, np.float32(scale)), tensor("z" + name, element, zero)]
    nodes = [
        node("QuantizeLinear", "x sa za", "xq"),
        node("DequantizeLinear", "xq sa za", "xd"),
        node("QuantizeLinear", "w sb zb", "wq"),
        node("DequantizeLinear", "wq sb zb", "wd"),
        node(kind, "xd wd", "y" if last == "none" else "j", **attributes),
    ]
    source = "j"
    if last == "relu":
        nodes.append(node("Relu", "j", "r"))
        source = "r"
    if last != "none":
        nodes += [node("QuantizeLinear", f"{source} sc zc", "q"), node("DequantizeLinear", "q sc zc", "y")]
    return model(nodes, {"x": (FLOAT, shapes[0]), "w": (FLOAT, shapes[1])}, {"y": FLOAT}, constants)


def data(shapes: tuple[tuple[int, ...], tuple[int, ...]] = ((1, 6), (1, 6)), count: int = 40) -> dict[str, Any]:
    return {"x": samples(1, (count, *shapes[0][1:]), 6.0), "w": samples(2, (count, *shapes[1][1:]), 3.0)}


@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul", "Max", "Min", "Sum", "Mean"])
@pytest.mark.parametrize("last", ["quantize", "relu", "none"])
def test_joins_of_different_scales_and_zero_points_are_exact(kind: str, last: str) -> None:
    assert agree(joined(kind, last=last), data())


@pytest.mark.parametrize("last", ["quantize", "relu", "none"])
def test_concatenation_keeps_each_parts_scale(last: str) -> None:
    shapes = ((1, 2, 3), (1, 4, 3))
    assert agree(joined("Concat", shapes=shapes, last=last, axis=1), data(shapes))


@pytest.mark.parametrize("kind", ["Add", "Mul", "Max"])
@pytest.mark.parametrize("shapes", [((1, 3, 2, 2), (1, 3, 1, 1)), ((1, 1, 4), (1, 3, 1)), ((1, 2, 3), (1, 1, 3))])
def test_joins_broadcast(kind: str, shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    assert agree(joined(kind, shapes=shapes), data(shapes))
    assert agree(joined(kind, shapes=shapes, last="none"), data(shapes))


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["Add", "Sub", "Mul", "Max", "Min"]),
    st.tuples(*[st.floats(2.0**-40, 8.0, width=32)] * 2),
    st.floats(0.05, 40.0),
    st.tuples(*[st.integers(-128, 127)] * 3),
    st.booleans(),
)
def test_any_pair_of_float32_scales_is_exact(
    kind: str, scales: tuple[float, float], ratio: float, zeros: tuple[int, int, int], wide: bool
) -> None:
    out = float(np.float32(max(scales) * ratio if kind != "Mul" else scales[0] * scales[1] * 64 * ratio))
    proto = joined(kind, (*scales, max(out, 1e-30)), zeros, last="none" if wide else "quantize")
    x = {"x": samples(3, (12, 6), 90 * scales[0]), "w": samples(4, (12, 6), 90 * scales[1])}
    assert agree(proto, x)


@pytest.mark.parametrize("types", [(T.INT16, T.INT16, T.INT16), (T.UINT16, T.INT8, T.INT4)])
def test_wide_operands_keep_the_exact_product(types: tuple[int, int, int]) -> None:
    zeros = tuple(min(max(7, RANGES[t][0]), RANGES[t][1]) for t in types)
    assert agree(joined("Add", (0.0011, 0.00237, 0.4), zeros, types=types), data())


def test_a_join_without_a_quantizer_after_it_stays_exact_and_wide() -> None:
    graph = compile_graph(read_onnx(joined("Add", last="none")), Options())
    (add,) = ops(graph, Add)
    assert max(abs(int(add.left[0])), abs(int(add.right[0]))).bit_length() > 20


def ops(graph: Any, kind: type[Op]) -> list[Any]:
    return [n.op for n in graph.nodes if isinstance(n.op, kind)]


def test_a_join_that_feeds_a_quantizer_gets_narrow_factors() -> None:
    (add,) = ops(compile_graph(read_onnx(joined("Add", (0.11372, 0.03719, 0.20931))), Options()), Add)
    assert max(abs(int(add.left[0])), abs(int(add.right[0]))).bit_length() <= 20


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(*[st.integers(1, (1 << 24) - 1)] * 2),
    st.tuples(*[st.sampled_from([1, -1])] * 3),
    st.integers(1, 1 << 20),
    st.integers(-(1 << 26), 1 << 26),
    st.sampled_from(list(Rounding)),
)
def test_narrowed_factors_agree_on_every_pair(
    factors: tuple[int, int], signs: tuple[int, int, int], shrink: int, offset: int, rounding: Rounding
) -> None:
    a, b = Edge.covering((1, 4), -13, 17), Edge.covering((1, 4), 0, 31)
    left, right = (np.asarray([f * s]) for f, s in zip(factors, signs, strict=False))
    scale = Fraction(signs[2], shrink)
    limits = (np.asarray([v], dtype=object) for v in (-16, 15))
    step = Rounded(scalar(scale), scalar(scale * offset), rounding, *limits)
    found = narrowest(Add(left, right), Requant(step, FixedType(True, 5)), a, b)
    if found is None:
        return
    add, requant = found
    for x in range(a.lo, a.hi + 1):
        y = np.arange(b.lo, b.hi + 1)
        want = step.codes((int(left[0]) * x + int(right[0]) * y).astype(object)[None])
        have = requant.step.codes((int(add.left[0]) * x + int(add.right[0]) * y).astype(object)[None])
        assert (want == have).all()


def test_a_residual_block_with_a_fork_is_exact() -> None:
    rng = np.random.default_rng(5)
    nodes = [
        node("QuantizeLinear", "x sa za", "xq"),
        node("DequantizeLinear", "xq sa za", "xd"),
        node("DequantizeLinear", "w sw _", "wd", axis=1),
        node("MatMul", "xd wd", "h"),
        node("Add", "h xd", "s"),
        node("Relu", "s", "r"),
        node("QuantizeLinear", "r sc zc", "q"),
        node("DequantizeLinear", "q sc zc", "y"),
    ]
    constants = [
        tensor("sa", FLOAT, np.float32(0.031)),
        tensor("za", T.UINT8, 100),
        tensor("w", T.INT8, rng.integers(-128, 128, (5, 5))),
        tensor("sw", FLOAT, rng.uniform(0.001, 0.01, 5).astype(np.float32)),
        tensor("sc", FLOAT, np.float32(0.05)),
        tensor("zc", T.UINT8, 9),
    ]
    proto = model(nodes, {"x": (FLOAT, (1, 5))}, {"y": FLOAT}, constants)
    assert agree(proto, {"x": samples(6, (50, 5), 2.0)})


def test_a_concatenation_may_feed_a_dense_layer() -> None:
    proto = joined("Concat", last="none", axis=1)
    proto.graph.node[-1].output[0] = "j"
    proto.graph.node.append(node("MatMul", "j wm", "y"))
    proto.graph.initializer.append(tensor("wm", FLOAT, np.random.default_rng(7).integers(-3, 4, (12, 3)) / 4))
    assert agree(proto, data())


def test_a_constant_among_the_operands_of_max_is_a_clamp() -> None:
    proto = joined("Max", last="none")
    proto.graph.node[-1].input.append("floor")
    proto.graph.initializer.append(tensor("floor", FLOAT, 0.25))
    assert agree(proto, data())


def test_pending_clamps_stay_with_their_part_of_a_concatenation() -> None:
    proto = joined("Concat", axis=1)
    nodes = list(proto.graph.node)
    nodes[4].input[0] = "xr"
    del proto.graph.node[:]
    proto.graph.node.extend([*nodes[:4], node("Relu", "xd", "xr"), *nodes[4:]])
    assert agree(proto, data())
