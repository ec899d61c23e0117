"""`hwq config`: a quantizer template for a float model, filled from calibration data."""

from __future__ import annotations

from pathlib import Path

import click

from hwq.cli.options import INPUT_SHAPE, FilePath, named_pairs, progress
from hwq.codegen.project import write_file
from hwq.report.text_table import text_table


@click.command("config")
@click.argument("model", type=FilePath())
@click.option("-o", "--output", required=True, type=FilePath(dir_okay=False), help="Where to write: .yaml.")
@click.option("--calibrate", type=FilePath(dir_okay=False), help="Inputs: .npy, or .npz with an array per input.")
@click.option("--bits", type=click.IntRange(2, 24), default=8, show_default=True, help="Width of weights and outputs.")
@click.option("--scale", type=click.Choice(["po2", "real"]), default="po2", show_default=True, help="Kind of scales.")
@INPUT_SHAPE
def config_command(
    model: str, output: str, calibrate: str | None, bits: int, scale: str, input_shape: tuple[str, ...]
) -> None:
    """Write a config that says how a float ONNX or Keras model is quantized; --calibrate fills it from data.

    \b
    Examples:
      hwq config float.onnx -o quant.yaml --calibrate x.npy --bits 8
      hwq export float.onnx --config quant.yaml -o build
      hwq config model.keras -o quant.yaml --calibrate x.npy
    """
    from hwq.cli.arrays import load_arrays
    from hwq.config import load_config
    from hwq.frontends.loading import load_model
    from hwq.models.keras import convert, is_keras_file
    from hwq.models.quantize import calibrated, template
    from hwq.models.quantize.calibrate import model_inputs

    shapes = load_config({"input_shapes": named_pairs(input_shape, "--input-shape")}).input_shapes
    stage = progress()
    stage("reading the model")
    loaded = convert(model) if is_keras_file(model) else load_model(model)[0]
    found = None
    if calibrate is not None:
        stage("calibrating")
        found = calibrated(loaded, load_arrays(calibrate, [p.name for p in model_inputs(loaded)]), bits, scale)
    write_file(Path(output), template(loaded, Path(model).name, bits, found, shapes).encode())
    stage.close()
    if found is not None:
        rows = [[layer, f"{100 * error:.3g} %"] for layer, error in found.errors.items()]
        click.echo(text_table(["layer", "error of its output"], rows, right=(1,)))
    click.echo(f"next: hwq export {model} --config {output}")
