"""The command line: thin. Every command reads its arguments, calls the Python face and prints."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any, NoReturn

import click

from hwq import __version__
from hwq.errors import HwqError, printable

EXIT_UNUSABLE = 2
EXIT_BY_SIGNAL = 128  # and the signal's number, as shells have it


class _Ended(BaseException):
    """This process was told to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.line, self.status = f"ended by {signal.Signals(number).name}", EXIT_BY_SIGNAL + number


class Commands(click.Group):
    """Turns errors into one line on standard error and exit status 2; no traceback, unless HWQ_DEBUG is set.

    Interrupted, told to end, or without a reader any more: what was begun is undone, programs that run are ended, and
    the exit status is 128 and the signal's number.
    """

    def main(self, *args: Any, **kwargs: Any) -> Any:
        with _ending_on_signals():
            try:
                return super().main(*args, **kwargs)
            except OSError as error:  # of --help and the like
                _end(*_of_system(error))
            except _Ended as end:
                _end(end.line, end.status)

    def invoke(self, ctx: click.Context) -> Any:
        status = EXIT_UNUSABLE
        try:
            return super().invoke(ctx)
        except HwqError as error:
            line = str(error)
        except KeyboardInterrupt:
            line, status = "interrupted", EXIT_BY_SIGNAL + signal.SIGINT
        except _Ended as end:
            line, status = end.line, end.status
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
            line, status = _of_system(error) if isinstance(error, OSError) else (_of_a_bug(error), EXIT_UNUSABLE)
        _end(line, status)
        return None


def _of_system(error: OSError) -> tuple[str, int]:
    """Line and exit status of what the system refuses; without a file's name it is standard output."""
    if error.errno == errno.EPIPE:
        return "", EXIT_BY_SIGNAL + signal.SIGPIPE
    why = error.strerror or type(error).__name__
    if error.filename is None:
        return f"cannot write to standard output ({why}); make room, or write elsewhere", EXIT_UNUSABLE
    return f"cannot use '{printable(error.filename)}' ({why}); check the file and its rights", EXIT_UNUSABLE


def _of_a_bug(error: Exception) -> str:
    what = f"{type(error).__name__}: {printable(error, 200)}"
    return f"internal error: {what}; please report it (HWQ_DEBUG=1 shows where)"


def _end(line: str, status: int) -> NoReturn:
    """End with a line on standard error; what standard output did not take is dropped."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # else Python tries again at its own end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    with contextlib.suppress(OSError, ValueError):
        if line:
            click.echo(f"hwq: {line}", err=True)
    sys.exit(status)


@contextlib.contextmanager
def _ending_on_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the block as an exception would, so that all that must be undone is."""

    def end(number: int, frame: object) -> None:
        for kind in before:
            signal.signal(kind, signal.SIG_IGN)  # not while things are undone
        raise _Ended(number)

    kinds = (signal.SIGTERM, signal.SIGHUP) if threading.current_thread() is threading.main_thread() else ()
    before = {kind: signal.getsignal(kind) for kind in kinds}
    before = {kind: handler for kind, handler in before.items() if handler is signal.SIG_DFL}  # nohup's are ignored
    for kind in before:
        signal.signal(kind, end)
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


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
