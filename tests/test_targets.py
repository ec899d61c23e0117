"""`--target all`: a project for every target below one folder, whole or not at all, with one digest of the weights."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest

import hwq
from conftest import Cli, one_line
from hwq.errors import HwqError
from hwq.targets import TARGETS
from models import small_model


def test_every_target_gets_a_project_and_all_share_the_weights(cli: Cli, tmp_path: Path):
    onnx.save(small_model(), tmp_path / "m.onnx")
    done = cli("export", "m.onnx", "--target", "all", "-o", "out")
    assert done.exit_code == 0, done.output
    manifests = {n: json.loads((tmp_path / "out" / n / "hwq.json").read_text()) for n in TARGETS}
    assert {m["target"] for m in manifests.values()} == set(TARGETS)
    assert len({m["weights_digest"] for m in manifests.values()}) == 1
    assert len({m["digest"] for m in manifests.values()}) == len(TARGETS)
    whole = json.loads((tmp_path / "out" / "hwq.json").read_text())
    assert whole["weights_digest"] == manifests["vivado"]["weights_digest"]
    assert whole["weights_digest"][:16] in done.stdout


def test_each_of_them_is_what_an_export_for_it_alone_writes(tmp_path: Path):
    hwq.compile(small_model()).export_all(tmp_path / "all")
    for name in TARGETS:
        hwq.compile(small_model(), {"target": name}).export(tmp_path / name)
        alone = {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*") if p.is_file()}
        folder = tmp_path / "all" / name
        assert {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()} == alone


def test_json_names_every_project(cli: Cli, tmp_path: Path):
    onnx.save(small_model(), tmp_path / "m.onnx")
    record = json.loads(cli("export", "m.onnx", "--target", "all", "-o", "out", "--json").stdout)
    assert [p["target"] for p in record["projects"]] == sorted(TARGETS)
    assert all((tmp_path / p["path"]).is_dir() for p in record["projects"])


def test_a_folder_of_all_targets_is_replaced_whole_and_only_with_force(cli: Cli, tmp_path: Path):
    onnx.save(small_model(), tmp_path / "m.onnx")
    assert cli("export", "m.onnx", "--target", "all", "-o", "out").exit_code == 0
    (tmp_path / "out" / "vivado" / "stray").write_text("")
    assert "exists already" in one_line(cli("export", "m.onnx", "--target", "all", "-o", "out"))
    assert cli("export", "m.onnx", "--target", "all", "-o", "out", "--force").exit_code == 0
    assert not (tmp_path / "out" / "vivado" / "stray").exists()


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
