"""The whole suite of models on all four targets: one digest of weights, and every output code equal in each."""

from __future__ import annotations

from pathlib import Path

import pytest

import hwq
from hwq.build.toolchain import find_headers
from hwq.errors import HwqError
from hwq.targets import HLS_TARGETS, get_target
from test_models import SHARED

TYPES = {"qkeras_jettagging": "global_in=ap_fixed<16,6>", "units/bn_negative_zero_gamma": "x=ap_ufixed<4,4>"}
REFUSED = {  # models that no target can have, with why
    "dyn_digits_mlp_u8s8": "dynamic quantization",
    "ex_float_conv2d_small_keras": "float weights",
    "ex_float_three_layer_keras": "float weights",
    "ex_float_two_layer_pytorch": "float weights",
}
EACH = ("TFC_1W1A", "bv_digits_mlp_w4a4", "qdq_digits_cnn_u8s8_pc", "qkeras_jettagging")


def names() -> list[str]:
    found = [*SHARED.glob("*.onnx"), *(SHARED / "units").glob("*.onnx")]
    return sorted(p.relative_to(SHARED).with_suffix("").as_posix() for p in found)


def exported(name: str, folder: Path) -> dict[str, hwq.Project]:
    """Projects of a model by target, from one `export_all`."""
    path = SHARED / f"{name}.onnx"
    if not path.is_file():
        pytest.skip(f"no {path}: the shared models are not here")
    types = dict([TYPES[name].split("=", 1)]) if name in TYPES else {}
    projects = hwq.compile(path, {"input_types": types}).export_all(folder / "all")
    assert len({p.design.weights_digest() for p in projects}) == 1
    return dict(zip(sorted(HLS_TARGETS), projects, strict=True))


@pytest.mark.parametrize("name", EACH)
def test_models_agree_on_every_target(name: str, tmp_path: Path):
    """Siemens' real headers, and each target's sources with native types; AMD's are in test_models."""
    for target, project in exported(name, tmp_path).items():
        types = "vendor" if target == "catapult" and find_headers(get_target(target)) else "native"
        result = project.verify(types=types, samples=12)
        assert result, f"{target}: {result.first}"


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_the_whole_suite_agrees_with_each_vendors_headers(name: str, tmp_path: Path):
    if name in REFUSED:
        with pytest.raises(HwqError, match=REFUSED[name]):
            hwq.compile(SHARED / f"{name}.onnx")
        return
    for target, project in exported(name, tmp_path).items():
        if find_headers(get_target(target)) is None:
            pytest.skip(f"no headers for {target}: pip install da4ml")
        for types in dict.fromkeys(["native" if target == "native" else "vendor", "native"]):
            result = project.verify(types=types, samples=24)
            assert result, f"{target}, {types}: {result.first}"
            assert result.samples == 24
