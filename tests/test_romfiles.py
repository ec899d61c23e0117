"""ROM files: every format reads back to the same codes, RTL tools load them, and damage is found."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import hwq
from hwq.codegen.romfiles import MANIFEST, WRITERS, NamedRom, check_folder, design_roms, read_words, rom_files, unpack
from hwq.errors import SpecError
from hwq.fixed import FixedType
from hwq.ops import OPS, Rom

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "rings.onnx"
GOLDEN = Path(__file__).resolve().parent / "golden" / "rings_roms"
SAMPLE_ROMS = [rom for op in OPS for sample in op.samples() for rom in sample.op.roms() if rom.words.size]


def written(folder: Path, formats: tuple[str, ...] = tuple(WRITERS)) -> dict[str, bytes]:
    files = rom_files(hwq.compile(EXAMPLE, {"reuse": 4}).graph, formats)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return files


@pytest.mark.parametrize("fmt", sorted(WRITERS))
def test_every_op_samples_roms_read_back_as_they_were(fmt: str, tmp_path: Path):
    read = 0
    for i, rom in enumerate(SAMPLE_ROMS):
        kind = rom.word_type
        if kind.width > 63 and fmt in ("h", "npy"):
            continue
        path = tmp_path / f"r{i}.{fmt}"
        path.write_bytes(WRITERS[fmt](NamedRom(f"r{i}", "node", "op", rom)))
        record = {
            "width": kind.width,
            "lanes": rom.lanes,
            "depth": rom.depth,
            "signed": kind.signed,
            "word_bits": rom.lanes * kind.width,
        }
        read_back = unpack(read_words(path, record), record)
        if rom.coding is not None:
            read_back = rom.coding.decode(read_back.astype(np.int64))
        assert np.array_equal(read_back, rom.words.astype(object))
        read += 1
    assert read > 20


def test_codes_too_wide_for_a_format_are_refused_by_name():
    rom = NamedRom("wide", "node", "op", Rom("w", np.asarray([[1 << 70]], dtype=object), FixedType(True, 72)))
    for fmt in ("h", "npy"):
        with pytest.raises(SpecError, match="wide"):
            WRITERS[fmt](rom)


def test_lane_zero_is_in_the_lowest_bits():
    rom = NamedRom("r", "node", "op", Rom("w", np.asarray([[1, -2], [-8, 7]]), FixedType(True, 4)))
    assert list(rom.words()) == [0xE1, 0x78]
    assert WRITERS["mem"](rom).decode().split("\n")[1:3] == ["e1", "78"]
    assert WRITERS["bin"](rom) == b"\xe1\x78"
    assert WRITERS["memb"](rom).decode().split("\n")[1] == "11100001"


def test_a_checked_folder_is_whole_and_damage_is_found_by_file(tmp_path: Path):
    files = written(tmp_path)
    assert check_folder(tmp_path) == []
    manifest = json.loads(files[MANIFEST])
    assert {r["node"] for r in manifest["roms"]} == {"fc1", "fc1/act_quant", "fc2", "fc2/act_quant", "fc3"}
    for name in sorted(n for n in files if n != MANIFEST):
        whole = (tmp_path / name).read_bytes()
        place = len(whole) - 4 if not name.endswith((".coe", ".mif", ".h")) else whole.rindex(b"1")
        damaged = bytearray(whole)
        damaged[place] = ord("0") if damaged[place] != ord("0") else ord("1")
        (tmp_path / name).write_bytes(bytes(damaged))
        found = check_folder(tmp_path)
        assert [f.split(":")[0] for f in found] == [name], name
        (tmp_path / name).write_bytes(whole)


def test_rom_files_of_the_example_read_as_they_did(update_golden: bool):
    files = rom_files(hwq.compile(EXAMPLE, {"reuse": 4}).graph, ("coe", "mif", "mem", "h"))
    if update_golden:
        shutil.rmtree(GOLDEN, ignore_errors=True)
        GOLDEN.mkdir(parents=True)
        for name, content in files.items():
            (GOLDEN / name).write_bytes(content)
    assert {p.name: p.read_bytes() for p in GOLDEN.iterdir()} == files


def test_unknown_formats_are_refused():
    with pytest.raises(SpecError, match="xls"):
        rom_files(hwq.compile(EXAMPLE).graph, ("xls",))


@pytest.mark.parametrize(("fmt", "task"), [("mem", "$readmemh"), ("memb", "$readmemb")])
def test_icarus_verilog_loads_the_files_and_dumps_them_back(fmt: str, task: str, tmp_path: Path):
    if shutil.which("iverilog") is None:
        pytest.skip("no iverilog: apt-get install iverilog")
    written(tmp_path, (fmt,))
    for rom in design_roms(hwq.compile(EXAMPLE, {"reuse": 4}).graph):
        bench = tmp_path / f"{rom.name}.v"
        bench.write_text(
            f"module bench;\n  reg [{rom.word_bits - 1}:0] rom [0:{rom.rom.depth - 1}];\n  integer i;\n"
            f'  initial begin\n    {task}("{rom.name}.{fmt}", rom);\n'
            f'    for (i = 0; i < {rom.rom.depth}; i = i + 1) $display("%h", rom[i]);\n  end\nendmodule\n'
        )
        built = tmp_path / f"{rom.name}.vvp"
        subprocess.run(["iverilog", "-o", str(built), str(bench)], check=True, cwd=tmp_path)
        run = subprocess.run(["vvp", "-n", str(built)], check=True, cwd=tmp_path, capture_output=True, text=True)
        assert [int(line, 16) for line in run.stdout.split()] == list(rom.words())
