"""A project's folder is replaced whole or not at all, whoever is killed or comes between, and only by what is hwq's."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from conftest import Cli, one_line
from hwq.codegen import project, replace_folder
from hwq.codegen.project import MANIFEST, write_files
from hwq.errors import SpecError
from models import mlp

Contents = Callable[[], dict[str, bytes | None]]
ROOT = Path(__file__).resolve().parents[1]


def files(text: str, *more: str) -> dict[str, bytes]:
    """A small project."""
    made = {"src/a.h": text.encode(), "src/b.cpp": text.encode() * 2, **dict.fromkeys(more, b"")}
    manifest = {"hwq": "0", "digest": text, "files": sorted(made)}
    return {**made, MANIFEST: json.dumps(manifest).encode()}


def holds(folder: Path, expected: dict[str, bytes]) -> bool:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()} == expected


@pytest.fixture(params=["exchange", "two renames"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of replacing: where the system exchanges folders in one step, and where it cannot."""
    if request.param == "two renames":
        monkeypatch.setattr(replace_folder, "_exchanged", lambda one, other: False)
    return str(request.param)


def test_a_folder_is_replaced_and_what_else_lies_in_it_stays(way: str, tmp_path: Path) -> None:
    target = tmp_path / "build"
    write_files(files("old", "src/gone.h", "lib/x.h"), target, force=False)
    others = {"notes.txt": b"mine", "src/mine.h": b"mine too", "solution/syn/log": b"tool", "solution/empty/": b""}
    for name, content in others.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).mkdir() if name.endswith("/") else (target / name).write_bytes(content)
    (target / "out").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/far.txt").write_text("far")
    write_files(files("new"), target, force=True)
    assert (target / "out").is_symlink()
    (target / "out").unlink()
    assert holds(target, {**files("new"), **{k: v for k, v in others.items() if not k.endswith("/")}})
    assert (target / "solution/empty").is_dir()
    assert not (target / "lib").exists()
    assert (tmp_path / "elsewhere/far.txt").read_text() == "far"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["build", "elsewhere"]


def test_a_list_of_files_leads_nowhere_else(way: str, tmp_path: Path) -> None:
    """A manifest may say anything: only what lies in the folder itself is removed, and no link is followed."""
    target, outside = tmp_path / "build", tmp_path / "outside"
    outside.mkdir()
    (outside / "a.h").write_text("precious")
    target.mkdir()
    listed = ["../outside/a.h", str(outside / "a.h"), "link/a.h", "/", "", ".."]
    (target / MANIFEST).write_text(json.dumps({"hwq": "0", "digest": "", "files": listed}))
    (target / "link").symlink_to(outside)
    write_files(files("new"), target, force=True)
    assert (outside / "a.h").read_text() == "precious"
    assert (target / "link").is_symlink()


def test_a_file_of_the_users_in_the_way_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "build"
    write_files({MANIFEST: files("old")[MANIFEST].replace(b'"src/a.h", ', b"")}, target, force=False)
    (target / "src").mkdir()
    (target / "src/a.h").write_text("mine")
    with pytest.raises(SpecError, match=r"'src/a.h' in .* is not listed as a file that hwq wrote"):
        write_files(files("new"), target, force=True)
    assert (target / "src/a.h").read_text() == "mine"


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_what_appears_while_files_are_written_is_left_alone(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, elsewhere = tmp_path / "build", tmp_path / "elsewhere"
    elsewhere.mkdir()
    write = Path.write_bytes

    def meanwhile(path: Path, data: bytes) -> int:
        if not os.path.lexists(target):
            if kind == "folder":
                target.mkdir()
                (target / "thesis.tex").write_text("years of work")
            elif kind == "file":
                target.write_text("years of work")
            else:
                target.symlink_to(elsewhere)
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", meanwhile)
    with pytest.raises(SpecError, match="it is left alone"):
        write_files(files("new"), target, force=True)
    if kind == "link":
        assert target.is_symlink()
        assert list(elsewhere.iterdir()) == []
    else:
        assert (target / "thesis.tex" if kind == "folder" else target).read_text() == "years of work"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["build", "elsewhere"]


def test_what_takes_the_place_of_an_old_project_is_left_alone(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The project is moved away after it was looked at, and a folder of the user's has its name."""
    target = tmp_path / "build"
    write_files(files("old"), target, force=False)
    write, moved = Path.write_bytes, tmp_path / "moved"

    def meanwhile(path: Path, data: bytes) -> int:
        if not moved.exists():
            target.rename(moved)
            target.mkdir()
            (target / "thesis.tex").write_text("years of work")
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", meanwhile)
    with pytest.raises(SpecError, match="it is left alone"):
        write_files(files("new"), target, force=True)
    assert (target / "thesis.tex").read_text() == "years of work"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["build", "moved"]


KILLED = """
import os, signal, sys
sys.path[:0] = {path!r}
from hwq.codegen import replace_folder
from hwq.codegen.project import write_files
from test_replace_folder import files
if {way!r} == "two renames":
    replace_folder._exchanged = lambda one, other: False
calls, rename = [0], os.rename

def killed(source, destination):
    calls[0] += 1
    if calls[0] == {before}:
        os.kill(os.getpid(), signal.SIGKILL)
    rename(source, destination)
    if calls[0] == {after}:
        os.kill(os.getpid(), signal.SIGKILL)

os.rename = killed
write_files(files("new"), __import__("pathlib").Path({target!r}), force=True)
"""


@pytest.mark.parametrize("step", range(1, 5))
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("way", ["exchange", "two renames"])
def test_a_kill_at_any_rename_leaves_a_project_or_one_that_the_next_export_restores(
    way: str, when: str, step: int, tmp_path: Path
) -> None:
    target = tmp_path / "build"
    write_files(files("old"), target, force=False)
    (target / "notes.txt").write_text("mine")
    steps = {"before": 0, "after": 0, when: step}
    text = KILLED.format(path=[str(ROOT), str(ROOT / "tests")], way=way, target=str(target), **steps)
    done = subprocess.run([sys.executable, "-c", text], check=False)
    assert done.returncode == (0 if step > 3 and way == "exchange" else -signal.SIGKILL)
    assert project.recovered(target)
    write_files(files("newest"), target, force=True)
    assert holds(target, {**files("newest"), "notes.txt": b"mine"})
    left = [p for p in tmp_path.iterdir() if p.name != "build"]
    if (when, step) != ("before", 1):  # by then nothing was begun: an empty folder stays
        assert left == []


def test_a_project_that_is_being_replaced_is_restored_for_whoever_looks_for_it(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx.save(mlp(), "mlp.onnx")
    assert cli("export", "mlp.onnx", "-o", "build").exit_code == 0
    work = tmp_path / ".build-abc"
    work.mkdir()
    (work / "journal.json").write_text(json.dumps({"folder": "build", "old": [1, 2]}))
    Path("build").rename(work / "old")
    assert "weights" in str(cli("report", "build", "-o", "r.html").output) or Path("r.html").is_file()
    assert Path("build/hwq.json").is_file()
    assert not work.exists()


def test_a_workshop_in_use_or_of_another_folder_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "build"
    with replace_folder.workshop(target) as busy:
        (busy / "new").mkdir()
        for name, journal in (("other", '{"folder": "build2", "old": null}'), ("text", "[[["), ("no", "{}")):
            (tmp_path / f".build-{name}").mkdir()
            (tmp_path / f".build-{name}/journal.json").write_text(journal)
            (tmp_path / f".build-{name}/new").mkdir()
        (tmp_path / ".build-plain").mkdir()
        (tmp_path / ".build-link").symlink_to(busy)
        before = sorted(p.name for p in tmp_path.iterdir())
        write_files(files("new"), target, force=False)
        assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*before, "build"])
        assert (busy / "new").is_dir()


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt()])
@pytest.mark.parametrize("failing", [1, 2, 3, 4])
def test_a_failure_at_any_rename_leaves_a_whole_project(
    failing: int, error: BaseException, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "build"
    write_files(files("old"), target, force=False)
    (target / "notes.txt").write_text("mine")
    rename, calls = os.rename, []

    def fails_once(source: Any, destination: Any) -> None:
        calls.append(destination)
        if len(calls) == failing:
            raise error
        rename(source, destination)

    monkeypatch.setattr(os, "rename", fails_once)
    with contextlib.suppress(SpecError, KeyboardInterrupt):
        write_files(files("new"), target, force=True)
    monkeypatch.setattr(os, "rename", rename)
    assert holds(target, {**files("old"), "notes.txt": b"mine"}) or (target / "src/a.h").read_bytes() == b"new"
    write_files(files("newest"), target, force=True)
    assert holds(target, {**files("newest"), "notes.txt": b"mine"})
    assert [p.name for p in tmp_path.iterdir()] == ["build"]


@pytest.mark.parametrize("output", ["loop/deep", "nul\0nul", "n" * 300])
@pytest.mark.parametrize("command", ["export", "report", "simulate", "config", "rom"])
def test_an_output_that_is_no_place_is_one_line(output: str, command: str, cli: Cli, contents: Contents) -> None:
    import numpy as np

    onnx.save(mlp(), "mlp.onnx")
    np.save("x.npy", np.zeros((2, 6)))
    Path("loop").symlink_to("loop")
    before = contents()
    more = ["--data", "x.npy"] if command == "simulate" else []
    one_line(cli(command, "mlp.onnx", *more, "-o", output))
    assert contents() == before


def test_an_output_that_is_a_loop_of_links_is_one_line_or_replaced(cli: Cli) -> None:
    onnx.save(mlp(), "mlp.onnx")
    Path("loop").symlink_to("loop")
    one_line(cli("export", "mlp.onnx", "-o", "loop"))
    one_line(cli("rom", "mlp.onnx", "-o", "loop"))
    assert Path("loop").is_symlink()
    assert cli("report", "mlp.onnx", "-o", "loop").exit_code == 0
    assert Path("loop").is_file()


def test_a_device_is_written_to_and_not_replaced(cli: Cli) -> None:
    onnx.save(mlp(), "mlp.onnx")
    assert cli("report", "mlp.onnx", "-o", "/dev/null").exit_code == 0
    assert Path("/dev/null").is_char_device()
    assert "No space left" in one_line(cli("report", "mlp.onnx", "-o", "/dev/full"))


def test_a_planted_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / f".page.html.{os.getpid()}.part").symlink_to(tmp_path / "victim")
    with pytest.raises(SpecError, match="cannot write"):
        project.write_file(tmp_path / "page.html", b"text")
    assert not (tmp_path / "victim").exists()
