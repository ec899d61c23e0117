"""Layers as shared adders, synthesized by yosys for xc7 without DSPs: LUTs beside adders, bits and seconds.

    python benchmarks/hardware.py [--quick] [--peer PYTHON]

yosys comes with the package `pyosys`, the peer with `alkaid`; PYTHON is that of an environment which has both. Both
graphs go through the same printer here: a wire of exact width for each sum. Writes benchmarks/results/hardware.md.
yosys' counts are not Vivado's: it has no ternary adders and packs small LUTs pessimistically.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from math import exp, log
from pathlib import Path
from typing import Any

import numpy as np

from hwq.numeric.fixed import FixedType
from hwq.ops.parts.adder_graph import CONSTANT, AdderGraph, Operand
from hwq.passes.circuits.adder_graph import solved
from hwq.passes.circuits.adder_graph.builder import Builder
from hwq.report.text_table import text_table

RESULTS = Path(__file__).resolve().parent / "results" / "hardware.md"
RANDOM = 20
YOSYS = """
import json, sys
from pyosys import libyosys as ys
design = ys.Design()
ys.run_pass(f"read_verilog {sys.argv[1]}", design)
for line in ("abc9.verify 0", "abc9.nomfs 1", "abc9.script +&if,{W},{D}"):  # its defaults do not finish on adders
    ys.run_pass(f"scratchpad -set {line}", design)
ys.run_pass("synth_xilinx -family xc7 -flatten -nodsp -noiopad -abc9 -top layer", design)
ys.run_pass(f"tee -q -o {sys.argv[2]} stat -json", design)
"""
PEER = """
import json, sys, time
import numpy as np
from alkaid.cmvm import cmvm_solve
problem = json.load(open(sys.argv[1]))
kernel = np.asarray(problem["matrix"], dtype=np.float32)
started = time.perf_counter()
stages = cmvm_solve(kernel, qintervals=[(float(a), float(b), 1.0) for a, b in zip(problem["lo"], problem["hi"])])
seconds = time.perf_counter() - started
plain = [
    {
        "inputs": list(s.inp_shifts),
        "outputs": [list(map(int, o)) for o in zip(s.out_idxs, s.out_shifts, s.out_negs)],
        "ops": [[list(o.addr), int(o.opcode), list(o.data)] for o in s.ops],
    }
    for s in stages
]
json.dump({"seconds": seconds, "stages": plain}, open(sys.argv[2], "w"))
"""

Problem = tuple[str, Any, Any, Any]


def verilog(graph: AdderGraph) -> str:
    """One module, `layer`: inputs x0.., outputs y0.., a wire of exactly its range's width for each sum."""

    def wire(kind: FixedType) -> str:
        return f"{'signed ' if kind.signed else ''}[{max(1, kind.width) - 1}:0]"

    def term(operand: Operand) -> str:
        name = f"x{operand.signal}" if operand.signal < graph.inputs else f"s{operand.signal - graph.inputs}"
        signed = graph.type_of(operand.signal).signed
        low = f", {operand.shift}'b0" if operand.shift else ""
        return f"$signed({{{'' if signed else chr(49) + chr(39) + 'b0, '}{name}{low}}})"

    used = sorted({o.signal for a in graph.adders for o in (a.left, a.right)} | {o.signal for o in graph.outputs})
    reads = [i for i in used if 0 <= i < graph.inputs]
    ports = [f"input {wire(graph.type_of(i))} x{i}" for i in reads]
    body = []
    for at, adder in enumerate(graph.adders):
        parts: list[str] = []
        for operand in sorted((adder.left, adder.right), key=lambda o: o.negative):
            value = str(adder.constant) if operand.signal == CONSTANT else term(operand)
            parts.append(("- " if operand.negative else "+ " if parts else "") + value)
        body.append(f"  wire {wire(graph.type_of(graph.inputs + at))} s{at} = {' '.join(parts)};")
    for number, output in enumerate(graph.outputs):
        if output.signal == CONSTANT:
            continue
        lo, hi = graph.ranges[output.signal]
        ports.append(f"output {wire(FixedType.covering(lo << output.shift, hi << output.shift))} y{number}")
        body.append(f"  assign y{number} = {term(output)};")
    return "module layer({});\n{}\nendmodule\n".format(", ".join(ports), "\n".join(body))


def luts(text: str, python: str) -> int:
    """LUTs of a module, all sizes."""
    with tempfile.TemporaryDirectory() as folder:
        source, stat = Path(folder) / "layer.v", Path(folder) / "stat.json"
        source.write_text(text)
        subprocess.run([python, "-c", YOSYS, str(source), str(stat)], capture_output=True, check=True, timeout=600)
        cells = json.loads(stat.read_text())["design"]["num_cells_by_type"]
    return sum(int(count) for kind, count in cells.items() if kind.startswith("LUT"))


def peer(problem: Problem, python: str) -> tuple[AdderGraph, float]:
    """What alkaid makes of a problem, and its seconds; its negated outputs are subtracted from 0."""
    _, matrix, lo, hi = problem
    with tempfile.TemporaryDirectory() as folder:
        given, answer = Path(folder) / "given.json", Path(folder) / "answer.json"
        given.write_text(json.dumps({"matrix": matrix.tolist(), "lo": lo.tolist(), "hi": hi.tolist()}))
        subprocess.run([python, "-c", PEER, str(given), str(answer)], capture_output=True, check=True, timeout=600)
        found = json.loads(answer.read_text())
    builder = Builder(lo, hi)
    values: list[Operand | None] = [Operand(i) for i in range(len(lo))]
    for stage in found["stages"]:
        terms: list[Operand | None] = []
        for addresses, code, data in stage["ops"]:
            if code == -1:
                terms.append(moved(values[data[0]], stage["inputs"][data[0]], False))
            else:
                first, second = terms[addresses[0]], moved(terms[addresses[1]], data[0], code == 1)
                terms.append(joined(builder, first, second))
        values = [None if i < 0 else moved(terms[i], shift, bool(neg)) for i, shift, neg in stage["outputs"]]
    outputs = tuple(Operand(CONSTANT) if v is None else builder.plus(v, 0) for v in values)
    graph = AdderGraph(lo, hi, tuple(builder.adders), outputs)
    graph.prove(matrix, None)
    return graph, float(found["seconds"])


def moved(term: Operand | None, shift: int, negative: bool) -> Operand | None:
    """A term times a power of two, and perhaps -1; None is 0."""
    return None if term is None else Operand(term.signal, term.shift + shift, term.negative != negative)


def joined(builder: Builder, a: Operand | None, b: Operand | None) -> Operand | None:
    """The sum of two terms."""
    return (b if a is None else a) if a is None or b is None else builder.join(a, b)


def problems(quick: bool) -> Iterator[Problem]:
    """The example's layers, and random ones: 8 to 48 inputs and outputs, 1 to 8 bits, sparse to dense."""
    import hwq
    from hwq.ops import Products

    root = Path(__file__).resolve().parents[1]
    models: list[tuple[str, Path, dict[str, Any]]] = [("rings", root / "examples" / "rings.onnx", {})]
    shared = root.parent / "shared" / "models"
    if not quick and shared.is_dir():
        models += [
            ("jet", shared / "qkeras_jettagging.onnx", {"input_types": {"global_in": "ap_fixed<16,6>"}}),
            ("mlp_w4a4", shared / "bv_digits_mlp_w4a4.onnx", {}),
            ("TFC", shared / "TFC_1W1A.onnx", {}),
        ]
    for label, path, config in models:
        graph = hwq.compile(path, {"reuse": 1, **config}).graph
        for node in graph.nodes:
            if isinstance(node.op, Products) and node.op.folds == (1, 1):
                lo, hi = node.op.reach(graph.ins(node)[0])
                matrix = np.asarray(node.op.matrix, dtype=np.int64)
                size = f"{matrix.shape[0]}x{matrix.shape[1]}"
                yield f"{label} {node.name} {size}", matrix, np.full(len(matrix), lo), np.full(len(matrix), hi)
    rng = np.random.default_rng(7)
    for number in range(1 if quick else RANDOM):
        inputs, outputs, bits = int(rng.integers(8, 49)), int(rng.integers(8, 49)), int(rng.integers(1, 9))
        density, width, signed = float(rng.choice([0.1, 0.3, 0.6, 1.0])), int(rng.integers(1, 9)), bool(rng.integers(2))
        most = max(1, (1 << (bits - 1)) - 1)
        matrix = (
            rng.choice([-1, 1], (inputs, outputs)) if bits == 1 else rng.integers(-most, most + 1, (inputs, outputs))
        )
        matrix = np.where(rng.random(matrix.shape) < density, matrix, 0)
        lo, hi = (-(1 << (width - 1)), (1 << (width - 1)) - 1) if signed else (0, (1 << width) - 1)
        label = f"random {number}: {inputs}x{outputs} w{bits} {density:.0%} x{'s' if signed else 'u'}{width}"
        yield label, matrix, np.full(inputs, lo), np.full(inputs, hi)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table; with a peer and all problems, write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the example and one random matrix; writes nothing")
    parser.add_argument("--peer", default="", help="python of an environment with pyosys and alkaid")
    chosen = parser.parse_args(arguments)
    heads = ["matrix", "adders", "depth", "bits", "s"]
    heads += ["alkaid adders", "bits", "s", "LUT", "alkaid LUT", "ratio"] if chosen.peer else []
    rows, ratios = [], []
    for problem in problems(chosen.quick):
        started = time.perf_counter()
        ours = solved(*problem[1:])
        seconds = time.perf_counter() - started
        row = [problem[0], str(len(ours.adders)), str(ours.depth), str(ours.bits), f"{seconds:.2f}"]
        if chosen.peer:
            theirs, their_seconds = peer(problem, chosen.peer)
            counts = [luts(verilog(g), chosen.peer) for g in (ours, theirs)]
            ratios.append((len(ours.adders) / max(1, len(theirs.adders)), counts[0] / max(1, counts[1])))
            row += [str(len(theirs.adders)), str(theirs.bits), f"{their_seconds:.2f}", *map(str, counts)]
            row.append(f"{ratios[-1][1]:.3f}")
        rows.append(row)
        print("  ".join(row), file=sys.stderr, flush=True)
    text = text_table(heads, rows)
    if ratios:
        means = [exp(sum(log(r[k]) for r in ratios) / len(ratios)) for k in (0, 1)]
        text += f"\n\nGeometric mean, hwq over alkaid: adders {means[0]:.3f}, LUTs {means[1]:.3f}."
    print(text)
    if chosen.peer and not chosen.quick:
        RESULTS.write_text(f"# Constant matrices as adders\n\n{__doc__.strip()}\n\n```\n{text}\n```\n")


if __name__ == "__main__":
    main()
