"""`hwq doctor`: what hwq needs of this machine."""

from __future__ import annotations

import json

import click

from hwq.errors import ToolError
from hwq.report.text_table import text_table


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> None:
    """Say which compiler, headers and optional tools are found, or how to get them.

    \b
    Example:
      hwq doctor
    """
    from hwq.build.doctor import findings

    found = findings()
    if as_json:
        click.echo(json.dumps(found, indent=1))
    else:
        rows = [[f["what"], "ok" if f["found"] else "missing", f["detail"]] for f in found]
        click.echo(text_table(["what", "state", "where, or how to get it"], rows))
    if not all(f["found"] for f in found if f["needed"]):
        raise ToolError("something that hwq verify needs is missing", remedy="see the table above")
