"""ROM contents as C initialisers: machine integers for the C-simulation, exactly sized words for synthesis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hwq.fixed import Codes, FixedType
from hwq.ops import Rom

LINE = 116
BRAM_BITS = 1 << 14  # smaller ROMs go to LUTRAM
WORD = 64


@dataclass(frozen=True)
class RomText:
    """A ROM as generated code sees it. `words`: 64-bit words per element, more than one past 64 bits."""

    name: str
    role: str
    rom: Rom
    pragmas: tuple[str, ...]  # how it is split so that a cycle reads what it needs, and which memory holds it

    @property
    def words(self) -> int:
        return -(-self.type.width // WORD)

    @property
    def type(self) -> FixedType:
        """An element: one stored word, or as many as kernels read as one."""
        word = self.rom.word_type
        return word if self.rom.packed == 1 else FixedType(False, word.width * self.rom.packed)

    @property
    def native(self) -> str:
        """The machine integer that holds an element."""
        return native_integer(self.type)

    @property
    def shape(self) -> str:
        extent = f"[{self.rom.depth}][{self.rom.lanes // self.rom.packed}]"
        return extent + (f"[{self.words}]" if self.words > 1 else "")

    def lines(self) -> Iterator[str]:
        """The initialiser, wrapped."""
        rows = self.rom.stored
        for row in rows if self.rom.packed == 1 else packed(rows, self.rom.word_type.width, self.rom.packed):
            yield from _wrapped(self._literals(row))

    def _literals(self, row: Codes) -> list[str]:
        if self.words == 1:
            if self.rom.packed > 1:
                return [
                    f"0x{v:0{-(-self.type.width // 4)}x}{'ULL' if self.type.width > 32 else ''}" for v in row.tolist()
                ]
            suffix = "LL" if self.type.width > 32 else ""
            return [_literal(v, suffix) for v in row.tolist()]
        mask = (1 << WORD) - 1
        return [
            "{" + ", ".join(f"0x{(int(v) >> (WORD * k)) & mask:016x}ULL" for k in range(self.words)) + "}" for v in row
        ]


def _literal(value: int, suffix: str) -> str:
    if value == -(1 << 63):
        return "-9223372036854775807LL - 1"
    return f"{value}{suffix}" if value < 1 << 63 else f"{value}ULL"


def native_integer(ftype: FixedType) -> str:
    """The narrowest C integer type that holds the codes (64-bit words where none does)."""
    sign = "signed" if ftype.signed else "unsigned"
    for bits, name in ((8, "char"), (16, "short"), (32, "int"), (64, "long long")):
        if ftype.width <= bits:
            return f"{sign} {name}"
    return "unsigned long long"


def _wrapped(literals: list[str], end_mark: str = ",") -> Iterator[str]:
    """Rows of literals in braces, no line longer than LINE."""
    if not literals:
        yield "  {}" + end_mark
        return
    widest = max(len(v) for v in literals) + 2
    per_line = max(1, (LINE - 6) // widest)
    pieces = [", ".join(literals[i : i + per_line]) for i in range(0, len(literals), per_line)]
    for i, piece in enumerate(pieces):
        start, end = "  {" if i == 0 else "   ", "}" + end_mark if i == len(pieces) - 1 else ","
        yield start + piece + end


def wrapped(values: list[object], end_mark: str = ",") -> list[str]:
    """Any values as the lines of a braced list."""
    return list(_wrapped([str(v) for v in values], end_mark))


def packed(words: Codes, width: int, count: int) -> Codes:
    """`count` words of `width` bits side by side as one unsigned integer each, the first in the lowest bits."""
    groups = (words & ((1 << width) - 1)).astype(np.uint8 if width == 1 else object)
    groups = groups.reshape(len(words), -1, count)
    if width == 1:
        octets = np.packbits(groups, axis=-1, bitorder="little")
        flat = [int.from_bytes(o.tobytes(), "little") for o in octets.reshape(-1, octets.shape[-1])]
        return np.asarray(flat, dtype=object).reshape(groups.shape[:2])
    shifts = np.asarray([width * k for k in range(count)], dtype=object)
    return np.asarray((groups << shifts).sum(axis=-1), dtype=object)


def storage_hint(rom: Rom, memory: str = "auto") -> str:
    """Which memory a ROM that is read row by row is bound to: the one asked for, or by its size."""
    if memory != "auto":
        return f"rom_{memory}"
    return "rom_bram" if rom.bits >= BRAM_BITS else "rom_lutram"


def digest_bytes(rom: Rom) -> bytes:
    """What a ROM's digest is taken over: its shape, how codes are stored, and the stored words."""
    return digest_bytes_of(rom.label, rom.stored)


def digest_bytes_of(label: str, stored: Codes) -> bytes:
    """The same of a ROM that was read back."""
    head = f"{stored.shape[0]}x{stored.shape[1]} {label}\n".encode()
    if stored.dtype == object:
        return head + ",".join(str(int(v)) for v in stored.reshape(-1)).encode()
    return head + np.ascontiguousarray(stored.astype("<i8")).tobytes()
