"""Whole models: simulated values equal the float64 references, compiled C++ equals the simulator, on all samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hwq
from hwq.build.toolchain import find_headers
from hwq.numeric.rational import to_float
from hwq.targets import get_target

SHARED = Path(__file__).resolve().parents[2] / "shared" / "models"
WHOLE = (
    "TFC_1W1A",
    "TFC_1W2A",
    "bv_digits_mlp_w4a4",
    "bv_digits_mlp_ternary_a3",
    "bv_bc_mlp_w3a3_hardtanh",
    "ex_bnn_fc_1layer",
    "finn_TFC_1W2A_streamlined",
    "finn_bc_mlp_streamlined",
)
UNIT_KINDS = (
    *("quant_", "trunc_", "bipolar_", "mt_", "bn_", "gemm_", "matmul_", "shared_weights", "transpose_"),
    *("lut_", "prelu_"),
)
INPUT_TYPES = {"bn_negative_zero_gamma": {"x": "ap_ufixed<4,4>"}}  # the file gives its input no type


def unit_names() -> list[str]:
    found = sorted((SHARED / "units").glob("*.onnx"))
    return [f"units/{f.stem}" for f in found if f.stem.startswith(UNIT_KINDS)]


MODELS = [*WHOLE, *unit_names()]


def compiled(name: str) -> tuple[hwq.Design, dict[str, np.ndarray]]:
    path = SHARED / f"{name}.onnx"
    if not path.is_file():
        pytest.skip(f"no {path}: the shared models are not here")
    types = INPUT_TYPES.get(Path(name).name, {})
    with np.load(path.with_suffix(".npz")) as data:
        arrays = dict(data)
    return hwq.compile(path, {"input_types": types}), arrays


@pytest.mark.parametrize("name", MODELS)
def test_simulated_values_equal_the_float64_reference(name: str):
    design, data = compiled(name)
    codes = design.simulate(data["x"], codes=True)
    (port,) = design.graph.outputs
    want = data["y64"].reshape(codes.shape)
    exact = np.rint((want - to_float(port.offset)) / to_float(port.scale))
    assert int((exact != codes).sum()) == 0
    assert np.allclose(design.simulate(data["x"]), want, rtol=0, atol=1e-9)
    assert codes.shape[0] == data["x"].shape[0]


@pytest.mark.parametrize("name", MODELS)
def test_compiled_project_equals_the_simulator(name: str, tmp_path: Path):
    if find_headers(get_target("vivado")) is None:
        pytest.skip("no ap_fixed.h: pip install da4ml")
    design, data = compiled(name)
    project = design.export(tmp_path / "project")
    result = project.verify(data["x"])
    assert result, str(result.first)
    assert result.mismatches == 0
    assert result.samples == data["x"].shape[0]


@pytest.mark.parametrize("name", ["TFC_1W2A", "bv_digits_mlp_w4a4"])
@pytest.mark.parametrize("reuse", [7, 64, 100000])
def test_folding_changes_cycles_and_no_code(name: str, reuse: int, tmp_path: Path):
    if find_headers(get_target("vivado")) is None:
        pytest.skip("no ap_fixed.h: pip install da4ml")
    plain, data = compiled(name)
    folded = hwq.compile(SHARED / f"{name}.onnx", {"reuse": reuse})
    x = data["x"][:40]
    assert np.array_equal(plain.simulate(x, codes=True), folded.simulate(x, codes=True))
    assert sum(r["cycles"] for r in folded.rows()) > sum(r["cycles"] for r in plain.rows())
    assert folded.export(tmp_path / "project").verify(x)


@pytest.mark.parametrize("name", MODELS)
def test_exact_step_functions_equal_their_circuits(name: str):
    """The graph before `realise`, run with rationals, against the graph of circuits: on every edge both have."""
    from hwq.frontends.onnx import read_onnx
    from hwq.ir.real import InputType
    from hwq.passes import Options, compile_graph, lower
    from hwq.quantizers import type_spec
    from hwq.simulate.simulator import Simulator

    path = SHARED / f"{name}.onnx"
    if not path.is_file():
        pytest.skip(f"no {path}: the shared models are not here")
    types = {k: InputType(*type_spec(v)) for k, v in INPUT_TYPES.get(Path(name).name, {}).items()}
    real = read_onnx(path, types)
    exact, circuits = Simulator(lower(real)), Simulator(compile_graph(real, Options()))
    with np.load(path.with_suffix(".npz")) as data:
        codes = exact.quantized(data["x"][:12])
    want = exact.run(codes)
    got = circuits.run(codes)
    for a, b in zip(exact.graph.outputs, circuits.graph.outputs, strict=True):
        step_a = (to_float(a.scale), to_float(a.offset))
        step_b = (to_float(b.scale), to_float(b.offset))
        assert np.array_equal(want[a.edge] * step_a[0] + step_a[1], got[b.edge] * step_b[0] + step_b[1])
