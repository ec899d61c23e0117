"""Builds by digest: what was compiled once from the same text, headers, compiler and flags is not compiled again."""

from __future__ import annotations

import atexit
import contextlib
import functools
import hashlib
import os
import platform
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hwq.build.linked_roms import with_linked_roms
from hwq.build.precompiled_headers import Prelude
from hwq.build.toolchain import Headers, compile_cpp, compiler_version, require_compiler
from hwq.codegen.project import files_digest
from hwq.errors import ToolError

LIMIT = 1 << 30  # bytes of builds that are kept; the ones unused for longest go first
RECENT = 3600.0  # seconds for which a build is in use by whoever asked for it
CHECK = "sha256"  # of a product, beside it
HEADER_SUFFIXES = frozenset(["", ".h", ".hpp"])
EXACT_FLOATS = ("-ffp-contract=off", "-fno-trapping-math", "-fno-math-errno")  # only what changes no result
NATIVE_FLAGS = ("-O3", "-march=native", *EXACT_FLOATS, "-fno-exceptions", "-fPIC")
VECTORS = ("-O2", "-ftree-vectorize", "-fvect-cost-model=dynamic", "-fpeel-loops")  # -O3 at half its cost
VECTOR_FLAGS = (*VECTORS, *NATIVE_FLAGS[1:])
VENDOR_FLAGS = ("-O1", "-ftree-pre")  # runs as fast as -O2, and compiles faster


@dataclass(frozen=True)
class Recipe:
    """All that a product is made of: `units` among `files` are compiled, each by its own process."""

    files: Mapping[str, bytes]
    units: tuple[str, ...]
    includes: tuple[str, ...]  # folders among the files
    headers: Headers
    flags: tuple[str, ...]
    link: tuple[str, ...] = ()
    product: str = "program"
    last: tuple[str, ...] = ()  # folders among the files that are searched after the vendor's

    def digest(self, compiler: str) -> str:
        """SHA-256 over everything that the product depends on."""
        parts = [
            files_digest(self.files),
            _headers_digest(self.headers),
            self.headers.standard,
            compiler,
            compiler_version(compiler),
            _machine() if "-march=native" in self.flags else platform.machine(),
            *self.units,
            "includes",
            *self.includes,
            "flags",
            *self.flags,
            "link",
            *self.link,
            *(("last", *self.last) if self.last else ()),
        ]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def built(recipe: Recipe, stage: Callable[[str], None] = lambda label: None) -> Path:
    """The product of a recipe: from the cache, else compiled now and kept there."""
    compiler = require_compiler()
    missing = [u for u in recipe.units if u not in recipe.files]
    if missing:
        raise ToolError(f"the project lacks '{Path(missing[0]).name}'", remedy="export it again with --force")
    cache = cache_folder()
    place = cache / recipe.digest(compiler)
    if _intact(place, recipe.product):
        with contextlib.suppress(OSError):
            os.utime(place)
        return place / recipe.product
    stage("compiling C++ against " + recipe.headers.origin)
    try:
        with tempfile.TemporaryDirectory(prefix=".build-", dir=cache) as name:
            _build(recipe, compiler, Path(name), place)
    except OSError as error:
        raise ToolError(
            f"cannot build in '{cache}' ({error.strerror})", remedy="set XDG_CACHE_HOME elsewhere"
        ) from None
    _forget_oldest(cache, place)
    return place / recipe.product


def _build(recipe: Recipe, compiler: str, work: Path, place: Path) -> None:
    """Compile in the folder `work`, and put the product where it belongs, with its digest."""
    files, linked = with_linked_roms(recipe.files)
    for path, content in files.items():
        file = work / "sources" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    (work / "kept").mkdir()
    (work / "objects").mkdir()
    _compile(recipe, (*recipe.units, *linked), compiler, work, place.parent)
    product = (work / "objects" / recipe.product).rename(work / "kept" / recipe.product)
    (work / "kept" / CHECK).write_text(_digest_of(product))
    with contextlib.suppress(OSError):  # another process has built the same meanwhile
        if not _intact(place, recipe.product):
            shutil.rmtree(place, ignore_errors=True)
            (work / "kept").rename(place)


def _intact(place: Path, product: str) -> bool:
    """Whether a product lies in its place as it was put there."""
    try:
        return (place / CHECK).read_text() == _digest_of(place / product)
    except (OSError, ValueError):
        return False


def _digest_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _compile(recipe: Recipe, units: tuple[str, ...], compiler: str, work: Path, cache: Path) -> None:
    """The product from work/sources into work/objects, with the headers' prelude where there is one."""

    def run(*more: str) -> None:
        compile_cpp(
            compiler,
            [work / "sources" / u for u in units],
            work / "objects" / recipe.product,
            [work / "sources" / i for i in recipe.includes],
            recipe.headers,
            (*recipe.flags, *more),
            recipe.link,
            [work / "sources" / i for i in recipe.last],
            work / "sources",
        )

    headers, flags = recipe.headers, [f for f in recipe.flags if not f.startswith("-D")]
    command = (compiler, f"-std={headers.standard}", *flags, "-isystem", str(headers.folder))
    version = _headers_digest(headers) + compiler_version(compiler)
    prelude = Prelude.of(cache, headers.prelude, command, version)
    with prelude.made_meanwhile():
        more = prelude.flags()
        try:
            run(*more)
        except ToolError:
            if not more:
                raise
            run()
            prelude.forget()


def cache_folder() -> Path:
    """$XDG_CACHE_HOME/hwq, else ~/.cache/hwq, else a folder of this user's among the temporary ones.

    Whoever can write into it has code run here: a folder that others could have made or may write to is passed over.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    home = Path(base) if base and os.path.isabs(base) else Path(os.path.expanduser("~")) / ".cache"
    for folder in (home / "hwq", Path(tempfile.gettempdir()) / f"hwq-cache-{os.getuid()}"):
        if _private(folder):
            return folder
    return _of_this_process()


def _private(folder: Path) -> bool:
    """Whether a folder is there, made if it was missing, this user's own, and writable by no one else; no link is."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = folder.lstat()
    except (OSError, ValueError):
        return False
    own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022
    return own and os.access(folder, os.W_OK)


@functools.cache
def _of_this_process() -> Path:
    """A fresh folder that goes with this process, where there is none to keep builds in."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="hwq-cache-"))
    except OSError:
        raise ToolError(
            "no folder to build in", remedy="set XDG_CACHE_HOME to a folder that you may write to"
        ) from None
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _forget_oldest(cache: Path, kept: Path) -> None:
    """Remove the builds unused for longest, until the rest is below the limit."""
    entries = []
    for entry in cache.iterdir():
        with contextlib.suppress(OSError):
            unfinished = entry.name.startswith(".")  # the rest are folders of files
            files = [f for f in entry.rglob("*") if f.is_file()] if unfinished else os.scandir(entry)
            size = sum(f.stat().st_size for f in files)
            entries.append((entry.stat().st_mtime, size, entry))
    total = sum(size for _, size, _ in entries)
    for used, size, entry in sorted(entries):
        if total <= LIMIT or used > time.time() - RECENT:
            return
        if entry != kept:
            shutil.rmtree(entry, ignore_errors=True)
            total -= size


def _headers_digest(headers: Headers) -> str:
    """SHA-256 over the header files themselves: an update of the package makes a new build."""
    files = {}
    for path in sorted(headers.folder.rglob("*")):
        if path.suffix in HEADER_SUFFIXES and path.is_file():
            files[str(path.relative_to(headers.folder))] = path.read_bytes()
    return files_digest(files)


def _machine() -> str:
    """What -march=native looks at: the processor's features."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(("flags", "Features")):
                return line
    return f"{platform.machine()} {platform.processor()}"
