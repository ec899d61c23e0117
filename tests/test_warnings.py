"""Generated C++ compiles without a warning under -Wall -Wextra, for every op's samples and every target."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hwq.build.toolchain import find_headers
from hwq.codegen.arrays import Settings, render
from hwq.targets import HLS_TARGETS, get_target
from test_ops import SAMPLES, graph_of

STRICT = ("-DHWQ_STRICT", "-Wno-unknown-pragmas", "-Wno-unused-label")  # what hides nothing but HLS' own idioms


@pytest.mark.parametrize("target", sorted(HLS_TARGETS))
def test_every_op_compiles_without_a_warning(target: str, tmp_path: Path):
    record = get_target(target)
    headers = find_headers(record)
    if headers is None:
        pytest.skip(f"no headers for {target}: pip install da4ml")
    graph = graph_of([sample for _, sample in SAMPLES])
    for path, text in render(graph, record, Settings("samples", "", 5.0, "test")).items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text)
    sources = [str(tmp_path / "src/samples.cpp"), str(tmp_path / "tb/samples_tb.cpp")]
    standard = "-std=c++17" if target == "native" else "-std=c++14"
    base = ["g++", standard, "-fsyntax-only", "-Wall", "-Wextra", f"-I{tmp_path}/src", "-isystem", str(headers.folder)]
    for flags in ((), STRICT):
        done = subprocess.run([*base, *flags, *sources], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[:2000]
        assert done.stderr == "", done.stderr[:2000]
    host = ["g++", "-std=c++14", "-fsyntax-only", "-Wall", "-Wextra", "-x", "c++"]
    done = subprocess.run([*host, str(tmp_path / "host/samples_host.h")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr[:2000]
