"""Large ROMs go into a build in binary form: read from the project's text strictly, or left to the compiler."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hwq
from hwq.build import linked_roms
from hwq.build.linked_roms import with_linked_roms
from models import mlp, samples

HEADER = """\
// fc: weights
#ifndef W_H
#define W_H

#ifdef __SYNTHESIS__
typedef ap_int<8> w_word_t;
#else
typedef {word} w_word_t;  // the same codes; machine integers compile at once
#endif

static const w_word_t w[{depth}][{lanes}] = {{
{rows}
}};

#endif
"""


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """ROMs of a few elements are linked, and read a few bytes at a time."""
    monkeypatch.setattr(linked_roms, "LEAST", 2)
    monkeypatch.setattr(linked_roms, "CHUNK", 7)


def header(rows: str, depth: int, lanes: int, word: str = "signed char") -> dict[str, bytes]:
    return {"src/weights/w.h": HEADER.format(rows=rows, depth=depth, lanes=lanes, word=word).encode()}


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("signed char", "i1"),
        ("unsigned char", "u1"),
        ("signed short", "i2"),
        ("unsigned int", "u4"),
        ("signed long long", "i8"),
    ],
)
def test_a_rom_is_read_as_the_compiler_reads_it(word: str, kind: str):
    limits = np.iinfo(kind)
    codes = np.random.default_rng(0).integers(limits.min, limits.max, (9, 13), dtype=kind, endpoint=True)
    codes[0, :3] = limits.min, limits.max, 0
    rows = "\n".join("  {" + ",\n   ".join(map(str, row.tolist())) + "}," for row in codes)
    files, units = with_linked_roms(header(rows, 9, 13, word))
    assert units == ("src/weights/w.s",)
    assert np.array_equal(np.frombuffer(files["src/weights/w.bin"], dtype=kind).reshape(9, 13), codes)
    text = files["src/weights/w.h"].decode()
    assert 'extern "C" const w_word_t w[9][13]' in text
    assert text.endswith(";\n\n#endif\n")


@pytest.mark.parametrize(
    "rows",
    [
        "  {1, 2},\n  {3, 4, 5},\n  {6},",  # rows of other lengths
        "  {1, 2},\n  {3, 4},",  # a row too few
        "  {1, 2},\n  {3, 4},\n  {5, 6},\n  {7, 8},",
        "  {1, 2},\n  {3, 4},\n  {5, 128},",  # not a signed char
        "  {1, 2},\n  {3, 4},\n  {5, 010},",  # octal
        "  {1, 2},\n  {3, 4},\n  {5, -010},",
        "  {1, 2},\n  {3, 4},\n  {5, 0x6},",
        "  {1, 2},\n  {3, 4},\n  {5, 6LL},",
        "  {1, 2},\n  {3, 4},\n  {5, 3 - 1},",
        "  {1, 2},\n  {3, 4},\n  {5, 3-1},",
        "  {1, 2},\n  {3, 4},\n  {5, --1},",
        "  {1, 2},\n  {3, 4},\n  {5, -},",
        "  {1, 2},\n  {3, 4},\n  {5, 6 7},",
        "  {1 2, },\n  {3, 4},\n  {5, 6},",
        "  {1, 2},\n  {3, 4}\n, {5, 6},",
        "  {1, 2},\n  {3, 4},  // seven\n  {5, 6},",
        "  {1, 2},\n  {3, 4},\n  {5, SIX},",
        "  {1, 2},\n  {{3}, 4},\n  {5, 6},",
    ],
)
def test_any_other_form_is_left_to_the_compiler(rows: str):
    files = header(rows, 3, 2)
    assert with_linked_roms(files) == (files, ())


@pytest.mark.parametrize(
    ("target", "types"), [("vivado", "native"), ("vivado", "vendor"), ("catapult", "vendor"), ("native", "native")]
)
def test_a_design_with_linked_roms_is_verified_by_the_text_in_its_folder(target: str, types: str, tmp_path: Path):
    project = hwq.compile(mlp(seed=5)).export(tmp_path / "net", target)
    x = samples((30, 6), 1, 3.0)
    assert len(with_linked_roms({str(p): p.read_bytes() for p in tmp_path.rglob("*.h")})[1]) > 2
    assert project.verify(x, types)
    weights = min((tmp_path / "net/src/weights").glob("dense_*_weights.h"))
    text = weights.read_text()
    at = text.index("] = {") + len("] = {\n  {")
    end = text.index(",", at)
    weights.write_text(f"{text[:at]}{int(text[at:end]) ^ 1}{text[end:]}")
    result = project.verify(x, types)
    assert result.first is not None
    assert text.startswith(f"// {result.first.node}: weights")
