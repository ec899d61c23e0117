"""`hwq verify`: a project's C++ against the simulator."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hwq.cli.arrays import load_data
from hwq.cli.options import MOST_SAMPLES, FilePath, compile_model, model_options, progress
from hwq.errors import SpecError, printable

if TYPE_CHECKING:
    from hwq.design import Design, Project, Result
    from hwq.models.quantize.agreement import Agreement

EXIT_DIFFERENT = 1
EXECUTORS = ("onnxruntime", "qonnx", "onnx")


@click.command()
@click.argument("model_or_dir", type=FilePath())
@model_options
@click.option(
    "--types", type=click.Choice(["vendor", "native"]), default="vendor", help="Arithmetic to compile against."
)
@click.option("--data", type=FilePath(dir_okay=False), help="Inputs: .npy, or .npz with an array per input.")
@click.option(
    "--samples", type=click.IntRange(1, MOST_SAMPLES), help="Use so many samples.  [default: all of --data, else 100]"
)
@click.option(
    "--against-float", is_flag=True, help="Also report the error against the float model of a `quantize:` config."
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the samples drawn without --data."
)
@click.option("--prove", is_flag=True, help="Compare every quantizer's C++ with exact rationals at each step point.")
@click.option("--reference", type=click.Choice(EXECUTORS), help="Compare values with that executor too; explain all.")
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON.")
def verify(
    model_or_dir: str,
    types: str,
    data: str | None,
    samples: int | None,
    seed: int,
    prove: bool,
    reference: str | None,
    against_float: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Build the project's C++, and compare every output code with the simulator's. Exit status 1 if any differs.

    \b
    Examples:
      hwq verify build
      hwq verify model.onnx --data inputs.npy
      hwq verify build --prove
      hwq verify build --data inputs.npy --reference onnxruntime
    """
    import tempfile

    from hwq.codegen.project import recovered

    stage = progress()
    with tempfile.TemporaryDirectory(prefix="hwq-") as work:
        if recovered(Path(model_or_dir)):
            refuse_options(options)
            from hwq.design import Project

            project = Project.load(model_or_dir, stage)
        else:
            design = compile_model(model_or_dir, options, stage)
            stage("writing the project")
            project = design.export(Path(work) / "project")
        x = None if data is None else load_data(data, project.design, samples)
        result = project.verify(x, types, samples=samples or 100, seed=seed, stage=stage)
        record, lines, fine = verdict(project, result), [verdict_text(project, result)], bool(result)
        if prove:
            proved = project.prove(types, stage=stage)
            record["proof"], fine = proved.plain(), fine and bool(proved)
            lines.append(proved.text(printable(project.design.name)))
        if reference:
            compared = project.design.reference(reference, x, samples=samples or 100, seed=seed, stage=stage)
            record["reference"], fine = compared.plain(), fine and bool(compared)
            lines.append(compared.text(printable(project.design.name)))
        if against_float:
            stage("running the float model")
            near = float_agreements(project.design, x, samples or 100, seed)
            record["against_float"] = [n.plain() for n in near]
            lines += [str(n) for n in near]
    stage.close()
    click.echo(json.dumps(record, indent=1) if as_json else "\n".join(lines))
    if not fine:
        sys.exit(EXIT_DIFFERENT)


def float_agreements(design: Design, x: Any, samples: int, seed: int) -> list[Agreement]:
    """The design's values beside those of the float model it was quantized from."""
    from hwq.codegen.vectors import random_inputs
    from hwq.models.quantize.agreement import agreements

    if design.floating is None:
        raise SpecError(
            "--against-float without a float model", remedy="verify the float model with --config quant.yaml"
        )
    data = random_inputs(design.graph, samples, seed) if x is None else x
    y = design.simulate(data)
    return agreements(design.floating, data, y if isinstance(y, dict) else {design.outputs[0].name: y})


def refuse_options(options: dict[str, Any]) -> None:
    """An exported project has made its choices."""
    given = [k for k, v in options.items() if v not in (None, ())]
    if given:
        raise SpecError(
            f"--{given[0].replace('_', '-')} with an exported project",
            remedy="its choices were made at export: export again",
        )


def verdict(project: Project, result: Result) -> dict[str, Any]:
    """The outcome of a verification as plain data."""
    first, streams = result.first, project.design.config.io == "stream"
    return {
        "equal": bool(result),
        "samples": result.samples,
        "codes": result.codes,
        "mismatches": result.mismatches,
        "first": None if first is None else first.__dict__,
        "target": project.design.config.target,
        "headers": result.headers,
        **({"fault": result.fault or None, "fifos": [f.__dict__ for f in result.fifos]} if streams else {}),
        "digest": project.digest,
    }


def fifo_text(result: Result) -> str:
    """How full the FIFOs of a streaming design became, in a line."""
    if not result.fifos:
        return ""
    fullest = max(result.fifos, key=lambda f: f.most / f.depth)
    return (
        f"\n{len(result.fifos)} FIFOs, none left with data or read when empty; high-water marks: the fullest is "
        f"{printable(fullest.name)} with {fullest.most} of {fullest.depth} tokens (all in --json)"
    )


def verdict_text(project: Project, result: Result) -> str:
    """The outcome of a verification in one or two lines."""
    name = printable(project.design.name)
    if result:
        return (
            f"EQUAL: {name}: all {result.codes} output codes of {result.samples} samples agree "
            f"(simulator = {'Verilog' if result.types == 'rtl' else 'C++'} with {result.headers})"
        ) + fifo_text(result)
    if result.fault:
        return f"FAULT: {name}: {printable(result.fault, 400)}"
    where = f"\n  first: {printable(result.first, 400)}" if result.first else ""
    return f"DIFFERENT: {name}: {result.mismatches} of {result.codes} output codes of {result.samples} samples{where}"
