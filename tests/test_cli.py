"""The command line as a contract: what each command writes where, and with which exit status."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import onnx
import pytest

import hwq
from conftest import Cli, one_line
from hwq.cli.main import main
from hwq.cli.progress import Progress
from models import const, mlp, node, samples, small_model

Contents = Callable[[], dict[str, bytes | None]]
ROOT = Path(__file__).resolve().parents[1]
MODEL_COMMANDS = ("export", "verify", "simulate", "inspect")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an MLP, its inputs, a config that folds it per layer, and the project exported with that."""
    folder = tmp_path_factory.mktemp("cli")
    onnx.save(mlp(), folder / "mlp.onnx")
    np.save(folder / "x.npy", samples((40, 6)))
    (folder / "fold.yaml").write_text("reuse: 2\nlayers:\n  fc0: {reuse: 6}\n  'fc[12]': {reuse: 4}\n")
    hwq.compile(folder / "mlp.onnx", folder / "fold.yaml").export(folder / "build")
    return folder


# -- export ----------------------------------------------------------------------------------------------------------


def test_export_writes_a_project_and_prints_its_layers(cli: Cli, built: Path) -> None:
    result = cli("export", built / "mlp.onnx", "-o", "build", "--target", "vivado", "--top", "net", "--clock", "4")
    assert (result.exit_code, result.stderr) == (0, "")
    assert all(word in result.stdout for word in ("fc0", "fc1", "fc2", "input  x", "output logits", "hwq verify"))
    for name in ("src/net.cpp", "src/net.h", "run.tcl", "README.md", "hwq.json", "model/model.onnx", "tb/net_tb.cpp"):
        assert Path("build", name).is_file()
    assert "create_clock -period 4" in Path("build/run.tcl").read_text()


def test_export_into_no_named_folder_goes_beside_under_the_model_and_target(cli: Cli, built: Path) -> None:
    assert cli("export", built / "mlp.onnx").exit_code == 0
    assert Path("mlp_vivado/hwq.json").is_file()


def test_export_as_json_says_path_digest_and_layers(cli: Cli, built: Path) -> None:
    result = cli("export", built / "mlp.onnx", "-o", "build", "--json")
    record = json.loads(result.stdout)
    assert record["digest"] == json.loads(Path("build/hwq.json").read_text())["digest"]
    assert Path(record["path"]) == Path("build")
    assert [r["node"] for r in record["layers"] if r["op"] == "dense"] == ["fc0", "fc1", "fc2"]


def test_a_second_export_gives_identical_bytes(cli: Cli, contents: Contents, built: Path) -> None:
    first = json.loads(cli("export", built / "mlp.onnx", "-o", "build", "--json").stdout)
    before = contents()
    second = json.loads(cli("export", built / "mlp.onnx", "-o", "build", "--json", "--force").stdout)
    assert contents() == before
    assert first == second


def test_two_processes_with_different_hash_seeds_export_identical_bytes(built: Path, tmp_path: Path) -> None:
    for seed in ("1", "2"):
        command = [sys.executable, "-m", "hwq", "export", str(built / "mlp.onnx"), "-o", str(tmp_path / seed)]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    names = [str(p.relative_to(tmp_path / "1")) for p in (tmp_path / "1").rglob("*") if p.is_file()]
    assert len(names) > 10
    assert all((tmp_path / "1" / n).read_bytes() == (tmp_path / "2" / n).read_bytes() for n in names)


def test_the_digest_follows_the_content(built: Path) -> None:
    one = hwq.compile(mlp()).render()
    assert hwq.compile(mlp()).render() == one
    other = json.loads(hwq.compile(mlp(seed=2)).render()["hwq.json"])
    assert other["digest"] != json.loads(one["hwq.json"])["digest"]
    assert other["weights_digest"] != json.loads(one["hwq.json"])["weights_digest"]


def test_an_existing_folder_needs_force_and_its_project_is_then_replaced_whole(
    cli: Cli, contents: Contents, built: Path
) -> None:
    assert cli("export", built / "mlp.onnx", "-o", "build", "--top", "before").exit_code == 0
    before = contents()
    assert "--force" in one_line(cli("export", built / "mlp.onnx", "-o", "build"))
    assert contents() == before
    assert cli("export", built / "mlp.onnx", "-o", "build", "--force").exit_code == 0
    assert not Path("build/src/before.cpp").exists()
    assert {name.replace("before", "mlp") for name in before} == set(contents())


def test_an_empty_folder_needs_no_force(cli: Cli, built: Path) -> None:
    Path("build").mkdir()
    assert cli("export", built / "mlp.onnx", "-o", "build").exit_code == 0
    assert Path("build/hwq.json").is_file()


@pytest.mark.parametrize("manifest", [None, "", "[]", "{}", '{"name": "some package"}'])
def test_a_folder_that_hwq_did_not_write_is_never_replaced(
    manifest: str | None, cli: Cli, contents: Contents, built: Path
) -> None:
    Path("thesis").mkdir()
    Path("thesis/chapter.tex").write_text("years of work")
    if manifest is not None:
        Path("thesis/hwq.json").write_text(manifest)
    before = contents()
    assert "not a project that hwq wrote" in one_line(cli("export", built / "mlp.onnx", "-o", "thesis", "--force"))
    assert contents() == before


def test_a_file_in_the_way_is_never_replaced(cli: Cli, contents: Contents, built: Path) -> None:
    Path("build").write_text("a file")
    before = contents()
    assert "exists already" in one_line(cli("export", built / "mlp.onnx", "-o", "build"))
    assert "not a project" in one_line(cli("export", built / "mlp.onnx", "-o", "build", "--force"))
    assert "cannot write" in one_line(cli("export", built / "mlp.onnx", "-o", "build/inside"))
    assert contents() == before


def test_a_bad_model_leaves_the_old_project_whole(cli: Cli, contents: Contents, built: Path) -> None:
    assert cli("export", built / "mlp.onnx", "-o", "build").exit_code == 0
    onnx.save(small_model([node("Frobnicate", "h", "y")]), "bad.onnx")
    before = contents()
    one_line(cli("export", "bad.onnx", "-o", "build", "--force"))
    assert contents() == before


@pytest.mark.parametrize("fails_at", [0, 3, 9])
def test_a_full_disk_leaves_the_old_project_whole(
    fails_at: int, cli: Cli, contents: Contents, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("export", built / "mlp.onnx", "-o", "build").exit_code == 0
    before = contents()
    write, written = Path.write_bytes, []

    def until_full(path: Path, data: bytes) -> int:
        written.append(path)
        if len(written) > fails_at:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", until_full)
    assert "No space left" in one_line(cli("export", built / "mlp.onnx", "-o", "build", "--force"))
    assert len(written) == fails_at + 1
    assert "No space left" in one_line(cli("export", built / "mlp.onnx", "-o", "new/deep/build"))
    assert contents() == before


@pytest.mark.parametrize("output", ["n" * 300, "/proc/nothing/here", "/dev/null"])
def test_an_impossible_output_is_refused(output: str, cli: Cli, contents: Contents, built: Path) -> None:
    before = contents()
    one_line(cli("export", built / "mlp.onnx", "-o", output))
    assert contents() == before


def test_a_link_to_a_project_stays_a_link(cli: Cli, built: Path) -> None:
    assert cli("export", built / "mlp.onnx", "-o", "real").exit_code == 0
    Path("link").symlink_to("real")
    assert cli("export", built / "mlp.onnx", "-o", "link", "--force", "--top", "other").exit_code == 0
    assert Path("link").is_symlink()
    assert Path("real/src/other.cpp").is_file()


def test_the_model_kept_in_a_project_compiles_to_the_same_hardware(built: Path) -> None:
    kept = hwq.compile(built / "build" / "model" / "model.onnx", built / "fold.yaml")
    assert str(kept.graph) == str(hwq.compile(built / "mlp.onnx", built / "fold.yaml").graph)


# -- verify ----------------------------------------------------------------------------------------------------------


def test_verify_of_a_folded_project_is_equal(cli: Cli, contents: Contents, built: Path) -> None:
    before = sorted(p.name for p in built.rglob("*"))
    result = cli("verify", built / "build", "--data", built / "x.npy", "--json")
    assert result.exit_code == 0, result.output
    verdict = json.loads(result.stdout)
    assert verdict["equal"] is True
    assert (verdict["samples"], verdict["codes"], verdict["mismatches"], verdict["first"]) == (40, 120, 0, None)
    assert verdict["digest"] == hwq.design.Project.load(built / "build").digest
    assert sorted(p.name for p in built.rglob("*")) == before  # nothing is written into the project
    assert contents() == {"tmp": None}


def test_verify_of_a_model_exports_by_itself(cli: Cli, contents: Contents, built: Path) -> None:
    result = cli("verify", built / "mlp.onnx", "--samples", "7", "--seed", "3")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("EQUAL: mlp: all 21 output codes of 7 samples agree")
    assert contents() == {"tmp": None}


def changed_weight(project: Path, layer: str) -> None:
    """Add one to the first weight of a layer."""
    (path,) = (project / "src" / "weights").glob(f"*{layer}_weights.h")
    text = path.read_text()
    head, brace, rows = text.partition("= {")
    first = re.search(r"-?\d+", rows)
    assert first is not None
    number = int(first[0])
    other = number - 1 if number > 0 else number + 1
    path.write_text(head + brace + rows[: first.start()] + str(other) + rows[first.end() :])


def test_verify_names_the_first_wrong_node_and_index_after_a_weight_was_changed(cli: Cli, built: Path) -> None:
    shutil.copytree(built / "build", "build")
    changed_weight(Path("build"), "fc1")
    result = cli("verify", "build", "--data", built / "x.npy")
    assert result.exit_code == 1, result.output
    pattern = (
        r"DIFFERENT: mlp: [1-9]\d* of 120 output codes of 40 samples\n"
        r"  first: node 'fc1' \(array fc1\), sample \d+, index 0: simulator (-?\d+), C\+\+ (-?\d+)\n"
    )
    found = re.fullmatch(pattern, result.stdout)
    assert found, result.stdout
    assert abs(int(found[1]) - int(found[2])) >= 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: (p / "hwq.json").unlink(), "not a project that hwq wrote"),
        (lambda p: (p / "hwq.json").write_text("{"), "not a project that hwq wrote"),
        (lambda p: (p / "hwq.json").write_text('{"config": {"reuse": -1}}'), "config reuse is -1"),
        (lambda p: (p / "model" / "model.onnx").unlink(), "not a project that hwq wrote"),
        (lambda p: (p / "model" / "model.onnx").write_bytes(b"text\n" * 9), "not an ONNX file"),
        (lambda p: (p / "src" / "mlp.cpp").unlink(), "the project lacks 'mlp.cpp'"),
        (lambda p: (p / "src" / "mlp.cpp").write_text("#error no\n"), "#error no"),
    ],
)
def test_a_damaged_project_cannot_be_verified(change: Callable[[Path], Any], words: str, cli: Cli, built: Path) -> None:
    shutil.copytree(built / "build", "build")
    change(Path("build"))
    assert words in one_line(cli("verify", "build", "--samples", "2"))


def test_options_that_were_decided_at_export_are_refused_at_verify(cli: Cli, built: Path) -> None:
    assert "--reuse" in one_line(cli("verify", built / "build", "--reuse", "4"))
    assert "--input-type" in one_line(cli("verify", built / "build", "--input-type", "x=ap_fixed<8,3>"))


def test_verify_without_a_compiler_says_how_to_get_one(cli: Cli, built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    assert "apt-get install g++" in one_line(cli("verify", built / "build", "--samples", "2"))


# -- simulate --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codes", [False, True])
def test_simulate_writes_what_the_design_simulates(codes: bool, cli: Cli, contents: Contents, built: Path) -> None:
    flag = ["--codes"] if codes else []
    result = cli("simulate", built / "mlp.onnx", "--data", built / "x.npy", "-o", "y.npz", *flag)
    assert (result.exit_code, result.stderr) == (0, "")
    want = hwq.compile(built / "mlp.onnx").simulate(np.load(built / "x.npy"), codes=codes)
    with np.load("y.npz") as written:
        assert written.files == ["logits"]
        assert written["logits"].dtype == (np.int64 if codes else np.float64)
        assert np.array_equal(written["logits"], want)
    assert set(contents()) == {"tmp", "y.npz"}


def test_simulate_takes_an_archive_by_input_name_or_its_only_array(cli: Cli, built: Path) -> None:
    x = np.load(built / "x.npy")
    want = hwq.compile(mlp()).simulate(x)
    for names in ({"x": x, "labels": x[:, 0]}, {"data": x}):
        np.savez("x.npz", **names)
        assert cli("simulate", built / "mlp.onnx", "--data", "x.npz", "-o", "y.npz").exit_code == 0
        assert np.array_equal(np.load("y.npz")["logits"], want)


def test_simulate_that_cannot_write_leaves_nothing(cli: Cli, contents: Contents, built: Path) -> None:
    assert "cannot write" in one_line(
        cli("simulate", built / "mlp.onnx", "--data", built / "x.npy", "-o", "no/such/folder/y.npz")
    )
    assert contents() == {"tmp": None}


# -- inspect ---------------------------------------------------------------------------------------------------------


def test_inspect_as_json_has_types_ranges_cost_and_ports(cli: Cli, contents: Contents, built: Path) -> None:
    result = cli("inspect", built / "mlp.onnx", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    record = json.loads(result.stdout)
    assert record["model"] == "mlp"
    assert (record["inputs"][0]["name"], record["inputs"][0]["shape"]) == ("x", [1, 6])
    assert record["outputs"][0]["name"] == "logits"
    assert len(record["outputs"][0]["scale"]) == 3  # per channel
    dense = [r for r in record["layers"] if r["op"] == "dense"]
    assert [r["macs"] for r in dense] == [30, 20, 12]
    for row in record["layers"]:
        low, high = row["range"]
        assert low < high
        assert row["output"]
        assert row["input"]
        assert row["rom_bits"] >= 0
        assert row["cycles"] >= 1
    assert all(0 < r["rom_bits"] <= 4 * r["macs"] for r in dense)
    assert contents() == {"tmp": None}


def test_inspect_prints_a_table_or_the_ir(cli: Cli, built: Path) -> None:
    table = cli("inspect", built / "mlp.onnx").stdout
    assert table.splitlines()[-2].startswith("total  62 MACs, ")
    text = cli("inspect", built / "mlp.onnx", "--ir").stdout
    assert text == str(hwq.compile(built / "mlp.onnx").graph)


def test_reuse_folds_every_layer_and_the_config_one_by_one(cli: Cli, built: Path) -> None:
    def cycles(*options: Any) -> dict[str, int]:
        rows = json.loads(cli("inspect", built / "mlp.onnx", "--json", *options).stdout)["layers"]
        return {r["node"]: r["cycles"] for r in rows if r["op"] == "dense"}

    assert cycles() == {"fc0": 1, "fc1": 1, "fc2": 1}
    assert cycles("--reuse", "5") == {"fc0": 5, "fc1": 4, "fc2": 4} or cycles("--reuse", "5")["fc0"] == 5
    folded = cycles("--config", built / "fold.yaml")
    assert folded == {"fc0": 6, "fc1": 4, "fc2": 4}
    assert cycles("--config", built / "fold.yaml", "--reuse", "1") == folded  # a layer's own choice stands


def test_folding_changes_no_code(built: Path) -> None:
    x = np.load(built / "x.npy")
    plain = hwq.compile(mlp()).simulate(x, codes=True)
    assert np.array_equal(hwq.compile(mlp(), built / "fold.yaml").simulate(x, codes=True), plain)


# -- choices that cannot be met --------------------------------------------------------------------------------------


def typeless() -> onnx.ModelProto:
    """A model whose input no Quant types."""
    proto = small_model()
    del proto.graph.node[0]
    proto.graph.node[-1].input[0] = "x"
    return proto


def test_an_input_without_a_type_asks_for_one_and_takes_it(cli: Cli, contents: Contents) -> None:
    onnx.save(typeless(), "m.onnx")
    before = contents()
    line = one_line(cli("export", "m.onnx", "-o", "build"))
    assert "model input 'x' reaches it unquantized and has no type" in line
    assert "--input-type 'x=ap_fixed<16,6>'" in line
    assert contents() == before
    for spec, kind in (("ap_fixed<8,3>", "s8.5"), ("quantized_bits(6,2,1)", "s6.3"), ("ap_ufixed<4,4>", "u4")):
        result = cli("inspect", "m.onnx", "--json", "--input-type", f"x={spec}")
        assert json.loads(result.stdout)["inputs"][0]["type"] == kind


def test_an_input_type_from_the_config_counts_too(cli: Cli) -> None:
    onnx.save(typeless(), "m.onnx")
    Path("c.yaml").write_text("input-type: {x: 'ap_fixed<8,3>'}\n")
    assert cli("inspect", "m.onnx", "--config", "c.yaml").exit_code == 0


BAD_OPTIONS: dict[str, tuple[tuple[str, ...], str]] = {
    "unknown input": (("--input-type", "z=ap_fixed<8,3>"), "no input 'z'"),
    "unknown output": (("--output-type", "z=ap_fixed<8,3>"), "no output 'z'"),
    "no name": (("--input-type", "ap_fixed<8,3>"), "write --input-type 'NAME=ap_fixed<16,6>'"),
    "no spec": (("--input-type", "x="), "write --input-type"),
    "unknown type": (("--input-type", "x=ap_floating<8,3>"), "type of 'x'"),
    "type without width": (("--input-type", "x=ap_fixed<0,0>"), "type of 'x'"),
    "type with a huge width": (("--input-type", "x=ap_fixed<99999999,6>"), "type of 'x'"),
    "half a type": (("--input-type", "x=ap_fixed<8"), "type of 'x'"),
    "output that wraps": (("--output-type", "logits=ap_fixed<8,3,AP_RND,AP_WRAP>"), "cannot overflow"),
    "unknown config key": (("--config", "bad.yaml"), "unknown config key 'resue'"),
    "missing config": (("--config", "none.yaml"), "cannot read config 'none.yaml'"),
    "top that is a keyword": (("--top", "class"), "no C identifier"),
    "part with code in it": (("--part", "x}; exec ls; {"), "no device name"),
    "reuse of zero": (("--reuse", "0"), "--reuse"),
    "clock of zero": (("--clock", "0"), "--clock"),
    "unknown target": (("--target", "quartus"), "--target"),
    "unknown option": (("--frobnicate",), "--frobnicate"),
}


@pytest.mark.parametrize("case", sorted(BAD_OPTIONS))
def test_a_wrong_option_is_refused_in_one_line(case: str, cli: Cli, contents: Contents, built: Path) -> None:
    options, words = BAD_OPTIONS[case]
    Path("bad.yaml").write_text("resue: 2\n")
    before = contents()
    assert words in one_line(cli("export", built / "mlp.onnx", "-o", "build", *options))
    assert contents() == before


def test_a_missing_argument_or_command_is_refused_in_one_line(cli: Cli) -> None:
    assert "MODEL" in one_line(cli("export"))
    assert "frobnicate" in one_line(cli("frobnicate"))
    assert "--data" in one_line(cli("simulate", "m.onnx"))


def test_an_error_inside_hwq_is_one_line_too(cli: Cli, built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("a bug\nin two lines")

    monkeypatch.setattr("hwq.design.compile", broken)
    monkeypatch.delenv("HWQ_DEBUG", raising=False)
    result = cli("inspect", built / "mlp.onnx")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "internal error: ZeroDivisionError" in result.stderr
    monkeypatch.setenv("HWQ_DEBUG", "1")
    assert isinstance(cli("inspect", built / "mlp.onnx").exception, ZeroDivisionError)


# -- the rest --------------------------------------------------------------------------------------------------------


def test_every_command_has_help_with_an_example(cli: Cli) -> None:
    assert {"export", "verify", "simulate", "inspect", "doctor", "quantizer"} <= set(main.commands)
    for name in main.commands:
        for flag in ("--help", "-h"):
            result = cli(name, flag)
            assert result.exit_code == 0, (name, flag, result.output, result.stderr)
            assert re.search(rf"Examples?:\n\s+hwq {name}", result.stdout), name
    assert "hwq export model.onnx" in cli("--help").stdout


def test_every_option_says_what_it_does() -> None:
    for command in main.commands.values():
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, (command.name, parameter.name)


@pytest.mark.parametrize("command", MODEL_COMMANDS)
def test_every_command_on_a_model_takes_the_options_of_the_contract(command: str) -> None:
    options = {o for p in main.commands[command].params for o in p.opts}
    wanted = {"--config", "--target", "--io", "--reuse", "--top", "--part", "--clock", "--input-type", "--output-type"}
    assert wanted <= options


def test_doctor_says_what_is_there_and_how_to_get_the_rest(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    result = cli("doctor")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "C++ compiler" in result.stdout
    records = json.loads(cli("doctor", "--json").stdout)
    assert all({"what", "found", "needed", "detail"} <= set(r) and r["detail"] for r in records)
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    bare = cli("doctor", "--json")
    assert bare.exit_code == 2
    assert len(bare.stderr.splitlines()) == 1
    (compiler,) = (r for r in json.loads(bare.stdout) if r["what"] == "C++ compiler")
    assert (compiler["found"], compiler["detail"]) == (False, "apt-get install g++, or set CXX")


def test_progress_goes_to_standard_error_once_a_stage_takes_long(capsys: pytest.CaptureFixture[str]) -> None:
    stage = Progress(delay=0.01)
    stage("reading")
    deadline = time.monotonic() + 5
    while not stage.shown and time.monotonic() < deadline:
        time.sleep(0.005)
    stage("quick")
    stage.close()
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"reading \.\.\.\nreading: \d+\.\d s\n", err)


def test_progress_ends_with_a_command_that_fails(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    begin = Progress.__call__

    def watched(stage: Progress, label: str) -> None:
        started.append(stage)
        begin(stage, label)

    monkeypatch.setattr(Progress, "__call__", watched)
    Path("bad.onnx").write_bytes(b"no")
    one_line(cli("export", "bad.onnx"))
    assert len(started) == 1
    assert started[0].delay == 300.0
    assert started[0].timer is None


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def test_python_m_hwq_is_the_command_line() -> None:
    done = python("-m", "hwq", "--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"hwq, version {hwq.__version__}\n", "")
    done = python("-m", "hwq", "export", "none.onnx")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "hwq: no file 'none.onnx'; give the path of an .onnx file\n"


def test_importing_hwq_loads_nothing_heavy() -> None:
    done = python("-X", "importtime", "-c", "import hwq, sys; print(*sorted(sys.modules))")
    loaded = set(done.stdout.split())
    assert "hwq" in loaded
    assert not loaded & {"onnx", "numpy", "jinja2", "click", "yaml", "google.protobuf", "hwq.design", "hwq.cli.main"}


def test_the_names_of_the_face_are_there() -> None:
    for name in hwq.__all__:
        assert getattr(hwq, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = hwq.no_such_name
    assert issubclass(hwq.HwqError, Exception)


def test_constants_in_older_files_may_be_listed_as_inputs_too(cli: Cli) -> None:
    proto = small_model([node("Add", "h c", "y")], [const("c", [0.5, 1.0, -0.5])])
    listed = onnx.ModelProto()
    listed.CopyFrom(proto)
    listed.graph.input.append(onnx.helper.make_tensor_value_info("c", onnx.TensorProto.FLOAT, [3]))
    x = samples((20, 4))
    assert np.array_equal(hwq.compile(listed).simulate(x), hwq.compile(proto).simulate(x))
