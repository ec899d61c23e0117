"""The command line: thin. Every command reads its arguments, calls the Python face and prints."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from hwq import __version__
from hwq.errors import HwqError, printable

EXIT_UNUSABLE = 2


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


def _add_commands() -> None:
    from hwq.cli.config import config_command
    from hwq.cli.convert import convert_command
    from hwq.cli.doctor import doctor
    from hwq.cli.export import export
    from hwq.cli.inspect import inspect
    from hwq.cli.quantizer import quantizer_command
    from hwq.cli.report import report
    from hwq.cli.rom import rom
    from hwq.cli.simulate import simulate
    from hwq.cli.verify import verify

    commands = (
        export,
        verify,
        simulate,
        inspect,
        report,
        doctor,
        config_command,
        convert_command,
        quantizer_command,
        rom,
    )
    for command in commands:
        main.add_command(command)


_add_commands()
