"""`hwq rom`: weights, biases, thresholds and tables as ROM files, and reading them back."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from hwq.cli.options import FilePath, compile_model, model_options, progress
from hwq.errors import SpecError
from hwq.report.text_table import text_table

EXIT_DIFFERENT = 1


@click.command()
@click.argument("model", type=FilePath(), required=False)
@model_options
@click.option("-o", "--output", type=FilePath(), help="Folder to write.")
@click.option("--format", "formats", default="mem", show_default=True, help="Any of coe,mif,mem,hex,memb,bin,h,npy.")
@click.option(
    "--layout",
    type=click.Choice(["fold", "flat"]),
    default="fold",
    show_default=True,
    help="A word holds a row of [fold][PE*SIMD], as the design reads it, or one code.",
)
@click.option("--check", type=FilePath(), help="Read a folder's files back and compare digests instead.")
@click.option("--force", is_flag=True, help="Replace an earlier ROM folder.")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest, or what --check found, as JSON.")
def rom(
    model: str | None,
    output: str | None,
    formats: str,
    layout: str,
    check: str | None,
    force: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Write weight and table ROMs in any of the common formats, with a manifest; or check such a folder.

    \b
    Examples:
      hwq rom model.onnx -o roms --format coe,mem,h
      hwq rom --check roms
    """
    from hwq.codegen.project import write_files
    from hwq.codegen.rom_files import MANIFEST, check_folder, design_roms, rom_files

    if check is not None:
        problems = check_folder(Path(check))
        fine = f"{check}: every file holds the manifest's codes"
        click.echo(
            json.dumps({"equal": not problems, "problems": problems}) if as_json else "\n".join(problems or [fine])
        )
        if problems:
            sys.exit(EXIT_DIFFERENT)
        return
    if model is None or output is None:
        raise SpecError("hwq rom needs a MODEL and -o DIR, or --check DIR", remedy="see hwq rom --help")
    stage = progress()
    design = compile_model(model, options, stage)
    stage("writing ROM files")
    files = rom_files(design.graph, tuple(f.strip() for f in formats.split(",") if f.strip()), layout)
    write_files(files, Path(output), force=force, marker=MANIFEST)
    stage.close()
    if as_json:
        click.echo(files[MANIFEST].decode(), nl=False)
        return
    rows = [
        [r.name, r.node, r.rom.role, r.rom.depth, r.word_bits, r.rom.label, r.rom.bits]
        for r in design_roms(design.graph, layout)
    ]
    click.echo(text_table(["file", "node", "role", "depth", "word bits", "code", "bits"], rows, right=(3, 4, 6)))
