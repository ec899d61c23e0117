"""What onnxruntime's quantize_static makes of common float models: equal up to float32 ties, or refused by name."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest

import hwq
from float_models import MODELS, float_model
from hwq.errors import HwqError

FORMATS, CHANNELS, KINDS, OPTIMIZED = ("QDQ", "QOperator"), (False, True), ("u8s8", "s8s8", "u8u8"), (False, True)
SAMPLES = 24
QUICK = tuple(MODELS)[::5]


def quantized(name: str, form: str, per_channel: bool, kinds: str, folder: Path) -> Path:
    """The file that quantize_static writes; symmetric activations where they are signed."""
    from onnxruntime import quantization as q

    proto = float_model(name)
    shape, rng = MODELS[name][0], np.random.default_rng(0)

    class Reader(q.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = [{"x": rng.normal(size=(1, *shape)).astype(np.float32)} for _ in range(6)]

        def get_next(self) -> Any:
            return self.left.pop() if self.left else None

    types = {"u8": q.QuantType.QUInt8, "s8": q.QuantType.QInt8}
    source, target = folder / "float.onnx", folder / "quantized.onnx"
    onnx.save(proto, source)
    q.quantize_static(
        str(source),
        str(target),
        Reader(),
        quant_format=q.QuantFormat.QDQ if form == "QDQ" else q.QuantFormat.QOperator,
        per_channel=per_channel,
        activation_type=types[kinds[:2]],
        weight_type=types[kinds[2:]],
        extra_options={"ActivationSymmetric": kinds == "s8s8"},
    )
    return target


def optimized(path: Path) -> Path:
    """The file after onnxruntime's own extended graph optimizations."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(path.with_name("optimized.onnx"))
    options.log_severity_level = 4
    ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return path.with_name("optimized.onnx")


def outcome(path: Path, name: str, made: Path) -> tuple[str, str]:
    """Agreed, refused or wrong, and the reason. `made`: the file before optimization.

    onnxruntime's kernel of QLinearSoftmax cuts where the op rounds: a file with one has to agree with the file that it
    was optimized from, which agrees with onnxruntime.
    """
    x = np.random.default_rng(1).normal(size=(SAMPLES, *MODELS[name][0]))
    try:
        design = hwq.compile(path)
        compared = design.reference("onnxruntime", x)
    except HwqError as error:
        text = str(error)
        assert "\n" not in text
        return ("other" if "onnxruntime cannot run" in text else "refused"), text
    cuts = any(node.op_type == "QLinearSoftmax" for node in onnx.load(path).graph.node)
    if not compared and cuts and np.array_equal(design.simulate(x), hwq.compile(made).simulate(x)):
        return outcome(made, name, made)
    return ("agreed", "") if compared else ("wrong", compared.text(name))


def variants(names: Any) -> Iterator[tuple[str, str, bool, str]]:
    yield from product(names, FORMATS, CHANNELS, KINDS)


def run(cases: Any, folder: Path) -> tuple[Counter[str], list[str], Counter[str]]:
    """Outcomes, wrong ones in words, and refusals by their reasons."""
    found: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    wrong = []
    for number, (name, form, per_channel, kinds) in enumerate(cases):
        own = folder / str(number)
        own.mkdir()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = quantized(name, form, per_channel, kinds, own)
        for path in (made, optimized(made)):
            which, why = outcome(path, name, made)
            found[which] += 1
            if which == "refused":
                refused[why.split(": ", 1)[-1]] += 1
            elif which != "agreed":
                wrong.append(f"{name}, {form}, per channel {per_channel}, {kinds}, {path.name}: {why}")
    return found, wrong, refused


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    import logging

    logging.getLogger().setLevel(logging.ERROR)


def test_common_models_quantized_statically_agree_or_are_refused_by_name(tmp_path: Path) -> None:
    every = list(variants(QUICK))
    found, wrong, refused = run(every[::7], tmp_path)
    assert wrong == []
    assert found["agreed"] >= 0.7 * found.total(), refused


@pytest.mark.slow
@pytest.mark.parametrize("kinds", KINDS)
@pytest.mark.parametrize("form", FORMATS)
def test_every_model_in_every_form_agrees_or_is_refused_by_name(form: str, kinds: str, tmp_path: Path) -> None:
    cases = [case for case in variants(MODELS) if (case[1], case[3]) == (form, kinds)]
    found, wrong, refused = run(cases, tmp_path)
    print(found, refused.most_common())
    assert wrong == []
    assert found["agreed"] >= 0.7 * found.total(), refused
