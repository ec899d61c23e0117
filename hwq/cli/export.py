"""`hwq export`: a model to a complete HLS project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from hwq.cli.inspect import layer_table
from hwq.cli.options import FilePath, compile_model, export_options, progress
from hwq.targets import ALL_TARGETS


@click.command()
@click.argument("model", type=FilePath())
@export_options
@click.option("-o", "--output", default=None, type=FilePath(), help="Folder to write.  [default: MODEL's name]")
@click.option("--force", is_flag=True, help="Replace an earlier project in that folder.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def export(model: str, output: str | None, force: bool, as_json: bool, **options: Any) -> None:
    """Write a complete HLS project, and print a table of its layers.

    \b
    Examples:
      hwq export model.onnx -o build
      hwq export model.onnx -o build --input-type 'x=ap_fixed<16,6>' --reuse 8
      hwq export model.onnx -o build --target all
    """
    stage = progress()
    every = options["target"] == ALL_TARGETS
    design = compile_model(model, {**options, "target": None} if every else options, stage)
    stage("writing the project")
    folder = output or f"{Path(model).stem}_{ALL_TARGETS if every else design.config.target}"
    made = design.export_all(folder, force=force) if every else [design.export(folder, force=force)]
    stage.close()
    if as_json:
        records = [{"path": str(p.path), "target": p.design.config.target, "digest": p.digest} for p in made]
        layers = {"weights_digest": design.weights_digest(), "layers": list(design.rows())}
        click.echo(
            json.dumps(
                {"path": str(folder), "projects": records, **layers} if every else {**records[0], **layers}, indent=1
            )
        )
        return
    click.echo(layer_table(design) + "\n")
    for project in made:
        click.echo(f"{project.path}: {len(project.files)} files, digest {project.digest[:16]}")
    if every:
        click.echo(f"weights digest of all: {design.weights_digest()[:16]}")
    click.echo(f"next: hwq verify {made[0].path}")
