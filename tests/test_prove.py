"""The proof of every quantizer: its outcome at compile time, and the same again from the generated C++ alone."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

import hwq
from conftest import Cli, one_line
from hwq.build.toolchain import find_headers, native_headers
from hwq.check.prove import feeds_of, program_text
from hwq.targets import get_target
from models import const, mlp, model, node

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "models"
MODELS = (
    "bv_digits_mlp_w4a4",  # thresholds
    "qdq_digits_mlp_s8s8_pt",  # products and shifts
    "bv_digits_resnet_w6a6_trunc",  # shifts whose offsets moved into biases of convolutions
    "qdq_digits_cnn_u8s8_pc",  # a narrowed join
    "ex_separable_conv_ch_last_16",  # a table
)
Change = Callable[[str], str]


def shared(name: str) -> Path:
    path = SHARED / f"{name}.onnx"
    if not path.is_file():
        pytest.skip(f"no {path}: the shared models are not here")
    return path


def edited(project: hwq.design.Project, pattern: str, change: Change) -> None:
    """One file of the project changed by hand."""
    (path,) = project.path.glob(pattern)
    text = path.read_text()
    assert change(text) != text
    path.write_text(change(text))


def first_number(text: str) -> str:
    """The first constant of a table's body plus one."""
    head, brace, body = text.rpartition("= {")
    return head + brace + re.sub(r"-?\d+", lambda m: str(int(m[0]) + 1), body, count=1)


def table_model() -> onnx.ModelProto:
    """Quant, Sigmoid, Quant: a table over all codes."""
    constants = [const("s", 0.0625), const("t", 1 / 16), const("z", 0.0), const("bits", 7.0)]
    nodes = [
        node("Quant", "x s z bits", "xq", rounding_mode="ROUND", signed=1, narrow=0),
        node("Sigmoid", "xq", "h"),
        node("Quant", "h t z bits", "y", rounding_mode="ROUND", signed=0, narrow=0),
    ]
    return model(nodes, {"x": [1, 6]}, ["y"], constants)


def join_model() -> onnx.ModelProto:
    """Two quantized inputs of unlike scales, one of them broadcast, added and quantized: a narrowed join."""
    constants = [const("s", 0.0371), const("t", 0.0213), const("u", 0.0411), const("z", 0.0), const("bits", 5.0)]
    nodes = [
        node("Quant", "a s z bits", "aq", rounding_mode="ROUND", signed=1, narrow=0),
        node("Quant", "b t z bits", "bq", rounding_mode="ROUND", signed=1, narrow=0),
        node("Add", "aq bq", "h"),
        node("Quant", "h u z bits", "y", rounding_mode="ROUND", signed=1, narrow=0),
    ]
    return model(nodes, {"a": [1, 3, 4], "b": [1, 3, 1]}, ["y"], constants)


def shifts_model() -> onnx.ModelProto:
    """Power-of-two scales and a bias per channel: the offsets of the shift move into the layer before it."""
    constants = [
        const("s", 0.25),
        const("t", 1.0),
        const("z", 0.0),
        const("bits", 4.0),
        const("w", [[1.0, -2.0, 3.0], [2.0, 1.0, -1.0]]),
        const("bias", [0.25, -1.5, 2.75]),
    ]
    nodes = [
        node("Quant", "x s z bits", "xq", rounding_mode="ROUND", signed=1, narrow=0),
        node("Quant", "w t z bits", "wq", rounding_mode="ROUND", signed=1, narrow=0),
        node("MatMul", "xq wq", "h"),
        node("Add", "h bias", "hb"),
        node("Quant", "hb t z bits", "y", rounding_mode="ROUND", signed=1, narrow=0),
    ]
    return model(nodes, {"x": [1, 2]}, ["y"], constants)


# -- the outcome at compile time -------------------------------------------------------------------------------------


def proofs(design: hwq.Design) -> dict[str, dict[str, object] | None]:
    return {f"{row['node']} {row['op']}": row["proof"] for row in design.rows()}


def test_a_step_functions_proof_counts_both_sides_of_every_step_and_both_ends() -> None:
    found = proofs(hwq.compile(shifts_model()))
    assert found["h dense"] is None
    (steps,) = [p for p in found.values() if p]
    # Each channel passes at most 15 steps: two codes beside each, and the two ends of the range.
    assert steps["kind"] == "steps"
    assert 15 * 2 + 2 <= steps["points"] <= 3 * (15 * 2 + 2)


def test_a_tables_proof_counts_every_code() -> None:
    (table,) = [p for p in proofs(hwq.compile(table_model())).values() if p]
    assert table == {"kind": "table", "codes": 128}


def test_a_narrowed_joins_proof_counts_every_pair_of_codes() -> None:
    found = proofs(hwq.compile(join_model()))
    assert found["h add"] == {"kind": "pairs", "pairs": 32 * 32}
    assert found["y shift"] is not None


def test_the_manifest_and_inspect_state_the_proofs(cli: Cli, tmp_path: Path) -> None:
    onnx.save(mlp(), tmp_path / "mlp.onnx")
    manifest = json.loads(hwq.compile(mlp()).render()["hwq.json"])
    inspected = json.loads(cli("inspect", "mlp.onnx", "--json").stdout)
    stated = [layer["proof"] for layer in manifest["layers"]]
    assert stated == [layer["proof"] for layer in inspected["layers"]]
    assert [p is not None for p in stated] == [layer["op"] != "dense" for layer in manifest["layers"]]


# -- from the generated C++ ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_every_circuit_of_a_project_is_proved_with_native_types(name: str, tmp_path: Path) -> None:
    design = hwq.compile(shared(name))
    proved = design.export(tmp_path / "p").prove("native")
    assert proved, str(proved.first)
    circuits = [n for n in design.graph.nodes if n.proof is not None]
    joins = [n for n in circuits if n.proof is not None and n.proof.kind == "pairs"]
    assert proved.layers == len(circuits) - len(joins)
    assert proved.points >= sum(n.proof.compared for n in circuits if n.proof) // 2


@pytest.mark.parametrize("target", ["vivado", "catapult"])
def test_every_circuit_is_proved_with_the_vendors_types(target: str, tmp_path: Path) -> None:
    if find_headers(get_target(target)) is None:
        pytest.skip("no vendor headers: pip install da4ml")
    for make in (mlp, table_model, join_model, shifts_model):
        proved = hwq.compile(make(), {"target": target}).export(tmp_path / make.__name__).prove()
        assert proved, f"{make.__name__}: {proved.first}"
        assert proved.layers > 0


def test_the_shipped_example_is_proved(tmp_path: Path) -> None:
    (path,) = sorted((ROOT / "examples").glob("*.onnx"))[:1]
    proved = hwq.compile(path).export(tmp_path / "p").prove("native")
    assert proved, str(proved.first)
    assert proved.layers > 0


def test_onnxruntimes_arithmetic_is_proved_too(tmp_path: Path) -> None:
    design = hwq.compile(shared("qdq_digits_mlp_s8s8_pt"), {"semantics": "ort"})
    assert design.export(tmp_path / "p").prove("native").layers == 3


def test_a_threshold_changed_by_hand_is_found_with_its_node_channel_and_code(tmp_path: Path) -> None:
    design = hwq.compile(mlp())
    project = design.export(tmp_path / "p")
    edited(project, "src/weights/*act0_thresholds.h", first_number)
    proved = project.prove("native")
    assert not proved
    first = proved.first
    assert first is not None
    assert (first.node, first.channel) == ("act0", 0)
    assert abs(first.expected - first.got) == 1
    (op,) = [n.op for n in design.graph.nodes if n.name == "act0"]
    assert first.codes == (int(op.thresholds[0][0]),)


def test_every_single_threshold_counts(tmp_path: Path) -> None:
    project = hwq.compile(mlp()).export(tmp_path / "p")
    (path,) = project.path.glob("src/weights/*act0_thresholds.h")
    text = path.read_text()
    body = text.rindex("= {")
    numbers = [m.span() for m in re.finditer(r"-?\d+", text) if m.start() > body and "//" not in text[body : m.start()]]
    for start, end in numbers[:: len(numbers) // 4]:
        path.write_text(text[:start] + str(int(text[start:end]) - 1) + text[end:])
        assert not project.prove("native"), text[start:end]


def test_a_table_entry_changed_by_hand_is_found(tmp_path: Path) -> None:
    project = hwq.compile(table_model()).export(tmp_path / "p")
    if list(project.path.glob("src/weights/*_table.h")):
        edited(project, "src/weights/*_table.h", first_number)
    else:
        edited(project, "src/weights/*_thresholds.h", first_number)
    proved = project.prove("native")
    assert not proved
    assert proved.first is not None
    assert proved.first.node == "y"


def test_a_factor_of_a_join_changed_by_hand_is_found_with_both_codes(tmp_path: Path) -> None:
    design = hwq.compile(join_model())
    (add,) = [n.op for n in design.graph.nodes if n.op.kind == "add"]
    project = design.export(tmp_path / "p")
    edited(project, "src/layers.h", lambda text: text.replace(f"({int(add.left[0])})", f"({int(add.left[0]) + 1})"))
    proved = project.prove("native")
    assert proved.first is not None
    assert (proved.first.node, len(proved.first.codes)) == ("h", 2)


def test_a_moved_offset_is_fed_with_the_codes(tmp_path: Path) -> None:
    design = hwq.compile(shifts_model())
    (dense, shift) = [n.op for n in design.graph.nodes]
    assert dense.bias is not None
    assert shift.add is None
    (feed,) = feeds_of(design.stages(), design.graph)
    values = [
        (np.asarray(codes, dtype=float) / 4, answers)
        for (codes,), answers in zip(feed.points, feed.answers, strict=True)
    ]
    for real, answers in values:
        assert np.array_equal(np.clip(np.rint(real), -8, 7), np.asarray(answers, dtype=float))


# -- the face --------------------------------------------------------------------------------------------------------


def test_verify_prove_says_how_many_points_of_how_many_layers(cli: Cli, tmp_path: Path) -> None:
    hwq.compile(mlp()).export(tmp_path / "build")
    result = cli("verify", "build", "--types", "native", "--samples", 3, "--prove")
    assert (result.exit_code, result.stderr) == (0, "")
    equal, proved, exact = result.stdout.splitlines()
    assert exact.startswith("EXACT: ")
    assert equal.startswith("EQUAL: ")
    assert re.fullmatch(r"PROVED: mlp: all \d+ points of 2 layers agree \(exact rationals = C\+\+ with .*\)", proved)


def test_verify_prove_exits_with_1_on_a_difference_and_says_where(cli: Cli, tmp_path: Path) -> None:
    project = hwq.compile(mlp()).export(tmp_path / "build")
    edited(project, "src/weights/*act1_thresholds.h", first_number)
    result = cli("verify", "build", "--types", "native", "--samples", 3, "--prove")
    assert result.exit_code == 1
    assert "DISPROVED: mlp: " in result.stdout
    assert "node 'act1'" in result.stdout
    record = json.loads(cli("verify", "build", "--types", "native", "--samples", 3, "--prove", "--json").stdout)
    assert record["proof"]["equal"] is False
    assert record["proof"]["first"]["node"] == "act1"
    assert record["proof"]["layers"] == 2


def test_a_project_without_its_layers_is_refused(cli: Cli, tmp_path: Path) -> None:
    project = hwq.compile(mlp()).export(tmp_path / "build")
    (project.path / "src" / "layers.h").unlink()
    with pytest.raises(hwq.HwqError, match=r"lacks 'layers\.h'; export it again"):
        project.prove("native")
    with pytest.raises(hwq.HwqError, match="use vendor or native"):
        project.prove("both")
    assert one_line(cli("verify", "build", "--types", "native", "--prove"))


def test_the_proof_program_compiles_without_a_warning(tmp_path: Path) -> None:
    design = hwq.compile(join_model(), {"target": "native"})
    project = design.export(tmp_path / "p")
    source = tmp_path / "prove.cpp"
    source.write_text(program_text(list(feeds_of(design.stages(), design.graph)), design.graph, design.settings().top))
    headers = native_headers()
    command = ["g++", f"-std={headers.standard}", "-O1", "-Wall", "-Wextra", "-Werror", "-I", str(project.path / "src")]
    done = subprocess.run(
        [*command, "-isystem", str(headers.folder), "-c", str(source), "-o", str(tmp_path / "p.o")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
