"""hwq against other executors: every difference is shown to be a float32 tie, or called a bug."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import hwq
from conftest import Cli, one_line
from hwq.check.executors import EXECUTORS, Arrays, Executor, exposed
from hwq.check.reference import decimal
from models import const, model, node

SHARED = Path(__file__).resolve().parents[2] / "shared" / "models"
Nudge = Callable[[str, Any], Any]
NEAR = 1 - 2.0**-24


def shared(name: str) -> tuple[Path, np.ndarray]:
    path = SHARED / f"{name}.onnx"
    if not path.is_file():
        pytest.skip(f"no {path}: the shared models are not here")
    with np.load(path.with_suffix(".npz")) as data:
        return path, data["x"]


def two_quantizers(after: Sequence[onnx.NodeProto] = (), output: str = "y") -> onnx.ModelProto:
    """x by eighths, times weights, quantized to whole numbers, times weights again: y, of exact halves in between."""
    constants = [
        const("s", 0.125),
        const("one", 1.0),
        const("z", 0.0),
        const("bits", 6.0),
        const("w", [[4.0, 1.0], [2.0, -4.0]]),
        const("v", [[1.0, 3.0], [2.0, -2.0]]),
    ]
    nodes = [
        node("Quant", "x s z bits", "xq", rounding_mode="ROUND", signed=1, narrow=0),
        node("Quant", "w one z bits", "wq", rounding_mode="ROUND", signed=1, narrow=0),
        node("Quant", "v one z bits", "vq", rounding_mode="ROUND", signed=1, narrow=0),
        node("MatMul", "xq wq", "h"),
        node("Quant", "h one z bits", "hq", rounding_mode="ROUND", signed=1, narrow=0),
        node("MatMul", "hq vq", "y"),
        *after,
    ]
    return model(nodes, {"x": [1, 2]}, [output], constants)


def tiny(nudge: Nudge = lambda name, value: value) -> Executor:
    """An executor of `two_quantizers` in float64, which passes what it is about to quantize, and y, through `nudge`."""

    def make(_: onnx.ModelProto, wanted: Sequence[str]) -> Callable[[Arrays], list[np.ndarray]]:
        def run(arrays: Arrays) -> list[np.ndarray]:
            def quantized(value: np.ndarray, scale: float) -> np.ndarray:
                return np.clip(np.rint(value / scale), -32, 31) * scale

            found = {"xq": quantized(nudge("xq", arrays["x"].astype(np.float64)), 0.125)}
            found["hq"] = quantized(nudge("hq", found["xq"] @ np.asarray([[4.0, 1.0], [2.0, -4.0]])), 1.0)
            found["y"] = nudge("y", found["hq"] @ np.asarray([[1.0, 3.0], [2.0, -2.0]]))
            found["best"] = nudge("best", np.argmax(found["y"], axis=-1))
            found["Tanh"] = nudge("Tanh", np.tanh(found["y"]))
            powers = np.exp(found["y"])
            found["Softmax"] = nudge("Softmax", powers / powers.sum(axis=-1, keepdims=True))
            return [found[name] for name in wanted]

        return run

    return make


def inputs() -> np.ndarray:
    """All pairs of codes of a small grid: many sums are exact halves."""
    grid = np.arange(-12, 13) / 8
    return np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)


# -- a tiny executor -------------------------------------------------------------------------------------------------


def test_an_executor_that_computes_the_same_agrees() -> None:
    found = hwq.compile(two_quantizers()).reference("tiny", inputs(), executor=tiny())
    assert found
    assert (found.samples, found.values, found.quantizers) == (625, 1250, 2)
    assert (found.differing, found.ties, found.consequences, found.bugs) == (0, 0, 0, 0)
    assert found.text("net").startswith("AGREES: net: all 1250 output values of 625 samples with tiny")


def test_differences_at_exact_halves_are_ties_and_what_follows_is_their_consequence() -> None:
    nudged = tiny(lambda name, value: value * NEAR if name == "hq" else value)
    found = hwq.compile(two_quantizers()).reference("tiny", inputs(), executor=nudged)
    assert found, str(found.first_bug)
    sums = inputs() @ np.asarray([[4.0, 1.0], [2.0, -4.0]])
    odd = (np.abs(sums) % 2 == 1.5) & (sums < 31.5)  # halves that round away from zero
    assert found.ties == int(odd.sum()) > 50
    assert found.consequences == 0
    assert found.differing_samples == int(odd.any(axis=1).sum())
    first = found.examples[0]
    assert (first.node, first.tensor, first.reason) == ("hq", "hq", "tie")
    assert first.exact is not None
    assert first.exact.denominator == 2
    assert {first.hwq, first.executor} == {first.exact - Fraction(1, 2), first.exact + Fraction(1, 2)}
    assert f"exact {decimal(first.exact)} = {first.exact}, hwq {first.hwq}, executor {first.executor}" in str(first)


def test_ties_of_the_input_quantizer_explain_what_follows() -> None:
    x = np.asarray([[0.0625, 1.125], [0.1875, 1.0], [0.25, 0.5]])
    nudged = tiny(lambda name, value: value * (1 + 2.0**-23) if name == "xq" else value)
    found = hwq.compile(two_quantizers()).reference("tiny", x, executor=nudged)
    assert found, str(found.first_bug)
    assert [(e.node, e.sample, e.index, e.exact, e.hwq, e.executor) for e in found.examples] == [
        ("xq", 0, 0, Fraction(1, 2), 0, 1)
    ]
    assert (found.differing_samples, found.consequences) == (1, 1)


@pytest.mark.parametrize("error", [0.2, -0.2, 0.3])
def test_an_error_that_float32_cannot_make_is_a_bug(error: float) -> None:
    nudged = tiny(lambda name, value: value + error if name == "hq" else value)
    found = hwq.compile(two_quantizers()).reference("tiny", inputs(), executor=nudged)
    assert not found
    assert found.bugs > 0
    assert found.first_bug is not None
    assert (found.first_bug.node, found.first_bug.reason) == ("hq", "bug")
    assert "UNEXPLAINED: net: " in found.text("net")


def test_a_wrong_clamp_is_a_bug() -> None:
    nudged = tiny(lambda name, value: np.minimum(value, 20.0) if name == "hq" else value)
    found = hwq.compile(two_quantizers()).reference("tiny", 4 * inputs(), executor=nudged)
    assert not found
    assert found.first_bug is not None
    assert found.first_bug.hwq > found.first_bug.executor == 20


@pytest.mark.parametrize("value", [0.5, np.nan])
def test_an_output_that_differs_with_equal_quantizers_before_it_is_a_bug(value: float) -> None:
    nudged = tiny(lambda name, y: y + value if name == "y" else y)
    found = hwq.compile(two_quantizers()).reference("tiny", inputs(), executor=nudged)
    assert (found.differing, found.bugs) == (1250, 625)
    assert found.first_bug is not None
    assert (found.first_bug.node, found.first_bug.exact) == ("y", None)


@pytest.mark.parametrize("op", ["Tanh", "Softmax"])
def test_an_output_that_hwq_rounds_may_differ_by_its_rounding_and_by_no_more(op: str) -> None:
    net = two_quantizers([node(op, "y", op)], op)
    step = hwq.compile(net).outputs[0].scale
    assert hwq.compile(net).reference("tiny", inputs(), executor=tiny()).bugs == 0
    nudged = tiny(lambda name, value: value + 2 * step if name == op else value)
    assert hwq.compile(net).reference("tiny", inputs(), executor=nudged).bugs == len(inputs())


def test_a_value_that_is_no_code_is_a_bug() -> None:
    def wrapped(made: onnx.ModelProto, wanted: Sequence[str]) -> Callable[[Arrays], list[np.ndarray]]:
        run = tiny()(made, wanted)
        return lambda arrays: [v + 0.1 if n == "hq" else v for n, v in zip(wanted, run(arrays), strict=True)]

    found = hwq.compile(two_quantizers()).reference("tiny", inputs(), executor=wrapped)
    assert found.bugs == 1250
    assert found.first_bug is not None
    assert found.first_bug.node == "hq"


def test_the_greatest_of_equal_values_may_be_another_one_and_of_unequal_ones_not() -> None:
    net = two_quantizers([node("ArgMax", "y", "best", axis=-1, keepdims=0)], "best")
    y = np.rint(inputs() @ np.asarray([[4.0, 1.0], [2.0, -4.0]])) @ np.asarray([[1.0, 3.0], [2.0, -2.0]])
    equal = y[:, 0] == y[:, 1]
    assert 0 < equal.sum() < len(equal)
    other = tiny(lambda name, value: 1 - value if name == "best" else value)
    fine = hwq.compile(net).reference("tiny", inputs()[equal], executor=other)
    assert fine, str(fine.first_bug)
    assert (fine.ties, fine.examples[0].reason) == (int(equal.sum()), "order")
    assert hwq.compile(net).reference("tiny", inputs()[~equal], executor=other).bugs == int((~equal).sum())


def test_an_input_of_a_stated_type_reaches_both_sides_as_its_values() -> None:
    net = two_quantizers()
    del net.graph.node[0]
    net.graph.node[2].input[0] = "x"

    def make(_: onnx.ModelProto, wanted: Sequence[str]) -> Callable[[Arrays], list[np.ndarray]]:
        def run(arrays: Arrays) -> list[np.ndarray]:
            assert np.array_equal(arrays["x"] * 8, np.rint(arrays["x"] * 8))
            hq = np.clip(np.rint(arrays["x"] @ np.asarray([[4.0, 1.0], [2.0, -4.0]])), -32, 31)
            found = {"hq": hq, "y": hq @ np.asarray([[1.0, 3.0], [2.0, -2.0]])}
            return [found[name] for name in wanted]

        return run

    design = hwq.compile(net, {"input_types": {"x": "ap_fixed<8,5>"}})
    found = design.reference("tiny", inputs() + 0.03, executor=make)
    assert found, str(found.first_bug)
    assert found.quantizers == 1


# -- real executors --------------------------------------------------------------------------------------------------


def test_the_differences_from_onnxruntime_of_a_qdq_model_are_one_tie() -> None:
    pytest.importorskip("onnxruntime")
    path, x = shared("qdq_digits_mlp_s8s8_pt")
    found = hwq.compile(path).reference("onnxruntime", x)
    assert found, str(found.first_bug)
    assert (found.differing, found.differing_samples, found.ties, found.bugs) == (3, 1, 1, 0)
    (tie,) = found.examples
    assert tie.exact is not None
    assert abs(tie.exact - Fraction(133, 2)) < Fraction(1, 1 << 18)
    assert {tie.hwq, tie.executor} == {66, 67}


def test_average_pooling_in_onnxruntime_breaks_exact_ties_either_way() -> None:
    pytest.importorskip("onnxruntime")
    path, x = shared("pt2e_digits_cnn_x86")
    found = hwq.compile(path).reference("onnxruntime", x[:60])
    assert found, str(found.first_bug)
    assert found.ties > 50
    assert all(e.exact is not None and e.exact.denominator == 2 for e in found.examples)


@pytest.mark.parametrize("name", ["qdq_digits_cnn_u8s8_pc", "qop_digits_cnn_u8s8_pc", "bvqcdq_digits_cnn_w8a8_pc"])
def test_every_difference_from_onnxruntime_is_a_tie(name: str) -> None:
    pytest.importorskip("onnxruntime")
    path, x = shared(name)
    found = hwq.compile(path).reference("onnxruntime", x)
    assert found, str(found.first_bug)
    assert found.quantizers > 2


def test_the_onnx_packages_reference_is_compared_too() -> None:
    path, x = shared("qdq_bc_mlp_u8u8_asym")
    found = hwq.compile(path).reference("onnx", x[:40])
    assert found, str(found.first_bug)
    assert found.values == 80


def test_a_wrong_scale_in_the_model_that_the_executor_gets_is_found() -> None:
    pytest.importorskip("onnxruntime")
    path, x = shared("qdq_digits_mlp_s8s8_pt")

    def other(given: onnx.ModelProto, wanted: Sequence[str]) -> Any:
        changed = onnx.ModelProto()
        changed.CopyFrom(given)
        scales = {n.input[1] for n in changed.graph.node if n.op_type == "QuantizeLinear"}
        for tensor in changed.graph.initializer:
            if tensor.name in scales and "Gemm" in tensor.name:
                value = onnx.numpy_helper.to_array(tensor) * np.float32(1.001)
                tensor.CopyFrom(onnx.numpy_helper.from_array(value.astype(np.float32), tensor.name))
        return EXECUTORS["onnxruntime"](changed, wanted)

    assert hwq.compile(path).reference("onnxruntime", x[:40], executor=other).bugs > 0


# -- the face --------------------------------------------------------------------------------------------------------


def test_verify_reference_explains_and_counts(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    path, x = shared("qdq_digits_mlp_s8s8_pt")
    np.save(tmp_path / "x.npy", x[200:240])
    common = ("verify", path, "--types", "native", "--data", "x.npy", "--reference", "onnxruntime")
    result = cli(*common)
    assert (result.exit_code, result.stderr) == (0, "")
    equal, explained, tie = result.stdout.splitlines()
    assert equal.startswith("EQUAL: ")
    assert explained.startswith("EXPLAINED: ")
    assert "3 of 400 output values, in 1 of 40 samples" in explained
    assert "sample 22, index 14: exact 66.5000027" in tie
    record = json.loads(cli(*common, "--json").stdout)["reference"]
    assert (record["explained"], record["ties"], record["bugs"], record["differing"]) == (True, 1, 0, 3)
    exact = record["examples"][0]["exact"]
    assert exact["decimal"].startswith("66.5000027")
    assert Fraction(exact["fraction"]) > Fraction(133, 2)


def test_verify_reference_exits_with_1_on_a_bug(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    onnx.save(two_quantizers(), tmp_path / "m.onnx")
    wrong = tiny(lambda name, value: value + 0.2 if name == "hq" else value)
    monkeypatch.setattr("hwq.check.reference.EXECUTORS", {"qonnx": wrong})
    np.save(tmp_path / "x.npy", inputs())
    result = cli("verify", "m.onnx", "--types", "native", "--data", "x.npy", "--reference", "qonnx")
    assert result.exit_code == 1
    assert "EQUAL: net" in result.stdout
    assert "UNEXPLAINED: net: " in result.stdout
    assert "node 'hq' (tensor hq), sample " in result.stdout


def test_an_executor_that_is_not_installed_is_named_with_advice(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx.save(two_quantizers(), tmp_path / "m.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    line = one_line(cli("verify", "m.onnx", "--types", "native", "--samples", 2, "--reference", "onnxruntime"))
    assert "onnxruntime is not installed; pip install onnxruntime" in line


def test_a_model_that_the_executor_cannot_run_is_one_line_with_advice(cli: Cli, tmp_path: Path) -> None:
    onnx.save(two_quantizers(), tmp_path / "m.onnx")
    line = one_line(cli("verify", "m.onnx", "--types", "native", "--samples", 2, "--reference", "onnx"))
    assert "onnx cannot run this model" in line
    assert "qonnx runs Quant nodes" in line


@pytest.mark.parametrize(
    ("config", "words"),
    [({"output_types": {"y": "ap_fixed<8,8>"}}, "output types"), ({"softmax": "argmax"}, "softmax")],
)
def test_a_design_that_means_something_else_than_the_model_is_refused(config: dict[str, Any], words: str) -> None:
    with pytest.raises(hwq.HwqError, match=f"{words}.*; compile the model as it is"):
        hwq.compile(two_quantizers(), config).reference("tiny", inputs(), executor=tiny())


def test_an_unknown_executor_is_refused() -> None:
    with pytest.raises(hwq.HwqError, match="'tflite' is not known; use one of onnxruntime, qonnx, onnx"):
        hwq.compile(two_quantizers()).reference("tflite", inputs())


def test_exposing_tensors_keeps_the_model_as_it_is() -> None:
    net = two_quantizers()
    before = net.SerializeToString()
    assert [o.name for o in exposed(net, ["hq", "y"]).graph.output] == ["y", "hq"]
    assert net.SerializeToString() == before


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(51, 2), "25.5"),
        (Fraction(-1, 3), "-0.333333333333..."),
        (Fraction(0), "0"),
        (Fraction(100), "100"),
        (Fraction(-7, 2), "-3.5"),
    ],
)
def test_decimals_are_cut_and_say_so(value: Fraction, text: str) -> None:
    assert decimal(value) == text
