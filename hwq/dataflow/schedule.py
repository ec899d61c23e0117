"""schedule: when every process of a streaming design fires, and how deep its FIFOs must be for it.

Time is in cycles, of one sample from cycle 0 on, with samples following each other at a fixed interval. A process is a
rigid pipeline: it takes a step a cycle, or none where a token that the step reads has not come or a FIFO that it writes
has no room; what firing n makes leaves at step n + latency. A token can be read from the cycle after it was pushed on.

All is computed over tokens, so that loops of millions of firings cost no more than they move:

1. As soon as possible, with FIFOs that never fill: t(n) = n + the greatest of (arrival - m) over the reads m <= n.
2. From the results back, what each process writes as late as its reader still wants it, the results being those of the
   first: t(n) = n + the least of (deadline - m) over the writes m >= n. A reader wants a token as soon as the first
   schedule has it and the reader is done with what it wrote before, but no sooner than lets it be done with a sample in
   the time that the slowest process takes.
3. Forward again: writes at the times of the second, reads as soon as tokens come, but no sooner than wanted.

The tokens that lie in a FIFO at once in the third are its depth. It keeps all results on time and never asks for more
room, so it is a witness: a design of these depths, each process firing as soon as it can, is never later in any firing
than the witness (blocking reads and writes are monotone: an earlier token or room delays nobody), hence does not
deadlock and loses no cycle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hwq.dataflow.actor import Actor
from hwq.errors import InternalError
from hwq.numeric.fixed import Codes

LEAST_DEPTH = 2  # of a FIFO that keeps up a token each cycle
Times = Callable[[Codes], Codes]
"""The cycle of each of these steps."""


@dataclass(frozen=True, eq=False)
class Schedule:
    """What the depths are good for: a result after `latency` cycles, and a sample each `interval` cycles."""

    depths: Mapping[str, int]  # of the FIFOs between two processes
    latency: int
    interval: int
    spans: Mapping[str, int]  # cycles from a process' first step for a sample until it is free for the next, by name


def scheduled(actors: Sequence[Actor]) -> Schedule:
    """Depths and times of processes in an order in which each comes after those it reads from.

    FIFOs that no process writes are input ports, always ready; those that none reads are output ports, never full.
    """
    soon = _soonest(actors)
    pinned = _latest(actors, soon)
    pushed, read, spans = _witness(actors, pinned)
    interval = max([1, *spans.values()])
    depths = {f: max(LEAST_DEPTH, most_at_once(pushed[f], read[f], interval)) for f in pushed if f in read}
    latency = 1 + max((int(p[-1]) for p in pushed.values() if len(p)), default=0)
    return Schedule(depths, latency, interval, spans)


def _soonest(actors: Sequence[Actor]) -> dict[str, Times]:
    """The earliest step times by actor, FIFOs having room for everything."""
    ready: dict[str, Codes] = {}
    times: dict[str, Times] = {}
    ports = _ports(actors)
    for actor in actors:
        missing = [f for f in actor.reads if f not in ready and f not in ports]
        if missing:
            raise InternalError(f"process '{actor.name}' reads FIFO '{missing[0]}' before it is written")
        waits = [(actor.reads[f], ready[f] + 1) for f in actor.reads if f in ready]
        times[actor.name] = time = _forward(waits)
        for fifo, firings in actor.writes.items():
            ready[fifo] = _pushes(actor, firings, time)
    return times


def _latest(actors: Sequence[Actor], soon: Mapping[str, Times]) -> dict[str, list[tuple[Codes, Codes]]]:
    """By actor, firings that are held back, each with the cycle until which: writes, and the first of all."""
    pace = max(a.firings + a.latency for a in actors)
    due: dict[str, Codes] = {}  # of a FIFO's tokens: the cycle in which its reader wants each
    pinned: dict[str, list[tuple[Codes, Codes]]] = {}
    for actor in reversed(actors):
        own, deadlines = soon[actor.name], []
        for fifo, firings in actor.writes.items():
            leaves, beyond = _leaving(actor, firings)
            deadlines.append((leaves, due[fifo] - 1 - beyond if fifo in due else own(leaves)))
        time = _backward(deadlines) if any(len(at) for at, _ in deadlines) else own
        first, last = np.asarray([0]), np.asarray([actor.firings - 1])
        done = np.maximum(own(last), time(last)) + 1 + actor.latency
        start = np.minimum(np.maximum(done - pace, own(first)), time(first))
        pinned[actor.name] = held = [(first, start), *((at, time(at)) for at, _ in deadlines)]
        after = _forward(held)
        for fifo, firings in actor.reads.items():
            due[fifo] = np.maximum(own(firings), after(firings))
    return pinned


def _witness(
    actors: Sequence[Actor], pinned: Mapping[str, list[tuple[Codes, Codes]]]
) -> tuple[dict[str, Codes], dict[str, Codes], dict[str, int]]:
    """The cycles in which tokens are pushed and read, by FIFO, and the span of each actor."""
    pushed: dict[str, Codes] = {}
    read: dict[str, Codes] = {}
    spans = {}
    for actor in actors:
        waits = [(actor.reads[f], pushed[f] + 1) for f in actor.reads if f in pushed]
        time = _forward([*waits, *pinned[actor.name]])
        pushed.update({f: _pushes(actor, at, time) for f, at in actor.writes.items()})
        read.update({f: time(at) for f, at in actor.reads.items()})
        spans[actor.name] = _span(actor, time)
    return pushed, read, spans


def _ports(actors: Iterable[Actor]) -> set[str]:
    """FIFOs that no process writes."""
    actors = list(actors)
    return {f for a in actors for f in a.reads} - {f for a in actors for f in a.writes}


def _forward(waits: Sequence[tuple[Codes, Codes]]) -> Times:
    """Step times from (firings, cycle from which each may run)."""
    steps, offsets = _merged(waits)
    offsets = np.maximum(np.maximum.accumulate(offsets), 0) if len(offsets) else offsets

    def time(at: Codes) -> Codes:
        place = np.searchsorted(steps, at, "right") - 1
        return np.asarray(at + np.where(place < 0, 0, offsets[place] if len(offsets) else 0))

    return time


def _backward(deadlines: Sequence[tuple[Codes, Codes]]) -> Times:
    """Step times from (firings, last cycle in which each may run), of firings that are not after all of them."""
    steps, offsets = _merged(deadlines)
    offsets = np.minimum.accumulate(offsets[::-1])[::-1]

    def time(at: Codes) -> Codes:
        return np.asarray(at + offsets[np.minimum(np.searchsorted(steps, at, "left"), len(steps) - 1)])

    return time


def _merged(parts: Sequence[tuple[Codes, Codes]]) -> tuple[Codes, Codes]:
    """Steps in order, and how many cycles after its number each is bound to."""
    if not parts:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    steps = np.concatenate([s for s, _ in parts])
    offsets = np.concatenate([t - s for s, t in parts])
    order = np.argsort(steps, kind="stable")
    return steps[order], offsets[order]


def _leaving(actor: Actor, firings: Codes) -> tuple[Codes, Codes]:
    """The firing at whose step the results of `firings` leave the pipeline, and cycles beyond where it is the last."""
    leaves = np.minimum(firings + actor.latency, actor.firings - 1)
    return leaves, firings + actor.latency - leaves


def _pushes(actor: Actor, firings: Codes, time: Times) -> Codes:
    """The cycle in which each token is pushed."""
    leaves, beyond = _leaving(actor, firings)
    return np.asarray(time(leaves) + beyond)


def _span(actor: Actor, time: Times) -> int:
    first, last = time(np.asarray([0, actor.firings - 1], dtype=np.int64))
    return int(last - first) + 1 + actor.latency


def most_at_once(pushed: Codes, read: Codes, interval: int) -> int:
    """The most tokens in a FIFO in any cycle, from pushed[k] to read[k] inclusive, repeated every `interval` cycles."""
    if not len(pushed):
        return 0
    start = int((read // interval - pushed // interval).sum())  # alive across the start of an interval
    came = np.sort(pushed % interval)
    gone = np.sort(read % interval)
    alive = start + np.arange(1, len(came) + 1) - np.searchsorted(gone, came, "left")
    return int(max(start, alive.max()))
