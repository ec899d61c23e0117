"""Golden text: the IR of the shipped example and one whole generated project per target, reviewed as prose.

After an intended change: `pytest tests/test_golden.py --update-golden`, then read the diff.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import hwq
from hwq.frontends.onnx import read_onnx
from hwq.passes import lower
from hwq.targets import TARGETS

HERE = Path(__file__).resolve().parent
EXAMPLE = HERE.parent / "examples" / "rings.onnx"
GOLDEN = HERE / "golden"


def compare(path: Path, text: str, update: bool) -> None:
    if update:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert path.is_file(), f"no {path.name}: run with --update-golden"
    assert text == path.read_text()


def test_lowered_ir_reads_as_it_did(update_golden: bool):
    compare(GOLDEN / "rings.lowered.txt", str(lower(read_onnx(EXAMPLE))), update_golden)


def test_hardware_ir_reads_as_it_did(update_golden: bool):
    compare(GOLDEN / "rings.hardware.txt", str(hwq.compile(EXAMPLE, {"reuse": 4}).graph), update_golden)


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_generated_project_reads_as_it_did(target: str, update_golden: bool):
    folder = GOLDEN / f"rings_{target}"
    files = hwq.compile(EXAMPLE, {"reuse": 1 if target == "verilog" else 4, "target": target}).render()
    if update_golden:
        shutil.rmtree(folder, ignore_errors=True)
    for name, content in files.items():
        if not name.endswith(".onnx"):  # the example itself
            compare(folder / name, content.decode(), update_golden)
    kept = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert kept == {name for name in files if not name.endswith(".onnx")}


def test_rendering_twice_gives_the_same_bytes():
    design = hwq.compile(EXAMPLE)
    assert design.render() == design.render() == hwq.compile(EXAMPLE).render()
