"""What field.py found, as tables, verdicts on the goals, Markdown and a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


def seconds(value: float | None) -> str:
    """Three figures with a unit."""
    if value is None:
        return "-"
    return f"{value:.3g} s" if value >= 1 else f"{value * 1e3:.3g} ms" if value >= 1e-3 else f"{value * 1e6:.3g} us"


@dataclass(frozen=True)
class Comparison:
    """A figure of hwq's beside a peer's; `goal`: how many times faster hwq is to be."""

    what: str
    ours: str
    peer: str = ""
    theirs: str = ""
    goal: float | None = None

    def ratio(self, record: dict[str, Any]) -> float | None:
        """Above 1: hwq is faster. None where either has no figure."""
        value, other = record["hwq"].get(self.ours), record.get(self.peer, {}).get(self.theirs)
        return other / value if value and other else None


COMPARED = (
    Comparison("convert and write", "export", "hls4ml", "convert"),
    Comparison("build, native types", "build source", "hls4ml", "compile", 4),
    Comparison("build, emulator", "build emulator", "hls4ml", "compile", 4),
    Comparison("build, ap_fixed, cold", "build vendor", "hls4ml", "compile", 4),
    Comparison("build, ap_fixed, with the prelude", "build vendor prelude", "hls4ml", "compile", 4),
    Comparison("C-simulation of a sample, native types, one thread", "source", "hls4ml", "predict", 100),
    Comparison("C-simulation of a sample, native types, all cores", "source all cores", "hls4ml", "predict", 100),
    Comparison("emulator, a sample, one thread", "emulator", "hls4ml", "predict", 100),
    Comparison("emulator, a sample, all cores", "emulator all cores", "hls4ml", "predict", 100),
    Comparison("C-simulation of a sample, ap_fixed", "csim vendor", "hls4ml", "predict", 1),
    Comparison("Python simulator, one sample", "simulate 1", "qonnx", "execute", 100),
    Comparison("Python simulator, 256 samples", "simulate 256", "ort", "batch 256", 1 / 3),
    Comparison("build again (from the cache)", "build again"),
)

CURVES = ("export", "native build", "native", "emulator build", "emulator", "simulate")


def compared(models: list[dict[str, Any]]) -> list[list[Any]]:
    """Rows of model, what, hwq, peer, theirs, ratio (above 1: hwq is faster)."""
    rows = []
    for record in models:
        for c in COMPARED:
            other, ratio = record.get(c.peer, {}).get(c.theirs), c.ratio(record)
            theirs = seconds(other) if c.peer else ""
            shown = "" if ratio is None else f"{ratio:.2f}"
            rows.append([record["model"], c.what, seconds(record["hwq"].get(c.ours)), c.peer, theirs, shown])
    return rows


def goals(found: dict[str, Any]) -> list[list[str]]:
    """Rows of goal, least and greatest over the models where both ran, verdict."""
    rows = []
    for c in COMPARED:
        ratios = {m["model"]: r for m in found["models"] if (r := c.ratio(m)) is not None}
        if c.goal is None or not ratios:
            continue
        least, most = min(ratios, key=ratios.__getitem__), max(ratios, key=ratios.__getitem__)
        reached = sum(r >= c.goal for r in ratios.values())
        verdict = "yes" if reached == len(ratios) else f"on {reached} of {len(ratios)} models"
        goal = f"{c.goal:.3g} x {c.peer}'s {c.theirs}"
        rows.append([c.what, goal, f"{ratios[least]:.3g} ({least})", f"{ratios[most]:.3g} ({most})", verdict])
    sizes = {r["weights"]: r for r in found["curve"]}
    million = sizes.get(1_000_000)
    for key, limit in (("export", 3), ("native build", 15), ("emulator build", 15)):
        if million:
            verdict = "yes" if million[key] < limit else "no"
            rows.append([f"{key}, 1 M weights", f"{limit} s", seconds(million[key]), "", verdict])
    first, last = found["curve"][-2:]
    for key in CURVES:
        growth = (last[key] / first[key]) / (last["weights"] / first["weights"])
        what = f"{key}, per weight, at {last['weights']:,} and {first['weights']:,} weights"
        rows.append([what, "linear: at most 1.5", f"{growth:.2f}", "", "yes" if growth <= 1.5 else "no"])
    return rows


def report(found: dict[str, Any]) -> str:
    """The results as Markdown."""
    lines = ["# hwq beside its field", "", "Written by `python benchmarks/field.py`; numbers as measured.", ""]
    lines += [f"- {key}: {value}" for key, value in found["machine"].items()]
    lines += [
        "",
        "A ratio above 1 means that hwq is faster. onnxruntime (ort) runs the same graph in float32 without",
        "quantizers, the floor for any simulator. hls4ml's predict includes its Python loop; hwq's C-simulation with",
        "ap_fixed includes the writing and reading of vectors and the start of its processes, one for each core.",
        "The prelude is the vendor's headers as parsed; the build cache holds it from a machine's second build on.",
        "Native types: the source of a project of target `native`, its loops and folds as they are; its build with",
        "compile and export. The emulator (`Design.emulator()`) is the same design with sums and steps in the order",
        "that vector units want. All get the same float32 samples.",
        "",
    ]

    def table(header: list[str], rows: list[list[Any]]) -> list[str]:
        rule = "|" + "---|" * len(header)
        return ["| " + " | ".join(header) + " |", rule, *("| " + " | ".join(map(str, r)) + " |" for r in rows), ""]

    lines += ["## Goals", ""]
    lines += table(["what", "goal", "least", "most", "reached"], goals(found))
    lines += ["## Models", ""]
    lines += table(["model", "what", "hwq", "peer", "theirs", "ratio"], compared(found["models"]))
    missing = [
        f"- {n} on {m['model']}: {m[n]['failed']}"
        for m in found["models"]
        for n in ("hwq", "hls4ml", "qonnx", "ort")
        if "failed" in m[n]
    ]
    lines += ["Not run:", "", *missing, ""] if missing else []
    lines += ["## Cost by size: one square dense layer, 8-bit weights and inputs", ""]
    lines += [
        "Export, and builds, as a whole; the rest for a sample. More than linear is memory: weights that no longer fit",
        "the processor's caches, and arrays past 32 MB, whose pages the system maps and clears each time.",
        "",
    ]
    header = ["weights", *CURVES]
    lines += table(header, [[f"{r['weights']:,}", *(seconds(r[k]) for k in CURVES)] for r in found["curve"]])
    return "\n".join(lines)


def plot(found: dict[str, Any], path: Path) -> None:
    """Both halves of the report as one picture, where matplotlib is installed."""
    try:
        import matplotlib
    except ImportError:
        return
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.5), layout="constrained")
    shown = [c for c in COMPARED if c.peer]
    for i, m in enumerate(found["models"]):
        points = [(r, k) for k, c in enumerate(shown) if (r := c.ratio(m)) is not None]
        left.plot([r for r, _ in points], [k + 0.04 * i - 0.16 for _, k in points], "o", markersize=5, label=m["model"])
    for k, c in enumerate(shown):
        if c.goal:
            left.plot([c.goal] * 2, [k - 0.4, k + 0.4], color="black", linewidth=1.5)
    left.set_yticks(range(len(shown)), [f"{c.what} (than {c.peer}'s {c.theirs})" for c in shown], fontsize=7)
    left.invert_yaxis()
    left.set_xscale("log")
    left.grid(axis="x", alpha=0.3)
    left.set_xlabel("times faster than the peer; black: the goal")
    left.legend(fontsize=6)
    for key in CURVES:
        right.loglog([r["weights"] for r in found["curve"]], [r[key] for r in found["curve"]], marker="o", label=key)
    right.set_xlabel("weights")
    right.set_ylabel("seconds")
    right.legend()
    figure.savefig(path, dpi=120)
