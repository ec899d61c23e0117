""".npy and .npz files read as untrusted input: only the arrays asked for, sizes checked before memory is taken.

The header of NEP 1 is a Python literal; three patterns read it, and nothing is evaluated or unpickled. An array is read
no further than its first samples, where only those are wanted.
"""

from __future__ import annotations

import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from hwq.errors import SpecError, printable

MAGIC, ZIP = b"\x93NUMPY", b"PK"
LONGEST_HEADER = 1 << 16  # bytes
MOST_MEMBERS = 1 << 16
MOST_AXES = 32
SUFFIX = ".npy"
DESCR = re.compile(r"""['"]descr['"]\s*:\s*['"]([^'"]{1,40})['"]""")
ORDER = re.compile(r"""['"]fortran_order['"]\s*:\s*(True|False)""")
SHAPE = re.compile(r"""['"]shape['"]\s*:\s*\(([0-9,\sL]*)\)""")
NUMBER = re.compile(r"[<>|=]?[biuf][0-9]{1,2}")
REMEDY = "give a .npy or .npz of numbers"
FAULTS = (
    *(OSError, ValueError, TypeError, EOFError, MemoryError, RuntimeError, NotImplementedError, struct.error),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
)


@dataclass(frozen=True)
class Header:
    """What a .npy file says of its array."""

    type: str
    shape: tuple[int, ...]
    by_columns: bool


class ArrayFile:
    """An opened .npy or .npz file; the one array of a .npy is called ""."""

    def __init__(self, path: Path, size: int, archive: zipfile.ZipFile | None) -> None:
        self._path, self._size, self._archive = path, size, archive
        self._members: dict[str, zipfile.ZipInfo] = {}
        for info in archive.infolist()[:MOST_MEMBERS] if archive else ():
            self._members[info.filename.removesuffix(SUFFIX)] = info

    @property
    def single(self) -> bool:
        """Whether it is a .npy."""
        return self._archive is None

    @property
    def names(self) -> tuple[str, ...]:
        """The arrays in it."""
        return ("",) if self.single else tuple(self._members)

    def header(self, name: str) -> Header:
        """What an array is, before it is read. Raises `SpecError` where it holds no real numbers."""
        with self._opened(name) as (file, _):
            return self._checked(_read_header(file))

    def read(self, name: str, rows: int | None = None) -> npt.NDArray[Any]:
        """An array of real numbers, or the first `rows` of its first axis. Raises `SpecError` for any other."""
        with self._opened(name) as (file, size):
            header = self._checked(_read_header(file))
            kind = np.dtype(header.type)
            if prod(header.shape) * kind.itemsize > size - file.tell():
                raise ValueError("less data than its header says")
            shape = header.shape
            if rows is not None and shape and not header.by_columns:
                shape = (min(rows, shape[0]), *shape[1:])
            flat = np.empty(prod(shape), dtype=kind)
            _fill(file, flat.view(np.uint8))
        array = flat.reshape(shape, order="F" if header.by_columns else "C")
        return array[:rows] if rows is not None and array.ndim else array

    def _checked(self, header: Header) -> Header:
        if NUMBER.fullmatch(header.type):
            return header
        if header.type.strip("<>|=").startswith("O"):
            raise SpecError(f"cannot read '{self._path}' (it holds Python objects)", remedy=REMEDY)
        found = f"'{self._path}' holds no numbers ({printable(header.type, 20)})"
        raise SpecError(found, remedy="give an array of real numbers")

    @contextmanager
    def _opened(self, name: str) -> Iterator[tuple[IO[bytes], int]]:
        """The bytes of an array's .npy file, and how many there are."""
        try:
            if self._archive is None:
                with self._path.open("rb") as file:
                    yield file, self._size
            else:
                info = self._members[name]
                with self._archive.open(info) as member:
                    yield member, info.file_size
        except FAULTS as error:
            raise _unreadable(self._path, error) from None


@contextmanager
def open_arrays(path: str) -> Iterator[ArrayFile]:
    """Open a .npy or .npz file. Raises `SpecError` for what is none."""
    with ExitStack() as stack:
        try:
            file = Path(path)
            if not file.is_file():
                raise FileNotFoundError
            with file.open("rb") as start:
                magic = start.read(len(MAGIC))
            archive = stack.enter_context(zipfile.ZipFile(file)) if magic.startswith(ZIP) else None
            if archive is None and magic != MAGIC:
                raise ValueError("neither")
            found = ArrayFile(file, file.stat().st_size, archive)
        except FAULTS as error:
            raise _unreadable(path, error) from None
        if not found.names:
            raise SpecError(f"'{path}' holds no array", remedy=REMEDY)
        yield found


def _unreadable(path: object, error: BaseException) -> SpecError:
    return SpecError(f"cannot read '{path}' ({type(error).__name__})", remedy=REMEDY)


def _read_header(file: IO[bytes]) -> Header:
    """Read up to where the data begin; `ValueError` where that is no header."""
    magic = file.read(8)
    if magic[:6] != MAGIC or magic[6] not in (1, 2, 3):
        raise ValueError("no .npy")
    width, code = (2, "<H") if magic[6] == 1 else (4, "<I")
    (length,) = struct.unpack(code, file.read(width))
    if length > LONGEST_HEADER:
        raise ValueError("a long header")
    text = file.read(length).decode("latin-1")
    found, shape = ORDER.search(text), SHAPE.search(text)
    if ("'descr'" not in text and '"descr"' not in text) or found is None or shape is None:
        raise ValueError("no header")
    extents = [part.strip().rstrip("L") for part in shape[1].split(",") if part.strip()]
    if len(extents) > MOST_AXES or any(not 0 < len(e) <= 18 for e in extents):
        raise ValueError("an absurd shape")
    kind = DESCR.search(text)
    return Header(kind[1] if kind else "a record", tuple(map(int, extents)), found[1] == "True")


def _fill(file: IO[bytes], place: npt.NDArray[np.uint8]) -> None:
    done = 0
    while done < len(place):
        got = file.read(min(len(place) - done, 1 << 24))
        if not got:
            raise ValueError("the data end early")
        place[done : done + len(got)] = np.frombuffer(got, dtype=np.uint8)
        done += len(got)
