"""`hwq config`: a quantizer template for a float model, filled from calibration data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hwq.cli.options import progress
from hwq.codegen.project import write_file
from hwq.errors import SpecError
from hwq.report.text_table import text_table


@click.command("config")
@click.argument("model", type=click.Path())
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False), help="Where to write: .yaml.")
@click.option("--calibrate", type=click.Path(dir_okay=False), help="Inputs: .npy, or .npz with an array per input.")
@click.option("--bits", type=click.IntRange(2, 24), default=8, show_default=True, help="Width of weights and outputs.")
@click.option("--scale", type=click.Choice(["po2", "real"]), default="po2", show_default=True, help="Kind of scales.")
def config_command(model: str, output: str, calibrate: str | None, bits: int, scale: str) -> None:
    """Write a config that says how a float ONNX model is quantized; --calibrate fills it from data.

    \b
    Examples:
      hwq config float.onnx -o quant.yaml --calibrate x.npy --bits 8
      hwq export float.onnx --config quant.yaml -o build
    """
    from hwq.frontends.loading import load_model
    from hwq.models.quantize import calibrated, template
    from hwq.models.quantize.calibrate import model_inputs

    stage = progress()
    stage("reading the model")
    loaded, _ = load_model(model)
    found = None
    if calibrate is not None:
        stage("calibrating")
        found = calibrated(loaded, _arrays(calibrate, [p.name for p in model_inputs(loaded)]), bits, scale)
    write_file(Path(output), template(loaded, Path(model).name, bits, found).encode())
    stage.close()
    if found is not None:
        rows = [[layer, f"{100 * error:.3g} %"] for layer, error in found.errors.items()]
        click.echo(text_table(["layer", "error of its output"], rows, right=(1,)))
    click.echo(f"next: hwq export {model} --config {output}")


def _arrays(path: str, names: list[str]) -> dict[str, Any]:
    """Arrays by input name; a single array serves a single input."""
    from hwq.cli.arrays import load_arrays

    arrays = load_arrays(path, names[0] if names else "x")
    if len(names) == 1 and names[0] not in arrays:
        only = arrays.get("x", next(iter(arrays.values())) if len(arrays) == 1 else None)
        if only is None:
            raise SpecError(f"'{path}' has no array '{names[0]}'", remedy="name the array after the input")
        arrays = {names[0]: only}
    return arrays
