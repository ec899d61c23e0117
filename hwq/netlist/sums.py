"""Sums of products with constants: signed digits, shifted and added in pairs, the shallowest first.

This is the one place that decides how a constant multiplies.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hwq.netlist.builder import Builder


@dataclass(frozen=True)
class Term:
    """sign * (signal << places)."""

    signal: int
    places: int = 0
    negative: bool = False


def signed_digits(value: int) -> Iterator[tuple[int, bool]]:
    """(place, negative) of the digits of an integer in canonical signed binary: no two neighbours are not 0."""
    place = 0
    while value:
        zeros = (value & -value).bit_length() - 1
        place, value = place + zeros, value >> zeros
        digit = 2 - (value & 3)
        yield place, digit < 0
        value = (value - digit) >> 1
        place += 1


def products(b: Builder, signals: Sequence[int], weights: Sequence[int]) -> Iterator[Term]:
    """The terms of a sum of constants times signals."""
    for signal, weight in zip(signals, weights, strict=True):
        if weight and b.value(signal) is None:
            yield from (Term(signal, place, negative) for place, negative in signed_digits(weight))


def fixed_part(b: Builder, signals: Sequence[int], weights: Sequence[int]) -> int:
    """What operands that do not vary add to such a sum."""
    pairs = zip(signals, weights, strict=True)
    return sum(weight * value for s, weight in pairs if weight and (value := b.value(s)) is not None)


def linear(b: Builder, signals: Sequence[int], weights: Sequence[int], start: int = 0) -> int:
    """start + the sum of constants times signals."""
    start += fixed_part(b, signals, weights)
    terms = list(products(b, signals, weights))
    if start:
        terms.append(Term(b.constant(abs(start)), 0, start < 0))
    return total(b, terms)


def total(b: Builder, terms: Iterable[Term]) -> int:
    """The sum of terms as a tree of the least depth; narrow ones are added to narrow ones."""
    heap = [(0, b.width(t.signal) + t.places, k, t) for k, t in enumerate(terms)]
    if not heap:
        return b.constant(0)
    heapq.heapify(heap)
    count = len(heap)
    while len(heap) > 1:
        depth, _, _, one = heapq.heappop(heap)
        other_depth, _, _, other = heapq.heappop(heap)
        joined = _joined(b, one, other)
        count += 1
        heapq.heappush(heap, (max(depth, other_depth) + 1, b.width(joined.signal) + joined.places, count, joined))
    last = heap[0][3]
    return b.shifted(b.negated(last.signal) if last.negative else last.signal, last.places)


def _joined(b: Builder, one: Term, other: Term) -> Term:
    """The sum of two terms; what both are shifted by stays a shift, a sign that both have stays a sign."""
    if one.negative and not other.negative:
        one, other = other, one
    low = min(one.places, other.places)
    sign = 1 if one.negative == other.negative else -1
    made = b.add(one.signal, other.signal, one.places - low, other.places - low, sign)
    return Term(made, low, one.negative)
