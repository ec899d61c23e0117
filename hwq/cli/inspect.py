"""`hwq inspect`: what every layer is, in a table or as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hwq.cli.options import FilePath, compile_model, model_options, progress
from hwq.errors import printable
from hwq.report.text_table import shortened, text_table

if TYPE_CHECKING:
    from hwq.design import Design


@click.command()
@click.argument("model", type=FilePath())
@model_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--ir", is_flag=True, help="Print the hardware IR as text.")
@click.option("--plot", type=FilePath(), help="Draw each table against the real function: .svg, .png, or a folder.")
@click.option("--force", is_flag=True, help="Let --plot replace an earlier folder of pictures.")
def inspect(model: str, as_json: bool, ir: bool, plot: str | None, force: bool, **options: Any) -> None:
    """Show types, ranges, products, ROM bits, cycles and estimated resources of every layer.

    \b
    Examples:
      hwq inspect model.onnx --json
      hwq inspect model.onnx --plot tables.svg
    """
    from hwq.analysis.tables import port_record

    stage = progress()
    design = compile_model(model, options, stage)
    if plot is not None:
        from hwq.report import draw

        stage("drawing")
        drawn = draw(design, Path(plot), force=force)
        click.echo(f"{plot}: {drawn} tables and threshold functions drawn", err=True)
    stage.close()
    if ir:
        click.echo(str(design.graph), nl=False)
    elif as_json:
        ports = {"inputs": design.inputs, "outputs": design.outputs}
        record: dict[str, Any] = {k: [port_record(i) for i in v] for k, v in ports.items()}
        record |= design.remarks()
        click.echo(
            json.dumps(
                {"model": design.name, **record, "estimate": design.estimate(), "layers": list(design.rows())}, indent=1
            )
        )
    else:
        click.echo(layer_table(design))


def layer_table(design: Design) -> str:
    """The per-layer table, with the ports above and totals below."""
    lines = []
    for port, info in zip(design.graph.inputs, design.inputs, strict=True):
        lines.append(
            f"input  {shortened(printable(info.name))}: {list(info.shape)} {info.type}, made by {port.quantizer}"
        )
    rows = list(design.rows())
    table = [
        [
            shortened(printable(r["node"]) or "(unnamed)"),
            r["kernel"],
            "x".join(map(str, r["shape"])),
            r["output"],
            f"{r['range'][0]}..{r['range'][1]}",
            r["macs"],
            r["rom_bits"],
            r["cycles"],
            r["estimate"]["lut"],
            r["estimate"]["dsp"],
            r["estimate"]["bram18"],
        ]
        for r in rows
    ]
    header = ["node", "kernel", "shape", "type", "codes", "MACs", "ROM bits", "cycles", "LUT", "DSP", "BRAM18"]
    lines.append(text_table(header, table, right=(5, 6, 7, 8, 9, 10)))
    for info in design.outputs:
        scale = f"{info.scale!r}" if isinstance(info.scale, float) else "per element"
        offset = "" if isinstance(info.offset, float) and info.offset == 0 else ", plus an offset"
        lines.append(f"output {shortened(printable(info.name))}: {list(info.shape)} {info.type}, scale {scale}{offset}")
    for name, values in design.graph.constants.items():
        lines.append(f"constant {shortened(printable(name))}: {list(values.shape)}, an output that depends on no input")
    lines += [f"note   {printable(note, 500)}" for note in design.notes]
    cost = f"{sum(r['macs'] for r in rows)} MACs, {sum(r['rom_bits'] for r in rows)} ROM bits"
    lines.append(f"total  {cost}; semantics: {design.config.semantics}")
    e = design.estimate()
    uram = f", {e['uram']} URAM" if e["uram"] else ""
    lines.append(
        f"about  {e['lut']} LUT, {e['dsp']} DSP, {e['bram18']} BRAM18{uram}; a sample each {e['interval']} cycles "
        f"({e['fps']:.4g}/s at {design.config.clock:g} ns), slowest: {shortened(printable(e['slowest']))}; "
        f"{e['latency']} cycles for one"
    )
    return "\n".join(lines)
