"""ROM files: every format reads back to the same codes, RTL tools load them, and damage is found."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

import hwq
from hwq.codegen.rom_files import MANIFEST, WRITERS, NamedRom, check_folder, design_roms, read_words, rom_files, unpack
from hwq.errors import SpecError
from hwq.ir.hardware import Graph, Node
from hwq.numeric.fixed import FixedType
from hwq.ops import OPS, Reshape, Rom
from test_functions import model, quant_node

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "rings.onnx"
GOLDEN = Path(__file__).resolve().parent / "golden"
LAYER = Node("node", Reshape((1,)), (), ())
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
        path.write_bytes(WRITERS[fmt](NamedRom(f"r{i}", LAYER, rom)))
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
    rom = NamedRom("wide", LAYER, Rom("w", np.asarray([[1 << 70]], dtype=object), FixedType(True, 72)))
    for fmt in ("h", "npy"):
        with pytest.raises(SpecError, match="wide"):
            WRITERS[fmt](rom)


def test_lane_zero_is_in_the_lowest_bits():
    rom = NamedRom("r", LAYER, Rom("w", np.asarray([[1, -2], [-8, 7]]), FixedType(True, 4)))
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


def table_graph() -> Graph:
    """Sigmoid of 6-bit codes on an 8-bit grid: a table."""
    constants: list[Any] = []
    nodes = [helper.make_node("Sigmoid", ["x"], ["f"], name="sig")]
    nodes.append(quant_node("f", "y", (8, 0, 2.0**-8, 0.0, "ROUND"), constants))
    return hwq.compile(model(nodes, constants, 3, ["y"]), {"input_types": {"x": "ap_fixed<6,4>"}}).graph


GRAPHS = {"rings_roms": lambda: hwq.compile(EXAMPLE, {"reuse": 4}).graph, "table_roms": table_graph}


@pytest.mark.parametrize("folder", GRAPHS)
def test_rom_files_read_as_they_did(folder: str, update_golden: bool):
    files = rom_files(GRAPHS[folder](), ("coe", "mif", "mem", "h"))
    golden = GOLDEN / folder
    if update_golden:
        shutil.rmtree(golden, ignore_errors=True)
        golden.mkdir(parents=True)
        for name, content in files.items():
            (golden / name).write_bytes(content)
    assert {p.name: p.read_bytes() for p in golden.iterdir()} == files


TAMPERINGS = {
    "a truncated memory file": ("fc1_weights.mem", lambda d: d[: len(d) // 2], "words, not"),
    "a truncated array": ("fc1_weights.npy", lambda d: d[:-3], "cannot be read back"),
    "an empty array": ("fc1_weights.npy", lambda d: b"", "cannot be read back"),
    "an array of gigabytes": (
        "fc1_weights.npy",
        lambda d: d.replace(b"(4, 12), }          ", b"(99999999999, 12), }"),
        "cannot be read back",
    ),
    "another radix": ("fc1_weights.coe", lambda d: d.replace(b"radix=16", b"radix=2"), "cannot be read back"),
    "another width": ("fc1_weights.mif", lambda d: d.replace(b"WIDTH = ", b"WIDTH = 1"), "cannot be read back"),
    "an address twice": ("fc1_weights.mif", lambda d: d.replace(b"END;", b"0 : 0;\nEND;"), "cannot be read back"),
    "a word that is too wide": ("fc1_weights.hex", lambda d: d.rstrip()[:-1] + b"0000" + d[-2:], "more than"),
    "a negative word": ("fc1_weights.memb", lambda d: d.replace(b"\n0", b"\n-0", 1), "more than"),
    "another type": ("fc1_weights.h", lambda d: d.replace(b"signed char", b"signed short"), "not as hwq wrote it"),
    "a byte too many": ("fc1_weights.bin", lambda d: d + b"\0", "words, not"),
    "no text": ("fc1_weights.mem", lambda d: b"\xff\xfe\x00", "cannot be read back"),
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_tampered_files_are_named_with_what_is_wrong(what: str, tmp_path: Path):
    written(tmp_path)
    suffix, change, words = TAMPERINGS[what]
    file = next(p for p in sorted(tmp_path.iterdir()) if p.name.endswith(suffix.split("_")[1]) and "fc1" in p.name)
    before = file.read_bytes()
    file.write_bytes(change(before))
    assert file.read_bytes() != before
    (problem,) = check_folder(tmp_path)
    assert problem.startswith(f"{file.name}: ")
    assert words in problem


def test_a_missing_file_is_named_and_a_broken_manifest_refused(tmp_path: Path):
    files = written(tmp_path, ("mem", "bin"))
    name = sorted(n for n in files if n.endswith(".bin"))[0]
    (tmp_path / name).unlink()
    assert check_folder(tmp_path) == [f"{name}: is missing"]
    manifest = json.loads(files[MANIFEST])
    for change in (
        lambda m: m.pop("roms"),
        lambda m: m["roms"].append(3),
        lambda m: m["roms"][0].update(width=1 << 40),
        lambda m: m["roms"][0].update(lanes=0),
        lambda m: m["roms"][0].update(files=["a"]),
        lambda m: m["roms"][0].pop("digest"),
    ):
        broken = json.loads(json.dumps(manifest))
        change(broken)
        (tmp_path / MANIFEST).write_text(json.dumps(broken))
        with pytest.raises(SpecError, match="no ROM manifest"):
            check_folder(tmp_path)
    manifest["roms"][0]["files"]["mem"] = "../../etc/passwd"
    (tmp_path / MANIFEST).write_text(json.dumps(manifest))
    assert "passwd: is missing" in check_folder(tmp_path)


def test_a_flat_layout_has_a_code_a_word_in_the_same_order(tmp_path: Path):
    graph = hwq.compile(EXAMPLE, {"reuse": 4}).graph
    for name, content in rom_files(graph, ("mem", "bin", "npy"), "flat").items():
        (tmp_path / name).write_bytes(content)
    assert check_folder(tmp_path) == []
    flat = {r.name: r for r in design_roms(graph, "flat")}
    for rom in design_roms(graph):
        stored = np.load(tmp_path / f"{rom.name}.npy")
        assert stored.shape == (rom.rom.depth * rom.rom.lanes, 1)
        assert np.array_equal(stored.reshape(-1), rom.rom.stored.reshape(-1))
        assert flat[rom.name].word_bits == rom.rom.word_type.width
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    assert manifest["layout"] == "flat"
    with pytest.raises(SpecError, match="layout"):
        design_roms(graph, "diagonal")


def test_the_manifest_says_what_a_reader_has_to_know():
    files = rom_files(hwq.compile(EXAMPLE, {"reuse": 4}).graph, ("mem",))
    manifest = json.loads(files[MANIFEST])
    assert manifest["endianness"] == "little"
    assert manifest["layout"] == "fold"
    for rom in manifest["roms"]:
        assert rom["shape"] == [rom["depth"], rom["lanes"]]
        assert rom["memory"] in ("bram", "lutram", "uram")
        assert {"type", "frac", "scale", "width", "digest", "node"} <= set(rom)
        if rom["role"] == "weights":
            assert rom["folding"]["pe"] * rom["folding"]["simd"] == rom["lanes"]


@pytest.mark.parametrize(
    "name", ["a\nb;", "memory_initialization_vector=", "CONTENT BEGIN", "] = {", "重み */", "x//y--z"]
)
def test_names_of_the_model_do_no_harm_in_any_format(name: str, tmp_path: Path):
    graph = hwq.compile(EXAMPLE, {"reuse": 4}).graph
    named = graph.map_nodes(lambda n: replace(n, name=name))
    for file, content in rom_files(named, tuple(WRITERS)).items():
        (tmp_path / file).write_bytes(content)
        if not file.endswith((".bin", ".npy")):
            content.decode("ascii")
    assert check_folder(tmp_path) == []


def test_unknown_formats_are_refused():
    with pytest.raises(SpecError, match="xls"):
        rom_files(hwq.compile(EXAMPLE).graph, ("xls",))


@pytest.mark.parametrize("layout", ["fold", "flat"])
@pytest.mark.parametrize("folder", GRAPHS)
@pytest.mark.parametrize(("fmt", "task"), [("mem", "$readmemh"), ("memb", "$readmemb")])
def test_icarus_verilog_loads_the_files_and_dumps_them_back(
    fmt: str, task: str, folder: str, layout: str, tmp_path: Path
):
    if shutil.which("iverilog") is None:
        pytest.skip("no iverilog: apt-get install iverilog")
    graph = GRAPHS[folder]()
    for name, content in rom_files(graph, (fmt,), layout).items():
        (tmp_path / name).write_bytes(content)
    for rom in design_roms(graph, layout):
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
