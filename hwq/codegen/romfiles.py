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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from hwq import __version__
from hwq.codegen.project import files_digest
from hwq.codegen.roms import digest_bytes, digest_bytes_of, native_integer, packed, wrapped
from hwq.errors import SpecError
from hwq.fixed import Codes
from hwq.ir import Graph
from hwq.names import comment, identifier
from hwq.ops import Rom
from hwq.ops.coding import Coding

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class NamedRom:
    """A ROM with what the manifest says of it."""

    name: str
    node: str
    kernel: str
    rom: Rom

    @property
    def word_bits(self) -> int:
        return self.rom.lanes * self.rom.word_type.width

    def words(self) -> Iterator[int]:
        """Each row as one unsigned integer."""
        for row in packed(self.rom.stored, self.rom.word_type.width, self.rom.lanes):
            yield int(row[0])


def design_roms(graph: Graph) -> list[NamedRom]:
    """Every ROM of the design, in execution order, under a file name of its own."""
    taken: set[str] = set()
    roms = []
    for node in graph.nodes:
        for rom in node.op.roms():
            name = f"{identifier(node.outputs[0])}_{rom.role}"
            while name in taken:
                name += "_"
            taken.add(name)
            roms.append(NamedRom(name, node.name, node.op.kind, rom))
    return roms


def _hex(word: int, bits: int) -> str:
    return f"{word:0{-(-bits // 4)}x}"


def _coe(rom: NamedRom) -> bytes:
    words = [_hex(w, rom.word_bits) for w in rom.words()]
    head = f"; {comment(rom.node)}: {rom.rom.role}\nmemory_initialization_radix=16;\nmemory_initialization_vector=\n"
    return (head + ",\n".join(words) + ";\n").encode()


def _mif(rom: NamedRom) -> bytes:
    lines = [
        f"-- {comment(rom.node)}: {rom.rom.role}",
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
    lines = [f"// {comment(rom.node)}: {rom.rom.role}", *(_hex(w, rom.word_bits) for w in rom.words())]
    return ("\n".join(lines) + "\n").encode()


def _readmemb(rom: NamedRom) -> bytes:
    lines = [f"// {comment(rom.node)}: {rom.rom.role}", *(f"{w:0{rom.word_bits}b}" for w in rom.words())]
    return ("\n".join(lines) + "\n").encode()


def _bin(rom: NamedRom) -> bytes:
    size = -(-rom.word_bits // 8)
    return b"".join(w.to_bytes(size, "little") for w in rom.words())


def _header(rom: NamedRom) -> bytes:
    guard = f"{rom.name.upper()}_ROM_H"
    kind = rom.rom.word_type
    lines = [f"// {comment(rom.node)}: {rom.rom.role}, {rom.rom.depth} x {rom.rom.lanes} codes of {rom.rom.label}"]
    lines += [f"#ifndef {guard}", f"#define {guard}", ""]
    if kind.width > 64:
        raise SpecError(f"ROM '{rom.name}' has codes of {kind.width} bits", remedy="leave out the format h")
    lines.append(f"static const {native_integer(kind)} {rom.name}[{rom.rom.depth}][{rom.rom.lanes}] = {{")
    for row in rom.rom.stored.tolist():
        lines += wrapped(
            [f"{v}LL" if kind.width > 31 and v < 1 << 63 else f"{v}ULL" if v >= 1 << 63 else v for v in row]
        )
    lines += ["};", "", "#endif", ""]
    return "\n".join(lines).replace("-9223372036854775808LL", "(-9223372036854775807LL - 1)").encode()


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


def rom_files(graph: Graph, formats: tuple[str, ...]) -> dict[str, bytes]:
    """The files of all ROMs in each format, and the manifest."""
    unknown = [f for f in formats if f not in WRITERS]
    if unknown or not formats:
        raise SpecError(f"unknown ROM format '{''.join(unknown[:1])}'", remedy="use some of: " + ",".join(WRITERS))
    files: dict[str, bytes] = {}
    records = []
    for rom in design_roms(graph):
        names = {fmt: f"{rom.name}.{fmt}" for fmt in formats}
        files.update({names[fmt]: WRITERS[fmt](rom) for fmt in formats})
        records.append(_record(rom, names))
    manifest = {
        "hwq": __version__,
        "model": graph.name,
        "digest": files_digest(files),
        "packing": "lane 0 in the lowest bits of a word; two's complement where a ROM states no values of its coding; "
        ".bin words little-endian, whole bytes",
        "roms": records,
    }
    files[MANIFEST] = (json.dumps(manifest, indent=1) + "\n").encode()
    return files


def _record(rom: NamedRom, files: Mapping[str, str]) -> dict[str, Any]:
    kind, word, coding = rom.rom.type, rom.rom.word_type, rom.rom.coding
    values = None if coding is None else _values(coding)
    return {
        "name": rom.name,
        "node": rom.node,
        "kernel": rom.kernel,
        "role": rom.rom.role,
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
        "digest": hashlib.sha256(digest_bytes(rom.rom)).hexdigest(),
        "files": dict(files),
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
    body = text.split("memory_initialization_vector=", 1)[1].split(";", 1)[0]
    return [int(w, 16) for w in re.split(r"[,\s]+", body) if w]


def _words_of_mif(text: str) -> list[int]:
    body = text.split("CONTENT BEGIN", 1)[1].split("END;", 1)[0]
    pairs = [line.strip(" ;").split(":") for line in body.splitlines() if ":" in line]
    table = {int(a, 16): int(w, 16) for a, w in pairs}
    return [table[i] for i in range(len(table))]


def _words_of_header(text: str, rom: Mapping[str, Any]) -> list[int]:
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
        return _packed(np.load(path, allow_pickle=False), rom)
    text = path.read_text()
    if kind == "coe":
        return _words_of_coe(text)
    if kind == "mif":
        return _words_of_mif(text)
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
        manifest = json.loads((folder / MANIFEST).read_text())
        roms = manifest["roms"]
    except (OSError, ValueError, KeyError):
        raise SpecError(f"'{folder}' holds no ROM manifest", remedy="write one with hwq rom MODEL -o DIR") from None
    problems = []
    for rom in roms:
        for name in rom["files"].values():
            problems += _check_file(folder / Path(name).name, rom)
    return problems


def _check_file(path: Path, rom: Mapping[str, Any]) -> list[str]:
    try:
        codes = unpack(read_words(path, rom), rom)
    except (OSError, ValueError, IndexError, KeyError) as error:
        return [f"{path.name}: cannot be read back ({type(error).__name__})"]
    if codes.shape != (rom["depth"], rom["lanes"]):
        return [f"{path.name}: {codes.shape[0]} words, not {rom['depth']}"]
    plain = codes if int(rom["width"]) > 62 else codes.astype(np.int64)
    digest = hashlib.sha256(digest_bytes_of(str(rom.get("coding", rom["type"])), plain)).hexdigest()
    return [] if digest == rom["digest"] else [f"{path.name}: its codes are not the manifest's"]
