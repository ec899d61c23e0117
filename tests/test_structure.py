"""The shape of the source: who imports whom, no state in modules, short files, every public name explained."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1] / "hwq"
FILES = sorted(ROOT.rglob("*.py"))
MAX_LINES = 400


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(p): p for p in FILES}


def label(path: Path) -> str:
    return str(path.relative_to(ROOT))


def is_type_checking(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test)


def at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when a module is imported; functions are entered only when they are called."""
    for statement in body:
        if is_type_checking(statement):
            continue
        yield statement
        for name in ("body", "orelse", "finalbody"):
            if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from at_import(getattr(statement, name, []))


def imported(name: str, path: Path) -> set[str]:
    """The hwq modules that importing this one runs; a package's own `__init__` runs before its modules anyway."""
    found: set[str] = set()
    for statement in at_import(ast.parse(path.read_text(encoding="utf-8")).body):
        if isinstance(statement, ast.Import):
            found.update(alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            assert statement.level == 0, f"{label(path)}: a relative import"
            base = str(statement.module)
            for alias in statement.names:
                inner = f"{base}.{alias.name}"
                found.add(inner if inner in MODULES else base)
    return {f for f in found if f in MODULES and f != name}


def cycle_in(graph: dict[str, set[str]]) -> list[str]:
    """One cycle of the graph, or nothing."""
    done: set[str] = set()

    def visit(name: str, trail: list[str]) -> list[str]:
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name not in done:
            for following in sorted(graph[name]):
                found = visit(following, [*trail, name])
                if found:
                    return found
            done.add(name)
        return []

    return next((c for c in (visit(n, []) for n in sorted(graph)) if c), [])


def test_the_search_for_cycles_finds_one() -> None:
    assert cycle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert cycle_in({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {name: imported(name, path) for name, path in MODULES.items()}
    assert sum(map(len, graph.values())) > 50
    assert cycle_in(graph) == []


ROOMS = (
    "hwq._version",
    "hwq.errors",
    "hwq.untrusted",
    "hwq.numeric",
    "hwq.ir",
    "hwq.kernels",
    "hwq.netlist",
    "hwq.functions",
    "hwq.ops",
    "hwq.targets",
    "hwq.quantizers",
    "hwq.models",
    "hwq.frontends",
    "hwq.passes",
    "hwq.simulate",
    "hwq.dataflow",
    "hwq.config",
    "hwq.codegen",
    "hwq.build",
    "hwq.check",
    "hwq.analysis",
    "hwq.report",
    "hwq.design",
    "hwq.cli",
    "hwq.__main__",
)
"""From the ground up: a module imports its own room and those above it in this table, no others."""


def room(name: str) -> str:
    return ".".join(name.split(".")[:2])


def test_every_module_lives_in_a_room() -> None:
    assert {room(name) for name in MODULES} - {"hwq"} == set(ROOMS)


def test_imports_run_downward_only() -> None:
    floors = {name: i for i, name in enumerate(ROOMS)}
    upward = [
        f"{name} -> {other}"
        for name, path in MODULES.items()
        for other in imported(name, path) - {"hwq"}
        if name != "hwq" and floors[room(name)] < floors[room(other)]
    ]
    assert upward == []


def mutable(value: ast.expr | None) -> bool:
    """Whether an expression makes a new list, dict or set."""
    if isinstance(value, ast.Call):
        return ast.unparse(value.func) in ("list", "dict", "set", "defaultdict", "OrderedDict", "bytearray", "Counter")
    return isinstance(value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp)


def state_of(tree: ast.Module) -> list[str]:
    """Names that a module binds to something mutable, at its top or in a class body, and the globals it rebinds."""
    found = [f"global {', '.join(n.names)}" for n in ast.walk(tree) if isinstance(n, ast.Global)]
    for statement in at_import(tree.body):
        if isinstance(statement, ast.Assign | ast.AnnAssign) and mutable(statement.value):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            found += [ast.unparse(t) for t in targets if ast.unparse(t) != "__all__"]
    return found


def test_the_search_for_state_finds_it() -> None:
    text = (
        "A = []\nB: dict = {}\nC = (1,)\n__all__ = ['A']\nclass D:\n    E = set()\ndef f():\n    g = []\n    global A"
    )
    assert state_of(ast.parse(text)) == ["global A", "A", "B", "E"]


def parsed() -> Iterator[tuple[str, ast.Module]]:
    for path in FILES:
        yield label(path), ast.parse(path.read_text(encoding="utf-8"))


def test_modules_hold_no_mutable_state() -> None:
    assert [f"{name}: {state}" for name, tree in parsed() for state in state_of(tree)] == []


def test_no_file_is_longer_than_four_hundred_lines() -> None:
    assert [label(p) for p in FILES if len(p.read_text(encoding="utf-8").splitlines()) > MAX_LINES] == []


def test_every_module_class_and_public_function_says_what_it_is() -> None:
    silent = []
    for name, tree in parsed():
        if not ast.get_docstring(tree) and name != "__main__.py":
            silent.append(f"{name}: the module")
        for item in tree.body:
            public = isinstance(item, ast.FunctionDef | ast.ClassDef) and not item.name.startswith("_")
            if public and not ast.get_docstring(item):  # type: ignore[arg-type]
                silent.append(f"{name}: {item.name}")  # type: ignore[union-attr]
    assert silent == []
