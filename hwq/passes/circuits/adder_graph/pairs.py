"""Common pairs: the pattern p +- (q << s) that saves most over all sums becomes a signal, until none occurs twice.

Hartley, "Subexpression sharing in filters using canonic signed digit multipliers", 1996. How often a pattern occurs
only falls once both its signals exist, so a heap of old counts, corrected when they come up, gives the greatest. Where
a signal stands is a set of bits, a place for each sum and shift: patterns are counted by shifts and intersections.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator

import numpy as np

from hwq.numeric.fixed import Codes
from hwq.ops.parts.adder_graph import Operand
from hwq.passes.circuits.adder_graph.builder import Builder

SIGNALS, SHIFTS = 1 << 20, 1 << 6  # of a pattern's key
KEYS = 1 << 48


def signed_digits(values: Codes) -> Codes:
    """Canonical signed digits, the lowest first, along a new last axis: -1, 0 or 1, no two neighbours both set."""
    size = np.abs(values).astype(np.int64)
    tripled = 3 * size
    up, down = (tripled & ~size) >> 1, (size & ~tripled) >> 1
    places = np.arange(max(1, int((up | down).max(initial=0)).bit_length()))
    digits = ((up[..., None] >> places) & 1) - ((down[..., None] >> places) & 1)
    return np.asarray(digits * np.sign(values)[..., None].astype(np.int64)).astype(np.int8)


class Pairs:
    """Sums (columns) of terms, as sets of places of each signal; `slack` of a sum is what its depth may still grow."""

    def __init__(self, builder: Builder, matrix: Codes, slack: list[float]) -> None:
        self.builder, self.slack = builder, slack
        digits = signed_digits(matrix)  # (K, N, shifts)
        self.columns, self.places = digits.shape[1], digits.shape[2]
        self.stride = 2 * self.places
        padded = np.zeros((len(digits), self.columns, self.stride), dtype=np.int8)
        padded[:, :, : self.places] = digits
        flat = padded.reshape(len(digits), -1)
        self.plus = {i: _bits(row) for i, row in enumerate(flat > 0)}
        self.minus = {i: _bits(row) for i, row in enumerate(flat < 0)}
        self.terms: list[set[int]] = [set() for _ in range(self.columns)]
        signals, columns, shifts = np.nonzero(digits)
        codes = (signals * SHIFTS + shifts) * 2 + (digits[signals, columns, shifts] < 0)
        for column, code in zip(columns.tolist(), codes.tolist(), strict=True):
            self.terms[column].add(code)
        self.heap: list[int] = []
        for key, count in _first_counts(digits):
            self._push(key, count)
        heapq.heapify(self.heap)

    def share(self, most: int) -> int:
        """Replace patterns until none occurs twice, or `most` were; how many candidates were left then."""
        while self.heap:
            key = -heapq.heappop(self.heap)
            score, key = divmod(key, KEYS)
            key = KEYS - 1 - key
            same, opposite = self._found(key)
            count = same.bit_count() + opposite.bit_count()
            if count < 2:
                continue
            now = self._score(key, count)
            if now < score:
                heapq.heappush(self.heap, -(now * KEYS + KEYS - 1 - key))
                continue
            if most <= 0:
                return len(self.heap) + 1
            most -= 1
            self._replace(key, same, opposite)
        return 0

    def _score(self, key: int, count: int) -> int:
        a, b, shift, _ = _pattern(key)
        widths = self.builder.widths
        overlap = max(1, min(widths[a], widths[b] + shift) - shift)
        return count * overlap

    def _push(self, key: int, count: int) -> None:
        self.heap.append(-(self._score(key, count) * KEYS + KEYS - 1 - key))

    def _found(self, key: int) -> tuple[int, int]:
        """Places of the pattern's first signal where it stands with a plus, and with a minus."""
        a, b, shift, opposite = _pattern(key)
        up, down = (self.minus, self.plus) if opposite else (self.plus, self.minus)
        first, second = self.plus[a] & (up[b] >> shift), self.minus[a] & (down[b] >> shift)
        if a == b:  # a term serves one pair only
            first, second = _apart(first, second, shift)
        growth = self._growth(a, b)
        if growth and self.slack:
            first, second = (self._affordable(places, growth) for places in (first, second))
        return first, second

    def _growth(self, a: int, b: int) -> float:
        """By how much the terms' sum of 2^depth grows."""
        da, db = self.builder.depths[a], self.builder.depths[b]
        return float(2.0 ** (max(da, db) + 1) - 2.0**da - 2.0**db)

    def _affordable(self, places: int, growth: float) -> int:
        kept = 0
        left: dict[int, float] = {}
        for place in _each(places):
            column = place // self.stride
            left[column] = left.get(column, self.slack[column]) - growth
            if left[column] >= 0:
                kept |= 1 << place
        return kept

    def _replace(self, key: int, same: int, opposite: int) -> None:
        """Make the pattern a signal, and put it where it was found."""
        a, b, shift, differs = _pattern(key)
        growth = self._growth(a, b)
        term = self.builder.join(Operand(a), Operand(b, shift, bool(differs)))
        new, moved, flipped = term.signal, term.shift, term.negative
        up, down = (self.minus, self.plus) if differs else (self.plus, self.minus)
        self.plus[a] ^= same
        self.minus[a] ^= opposite
        up[b] ^= same << shift
        down[b] ^= opposite << shift
        first, second = (opposite, same) if flipped else (same, opposite)
        self.plus[new] = self.plus.get(new, 0) | first << moved
        self.minus[new] = self.minus.get(new, 0) | second << moved
        touched: list[tuple[int, int, int]] = []
        for places, negative in ((same, 0), (opposite, 1)):
            for place in _each(places):
                column, at = divmod(place, self.stride)
                terms = self.terms[column]
                terms.remove((a * SHIFTS + at) * 2 + negative)
                terms.remove((b * SHIFTS + at + shift) * 2 + (negative ^ differs))
                terms.add((new * SHIFTS + at + moved) * 2 + (negative ^ flipped))
                touched.append((column, at + moved, negative ^ flipped))
                if self.slack:
                    self.slack[column] -= growth
        for key, count in _partners(new, [(self.terms[c], s, n) for c, s, n in touched]):
            heapq.heappush(self.heap, -(self._score(key, count) * KEYS + KEYS - 1 - key))

    def left(self, column: int) -> list[Operand]:
        """The terms of a sum that nothing shares."""
        found = []
        for code in sorted(self.terms[column]):
            signal, rest = divmod(code, 2 * SHIFTS)
            found.append(Operand(signal, rest >> 1, bool(rest & 1)))
        return found


def _bits(row: Codes) -> int:
    return int.from_bytes(np.packbits(row, bitorder="little").tobytes(), "little")


def _each(places: int) -> Iterator[int]:
    while places:
        low = places & -places
        yield low.bit_length() - 1
        places ^= low


def _key(a: int, b: int, shift: int, opposite: int) -> int:
    return ((a * SIGNALS + b) * SHIFTS + shift) * 2 + opposite


def _pattern(key: int) -> tuple[int, int, int, int]:
    """(a, b, shift, opposite): a + (b << shift), or a - (b << shift)."""
    rest, opposite = divmod(key, 2)
    rest, shift = divmod(rest, SHIFTS)
    return rest // SIGNALS, rest % SIGNALS, shift, opposite


def _apart(first: int, second: int, shift: int) -> tuple[int, int]:
    """Places of a pattern of one signal with itself, without those whose lower term is another's upper one."""
    taken, kept = 0, [0, 0]
    for place in _each(first | second):
        if not taken >> place & 1:
            taken |= 1 << (place + shift)
            kept[0 if first >> place & 1 else 1] |= 1 << place
    return kept[0], kept[1]


def _first_counts(digits: Codes) -> Iterator[tuple[int, int]]:
    """Patterns of two inputs that occur at least twice, and how often, by products of matrices of digits."""
    signals, _, places = digits.shape
    for shift in range(places):
        low = digits[:, :, : places - shift].reshape(signals, -1).astype(np.float32)
        high = digits[:, :, shift:].reshape(signals, -1).astype(np.float32)
        both, balance = np.abs(low) @ np.abs(high).T, low @ high.T
        for opposite, counts in enumerate(((both + balance) / 2, (both - balance) / 2)):
            if shift == 0:
                counts = np.triu(counts, 1)
            a, b = np.nonzero(counts >= 2)
            keys = ((a.astype(np.int64) * SIGNALS + b) * SHIFTS + shift) * 2 + opposite
            yield from zip(keys.tolist(), counts[a, b].astype(np.int64).tolist(), strict=True)


def _partners(new: int, found: list[tuple[set[int], int, int]]) -> Iterator[tuple[int, int]]:
    """Patterns of a new signal with the terms beside it that occur at least twice. `found`: (terms, shift, sign)."""
    codes = np.fromiter((c for terms, _, _ in found for c in terms), np.int64, sum(len(t) for t, _, _ in found))
    sizes = [len(t) for t, _, _ in found]
    at, sign = (np.repeat(np.asarray([f[k] for f in found], dtype=np.int64), sizes) for k in (1, 2))
    signal, shift = codes // (2 * SHIFTS), (codes >> 1) % SHIFTS - at
    opposite = (codes & 1) ^ sign
    above = shift >= 1
    a, b = np.where(above, new, signal), np.where(above, signal, new)
    keys = ((a * SIGNALS + b) * SHIFTS + np.abs(shift)) * 2 + opposite
    keys = keys[(signal != new) | (shift > 0)]
    ordered, counts = np.unique(keys, return_counts=True)
    often = counts >= 2
    yield from zip(ordered[often].tolist(), counts[often].tolist(), strict=True)
