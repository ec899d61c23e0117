"""Damaged models: each compiles to what onnxruntime and the onnx package compute, or is refused in one line."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto

import hwq
from mutant_pool import FINE, Outcome, worked
from mutant_seeds import own_models, shared_models
from mutations import mutant

WORKERS = 2


def outcomes(seeds: dict[str, ModelProto], count: int, seed: int) -> list[Outcome]:
    rng = np.random.default_rng(seed)
    return worked([mutant(seeds, rng) for _ in range(count)], WORKERS)


def findings(found: list[Outcome]) -> list[str]:
    """What no mutant may do: a traceback, a warning, other numbers, more than 20 s or 2 GB."""
    return [str(o) for o in found if o.kind not in FINE]


@pytest.mark.parametrize("name", sorted(own_models()))
def test_every_seed_compiles(name: str) -> None:
    assert hwq.compile(own_models()[name]).outputs


def test_damaged_models_are_right_or_refused() -> None:
    found = outcomes(own_models(), 150, 5)
    assert findings(found) == []
    kinds = [o.kind for o in found]
    assert kinds.count("equal") > 10
    assert kinds.count("refused") > 50


@pytest.mark.slow
def test_six_thousand_damaged_models_are_right_or_refused() -> None:
    found = outcomes({**own_models(), **shared_models()}, 6000, 15)
    assert findings(found) == []
    assert sum(o.kind == "equal" for o in found) > 500


@pytest.mark.parametrize("fault", ["crash", "warning", "memory", "hang", "different", "died"])
def test_a_fault_of_hwq_is_found(fault: str) -> None:
    (found,) = worked([("mlp", own_models()["mlp"].SerializeToString())], 1, seconds=1, fault=fault)
    assert found.kind == fault, found
