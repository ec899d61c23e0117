"""ROM text written many elements at once is the text of one literal after the other."""

from __future__ import annotations

import numpy as np
import pytest

from hwq.codegen import literals
from hwq.codegen.literals import Decimal, decimal_rows
from hwq.codegen.rom_text import RomText, machine_words, packed
from hwq.numeric.fixed import FixedType
from hwq.ops import Rom

LEAST = -(1 << 63)


def literal(value: int, width: int) -> str:
    """One integer of a type of `width` bits, as C wants it."""
    if value == LEAST:
        return "-9223372036854775807LL - 1"
    return f"{value}ULL" if value >= 1 << 63 else f"{value}LL" if width > 32 else str(value)


def braced(texts: list[str]) -> str:
    """A row by the rule for lines: as many literals as fit into 110 characters when all are as long as the longest."""
    per_line = max(1, 110 // (max(map(len, texts)) + 2))
    lines = [", ".join(texts[i : i + per_line]) for i in range(0, len(texts), per_line)]
    return "  {" + ",\n   ".join(lines) + "},\n"


def text_of(rom: RomText) -> str:
    return b"".join(rom.initialiser()).decode()


def codes(rng: np.random.Generator, kind: FixedType, shape: tuple[int, int]) -> np.ndarray:
    """Codes of the type, some rows short ones, the ends of the type among them."""
    octets = -(-kind.width // 8)
    drawn = [
        int.from_bytes(rng.bytes(octets), "little") % (1 << kind.width) + kind.lo for _ in range(shape[0] * shape[1])
    ]
    rows = np.asarray(drawn, dtype=object).reshape(shape)
    rows[:: rng.integers(1, 4)] //= 10 ** int(rng.integers(0, 6))
    rows[rng.integers(shape[0]), rng.integers(shape[1])] = kind.lo
    rows[rng.integers(shape[0]), rng.integers(shape[1])] = kind.hi
    return rows if kind.width > 62 else rows.astype(np.int64)


@pytest.mark.parametrize("chunk", [1, 70, 1 << 15])
@pytest.mark.parametrize("few", [0, 1 << 8])
def test_text_is_that_of_single_literals(few: int, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(literals, "FEW", few)
    rng = np.random.default_rng(few + chunk)
    for width in range(1, 65):
        for signed in (False, True):
            kind = FixedType(signed, width)
            rows = codes(rng, kind, (int(rng.integers(1, 40)), int(rng.integers(1, 70))))
            style = Decimal("LL" if width > 32 else "")
            text = b"".join(decimal_rows(Rom("weights", rows, kind).pieces(chunk), kind, style)).decode()
            assert text == "".join(braced([literal(v, width) for v in row]) for row in rows.tolist())


def test_bits_and_wide_words_are_hexadecimal() -> None:
    rng = np.random.default_rng(3)
    for count in (2, 8, 9, 32, 33, 63, 64, 65, 128, 200):
        bits = rng.integers(0, 2, (int(rng.integers(1, 9)), count * int(rng.integers(1, 9))))
        text = b"".join(
            RomText("w", "weights", Rom("weights", bits, FixedType(False, 1), packed=count), ()).initialiser()
        ).decode()
        whole = [[sum(int(b) << k for k, b in enumerate(w)) for w in row.reshape(-1, count)] for row in bits]
        assert text == "".join(braced([hexadecimal(v, count) for v in row]) for row in whole)
    for kind in (FixedType(True, 65), FixedType(False, 128), FixedType(True, 300)):
        rows = codes(rng, kind, (3, 5))
        text = text_of(RomText("pad", "pad", Rom("pad", rows, kind), ()))
        assert text == "".join(braced([hexadecimal(v, kind.width) for v in row]) for row in rows)


def hexadecimal(value: int, width: int) -> str:
    """One word, or in braces the 64-bit words of a wider one, the lowest first, its sign in the last."""
    if width <= 64:
        return f"0x{value:0{-(-width // 4)}x}" + ("ULL" if width > 32 else "")
    words = [(value >> (64 * k)) & ((1 << 64) - 1) for k in range(-(-width // 64))]
    return "{" + ", ".join(f"0x{w:016x}ULL" for w in words) + "}"


@pytest.mark.parametrize("width", [1, 2, 3, 8, 9, 17, 31, 62, 63, 70])
def test_words_are_packed_lane_0_lowest(width: int) -> None:
    rng = np.random.default_rng(width)
    for signed in (False, True):
        rows = codes(rng, FixedType(signed, width), (4, 12))
        for count in (2, 3, 12):
            groups = rows.astype(object).reshape(4, -1, count)
            wanted = [[sum((v % (1 << width)) << (width * k) for k, v in enumerate(g)) for g in row] for row in groups]
            assert packed(rows, width, count).tolist() == wanted
            split = machine_words(rows, width, count).astype(object)
            assert sum(split[..., k] << (64 * k) for k in range(split.shape[2])).tolist() == wanted


def test_the_least_integer_stands_as_told() -> None:
    rows = np.full((2, 300), LEAST, dtype=object)
    assert b"".join(decimal_rows([rows], FixedType(True, 64), Decimal("LL", "(least)"))).count(b"(least)") == 600
