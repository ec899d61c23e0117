"""Resize beside onnxruntime: shapes and nearest elements always, linear values to float32, whatever the scale."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

import hwq
from hwq.errors import HwqError
from hwq.frontends.attributes import Attributes
from hwq.frontends.call import Call, Signal
from hwq.frontends.resize import RULES
from hwq.ir import real
from hwq.ir.names import unique_namer
from hwq.numeric.rational import simplest_between, simplest_of_float32
from rational_onnx import model, tensor

HOW = (
    "asymmetric",
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "tf_half_pixel_for_nn",
    "align_corners",
)
ROUND = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
SCALES = (1.2, 0.7, 1 / 3, 2 / 3, 0.1, 0.3, 0.6, 0.9, 1.1, 1.3, 1.4, 1.7, 5 / 3, 2.4, 3.3, 7 / 6, 0.5, 2.0, 3.0, 1.25)


def executor(op: str, opset: int, by_sizes: bool = False, **attributes: Any) -> ort.InferenceSession:
    """onnxruntime's session of one Resize or Upsample whose data and scales are inputs."""
    kind = TensorProto.INT64 if by_sizes else TensorProto.FLOAT
    names = ["x", "s"] if opset < 11 else ["x", "", "", "s"] if by_sizes else ["x", "", "s"]
    graph = helper.make_graph(
        [helper.make_node(op, names, ["y"], **attributes)],
        "resize",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [None] * 3),
            helper.make_tensor_value_info("s", kind, [3]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])


def ours(op: str, opset: int, n: int, s: Any, by_sizes: bool = False, **attributes: Any) -> Any:
    """hwq's reading of 0, 1, ... n - 1 resized, as a row."""
    nodes: list[Any] = []
    x: Any = np.arange(n, dtype=np.float64).reshape(1, 1, n)
    given = [x, s] if opset < 11 else [x, None, None, s] if by_sizes else [x, None, s]
    if attributes["mode"] == "linear":
        given[0] = Signal("x", (1, 1, n))
    call = Call("r", op, "", opset, given, [0] * 4, Attributes(attributes), 1, nodes, {}, unique_namer())
    (y,) = RULES[op](call)
    if not isinstance(y, Signal):
        return y.reshape(-1)
    products = [node.op for node in nodes if isinstance(node.op, real.MatMul)]
    return x.reshape(1, n) @ products[0].weights.values() if products else x


def cases(extents: range, scales: Any) -> Iterator[tuple[int, np.float32]]:
    for n in extents:
        for scale in scales:
            single = np.float32(scale)
            if int(np.float32(n) * single) >= 1:
                yield n, single


def compare(how: str, rounding: str, extents: range, scales: Any) -> int:
    """Compare every case of one mode; returns how many there were."""
    linear = rounding == "linear"
    attributes = {"mode": "linear" if linear else "nearest", "coordinate_transformation_mode": how}
    if not linear:
        attributes["nearest_mode"] = rounding
    session, count = executor("Resize", 13, **attributes), 0
    for n, single in cases(extents, scales):
        s = np.asarray([1, 1, single], dtype=np.float32)
        x = np.arange(n, dtype=np.float32).reshape(1, 1, n)
        want = session.run(None, {"x": x, "s": s})[0].reshape(-1)
        have = ours("Resize", 13, n, s, **attributes).reshape(-1)
        assert have.shape == want.shape, (n, single)
        if linear:
            # A position is a float32 of up to n, so a value may be off by as much.
            assert np.abs(have - want).max() <= n * 2**-21, (n, single, have, want)
        else:
            assert np.array_equal(have, want), (n, single, have, want)
        count += 1
    return count


@pytest.mark.parametrize("rounding", [*ROUND, "linear"])
@pytest.mark.parametrize("how", HOW)
def test_scales_give_the_shapes_and_elements_of_onnxruntime(how: str, rounding: str) -> None:
    assert compare(how, rounding, range(1, 31, 3), SCALES) > 150


@pytest.mark.slow
@pytest.mark.parametrize("rounding", [*ROUND, "linear"])
@pytest.mark.parametrize("how", HOW)
def test_every_scale_of_small_numbers_gives_the_shapes_and_elements_of_onnxruntime(how: str, rounding: str) -> None:
    ratios = {Fraction(p, q) for q in range(1, 31) for p in range(1, 4 * q + 1) if q in (1, 10, 20) or p <= 30}
    assert compare(how, rounding, range(1, 31), sorted(float(r) for r in ratios)) > 10000


@pytest.mark.parametrize("rounding", ROUND)
@pytest.mark.parametrize("how", HOW)
def test_sizes_give_the_elements_of_onnxruntime(how: str, rounding: str) -> None:
    attributes = {"mode": "nearest", "coordinate_transformation_mode": how, "nearest_mode": rounding}
    session = executor("Resize", 13, by_sizes=True, **attributes)
    for n in range(1, 31, 2):
        for size in range(1, 31, 3):
            s = np.asarray([1, 1, size])
            x = np.arange(n, dtype=np.float32).reshape(1, 1, n)
            want = session.run(None, {"x": x, "s": s})[0].reshape(-1)
            have = ours("Resize", 13, n, s, by_sizes=True, **attributes)
            assert np.array_equal(have, want), (n, size, have, want)


@pytest.mark.parametrize(("op", "opset"), [("Upsample", 9), ("Resize", 10)])
def test_older_ops_cut_where_they_enlarge_and_round_up_where_they_shrink(op: str, opset: int) -> None:
    session = executor(op, opset, mode="nearest")
    for n, single in cases(range(1, 31, 2), [s for s in SCALES if op == "Resize" or s >= 1]):
        s = np.asarray([1, 1, single], dtype=np.float32)
        x = np.arange(n, dtype=np.float32).reshape(1, 1, n)
        want = session.run(None, {"x": x, "s": s})[0].reshape(-1)
        assert np.array_equal(ours(op, opset, n, s, mode="nearest"), want), (n, single)


def test_a_scale_that_float32_does_not_hold_compiles_to_what_was_meant() -> None:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "one", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "one", "zero"], ["d"]),
        helper.make_node(
            "Resize", ["d", "", "scales"], ["y"], mode="linear", coordinate_transformation_mode="asymmetric"
        ),
    ]
    scales = np.asarray([1, 1, 1.2], dtype=np.float32)
    constants = [
        tensor("one", TensorProto.FLOAT, 1.0),
        tensor("zero", TensorProto.INT8, 0),
        tensor("scales", TensorProto.FLOAT, scales),
    ]
    proto = model(nodes, {"x": (TensorProto.FLOAT, (1, 1, 10))}, {"y": TensorProto.FLOAT}, constants, 13)
    y = hwq.compile(proto).simulate(np.arange(10.0).reshape(1, 1, 10))
    assert np.allclose(y.reshape(-1), np.minimum(np.arange(12) * 5 / 6, 9), rtol=0, atol=1e-12)


def test_a_scale_outside_of_float32_is_refused() -> None:
    with pytest.raises(HwqError, match="scales"):
        ours("Resize", 13, 4, np.asarray([1, 1, -0.5]), mode="nearest")


def test_the_simplest_fraction_of_a_float32_is_the_decimal_or_ratio_it_was_written_as() -> None:
    for p in range(1, 60):
        for q in range(1, 60):
            assert simplest_of_float32(np.float32(p / q)) == Fraction(p, q)
    rng = np.random.default_rng(0)
    for _ in range(300):
        low, high = sorted(Fraction(int(a), int(b)) for a, b in zip(*rng.integers(1, 99, (2, 2)), strict=True))
        if low == high:
            continue
        found = simplest_between(low, high)
        assert low < found < high
        below = range(1, found.denominator)
        assert not any(Fraction(p, q) < high for q in below for p in [low.numerator * q // low.denominator + 1])
