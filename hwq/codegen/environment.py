"""The Jinja environment: templates from the package (or the checkout), undefined names are errors."""

from __future__ import annotations

from functools import cache
from math import prod
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hwq.codegen.literals import wrapped
from hwq.errors import ToolError
from hwq.ir.names import comment, markdown

PACKAGE = Path(__file__).resolve().parent.parent


def data_folder(name: str) -> Path:
    """`templates` or `hls_testbench`: inside the installed package, else at the top of the checkout."""
    for folder in (PACKAGE / "_data" / name, PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise ToolError(f"hwq's own folder '{name}' is missing", remedy="install hwq again")


def _deeper(text: str) -> str:
    """Code indented by one more level; pragmas stay at the margin."""
    return "".join(line if line.startswith("#") else f"  {line}" for line in text.splitlines(keepends=True))


@cache
def environment() -> Environment:
    """The environment all text is rendered in; built once, never changed."""
    env = Environment(
        loader=FileSystemLoader([data_folder("templates"), data_folder("hls_testbench")]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    env.filters["comment"] = comment
    env.filters["markdown"] = markdown
    env.filters["wrapped"] = wrapped
    env.filters["product"] = prod
    env.filters["deeper"] = _deeper
    env.filters["zip"] = lambda left, right: list(zip(left, right, strict=True))
    return env
