"""What several test files share: the command line run in this process, and folders compared before and after."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hwq.cli.progress import Progress

Cli = Callable[..., Result]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite the golden files; read their diff afterwards"
    )


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be rewritten."""
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs `hwq ARGUMENTS` in a fresh folder, which is `tmp_path`; temporary files go to `tmp_path/tmp`."""
    monkeypatch.chdir(tmp_path)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    # What is on standard error must not depend on how fast this machine is.
    monkeypatch.setattr(Progress.__init__, "__defaults__", (300.0, False))

    def run(*arguments: Any) -> Result:
        from hwq.cli.main import main

        return CliRunner().invoke(main, [str(a) for a in arguments], prog_name="hwq")

    return run


@pytest.fixture
def contents(tmp_path: Path) -> Callable[[], dict[str, bytes | None]]:
    """Everything under `tmp_path`, to be compared before and after."""

    def snapshot() -> dict[str, bytes | None]:
        return {str(p.relative_to(tmp_path)): p.read_bytes() if p.is_file() else None for p in tmp_path.rglob("*")}

    return snapshot


def one_line(result: Result) -> str:
    """The single line on standard error of a command that could not use its input, with exit status 2."""
    assert result.exit_code == 2, (result.exit_code, result.output, result.exception)
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("hwq: ")
    assert "internal error" not in lines[0], lines[0]
    assert all(ch.isprintable() for ch in lines[0]), repr(lines[0])
    return lines[0].removeprefix("hwq: ")
