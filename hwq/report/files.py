"""Picture files of a design's tables: one SVG sheet of our own, one PNG by matplotlib, or a folder of SVGs."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hwq import __version__
from hwq.codegen.project import MANIFEST, files_digest, write_file, write_files
from hwq.errors import SpecError, ToolError, printable
from hwq.ir.names import unique_namer
from hwq.report.pictures import Picture, pictures
from hwq.report.plot import picture_svg, sheet_svg

if TYPE_CHECKING:
    from hwq.design import Design

INDEX = "pictures.json"
MOST_ON_PNG = 60


def draw(design: Design, path: Path, *, force: bool = False) -> int:
    """Draw every table and threshold function to `path`: a .svg, a .png, or (no suffix) a folder; returns how many."""
    if path.suffix not in (".svg", ".png", ""):
        raise SpecError(f"a picture '{path.name}'", remedy="name a .svg, a .png or a folder")
    shown = list(pictures(design.stages(), design.graph))
    if not shown:
        raise SpecError(
            f"model '{printable(design.name)}' has no table or threshold function to draw",
            remedy="its layers are in hwq report MODEL -o report.html",
        )
    if path.suffix == ".svg":
        write_file(path, sheet_svg(shown).encode())
    elif path.suffix == ".png":
        write_file(path, _png(shown, path))
    else:
        write_files(_folder(shown), path, force=force)
    return len(shown)


def _folder(shown: Sequence[Picture]) -> dict[str, bytes]:
    name_of, index, files = unique_namer(), [], {}
    for one in shown:
        file = f"{name_of(one.edge)}.svg"
        files[file] = picture_svg(one, alone=True).encode()
        record = {"node": one.node, "kernel": one.kernel, "functions": one.functions, "channels": one.channels}
        index.append({"file": file, **record, "error": [one.least, one.most], "codes": one.looked, "all": one.every})
    files[INDEX] = (json.dumps(index, indent=1) + "\n").encode()
    manifest = {"hwq": __version__, "digest": files_digest(files), "files": sorted(files)}
    return {**files, MANIFEST: (json.dumps(manifest, indent=1) + "\n").encode()}


def _png(shown: Sequence[Picture], path: Path) -> bytes:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ToolError("a .png needs matplotlib", remedy="pip install 'hwq[plot]', or name a .svg") from None
    if len(shown) > MOST_ON_PNG:
        raise SpecError(f"{len(shown)} tables in '{path.name}'", remedy="name a .svg or a folder")
    columns = min(2, len(shown))
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(6.4 * columns, 4.2 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(2 * rows, columns, squeeze=False, height_ratios=[3, 1] * rows)
    for k in range(rows * columns):
        above, below = grid[2 * (k // columns)][k % columns], grid[2 * (k // columns) + 1][k % columns]
        if k >= len(shown):
            above.axis("off")
            below.axis("off")
            continue
        one = shown[k]
        above.step(one.codes, one.got, where="mid", color="#1668c7", label="circuit", linewidth=1.2)
        limits = above.get_ylim()
        if one.real is not None:
            above.plot(one.codes, one.real, color="#d9730d", label="real function", linewidth=1, alpha=0.8)
        above.set_ylim(*limits)
        above.set_title(printable(one.node, 60).replace("$", r"\$"), fontsize=9)
        above.set_ylabel(f"output code ({one.types[1]})", fontsize=8)
        above.legend(fontsize=7)
        below.plot(one.codes, one.errors, color="#b3261e", linewidth=0.8)
        below.set_ylabel("error, LSB", fontsize=8)
        below.set_xlabel(f"input code ({one.types[0]})", fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
