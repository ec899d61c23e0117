"""Keras files that people sent: right, or refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from conftest import Cli, one_line
from hwq.models.keras import convert
from test_keras_layers import run

CASES = Path(__file__).resolve().parents[2] / "shared" / "cases"
FILES = sorted(p.name for p in CASES.glob("*.keras"))
REFUSED = {"dense_int8.keras": "node 'dense' (Dense): the dtype policy 'int8_from_float32'"}

pytestmark = pytest.mark.skipif(not FILES, reason=f"{CASES} is not here")


@pytest.mark.parametrize("name", [n for n in FILES if n not in REFUSED])
def test_the_converted_model_equals_keras(name: str) -> None:
    values = np.load((CASES / name).with_suffix(".npz"))
    model = convert(CASES / name)
    inputs = [values[key] for key in sorted(values.files) if key.startswith("x")]
    expected = [values[key] for key in sorted(values.files) if key.startswith("y")]
    outputs = run(model, dict(zip([i.name for i in model.graph.input], inputs, strict=True)))
    for got, wanted in zip(outputs, expected, strict=True):
        assert got.shape == wanted.shape
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_quantized_at_run_time_is_refused_by_its_policy(name: str, cli: Cli) -> None:
    assert REFUSED[name] in one_line(cli("convert", CASES / name, "-o", "m.onnx"))
