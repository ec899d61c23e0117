"""`--target all`: a project for every target below one folder, whole or not at all, with one digest of the weights."""

from __future__ import annotations

import json
import re
from pathlib import Path

import onnx
import pytest

import hwq
from conftest import Cli, one_line
from hwq.errors import HwqError
from hwq.targets import HLS_TARGETS
from models import const, mlp, model, node, samples, small_model


def test_every_target_gets_a_project_and_all_share_the_weights(cli: Cli, tmp_path: Path):
    onnx.save(small_model(), tmp_path / "m.onnx")
    done = cli("export", "m.onnx", "--target", "all", "-o", "out")
    assert done.exit_code == 0, done.output
    manifests = {n: json.loads((tmp_path / "out" / n / "hwq.json").read_text()) for n in HLS_TARGETS}
    assert {m["target"] for m in manifests.values()} == set(HLS_TARGETS)
    assert len({m["weights_digest"] for m in manifests.values()}) == 1
    assert len({m["digest"] for m in manifests.values()}) == len(HLS_TARGETS)
    whole = json.loads((tmp_path / "out" / "hwq.json").read_text())
    assert whole["weights_digest"] == manifests["vivado"]["weights_digest"]
    assert whole["weights_digest"][:16] in done.stdout


def test_each_of_them_is_what_an_export_for_it_alone_writes(tmp_path: Path):
    hwq.compile(small_model()).export_all(tmp_path / "all")
    for name in HLS_TARGETS:
        hwq.compile(small_model(), {"target": name}).export(tmp_path / name)
        alone = {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*") if p.is_file()}
        folder = tmp_path / "all" / name
        assert {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()} == alone


def test_json_names_every_project(cli: Cli, tmp_path: Path):
    onnx.save(small_model(), tmp_path / "m.onnx")
    record = json.loads(cli("export", "m.onnx", "--target", "all", "-o", "out", "--json").stdout)
    assert [p["target"] for p in record["projects"]] == sorted(HLS_TARGETS)
    assert all((tmp_path / p["path"]).is_dir() for p in record["projects"])


def test_a_folder_of_all_targets_is_replaced_whole_and_only_with_force(cli: Cli, tmp_path: Path):
    onnx.save(small_model(), tmp_path / "m.onnx")
    assert cli("export", "m.onnx", "--target", "all", "-o", "out").exit_code == 0
    (tmp_path / "out" / "vivado" / "stray").write_text("")
    (tmp_path / "out" / "vivado" / "README.md").write_text("")
    assert "exists already" in one_line(cli("export", "m.onnx", "--target", "all", "-o", "out"))
    assert cli("export", "m.onnx", "--target", "all", "-o", "out", "--force").exit_code == 0
    assert (tmp_path / "out" / "vivado" / "stray").exists()  # not hwq's own: it stays
    assert (tmp_path / "out" / "vivado" / "README.md").read_text()


def test_a_folder_of_all_targets_is_not_verified_as_one(cli: Cli, tmp_path: Path):
    onnx.save(small_model(), tmp_path / "m.onnx")
    cli("export", "m.onnx", "--target", "all", "-o", "out")
    assert (
        one_line(cli("verify", "out")) == "'out' holds a project per target; name one of them, such as 'out/catapult'"
    )


def test_a_device_is_one_targets(tmp_path: Path):
    with pytest.raises(HwqError, match="a device belongs to one target"):
        hwq.compile(small_model(), {"part": "xc7z020clg400-1"}).export_all(tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["verify", "inspect"])
def test_other_commands_take_one_target(command: str, cli: Cli, tmp_path: Path):
    onnx.save(small_model(), tmp_path / "m.onnx")
    assert "'all' is not one of" in one_line(cli(command, "m.onnx", "--target", "all"))


@pytest.mark.parametrize("target", ["vivado", "vitis"])
@pytest.mark.parametrize(("interface", "mode"), [("fifo", "ap_fifo"), ("axis", "axis"), ("axilite", "s_axilite")])
def test_ports_that_pass_each_code_once_are_read_and_written_in_order(
    target: str, interface: str, mode: str, tmp_path: Path
):
    proto = mlp((6, 5, 4, 3), act_bits=3)
    project = hwq.compile(proto, {"target": target, "interface": interface, "control": "axilite", "top": "net"})
    project = project.export(tmp_path / "net")
    assert project.verify(samples((20, 6), 1, 3.0), "native")
    text = (tmp_path / "net/src/net.cpp").read_text()
    ports = re.findall(r"(?:const )?\w+ (\w+)\[\d+\][,)]", text[text.index("void net(") :].split("{")[0])
    assert len(ports) == 2
    for port in ports:
        assert len(re.findall(rf"#pragma HLS INTERFACE {mode} port={port}\b", text)) == 1
        assert f"variable={port} " not in text  # a port that is split would be several
        assert len(re.findall(rf"\b{port}\[i\]", text)) == 1
        assert len(re.findall(rf"\b{port}\b", text)) == 3  # declared, said what it is, and passed
    assert "#pragma HLS INTERFACE s_axilite port=return bundle=control" in text
    assert "ap_ctrl_hs" not in text


def test_outputs_that_are_inputs_pass_through_such_ports(tmp_path: Path):
    nodes = [node("Quant", "x s z b", "q", rounding_mode="ROUND"), node("Flatten", "q", "y"), node("Add", "q q", "w")]
    proto = model(nodes, {"x": [1, 2, 3]}, ["y", "w"], [const("s", 0.5), const("z", 0.0), const("b", 5.0)])
    for interface in ("memory", "axis"):
        project = hwq.compile(proto, {"interface": interface}).export(tmp_path / interface)
        assert project.verify(samples((20, 2, 3), 1, 3.0), "native")


@pytest.mark.parametrize(("interface", "mode"), [("", "axis"), ("axis", "axis"), ("fifo", "ap_fifo")])
def test_streams_end_in_streaming_ports(interface: str, mode: str, tmp_path: Path):
    choices = {"target": "vitis", "io": "stream", "interface": interface, "top": "net"}
    project = hwq.compile(mlp((6, 5, 4, 3)), choices).export(tmp_path / "net")
    assert project.verify(samples((5, 6), 1, 3.0), "native")
    text = (tmp_path / "net/src/net.cpp").read_text()
    assert len(re.findall(rf"#pragma HLS INTERFACE {mode} port=", text)) == 2
    assert "#pragma HLS INTERFACE ap_ctrl_hs port=return" in text


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--target", "catapult", "--interface", "axis"], "interface 'axis' for target 'catapult'; use target vivado"),
        (["--target", "native", "--control", "axilite"], "control 'axilite' for target 'native'; use target vivado"),
        (["--target", "all", "--interface", "memory"], "interface 'memory' for target 'catapult'; use target vivado"),
        (["--io", "stream", "--interface", "memory"], "interface 'memory' of a design that streams; use fifo or axis"),
        (
            ["--io", "stream", "--interface", "axilite"],
            "interface 'axilite' of a design that streams; use fifo or axis",
        ),
    ],
)
def test_interfaces_that_a_target_has_not_are_refused(options: list[str], line: str, cli: Cli, tmp_path: Path):
    onnx.save(small_model(), tmp_path / "m.onnx")
    assert line in one_line(cli("export", "m.onnx", "-o", "out", *options))
    assert not (tmp_path / "out").exists()


def test_interfaces_are_checked_in_a_config_too():
    for key in ("interface", "control"):
        with pytest.raises(HwqError, match=f"{key} 'wishbone' is not available"):
            hwq.compile(small_model(), {key: "wishbone"})
        with pytest.raises(HwqError, match=f"config '{key}' is 3"):
            hwq.compile(small_model(), {key: 3})
