"""A project as a value: files in memory, one digest over them, written at once or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import IO, Any

from hwq.codegen.replace_folder import NotReplaced, heal, place, replace, workshop
from hwq.errors import SpecError
from hwq.untrusted import read_json

MANIFEST = "hwq.json"
MOST_MANIFEST = 1 << 28  # bytes


def files_digest(files: Mapping[str, bytes]) -> str:
    """SHA-256 over names and contents, in order of name."""
    total = hashlib.sha256()
    for name in sorted(files):
        total.update(f"{name}\0{len(files[name])}\0".encode())
        total.update(files[name])
    return total.hexdigest()


def write_file(path: Path, content: bytes | Callable[[IO[bytes]], object]) -> None:
    """One file, written beside and renamed: whole, or not at all. A device or pipe is written to as it is.

    `content`: the bytes, or what writes them to an open file.
    """
    write = content if callable(content) else lambda file: file.write(content)
    part = path.with_name(f".{path.name[:40]}.{os.getpid()}.part")
    made = False
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            with path.open("wb") as device:
                write(device)
            return
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), "wb") as file:
            made = True
            write(file)
        part.replace(path)
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from None
    finally:
        if made:
            part.unlink(missing_ok=True)


def write_files(files: Mapping[str, bytes], folder: Path, *, force: bool, marker: str = MANIFEST) -> None:
    """Write all files into a new folder beside the target, then put it in the target's place.

    An existing non-empty folder needs `force`, and must be one that hwq wrote: the file called `marker` says so, and
    lists the files. They are replaced as a whole, or left as they were; what else lies in the folder stays in it.
    """
    made: list[Path] = []
    done = False
    try:
        folder = folder.resolve()
        heal(folder, partial(written_files, marker=marker))
        replaced = _may_replace(folder, force, marker, files)
        made = _make_parents(folder.parent)
        with workshop(folder) as work:
            for name, content in files.items():
                path = work / "new" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            if replaced:
                replace(work, folder, partial(written_files, marker=marker))
            else:
                place(work, folder)
        done = True
    except NotReplaced:
        found = f"'{folder}' has been changed by someone else meanwhile"
        raise SpecError(found, remedy="look at it, or choose another -o; it is left alone") from None
    except (OSError, ValueError, RuntimeError) as error:
        raise _unwritable(folder, error) from None
    finally:
        if not done:
            _remove_empty(made)


def written_files(folder: Path, marker: str = MANIFEST) -> frozenset[str] | None:
    """The files in a folder that hwq wrote, as its manifest lists them; None where the folder is not hwq's."""
    try:
        if folder.is_symlink() or (folder / marker).is_symlink() or (folder / marker).stat().st_size > MOST_MANIFEST:
            return None
        manifest = read_json((folder / marker).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(manifest, dict) or not {"hwq", "digest"} <= set(manifest):
        return None
    return frozenset({marker, *_names(manifest.get("files")), *_names(manifest.get("roms"))})


def _names(value: Any) -> Iterator[str]:
    """The file names in a list, or in the records of a list."""
    if isinstance(value, list):
        for item in value:
            if isinstance(item, str):
                yield item
            elif isinstance(item, dict) and isinstance(item.get("files"), dict):
                yield from (name for name in item["files"].values() if isinstance(name, str))


def recovered(folder: Path) -> bool:
    """Whether a project's folder is there; where a kill has left none, the one that was being replaced is restored."""
    try:
        if not folder.exists():
            heal(folder.resolve(), written_files)
        return folder.is_dir()
    except (OSError, ValueError, RuntimeError):
        return False


def _unwritable(path: Path, error: Exception) -> SpecError:
    why = error.strerror if isinstance(error, OSError) else str(error)
    return SpecError(f"cannot write '{path}' ({why})", remedy="choose another -o")


def _may_replace(folder: Path, force: bool, marker: str, files: Mapping[str, bytes]) -> bool:
    """Whether there is something to be replaced.

    Refuse a folder that is in use: always one that hwq did not write, and one that it wrote without `force`.
    """
    if not os.path.lexists(folder) or (folder.is_dir() and not any(folder.iterdir())):
        return False
    if not force:
        raise SpecError(f"'{folder}' exists already", remedy="choose another -o, or replace it with --force")
    written = written_files(folder, marker)
    if written is None:
        raise SpecError(f"'{folder}' is not a project that hwq wrote", remedy="choose another -o; it is left alone")
    for name in sorted(files):
        if name not in written and os.path.lexists(folder / name):
            raise SpecError(
                f"'{name}' in '{folder}' is not listed as a file that hwq wrote",
                remedy="move it away, or choose another -o; it is left alone",
            )
    return True


def _make_parents(folder: Path) -> list[Path]:
    """Make a folder and those above it; the ones that were made, the innermost first."""
    missing = [p for p in (folder, *folder.parents) if not p.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()
