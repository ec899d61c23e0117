"""Compilers and headers on this machine: where they are, or how to get them."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from hwq.build.processes import ANSWER_SECONDS, COMPILE_SECONDS, Done, run_all
from hwq.codegen.environment import data_folder
from hwq.errors import ToolError
from hwq.targets import Target

HEADER_PACKAGES = (  # PyPI packages that ship both vendors' open headers, with the folders inside them
    ("da4ml", "codegen/hls/source/{kind}/include"),
    ("hls4ml", "templates/{where}"),
)
_HLS4ML = MappingProxyType({"ap_types": "vivado/ap_types", "ac_types": "catapult/ac_types/include"})


@dataclass(frozen=True)
class Headers:
    """An include folder, who provides it, the C++ standard to compile with, and the headers worth parsing only once."""

    folder: Path
    origin: str
    standard: str
    prelude: tuple[str, ...] = ()


def native_headers() -> Headers:
    """hwq's own types, with the faces of the vendors' headers."""
    return Headers(data_folder("hls_testbench") / "native", "hwq's native types", "c++17")


def find_headers(target: Target) -> Headers | None:
    """The vendor's headers: the user's own tool first, then an installed PyPI package."""
    wanted = target.types.header
    if not target.header_env:
        return native_headers()
    prelude = (wanted, wanted.replace("fixed", "int"))
    for variable in target.header_env:
        root = os.environ.get(variable)
        for sub in target.header_paths if root else ():
            folder = Path(str(root)) / sub
            if (folder / wanted).is_file():
                return Headers(folder, variable, target.standard, prelude)
    kind = "ap_types" if wanted.startswith("ap_") else "ac_types"
    for package, inside in HEADER_PACKAGES:
        spec = importlib.util.find_spec(package)  # locates the package without importing it
        for root in (spec.submodule_search_locations or ()) if spec else ():
            folder = Path(root) / inside.format(kind=kind, where=_HLS4ML[kind])
            if (folder / wanted).is_file():
                return Headers(folder, f"PyPI package {package}", target.standard, prelude)
    return None


def require_headers(target: Target, types: str = "vendor") -> Headers:
    """The headers to compile against: the vendor's, or hwq's where `types` is "native"."""
    headers = native_headers() if types == "native" else find_headers(target)
    if headers is None:
        raise ToolError(
            f"no {target.types.header} on this machine",
            remedy=f"pip install da4ml, set {target.header_env[0]} to your {target.title}, or use --types native",
        )
    return headers


def find_compiler() -> str | None:
    """$CXX, else g++, else clang++."""
    for name in (os.environ.get("CXX"), "g++", "clang++"):
        if name and shutil.which(name):
            return shutil.which(name)
    return None


def require_compiler() -> str:
    """The compiler, or a `ToolError` that says how to get one."""
    compiler = find_compiler()
    if compiler is None:
        raise ToolError("no C++ compiler on this machine", remedy="apt-get install g++, or set CXX")
    return compiler


def compiler_version(compiler: str) -> str:
    """The first line of what the compiler says of itself."""
    (done,) = run_all([[compiler, "--version"]], "the compiler's answer to --version", ANSWER_SECONDS)
    return done.output.splitlines()[0] if done.output.strip() else "unknown version"


def compile_cpp(
    compiler: str,
    sources: Sequence[Path],
    product: Path,
    includes: Sequence[Path],
    headers: Headers,
    flags: Sequence[str],
    link: Sequence[str] = (),
    last: Sequence[Path] = (),
    home: Path | None = None,
) -> None:
    """Compile each source by its own process, side by side, and link them; `ToolError` with the first error line.

    Headers are looked for in `includes`, then in the vendor's folder, then in `last`. The compiler runs in `home`.
    """
    base = [compiler, f"-std={headers.standard}", "-Wno-unknown-pragmas", *flags]
    for folder in includes:
        base += ["-I", str(folder)]
    base += ["-isystem", str(headers.folder)]
    for folder in last:
        base += ["-idirafter", str(folder)]
    objects = [product.parent / f"{source.stem}_{i}.o" for i, source in enumerate(sources)]
    commands = [
        [*([compiler] if source.suffix == ".s" else base), "-c", str(source), "-o", str(obj)]
        for source, obj in zip(sources, objects, strict=True)
    ]
    for done in run_all(commands, "the C++ compiler", COMPILE_SECONDS, [home] * len(commands)):
        if done.status:
            raise ToolError(
                "the C++ compiler failed: " + _first_error(done), remedy="see hwq doctor; report it if it stays"
            )
    command = [compiler, *link, *(o.name for o in objects), "-o", product.name]  # no folder: gold writes it down
    for more in dict.fromkeys((_linker(), ())):
        (linked,) = run_all([[*command, *more]], "linking", COMPILE_SECONDS, [product.parent])
        if not linked.status:
            return
    raise ToolError("linking failed: " + _first_error(linked), remedy="see hwq doctor")


def _linker() -> tuple[str, ...]:
    """The quicker linker, where it is there: it takes half the time of the other."""
    return ("-fuse-ld=gold",) if shutil.which("ld.gold") else ()


def _first_error(done: Done) -> str:
    said = (done.errors + done.output).splitlines()
    lines = [line for line in said if "error" in line.lower()] or said or [f"no message, status {done.status}"]
    return lines[0].strip()
