"""Options that the commands share, and how a command compiles its model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hwq.cli.progress import Progress
from hwq.errors import SpecError, printable
from hwq.targets import ALL_TARGETS, TARGETS

if TYPE_CHECKING:
    from hwq.design import Design

MOST_SAMPLES = 1 << 31


class FilePath(click.Path):
    """A path; the system's calls take none with a zero byte."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if "\0" in str(value):
            self.fail("a path with a zero byte in it.", param, ctx)
        return super().convert(value, param, ctx)


INPUT_SHAPE = click.option(
    "--input-shape", multiple=True, metavar="NAME=1,3,32,32", help="Shape of an input with symbolic axes."
)


def model_options(function: Any) -> Any:
    """The options that decide what a model compiles to."""
    return _with_options(function, sorted(TARGETS))


def export_options(function: Any) -> Any:
    """The same, where every target may be chosen at once."""
    return _with_options(function, [*sorted(TARGETS), ALL_TARGETS])


def _with_options(function: Any, targets: list[str]) -> Any:
    options = [
        click.option("--config", type=FilePath(dir_okay=False), help="YAML file with these choices, and per layer."),
        click.option("--target", type=click.Choice(targets), help="HLS tool.  [default: vivado]"),
        click.option("--io", type=click.Choice(["parallel", "stream"]), help="Layer interfaces.  [default: parallel]"),
        click.option(
            "--interface",
            type=click.Choice(["memory", "fifo", "axis", "axilite"]),
            help="Data ports in AMD's tools.  [default: memory; axis with --io stream]",
        ),
        click.option(
            "--control", type=click.Choice(["pins", "axilite"]), help="Block control in AMD's tools.  [default: pins]"
        ),
        click.option("--reuse", type=click.IntRange(min=1), help="Uses of each multiplier per sample.  [default: 1]"),
        click.option(
            "--target-fps",
            type=click.FloatRange(min=0, min_open=True),
            help="Fold layers for as many samples/s.",
        ),
        click.option("--top", help="Name of the top function.  [default: from the file]"),
        click.option("--part", help="Device.  [default: the target's]"),
        click.option("--clock", type=click.FloatRange(min=0, min_open=True), help="Clock period in ns.  [default: 5]"),
        click.option("--input-type", multiple=True, metavar="NAME=SPEC", help="Type of an unquantized input."),
        INPUT_SHAPE,
        click.option("--output-type", multiple=True, metavar="NAME=SPEC", help="Fixed-point type of an output."),
        click.option(
            "--softmax",
            type=click.Choice(["hardware", "argmax", "skip", "host"]),
            help="A Softmax that ends the model.  [default: hardware]",
        ),
        click.option(
            "--stochastic",
            type=click.IntRange(0, (1 << 32) - 1),
            metavar="SEED",
            help="Let random quantizers draw, by generators in hardware.",
        ),
        click.option("--semantics", type=click.Choice(["real", "ort"]), help="Meaning of the model.  [default: real]"),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def named_pairs(pairs: tuple[str, ...], option: str) -> dict[str, str]:
    """NAME=SPEC options as a mapping."""
    named = {}
    example = "1,3,32,32" if option == "--input-shape" else "ap_fixed<16,6>"
    for pair in pairs:
        name, found, spec = pair.partition("=")
        if not found or not name or not spec:
            raise SpecError(f"{option} '{pair}'", remedy=f"write {option} 'NAME={example}'")
        named[name] = spec
    return named


def compile_model(model: str, options: dict[str, Any], stage: Progress) -> Design:
    """The design of a command's model argument and options."""
    import hwq.design
    from hwq.config import load_config

    config = load_config(options.pop("config", None))
    inputs, outputs = options.pop("input_type", ()), options.pop("output_type", ())
    shapes = options.pop("input_shape", ())
    config = config.updated(
        input_types=named_pairs(inputs, "--input-type") or None,
        output_types=named_pairs(outputs, "--output-type") or None,
        input_shapes=named_pairs(shapes, "--input-shape") or None,
        **options,
    )
    design = hwq.design.compile(model, config, stage=stage)
    for note in design.notes:
        click.echo(f"note: {printable(note, 500)}", err=True)
    return design


def progress() -> Progress:
    """Progress that ends with the command, however that ends."""
    stage = Progress()
    click.get_current_context().call_on_close(stage.close)
    return stage
