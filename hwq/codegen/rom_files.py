"""ROM files for RTL flows: every ROM of a design in the vendors' memory formats, with a manifest, and read back.

A word is one row of a ROM: its lanes side by side, lane 0 in the lowest bits, each code in two's complement of its
width, or as its coding stores it: one bit for -1 and 1, two for -1, 0 and 1, sign and exponent for powers of two.
Formats: Xilinx COE, Intel MIF, `$readmemh` (.mem, .hex), `$readmemb` (.memb), packed little-endian binary (.bin), a C
header (.h) and numpy (.npy), the last two with a word a lane.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from hwq import __version__
from hwq.codegen.array_files import open_arrays
from hwq.codegen.literals import Decimal, decimal_rows
from hwq.codegen.project import files_digest
from hwq.codegen.rom_text import digest_parts, native_integer, packed, storage_hint
from hwq.errors import SpecError, printable
from hwq.ir.hardware import Graph, Node
from hwq.ir.names import comment, identifier
from hwq.numeric.fixed import Codes
from hwq.ops import Rom
from hwq.ops.parts.weight_coding import Coding
from hwq.untrusted import read_json

MANIFEST = "manifest.json"
LAYOUTS = ("fold", "flat")
LEAST = "-9223372036854775808LL"  # no C literal: what stands for it takes no other room on a line
MOST_BITS = 1 << 24  # of a word that --check will read: far more than any design has


@dataclass(frozen=True)
class NamedRom:
    """A ROM with what the manifest says of it."""

    name: str
    layer: Node
    rom: Rom

    @property
    def node(self) -> str:
        """The ONNX node's name."""
        return self.layer.name

    @property
    def head(self) -> str:
        """What a comment says of it, in ASCII."""
        return comment(f"{self.node}: {self.rom.role}").encode("ascii", "replace").decode()

    @property
    def word_bits(self) -> int:
        return self.rom.lanes * self.rom.word_type.width

    def words(self) -> Iterator[int]:
        """Each row as one unsigned integer."""
        for part in self.rom.pieces():
            for row in packed(part, self.rom.word_type.width, self.rom.lanes):
                yield int(row[0])


def design_roms(graph: Graph, layout: str = "fold") -> list[NamedRom]:
    """Every ROM of the design, in execution order, under a file name of its own.

    `layout`: "fold", a word holds all lanes of a row, as the design reads it; "flat", a word a code, row after row.
    """
    if layout not in LAYOUTS:
        raise SpecError(f"unknown ROM layout '{printable(layout, 40)}'", remedy="use " + " or ".join(LAYOUTS))
    taken: set[str] = set()
    roms = []
    for node in graph.nodes:
        for rom in node.op.roms():
            name = f"{identifier(node.outputs[0])}_{rom.role}"
            while name in taken:
                name += "_"
            taken.add(name)
            if layout == "flat":
                rom = replace(rom, words=rom.words.reshape(-1, 1), rows=1, whole_row=True, packed=1)
            roms.append(NamedRom(name, node, rom))
    return roms


def _hex(word: int, bits: int) -> str:
    return f"{word:0{-(-bits // 4)}x}"


def _coe(rom: NamedRom) -> bytes:
    words = [_hex(w, rom.word_bits) for w in rom.words()]
    head = f"; {rom.head}\nmemory_initialization_radix=16;\nmemory_initialization_vector=\n"
    return (head + ",\n".join(words) + ";\n").encode()


def _mif(rom: NamedRom) -> bytes:
    lines = [
        f"-- {rom.head}",
        f"DEPTH = {rom.rom.depth};",
        f"WIDTH = {rom.word_bits};",
        "ADDRESS_RADIX = HEX;",
        "DATA_RADIX = HEX;",
        "CONTENT BEGIN",
        *(f"{i:x} : {_hex(w, rom.word_bits)};" for i, w in enumerate(rom.words())),
        "END;",
    ]
    return ("\n".join(lines) + "\n").encode()


def _readmemh(rom: NamedRom) -> bytes:
    lines = [f"// {rom.head}", *(_hex(w, rom.word_bits) for w in rom.words())]
    return ("\n".join(lines) + "\n").encode()


def _readmemb(rom: NamedRom) -> bytes:
    lines = [f"// {rom.head}", *(f"{w:0{rom.word_bits}b}" for w in rom.words())]
    return ("\n".join(lines) + "\n").encode()


def _bin(rom: NamedRom) -> bytes:
    size = -(-rom.word_bits // 8)
    return b"".join(w.to_bytes(size, "little") for w in rom.words())


def _header(rom: NamedRom) -> bytes:
    guard = f"{rom.name.upper()}_ROM_H"
    kind = rom.rom.word_type
    if kind.width > 64:
        raise SpecError(f"ROM '{rom.name}' has codes of {kind.width} bits", remedy="leave out the format h")
    lines = [
        f"// {rom.head}, {rom.rom.depth} x {rom.rom.lanes} codes of {rom.rom.label}",
        f"#ifndef {guard}",
        f"#define {guard}",
        "",
        f"static const {native_integer(kind)} {rom.name}[{rom.rom.depth}][{rom.rom.lanes}] = {{",
        "",
    ]
    style = Decimal("LL" if kind.width > 31 else "", LEAST)
    rows = b"".join(decimal_rows(rom.rom.pieces(), kind, style))
    initialiser = rows.replace(LEAST.encode(), b"(-9223372036854775807LL - 1)")
    return "\n".join(lines).encode() + initialiser + b"};\n\n#endif\n"


def _npy(rom: NamedRom) -> bytes:
    if rom.rom.word_type.width > 63:
        raise SpecError(
            f"ROM '{rom.name}' has codes of {rom.rom.word_type.width} bits", remedy="leave out the format npy"
        )
    buffer = io.BytesIO()
    np.save(buffer, rom.rom.stored.astype("<i8"), allow_pickle=False)
    return buffer.getvalue()


WRITERS: Mapping[str, Callable[[NamedRom], bytes]] = MappingProxyType(
    {
        "coe": _coe,
        "mif": _mif,
        "mem": _readmemh,
        "hex": _readmemh,
        "memb": _readmemb,
        "bin": _bin,
        "h": _header,
        "npy": _npy,
    }
)


def rom_files(graph: Graph, formats: tuple[str, ...], layout: str = "fold") -> dict[str, bytes]:
    """The files of all ROMs in each format, and the manifest."""
    unknown = [f for f in formats if f not in WRITERS]
    if unknown or not formats:
        raise SpecError(
            f"unknown ROM format '{printable(''.join(unknown[:1]), 40)}'", remedy="use some of: " + ",".join(WRITERS)
        )
    files: dict[str, bytes] = {}
    records = []
    for rom in design_roms(graph, layout):
        names = {fmt: f"{rom.name}.{fmt}" for fmt in formats}
        written = {names[fmt]: WRITERS[fmt](rom) for fmt in formats}
        files.update(written)
        records.append(_record(rom, names, {n: hashlib.sha256(data).hexdigest() for n, data in written.items()}))
    manifest = {
        "hwq": __version__,
        "model": graph.name,
        "digest": files_digest(files),
        "layout": layout,
        "order": "words in order of address: [fold][PE * SIMD] of weights, [channel] of what is stated per channel, "
        + ("a word a row" if layout == "fold" else "row after row, a word a code"),
        "endianness": "little",
        "packing": "lane 0 in the lowest bits of a word; two's complement where a ROM states no values of its coding; "
        ".bin words little-endian, whole bytes",
        "roms": records,
    }
    files[MANIFEST] = (json.dumps(manifest, indent=1) + "\n").encode()
    return files


def _digest(label: str, shape: tuple[int, ...], stored: Iterable[Codes]) -> str:
    total = hashlib.sha256()
    for part in digest_parts(label, shape, stored):
        total.update(part)
    return total.hexdigest()


def _record(rom: NamedRom, files: Mapping[str, str], digests: Mapping[str, str]) -> dict[str, Any]:
    kind, word, coding = rom.rom.type, rom.rom.word_type, rom.rom.coding
    values = None if coding is None else _values(coding)
    return {
        "name": rom.name,
        "node": rom.node,
        "kernel": rom.layer.op.kind,
        "role": rom.rom.role,
        "memory": storage_hint(rom.rom, rom.layer.memory).removeprefix("rom_"),
        "folding": {k: int(v) for k in ("pe", "simd") if isinstance(v := getattr(rom.layer.op, k, None), int)},
        "shape": [rom.rom.depth, rom.rom.lanes],
        "depth": rom.rom.depth,
        "lanes": rom.rom.lanes,
        "word_bits": rom.word_bits,
        "type": str(kind),
        "coding": rom.rom.label,
        "values": values,
        "signed": word.signed,
        "width": word.width,
        "frac": kind.frac,
        "scale": float(kind.lsb),
        "digest": _digest(rom.rom.label, (rom.rom.depth, rom.rom.lanes), rom.rom.pieces()),
        "files": dict(files),
        "file_digests": dict(digests),
    }


def _values(coding: Coding) -> list[int]:
    """The code that each pattern of a word's bits stands for, from 0 on."""
    word = coding.word
    patterns = np.arange(1 << word.width)
    signed = np.where(patterns > word.hi, patterns - (1 << word.width), patterns)
    return [int(v) for v in coding.decode(signed)]


def _words_of_text(text: str, radix: int) -> list[int]:
    """Words of `$readmem` text: comments dropped, addresses refused."""
    body = re.sub(r"//[^\n]*", "", text)
    return [int(w, radix) for w in body.split()]


def _words_of_coe(text: str) -> list[int]:
    text = re.sub(r"^\s*;[^\n]*", "", text, flags=re.MULTILINE)
    head, body = text.split("memory_initialization_vector=", 1)
    if head.split() != ["memory_initialization_radix=16;"]:
        raise ValueError("a radix that hwq does not write")
    body = body.split(";", 1)[0]
    return [int(w, 16) for w in re.split(r"[,\s]+", body) if w]


def _words_of_mif(text: str, rom: Mapping[str, Any]) -> list[int]:
    text = re.sub(r"--[^\n]*", "", text)
    head, body = text.split("CONTENT BEGIN", 1)
    stated = {k.strip(): v.strip() for k, v in (p.split("=") for p in head.split(";") if p.strip())}
    wanted = {"DEPTH": rom["depth"], "WIDTH": rom["word_bits"], "ADDRESS_RADIX": "HEX", "DATA_RADIX": "HEX"}
    if stated != {k: str(v) for k, v in wanted.items()}:
        raise ValueError("a header that is not the manifest's")
    pairs = [line.strip(" ;").split(":") for line in body.split("END;", 1)[0].splitlines() if ":" in line]
    table = {int(a, 16): int(w, 16) for a, w in pairs}
    if len(table) != len(pairs):
        raise ValueError("an address twice")
    return [table[i] for i in range(len(table))]


def _words_of_header(text: str, rom: Mapping[str, Any]) -> list[int]:
    text = re.sub(r"//[^\n]*", "", text)
    body = text.split("] = {", 1)[1].replace("(-9223372036854775807LL - 1)", "-9223372036854775808")
    codes = [int(v) for v in re.findall(r"-?\d+", body.rsplit("};", 1)[0])]
    return _packed(np.asarray(codes, dtype=object).reshape(rom["depth"], rom["lanes"]), rom)


def _packed(codes: Codes, rom: Mapping[str, Any]) -> list[int]:
    """Codes as words; `ValueError` where one does not fit its width."""
    width = int(rom["width"])
    mask = (1 << width) - 1
    words = [sum((int(c) & mask) << (lane * width) for lane, c in enumerate(row)) for row in codes.tolist()]
    if not np.array_equal(unpack(words, rom), codes.astype(object)):
        raise ValueError("a code does not fit its width")
    return words


def read_words(path: Path, rom: Mapping[str, Any]) -> list[int]:
    """The words of a ROM file of any format."""
    kind = path.suffix[1:]
    if kind == "bin":
        size = -(-int(rom["word_bits"]) // 8)
        data = path.read_bytes()
        return [int.from_bytes(data[i : i + size], "little") for i in range(0, len(data), size)]
    if kind == "npy":
        with open_arrays(str(path)) as file:
            return _packed(file.read(""), rom)
    text = path.read_text(encoding="utf-8")
    if kind == "coe":
        return _words_of_coe(text)
    if kind == "mif":
        return _words_of_mif(text, rom)
    if kind == "h":
        return _words_of_header(text, rom)
    return _words_of_text(text, 2 if kind == "memb" else 16)


def unpack(words: list[int], rom: Mapping[str, Any]) -> Codes:
    """Codes (depth, lanes) of packed words."""
    width, lanes = int(rom["width"]), int(rom["lanes"])
    mask, sign = (1 << width) - 1, 1 << (width - 1) if rom["signed"] else 0
    rows = [[(((w >> (k * width)) & mask) ^ sign) - sign for k in range(lanes)] for w in words]
    return np.asarray(rows, dtype=object).reshape(len(words), lanes)


def check_folder(folder: Path) -> list[str]:
    """What is wrong with the ROM files of a folder: one line a file whose contents are not the manifest's digest."""
    try:
        manifest = read_json((folder / MANIFEST).read_text(encoding="utf-8"))
        files = [(Path(str(name)).name, rom) for rom in manifest["roms"] for name in rom["files"].values()]
        for _, rom in files:
            _check_record(rom)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise SpecError(
            f"'{printable(folder)}' holds no ROM manifest", remedy="write one with hwq rom MODEL -o DIR"
        ) from None
    return [problem for name, rom in files for problem in _check_file(folder / name, rom)]


def _check_record(rom: Mapping[str, Any]) -> None:
    """Raises `ValueError` where a record is none that hwq writes: sizes that no memory holds, or that disagree."""
    sizes = [rom[k] for k in ("depth", "lanes", "width", "word_bits")]
    if any(type(v) is not int or not 0 < v <= MOST_BITS for v in sizes) or sizes[1] * sizes[2] != sizes[3]:
        raise ValueError("sizes")
    str(rom.get("coding", rom["type"])), rom["digest"], rom["signed"], rom.get("file_digests", {}).get("")


def _check_file(path: Path, rom: Mapping[str, Any]) -> list[str]:
    name, bits = printable(path.name, 80), int(rom["word_bits"])
    try:
        content = path.read_bytes()
        words = read_words(path, rom)
        if any(not 0 <= w >> bits <= 0 for w in words):
            return [f"{name}: a word of more than {bits} bits"]
        codes = unpack(words, rom)
    except SpecError as error:
        return [f"{name}: cannot be read back ({error.found})"]
    except FileNotFoundError:
        return [f"{name}: is missing"]
    except (OSError, ValueError, IndexError, KeyError, EOFError, MemoryError, SyntaxError, TypeError) as error:
        return [f"{name}: cannot be read back ({type(error).__name__})"]
    if codes.shape != (rom["depth"], rom["lanes"]):
        return [f"{name}: {codes.shape[0]} words, not {rom['depth']}"]
    plain = codes if int(rom["width"]) > 62 else codes.astype(np.int64)
    digest = _digest(str(rom.get("coding", rom["type"])), plain.shape, [plain])
    if digest != rom["digest"]:
        return [f"{name}: its codes are not the manifest's"]
    stated = rom.get("file_digests", {}).get(path.name)
    if stated is not None and hashlib.sha256(content).hexdigest() != stated:
        return [f"{name}: its codes are the manifest's, but it is not as hwq wrote it"]
    return []
