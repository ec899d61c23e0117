"""A project's layers shared out between its two translation units, so that two cores compile.

Each new combination of widths takes the compiler some 0.1 s in the vendor's types, so the design is the slow unit and
its testbench the quick one. A layer is a function of its own; some of them move from `layers.h` to a header that is
compiled with the testbench. The project itself stays as it is, and what is not of exactly the form that hwq writes does
not move.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

RULE = "// " + "-" * 117 + "\n"
END = "\n#endif\n"
LAYERS, TYPES, MOVED, SECOND = "src/layers.h", "src/types.h", "src/layers_moved.h", "tb/second.cpp"
HEAD = re.compile(r"^static (void (\w+)\([^{}]*\)) \{$")
ROM = re.compile(r'^#include "weights/(\w+)\.h"\n', re.M)
DECLARED = re.compile(r"([\w:]+(?:<[-\w,]*>)?)[ &]+(\w+)(?=\[|;| =|,|\))")  # type and name, of a typedef too
INDEX = re.compile(r"\[[^\[\]]*\]")
CODE = re.compile(r"(\bfrom_(?:code|words)<[^()]*>)\((?:[^()]|\([^()]*\))*\)")
PLAIN = frozenset(["int", "bool", "long"])
COSTS = (  # of what instantiates the vendor's templates, in units of some 30 ms
    (re.compile(r" [-+]=? |\(-| = -"), 2.0),
    (re.compile(r"(?<!<)\ba[cp]_u?fixed<[^()]*>\("), 2.0),
    (re.compile(r" \* "), 0.5),
    (re.compile(r";$"), 0.2),
    (re.compile(r" [<>]=? "), 1.0),
)
FUNCTION, TESTBENCH = 0.2, 2.0


@dataclass(frozen=True)
class _Layer:
    """A section of `layers.h`."""

    text: str
    declaration: str  # empty where it must stay
    costs: Mapping[str, float]  # of its statements, names replaced by types: equal ones share what is made of them


def with_shared_layers(files: Mapping[str, bytes], units: tuple[str, ...]) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """The files and units (the design's, the testbench's), with some of the layers in the testbench's unit."""
    result = dict(files)
    text = files.get(LAYERS, b"").decode(errors="replace")
    head, *sections = text.removesuffix(END).split(RULE)
    known = _declared(files.get(TYPES, b"").decode(errors="replace"))
    layers = [_layer(section, known) for section in sections]
    moved = _moved(layers)
    if not moved or not text.endswith(END):
        return result, units
    kept = [RULE + (f"{a.declaration};\n\n" if a in moved else a.text) for a in layers]
    result[LAYERS] = (_head(head, kept) + "".join(kept) + END).encode()
    gone = [RULE + a.text.replace("static void", "void", 1) for a in moved]
    result[MOVED] = (_head(head, gone) + "".join(gone) + END).encode()
    result[SECOND] = f'#include "../{MOVED}"\n#include "../{units[1]}"\n'.encode()
    return result, (units[0], SECOND)


def _layer(section: str, known: Mapping[str, str]) -> _Layer:
    """A section as it is read; without a declaration where it is more than one function."""
    code = [line for line in section.splitlines() if line.strip() and not line.lstrip().startswith(("//", "#pragma"))]
    found = HEAD.match(code[0]) if code else None
    whole = code and code[-1] == "}" and all(line.startswith(" ") for line in code[1:-1])
    plain = "\n".join(code[1:]).replace(found[2], "") if found else ""
    types = {**known, **_declared("\n".join(code))}
    return _Layer(section, found[1] if found and whole else "", dict(_costs(plain.splitlines(), types)))


def _declared(text: str) -> dict[str, str]:
    """Type by name."""
    return {name: kind for kind, name in DECLARED.findall(text)}


def _costs(code: list[str], types: Mapping[str, str]) -> Iterator[tuple[str, float]]:
    """Statements, as far as their types go, with what they cost."""
    for line in code:
        statement = CODE.sub(r"\1", INDEX.sub("", INDEX.sub("", line.strip())))
        target = re.match(r"(?:const )?(\w+) ", statement)
        if not statement.endswith(";") or not target or target[1] == "typedef" or target[1] in PLAIN:
            continue
        costs = COSTS[-1:] if types.get(target[1]) in PLAIN else COSTS  # an integer counts what is compared
        cost = sum(cost * len(pattern.findall(statement)) for pattern, cost in costs)
        for _ in range(3):  # a name, its type, what that stands for
            statement = re.sub(r"\w+", lambda m: types.get(m[0], m[0]), statement)
        yield statement, cost


def _moved(layers: list[_Layer]) -> list[_Layer]:
    """The layers for the second unit: the costliest first, each with its equals goes where less is to do with it."""
    told: tuple[dict[str, float], dict[str, float]] = ({}, {"testbench": TESTBENCH})
    groups: dict[tuple[str, ...], list[_Layer]] = {}
    for layer in layers:
        if layer.declaration:
            groups.setdefault(tuple(layer.costs), []).append(layer)
        else:
            told[0].update(layer.costs)
    moved = []
    for group in sorted(groups.values(), key=lambda g: -sum(g[0].costs.values())):
        costs = {**group[0].costs, **{layer.text: FUNCTION for layer in group}}
        after = [sum({**statements, **costs}.values()) for statements in told]
        unit = int(after[1] < after[0])
        told[unit].update(costs)
        moved += group if unit else []
    return moved


def _head(head: str, sections: list[str]) -> str:
    """What comes before the layers, with the ROMs that these ones read."""
    text = "".join(sections)
    return ROM.sub(lambda m: m[0] if m[1] in text else "", head)
