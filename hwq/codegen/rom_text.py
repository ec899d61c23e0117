"""ROM contents as C initialisers: machine integers for the C-simulation, exactly sized words for synthesis."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwq.codegen.literals import Decimal, decimal_rows, hexadecimal_rows
from hwq.numeric.fixed import Codes, FixedType
from hwq.ops import Rom

Buffer = bytes | memoryview

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

    def linked(self, least: int) -> bool:
        """Whether a build that links ROMs of `least` words and more (0: none) links this one."""
        return 0 < least <= self.rom.words.size and self.words == 1 and self.rom.packed == 1

    def initialiser(self) -> Iterator[bytes]:
        """The text of its rows in braces, wrapped."""
        rom, kind = self.rom, self.rom.word_type
        if rom.packed == 1 and self.words == 1:
            return decimal_rows(rom.pieces(), kind, Decimal("LL" if kind.width > 32 else ""))
        return hexadecimal_rows((machine_words(p, kind.width, rom.packed) for p in rom.pieces()), self.type.width)


def native_integer(ftype: FixedType) -> str:
    """The narrowest C integer type that holds the codes (64-bit words where none does)."""
    sign = "signed" if ftype.signed else "unsigned"
    for bits, name in ((8, "char"), (16, "short"), (32, "int"), (64, "long long")):
        if ftype.width <= bits:
            return f"{sign} {name}"
    return "unsigned long long"


def packed(words: Codes, width: int, count: int) -> Codes:
    """`count` words of `width` bits side by side as one unsigned integer each, the first in the lowest bits."""
    if words.dtype == object:
        groups = (words & ((1 << width) - 1)).reshape(len(words), -1, count)
        shifts = np.asarray([width * k for k in range(count)], dtype=object)
        return np.asarray((groups << shifts).sum(axis=-1), dtype=object)
    octets = _octets(words, width, count)
    whole = [int.from_bytes(o.tobytes(), "little") for o in octets.reshape(-1, octets.shape[-1])]
    return np.asarray(whole, dtype=object).reshape(octets.shape[:2])


def machine_words(words: Codes, width: int, count: int) -> npt.NDArray[np.uint64]:
    """The same as 64-bit words, (depth, groups, words), the lowest first; a lone one's sign fills the last."""
    size = -(-width * count // WORD)
    if words.dtype == object:
        whole = words if count == 1 else packed(words, width, count)
        parts = [(whole >> (WORD * k)) & ((1 << WORD) - 1) for k in range(size)]
        return np.stack(parts, axis=-1).astype(np.uint64)
    octets = _octets(words, width, count)
    padded = np.zeros((*octets.shape[:2], size * WORD // 8), dtype=np.uint8)
    padded[..., : octets.shape[2]] = octets
    return padded.view("<u8")


def _octets(words: Codes, width: int, count: int) -> npt.NDArray[np.uint8]:
    """(depth, groups, octets) of the bits of `count` words side by side."""
    size = next(n for n in (1, 2, 4, 8) if width <= 8 * n)
    bits = np.unpackbits(np.ascontiguousarray(words, f"<i{size}")[..., None].view(np.uint8), axis=-1, bitorder="little")
    return np.packbits(bits[..., :width].reshape(len(words), -1, width * count), axis=-1, bitorder="little")


def storage_hint(rom: Rom, memory: str = "auto") -> str:
    """Which memory a ROM that is read row by row is bound to: the one asked for, or by its size."""
    if memory != "auto":
        return f"rom_{memory}"
    return "rom_bram" if rom.bits >= BRAM_BITS else "rom_lutram"


def digest_parts(label: str, shape: tuple[int, ...], stored: Iterable[Codes]) -> Iterator[Buffer]:
    """What a ROM's digest is taken over: its shape, how codes are stored, and the stored words, in pieces."""
    yield f"{shape[0]}x{shape[1]} {label}\n".encode()
    for k, part in enumerate(stored):
        if part.dtype == object:
            yield ("," * (k > 0) + ",".join(str(int(v)) for v in part.reshape(-1))).encode()
        else:
            yield np.ascontiguousarray(part, dtype="<i8").data
