"""Preludes: a vendor's headers as the compiler has parsed them, kept from the second build on for all later ones.

AMD's headers take 0.4 s to parse in every translation unit, and half of that again to instantiate; reading the result
back takes 0.05 s. Making it takes 1.5 s, beside a compilation that has no use for it yet, so a machine that builds one
design only is spared it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hwq.build.processes import COMPILE_SECONDS, Program, started, time_limit
from hwq.errors import ToolError

TEXT, PARSED, FAILED = "prelude.h", "prelude.h.gch", "failed"


@dataclass(frozen=True)
class Prelude:
    """The place of a prelude in the cache, and the command that makes it."""

    place: Path
    names: tuple[str, ...]  # the headers, in the order in which sources include them
    command: tuple[str, ...]  # compiler and flags, all that must be the same where the prelude is read

    @staticmethod
    def of(cache: Path, names: tuple[str, ...], command: tuple[str, ...], version: str) -> Prelude:
        """The prelude of these headers under this command; `version` stands for the contents of both."""
        digest = hashlib.sha256("\0".join([*names, "command", *command, version]).encode()).hexdigest()
        return Prelude(cache / f"prelude-{digest}", names, command)

    def flags(self) -> tuple[str, ...]:
        """What makes the compiler read it; nothing where there is none yet."""
        if not self.names or not (self.place / PARSED).is_file():
            return ()
        with contextlib.suppress(OSError):
            os.utime(self.place)
        return ("-include", str(self.place / TEXT))

    def forget(self) -> None:
        """Remove it, for the compiler has stumbled over it."""
        shutil.rmtree(self.place, ignore_errors=True)

    @contextlib.contextmanager
    def made_meanwhile(self) -> Iterator[None]:
        """Make it beside what is done in the block, where it was missed before; else remember that it was missed."""
        text = "".join(f'#include "{name}"\n' for name in self.names)
        if not self.names or (self.place / PARSED).exists() or (self.place / FAILED).exists():
            yield
            return
        if not (self.place / TEXT).exists():
            with contextlib.suppress(OSError):
                self.place.mkdir(exist_ok=True)
                (self.place / TEXT).write_text(text)
            yield
            return
        with tempfile.TemporaryDirectory(prefix=".prelude-", dir=self.place.parent) as name:
            source, product = Path(name) / TEXT, Path(name) / PARSED
            source.write_text(text)
            command = [*self.command, "-x", "c++-header", str(source), "-o", str(product)]
            with started(command) as making:
                try:
                    yield
                except ToolError:
                    self._keep(making, product)
                    raise
                self._keep(making, product)

    def _keep(self, making: Program, product: Path) -> None:
        """Wait for the compiler; what it has made is kept, else that it failed."""
        done = making.finish(time_limit(COMPILE_SECONDS))
        with contextlib.suppress(OSError):
            if done is not None and done.status == 0 and product.is_file():
                os.replace(product, self.place / PARSED)
            else:
                (self.place / FAILED).touch()
