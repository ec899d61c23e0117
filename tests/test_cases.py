"""Small models as exporters write them: each compiles to the stated values, or is refused in the stated words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import yaml

import hwq
from hwq.errors import HwqError
from hwq.models.quantize import quantized, template
from hwq.models.quantize.calibrate import tensors
from hwq.models.quantize.plan import parsed, read_plan

CASES = Path(__file__).resolve().parents[2] / "shared" / "cases"
NAMES = [entry["file"] for entry in json.loads((CASES / "index.json").read_text())] if CASES.is_dir() else []

PENDING = (
    "mul_const.keras",
    "rsub_const.keras",
    "max_const.keras",
    "slice.keras",
    "reshape_op.keras",
    "einsum_op.keras",
    "mean_op.keras",
    "act_ReLU_instance.keras",
    "conv2dT_same.keras",
    "nested_func.keras",
    "timedist_dense.keras",
    "rescaling.keras",
    "layernorm.keras",
    "prelu.keras",
    "embedding.keras",
    "crop2d.keras",
    "act_gelu.keras",
    "mha.keras",
)
"""What no rule makes right yet. A case that became right has to leave this list."""

REFUSED = {
    "dense_int8.keras": "int8",
    "div_int32.onnx": "1048576 codes",
    "resize_linear_uint8.onnx": "Resize of uint8",
}
"""What is to be refused, and a word of the refusal."""

TIES = ("zero_point_through_identity.onnx",)
"""Cases whose executor rounds ties in float32: every difference is explained element by element instead."""

INPUT_TYPE = "ap_fixed<24,8>"  # holds every x that its model does not quantize itself: multiples of 1/16 below 128


FLOAT_MODELS = ("chan_shuffle.dynb.onnx", "flat_prod.dynb.onnx")
"""Cases that are compiled with the config that `hwq config` writes for them."""


def config_of(name: str) -> Any:
    """The case's own config, if it has one."""
    if name in FLOAT_MODELS:
        return yaml.safe_load(template(onnx.load(CASES / name), name))
    path = (CASES / name).with_suffix(".yaml")
    return yaml.safe_load(path.read_text()) if path.is_file() else None


def compiled(name: str) -> hwq.Design:
    """The design, its inputs of a stated type only where the model asks for one."""
    try:
        return hwq.compile(CASES / name, config_of(name))
    except HwqError as error:
        if "--input-type" not in str(error):
            raise
        names = [key.removeprefix("x_") for key in arrays(name) if key.startswith("x")]
        return hwq.compile(CASES / name, {"input_types": dict.fromkeys(names, INPUT_TYPE)})


def arrays(name: str) -> dict[str, npt.NDArray[Any]]:
    """The arrays of the case's .npz."""
    with np.load((CASES / name).with_suffix(".npz")) as data:
        return {key: data[key] for key in data.files}


def check(name: str) -> None:
    """Every output value equal, up to the float32 rounding of the executor that made it."""
    data = arrays(name)
    design = compiled(name)
    keys = [key for key in data if key.startswith("x")]
    x = data[keys[0]] if len(keys) == 1 else {key.removeprefix("x_"): data[key] for key in keys}
    (want,) = (v for key, v in data.items() if key.startswith("y"))
    if config_of(name) is not None:  # stated are the float model's values; equal are the quantized one's
        want = quantized_values(name, x).reshape(want.shape)
    have = np.asarray(design.simulate(x))
    assert have.size == want.size
    have = have.reshape(want.shape)
    if name in TIES:
        report = design.reference("onnxruntime", x)
        assert report
        assert report.ties
        return
    np.testing.assert_allclose(have, want, rtol=2e-6, atol=2e-6 * float(np.abs(want).max()))


def quantized_values(name: str, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The values of the model with its config's quantizers in it, in ONNX' reference implementation."""
    config, model = config_of(name), onnx.load(CASES / name)
    ((port, kind),) = config["input_types"].items()
    typed = parsed(kind, "the input")
    rank = len(model.graph.input[0].type.tensor_type.shape.dim)
    assert typed is not None
    (y,) = tensors(
        quantized(model, read_plan(config["quantize"])),
        {port: typed(x.reshape(-1, *x.shape[x.ndim - rank + 1 :]))},
        ["y"],
    ).values()
    return np.asarray(y)


@pytest.mark.parametrize("name", NAMES)
def test_a_case_has_the_values_of_the_executor_that_made_it(name: str) -> None:
    if name in PENDING:
        with pytest.raises((HwqError, AssertionError)):
            check(name) if name not in REFUSED else refused(name)
    elif name in REFUSED:
        refused(name)
    else:
        check(name)


def refused(name: str) -> None:
    """One line that says what was found."""
    with pytest.raises(HwqError) as caught:
        compiled(name)
    assert REFUSED[name] in str(caught.value)


def test_pending_cases_exist() -> None:
    if not NAMES:
        pytest.skip("../shared/cases is not here")
    assert set(PENDING) <= set(NAMES)
