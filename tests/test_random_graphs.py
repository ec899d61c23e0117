"""Random valid graphs: every tensor and output is what a second reading of the file says, in simulator and C++."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

import hwq
from random_graphs import random_model

UNDECIDED = "too near a boundary"  # values on a tie whose irrational part cancels: said, not guessed


def outcomes(seeds: Iterable[int]) -> tuple[int, Counter[str], list[str]]:
    """How many graphs were compared in full, refusals by reason, and what went wrong."""
    compared, refused, wrong = 0, Counter[str](), []
    for seed in seeds:
        try:
            design = hwq.compile(random_model(seed))
        except hwq.HwqError as error:
            refused[f"{error.op}: {error.found}"[:90]] += 1
            continue
        outcome = design.exactly(seed=seed)
        if not outcome or any(UNDECIDED not in text for text in outcome.left):
            wrong.append(outcome.text(str(seed)))
        compared += outcome.left == ()
    return compared, refused, wrong


def test_a_sample_of_random_graphs_is_exact() -> None:
    compared, refused, wrong = outcomes(range(60))
    assert wrong == []
    assert compared >= 48, refused


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_fifteen_hundred_random_graphs_are_exact(part: int) -> None:
    compared, refused, wrong = outcomes(range(1000 + 180 * part, 1000 + 180 * (part + 1)))
    print(compared, refused.most_common())
    assert wrong == []
    assert compared >= 150, refused


@pytest.mark.slow
@pytest.mark.parametrize("io", ["parallel", "stream"])
@pytest.mark.parametrize("target", ["vivado", "catapult"])
@pytest.mark.parametrize("part", range(5))
def test_random_graphs_through_the_vendors_types_are_equal(target: str, io: str, part: int, tmp_path: Path) -> None:
    first = 5000 + 1000 * part + (500 if io == "stream" else 0) + (250 if target == "catapult" else 0)
    compared, different = 0, []
    for seed in range(first, first + 30):
        try:
            design = hwq.compile(random_model(seed), {"target": target, "io": io})
            project = design.export(tmp_path / f"p{seed}")
        except hwq.HwqError:
            continue
        result = project.verify(samples=6, seed=seed)
        compared += 1
        if not result:
            different.append(f"{seed}: {result.first} {result.fault}")
        if compared == 10:
            break
    assert different == []
    assert compared == 10
