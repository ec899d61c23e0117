"""README: its tables are generated from the code, and its commands exist. Refresh with --update-golden."""

from __future__ import annotations

import re
from pathlib import Path

import click

from hwq.cli.main import main
from hwq.frontends.onnx import RULES
from hwq.targets import TARGETS

README = Path(__file__).resolve().parents[1] / "README.md"


def ops_table() -> str:
    by_rules: dict[tuple[str, ...], list[str]] = {}
    for domain, rules in RULES.items():
        by_rules.setdefault(tuple(sorted(rules)), []).append(domain or "ONNX")
    lines = ["| domain | ops |", "|---|---|"]
    for ops, domains in by_rules.items():
        named = [d for d in domains if d != "ai.onnx"]
        lines.append(f"| {', '.join(named)} | {', '.join(ops)} |")
    return "\n".join(lines)


def commands_table() -> str:
    lines = ["| command | what it does |", "|---|---|"]
    for name, command in main.commands.items():
        assert isinstance(command, click.Command)
        assert command.help
        summary = command.help.split("\n\n")[0].replace("\n", " ")
        lines.append(f"| `hwq {name}` | {summary} |")
    return "\n".join(lines)


def targets_table() -> str:
    lines = ["| target | tool | types | script |", "|---|---|---|---|"]
    for target in TARGETS.values():
        lines.append(f"| `{target.name}` | {target.title} | `{target.types.header}` | `{target.script_name}` |")
    return "\n".join(lines)


TABLES = {"ops": ops_table, "commands": commands_table, "targets": targets_table}


def test_tables_are_those_the_code_generates(update_golden: bool):
    text = README.read_text()
    for name, table in TABLES.items():
        block = re.compile(rf"(<!-- generated: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        assert block.search(text), f"no block for {name}"
        fresh = block.sub(lambda m, t=table: f"{m[1]}{t()}\n{m[2]}", text)
        if update_golden:
            text = fresh
        assert text == fresh, f"the {name} table is out of date: run with --update-golden"
    if update_golden:
        README.write_text(text)


def test_every_command_has_help_with_an_example():
    for name, command in main.commands.items():
        assert f"hwq {name}" in f"{command.help} {command.epilog}", name


def test_make_targets_of_the_readme_exist():
    rules = (README.parent / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", README.read_text(), re.MULTILINE):
        assert re.search(rf"^{target}:", rules, re.MULTILINE), target
