"""`hwq simulate`: a model's integers in Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hwq.cli.arrays import load_data, save_npz
from hwq.cli.options import FilePath, compile_model, model_options, progress
from hwq.errors import printable


@click.command()
@click.argument("model", type=FilePath())
@model_options
@click.option("--data", required=True, type=FilePath(dir_okay=False), help="Inputs: .npy or .npz.")
@click.option("-o", "--output", required=True, type=FilePath(dir_okay=False), help="Where to write: .npz.")
@click.option("--codes", is_flag=True, help="Write integer codes instead of values.")
def simulate(model: str, data: str, output: str, codes: bool, **options: Any) -> None:
    """Simulate in Python integers, and write the outputs by name.

    \b
    Example:
      hwq simulate model.onnx --data x.npy -o y.npz
    """
    stage = progress()
    design = compile_model(model, options, stage)
    x = load_data(data, design)
    stage("simulating")
    y = design.simulate(x, codes=codes)
    arrays = y if isinstance(y, dict) else {design.outputs[0].name: y}
    save_npz(Path(output), arrays)
    stage.close()
    for name in design.graph.constants:
        click.echo(f"{printable(name)}: {list(arrays[name].shape)} values that depend on no input")
    for info in design.outputs:
        click.echo(
            f"{printable(info.name)}: {list(arrays[info.name].shape)} {'codes' if codes else 'values'} of {info.type}"
        )
