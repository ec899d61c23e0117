"""Keras' own layers and operations: the converted model computes what Keras computes, up to float32 rounding."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml

import hwq
from conftest import Cli
from hwq.models.keras import convert
from hwq.models.keras.audit import audit_table
from hwq.models.keras.convert import RULES
from hwq.models.quantize import quantized, read_plan
from hwq.models.quantize.calibrate import tensors

pytest.importorskip("h5py", reason="Keras files need h5py")
runtime = pytest.importorskip("onnxruntime", reason="float models are compared in onnxruntime")

TESTS = Path(__file__).parent
GOLDEN = TESTS / "golden" / "keras" / "layers"
FILES = sorted(p.name for p in GOLDEN.iterdir() if p.suffix in (".keras", ".h5"))
LIVE = TESTS.parent / ".venv-live" / "bin" / "python"
DOCS = TESTS.parent / "docs" / "keras.md"


def run(model: onnx.ModelProto, feeds: dict[str, Any]) -> list[Any]:
    """Every output in onnxruntime."""
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    outputs: list[Any] = session.run(None, {k: np.asarray(v, dtype=np.float32) for k, v in feeds.items()})
    return outputs


def check(path: Path) -> int:
    """The number of outputs, if each of them is what Keras recorded."""
    record = np.load(path.with_suffix(".npz"))
    names = [key.removeprefix("layer/") for key in record.files if key.startswith("layer/")]
    feeds = {key.removeprefix("input/"): record[key] for key in record.files if key.startswith("input/")}
    outputs = run(convert(path), feeds)
    for name, got in zip(names, outputs, strict=True):
        expected = record[f"layer/{name}"]
        assert got.shape == expected.shape, name
        np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-5, err_msg=name)
    return len(names)


@pytest.mark.parametrize("name", FILES)
def test_every_layer_and_operation_computes_what_keras_computes(name: str) -> None:
    assert check(GOLDEN / name) >= 3


def test_the_key_audit_in_the_docs_is_that_of_the_code(update_golden: bool) -> None:
    start, end = "<!-- generated: keys -->\n", "<!-- end -->"
    text = DOCS.read_text()
    head, _, rest = text.partition(start)
    tail = rest.partition(end)[2]
    fresh = f"{head}{start}{audit_table()}\n{end}{tail}"
    if update_golden:
        DOCS.write_text(fresh)
        text = fresh
    assert text == fresh, "the table of keys is out of date: run with --update-golden"


def test_the_layers_in_the_docs_are_those_of_the_code(update_golden: bool) -> None:
    start, end = "<!-- generated: layers -->\n", "<!-- end -->"
    layers = ", ".join(sorted(kind for kind in RULES if not kind.startswith("ops.")))
    ops = ", ".join(sorted(kind.removeprefix("ops.") for kind in RULES if kind.startswith("ops.")))
    table = f"| | |\n|---|---|\n| layers | InputLayer, {layers} |\n| keras.ops | {ops} |"
    text = DOCS.read_text()
    head, _, rest = text.partition(start)
    tail = rest.partition(end)[2]
    fresh = f"{head}{start}{table}\n{end}{tail}"
    if update_golden:
        DOCS.write_text(fresh)
        text = fresh
    assert text == fresh, "the table of layers is out of date: run with --update-golden"


def test_a_float_keras_file_is_configured_and_compiled(cli: Cli) -> None:
    path = GOLDEN / "keras_words.keras"
    record = np.load(path.with_suffix(".npz"))
    inputs = {key.removeprefix("input/"): record[key] for key in record.files if key.startswith("input/")}
    np.savez("x.npz", **inputs)
    result = cli("config", path, "-o", "q.yaml", "--calibrate", "x.npz")
    assert (result.exit_code, result.stderr) == (0, "")
    got = hwq.compile(path, "q.yaml").simulate(inputs)
    stated = yaml.safe_load(Path("q.yaml").read_text())
    expected = tensors(quantized(convert(path), read_plan(stated["quantize"])), inputs, got)
    for name, values in got.items():
        np.testing.assert_array_equal(values.astype(np.float32), expected[name], err_msg=name)
        np.testing.assert_allclose(values, record[f"layer/{name}"], atol=2**-5, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_fresh_models_of_the_installed_keras_compute_the_same(seed: int, tmp_path: Path) -> None:
    python = os.environ.get("HWQ_KERAS_PYTHON", str(LIVE))
    probe = subprocess.run([python, "-c", "import keras"], capture_output=True) if Path(python).is_file() else None
    if probe is None or probe.returncode:
        pytest.skip("no Keras: run make live, or set HWQ_KERAS_PYTHON")
    script = [python, str(TESTS / "live_keras.py"), str(tmp_path), str(seed)]
    subprocess.run(script, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    assert sum(check(path) for path in sorted(tmp_path.glob("*.keras"))) > 160
