"""tables: an exact table over all input codes becomes the cheapest circuit that is proved equal to it.

In order of cost: nothing (identity), a shift, thresholds where the table is monotone, a ROM, trimmed to the window
outside which it does not change, or half of one where it is mirrored. The proof compares every entry.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from hwq.errors import InternalError
from hwq.ir.hardware import Edge
from hwq.numeric.fixed import Codes, Rounding, code_dtype
from hwq.ops import Channels, Lut, Op, Shift, Threshold
from hwq.ops.exact.tabulated import Tabulated
from hwq.ops.lut import Mirror
from hwq.passes.circuits.costs import DEFAULT_COSTS, Costs

MIDDLES_TRIED = 6  # about the middle of the window


def cheapest_table(op: Tabulated, x: Edge, name: str, costs: Costs = DEFAULT_COSTS) -> Op | None:
    """The cheapest circuit that passes the proof; None is the identity."""
    table = op.reached(x)
    if bool((table == np.arange(x.lo, x.hi + 1)).all()):
        return None
    for _, circuit in sorted(_candidates(op, table, x, costs), key=lambda pair: pair[0]):
        if proved_table(circuit, table, x):
            return circuit
    raise InternalError("no circuit equals the table", node=name, op="tabulated")


def proved_table(circuit: Op, table: Codes, x: Edge) -> bool:
    """Whether the circuit has the table's code at every code of x."""
    count, span = table.shape
    flat: Op = circuit
    if isinstance(circuit, Lut | Threshold):
        flat = replace(circuit, channels=Channels(circuit.channels.count, 1))
    probe = Edge((count,), x.type, x.lo, x.hi)
    codes: Codes = np.tile(np.arange(x.lo, x.hi + 1)[:, None], (1, count)).astype(code_dtype(x.lo, x.hi))
    results = flat.prepare((probe,))(codes)[0]
    return bool((results.reshape(span, count) == table.T).all())


def _candidates(op: Tabulated, table: Codes, x: Edge, costs: Costs) -> Iterator[tuple[float, Op]]:
    """(cost, circuit); a binary search takes its comparisons in turn, a table one cycle."""
    rows = _monotone(table)
    if rows is not None:
        places, base, sign = rows
        shift = _as_shift(op, table, places, x)
        if shift is not None:
            yield 0.0, shift
        bounds = np.where(places < 0, x.hi + 1, places + x.lo)
        compare = Threshold(bounds, base, sign, op.type, op.channels)
        yield costs.of(compare, x) * (compare.steps if compare.search else 1), compare
    for lut in _luts(op, table, x):
        yield costs.of(lut, x), lut


def _monotone(table: Codes) -> tuple[Codes, Codes, Codes] | None:
    """Rows of thresholds (places in the table, -1 where unused), base and sign, where no row both rises and falls."""
    steps = np.diff(table, axis=1)
    rising, falling = bool((steps >= 0).all()), bool((steps <= 0).all())
    signs = np.where((steps < 0).any(axis=1), -1, 1).astype(np.int64)
    if not (rising or falling) and bool(((steps * signs[:, None]) < 0).any()):
        return None
    heights = np.abs(steps)
    width = int(heights.sum(axis=1).max(initial=0))
    if width > 1 << 16 or width * table.shape[0] > 1 << 20:
        return None
    places = np.full((table.shape[0], width), -1, dtype=np.int64)
    for c, row in enumerate(heights):
        where = np.repeat(np.arange(1, row.size + 1), row)
        places[c, : where.size] = where
    return places, table[:, 0].copy(), signs


def _as_shift(op: Tabulated, table: Codes, places: Codes, x: Edge) -> Shift | None:
    """clamp((x + add) >> drop): steps at equal distances of a power of two, or equal heights at every code."""
    if table.shape[0] > 1 or places.shape[1] < 2 or int(table[0, -1]) < int(table[0, 0]):
        return None
    at = places[0] + x.lo
    gaps = np.diff(at)
    lo, hi = int(table.min()), int(table.max())
    first = int(table[0, 0]) + 1  # the code reached at the first step
    if bool((gaps == gaps[0]).all()) and gaps[0] > 0 and int(gaps[0]) & (int(gaps[0]) - 1) == 0:
        drop = int(gaps[0]).bit_length() - 1
        add = (first << drop) - int(at[0])
    else:
        inner = np.nonzero((table[0] > lo) & (table[0] < hi))[0]
        if inner.size < 2:
            return None
        height = int(table[0, inner[1]] - table[0, inner[0]])
        if height < 2 or height & (height - 1) or int(table[0, inner[0]]) % height:
            return None
        drop = 1 - height.bit_length()
        add = int(table[0, inner[0]]) // height - (int(inner[0]) + x.lo)
    offset = None if add == 0 else np.asarray([add], dtype=np.int64)
    return Shift(drop, Rounding.FLOOR, lo, hi, offset, Channels(), op.type)


def _luts(op: Tabulated, table: Codes, x: Edge) -> Iterator[Lut]:
    lo, hi = int(table.min()), int(table.max())
    first, last = _window(table)

    def lut(words: Codes, start: int, mirror: Mirror | None = None) -> Lut:
        return Lut(words, start, lo, hi, op.type, op.channels, mirror, functions=op.functions)

    yield lut(table[:, first : last + 1], x.lo + first)
    for twice in _middles(x, first, last):
        half = _half(table, x, twice, lo, hi)
        if half is not None:
            words, start, mirror = half
            begin, end = _window(words)
            yield lut(words[:, begin : end + 1], start + begin, mirror)


def _window(table: Codes) -> tuple[int, int]:
    """First and last place between which the table changes: outside, the ends' words go on."""
    moves = np.nonzero((np.diff(table, axis=1) != 0).any(axis=0))[0]
    return (int(moves[0]), int(moves[-1]) + 1) if moves.size else (0, 0)


def _middles(x: Edge, first: int, last: int) -> list[int]:
    """Twice the codes about which a table may be mirrored: zero, the range's middle, and about the window's."""
    window = 2 * x.lo + first + last
    near = [window + d for d in range(-MIDDLES_TRIED, MIDDLES_TRIED + 1)]
    inside = [t for t in (0, -1, x.lo + x.hi, *near) if 2 * x.lo < t < 2 * x.hi]
    return list(dict.fromkeys(inside))


def _half(table: Codes, x: Edge, twice: int, lo: int, hi: int) -> tuple[Codes, int, Mirror] | None:
    """The upper half's words, its first code and the mirror, if the rest follows from them."""
    start = (twice + 1) // 2  # the least code that is looked up as it is
    end = max(x.hi, twice - x.lo)
    codes = np.arange(start, end + 1)
    own, other = codes, twice - codes
    has_own = own <= x.hi
    has_other = (other >= x.lo) & (2 * other < twice)
    up = table[:, np.clip(own, x.lo, x.hi) - x.lo]
    down = table[:, np.clip(other, x.lo, x.hi) - x.lo]
    both = np.nonzero(has_own & has_other)[0]
    if not both.size:
        return None
    for sign in (-1, 1):
        total = int(down[0, both[0]]) - sign * int(up[0, both[0]])
        wanted = sign * (down - total)  # what the mirrored side asks of a word
        words = np.where(has_own, up, wanted)
        # Where one side saturates, the word may go beyond the range as far as the other side needs.
        grown = np.where(up == hi, np.maximum(up, wanted), np.where(up == lo, np.minimum(up, wanted), up))
        words = np.where(has_own & has_other, grown, words)
        again = np.clip(total + sign * words, lo, hi)
        same = np.where(has_other, again == down, True) & np.where(has_own, np.clip(words, lo, hi) == up, True)
        if bool(same.all()):
            return words, start, Mirror(twice, total, sign)
    return None
