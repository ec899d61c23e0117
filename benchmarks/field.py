"""hwq beside hls4ml, qonnx and onnxruntime, measured in one run; and hwq's own cost from 10 k to 10 M weights.

    python benchmarks/field.py [--quick]

The peers are installed from PyPI into build/bench-venv on the first run. Writes benchmarks/results/field.md and .json,
and field.png where matplotlib is installed. A number is the median of a few repetitions, of builds too: cold from an
empty cache; with the prelude from one that has built other designs before. A peer that fails is noted, and so is a
model that hwq fails on.
"""

from __future__ import annotations

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # before numpy: the comparison is on one thread

import argparse
import json
import platform
import shutil
import subprocess
import tempfile
import time
import venv
from datetime import date
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from field_report import compared, goals, plot, report, seconds
from onnx import TensorProto, helper, numpy_helper
from peers import median

import hwq
from hwq.build.emulator import Emulator, load_library
from hwq.build.toolchain import compiler_version, require_compiler
from hwq.report.text_table import text_table
from hwq.simulate.simulator import Simulator

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "models"
RESULTS = Path(__file__).resolve().parent / "results"
PEERS = ("hls4ml", "qonnx", "onnxruntime")
DOMAIN = "qonnx.custom_op.general"
MODELS = (
    "TFC_1W1A",
    "TFC_1W2A",
    "bv_bc_mlp_w3a3_hardtanh",
    "bv_digits_mlp_ternary_a3",
    "bv_digits_mlp_w4a4",
    "qkeras_jettagging",
    "bv_digits_cnn_w4a4_pc",
    "bv_digits_resnet_w6a6_trunc",
    "ex_separable_conv_ch_last_16",
)
INPUT_TYPES = {"qkeras_jettagging": {"global_in": "ap_fixed<16,6>"}}  # as wide as hls4ml is told to make it
CURVE = (10_000, 100_000, 1_000_000, 10_000_000)
LIMIT = 180  # seconds that a peer may take
BUILDS = 3  # of which the median counts


def mlp(widths: tuple[int, ...], name: str, bits: int = 8) -> onnx.ModelProto:
    """A QONNX MLP of one bit width, with scales that are powers of two, as hls4ml wants them."""
    rng = np.random.default_rng(0)
    constants: list[onnx.TensorProto] = []
    nodes: list[onnx.NodeProto] = []

    def constant(key: str, value: Any) -> str:
        constants.append(numpy_helper.from_array(np.asarray(value, dtype=np.float32), key))
        return key

    def quant(x: str, y: str, scale: float, signed: int, narrow: int) -> str:
        inputs = [x, constant(f"{y}_s", scale), constant(f"{y}_z", 0), constant(f"{y}_b", bits)]
        nodes.append(
            helper.make_node(
                "Quant", inputs, [y], name=y, domain=DOMAIN, signed=signed, narrow=narrow, rounding_mode="ROUND"
            )
        )
        return y

    edge = quant("x", "xq", 2.0**-7, 1, 0)
    for i, (n_in, n_out) in enumerate(pairwise(widths)):
        weights = quant(constant(f"w{i}", rng.uniform(-1, 1, (n_in, n_out))), f"wq{i}", 2.0**-7, 1, 1)
        nodes.append(helper.make_node("MatMul", [edge, weights], [f"h{i}"], name=f"fc{i}"))
        edge = f"h{i}"
        if i < len(widths) - 2:
            nodes.append(helper.make_node("Relu", [edge], [f"r{i}"], name=f"relu{i}"))
            edge = quant(f"r{i}", f"a{i}", 0.25, 0, 0)
    ports = [
        (n, helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, w]))
        for n, w in (("x", widths[0]), (edge, widths[-1]))
    ]
    graph = helper.make_graph(nodes, name, [ports[0][1]], [ports[1][1]], constants)
    imports = [helper.make_opsetid("", 13), helper.make_opsetid(DOMAIN, 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def environment(folder: Path) -> Path:
    """The Python of the peers' own environment, made on the first run."""
    python = folder / "bin" / "python"
    if not (folder / "ready").is_file():
        print(f"installing {', '.join(PEERS)} into {folder} ...", flush=True)
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PEERS], check=True)
        (folder / "ready").write_text("\n".join(PEERS))
    return python


def peer(python: Path, which: str, model: Path, work: Path) -> dict[str, Any]:
    """What a peer needs for a model, or why it does not run it."""
    command = [
        str(python),
        "-P",  # quantizers.py of this folder is not the package that hls4ml imports
        str(Path(__file__).with_name("peers.py")),
        which,
        str(model),
        str(work / which / model.stem),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT)
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        return {"failed": f"no result in {LIMIT} s"}
    except (ValueError, IndexError):
        return {"failed": f"exit status {done.returncode}"}
    return found


def timed(run: Any) -> tuple[float, Any]:
    """Seconds of one call, and what it returned."""
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


def middle(run: Any) -> tuple[float, Any]:
    """The median of the seconds of some calls, each with an empty build cache; and what the last returned."""
    taken = []
    for _ in range(BUILDS):
        with tempfile.TemporaryDirectory() as cache:
            os.environ["XDG_CACHE_HOME"] = cache
            seconds_taken, result = timed(run)
            taken.append(seconds_taken)
    return sorted(taken)[BUILDS // 2], result


class Stages:
    """Collects how long the stages of a verification take."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = ("", time.perf_counter())

    def __call__(self, label: str) -> None:
        now = time.perf_counter()
        self.seconds[self._last[0].split(" ")[0]] = now - self._last[1]
        self._last = (label, now)


def warmed(work: Path) -> Path:
    """A build cache as a machine has it that has built other designs: the vendor's headers are parsed."""
    cache = work / "warm"
    os.environ["XDG_CACHE_HOME"] = str(cache)
    for k in range(2):
        path = work / f"warm{k}.onnx"
        onnx.save(mlp((4, 3 + k), f"warm{k}"), path)
        assert hwq.compile(path).export(work / "own" / path.stem, force=True).verify(samples=2)
    return cache


def from_source(path: Path, config: dict[str, Any], folder: Path) -> Emulator:
    """The source of a native project, its loops and folds as they are, loaded into this process."""
    project = hwq.compile(path, {**config, "target": "native"}).export(folder, force=True)
    files = {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}
    design = project.design
    return Emulator(Simulator(design.graph), load_library(files, design.graph, design.settings().top))


def compiling(project: Any, x: Any, work: Path, warm: Path | None) -> float:
    """The median of the seconds that compilations take, each with an empty build cache or a copy of a `warm` one."""
    taken = []
    for _ in range(BUILDS):
        with tempfile.TemporaryDirectory(dir=work) as cache:
            if warm is not None:
                shutil.copytree(warm, cache, dirs_exist_ok=True)
            os.environ["XDG_CACHE_HOME"] = cache
            stages = Stages()
            assert project.verify(x, stage=stages)
            stages("")
            taken.append(stages.seconds["compiling"])
    return sorted(taken)[BUILDS // 2]


def own(path: Path, work: Path, warm: Path) -> dict[str, Any]:
    """hwq's figures for a model."""
    config = {"input_types": INPUT_TYPES.get(path.stem, {})}
    export, project = timed(lambda: hwq.compile(path, config).export(work / "own" / path.stem, force=True))
    design = project.design
    shape = tuple(n for i, n in enumerate(design.inputs[0].shape) if i or n != 1)
    x = np.random.default_rng(0).normal(size=(256, *shape)).astype(np.float32)  # as the peers get them
    cold, prelude = (compiling(project, x[:2], work, cache) for cache in (None, warm))
    native, emulator = middle(design.emulator)
    source, exported = middle(lambda: from_source(path, config, work / "native"))
    expected = design.simulate(x, codes=True)
    assert np.array_equal(emulator(x, codes=True), expected)
    assert np.array_equal(exported(x, codes=True), expected)
    many = np.concatenate([x] * 8)
    with tempfile.TemporaryDirectory(dir=work) as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        design.emulator()
        again, _ = timed(design.emulator)
        assert project.verify(x[:2])
        vendor = Stages()
        assert project.verify(many, stage=vendor)
        vendor("")
    return {
        "macs": sum(r["macs"] for r in design.rows()),
        "export": export,
        "build vendor": cold,
        "build vendor prelude": prelude,
        "csim vendor": vendor.seconds["running"] / len(many),
        "build source": source,
        "build emulator": native,
        "build again": again,
        "source": median(lambda: exported(many, threads=1)) / len(many),
        "source all cores": median(lambda: exported(many)) / len(many),
        "emulator": median(lambda: emulator(many, threads=1)) / len(many),
        "emulator all cores": median(lambda: emulator(many)) / len(many),
        "simulate 1": median(lambda: design.simulate(x[:1])),
        "simulate 256": median(lambda: design.simulate(x)),
    }


def curve(work: Path, sizes: tuple[int, ...]) -> list[dict[str, Any]]:
    """Export, native build and run of one square dense layer of so many weights."""
    rows = []
    for size in sizes:
        n = round(size**0.5)
        path = work / f"dense{n}.onnx"
        onnx.save(mlp((n, n), f"dense{n}"), path)
        export, project = middle(lambda path=path: hwq.compile(path).export(work / "curve", force=True))
        build, emulator = middle(project.design.emulator)
        source, exported = middle(lambda path=path: from_source(path, {}, work / "native"))
        x = np.random.default_rng(0).normal(size=(64, n)).astype(np.float32)
        run, native = (median(partial(e, x, threads=1)) / len(x) for e in (emulator, exported))
        simulate = median(partial(project.design.simulate, x)) / len(x)
        row = {"weights": n * n, "export": export, "native build": source, "native": native}
        rows.append({**row, "emulator build": build, "emulator": run, "simulate": simulate})
        print(
            f"  {n * n} weights: export {seconds(export)}, build {seconds(source)}, emulator {seconds(run)}", flush=True
        )
    return rows


def machine(python: Path) -> dict[str, str]:
    """Where the numbers come from."""
    versions = subprocess.run(
        [python, "-m", "pip", "list", "--format=json"], capture_output=True, text=True, check=True
    )
    packages = {p["name"]: p["version"] for p in json.loads(versions.stdout)}
    cpu = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "",
    )
    return {
        "date": date.today().isoformat(),
        "machine": f"{cpu or platform.processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start",
        "compiler": compiler_version(require_compiler()),
        "versions": f"Python {platform.python_version()}, numpy {np.__version__}, hwq {hwq.__version__}, "
        + ", ".join(f"{p} {packages.get(p, '?')}" for p in PEERS),
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one model, and the curve to 1 M weights; writes nothing")
    quick = parser.parse_args().quick
    python = environment(ROOT / "build" / "bench-venv")
    found: dict[str, Any] = {"machine": machine(python), "models": []}
    with tempfile.TemporaryDirectory(prefix="hwq-field-") as name:
        work = Path(name)
        onnx.save(mlp((784, 64, 64, 10), "mlp_784_64_64_10"), work / "mlp_784_64_64_10.onnx")
        warm = warmed(work)
        shared = [p for p in (SHARED / f"{m}.onnx" for m in MODELS) if p.is_file() and not quick]
        for path in (work / "mlp_784_64_64_10.onnx", *shared):
            print(path.stem, flush=True)
            record: dict[str, Any] = {"model": path.stem}
            try:
                record["hwq"] = own(path, work, warm)
            except (hwq.HwqError, AssertionError) as error:
                record["hwq"] = {"failed": str(error) or "not equal"}
            record.update({which: peer(python, which, path, work) for which in ("hls4ml", "qonnx", "ort")})
            found["models"].append(record)
        found["curve"] = curve(work, CURVE[:3] if quick else CURVE)
    print(text_table(["model", "what", "hwq", "peer", "theirs", "ratio"], compared(found["models"]), right=(2, 4, 5)))
    print(text_table(["what", "goal", "least", "most", "reached"], goals(found)))
    if not quick:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "field.md").write_text(report(found))
        (RESULTS / "field.json").write_text(json.dumps(found, indent=1) + "\n")
        plot(found, RESULTS / "field.png")


if __name__ == "__main__":
    main()
