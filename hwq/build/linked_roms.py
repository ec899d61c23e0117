"""Large ROMs linked into a build as they are, where the compiler would parse their initialisers.

g++ takes about a microsecond and 120 bytes for each number of an initialiser. So the text of a large ROM header is read
here, strictly, as it lies in the project, and becomes machine integers in an object file; the header keeps the
declaration. What is not of exactly the form that hwq writes is left to the compiler.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

LEAST = 1 << 13  # elements of a ROM that is linked
CHUNK = 1 << 18  # bytes of an initialiser that are read at once
HEAD = 4096  # bytes of a header, within which its declaration begins
KINDS = MappingProxyType({"char": 1, "short": 2, "int": 4, "long long": 8})
WORD = re.compile(rb"^typedef (signed|unsigned) (char|short|int|long long) (\w+)_word_t;", re.M)
ARRAY = re.compile(rb"^static const (\w+)_word_t \1\[(\d{1,12})\]\[(\d{1,12})\] = \{\n", re.M)
BLANK = bytes.maketrans(b"{},\n", b"    ")
SECTION, BACK = '.pushsection .rodata,"a"\n', ".popsection\n"
ARRAY_IN_ASSEMBLY = """\
.balign 64
.globl {name}
.hidden {name}
.type {name}, %object
.size {name}, {size}
{name}:
.incbin "{path}", {first}, {size}
"""
NO_STACK = '.section .note.GNU-stack,"",%progbits\n'


def with_linked_roms(files: Mapping[str, bytes]) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """The files with their large ROMs in binary form, and the assembly units that bring those in."""
    result, units = dict(files), []
    if not sys.platform.startswith("linux"):
        return result, ()
    for path, content in files.items():
        if not path.endswith(".h") or len(content) < 2 * LEAST:
            continue
        found = _read(content)
        if found is None:
            continue
        name, header, codes = found
        stem = path.removesuffix(".h")
        result[path] = header
        result[f"{stem}.bin"] = codes.tobytes()
        result[f"{stem}.s"] = (_assembly(f"{stem}.bin", {name: codes.nbytes}) + NO_STACK).encode()
        units.append(f"{stem}.s")
    return result, tuple(units)


def as_header(stem: str, arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, bytes]:
    """A header that defines arrays of these names wherever it is included, and the file from which it does."""
    text = _assembly(f"{stem}.bin", {name: a.nbytes for name, a in arrays.items()})
    binary = b"".join(np.ascontiguousarray(a).tobytes() for a in arrays.values())
    return {f"{stem}.h": f'asm(R"(\n{text})");\n'.encode(), f"{stem}.bin": binary}


def machine_integers(native: str) -> np.dtype[Any]:
    """The dtype of a machine integer that C spells so."""
    sign, _, kind = native.partition(" ")
    return np.dtype(f"{'i' if sign == 'signed' else 'u'}{KINDS[kind]}")


def _assembly(binary: str, sizes: Mapping[str, int]) -> str:
    """What brings in arrays of so many bytes that lie one after the other in a file."""
    parts, first = [SECTION], 0
    for name, size in sizes.items():
        parts.append(ARRAY_IN_ASSEMBLY.format(name=name, size=size, first=first, path=binary))
        first += size
    return "".join([*parts, BACK])


def _read(content: bytes) -> tuple[str, bytes, npt.NDArray[Any]] | None:
    """Name, header without initialiser, and codes of a ROM header; None where its form is another."""
    word, array = WORD.search(content[:HEAD]), ARRAY.search(content[:HEAD])
    if not word or not array or word[3] != array[1]:
        return None
    depth, lanes = int(array[2]), int(array[3])
    end = content.find(b"\n};\n", array.end() - 1)
    if depth * lanes < LEAST or end < 0:
        return None
    kind = machine_integers(f"{word[1].decode()} {word[2].decode()}")
    codes = _codes(content[array.end() : end], depth, lanes, kind)
    if codes is None:
        return None
    name = array[1].decode()
    declaration = f'extern "C" const {name}_word_t {name}[{depth}][{lanes}] __attribute__((visibility("hidden")));\n'
    header = content[: array.start()] + declaration.encode() + content[end + len(b"\n};\n") :]
    return name, header, codes


def _codes(body: bytes, depth: int, lanes: int, kind: np.dtype[Any]) -> npt.NDArray[Any] | None:
    """All rows of an initialiser, read some megabytes at a time; None where the text is anything else."""
    codes, done, start = np.empty((depth, lanes), dtype=kind), 0, 0
    limits = np.iinfo(kind)
    while start < len(body):
        end = body.find(b"},\n", start + CHUNK)
        end = len(body) if end < 0 else end + len(b"},\n")
        values = _rows(body[start:end], lanes)
        if values is None or values.min() < limits.min or values.max() > limits.max or done + len(values) > depth:
            return None
        codes[done : done + len(values)] = values
        done, start = done + len(values), end
    return codes if done == depth else None


def _rows(body: bytes, lanes: int) -> npt.NDArray[np.int64] | None:
    """Whole braced rows of `lanes` decimal integers each; None where the text is anything else."""
    data = np.frombuffer(body, dtype=np.uint8)
    opens, closes, commas = (np.flatnonzero(data == ord(c)) for c in "{},")
    depth = len(opens)
    if not depth or len(closes) != depth or len(commas) != depth * lanes:
        return None
    ends = commas[lanes - 1 :: lanes]  # the comma after each row
    if not ((opens < closes).all() and (closes + 1 == ends).all() and (closes[:-1] < opens[1:]).all()):
        return None
    digit, minus = (data >= ord("0")) & (data <= ord("9")), data == ord("-")
    past_digit, past_minus, to_digit = np.zeros_like(digit), np.zeros_like(digit), np.zeros_like(digit)
    past_digit[1:], past_minus[1:], to_digit[:-1] = digit[:-1], minus[:-1], digit[1:]
    starts = np.flatnonzero((digit | minus) & ~past_digit & ~past_minus)
    if len(starts) != len(commas) or not ((starts < commas).all() and (commas[:-1] < starts[1:]).all()):
        return None
    odd = minus & (past_digit | past_minus | ~to_digit) | (data == ord("0")) & to_digit & ~past_digit  # octal
    blank = (data == ord(" ")) | (data == ord("\n"))
    if odd.any() or np.count_nonzero(digit | minus | blank) + 2 * depth + len(commas) != len(body):
        return None
    values = np.fromstring(body.translate(BLANK), dtype=np.int64, sep=" ")
    return values.reshape(depth, lanes) if values.size == len(commas) else None
