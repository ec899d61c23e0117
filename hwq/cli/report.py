"""`hwq report`: one HTML page of a design, with pictures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hwq.cli.options import MOST_SAMPLES, FilePath, compile_model, model_options, progress
from hwq.errors import SpecError

if TYPE_CHECKING:
    from hwq.design import Project

EXIT_DIFFERENT = 1


@click.command()
@click.argument("model_or_dir", type=FilePath())
@model_options
@click.option("-o", "--output", required=True, type=FilePath(dir_okay=False), help="The page to write: .html.")
@click.option(
    "--verify", "verified", is_flag=True, help="Verify too, and show the outcome. Exit status 1 if any differs."
)
@click.option(
    "--types", type=click.Choice(["vendor", "native"]), default="vendor", help="Arithmetic that --verify takes."
)
@click.option("--data", type=FilePath(dir_okay=False), help="Inputs that --verify takes.  [default: drawn]")
@click.option("--samples", type=click.IntRange(1, MOST_SAMPLES), help="Samples that --verify takes.  [default: 100]")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the samples drawn without --data."
)
def report(
    model_or_dir: str,
    output: str,
    verified: bool,
    types: str,
    data: str | None,
    samples: int | None,
    seed: int,
    **options: Any,
) -> None:
    """Write one self-contained HTML page: layers, costs, proofs, the graph, and every table against its real function.

    \b
    Examples:
      hwq report model.onnx -o report.html
      hwq report build -o report.html --verify
    """
    import tempfile

    from hwq.cli.arrays import load_data
    from hwq.cli.verify import refuse_options, verdict_text
    from hwq.codegen.project import recovered, write_file
    from hwq.design import Project
    from hwq.report import pictures, report_page

    stage = progress()
    project: Project | None = None
    if recovered(Path(model_or_dir)):
        refuse_options(options)
        project = Project.load(model_or_dir, stage)
        design = project.design
    else:
        design = compile_model(model_or_dir, options, stage)
    verdicts: list[dict[str, Any]] = []
    if verified:
        with tempfile.TemporaryDirectory(prefix="hwq-") as work:
            stage("writing the project")
            shown = project or design.export(Path(work) / "project")
            x = None if data is None else load_data(data, design, samples)
            result = shown.verify(x, types, samples=samples or 100, seed=seed, stage=stage)
            verdicts.append({"text": verdict_text(shown, result), "equal": bool(result)})
    elif data is not None or samples is not None:
        raise SpecError("--data and --samples without --verify", remedy="add --verify")
    stage("drawing")
    page = report_page(design, list(pictures(design.stages(), design.graph)), verdicts)
    write_file(Path(output), page.encode())
    stage.close()
    click.echo("\n".join([*(v["text"] for v in verdicts), f"{output}: {len(page.encode()) / 1000:.0f} kB"]))
    if not all(v["equal"] for v in verdicts):
        sys.exit(EXIT_DIFFERENT)
