"""The native project as a drop-in for software: no pragmas, libraries by `make lib`, functions that C programs call."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import hwq
from models import const, mlp, model, node, samples

PROGRAM = """\
#include <stdio.h>
#include "net_c.h"
int main(void) {
  double x[net_size_n_x], y[net_size_out_h2];
  int k;
  for (k = 0; k < net_size_n_x; ++k) if (scanf("%lf", &x[k]) != 1) return 2;
  if (net_values(1, x, y) != 0) return 2;
  for (k = 0; k < net_size_out_h2; ++k) printf("%a\\n", y[k]);
  return 0;
}
"""


def exported(proto, tmp_path: Path, **choices) -> hwq.Project:
    if not shutil.which("make"):
        pytest.skip("no make on this machine")
    project = hwq.compile(proto, {"target": "native", "top": "net", **choices}).export(tmp_path / "net")
    done = subprocess.run(["make", "-s", "check", "lib"], cwd=project.path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:2000]
    assert done.stderr == ""
    assert re.match(r"EQUAL \d+ samples\n", done.stdout)
    return project


def test_a_c_program_gets_the_simulators_values(tmp_path: Path):
    project = exported(mlp((6, 5, 4, 3)), tmp_path)
    (tmp_path / "main.c").write_text(PROGRAM.replace("net_size_out_h2", "net_size_" + only_output(project)))
    x = samples((5, 6), 3, 3.0)
    want = project.design.simulate(x)
    strict = ["gcc", "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", f"-I{project.path}/src", "main.c"]
    for library in (["net/build/libnet.a", "-lstdc++", "-lm"], ["net/build/libnet.so", "-Wl,-rpath,$ORIGIN/net/build"]):
        subprocess.run([*strict, *library, "-o", "main"], cwd=tmp_path, check=True)
        for row, expected in zip(x, want, strict=True):
            given = " ".join(v.hex() for v in row.tolist())
            out = subprocess.run(
                ["./main"], cwd=tmp_path, input=given, capture_output=True, text=True, check=True
            ).stdout
            assert [float.fromhex(v) for v in out.split()] == expected.tolist()


def only_output(project: hwq.Project) -> str:
    (name,) = re.findall(r"net_size_(out_\w+)", (project.path / "src/net_c.h").read_text())
    return str(name)


def test_codes_past_64_bits_go_in_words_and_have_no_values(tmp_path: Path):
    proto = model([node("Mul", "x x", "y")], {"x": [1, 3]})
    project = exported(proto, tmp_path, input_types={"x": "ap_fixed<50,20>"})
    header = (project.path / "src/net_c.h").read_text()
    assert "net_values" not in header
    assert "net_words_out_n_y = 2" in header
    x = samples((4, 3), 1, 1e4)
    words = np.empty((4, 3, 2), dtype=np.int64)
    given = np.ascontiguousarray(np.floor(np.ldexp(x, 30)).astype(np.int64))
    entry = ctypes.CDLL(str(project.path / "build/libnet.so")).net_codes
    assert entry(ctypes.c_long(4), given.ctypes.data_as(ctypes.c_void_p), words.ctypes.data_as(ctypes.c_void_p)) == 0
    got = [(int(high) << 64) | (int(low) & ((1 << 64) - 1)) for low, high in words.reshape(-1, 2)]
    assert got == [int(v) ** 2 for v in given.reshape(-1)]


def test_every_port_is_a_parameter_in_the_models_order(tmp_path: Path):
    nodes = [
        node("Quant", "u s z b", "uq", signed=1, narrow=0, rounding_mode="ROUND"),
        node("Quant", "v s z b", "vq", signed=0, narrow=0, rounding_mode="FLOOR"),
        node("Add", "uq vq", "sum"),
        node("Mul", "uq vq", "product"),
    ]
    constants = [const("s", 0.3), const("z", 0.0), const("b", 5.0)]
    project = exported(model(nodes, {"u": [1, 3], "v": [1, 3]}, ["sum", "product"], constants), tmp_path)
    header = (project.path / "src/net_c.h").read_text()
    assert (
        "net_values(long samples, const double *u, const double *v, double *out_n_sum, double *out_product);" in header
    )
    x = {"u": samples((9, 3), 1, 3.0), "v": samples((9, 3), 2, 3.0)}
    outs = [np.empty((9, 3)), np.empty((9, 3))]
    pointers = [a.ctypes.data_as(ctypes.c_void_p) for a in (x["u"], x["v"], *outs)]
    assert ctypes.CDLL(str(project.path / "build/libnet.so")).net_values(ctypes.c_long(9), *pointers) == 0
    want = project.design.simulate(x)
    assert all(np.array_equal(got, want[name]) for got, name in zip(outs, ("sum", "product"), strict=True))


@pytest.mark.parametrize("io", ["parallel", "stream"])
def test_native_sources_hold_no_pragma_and_no_label(io: str, tmp_path: Path):
    project = exported(mlp((6, 5, 4, 3)), tmp_path, io=io)
    for path in [*(project.path / "src").rglob("*"), *(project.path / "host").rglob("*")]:
        if path.is_file():
            assert not re.search(r"#pragma|^ *\w+: for|HLS|ap_fixed\.h|ac_fixed\.h", path.read_text(), re.M), path
    sources = [str(p) for p in (project.path / "src").glob("*.cpp")]
    strict = ["g++", "-std=c++17", "-fsyntax-only", "-Wall", "-Wextra", "-Isrc", "-Ihost"]
    done = subprocess.run([*strict, *sources], cwd=project.path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr[:2000]
