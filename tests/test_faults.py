"""The world around a command: compilers that hang, signals, full disks, pipes without a reader, hostile caches."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import hwq
from conftest import Cli, one_line
from hwq.build import cache
from hwq.build.processes import run_all
from hwq.cli.main import main as command_line
from hwq.codegen.array_files import open_arrays
from hwq.errors import HwqError, SpecError, ToolError
from hwq.ir.names import markdown
from models import mlp, model, node, quant_constants, small_model

ROOT = Path(__file__).resolve().parents[1]
HANGS = """#!/bin/sh
case "$1" in --version) echo "fake 1.0"; exit 0;; esac
sleep 300 &
echo $! > child.$$
mv child.$$ {folder}/child
sleep 300
"""
SAYS = """#!/bin/sh
case "$1" in --version) printf 'fake \\377\\n'; exit 0;; esac
printf 'x.cpp:1: error: \\377\\376 na\\303\\257ve\\n' >&2
exit 1
"""


def script(folder: Path, text: str) -> Path:
    path = folder / "fake"
    path.write_text(text.replace("{folder}", str(folder)))
    path.chmod(0o755)
    return path


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(folder / "cache"), **more}


def gone(pid: int) -> bool:
    """Whether a process has ended, waited for by its parent or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] in "ZX"
    except FileNotFoundError:
        return True


def soon(condition: Callable[[], bool], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


# -- compilers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_command_that_is_ended_ends_its_compilers(sent: signal.Signals, status: int, tmp_path: Path) -> None:
    onnx.save(small_model(), tmp_path / "m.onnx")
    (tmp_path / "tmp").mkdir()
    given = environment(tmp_path, CXX=str(script(tmp_path, HANGS)), TMPDIR=str(tmp_path / "tmp"))
    command = [sys.executable, "-m", "hwq", "verify", "m.onnx", "--types", "native"]
    running = subprocess.Popen(
        command, cwd=tmp_path, env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert soon((tmp_path / "child").exists)
    running.send_signal(sent)
    out, errors = running.communicate(timeout=60)
    assert running.returncode == status
    assert out == ""
    assert [line for line in errors.splitlines() if line.startswith("hwq: ")] == errors.splitlines()[-1:]
    assert "Traceback" not in errors
    assert soon(lambda: gone(int((tmp_path / "child").read_text())))
    assert list((tmp_path / "tmp").iterdir()) == []
    assert [p.name for p in (tmp_path / "cache/hwq").iterdir()] == []


def test_a_compiler_that_hangs_is_stopped_and_the_limit_named(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx.save(small_model(), "m.onnx")
    for name, value in environment(tmp_path, CXX=str(script(tmp_path, HANGS)), HWQ_TIME_LIMIT="0.5").items():
        monkeypatch.setenv(name, value)
    line = one_line(cli("verify", "m.onnx", "--types", "native"))
    assert "took over 0.5 s and was stopped" in line
    assert "HWQ_TIME_LIMIT=SECONDS" in line
    assert soon(lambda: gone(int((tmp_path / "child").read_text())))
    for text in ("0", "-1", "nan", "inf", "soon"):
        monkeypatch.setenv("HWQ_TIME_LIMIT", text)
        assert "HWQ_TIME_LIMIT is" in one_line(cli("verify", "m.onnx", "--types", "native"))


def test_a_compiler_may_say_anything(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    onnx.save(small_model(), "m.onnx")
    for name, value in environment(tmp_path, CXX=str(script(tmp_path, SAYS))).items():
        monkeypatch.setenv(name, value)
    assert "the C++ compiler failed: x.cpp:1: error:" in one_line(cli("verify", "m.onnx", "--types", "native"))
    assert "naïve" in one_line(cli("verify", "m.onnx", "--types", "native"))
    assert cli("doctor").exit_code in (0, 2)


def test_programs_run_side_by_side_as_many_as_there_are_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each notes how many are there when it starts."""
    monkeypatch.setattr("hwq.build.processes.cores", lambda: 3)
    text = f"mkdir {tmp_path}/$$; ls {tmp_path} | wc -l; sleep 0.1; rmdir {tmp_path}/$$"
    done = run_all([["sh", "-c", text]] * 9, "counting", 60)
    counts = [int(d.output) for d in done]
    assert len(counts) == 9
    assert 1 < max(counts) <= 3
    assert [d.status for d in run_all([["sh", "-c", f"exit {k}"] for k in range(5)], "ending", 60)] == [0, 1, 2, 3, 4]
    with pytest.raises(ToolError, match="cannot run 'no such program'"):
        run_all([["no such program"]], "nothing", 60)


# -- standard output -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["inspect", "m.onnx"], ["quantizer", "binary()", "--json"], ["--help"]])
def test_a_full_standard_output_is_one_line(arguments: list[str], tmp_path: Path) -> None:
    onnx.save(mlp(), tmp_path / "m.onnx")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "hwq", *arguments],
            *(),
            cwd=tmp_path,
            env=environment(tmp_path),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "hwq: cannot write to standard output (No space left on device); make room, or write elsewhere"
    ]


@pytest.mark.parametrize("arguments", [["inspect", "m.onnx", "--json"], ["--help"]])
def test_a_reader_that_goes_away_is_no_error(arguments: list[str], tmp_path: Path) -> None:
    onnx.save(mlp(), tmp_path / "m.onnx")
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "hwq", *arguments]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(tmp_path), stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert (done.returncode in (1, 128 + signal.SIGPIPE), done.stderr) == (True, "")


def test_a_file_that_may_not_be_read_is_no_internal_error(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied", "m.onnx")

    onnx.save(mlp(), "m.onnx")
    monkeypatch.setattr("hwq.design.compile", refused)
    assert "cannot use 'm.onnx' (Permission denied)" in one_line(cli("inspect", "m.onnx"))
    assert command_line.name == "main"


# -- the cache -------------------------------------------------------------------------------------------------------


def test_a_planted_cache_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a shared temporary folder another user may have made what hwq would use: a link, a folder open to all."""
    victim = tmp_path / "victim"
    victim.mkdir()
    shared = tmp_path / "shared"
    shared.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("tempfile.tempdir", str(shared))
    planted = shared / f"hwq-cache-{os.getuid()}"
    planted.symlink_to(victim)
    cache._of_this_process.cache_clear()
    own = cache.cache_folder()
    assert own.parent == shared
    assert own != planted
    assert own.stat().st_mode & 0o777 == 0o700
    assert cache.cache_folder() == own
    planted.unlink()
    planted.mkdir()
    planted.chmod(0o777)
    assert cache.cache_folder() == own
    planted.rmdir()
    assert cache.cache_folder() == planted
    assert planted.stat().st_mode & 0o777 == 0o700
    assert list(victim.iterdir()) == []
    cache._of_this_process.cache_clear()


# -- arrays ----------------------------------------------------------------------------------------------------------


def npy(header: str, data: bytes = b"", version: int = 1) -> bytes:
    text = header.encode("latin-1")
    return b"\x93NUMPY" + bytes([version, 0]) + len(text).to_bytes(2 if version == 1 else 4, "little") + text + data


BAD_HEADERS = {
    "unclosed brackets": npy("{'descr': '<f8', 'shape': (((((((((", bytes(64)),
    "unclosed and deep": npy("(" * 60000),
    "an expression": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (print('x'), 4), }", bytes(64)),
    "an unknown version": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1, 4), }", bytes(32), version=9),
    "an extent of many digits": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (%s, 4), }" % ("9" * 5000)),
    "many axes": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (%s), }" % ("1, " * 99), bytes(8)),
    "a negative extent": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 4), }", bytes(64)),
    "a header that ends early": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1, 4), }")[:30],
    "less data than it says": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 4), }", bytes(60)),
    "a type of no size": npy("{'descr': '<f99', 'fortran_order': False, 'shape': (1, 4), }", bytes(64)),
    "a record": npy("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1, 4), }", bytes(32)),
    "no order": npy("{'descr': '<f8', 'shape': (1, 4), }", bytes(32)),
}


@pytest.mark.parametrize("case", sorted(BAD_HEADERS))
def test_a_damaged_array_is_refused(case: str, cli: Cli) -> None:
    onnx.save(small_model(), "m.onnx")
    Path("x.npy").write_bytes(BAD_HEADERS[case])
    with zipfile.ZipFile("x.npz", "w") as archive:
        archive.writestr("x.npy", BAD_HEADERS[case])
    for name in ("x.npy", "x.npz"):
        line = one_line(cli("simulate", "m.onnx", "--data", name, "-o", "y.npz"))
        assert f"cannot read '{name}'" in line or "holds no numbers" in line


@pytest.mark.parametrize("kind", ["?", "i1", "<u2", "<i8", "<f2", "<f4", "<f8", ">f4", ">i2"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (5, 3), (7, 2, 3)])
def test_arrays_are_read_as_numpy_reads_them(kind: Any, order: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    array = np.asarray(np.random.default_rng(0).integers(0, 2, shape), dtype=kind, order=order)
    np.save(tmp_path / "x.npy", array)
    np.savez(tmp_path / "s.npz", a=array, b=array)
    np.savez_compressed(tmp_path / "c.npz", a=array, b=array)
    for name, key in (("x.npy", ""), ("s.npz", "b"), ("c.npz", "a")):
        with open_arrays(str(tmp_path / name)) as file:
            for rows in (None, 2, 10**30):
                read = file.read(key, rows)
                assert read.dtype == array.dtype
                assert np.array_equal(read, array[:rows] if array.ndim else array)


def test_members_that_no_one_asked_for_are_not_read(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    onnx.save(small_model(), "m.onnx")
    np.savez_compressed("x.npz", x=np.zeros((3, 4)), big=np.zeros(1 << 26, dtype="i1"), other=np.zeros((1 << 20, 4)))
    read = [0]
    reading = zipfile.ZipExtFile.read

    def counted(self: Any, n: int = -1) -> bytes:
        data = reading(self, n)
        read[0] += len(data)
        return data

    monkeypatch.setattr(zipfile.ZipExtFile, "read", counted)
    assert cli("simulate", "m.onnx", "--data", "x.npz", "-o", "y.npz").exit_code == 0
    assert 0 < read[0] < 1000
    np.savez_compressed("one.npz", x=np.zeros((1 << 20, 4)))
    read[0] = 0
    with open_arrays("one.npz") as file:
        assert file.read("x", 2).shape == (2, 4)
    assert 0 < read[0] < 1000
    np.savez_compressed("wrong.npz", x=np.zeros((1 << 22, 5)))
    read[0] = 0
    assert "shape [4194304, 5]" in one_line(cli("simulate", "m.onnx", "--data", "wrong.npz", "-o", "y.npz"))
    assert read[0] < 1000


def test_data_that_is_a_pipe_or_a_folder_is_refused_at_once(cli: Cli) -> None:
    onnx.save(small_model(), "m.onnx")
    os.mkfifo("pipe")
    Path("folder.npy").mkdir()
    for name in ("pipe", "/dev/zero"):
        assert "cannot read" in one_line(cli("simulate", "m.onnx", "--data", name, "-o", "y.npz"))
        assert "cannot read config" in one_line(cli("inspect", "m.onnx", "--config", name))
    assert "is a directory" in one_line(cli("simulate", "m.onnx", "--data", "folder.npy", "-o", "y.npz"))


# -- arguments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [3, None, 1.5, [], {}, ("a",), object(), np.zeros(3)])
def test_a_model_of_another_kind_is_refused(source: Any) -> None:
    with pytest.raises(SpecError, match="a model that is a"):
        hwq.compile(source)


ABSURD: dict[str, tuple[str, ...]] = {
    "seed of -1": ("verify", "--seed", "-1"),
    "seed of text": ("verify", "--seed", "x"),
    "samples of 10^30": ("verify", "--samples", str(10**30)),
    "samples of 2^31": ("verify", "--samples", str(1 << 31)),
    "a pace of 1e300": ("export", "--target-fps", "1e300"),
    "a pace of 1e-300": ("export", "--target-fps", "1e-300"),
    "a pace that is no number": ("export", "--target-fps", "nan"),
    "a clock of 1e-320": ("export", "--clock", "1e-320"),
    "a clock of 1e308": ("export", "--clock", "1e308"),
    "a clock without end": ("export", "--clock", "inf"),
    "reuse of 10^30": ("export", "--reuse", str(10**30)),
    "a name with a zero byte": ("export", "--top", "a\0b"),
    "a config with a zero byte": ("export", "--config", "a\0b"),
    "a type with a zero byte": ("export", "--input-type", "x=a\0p"),
    "a type of many bits": ("export", "--input-type", f"x=ap_fixed<{'9' * 5000},6>"),
    "a quantizer of many bits": ("export", "--input-type", f"x=quantized_bits({'9' * 5000})"),
    "data with a zero byte": ("simulate", "--data", "a\0b", "-o", "y.npz"),
}


@pytest.mark.parametrize("case", sorted(ABSURD))
def test_absurd_arguments_are_refused_in_one_line(case: str, cli: Cli) -> None:
    command, *options = ABSURD[case]
    onnx.save(small_model(), "m.onnx")
    assert one_line(cli(command, "m.onnx", *options))
    assert not Path("m_vivado").exists()


def test_a_model_with_a_zero_byte_in_its_name_is_not_there(cli: Cli) -> None:
    for command in ("export", "inspect", "verify", "convert", "config"):
        more = ["-o", "out"] if command in ("convert", "config") else []
        one_line(cli(command, "a\0b.onnx", *more))
    for suffix in ("onnx", "keras", "h5", "json"):
        with pytest.raises(HwqError):
            hwq.compile(f"a\0b.{suffix}")
    with pytest.raises(HwqError):
        hwq.design.Project.load("a\0b")


@pytest.mark.parametrize("options", [{"samples": 0}, {"samples": 1 << 62}, {"seed": -1}, {"seed": "x"}])
def test_absurd_samples_are_refused_in_python_too(options: dict[str, Any], tmp_path: Path) -> None:
    project = hwq.compile(small_model()).export(tmp_path / "net")
    with pytest.raises(SpecError):
        project.verify(**options)


@pytest.mark.parametrize("x", [np.zeros((2, 4), dtype=complex), [["1", "2", "3", "4"]], "x", None, 10**400, object()])
def test_data_that_are_no_real_numbers_are_refused(x: Any) -> None:
    with pytest.raises(SpecError):
        hwq.compile(small_model()).simulate(x)


# -- configs ---------------------------------------------------------------------------------------------------------

LOL = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + k)}: &{chr(98 + k)} [{', '.join([f'*{chr(97 + k)}'] * 10)}]\n" for k in range(9)
)
BAD_CONFIGS: dict[str, tuple[str, str]] = {
    "aliases of aliases": (LOL + "part: *j\n", "aliases that stand for too much"),
    "aliases as a key's value": (LOL.replace("a:", "part:", 1), "aliases that stand for too much"),
    "merged aliases": (
        "b0: &b0 {k: 1}\n" + "".join(f"b{k + 1}: &b{k + 1} {{<<: [{f'*b{k}, ' * 9}]}}\n" for k in range(9)),
        "aliases that stand for too much",
    ),
    "an alias within itself": ("layers: &a [*a]\n", "within its own anchor"),
    "deep": ("layers: " + "[" * 5000, "nested too deeply"),
    "deep mappings": ("".join("  " * k + f"k{k}:\n" for k in range(60)), "nested too deeply"),
    "a key twice": ("reuse: 1\nreuse: 2\n", "key 'reuse' twice"),
    "a key twice within": ("layers:\n  a: {reuse: 1, reuse: 2}\n", "key 'reuse' twice"),
    "a number of many digits": ("reuse: " + "9" * 9000, "an absurd number"),
    "a hexadecimal number": ("reuse: 0x" + "f" * 9000, "an absurd number"),
    "a long number": ("reuse: 0x" + "f" * 90, "an integer of 360 bits"),
    "base sixty": ("reuse: " + ":".join(["1"] * 90), "an absurd number"),
    "a tag": ("part: !!python/object/apply:os.system [ls]\n", "not valid YAML"),
    "a large file": ("# " + "x" * (1 << 20), "holds what YAML cannot"),
    "a long message": ("part: *" + "x" * 100000, "not valid YAML"),
}


@pytest.mark.parametrize("case", sorted(BAD_CONFIGS))
def test_a_hostile_config_is_one_short_line(case: str, cli: Cli) -> None:
    text, words = BAD_CONFIGS[case]
    onnx.save(small_model(), "m.onnx")
    Path("c.yaml").write_text(text)
    line = one_line(cli("inspect", "m.onnx", "--config", "c.yaml"))
    assert words in line
    assert len(line) < 700


def test_some_aliases_are_fine(cli: Cli) -> None:
    onnx.save(small_model(), "m.onnx")
    Path("c.yaml").write_text("layers:\n  h: &one {reuse: 2}\n  'xq*': *one\n")
    assert cli("inspect", "m.onnx", "--config", "c.yaml").exit_code == 0


BAD_MANIFESTS = ("[" * 100_000, '{"config":' * 300 + "1" + "}" * 300, "1" * 10_000, "", "[]", '{"target": "all"}')


@pytest.mark.parametrize("text", BAD_MANIFESTS, ids=range(len(BAD_MANIFESTS)))
def test_a_hostile_manifest_is_one_line(text: str, cli: Cli) -> None:
    onnx.save(small_model(), "m.onnx")
    Path("build").mkdir()
    Path("build/hwq.json").write_text(text)
    Path("build/manifest.json").write_text(text)
    assert "not a project that hwq wrote" in one_line(cli("verify", "build"))
    assert "not a project" in one_line(cli("export", "m.onnx", "-o", "build", "--force"))
    assert "no ROM manifest" in one_line(cli("rom", "--check", "build"))


# -- names in Markdown -----------------------------------------------------------------------------------------------


def test_names_are_no_markup_in_the_readme(cli: Cli) -> None:
    bad = "<img src=x onerror=alert(1)> | [a](http://b) `c` *d* ![e](f) &lt; \\ _g_ www.h.org \r\n# i"
    nodes = [node("Quant", ["in <b>x</b>|", "s", "z", "bits"], "q", bad), node("Relu", "q", "out|<i>y</i>", bad)]
    proto = model(nodes, {"in <b>x</b>|": [1, 4]}, ["out|<i>y</i>"], quant_constants()[:3], name="<h1>net</h1>")
    for io in ("parallel", "stream"):
        hwq.compile(proto, {"io": io}).export(io)
        text = Path(io, "README.md").read_text()
        assert not any(mark in text for mark in ("<img", "<b>", "<i>", "<h1>", "](", "http://", "*d*", "www."))
        rows = [line for line in text.splitlines() if line.startswith("|")]
        assert len({row.count("|") for row in rows if "in &#60;b" in row or "| port" in row}) == 1


def test_plain_names_are_as_they_are_in_markdown() -> None:
    assert markdown("/model/fc1/act_quant.0 (copy) - 2") == "/model/fc1/act_quant.0 (copy) - 2"
    assert markdown("_a_") == "&#95;a&#95;"
