"""`hwq quantizer SPEC`: what a quantizer computes and how it is spelled in hardware."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from hwq.cli.options import FilePath
from hwq.errors import SpecError, ToolError
from hwq.quantizers import Quantizer, parse_type, quantizer
from hwq.quantizers.describe import curve, describe, unquantized
from hwq.quantizers.smooth import MODES

EXAMPLE = """Examples:

\b
  hwq quantizer "quantized_bits(8,0,1)"
  hwq quantizer "quantized_tanh(8,use_real_tanh=1)" --input "ap_fixed<16,6>"
  hwq quantizer "quantized_relu(4,2)" --plot relu.svg
"""


@click.command("quantizer", epilog=EXAMPLE, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("spec")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
@click.option("--plot", type=FilePath(dir_okay=False, path_type=Path), help="Draw the transfer curve (.png or .svg).")
@click.option("--internal-sigmoid", type=click.Choice(MODES), help="The sigmoid inside quantizers (default: hard).")
@click.option("--input", "source", metavar="TYPE", help="The input's type, for the size of a table.")
def quantizer_command(
    spec: str, as_json: bool, plot: Path | None, internal_sigmoid: str | None, source: str | None
) -> None:
    """Explain a QKeras quantizer: value range, codes, types in every dialect.

    SPEC is a quantizer as QKeras writes it, quoted for the shell.
    """
    q = quantizer(spec, internal_sigmoid=internal_sigmoid)
    facts = describe(q, None if source is None else parse_type(source)[0])
    if plot is not None:
        draw(q, plot)
        facts["plot"] = str(plot)
    click.echo(json.dumps(facts, indent=2) if as_json else as_text(facts))


def as_text(facts: dict[str, Any]) -> str:
    """The description as aligned lines."""
    low, high = facts["range"]
    lines = [("quantizer", facts["spec"]), ("law", facts["law"]), ("values", f"{low:.10g} .. {high:.10g}")]
    if "codes" in facts:
        first, last = facts["code_range"]
        lines += [
            ("LSB", "none: the values are not evenly spaced" if facts["lsb"] is None else f"{facts['lsb']:.10g}"),
            ("codes", f"{facts['codes']} ({first} .. {last}), {facts['code_word']}"),
            ("code type", facts["type"]),
        ]
        if facts["scale"] is not None:
            lines.append(("scale", str(facts["scale"])))
        if facts["before"]:
            lines.append(("before", f"{facts['before']}, exactly, then the conversion"))
        lines += [(target, text) for target, text in facts["hls"].items()]
        if facts["rom"]:
            rom = facts["rom"]
            width = f" of {rom['width']} bits" if rom["width"] else ""
            words = f"{rom['words']} words{width}" if rom["words"] else f"words{width}"
            note = f"; {rom['note']}" if rom["note"] else ""
            lines.append(("table", f"{words}, addressed by {rom['address']}{note}"))
    if "note" in facts:
        lines.append(("note", facts["note"]))
    if "plot" in facts:
        lines.append(("plot", facts["plot"]))
    text = [f"{name:<10} {value}" for name, value in lines]
    if "table" in facts:
        text += ["", f"{'code':>6}  {'bits':<12}  value"]
        text += [f"{row['code']:>6}  {row['bits']:<12}  {_number(row['value'])}" for row in facts["table"]]
    return "\n".join(text)


def _number(value: Any) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def draw(q: Quantizer, path: Path) -> None:
    """Write the transfer curve. Raises `SpecError` for another suffix, `ToolError` without matplotlib or a place."""
    kind = path.suffix.lower().lstrip(".")
    if kind not in ("png", "svg"):
        raise SpecError(f"a plot named '{path.name}'", remedy="end it in .png or .svg")
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ToolError("matplotlib is not installed", remedy="pip install 'hwq[plot]'") from error
    x, y = curve(q)
    with matplotlib.rc_context({"svg.hashsalt": "hwq", "svg.fonttype": "none"}):
        figure = Figure(figsize=(6.4, 4.8), layout="constrained")
        axes = figure.add_subplot()
        axes.plot(x, unquantized(q, x), color="0.75", linewidth=1.0, label="before quantization")
        for index, column in enumerate(y.reshape(len(x), -1).T):
            axes.plot(x, column, linewidth=1.2, label=None if index else str(q))
        axes.set_xlabel("x")
        axes.set_ylabel("q(x)")
        axes.set_ylim(*_frame(y))
        axes.grid(alpha=0.3)
        axes.legend(loc="upper left", fontsize="small")
        try:
            figure.savefig(path, format=kind, metadata={"Date": None} if kind == "svg" else None)
        except OSError as error:
            raise ToolError(f"cannot write '{path}': {error.strerror}", remedy="choose a writable place") from error


def _frame(y: Any) -> tuple[float, float]:
    low, high = float(y.min()), float(y.max())
    margin = 0.08 * (high - low) or 0.5
    return low - margin, high + margin


__all__ = ["as_text", "draw", "quantizer_command"]
