"""Streaming designs: every op's samples through FIFOs on every target, faults found and named, whole models."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

import hwq
import test_conv
import test_models
from conftest import Cli
from hwq.build.toolchain import find_headers
from hwq.check.verify import Result, verify_codes
from hwq.codegen.arrays import Settings
from hwq.codegen.environment import data_folder
from hwq.codegen.streams import render_stream
from hwq.dataflow.stream_plan import stream_plan
from hwq.ir.hardware import Edge, Graph, InputPort, Node, OutputPort
from hwq.ir.host_quantizers import TypedQuantizer
from hwq.ir.window import Window
from hwq.numeric.rational import scalar
from hwq.ops import Add, Conv
from hwq.targets import HLS_TARGETS, get_target
from test_ops import BATCH, SAMPLES, drawn_codes, graph_of
from test_warnings import STRICT

needs_headers = pytest.mark.skipif(find_headers(get_target("vivado")) is None, reason="no headers: pip install da4ml")


def written(graph: Graph, target: str, folder: Path) -> Path:
    for path, text in render_stream(
        graph, get_target(target), Settings("samples", "", 5.0, "test", io="stream")
    ).items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text)
    return folder


def verified(graph: Graph, target: str, folder: Path, types: str, batch: int = 3) -> Result:
    codes = {p.edge: drawn_codes(graph.edges[p.edge], batch, i) for i, p in enumerate(graph.inputs)}
    return verify_codes(written(graph, target, folder), graph, get_target(target), "samples", codes, types=types)


def test_every_sample_streams_as_the_simulator_says_with_native_types(tmp_path: Path) -> None:
    result = verified(graph_of([sample for _, sample in SAMPLES]), "catapult", tmp_path, "native")
    assert result, result.fault or str(result.first)


@pytest.mark.parametrize(
    "target", ["native", *(pytest.param(t, marks=pytest.mark.slow) for t in sorted(HLS_TARGETS) if t != "native")]
)
def test_every_process_compiles_without_a_warning(target: str, tmp_path: Path) -> None:
    headers = find_headers(get_target(target))
    if headers is None:
        pytest.skip(f"no headers for {target}: pip install da4ml")
    folder = written(graph_of([sample for _, sample in SAMPLES]), target, tmp_path)
    own = data_folder("hls_testbench") / "streams"
    standard = "-std=c++17" if target == "native" else "-std=c++14"
    searched = [f"-I{folder}/src", "-isystem", str(headers.folder), "-idirafter", str(own)]
    sources = [str(folder / "src/samples.cpp"), str(folder / "tb/samples_tb.cpp")]
    flags = ["-fsyntax-only", "-Wall", "-Wextra", *STRICT]
    done = subprocess.run(["g++", standard, *flags, *searched, *sources], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr[:2000]


@pytest.mark.slow
@pytest.mark.parametrize("target", sorted(HLS_TARGETS))
def test_every_sample_streams_as_the_simulator_says(target: str, tmp_path: Path) -> None:
    if find_headers(get_target(target)) is None:
        pytest.skip(f"no headers for {target}: pip install da4ml")
    result = verified(graph_of([sample for _, sample in SAMPLES]), target, tmp_path, "vendor", BATCH)
    assert result, result.fault or str(result.first)


def streamed(name: str, target: str, folder: Path, types: str, samples: int) -> Result:
    _, data = test_models.compiled(name)
    types_of = test_models.INPUT_TYPES.get(Path(name).name, {})
    config = {"io": "stream", "target": target, "input_types": types_of}
    design = hwq.compile(test_models.SHARED / f"{name}.onnx", config)
    return design.export(folder / "p").verify(data["x"][:samples], types)


@pytest.mark.parametrize("name", ["qonnx_espcn_nnresize_16", "ex_separable_conv_ch_last_16", "units/pad_constant"])
def test_a_model_streams_as_the_simulator_says(name: str, tmp_path: Path) -> None:
    result = streamed(name, "vitis", tmp_path, "native", 2)
    assert result, result.fault or str(result.first)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["catapult", "vivado"])
@pytest.mark.parametrize("name", [*test_conv.MODELS, *(f"units/{u}" for u in test_conv.UNITS), *test_models.WHOLE])
def test_every_model_streams_as_the_simulator_says(name: str, target: str, tmp_path: Path) -> None:
    if find_headers(get_target(target)) is None:
        pytest.skip(f"no headers for {target}: pip install da4ml")
    result = streamed(name, target, tmp_path, "vendor", 20)
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


def residual() -> Graph:
    """x plus a padded convolution of x: what comes straight has to wait for the first window."""
    x = Edge.covering((1, 2, 6, 7), -8, 7)
    window = Window((3, 3), (1, 1), (1, 1), (1, 1), (1, 1))
    weights = np.random.default_rng(3).integers(-7, 8, (2, 2, 3, 3))
    one = np.asarray([1])
    nodes = [Node("c", Conv(weights, window), ("image",), ("c",)), Node("s", Add(one, one), ("image", "c"), ("s",))]
    ports = (
        (InputPort("image", "image", "image", TypedQuantizer(x.type)),),
        (OutputPort("s", "s", scalar(1), scalar(0)),),
    )
    return Graph("samples", *ports, (), {"image": x}).with_nodes(nodes)


def test_a_branch_that_joins_again_never_stands_still_at_the_computed_depth(tmp_path: Path) -> None:
    result = verified(residual(), "vivado", tmp_path, "native")
    assert result, result.fault or str(result.first)
    (skip,) = [f for f in result.fifos if f.name == "image_s1"]
    assert skip.most == 7  # pixels before the first window is complete, but for the one that the join has in hand
    assert skip.depth > skip.most


def test_a_fifo_that_is_too_shallow_fails_by_name(tmp_path: Path) -> None:
    graph = residual()
    folder = written(graph, "vivado", tmp_path)
    path = folder / "tb/samples_network.h"
    text = re.sub(r'net.fifo\(image_s1, "image_s1", \d+\)', 'net.fifo(image_s1, "image_s1", 6)', path.read_text())
    path.write_text(text)
    codes = {"image": drawn_codes(graph.edges["image"], 2, 0)}
    result = verify_codes(folder, graph, get_target("vivado"), "samples", codes, types="native")
    assert not result
    assert result.fault.startswith("FIFO image_s1: the design stands still: ")
    assert "waits for room in image_s1" in result.fault


def test_verify_reports_fifos_and_faults_with_exit_status_1(cli: Cli, tmp_path: Path) -> None:
    model = Path(__file__).parents[1] / "examples" / "rings.onnx"
    assert cli("export", model, "--io", "stream", "--target", "native", "-o", "p").exit_code == 0
    manifest = json.loads((tmp_path / "p/hwq.json").read_text())
    assert [p["name"] for p in manifest["processes"] if p["node"] == "fc1"] == ["dense_fc1"]
    done = cli("verify", "p", "--samples", "4", "--json")
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    assert (record["equal"], record["fault"]) == (True, None)
    assert all(0 < f["most"] <= f["depth"] for f in record["fifos"])
    assert {(f["name"], f["depth"]) for f in record["fifos"]} == {(f["name"], f["depth"]) for f in manifest["fifos"]}
    path = tmp_path / "p/src/rings.cpp"
    path.write_text(path.read_text().replace("  dense_fc1(point, fc1_s);", "  fc1_s.read();"))
    done = cli("verify", "p", "--samples", "4")
    assert done.exit_code == 1
    assert done.stdout == "FAULT: rings: FIFO fc1_s was read when empty\n"


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
