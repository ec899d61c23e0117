"""doctor: what this machine has for hwq, and how to get what it lacks."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from hwq.build.toolchain import compiler_version, find_compiler, find_headers
from hwq.build.verilator import REMEDY, find_icarus, find_verilator
from hwq.targets import HLS_TARGETS

OPTIONAL_PACKAGES = (
    ("h5py", "Keras and QKeras files: pip install h5py"),
    ("matplotlib", "plots: pip install matplotlib"),
    ("onnxruntime", "comparison with onnxruntime: pip install onnxruntime"),
    ("qonnx", "comparison with qonnx's executor: pip install qonnx"),
)
OPTIONAL_TOOLS = (("vivado_hls", "synthesis: AMD Vivado HLS"), ("vitis_hls", "synthesis: AMD Vitis HLS"))


def findings() -> list[dict[str, Any]]:
    """One record per thing looked for: what, found, needed (for `hwq verify`), detail."""
    records = [_record("Python", True, f"{sys.version.split()[0]} at {sys.executable}", needed=True)]
    for package in ("numpy", "onnx", "jinja2", "click", "PyYAML"):
        records.append(_package(package, f"pip install {package}", needed=True))
    compiler = find_compiler()
    detail = f"{compiler} ({compiler_version(compiler)})" if compiler else "apt-get install g++, or set CXX"
    records.append(_record("C++ compiler", compiler is not None, detail, needed=True))
    for target in HLS_TARGETS.values():
        headers = find_headers(target)
        where = (
            f"{headers.folder} ({headers.origin})" if headers else f"pip install da4ml, or set {target.header_env[0]}"
        )
        records.append(_record(f"{target.types.header} for {target.name}", headers is not None, where, needed=True))
    for package, advice in OPTIONAL_PACKAGES:
        records.append(_package(package, advice, needed=False))
    verilator, icarus = find_verilator(), find_icarus()
    rtl = f"{verilator.binary} ({verilator.origin})" if verilator else icarus[0] if icarus else REMEDY
    records.append(_record("simulator of Verilog", verilator is not None or icarus is not None, rtl, needed=False))
    for tool, advice in OPTIONAL_TOOLS:
        found = shutil.which(tool)
        records.append(_record(tool, found is not None, found or advice, needed=False))
    return records


def _package(name: str, advice: str, needed: bool) -> dict[str, Any]:
    try:
        return _record(name, True, version(name), needed)
    except PackageNotFoundError:
        return _record(name, importlib.util.find_spec(name.lower()) is not None, advice, needed)


def _record(what: str, found: bool, detail: str, needed: bool) -> dict[str, Any]:
    return {"what": what, "found": found, "needed": needed, "detail": detail}
