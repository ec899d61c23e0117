"""Actors: a process of a streaming design as a static schedule of firings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hwq.numeric.fixed import Codes


@dataclass(frozen=True, eq=False)
class Actor:
    """A pipelined loop nest that runs `firings` times for one sample, once a cycle where nothing holds it up.

    `reads[fifo][k]` is the firing at which token k is consumed, `writes[fifo][k]` the one that makes it: int64, never
    falling. What a firing makes can be read `latency` cycles later.
    """

    name: str
    firings: int
    reads: Mapping[str, Codes]
    writes: Mapping[str, Codes]
    latency: int = 1
