"""Functions of codes too many for a table: by the sides of their turn, or of narrower codes, exact at every step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx import helper, numpy_helper

import hwq
from test_functions import MP, f32, model, nearest, quant_node

ROOT = f32(0.70710678)

# (op or None for the chain below, attributes, the function written down again)
TURNING: dict[str, tuple[str, dict[str, Any], Callable[[Any], Any]]] = {
    "Gelu": ("Gelu", {}, lambda x: x * (1 + MP.erf(x / MP.sqrt(2))) / 2),
    "GeluTanh": (
        "Gelu",
        {"approximate": "tanh"},
        lambda x: x * (1 + MP.tanh(MP.sqrt(2 / MP.pi) * (x + MP.mpf("0.044715") * x**3))) / 2,
    ),
    "Swish": ("Swish", {"alpha": 1.5}, lambda x: x / (1 + MP.exp(-f32(1.5) * x))),
    "Mish": ("Mish", {}, lambda x: x * MP.tanh(MP.log(1 + MP.exp(x)))),
    "HardSwish": ("HardSwish", {}, lambda x: x * min(max(x + 3, 0), 6) / 6),
    "PRelu_falling": ("LeakyRelu", {"alpha": -0.3}, lambda x: x if x > 0 else -f32(0.3) * x),
    "Cosh": ("Cosh", {}, lambda x: (MP.exp(x) + MP.exp(-x)) / 2),
}


def chain(kind: str) -> tuple[list[Any], list[Any], Callable[[Any], Any]]:
    """The same functions as exporters write them out."""
    values = {"root": 0.70710678, "one": 1.0, "half": 0.5, "three": 3.0, "zero": 0.0, "six": 6.0}
    constants = [numpy_helper.from_array(np.float32(v), n) for n, v in values.items()]

    def node(op: str, *names: str) -> Any:
        return helper.make_node(op, list(names[:-1]), [names[-1]], name=names[-1])

    if kind == "silu":
        return [node("Sigmoid", "x", "a"), node("Mul", "x", "a", "f")], constants, lambda x: x / (1 + MP.exp(-x))
    if kind == "gelu":
        nodes = [node("Mul", "x", "root", "a"), node("Erf", "a", "b"), node("Add", "b", "one", "c")]
        nodes += [node("Mul", "x", "c", "d"), node("Mul", "d", "half", "f")]
        return nodes, constants, lambda x: x * (1 + MP.erf(x * ROOT)) / 2
    if kind == "mish":
        nodes = [node("Softplus", "x", "a"), node("Tanh", "a", "b"), node("Mul", "x", "b", "f")]
        return nodes, constants, lambda x: x * MP.tanh(MP.log(1 + MP.exp(x)))
    nodes = [node("Add", "x", "three", "a"), node("Clip", "a", "zero", "six", "b")]
    nodes += [node("Mul", "x", "b", "c"), node("Div", "c", "six", "f")]
    return nodes, constants, lambda x: x * min(max(x + 3, 0), 6) / 6


def check(nodes: list[Any], constants: list[Any], function: Callable[[Any], Any], sign: int, mode: str) -> Any:
    """20-bit codes, every one beside a step among them, against 200 digits."""
    out = (8, 1, sign * 0.05, 3.0, mode)
    nodes = [*nodes, quant_node("f", "y", (8, 1, 0.05, 3.0, mode), constants)]
    if sign < 0:
        nodes.insert(-1, helper.make_node("Neg", ["f"], ["n"], name="n"))
        nodes[-1].input[0] = "n"
    size = 4
    design = hwq.compile(model(nodes, constants, size, ["y"]), {"input_types": {"x": "ap_fixed<20,4>"}})
    every = np.arange(-(1 << 19), 1 << 19)
    got = design.simulate(np.ldexp(every.astype(float), -16).reshape(-1, size), codes=True).reshape(-1)
    moves = np.nonzero(np.diff(got))[0]
    rng = np.random.default_rng(0)
    places = np.unique(np.concatenate([moves, moves + 1, rng.integers(0, every.size, 300), [0, every.size - 1]]))
    info = design.outputs[0]
    stated = np.rint((got * float(info.scale) + float(info.offset)) / np.float32(0.05)).astype(int) + 3
    for place in places:
        value = function(MP.mpf(int(every[place])) / 65536) / f32(out[2]) + 3
        assert stated[place] == min(max(nearest(value, mode), -128), 127), place
    return design


@pytest.mark.parametrize("sign", [1, -1], ids=["valley", "peak"])
@pytest.mark.parametrize("name", TURNING)
def test_a_function_that_turns_is_exact_at_both_sides_of_every_step(name: str, sign: int):
    op, attributes, function = TURNING[name]
    nodes = [helper.make_node(op, ["x"], ["f"], name="f", **attributes)]
    design = check(nodes, [], function, sign, "ROUND" if sign > 0 else "FLOOR")
    assert design.graph.nodes[-1].op.kind in ("extremum", "threshold", "shift", "lut")


@pytest.mark.parametrize("kind", ["silu", "gelu", "mish", "hardswish"])
def test_a_function_that_turns_is_known_when_it_is_written_out(kind: str):
    nodes, constants, function = chain(kind)
    design = check(nodes, constants, function, 1, "ROUND")
    product = kind == "hardswish"  # of codes: no function is pending, a multiplier does
    assert design.graph.nodes[-1].op.kind == ("threshold" if product else "extremum")


def test_a_turn_per_channel_and_in_cpp(tmp_path: Any):
    """A Swish of accumulators with a bias per channel, and its C++ at every step point."""
    rng = np.random.default_rng(4)
    constants = [
        numpy_helper.from_array((rng.integers(-99, 100, (3, 4)) / 64).astype(np.float32), "w"),
        numpy_helper.from_array((rng.integers(-99, 100, 4) / 32).astype(np.float32), "b"),
    ]
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["d"], name="dense"),
        helper.make_node("Swish", ["d"], ["f"], name="f", alpha=1.0),
        quant_node("f", "y", (8, 1, 0.1, 0.0, "ROUND"), constants),
    ]
    proto = helper.make_model(
        helper.make_graph(
            nodes,
            "g",
            [helper.make_tensor_value_info("x", 1, [1, 3])],
            [helper.make_tensor_value_info("y", 1, [1, 4])],
            constants,
        ),
        opset_imports=[helper.make_opsetid("", 24), helper.make_opsetid("qonnx.custom_op.general", 1)],
    )
    design = hwq.compile(proto, {"input_types": {"x": "ap_fixed<16,4>"}})
    assert design.graph.nodes[-1].op.kind == "extremum"
    x = rng.integers(-(1 << 15), 1 << 15, (30, 3)) / 4096
    w, b = (numpy_helper.to_array(c) for c in constants[:2])
    for row, codes in zip(x, design.simulate(x, codes=True), strict=True):
        sums = [
            sum(MP.mpf(float(v)) * float(k) for v, k in zip(row, w[:, c], strict=True)) + float(b[c]) for c in range(4)
        ]
        assert codes.tolist() == [min(max(nearest(s / (1 + MP.exp(-s)) / f32(0.1), "ROUND"), -128), 127) for s in sums]
    project = design.export(tmp_path / "p")
    assert project.verify(x, "native")
    assert project.prove("native")


@pytest.mark.parametrize(("lower", "drop"), [(0.5, 10), (0.5 + 2.0**-14, 10)], ids=["aligned", "offset"])
def test_codes_lose_the_bits_and_the_range_that_no_step_needs(lower: float, drop: int):
    """Floor jumps at integers only: 22-bit codes of which 8 decide, moved by an offset where the steps are."""
    constants = [numpy_helper.from_array(np.float32(-lower), "offset"), numpy_helper.from_array(np.float32(1.5), "k")]
    nodes = [
        helper.make_node("Add", ["x", "offset"], ["a"], name="a"),
        helper.make_node("Floor", ["a"], ["r"], name="r"),
        helper.make_node("Mul", ["r", "k"], ["m"], name="m"),
        helper.make_node("Sin", ["m"], ["f"], name="f"),
        quant_node("f", "y", (8, 1, 2.0**-6, 0.0, "ROUND"), constants),
    ]
    design = hwq.compile(model(nodes, constants, 4, ["y"]), {"input_types": {"x": "ap_fixed<22,6>"}})
    assert [n.op.kind for n in design.graph.nodes] == ["shift", "lut"]
    x = np.ldexp(np.random.default_rng(1).integers(-(1 << 21), 1 << 21, (100, 4)).astype(float), -16)
    x[:50] = np.round(x[:50]) + lower + np.ldexp(np.random.default_rng(2).integers(-2, 3, (50, 4)).astype(float), -16)
    x = np.clip(x, -32, 32 - 2.0**-16)
    want = [[nearest(MP.sin(MP.floor(MP.mpf(v) - lower) * 1.5) * 64, "ROUND") for v in row] for row in x.tolist()]
    assert design.simulate(x, codes=True).tolist() == want


@pytest.mark.parametrize("kind", ["ap_fixed<20,6>", "ap_fixed<40,26>"])
def test_a_clamp_before_a_function_bounds_its_table_however_wide_the_codes(kind: str, tmp_path: Any):
    constants = [numpy_helper.from_array(np.float32(v), n) for n, v in (("lo", -1.0), ("hi", 0.9))]
    nodes = [
        helper.make_node("Clip", ["x", "lo", "hi"], ["c"], name="c"),
        helper.make_node("Sin", ["c"], ["s"], name="s"),
        helper.make_node("Mul", ["s", "c"], ["f"], name="f"),
        quant_node("f", "y", (8, 1, 2.0**-7, 0.0, "ROUND"), constants),
    ]
    design = hwq.compile(model(nodes, constants, 4, ["y"]), {"input_types": {"x": kind}})
    assert [n.op.kind for n in design.graph.nodes] == ["shift", "lut"]
    x = np.random.default_rng(0).integers(-(1 << 15), 1 << 15, (150, 4)) / 2.0**14
    x[0] = -32, 31, -31.5, 0
    kept = [[min(max(MP.mpf(v), -1), f32(0.9)) for v in row] for row in x.tolist()]
    assert design.simulate(x, codes=True).tolist() == [
        [min(nearest(v * MP.sin(v) * 128, "ROUND"), 127) for v in row] for row in kept
    ]
    project = design.export(tmp_path / "p")
    assert project.verify(x, "native")
    assert project.prove("native")


def test_what_neither_turns_once_nor_can_be_narrowed_names_the_quantizer_to_add():
    constants: list[Any] = []
    nodes = [
        helper.make_node("Sin", ["x"], ["f"], name="f"),
        quant_node("f", "y", (8, 1, 2.0**-6, 0.0, "ROUND"), constants),
    ]
    proto = model(nodes, constants, 4, ["y"])
    with pytest.raises(hwq.HwqError, match=r"Sin of codes .* put a quantizer of at most 16 bits before it"):
        hwq.compile(proto, {"input_types": {"x": "ap_fixed<20,4>"}})
    allowed = hwq.compile(proto, {"input_types": {"x": "ap_fixed<20,4>"}, "table_bits": 20})
    assert [n.op.kind for n in allowed.graph.nodes] == ["lut"]
    with pytest.raises(hwq.HwqError, match="at most 6 bits"):
        hwq.compile(proto, {"input_types": {"x": "ap_fixed<8,4>"}, "table_bits": 6})
    for bad in (0, 21, True, "16"):
        with pytest.raises(hwq.HwqError, match="table_bits"):
            hwq.compile(proto, {"input_types": {"x": "ap_fixed<8,4>"}, "table_bits": bad})
