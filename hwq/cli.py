"""The command line: thin. Every command reads its arguments, calls the Python face and prints."""

from __future__ import annotations

import json
import os
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from hwq import __version__
from hwq.cli_options import compile_model, export_options, model_options, progress
from hwq.errors import HwqError, SpecError, ToolError, printable
from hwq.tables import shortened, text_table
from hwq.targets import ALL_TARGETS

if TYPE_CHECKING:
    from hwq.design import Design, Project, Result
    from hwq.quantize.agreement import Agreement

EXIT_DIFFERENT, EXIT_UNUSABLE = 1, 2
EXECUTORS = ("onnxruntime", "qonnx", "onnx")


class Commands(click.Group):
    """Turns errors into one line on standard error and exit status 2; no traceback, unless HWQ_DEBUG is set."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except HwqError as error:
            line = str(error)
        except (MemoryError, RecursionError) as error:
            line = f"the model is too large for this machine ({type(error).__name__}); use a machine with more memory"
        except click.exceptions.NoArgsIsHelpError:
            raise
        except click.UsageError as error:
            command = error.ctx.command_path if error.ctx else "hwq"
            line = f"{printable(error.format_message(), 300)} See '{command} --help'."
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if os.environ.get("HWQ_DEBUG"):
                raise
            what = f"{type(error).__name__}: {printable(error, 200)}"
            line = f"internal error: {what}; please report it (HWQ_DEBUG=1 shows where)"
        click.echo(f"hwq: {line}", err=True)
        sys.exit(EXIT_UNUSABLE)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hwq")
def main() -> None:
    """Quantized ONNX models to FPGA/ASIC source whose every output bit is known beforehand.

    \b
    Example:
      hwq export model.onnx --target vivado -o build
      hwq verify build

    Tab completion: eval "$(_HWQ_COMPLETE=bash_source hwq)"  (or zsh_source, fish_source)
    """


@main.command()
@click.argument("model", type=click.Path())
@export_options
@click.option("-o", "--output", default=None, type=click.Path(), help="Folder to write.  [default: MODEL's name]")
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


@main.command()
@click.argument("model_or_dir", type=click.Path())
@model_options
@click.option(
    "--types", type=click.Choice(["vendor", "native"]), default="vendor", help="Arithmetic to compile against."
)
@click.option("--data", type=click.Path(dir_okay=False), help="Inputs: .npy, or .npz with an array per input.")
@click.option("--samples", type=click.IntRange(min=1), help="Use so many samples.  [default: all of --data, else 100]")
@click.option(
    "--against-float", is_flag=True, help="Also report the error against the float model of a `quantize:` config."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the samples drawn without --data.")
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

    stage = progress()
    with tempfile.TemporaryDirectory(prefix="hwq-") as work:
        if Path(model_or_dir).is_dir():
            _refuse_options(options)
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
    from hwq.quantize.agreement import agreements
    from hwq.vectors import random_inputs

    if design.floating is None:
        raise SpecError(
            "--against-float without a float model", remedy="verify the float model with --config quant.yaml"
        )
    data = random_inputs(design.graph, samples, seed) if x is None else x
    y = design.simulate(data)
    return agreements(design.floating, data, y if isinstance(y, dict) else {design.outputs[0].name: y})


def _refuse_options(options: dict[str, Any]) -> None:
    given = [k for k, v in options.items() if v not in (None, ())]
    if given:
        raise SpecError(
            f"--{given[0].replace('_', '-')} with an exported project",
            remedy="its choices were made at export: export again",
        )


def verdict(project: Project, result: Result) -> dict[str, Any]:
    """The outcome of a verification as plain data."""
    first = result.first
    return {
        "equal": bool(result),
        "samples": result.samples,
        "codes": result.codes,
        "mismatches": result.mismatches,
        "first": None if first is None else first.__dict__,
        "target": project.design.config.target,
        "headers": result.headers,
        "digest": project.digest,
    }


def verdict_text(project: Project, result: Result) -> str:
    """The outcome of a verification in one or two lines."""
    name = printable(project.design.name)
    if result:
        return (
            f"EQUAL: {name}: all {result.codes} output codes of {result.samples} samples agree "
            f"(simulator = C++ with {result.headers})"
        )
    where = f"\n  first: {printable(result.first, 400)}" if result.first else ""
    return f"DIFFERENT: {name}: {result.mismatches} of {result.codes} output codes of {result.samples} samples{where}"


def load_data(path: str, design: Design, samples: int | None = None) -> dict[str, Any]:
    """Arrays by input name from .npy or .npz; never pickled ones."""
    names = list(dict.fromkeys(p.source for p in design.graph.inputs))
    arrays = _load_arrays(path, names[0])
    if len(names) == 1 and names[0] not in arrays:
        only = arrays["x"] if "x" in arrays else next(iter(arrays.values())) if len(arrays) == 1 else None
        arrays = {} if only is None else {names[0]: only}
    missing = [n for n in names if n not in arrays]
    if missing:
        raise SpecError(
            f"'{path}' has no array '{missing[0]}'", remedy="name the arrays after the inputs: " + ", ".join(names)
        )
    for name in names:
        if arrays[name].dtype.kind not in "biuf":
            raise SpecError(f"'{path}' holds no numbers ({arrays[name].dtype})", remedy="give an array of real numbers")
        if arrays[name].ndim and not arrays[name].shape[0]:
            raise SpecError(f"'{path}' holds no samples", remedy="give at least one")
    return {n: arrays[n][:samples] if arrays[n].ndim else arrays[n] for n in names}


def _load_arrays(path: str, name: str) -> dict[str, Any]:
    """What a .npy or .npz file holds; the one array of a .npy goes by `name`."""
    try:
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            return {name: np.asarray(loaded)}
        with loaded:
            arrays = {key: np.asarray(loaded[key]) for key in loaded.files}
    except (OSError, ValueError, EOFError, MemoryError, SyntaxError, TypeError, zipfile.BadZipFile) as error:
        raise SpecError(
            f"cannot read '{path}' ({type(error).__name__})", remedy="give a .npy or .npz of numbers"
        ) from None
    if not arrays:
        raise SpecError(f"'{path}' holds no array", remedy="give a .npy or .npz of numbers")
    return arrays


@main.command()
@click.argument("model", type=click.Path())
@model_options
@click.option("--data", required=True, type=click.Path(dir_okay=False), help="Inputs: .npy or .npz.")
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False), help="Where to write: .npz.")
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
    _save_npz(Path(output), arrays)
    stage.close()
    for info in design.outputs:
        click.echo(
            f"{printable(info.name)}: {list(arrays[info.name].shape)} {'codes' if codes else 'values'} of {info.type}"
        )


def _save_npz(path: Path, arrays: dict[str, Any]) -> None:
    """Written beside and renamed, so that a failure leaves nothing half done."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            np.savez(file, **{f"arr_{k}" if k == "file" else k: v for k, v in arrays.items()})
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise SpecError(f"cannot write '{path}' ({error.strerror})", remedy="choose another -o") from None


@main.command()
@click.argument("model", type=click.Path())
@model_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--ir", is_flag=True, help="Print the hardware IR as text.")
def inspect(model: str, as_json: bool, ir: bool, **options: Any) -> None:
    """Show types, ranges, accumulators, multiplications and ROM bits of every layer.

    \b
    Example:
      hwq inspect model.onnx --json
    """
    from hwq.design import _port_json

    stage = progress()
    design = compile_model(model, options, stage)
    stage.close()
    if ir:
        click.echo(str(design.graph), nl=False)
    elif as_json:
        ports = {"inputs": design.inputs, "outputs": design.outputs}
        record = {k: [_port_json(i) for i in v] for k, v in ports.items()}
        click.echo(json.dumps({"model": design.name, **record, "layers": list(design.rows())}, indent=1))
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
        ]
        for r in rows
    ]
    header = ["node", "kernel", "shape", "type", "codes", "MACs", "ROM bits", "cycles"]
    lines.append(text_table(header, table, right=(5, 6, 7)))
    for info in design.outputs:
        scale = f"{info.scale!r}" if isinstance(info.scale, float) else "per element"
        offset = "" if isinstance(info.offset, float) and info.offset == 0 else ", plus an offset"
        lines.append(f"output {shortened(printable(info.name))}: {list(info.shape)} {info.type}, scale {scale}{offset}")
    cost = f"{sum(r['macs'] for r in rows)} MACs, {sum(r['rom_bits'] for r in rows)} ROM bits"
    lines.append(f"total  {cost}; semantics: {design.config.semantics}")
    return "\n".join(lines)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> None:
    """Say which compiler, headers and optional tools are found, or how to get them.

    \b
    Example:
      hwq doctor
    """
    from hwq.doctor import findings

    found = findings()
    if as_json:
        click.echo(json.dumps(found, indent=1))
    else:
        rows = [[f["what"], "ok" if f["found"] else "missing", f["detail"]] for f in found]
        click.echo(text_table(["what", "state", "where, or how to get it"], rows))
    if not all(f["found"] for f in found if f["needed"]):
        raise ToolError("something that hwq verify needs is missing", remedy="see the table above")


def _add_optional_commands() -> None:
    from hwq.cli_config import config_command
    from hwq.cli_convert import convert_command
    from hwq.cli_quantizer import quantizer_command
    from hwq.cli_rom import rom

    main.add_command(config_command)
    main.add_command(convert_command)
    main.add_command(quantizer_command)
    main.add_command(rom)


_add_optional_commands()
