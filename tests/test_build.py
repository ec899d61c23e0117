"""The build cache: what was compiled once is not compiled again, and whatever befalls the cache, results are right."""

from __future__ import annotations

import multiprocessing
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import hwq
from hwq.build import cache as build
from hwq.build.precompiled_headers import FAILED, PARSED, TEXT
from hwq.build.toolchain import find_headers, native_headers
from hwq.check import verify
from hwq.errors import HwqError
from hwq.targets import get_target
from models import samples, small_model
from test_fixed import vendor_headers


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A build cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "hwq"


def test_a_second_verify_and_a_second_emulator_build_nothing(
    empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    design = hwq.compile(small_model())
    project = design.export(tmp_path / "net")
    x = samples((20, 4))
    first = project.verify(x, "native")
    codes = design.emulator()(x, codes=True)
    entries = sorted(p.name for p in empty_cache.iterdir())
    assert len(entries) == 2

    def refuse(*arguments: object) -> None:
        raise AssertionError("compiled again")

    monkeypatch.setattr(build, "compile_cpp", refuse)
    assert project.verify(x, "native") == first
    assert np.array_equal(design.emulator()(x, codes=True), codes)
    assert sorted(p.name for p in empty_cache.iterdir()) == entries
    (tmp_path / "net/src/types.h").write_text((tmp_path / "net/src/types.h").read_text() + "// touched\n")
    with pytest.raises(AssertionError, match="compiled again"):
        project.verify(x, "native")


def test_a_failed_build_leaves_nothing_in_the_cache(empty_cache: Path, tmp_path: Path):
    project = hwq.compile(small_model()).export(tmp_path / "net")
    (tmp_path / "net/src/types.h").write_text("broken\n")
    with pytest.raises(HwqError, match="the C\\+\\+ compiler failed"):
        project.verify(samples((2, 4)), "native")
    assert list(empty_cache.iterdir()) == []


@pytest.mark.parametrize("works", [True, False])
def test_the_quicker_linker_is_tried_first_and_may_fail(
    works: bool, empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A gold of the test's own, which notes that it was called and fails, or hands over to the usual linker."""
    (tmp_path / "bin").mkdir()
    gold = tmp_path / "bin/ld.gold"
    usual = shutil.which("ld.bfd") or shutil.which("ld")
    gold.write_text(f"#!/bin/sh\ntouch {tmp_path}/called\n" + (f'exec {usual} "$@"\n' if works else "exit 1\n"))
    gold.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("COMPILER_PATH", f"{tmp_path}/bin")  # where g++ looks for a linker
    design, x = hwq.compile(small_model()), samples((5, 4))
    assert np.array_equal(design.emulator()(x, codes=True), design.simulate(x, codes=True))
    assert (tmp_path / "called").exists()


@pytest.mark.parametrize(("target", "standard"), [("vivado", "c++11"), ("vitis", "c++14"), ("catapult", "c++14")])
def test_a_project_is_compiled_here_as_its_script_says(target: str, standard: str):
    headers = find_headers(get_target(target))
    if headers is None:
        pytest.skip(f"no headers for {target}")
    assert headers.standard == standard
    script = hwq.compile(small_model(), {"target": target}).render()[get_target(target).script_name].decode()
    assert set(re.findall(r"c\+\+\d\d", script)) == {standard}


def test_a_digest_depends_on_all_that_is_compiled():
    base = build.Recipe({"a.cpp": b"int main() {}"}, ("a.cpp",), (".",), native_headers(), ("-O1",))
    others = [
        build.Recipe({"a.cpp": b"int main() {} "}, base.units, base.includes, base.headers, base.flags),
        build.Recipe(base.files, base.units, base.includes, base.headers, ("-O2",)),
        build.Recipe(base.files, base.units, base.includes, base.headers, base.flags, ("-shared",)),
        build.Recipe(base.files, base.units, (), base.headers, base.flags),
    ]
    digests = {r.digest("g++") for r in (base, *others)}
    assert len(digests) == 5
    assert base.digest("g++") == build.Recipe(**base.__dict__).digest("g++")


def test_the_builds_unused_for_longest_are_forgotten(empty_cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(build, "LIMIT", 1500)
    monkeypatch.setattr(build, "RECENT", -1.0)
    for age, name in ((300, "old"), (200, "newer"), (100, "newest")):
        (empty_cache / name).mkdir(parents=True)
        (empty_cache / name / "program").write_bytes(bytes(1000))
        os.utime(empty_cache / name, (1e9 - age, 1e9 - age))
    build._forget_oldest(empty_cache, empty_cache / "newest")
    assert [p.name for p in empty_cache.iterdir()] == ["newest"]


def export_variants(folder: Path, count: int, target: str) -> list[hwq.Project]:
    """Projects of one model whose sources differ."""
    made = []
    for k in range(count):
        made.append(hwq.compile(small_model(), {"top": f"net{k}"}).export(folder / f"net{k}", target))
    return made


def test_headers_are_parsed_once_from_the_second_build_on(empty_cache: Path, tmp_path: Path):
    vendor_headers("ac")
    x = samples((5, 4))
    for k, project in enumerate(export_variants(tmp_path, 3, "catapult")):
        assert project.verify(x)
        (prelude,) = empty_cache.glob("prelude-*")
        assert (prelude / TEXT).read_text() == '#include "ac_fixed.h"\n#include "ac_int.h"\n'
        assert (prelude / PARSED).is_file() == (k >= 1)
        assert not (prelude / FAILED).exists()


def test_a_broken_prelude_is_thrown_away(empty_cache: Path, tmp_path: Path):
    vendor_headers("ac")
    x = samples((5, 4))
    *others, last = export_variants(tmp_path, 3, "catapult")
    assert all(p.verify(x) for p in others)
    (prelude,) = empty_cache.glob("prelude-*")
    whole = (prelude / PARSED).read_bytes()
    (prelude / PARSED).write_bytes(whole[: len(whole) // 2])
    assert last.verify(x)


@pytest.mark.parametrize("damage", [lambda d: d[: len(d) // 2], lambda d: b"", lambda d: d[:900] + b"?" + d[901:]])
def test_a_damaged_product_is_built_again(damage, empty_cache: Path):
    design = hwq.compile(small_model())
    x = samples((5, 4))
    design.emulator()
    (entry,) = empty_cache.iterdir()
    product = entry / "emulator.so"
    data = product.read_bytes()
    product.unlink()  # and not overwritten: it is loaded
    product.write_bytes(damage(data))
    assert np.array_equal(design.emulator()(x, codes=True), design.simulate(x, codes=True))
    assert product.read_bytes() == data


def test_samples_split_over_processes_come_together_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    vendor_headers("ac")
    project = hwq.compile(small_model()).export(tmp_path / "net", "catapult")
    x = np.concatenate([np.zeros((20, 4)), samples((7, 4))])
    weights = min((tmp_path / "net/src/weights").glob("dense_*_weights.h"))
    text = weights.read_text()
    at = text.index("] = {") + len("] = {\n  {")
    weights.write_text(f"{text[:at]}{int(text[at : text.index(',', at)]) ^ 1}{text[text.index(',', at) :]}")
    results = []
    for cores in (1, 2, 3, 5):
        monkeypatch.setattr(verify, "cores", lambda count=cores: count)
        monkeypatch.setattr(verify, "PART_SAMPLES", 5)
        results.append(project.verify(x))
    assert results[0].first.sample == 20
    assert results[0].samples == 27
    assert all(r == results[0] for r in results)


def _codes_of_emulator(seed: int) -> list[int]:
    return hwq.compile(small_model()).emulator()(samples((5, 4), seed), codes=True).reshape(-1).tolist()


def test_processes_that_build_the_same_at_once_do_not_disturb_each_other(empty_cache: Path):
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        got = pool.map(_codes_of_emulator, [1] * 3)
    assert got[0] == got[1] == got[2] == _codes_of_emulator(1)
    assert len(list(empty_cache.iterdir())) == 1


def test_a_cache_that_cannot_be_written_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert build.cache_folder().name == f"hwq-cache-{os.getuid()}"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert build.cache_folder().is_absolute()


def test_a_full_disk_is_one_line(empty_cache: Path, monkeypatch: pytest.MonkeyPatch):
    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    design = hwq.compile(small_model())
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(HwqError, match="No space left on device"):
        design.emulator()
