"""FIFO depths: against a simulation, cycle by cycle, of processes that block on empty and on full FIFOs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwq.dataflow.actor import Actor
from hwq.dataflow.schedule import LEAST_DEPTH, most_at_once, scheduled

Steps = Sequence[int]


def actor(name: str, firings: int, reads: Mapping[str, Steps], writes: Mapping[str, Steps], latency: int = 1) -> Actor:
    as_arrays = [{f: np.asarray(at, dtype=np.int64) for f, at in part.items()} for part in (reads, writes)]
    return Actor(name, firings, as_arrays[0], as_arrays[1], latency)


def run(actors: Sequence[Actor], depths: Mapping[str, int], samples: int = 1) -> int | None:
    """Cycles until the last process has done all samples; None: nothing moves any more.

    A process takes step n where the tokens that firing n reads are there, pushed in an earlier cycle, and where the
    FIFOs that firing n - latency writes have room. Its next sample begins when all steps and those of the pipeline are
    done.
    """
    held = dict.fromkeys({f for a in actors for f in (*a.reads, *a.writes)}, 0)
    inside = {f for a in actors for f in a.writes} & {f for a in actors for f in a.reads}
    takes = [[[f for f, at in a.reads.items() for t in at if t == n] for n in range(a.firings)] for a in actors]
    makes = [[[f for f, at in a.writes.items() for t in at if t == n] for n in range(a.firings)] for a in actors]
    steps, done = [0] * len(actors), [0] * len(actors)
    for cycle in range(1, 100_000):
        before, moved = dict(held), False
        freed: list[str] = []
        for k, a in enumerate(actors):
            if done[k] == samples:
                continue
            n = steps[k]
            taken = [f for f in takes[k][n] if f in inside] if n < a.firings else []
            made = [f for f in makes[k][n - a.latency] if f in inside] if 0 <= n - a.latency < a.firings else []
            if any(before[f] < taken.count(f) for f in taken):
                continue
            if any(before[f] + made.count(f) > depths[f] for f in made):
                continue
            freed += taken
            for f in made:
                held[f] += 1
            moved = True
            steps[k] += 1
            if steps[k] == a.firings + a.latency:
                steps[k], done[k] = 0, done[k] + 1
        for f in freed:
            held[f] -= 1
        if done[-1] == samples:
            return cycle
        if not moved:
            return None
    raise AssertionError("the simulation does not end")


def residual(delay: int) -> list[Actor]:
    """A fork, a branch that takes `delay` tokens in before it gives one out, and a join."""
    count = 40
    late = actor("branch", count + delay, {"a": range(count)}, {"c": range(delay, count + delay)})
    return [
        actor("fork", count, {"x": range(count)}, {"a": range(count), "b": range(count)}),
        late,
        actor("join", count, {"c": range(count), "b": range(count)}, {"y": range(count)}),
    ]


@pytest.mark.parametrize("delay", [0, 1, 5, 17])
def test_the_short_branch_of_a_residual_holds_what_the_long_one_delays(delay: int) -> None:
    actors = residual(delay)
    found = scheduled(actors)
    assert found.depths["a"] <= LEAST_DEPTH + 1
    assert found.depths["b"] >= delay
    assert run(actors, found.depths) is not None
    tight = {**found.depths, "b": delay - 1}
    if delay > 1:
        assert run(actors, tight) is None


def test_a_slow_process_after_a_fast_one_needs_no_room_for_the_whole_tensor() -> None:
    fast = actor("fast", 100, {"x": range(100)}, {"a": range(100)})
    slow = actor("slow", 1000, {"a": range(0, 1000, 10)}, {"b": range(9, 1000, 10)})
    last = actor("last", 100, {"b": range(100)}, {"y": range(100)})
    found = scheduled([fast, slow, last])
    assert found.depths == {"a": LEAST_DEPTH, "b": LEAST_DEPTH}
    assert found.interval >= 1000
    assert run([fast, slow, last], found.depths, 3) <= found.latency + 2 * found.interval + 2


@pytest.mark.parametrize("interval", [7, 10, 100])
def test_tokens_of_several_samples_in_one_fifo_are_counted_together(interval: int) -> None:
    rng = np.random.default_rng(interval)
    for _ in range(50):
        pushed = np.sort(rng.integers(0, 30, 6))
        read = np.maximum.accumulate(pushed + rng.integers(0, 15, 6))
        alive = [
            sum(
                p + s * interval <= t <= r + s * interval
                for s in range(-9, 10)
                for p, r in zip(pushed, read, strict=True)
            )
            for t in range(interval)
        ]
        assert most_at_once(pushed, read, interval) == max(alive)


def plans(draw: st.DrawFn) -> list[Actor]:
    """A random network without loops: every FIFO one writer and one reader, tokens in any rhythm."""
    rng = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    count = draw(st.integers(2, 5))
    tokens: dict[str, int] = {}
    open_fifos: list[str] = []
    actors = []
    for k in range(count):
        reads = {f: None for f in open_fifos if rng.random() < 0.6 or k == count - 1}
        open_fifos = [f for f in open_fifos if f not in reads]
        writes = [f"f{k}_{i}" for i in range(0 if k == count - 1 else rng.integers(1, 3))]
        tokens.update({f: int(rng.integers(1, 12)) for f in writes})
        firings = max([1, *(tokens[f] for f in (*reads, *writes))]) + int(rng.integers(0, 12))

        def steps(fifo: str, most: int = firings) -> np.ndarray:
            return np.sort(rng.choice(most, tokens[fifo], replace=False))

        actors.append(
            actor(
                f"p{k}", firings, {f: steps(f) for f in reads}, {f: steps(f) for f in writes}, int(rng.integers(1, 5))
            )
        )
        open_fifos += writes
    return actors


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_bounded_fifos_of_these_depths_lose_no_cycle(data: st.DataObject) -> None:
    actors = plans(data.draw)
    found = scheduled(actors)
    endless = dict.fromkeys(found.depths, 1 << 30)
    once = run(actors, endless)
    assert once is not None
    assert run(actors, found.depths) == once
    many = run(actors, found.depths, 4)
    assert many is not None
    assert many <= once + 3 * found.interval


def test_depths_of_large_loops_take_no_longer_than_their_tokens() -> None:
    """A layer of 2^36 steps that moves 2^16 tokens."""
    at = np.arange(1 << 16, dtype=np.int64) << 20
    layer = Actor("layer", 1 << 36, {"a": at}, {"b": at + 7}, 9)
    first = Actor("first", 1 << 16, {"x": np.arange(1 << 16)}, {"a": np.arange(1 << 16)})
    last = Actor("last", 1 << 16, {"b": np.arange(1 << 16)}, {"y": np.arange(1 << 16)})
    assert scheduled([first, layer, last]).depths == {"a": LEAST_DEPTH, "b": LEAST_DEPTH}
