"""Errors that hwq raises on purpose: one line each, with the node, what was found and what would work.

Every error derives from :class:`HwqError`; the command line turns it into exit status 2.
"""

from __future__ import annotations

import unicodedata

_MAX_NAME = 80
_MOST_BITS = 256  # of integers that are written out


def printable(text: object, limit: int = _MAX_NAME) -> str:
    """One line of harmless text from anything a file may contain: no control or line characters, cut at `limit`."""
    hidden = ("C", "Zl", "Zp")
    whole = str(text)
    clean = "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(ch).startswith(hidden) else ch for ch in whole[:limit]
    )
    return clean if len(whole) <= limit else clean[: limit - 1] + "…"


def shown(value: object) -> str:
    """A value as Python writes it, in one short line whatever it is."""
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return f"an integer of {value.bit_length()} bits"
    return printable(repr(value))


class HwqError(Exception):
    """The root of every error hwq raises on purpose: `where: found; remedy`, in one line."""

    def __init__(
        self, found: str, *, node: str | None = None, op: str | None = None, remedy: str | None = None
    ) -> None:
        self.node = node
        self.op = op
        self.found = printable(found, 400)
        self.remedy = remedy
        super().__init__(self._line())

    def _line(self) -> str:
        where = ""
        if self.node is not None or self.op is not None:
            label = printable(self.node) if self.node else "(unnamed)"
            where = f"node '{label}'" + (f" ({printable(self.op)})" if self.op else "") + ": "
        return where + self.found + (f"; {printable(self.remedy, 300)}" if self.remedy else "")


class ModelError(HwqError):
    """The model file is damaged, hostile, or not a valid ONNX graph."""


class UnsupportedError(HwqError):
    """The model is valid, but asks for something hwq does not compile."""


class SpecError(HwqError):
    """A quantizer, type or configuration text that hwq cannot read."""


class ToolError(HwqError):
    """A compiler, header or other tool is missing or failed."""


class InternalError(HwqError):
    """A promise that hwq makes to itself was broken (a bug); never caused by input alone."""
