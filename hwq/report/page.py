"""The report: one HTML file that needs nothing else, of what a design is, costs and computes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from hwq import __version__
from hwq.codegen.environment import data_folder
from hwq.errors import printable
from hwq.ir.hardware import Graph
from hwq.report.drawing import graph_svg
from hwq.report.pictures import Picture
from hwq.report.plot import STYLE, histogram_svg, picture_svg
from hwq.report.text_table import shortened

if TYPE_CHECKING:
    from hwq.design import Design

MOST_PICTURES = 96  # a page of more helps nobody: `hwq inspect --plot DIR` draws all
MOST_DRAWN = 600  # layers of a drawn graph
BINS = 48
WEIGHTS = ("weights",)  # roles of ROMs that have a histogram


def report_page(design: Design, shown: Sequence[Picture], verdicts: Sequence[dict[str, Any]]) -> str:
    """The page; `verdicts`: records of verifications, with `text` and `equal`."""
    graph: Graph = design.graph
    rows = [_row(k, r) for k, r in enumerate(design.rows(), 1)]
    for name in ("macs", "rom_bits", "cycles"):
        _shares(rows, name)
    estimate = design.estimate()
    page = _environment().get_template("report/report.html.j2")
    return page.render(
        version=__version__,
        name=printable(design.name, 120),
        config=design.config,
        digest=design.weights_digest(),
        tiles=_tiles(rows, estimate, design.config.clock),
        slowest=printable(estimate["slowest"]),
        verdicts=verdicts,
        ports=list(_ports(design)),
        rows=rows,
        proved=_proved(rows),
        drawing=Markup(graph_svg(graph)) if len(graph.nodes) <= MOST_DRAWN else None,
        pictures=[Markup(picture_svg(p)) for p in shown[:MOST_PICTURES]],
        more_pictures=max(0, len(shown) - MOST_PICTURES),
        histograms=[Markup(h) for h in histograms(graph)],
        style=Markup(STYLE),
    )


def _environment() -> Environment:
    """Names come from model files: everything is escaped, but what this package has drawn."""
    return Environment(
        loader=FileSystemLoader([data_folder("templates")]),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _row(number: int, record: dict[str, Any]) -> dict[str, Any]:
    proof = record["proof"]
    text = ""
    if proof is not None:
        counts = [(k, v) for k, v in proof.items() if k != "kind"]
        text = "by formula" if proof["kind"] == "formula" else ", ".join(f"{v:,} {k}" for k, v in counts)
    shape = "×".join(map(str, record["shape"])) or "scalar"
    name = printable(record["node"]) or "(unnamed)"
    return {
        **record,
        **record["estimate"],
        "number": number,
        "full": name,
        "node": shortened(name, 48),
        "shape": shape,
        "proof": text,
        "kernel": printable(record["kernel"], 90),
    }


def _shares(rows: list[dict[str, Any]], name: str) -> None:
    """How far each row's bar reaches, in percent of the greatest."""
    most = max((r[name] for r in rows), default=0) or 1
    for row in rows:
        row[f"{name}_share"] = round(100 * row[name] / most, 1)


def _tiles(rows: list[dict[str, Any]], estimate: dict[str, Any], clock: float) -> list[tuple[str, str, str]]:
    """(label, value, note)."""
    tiles = [
        ("layers", f"{len(rows):,}", ""),
        ("multiply-adds", f"{sum(r['macs'] for r in rows):,}", "a sample"),
        ("ROM bits", f"{sum(r['rom_bits'] for r in rows):,}", ""),
        ("LUT", f"{estimate['lut']:,}", "estimated"),
        ("DSP", f"{estimate['dsp']:,}", "estimated"),
        ("BRAM18", f"{estimate['bram18']:,}", "estimated"),
    ]
    if estimate["uram"]:
        tiles.append(("URAM", f"{estimate['uram']:,}", "estimated"))
    tiles += [
        ("interval", f"{estimate['interval']:,}", "cycles a sample"),
        ("latency", f"{estimate['latency']:,}", "cycles"),
        (
            "samples/s",
            f"{estimate['fps']:,.0f}" if estimate["fps"] >= 100 else f"{estimate['fps']:.3g}",
            f"at {clock:g} ns",
        ),
    ]
    return tiles


def _ports(design: Design) -> Iterator[dict[str, Any]]:
    quantizers = [str(p.quantizer) for p in design.graph.inputs]
    for way, infos in (("input", design.inputs), ("output", design.outputs)):
        for k, info in enumerate(infos):
            edge = design.graph.inputs[k].edge if way == "input" else design.graph.outputs[k].edge
            reached = design.graph.edges[edge]
            yield {
                "way": way,
                "name": printable(info.name),
                "shape": "×".join(map(str, info.shape)) or "scalar",
                "type": str(info.type),
                "scale": _value(info.scale),
                "offset": _value(info.offset),
                "codes": f"{reached.lo} … {reached.hi}",
                "note": f"made by {quantizers[k]}" if way == "input" else "",
            }


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.9g}"
    flat = np.asarray(value).reshape(-1)
    return f"{flat.size} values, {flat.min():.4g} … {flat.max():.4g}"


def _proved(rows: list[dict[str, Any]]) -> int:
    return sum(1 for r in rows if r["proof"])


def histograms(graph: Graph) -> Iterator[str]:
    """How often each weight code occurs, a chart per layer that has weights."""
    for node in graph.nodes:
        for rom in node.op.roms():
            if rom.role not in WEIGHTS or not rom.words.size:
                continue
            words = rom.codes.reshape(-1)
            lo, hi = int(words.min()), int(words.max())
            width = max(1, -(-(hi - lo + 1) // BINS))
            bins = (hi - lo) // width + 1
            counts = np.bincount(((words - lo) // width).astype(np.int64), minlength=bins)
            middles = [lo + k * width + (width - 1) / 2 for k in range(bins)]
            zeros = float((words == 0).mean())
            about = f"{words.size:,} of {rom.label}, {lo} … {hi}, {zeros:.1%} zero"
            title = shortened(printable(node.name) or "(unnamed)", 40)
            yield histogram_svg(middles, [int(c) for c in counts], title, about)
