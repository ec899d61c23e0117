"""A finished folder put in the place of another: in one step where the system has it, else so that a kill is healed.

The new folder is made in a workshop, a hidden folder beside the target. Where something is replaced, the two change
places in one step (Linux: renameat2 with RENAME_EXCHANGE); without that step the old one moves into the workshop and
the new one out of it. A journal in the workshop, locked for as long as its process lives, says enough for the next
process to finish or to undo what was begun. Of the old folder only the files that hwq wrote are removed: all else in it
moves into the new one. Nothing follows a symbolic link, and no rename replaces anything but an empty folder.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

JOURNAL = "journal.json"
NEW, OLD, DONE = "new", "old", "done"
MOST_JOURNAL = 1 << 16  # bytes
AT_FDCWD, RENAME_EXCHANGE = -100, 2
NO_SUCH_STEP = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP})

Written = Callable[[Path], frozenset[str] | None]
"""The files of a folder that hwq wrote, by relative name; None where the folder is not hwq's."""


class NotReplaced(Exception):
    """What lies in the target's place is not what may be replaced; it was left there."""


@contextlib.contextmanager
def workshop(folder: Path) -> Iterator[Path]:
    """A fresh folder beside the target, whose `new` is to be filled; removed at the end, however that comes."""
    work = Path(tempfile.mkdtemp(prefix=_prefix(folder), dir=folder.parent))
    try:
        with _locked(work / f"{JOURNAL}.part", os.O_CREAT | os.O_EXCL):
            _write_journal(work / f"{JOURNAL}.part", folder, None)
            os.rename(work / f"{JOURNAL}.part", work / JOURNAL)  # under this name it is always locked or left alone
            yield work
    finally:
        if not any(_holds_old(work)):  # else it was moved in here and could not be moved out again
            shutil.rmtree(work, ignore_errors=True)


def place(work: Path, folder: Path) -> None:
    """Move the new folder to where nothing is, or an empty folder. `NotReplaced` if something is there by now."""
    try:
        os.rename(work / NEW, folder)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise NotReplaced from None
        raise


def replace(work: Path, folder: Path, written: Written) -> None:
    """Put the new folder in the place of one that hwq wrote, and move what else was in that into the new one."""
    _write_journal(work / JOURNAL, folder, _identity(folder))
    taken = work / NEW
    if not _exchanged(work / NEW, folder):
        taken = work / OLD
        os.rename(folder, taken)
        try:
            place(work, folder)
        except BaseException:
            os.rename(taken, folder)
            raise
    files = written(taken)
    if files is None or not stat.S_ISDIR(taken.lstat().st_mode):  # another folder came between
        _put_back(taken, work, folder)
        raise NotReplaced
    _keep_others(taken, folder, files)
    os.rename(taken, work / DONE)


def heal(folder: Path, written: Written) -> None:
    """Finish or undo what a process that was killed had begun with this folder."""
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(folder.parent)):
            if entry.name.startswith(_prefix(folder)) and entry.is_dir(follow_symlinks=False):
                with contextlib.suppress(OSError, ValueError):
                    _heal_one(Path(entry.path), folder, written)


def _heal_one(work: Path, folder: Path, written: Written) -> None:
    if work.lstat().st_uid != os.getuid():
        return
    with _locked(work / JOURNAL, os.O_NOFOLLOW, fcntl.LOCK_EX | fcntl.LOCK_NB):
        if _journal(work)["folder"] != folder.name:
            return
        if os.path.lexists(work / OLD) and not os.path.lexists(folder):
            os.rename(work / OLD, folder)
        for taken in _holds_old(work):
            files = written(taken)
            _keep_others(taken, folder, frozenset() if files is None else files)
        shutil.rmtree(work)


def _holds_old(work: Path) -> Iterator[Path]:
    """Where in a workshop the folder lies that is being replaced: nowhere, before and after."""
    if os.path.lexists(work / OLD):
        yield work / OLD
    with contextlib.suppress(OSError, ValueError):
        if _journal(work)["old"] == _identity(work / NEW):
            yield work / NEW


def _prefix(folder: Path) -> str:
    return f".{folder.name[:40]}-"


def _identity(path: Path) -> list[int]:
    found = path.lstat()
    return [found.st_dev, found.st_ino]


@contextlib.contextmanager
def _locked(path: Path, flags: int, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    """The file open and locked; a process that ends in any way lets go of it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | flags, 0o600)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def _write_journal(path: Path, folder: Path, old: list[int] | None) -> None:
    with path.open("r+", encoding="utf-8") as file:  # the second text is the longer one
        file.write(json.dumps({"folder": folder.name, "old": old}))


def _journal(work: Path) -> dict[str, Any]:
    """What the journal says; `ValueError` where it is none of ours."""
    with (work / JOURNAL).open(encoding="utf-8") as file:
        found = json.loads(file.read(MOST_JOURNAL))
    if not isinstance(found, dict) or set(found) != {"folder", "old"}:
        raise ValueError("a journal of something else")
    return found


def _exchanged(one: Path, other: Path) -> bool:
    """Whether two folders have changed places in one step; False where the system has no such step."""
    libc: Any = ctypes.CDLL(None, use_errno=True)
    step = getattr(libc, "renameat2", None)
    if step is None:
        return False
    paths = [os.fsencode(p) for p in (one, other)]
    if step(AT_FDCWD, paths[0], AT_FDCWD, paths[1], RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in NO_SUCH_STEP:
        return False
    raise OSError(code, os.strerror(code), str(other))


def _put_back(taken: Path, work: Path, folder: Path) -> None:
    """Undo an exchange."""
    if taken.name == NEW:
        if not _exchanged(taken, folder):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return
    os.rename(folder, work / NEW)
    os.rename(taken, folder)


def _keep_others(old: Path, folder: Path, written: frozenset[str], inside: str = "") -> None:
    """Move everything in `old` that hwq did not write to the same place in `folder`."""
    for entry in list(os.scandir(old)):
        name = f"{inside}{entry.name}"
        if name in written:
            continue
        if entry.is_dir(follow_symlinks=False) and any(w.startswith(f"{name}/") for w in written):
            _keep_others(Path(entry.path), folder, written, f"{name}/")
            continue
        place_of = folder / name
        place_of.parent.mkdir(parents=True, exist_ok=True)
        while os.path.lexists(place_of):
            place_of = place_of.with_name(f"{place_of.name}.kept")
        os.rename(entry.path, place_of)
