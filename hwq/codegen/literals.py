"""Rows of constants as braced C literals: numbers many at once, as cells of bytes whose blanks are then left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwq.numeric.fixed import Codes, FixedType

LINE = 116
TABLE_BITS = 16  # of codes that a table of literals is indexed by
FEW = 1 << 8  # elements of rows that are written one by one
LEAST = -(1 << 63)
WORD = 64
BREAK, CLOSE = b"\n", b"\r"  # within cells: the end of a line, and of a row
BLANK = b"\0"

Bytes = npt.NDArray[np.uint8]


def wrapped(values: list[object], end_mark: str = ",") -> list[str]:
    """Any values as the lines of a braced list, none longer than LINE."""
    literals = [str(v) for v in values]
    if not literals:
        return ["  {}" + end_mark]
    length = line_length(max(len(v) for v in literals))
    lines = ["   " + ", ".join(literals[i : i + length]) + "," for i in range(0, len(literals), length)]
    lines[0] = "  {" + lines[0][3:]
    return [*lines[:-1], lines[-1][:-1] + "}" + end_mark]


def line_length(widest: int) -> int:
    """Literals on a line of a row whose longest is `widest` characters."""
    return max(1, (LINE - 6) // (widest + 2))


@dataclass(frozen=True)
class Decimal:
    """Decimal literals: `suffix` after those below 2**63, ULL after others; `least` for -2**63, which C has none of."""

    suffix: str = ""
    least: str = "-9223372036854775807LL - 1"

    def one(self, value: int) -> str:
        """One value's literal."""
        if value == LEAST:
            return self.least
        return f"{value}{self.suffix}" if value < 1 << 63 else f"{value}ULL"

    def widest(self, rows: Codes) -> list[int]:
        """The length of each row's longest literal: that of an end of its range."""
        ends = [rows.min(axis=1).tolist(), rows.max(axis=1).tolist()]
        return [max(len(self.one(lo)), len(self.one(hi))) for lo, hi in zip(*ends, strict=True)]

    def cells(self, values: Codes) -> Bytes:
        """(n, characters) of n values."""
        negative, least = (np.asarray(values < 0), np.asarray(values == LEAST))
        left = np.where(least, 0, np.abs(np.where(least, 0, values))).astype(np.uint64)
        columns: list[Bytes] = []
        while not columns or left.any():
            digit = (left % 10 + ord("0")).astype(np.uint8)
            columns.append(np.where(left > 0, digit, 0) if columns else digit)
            left = left // 10
        columns = [np.where(negative, ord("-"), 0).astype(np.uint8), *columns[::-1]]
        past = np.asarray(values >= 1 << 63)
        ends = [(self.suffix, ~past), *([("ULL", past)] if past.any() else [])]
        columns += [np.where(where, ord(c), 0).astype(np.uint8) for text, where in ends for c in text]
        cells = np.stack(columns, axis=1)
        if least.any():
            text = np.frombuffer(self.least.encode(), dtype=np.uint8)
            cells = np.pad(cells, ((0, 0), (0, max(0, text.size - cells.shape[1]))))
            cells[least] = np.pad(text, (0, cells.shape[1] - text.size))
        return cells


PLAIN = Decimal()


@dataclass(frozen=True)
class Hexadecimal:
    """Unsigned literals of so many digits, ULL after those past 32 bits; several words in braces of their own."""

    digits: int
    words: int

    @property
    def suffix(self) -> str:
        return "ULL" if self.digits > 8 else ""

    @property
    def length(self) -> int:
        """Characters of one literal."""
        one = len("0x") + self.digits + len(self.suffix)
        return one if self.words == 1 else len("{}") + self.words * (one + len(", ")) - len(", ")

    def cells(self, words: npt.NDArray[np.uint64]) -> Bytes:
        """(n, characters) of (n, words), the lowest word first."""
        shifts = np.arange(4 * (self.digits - 1), -1, -4, dtype=np.uint64)
        nibbles = (words[:, :, None] >> shifts) & np.uint64(15)
        digits = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)[nibbles]

        def text(characters: str) -> Bytes:
            return np.tile(np.frombuffer(characters.encode(), dtype=np.uint8), (len(words), 1))

        parts = [part for k in range(self.words) for part in (text(", 0x"), digits[:, k], text(self.suffix))]
        cells = np.concatenate(parts, axis=1)[:, len(", ") :]
        return cells if self.words == 1 else np.concatenate([text("{"), cells, text("}")], axis=1)


def decimal_rows(parts: Iterable[Codes], kind: FixedType, style: Decimal = PLAIN) -> Iterator[bytes]:
    """The text of rows of integers of a type in braces, wrapped: "  {1, 2,\\n   3},\\n" each."""
    table, written = None, 0
    for rows in parts:
        written += rows.size
        if rows.size <= FEW:
            lines = [line for row in rows.tolist() for line in wrapped([style.one(v) for v in row])]
            yield "".join(f"{line}\n" for line in lines).encode()
            continue
        if table is None and kind.width <= TABLE_BITS and 1 << kind.width <= written and not style.suffix:
            table = _table(kind, style)
        yield _decimal_rows(rows, style, None if table is None else (kind.lo, table))


def hexadecimal_rows(parts: Iterable[npt.NDArray[np.uint64]], bits: int) -> Iterator[bytes]:
    """The text of rows (depth, lanes, words) of unsigned integers of so many bits, the lowest word first, likewise."""
    for rows in parts:
        style = Hexadecimal(min(-(-bits // 4), WORD // 4), rows.shape[2])
        kinds = _kinds(rows.shape[1], line_length(style.length))
        yield _text(_separated(style.cells(rows.reshape(-1, style.words)), np.tile(kinds, len(rows))))


def _table(kind: FixedType, style: Decimal) -> npt.NDArray[np.uint64]:
    """The cells of all codes of a type, with each of the separators."""
    cells = style.cells(np.arange(kind.lo, kind.hi + 1))
    whole = np.concatenate([_separated(cells, np.full(len(cells), end)) for end in range(3)])
    return np.asarray(whole.view(np.uint64)[:, 0])


def _decimal_rows(rows: Codes, style: Decimal, table: tuple[int, npt.NDArray[np.uint64]] | None) -> bytes:
    lengths, which = np.unique([line_length(w) for w in style.widest(rows)], return_inverse=True)
    kinds = np.stack([_kinds(rows.shape[1], int(length)) for length in lengths])
    if len(lengths) > 1:
        kinds = kinds[which]
    if table is None:
        return _text(_separated(style.cells(rows.reshape(-1)), np.broadcast_to(kinds, rows.shape).reshape(-1)))
    least, cells = table
    return _text(cells.take(rows + (kinds * (cells.size // 3) - least)).view(np.uint8))


def _kinds(lanes: int, length: int) -> Codes:
    """What follows each element of a row: 0 another on the same line, 1 a new line, 2 the end of the row."""
    kinds: Codes = (np.arange(1, lanes + 1) % length == 0).astype(np.int64)
    kinds[-1] = 2
    return kinds


def _separated(cells: Bytes, kinds: Codes) -> Bytes:
    """Cells with what follows their literals, as wide as whole 64-bit words."""
    ends = np.frombuffer(b", ," + BREAK + CLOSE + BLANK, dtype=np.uint8).reshape(3, 2)
    width = cells.shape[1] + 2
    out = np.zeros((len(cells), -(-width // 8) * 8), dtype=np.uint8)
    out[:, : width - 2] = cells
    out[:, width - 2 : width] = ends[kinds]
    return out


def _text(cells: Bytes) -> bytes:
    """The rows that separated cells are."""
    text = cells.tobytes().translate(None, BLANK).replace(BREAK, b"\n   ").replace(CLOSE, b"},\n  {")
    return b"  {" + text[: -len(b"  {")]
