"""Other programs: run side by side, within a time limit, and never left behind.

Each runs in a process group of its own, which is killed as a whole when the time is over and when this process is
interrupted or told to end. What a program says goes to a file, so that no pipe fills, and is read as text whatever its
encoding.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path
from typing import IO

from hwq.errors import SpecError, ToolError

TIME_LIMIT = "HWQ_TIME_LIMIT"  # an environment variable: seconds that a compiler or a simulation may take
COMPILE_SECONDS, RUN_SECONDS, ANSWER_SECONDS = 1800.0, 3600.0, 20.0
MOST_TEXT = 1 << 26  # bytes of output that are read: a simulation prints a line a sample and port
LONGEST_WAIT = 1e8  # seconds


@dataclass(frozen=True)
class Done:
    """How a program ended, and what it wrote to its standard output and error."""

    status: int  # negative: by that signal
    output: str
    errors: str


def time_limit(usual: float) -> float:
    """$HWQ_TIME_LIMIT in seconds, else what is usual. Raises `SpecError` where it is no number above 0."""
    text = os.environ.get(TIME_LIMIT, "")
    if not text:
        return usual
    try:
        seconds = float(text)
    except ValueError:
        seconds = -inf
    if not isfinite(seconds) or seconds <= 0:
        raise SpecError(f"{TIME_LIMIT} is '{text}'", remedy="set it to a number of seconds")
    return seconds


def run_all(
    commands: Sequence[Sequence[str]], what: str, seconds: float, folders: Sequence[Path | None] = ()
) -> list[Done]:
    """Run programs to their ends, each in its folder, as many at once as there are cores (two at least).

    `ToolError` where one takes longer than `seconds`.
    """
    limit, at_once = time_limit(seconds), max(2, cores())
    homes = folders or [None] * len(commands)
    done: list[Done] = []
    with contextlib.ExitStack() as stack:
        running: list[tuple[Program, float]] = []
        for command, home in zip(commands, homes, strict=True):
            if len(running) - len(done) == at_once:
                done.append(_finished(*running[len(done)], what, limit))
            running.append((stack.enter_context(started(command, home)), time.monotonic() + limit))
        done += [_finished(*later, what, limit) for later in running[len(done) :]]
    return done


def _finished(program: Program, end: float, what: str, limit: float) -> Done:
    done = program.finish(end - time.monotonic())
    if done is None:
        raise ToolError(
            f"{what} ('{program.name}') took over {limit:g} s and was stopped",
            remedy=f"allow more with {TIME_LIMIT}=SECONDS in the environment",
        )
    return done


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Program:
    """A program that runs."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], output: IO[bytes], errors: IO[bytes]) -> None:
        self.name = name
        self._process, self._output, self._errors = process, output, errors

    def finish(self, seconds: float) -> Done | None:
        """Wait for its end; None where it does not come in time."""
        if not self._ended(max(0.0, seconds)):
            return None
        _kill(self._process)
        return Done(self._process.returncode, _text(self._output), _text(self._errors))

    def _ended(self, seconds: float) -> bool:
        """Whether it has ended within some time; where it has, it is still to be waited for."""
        try:
            ended = os.pidfd_open(self._process.pid)
        except (AttributeError, OSError):  # a system without
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
            return self._process.returncode is not None
        try:
            return bool(select.select([ended], [], [], min(seconds, LONGEST_WAIT))[0])
        finally:
            os.close(ended)


@contextlib.contextmanager
def started(command: Sequence[str], folder: Path | None = None) -> Iterator[Program]:
    """Start a program; when the block is left, by whatever way, it and its children are no more."""
    running: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        try:
            with _undisturbed():
                running.append(_begun(command, folder, output, errors))
            yield Program(Path(command[0]).name, running[0], output, errors)
        finally:
            for process in running:
                _kill(process)


def _begun(
    command: Sequence[str], folder: Path | None, output: IO[bytes], errors: IO[bytes]
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            list(command), cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, start_new_session=True
        )
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise ToolError(f"cannot run '{command[0]}' ({why})", remedy="see hwq doctor") from None


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Signals that would raise in the block do so behind it: no process is begun there and then lost."""
    came: list[int] = []
    main = threading.current_thread() is threading.main_thread()
    kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if main else ()
    before = {kind: handler for kind in kinds if callable(handler := signal.getsignal(kind))}
    for kind in before:
        signal.signal(kind, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
    for number in came:
        before[signal.Signals(number)](number, None)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process, if it has not ended, and all that it has started."""
    if process.returncode is None:  # else its number may be another's by now
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read(MOST_TEXT).decode("utf-8", errors="replace")
