"""Streaming designs: every op's samples through FIFOs on every target, faults found and named, whole models."""

from __future__ import annotations

from pathlib import Path

import pytest

import hwq
import test_models
from hwq.codegen.render import Settings
from hwq.codegen.streams import render_stream
from hwq.ir import Graph
from hwq.stream import stream_plan
from hwq.targets import TARGETS, get_target
from hwq.toolchain import find_headers
from hwq.verify import Result, verify_codes
from test_ops import BATCH, SAMPLES, drawn_codes, graph_of

needs_headers = pytest.mark.skipif(find_headers(get_target("vivado")) is None, reason="no headers: pip install da4ml")


def written(graph: Graph, target: str, folder: Path) -> Path:
    for path, text in render_stream(
        graph, get_target(target), Settings("samples", "", 5.0, "test", io="stream")
    ).items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def verified(graph: Graph, target: str, folder: Path, types: str, batch: int = 3) -> Result:
    codes = {p.edge: drawn_codes(graph.edges[p.edge], batch, i) for i, p in enumerate(graph.inputs)}
    return verify_codes(written(graph, target, folder), graph, get_target(target), "samples", codes, types=types)


def test_every_sample_streams_as_the_simulator_says_with_native_types(tmp_path: Path) -> None:
    result = verified(graph_of([sample for _, sample in SAMPLES]), "catapult", tmp_path, "native")
    assert result, result.fault or str(result.first)


@pytest.mark.slow
@pytest.mark.parametrize("target", sorted(TARGETS))
def test_every_sample_streams_as_the_simulator_says(target: str, tmp_path: Path) -> None:
    if find_headers(get_target(target)) is None:
        pytest.skip(f"no headers for {target}: pip install da4ml")
    result = verified(graph_of([sample for _, sample in SAMPLES]), target, tmp_path, "vendor", BATCH)
    assert result, result.fault or str(result.first)


@needs_headers
@pytest.mark.parametrize("name", ["bv_digits_resnet_w6a6_trunc"])
def test_a_branched_model_streams_as_the_simulator_says(name: str, tmp_path: Path) -> None:
    _, data = test_models.compiled(name)
    design = hwq.compile(test_models.SHARED / f"{name}.onnx", {"io": "stream"})
    result = design.export(tmp_path / "p").verify(data["x"][:2])
    assert result, result.fault or str(result.first)
    assert {f.name for f in result.fifos} == {f.name for f in stream_plan(design.graph, design.settings().top).fifos}
    assert all(0 < f.most <= f.depth for f in result.fifos)


def test_the_emulator_of_a_streaming_design_is_the_model(tmp_path: Path) -> None:
    design = hwq.compile(Path(__file__).parents[1] / "examples" / "rings.onnx", {"io": "stream"})
    x = [[0.25, -0.5], [1.0, 0.125]]
    assert (design.emulator()(x, codes=True) == design.simulate(x, codes=True)).all()


# Faults: the project is damaged as a hand would do it, and verify says which FIFO -------------------------------------


def damaged(tmp_path: Path, file: str, old: str, new: str) -> Result:
    graph = hwq.compile(Path(__file__).parents[1] / "examples" / "rings.onnx", {"io": "stream"}).graph
    folder = written(graph, "vivado", tmp_path)
    path = folder / file
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    codes = {p.edge: drawn_codes(graph.edges[p.edge], 3, i) for i, p in enumerate(graph.inputs)}
    return verify_codes(folder, graph, get_target("vivado"), "samples", codes, types="native")


def test_a_fifo_read_when_empty_fails_by_name(tmp_path: Path) -> None:
    result = damaged(tmp_path, "src/samples.cpp", "  dense_fc1(point, fc1_s);", "  fc1_s.read();")
    assert not result
    assert result.fault == "FIFO fc1_s was read when empty"


def test_a_fifo_left_with_data_fails_by_name(tmp_path: Path) -> None:
    calls = "  dense_fc1(point, fc1_s);"
    result = damaged(tmp_path, "src/samples.cpp", calls, f"{calls}\n  fc1_s.write(fc1_s_v());")
    assert not result
    assert result.fault == "FIFO fc1_s is left with data"
