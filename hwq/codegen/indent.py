"""Indentation of generated C++ by its braces, so that templates with a varying number of loops need not count it."""

from __future__ import annotations

from collections.abc import Iterable

STEP = 2
CONTINUED = 4


def indented(lines: Iterable[str]) -> list[str]:
    """The lines, each two spaces deeper per open brace; preprocessor lines at the margin, continuations deeper."""
    depth, open_parens = 0, 0
    result = []
    for line in lines:
        text = line.strip()
        if text.startswith("#"):
            result.append(text)
            continue
        code = text.split("//", 1)[0]
        closing = len(code) - len(code.lstrip("} "))
        leading = code[:closing].count("}")
        extra = CONTINUED if open_parens > 0 else 0
        result.append(" " * (STEP * max(0, depth - leading) + extra) + text)
        depth += code.count("{") - code.count("}")
        open_parens += code.count("(") - code.count(")")
    return result
