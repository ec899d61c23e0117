"""Quotients and roots, a binary digit after the other: each a comparison and a subtraction of its own."""

from __future__ import annotations

from hwq.netlist.builder import Builder


def quotient(b: Builder, x: int, by: int, places: int, digits: int) -> int:
    """(x << places) // by, of x >= 0 and by > 0, where it is below 2**digits."""
    most = b.hi(by)
    rest = b.within(b.floored(x, digits - places) if digits > places else b.shifted(x, places - digits), 0, most - 1)
    found = []
    for place in range(digits - 1, -1, -1):
        below = place - places
        doubled = b.add(rest, b.bit(x, below) if below >= 0 else b.constant(0), 1)
        taken = b.inverted(b.less(doubled, by))
        rest = b.within(b.select(taken, b.subtract(doubled, by), doubled), 0, most - 1)
        found.append(taken)
    return b.join(found[::-1])


def root(b: Builder, x: int) -> int:
    """The greatest integer whose square is at most x >= 0."""
    pairs = (b.hi(x).bit_length() + 1) // 2
    found, rest = b.constant(0), b.constant(0)
    for k in range(pairs):
        low = 2 * (pairs - 1 - k)
        pair = b.join([b.bit(x, low), b.bit(x, low + 1)])
        grown = b.add(rest, pair, 2)
        tried = b.add(found, b.constant(1), 2)
        taken = b.inverted(b.less(grown, tried))
        found = b.within(b.add(found, taken, 1), 0, (1 << (k + 1)) - 1)
        rest = b.within(b.select(taken, b.subtract(grown, tried), grown), 0, 2 * ((1 << (k + 1)) - 1))
    return found
