"""The text grammar of quantizer specs: `name` or `name(value, ..., keyword=value, ...)`. Nothing is ever evaluated.

It is the grammar of QKeras' `get_quantizer` with its traps turned into errors. What the package silently misreads
(unquoted text loses its first and last letter, a second parenthesis drops every argument, a blank after a keyword's
value becomes part of it) has no meaning here. One extension: lists may be nested, so that every value has a spelling.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from hwq.errors import SpecError, printable

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEYWORD = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)[ \t]*=(?!=)[ \t]*")
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,4})?")
_WHOLE = re.compile(r"[+-]?[0-9]+")
_TOKEN = re.compile(r"[ \t]*(\[|\]|[^][ \t]+)")
_WORDS = MappingProxyType({"True": True, "False": False, "None": None})
_LONGEST = 1 << 20
_DEEPEST = 8


@dataclass(frozen=True)
class Call:
    """A parsed spec; `called` says whether there were parentheses."""

    name: str
    positional: tuple[Any, ...]
    keywords: tuple[tuple[str, Any], ...]
    called: bool


def parse_call(text: str) -> Call:
    """The name and arguments of a spec. Values: True, False, None, numbers, 'text', [a b c]. Raises `SpecError`."""
    if len(text) > _LONGEST:
        raise SpecError(f"a quantizer spec of {len(text)} characters", remedy=f"at most {_LONGEST} are read")
    check_ascii(text)
    if text != text.strip():
        raise _bad(text, "blanks around it", "remove them: the package fails on them")
    head = _NAME.match(text)
    if head is None:
        raise _bad(text, "it does not begin with a quantizer's name", "write it like quantized_bits(8,0,1)")
    if head.end() == len(text):
        return Call(head[0], (), (), called=False)
    if text[head.end()] != "(":
        raise _bad(text, f"'{printable(text[head.end()], 8)}' after the name", "write '(' directly after the name")
    items = _items(text, head.end() + 1)
    positional: list[Any] = []
    keywords: dict[str, Any] = {}
    for item in items:
        match = _KEYWORD.match(item)
        if match is None:
            if keywords:
                raise _bad(text, "a positional value after a keyword", "put positional values first")
            positional.append(_value(item.strip(), text))
        elif match[1] in keywords:
            raise _bad(text, f"'{printable(match[1])}' is given twice", "give it once")
        else:
            keywords[match[1]] = _keyword_value(match[1], item[match.end() :], text)
    return Call(head[0], tuple(positional), tuple(keywords.items()), called=True)


def check_ascii(text: str) -> None:
    """Refuse what no spec contains, by its number: it could break a message into lines or hide in it."""
    for ch in text:
        if not " " <= ch <= "~" and ch != "\t":
            raise SpecError(f"the character U+{ord(ch):04X} in a spec", remedy="write printable ASCII")


def _items(text: str, start: int) -> list[str]:
    """The comma-separated argument texts of the one pair of parentheses, which must end the text."""
    items: list[str] = []
    begin, depth, quote = start, 0, ""
    for at in range(start, len(text)):
        ch = text[at]
        if quote:
            quote = "" if ch == quote else quote
        elif ch in "'\"":
            quote = ch
        elif ch == "(":
            raise _bad(text, "a second '(', where the package drops every argument", "write the value without it")
        elif ch in "[]":
            depth += 1 if ch == "[" else -1
        elif ch == "," and depth > 0:
            raise _bad(text, "a comma within a list", "separate list elements by blanks: [1 2 3]")
        elif ch in ",)" and depth <= 0:
            items.append(text[begin:at].lstrip())
            begin = at + 1
            if ch == ")":
                if at + 1 != len(text):
                    raise _bad(text, "text after ')', which the package ignores", "remove it")
                if len(items) == 1 and not items[0].strip():
                    return []
                if any(not item.strip() for item in items):
                    raise _bad(text, "an empty argument", "remove the extra comma")
                return items
    raise _bad(text, "a quote, bracket or parenthesis is not closed", "close it")


def _keyword_value(name: str, raw: str, text: str) -> Any:
    """A keyword's value; only after a number may blanks follow, elsewhere the package takes them into the value."""
    value = _value(raw.strip(), text)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if raw != raw.rstrip() and not is_number:
        found = f"a blank after the value of {printable(name)}, which the package makes part of it"
        raise _bad(text, found, f"write {name}={raw.strip()} without it")
    return value


def _value(raw: str, text: str) -> Any:
    if raw in _WORDS:
        return _WORDS[raw]
    if _NUMBER.fullmatch(raw):
        return _number(raw, text)
    if raw[:1] in ("'", '"'):
        if len(raw) < 2 or raw[-1] != raw[0] or raw[0] in raw[1:-1]:
            raise _bad(text, f"{printable(raw)} is not one quoted text", "write it like 'auto'")
        return raw[1:-1]
    if raw[:1] == "[":
        return _list(raw, text)
    if not raw:
        raise _bad(text, "a keyword without a value", "write keyword=value")
    found = f"unquoted text {printable(raw)}, which the package strips of its first and last letter"
    raise _bad(text, found, f"write '{raw}' in quotes if it is text")


def _number(raw: str, text: str) -> int | float:
    if _WHOLE.fullmatch(raw):
        return int(raw)
    value = float(raw)
    if not math.isfinite(value):
        raise _bad(text, f"{printable(raw)} is too large for a float", "write a finite number")
    return value


def _list(raw: str, text: str) -> list[Any]:
    """A nested list of numbers, `[1 2 3]`; one flat element is refused, since the package makes it a text."""
    stack: list[list[Any]] = [[]]
    at = 0
    while at < len(raw):
        match = _TOKEN.match(raw, at)
        if match is None:
            break
        at, token = match.end(), match[1]
        if len(stack) == 1 and stack[0]:
            raise _bad(text, f"text after the list in {printable(raw)}", "remove it")
        if token == "[":
            if len(stack) > _DEEPEST:
                raise _bad(text, "lists nested too deeply", f"nest at most {_DEEPEST}")
            stack.append([])
        elif token == "]":
            done = stack.pop()
            if not stack or not done:
                raise _bad(text, f"{printable(raw)} is not a list of numbers", "write it like [1 2 3]")
            stack[-1].append(done)
        elif _NUMBER.fullmatch(token):
            stack[-1].append(_number(token, text))
        else:
            raise _bad(text, f"{printable(token)} in a list", "write numbers separated by blanks: [1 2 3]")
    if len(stack) != 1 or len(stack[0]) != 1 or not isinstance(stack[0][0], list):
        raise _bad(text, f"{printable(raw)} is not a list of numbers", "write it like [1 2 3]")
    result: list[Any] = stack[0][0]
    if len(result) == 1 and not isinstance(result[0], list):
        raise _bad(text, f"the one-element list {printable(raw)}, which the package reads as text", "write the number")
    return result


def spell(value: Any) -> str:
    """The text that `parse_call` reads as this value."""
    if isinstance(value, str):
        return f"'{value}'"
    if isinstance(value, list | tuple):
        return "[" + " ".join(spell(item) for item in value) + "]"
    return repr(value)


def _bad(text: str, found: str, remedy: str) -> SpecError:
    return SpecError(f"quantizer '{printable(text)}': {found}", remedy=remedy)
