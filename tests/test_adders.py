"""Constant matrices as shared adders: the graph is the matrix, its ranges are the true ones, and every type agrees."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwq
from hwq.build.toolchain import find_headers
from hwq.check.verify import verify_codes
from hwq.codegen.arrays import Settings, render
from hwq.errors import HwqError, InternalError, SpecError
from hwq.ops import Products, Sample
from hwq.ops.parts.adder_graph import CONSTANT, AdderGraph, Operand
from hwq.passes.circuits.adder_graph import solved
from hwq.targets import get_target
from test_ops import SAMPLES, drawn_codes, graph_of

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "rings.onnx"
SHARED = Path(__file__).resolve().parents[2] / "shared" / "models"
ADDERS = {"reuse": 1, "layers": {"fc*": {"products": "adders"}}}


def run(graph: AdderGraph, x: np.ndarray) -> tuple[list[list[int]], list[list[int]]]:
    """Every signal and every output but the constant ones (None), by Python integers, of rows of inputs."""
    signals, outputs = [], []
    for row in x.astype(object):
        values = list(row)
        for adder in graph.adders:
            parts = [
                (adder.constant if o.signal == CONSTANT else values[o.signal]) << o.shift
                for o in (adder.left, adder.right)
            ]
            signs = [-1 if o.negative else 1 for o in (adder.left, adder.right)]
            values.append(sum(p * s for p, s in zip(parts, signs, strict=True)))
        signals.append(values)
        outputs.append([None if o.signal == CONSTANT else values[o.signal] << o.shift for o in graph.outputs])
    return signals, outputs


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None, int | None]:
    """Matrices up to 48 x 48 of 1 to 10 bits, sparse to dense, ranges of their own for each input, biases, a depth."""
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    inputs, outputs = draw(st.integers(1, 48)), draw(st.integers(1, 48))
    bits, density = draw(st.integers(1, 10)), draw(st.sampled_from([0.05, 0.3, 1.0]))
    low = 0 if draw(st.booleans()) else -(1 << (bits - 1))
    matrix = rng.integers(low, 1 << (bits - 1), (inputs, outputs), endpoint=True)
    matrix = np.where(rng.random(matrix.shape) < density, matrix, 0)
    if outputs > 2 and draw(st.booleans()):
        matrix[:, 0], matrix[:, 1] = -matrix[:, 2], 2 * matrix[:, 2]
    lo = rng.integers(-9, 1, inputs) * draw(st.sampled_from([0, 1, 100]))
    hi = lo + rng.integers(0, 300, inputs)
    bias = rng.integers(-999, 999, outputs) if draw(st.booleans()) else None
    return matrix, lo, hi, bias, draw(st.sampled_from([None, 1, 6]))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(problems())
def test_a_graph_gives_the_products_of_its_matrix_and_every_range_is_reached(problem) -> None:
    matrix, lo, hi, bias, depth = problem
    graph = solved(matrix, lo, hi, bias, depth)
    starts = np.zeros(matrix.shape[1], dtype=np.int64) if bias is None else bias
    x = np.random.default_rng(1).integers(lo, hi, (8, len(lo)), endpoint=True)
    factors = graph.forms[0].astype(np.int64)
    signals, outputs = run(graph, x)
    wanted = x @ matrix + starts
    for got, want in zip(outputs, wanted.tolist(), strict=True):
        assert [w if g is None else g for g, w in zip(got, want, strict=True)] == want
    constant = [c for c, o in enumerate(graph.outputs) if o.signal == CONSTANT]
    assert not matrix[:, constant].any()
    for signal, (least, most) in enumerate(graph.ranges):
        ends = np.stack([np.where(factors[signal] > 0, a, b) for a, b in ((lo, hi), (hi, lo))])
        found = [row[signal] for row in run(graph, ends)[0]]
        assert found == [least, most]
    assert all(least <= v <= most for row in signals for v, (least, most) in zip(row, graph.ranges, strict=True))


def test_a_graph_that_is_not_its_matrix_is_found() -> None:
    matrix = np.asarray([[3, 5], [1, -2]])
    graph = solved(matrix, np.zeros(2, dtype=int), np.full(2, 7))
    wrong = replace(graph, outputs=(graph.outputs[1], graph.outputs[1]))
    with pytest.raises(InternalError, match="output 0"):
        wrong.prove(matrix, None)
    with pytest.raises(InternalError, match="output 1"):
        graph.prove(matrix, np.asarray([0, 1]))


def test_outputs_that_are_equal_zero_or_one_digit_cost_nothing() -> None:
    matrix = np.asarray([[5, 5, 10, 0, 4, 0], [3, 3, 6, 0, 0, 1]])
    graph = solved(matrix, np.full(2, -8), np.full(2, 7))
    alone = solved(matrix[:, :1], np.full(2, -8), np.full(2, 7))
    assert len(graph.adders) == len(alone.adders)
    assert graph.outputs[0] == graph.outputs[1] == replace(graph.outputs[2], shift=0)
    assert graph.outputs[3:] == (Operand(CONSTANT), Operand(0, 2), Operand(1, 0))


def test_a_depth_that_can_be_had_is_kept_and_costs_adders() -> None:
    matrix = np.random.default_rng(0).choice([-1, 1], (64, 32))
    free, bounded = (solved(matrix, np.zeros(64, dtype=int), np.ones(64, dtype=int), None, d) for d in (None, 6))
    assert bounded.depth == 6 < free.depth
    assert len(bounded.adders) > len(free.adders)


def test_solving_twice_gives_the_same_graph() -> None:
    matrix = np.random.default_rng(5).integers(-8, 8, (20, 20))
    one, two = (solved(matrix, np.zeros(20, dtype=int), np.full(20, 15)) for _ in range(2))
    assert (one.adders, one.outputs) == (two.adders, two.outputs)


def test_a_layer_of_the_jet_tagger_has_half_the_adders_of_its_digits_within_two_seconds() -> None:
    matrix = np.random.default_rng(7).integers(-31, 32, (64, 32))
    started = time.process_time()
    graph = solved(matrix, np.zeros(64, dtype=int), np.full(64, 63))
    assert time.process_time() - started < 4  # 0.5 s alone
    digits = sum(bin(int(w) ^ 3 * int(w)).count("1") for w in np.abs(matrix).flat)
    assert len(graph.adders) < 0.62 * (digits - 32)


def unfolded(sample: Sample) -> Sample:
    """A sample with its sums made by adders."""
    op = replace(sample.op, pe=0, simd=0)
    lo, hi = op.reach(sample.inputs[0])
    inputs = len(op.matrix)
    graph = solved(op.matrix, np.full(inputs, lo), np.full(inputs, hi), op.bias)
    return replace(sample, op=replace(op, adders=graph))


SUMS = [s for op, s in SAMPLES if issubclass(op, Products) and s.op.accumulator(s.inputs[0]).width < 62]


@pytest.mark.parametrize(
    ("target", "exact"),
    [("vivado", False), ("catapult", False), ("native", False), ("vivado", True), ("catapult", True)],
)
def test_cpp_of_adders_equals_the_simulator_for_every_sample(target: str, exact: bool, tmp_path: Path) -> None:
    """With `exact`, sums have the widths that synthesis sees, rather than machine integers."""
    if find_headers(get_target(target)) is None:
        pytest.skip(f"no headers for {target}: pip install da4ml")
    assert {s.op.kind for s in SUMS} == {"dense", "conv"}
    graph = graph_of([unfolded(s) for s in (SUMS[::9] if exact else SUMS)])
    for path, text in render(graph, get_target(target), Settings("samples", "", 5.0, "test")).items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.replace(b"defined(HWQ_EXACT)", b"1") if exact else text)
    codes = {p.edge: drawn_codes(graph.edges[p.edge], 24, i) for i, p in enumerate(graph.inputs)}
    result = verify_codes(tmp_path, graph, get_target(target), "samples", codes)
    assert result, str(result.first)


def test_listings_and_manifest_say_adders_depth_and_proof() -> None:
    design = hwq.compile(EXAMPLE, ADDERS)
    row = next(r for r in design.rows() if r["node"] == "fc2")
    graph = next(n.op.adders for n in design.graph.nodes if n.name == "fc2")
    assert f"adders {len(graph.adders)} depth {graph.depth}" in row["kernel"]
    assert row["proof"] == {"kind": "forms", "coefficients": 24 * 16 + 16}
    assert row["estimate"] == {"lut": graph.bits, "dsp": 0, "bram18": 0, "uram": 0}
    files = design.render()
    assert next(r for r in json.loads(files["hwq.json"])["layers"] if r["node"] == "fc2")["proof"] == row["proof"]
    text = next(data for path, data in files.items() if path.startswith("src/adders/") and "fc2" in path).decode()
    assert text.startswith("// fc2\n")
    assert text.count(" = s") + text.count(" = x") + text.count(" = -") > len(graph.adders) / 2
    assert design.graph.edges == hwq.compile(EXAMPLE, {"reuse": 1}).graph.edges


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ({"layers": {"fc1": {"products": "dsp"}}}, "products of layer 'fc1' are 'dsp'"),
        ({"layers": {"fc1": {"adder_depth": 0}}}, "adder_depth of layer 'fc1'"),
        ({"reuse": 4, "layers": {"fc2": {"products": "adders"}}}, "products 'adders' of layer 'fc2', which is folded"),
        ({"layers": {"fc1/act_quant": {"products": "adders"}}}, "which has no constant weights"),
        ({"io": "stream", **ADDERS}, "in a design that streams"),
    ],
)
def test_what_cannot_be_adders_is_refused(config: dict, found: str) -> None:
    with pytest.raises(SpecError, match=found):
        hwq.compile(EXAMPLE, config)


def test_multipliers_and_auto_leave_a_project_as_it_was() -> None:
    plain = hwq.compile(EXAMPLE, {"reuse": 1}).graph
    for products in ("auto", "multipliers"):
        assert str(hwq.compile(EXAMPLE, {"reuse": 1, "layers": {"fc*": {"products": products}}}).graph) == str(plain)


MODELS = sorted(p.stem for p in SHARED.glob("*.onnx"))
QUICK = ("bv_digits_mlp_w4a4", "bv_digits_cnn_w4a4_pc")


@pytest.mark.parametrize("target", ["native", "vivado", "catapult"])
@pytest.mark.parametrize("name", [m if m in QUICK else pytest.param(m, marks=pytest.mark.slow) for m in MODELS])
def test_models_of_adders_give_the_codes_of_the_simulator_in_every_type(name: str, target: str, tmp_path: Path) -> None:
    if find_headers(get_target(target)) is None:
        pytest.skip(f"no headers for {target}: pip install da4ml")
    config = {"target": target, "reuse": 1}
    if name == "qkeras_jettagging":
        config["input_types"] = {"global_in": "ap_fixed<16,6>"}
    try:
        plain = hwq.compile(SHARED / f"{name}.onnx", config)
    except HwqError as error:
        pytest.skip(f"refused without adders, too: {error}")
    sums = [
        n.name
        for n in plain.graph.nodes
        if isinstance(n.op, Products) and n.op.folds == (1, 1) and n.op.matrix.size <= 1 << 14
    ]
    if not sums:
        pytest.skip("every layer is folded")
    design = hwq.compile(SHARED / f"{name}.onnx", {**config, "layers": {n: {"products": "adders"} for n in sums}})
    assert sum(getattr(n.op, "adders", None) is not None for n in design.graph.nodes) >= len(set(sums))
    result = design.export(tmp_path / "p").verify(samples=20)
    assert result, str(result.first)
