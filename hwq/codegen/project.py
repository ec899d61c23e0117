"""A project as a value: files in memory, one digest over them, written at once or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
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


def write_file(path: Path, content: bytes) -> None:
    """One file, written beside and renamed: whole, or not at all."""
    part = path.with_name(f".{path.name[:40]}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise SpecError(f"cannot write '{path}' ({error.strerror})", remedy="choose another -o") from None


def write_files(files: Mapping[str, bytes], folder: Path, *, force: bool, marker: str = MANIFEST) -> None:
    """Write all files into a new folder beside the target, then rename it into place.

    An existing non-empty folder needs `force`, and must be one that hwq wrote; it is replaced whole, or left as it was.
    """
    made: list[Path] = []
    try:
        folder = folder.resolve()
        _may_replace(folder, force, marker)
        made = _make_parents(folder.parent)
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name[:40]}-", dir=folder.parent))
    except OSError as error:
        _remove_empty(made)
        raise SpecError(f"cannot write to '{folder.parent}' ({error.strerror})", remedy="choose another -o") from None
    done = False
    try:
        for name, content in files.items():
            path = work / "new" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        _swap(work / "new", folder, work / "replaced")
        done = True
    except OSError as error:
        raise SpecError(f"cannot write '{folder}' ({error.strerror})", remedy="choose another -o") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
        if not done:
            _remove_empty(made)


def _may_replace(folder: Path, force: bool, marker: str) -> None:
    """Refuse a folder that is in use: always one that hwq did not write, and one that it wrote without `force`."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not force:
        raise SpecError(f"'{folder}' exists already", remedy="choose another -o, or replace it with --force")
    if not _is_ours(folder, marker):
        raise SpecError(f"'{folder}' is not a project that hwq wrote", remedy="choose another -o; it is left alone")


def _is_ours(folder: Path, marker: str) -> bool:
    """Whether a folder's manifest, the file called `marker`, is one of hwq's."""
    try:
        manifest = json.loads((folder / marker).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and {"hwq", "digest"} <= set(manifest)


def _swap(new: Path, folder: Path, old: Path) -> None:
    """Put `new` where `folder` is, which goes to `old`; whatever interrupts it, the folder is there again."""
    if not folder.exists():
        os.rename(new, folder)
        return
    try:
        os.rename(folder, old)
        os.rename(new, folder)
    except BaseException:
        if old.exists() and not folder.exists():
            os.rename(old, folder)
        raise


def _make_parents(folder: Path) -> list[Path]:
    """Make a folder and those above it; the ones that were made, the innermost first."""
    missing = [p for p in (folder, *folder.parents) if not p.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()
