"""`hwq convert`: a Keras or QKeras file becomes a quantized ONNX file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from hwq.cli.options import FilePath, progress
from hwq.codegen.project import write_file
from hwq.errors import printable


@click.command("convert")
@click.argument("model", type=FilePath())
@click.option("--weights", type=FilePath(dir_okay=False), help="HDF5 weights, instead of the file's own.")
@click.option("--end", "ends", multiple=True, metavar="LAYER", help="End the model at this layer; may be repeated.")
@click.option("-o", "--output", required=True, type=FilePath(dir_okay=False), help="Where to write: .onnx.")
def convert_command(model: str, weights: str | None, ends: tuple[str, ...], output: str) -> None:
    """Convert a QKeras file (.keras, .h5 or .json) to quantized ONNX. Needs no TensorFlow and runs no code of the file.

    As in QKeras, a kernel's quantizer with alpha None scales by a power of two per output channel (auto_po2); those of
    biases and activations do not. Automatic scales are computed here and written as constants.

    \b
    Examples:
      hwq convert model.keras -o model.onnx
      hwq convert model.json --weights weights.h5 --end logits -o model.onnx
    """
    from hwq.models.keras import convert

    stage = progress()
    stage("converting")
    converted = convert(model, weights, ends=ends)
    write_file(Path(output), converted.SerializeToString(deterministic=True))
    stage.close()
    graph = converted.graph
    kinds = Counter(node.op_type for node in graph.node)
    names = [", ".join(printable(port.name) for port in ports) for ports in (graph.input, graph.output)]
    click.echo(f"{output}: {len(graph.node)} nodes ({', '.join(f'{n} {kind}' for kind, n in kinds.most_common())})")
    click.echo(f"input {names[0]}; output {names[1]}")
    click.echo(f"next: hwq export {output}")
