"""Progress on standard error: a stage is announced once it has taken a second, and says how long it took."""

from __future__ import annotations

import contextlib
import sys
import threading
import time


class Progress:
    """Call it with the name of each stage as it begins; close it at the end."""

    def __init__(self, delay: float = 1.0, quiet: bool = False) -> None:
        self.delay, self.quiet = delay, quiet
        self.label, self.start, self.shown = "", 0.0, False
        self.timer: threading.Timer | None = None
        self.seconds: dict[str, float] = {}

    def __call__(self, label: str) -> None:
        self.close()
        self.label, self.start, self.shown = label, time.monotonic(), False
        self.timer = threading.Timer(self.delay, self._show)
        self.timer.daemon = True
        self.timer.start()

    def _show(self) -> None:
        if not self.quiet:
            self.shown = True
            _say(f"{self.label} ...\n")

    def close(self) -> None:
        if self.timer is None:
            return
        self.timer.cancel()
        self.timer = None
        took = time.monotonic() - self.start
        self.seconds[self.label] = took
        if self.shown:
            _say(f"{self.label}: {took:.1f} s\n")


def _say(line: str) -> None:
    """Write a line on standard error, where there is one."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(line)
        sys.stderr.flush()
