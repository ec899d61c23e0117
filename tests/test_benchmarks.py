"""Every benchmark runs, on something tiny: a benchmark that nobody can run measures nothing."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import onnx
import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"
RUN_HERE = frozenset(["digits_cnn", "field", "hardware", "large_networks", "quantizers", "requantizer", "spine"])
HELPERS = frozenset(["field_report", "peers"])  # read by field.py; peers.py runs in the peers' own environment


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> object:
    """Imports a benchmark as `python benchmarks/NAME.py` would, and forgets it afterwards."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)

    def load(name: str) -> ModuleType:
        return import_module(name)

    yield load
    for name in (RUN_HERE | HELPERS) & (set(sys.modules) - before):
        del sys.modules[name]


def small_network(large: ModuleType) -> onnx.ModelProto:
    b = large.Builder("small", 4)
    x = b.active(b.conv(b.quant("x", 1 / 127, 8, 1), 3, 4, 3, 2, bits=8))
    return b.finish(b.active(b.conv(x, 4, 4, 3, 1, 4)), 4, 5, 12)


def test_every_benchmark_is_run_here():
    assert {p.stem for p in FOLDER.glob("*.py")} == RUN_HERE | HELPERS


def test_the_spine_prints_a_row_for_each_measurement(benchmark, capsys, tmp_path):
    benchmark("spine").main(["--quick", "--qonnx-python", sys.executable, "--json", str(tmp_path / "rows.json")])
    printed = capsys.readouterr().out
    assert printed.count("mlp2x16") == 7
    assert "compile + export" in printed
    assert "float64 numpy matmul chain" in printed
    assert (tmp_path / "rows.json").is_file()


def test_layers_as_adders_are_listed_and_a_short_run_writes_nothing(benchmark, capsys):
    hardware = benchmark("hardware")
    hardware.main(["--quick"])
    assert capsys.readouterr().out.count("rings fc") == 3
    assert not hardware.RESULTS.exists()
    text = hardware.verilog(hardware.solved(*next(hardware.problems(True))[1:]))
    assert text.startswith("module layer(input signed [7:0] x0, input signed [7:0] x1, output")


def test_requantizers_are_timed(benchmark, capsys):
    benchmark("requantizer").main([(3, 15, 10)])
    assert "3 channels, 16 codes" in capsys.readouterr().out


def test_quantizers_are_timed_and_a_short_run_writes_nothing(benchmark, capsys):
    quantizers = benchmark("quantizers")
    before = quantizers.RESULTS.read_bytes()
    quantizers.main(["--elements", "1000"])
    assert capsys.readouterr().out.count("quantized_bits") == len(quantizers.CONFIGURATIONS)
    assert quantizers.RESULTS.read_bytes() == before


def test_large_networks_are_timed_stage_by_stage(benchmark, capsys, tmp_path):
    large = benchmark("large_networks")
    config = {"io": "stream", "target_fps": 0}
    large.measure("small", lambda: small_network(large), tmp_path / "small.onnx", True, config)
    printed = capsys.readouterr().out
    assert all(stage in printed for stage in ("built", "compiled", "estimated", "exported", "FIFOs"))
    assert (tmp_path / "small.onnx").is_file()


def test_a_cnn_is_timed_beside_onnxruntime(benchmark, capsys, tmp_path):
    large = benchmark("large_networks")
    onnx.save(small_network(large), tmp_path / "small.onnx")
    benchmark("digits_cnn").main(tmp_path / "small.onnx", 4)
    assert "ratio" in capsys.readouterr().out


def test_the_field_reports_its_own_figures_and_peers_that_fail(benchmark, monkeypatch, tmp_path):
    field, text = benchmark("field"), benchmark("field_report")
    monkeypatch.setattr(field, "BUILDS", 1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    onnx.save(field.mlp((6, 5, 3), "tiny"), tmp_path / "tiny.onnx")
    record = {"model": "tiny", "hwq": field.own(tmp_path / "tiny.onnx", tmp_path, field.warmed(tmp_path))}
    record["hls4ml"] = field.peer(Path(sys.executable), "hls4ml", tmp_path / "tiny.onnx", tmp_path)
    assert "failed" in record["hls4ml"]
    found = {"models": [{**record, "qonnx": {"failed": "no"}, "ort": {"failed": "no"}}]}
    assert any("tiny" in str(row) for row in text.compared(found["models"]))
    assert field.curve(tmp_path, (64,))[0]["weights"] == 64
