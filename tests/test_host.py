"""The generated host header: its codes and values are those of the Python simulator, for every double."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import hwq
from hwq.codegen.arrays import Settings, render
from hwq.codegen.bound_line import line_of
from hwq.dataflow.names import port_names
from hwq.ir.hardware import Edge, Graph, InputPort, OutputPort
from hwq.ir.host_quantizers import SteppedQuantizer, TypedQuantizer
from hwq.numeric.fixed import FixedType, Overflow, Rounding
from hwq.numeric.rational import scalar
from hwq.numeric.step_functions import Rows
from hwq.simulate.simulator import decode
from hwq.targets import get_target

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "rings.onnx"

DRIVER = """
#include <cstdio>
#include "{header}"
int main() {{
  double x[{size}];
  long long codes[{size}];
  while (std::fread(x, sizeof(double), {size}, stdin) == {size}) {{
    {top}_host::quantize_{port}(x, codes);
    std::fwrite(codes, sizeof(long long), {size}, stdout);
  }}
}}
"""


def host_codes(graph: Graph, port: InputPort, x: np.ndarray, folder: Path) -> np.ndarray:
    """Codes that the host header makes of (batch, size) doubles."""
    files = render(graph, get_target("vivado"), Settings("net", "", 5.0, "test"))
    (folder / "net_host.h").write_bytes(files["host/net_host.h"])
    name = port_names(graph, "net")[0][port.name]
    source = folder / f"{name}.cpp"
    size = graph.edges[port.edge].size
    source.write_text(DRIVER.format(header="net_host.h", size=size, top="net", port=name))
    binary = folder / name
    command = ["g++", "-std=c++14", "-O1", "-Wall", "-Wextra", "-Werror", str(source), "-o", str(binary)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[:2000]
    done = subprocess.run([str(binary)], input=x.astype("<f8").tobytes(), capture_output=True, check=True)
    return np.frombuffer(done.stdout, dtype="<i8").reshape(x.shape)


def awkward(lsb: float, rng: np.random.Generator) -> np.ndarray:
    """Halves and quarters of a step, their neighbours, huge and tiny values, both zeros."""
    grid = np.arange(-200, 200) * lsb / 4
    near = np.concatenate([grid, np.nextafter(grid, np.inf), np.nextafter(grid, -np.inf)])
    special = np.asarray([0.0, -0.0, 1e-300, -1e-300, 1e30, -1e30, 5e-324, 1e15, -1e15 - 0.5])
    return np.concatenate([near, special, rng.normal(0, 20 * lsb, 500)])


def test_every_rounding_and_overflow_of_a_typed_port_equals_python(tmp_path: Path):
    kinds = [FixedType(True, 5, 2), FixedType(False, 4, -1), FixedType(True, 20, 8)]
    ports, edges = [], {}
    for i, (kind, rounding, overflow) in enumerate(product(kinds, Rounding, Overflow)):
        name = f"p{i}"
        edges[name] = Edge((1,), kind, kind.lo, kind.hi)
        ports.append(InputPort(name, name, name, TypedQuantizer(kind, rounding, overflow)))
    graph = Graph("net", tuple(ports), (OutputPort("y", "p0", scalar(1), scalar(0)),), (), edges)
    files = render(graph, get_target("vivado"), Settings("net", "", 5.0, "test"))
    (tmp_path / "net_host.h").write_bytes(files["host/net_host.h"])
    calls = "\n".join(f'    std::printf("%lld ", net_host::quantize_{p.name}(x));' for p in ports)
    (tmp_path / "all.cpp").write_text(
        '#include <cstdio>\n#include "net_host.h"\nint main() {\n  double x;\n'
        f"  while (std::fread(&x, sizeof x, 1, stdin) == 1) {{\n{calls}\n  }}\n}}\n"
    )
    command = [
        "g++",
        "-std=c++14",
        "-O1",
        "-Wall",
        "-Wextra",
        "-Werror",
        str(tmp_path / "all.cpp"),
        "-o",
        str(tmp_path / "all"),
    ]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[:2000]
    x = awkward(0.25, np.random.default_rng(0))
    done = subprocess.run([str(tmp_path / "all")], input=x.tobytes(), capture_output=True, check=True)
    got = np.asarray(done.stdout.split(), dtype=np.int64).reshape(x.size, len(ports))
    for i, port in enumerate(ports):
        want = port.quantizer(x.reshape(-1, 1)).reshape(-1)
        wrong = np.nonzero(got[:, i] != want)[0]
        assert wrong.size == 0, (str(port.quantizer), x[wrong[0]], got[wrong[0], i], want[wrong[0]])


def test_a_stepped_port_equals_python_at_every_bound(tmp_path: Path):
    graph = hwq.compile(EXAMPLE).graph
    (port,) = graph.inputs
    bounds = port.quantizer.rows.bounds.reshape(-1)
    x = np.concatenate([bounds, np.nextafter(bounds, -np.inf), awkward(0.02, np.random.default_rng(1))])
    x = x[: x.size // 2 * 2].reshape(-1, 2)
    assert np.array_equal(host_codes(graph, port, x, tmp_path), port.quantizer(x.reshape(-1, 1, 2)).reshape(x.shape))


def test_dequantized_outputs_equal_the_simulators_values(tmp_path: Path):
    design = hwq.compile(EXAMPLE)
    (out,) = design.graph.outputs
    files = render(design.graph, get_target("vivado"), Settings("net", "", 5.0, "test"))
    (tmp_path / "net_host.h").write_bytes(files["host/net_host.h"])
    name = port_names(design.graph, "net")[1][out.name]
    (tmp_path / "d.cpp").write_text(
        '#include <cstdio>\n#include "net_host.h"\nint main() {\n  long long c[3];\n  double y[3];\n'
        "  while (std::fread(c, sizeof c, 1, stdin) == 1) {\n"
        f"    net_host::dequantize_{name}(c, y);\n    std::fwrite(y, sizeof y, 1, stdout);\n  }}\n}}\n"
    )
    command = ["g++", "-std=c++14", "-O1", "-ffp-contract=off", str(tmp_path / "d.cpp"), "-o", str(tmp_path / "d")]
    subprocess.run(command, check=True)
    edge = design.graph.edges[out.edge]
    codes = np.random.default_rng(2).integers(edge.lo, edge.hi, (50, *edge.shape), endpoint=True)
    done = subprocess.run([str(tmp_path / "d")], input=codes.astype("<i8").tobytes(), capture_output=True, check=True)
    assert np.array_equal(np.frombuffer(done.stdout).reshape(50, 3), decode(out, edge, codes))


@pytest.mark.parametrize("kind", [FixedType(True, 70, 30), FixedType(False, 64, 0)])
def test_wide_inputs_are_quantized_exactly(kind: FixedType):
    x = np.asarray([[0.5, -0.5, 1.5, 2.0**40, -(2.0**60), 1e300]])
    codes = TypedQuantizer(kind)(x)
    for value, code in zip(x[0], codes[0], strict=True):
        exact = round(Fraction(value) * 2**kind.frac)
        assert int(code) == min(max(exact, kind.lo), kind.hi)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("spacing", [1.0, 0.1, 3e37])
@pytest.mark.parametrize("levels", [4, 63, 255])
def test_a_stepped_port_counts_the_bounds_reached_by_any_number(levels: int, spacing: float, dtype: type):
    bounds = (np.arange(levels) - levels // 2) * spacing + spacing / 3
    rows = Rows(bounds.reshape(1, -1), np.asarray([0]), np.asarray([1]))
    with np.errstate(over="ignore"):
        near = bounds.astype(dtype)
        ends = np.asarray([-np.inf, np.inf, 0.0, np.finfo(dtype).max, np.finfo(dtype).min, 1e-45], dtype=dtype)
        x = np.concatenate([near, np.nextafter(near, dtype(np.inf)), np.nextafter(near, dtype(-np.inf)), ends])
    expected = (x[:, None].astype(np.float64) >= bounds).sum(axis=1)
    assert np.array_equal(SteppedQuantizer(rows, 1, 1)(x.reshape(-1, 1)).reshape(-1), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bent", [0.0, 1e-7, 0.02, 1.0])
@pytest.mark.parametrize("levels", [0, 1, 3, 5, 300])
def test_a_stepped_port_of_several_channels_has_the_same_codes_however_they_are_found(
    levels: int, bent: float, dtype: type
):
    """By comparison, by a line (bounds almost and clearly off it), by search: at every bound and beside it."""
    rng = np.random.default_rng(levels)
    spacing, base, sign = 0.37, np.asarray([-7, 0, 300]), np.asarray([1, -1, 1])
    bounds = (
        np.arange(levels) * spacing + rng.normal(size=(3, 1)) + bent * spacing * rng.uniform(-0.5, 0.5, (3, levels))
    )
    bounds.sort(axis=1)
    quantizer = SteppedQuantizer(Rows(bounds, base, sign), 3, 2)
    near = rng.choice(np.append(bounds, 0.0), (50, 6)).astype(dtype)
    far = rng.normal(size=(50, 6)).astype(dtype) * dtype(spacing * (levels + 1))
    ends = np.asarray([[np.inf] * 6, [-np.inf] * 6])
    x = np.concatenate([near, np.nextafter(near, dtype(np.inf)), np.nextafter(near, dtype(-np.inf)), far, ends])
    x = x.astype(dtype)
    rows = x.astype(np.float64).reshape(-1, 3, 2, 1)
    counts = (rows >= bounds.reshape(3, 1, levels)).sum(axis=-1)
    expected = (base[:, None] + sign[:, None] * counts).reshape(-1, 6)
    assert quantizer(x).dtype == np.int64
    assert np.array_equal(quantizer(x), expected)
    assert np.array_equal(quantizer.lean(x), expected)
    assert quantizer.limits == (min(-7, -levels), 300 + levels)
    x[7, 3] = np.nan
    assert quantizer.lean(x) is None


STEPS = {  # bounds, and whether a line is near all of them
    "even": (np.arange(63) * 0.3 - 9, True),
    "far apart": (np.arange(9) * 1e307, True),
    "jittered": (np.arange(200) * 2.0 + np.random.default_rng(5).uniform(-0.9, 0.9, 200), True),
    "a gap": (np.r_[np.arange(20), 50 + np.arange(20)].astype(float), False),
    "doubling": (2.0 ** np.arange(-20, 20), False),
    "few": (np.arange(7) * 1.0, False),
    "repeated": (np.r_[np.arange(20), 19.0], False),
    "unreachable": (np.r_[np.arange(20), np.inf], False),
    "past doubles": (np.linspace(-1.0, 1.0, 20) * 1.7e308, False),
}


@pytest.mark.parametrize("steps", STEPS)
def test_levels_by_a_line_are_levels_by_comparison(steps: str, tmp_path: Path):
    bounds, even = STEPS[steps]
    assert (line_of(bounds) is not None) == even
    rows = Rows(bounds.reshape(1, -1), np.asarray([-3]), np.asarray([1]))
    kind = FixedType(True, 12)
    port = InputPort("given", "given", "given", SteppedQuantizer(rows, 1, 1))
    edges = {"given": Edge((1,), kind, kind.lo, kind.hi)}
    graph = Graph("net", (port,), (OutputPort("y", "given", scalar(1), scalar(0)),), (), edges)
    finite = bounds[np.isfinite(bounds)]
    x = np.concatenate(
        [finite, np.nextafter(finite, np.inf), np.nextafter(finite, -np.inf), awkward(1.0, np.random.default_rng(6))]
    )
    x = np.concatenate([x, [np.finfo(float).max, np.finfo(float).min]]).reshape(-1, 1)
    header = render(graph, get_target("vivado"), Settings("net", "", 5.0, "test"))["host/net_host.h"]
    assert (b"near" in header) == even
    assert np.array_equal(host_codes(graph, port, x, tmp_path), (x >= bounds).sum(axis=1, keepdims=True) - 3)
