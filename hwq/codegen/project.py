"""A project as a value: files in memory, one digest over them, written at once or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hwq.errors import SpecError

MANIFEST = "hwq.json"


def files_digest(files: Mapping[str, bytes]) -> str:
    """SHA-256 over names and contents, in order of name."""
    total = hashlib.sha256()
    for name in sorted(files):
        total.update(f"{name}\0{len(files[name])}\0".encode())
        total.update(files[name])
    return total.hexdigest()


def write_files(files: Mapping[str, bytes], folder: Path, *, force: bool) -> None:
    """Write all files into a new folder beside the target, then rename it into place.

    An existing non-empty folder needs `force`, and must be one that hwq wrote; it is replaced whole, or left as it was.
    """
    folder = folder.absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        if not force:
            raise SpecError(f"'{folder}' exists already", remedy="choose another -o, or replace it with --force")
        if not folder.is_dir() or not (folder / MANIFEST).is_file():
            raise SpecError(f"'{folder}' is not a project that hwq wrote", remedy="choose another -o; it is left alone")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise SpecError(f"cannot write to '{folder.parent}' ({error.strerror})", remedy="choose another -o") from None
    old = work / "replaced"
    try:
        new = work / "new"
        for name, content in files.items():
            path = new / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        if folder.exists():
            os.rename(folder, old)
        try:
            os.rename(new, folder)
        except OSError:
            if old.exists():
                os.rename(old, folder)
            raise
    except OSError as error:
        raise SpecError(f"cannot write '{folder}' ({error.strerror})", remedy="choose another -o") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
