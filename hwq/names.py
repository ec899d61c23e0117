"""Names: what a model file calls things becomes identifiers and file names only after cleaning."""

from __future__ import annotations

import re
from collections.abc import Callable

MAX_LENGTH = 40

# C++17's keywords and alternative tokens.
KEYWORDS = frozenset(
    (
        "alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t class compl const "
        "const_cast constexpr continue decltype default delete do double dynamic_cast else enum explicit export extern "
        "false float for friend goto if inline int long mutable namespace new noexcept not not_eq nullptr operator or "
        "or_eq private protected public register reinterpret_cast return short signed sizeof static static_assert "
        "static_cast struct switch template this thread_local throw true try typedef typeid typename union unsigned using "
        "virtual void volatile wchar_t while xor xor_eq "
    ).split()
)
# Names that the vendors' headers or the generated code use.
TAKEN = frozenset(
    (
        "main std hwq hls x y assert errno stdin stdout stderr linux unix complex ap_int ap_uint ap_fixed ap_ufixed "
        "ac_int ac_fixed ac_channel ports design top "
    ).split()
)
# `NAME_t` is a type of the C library or of a kernel.
TYPE_STEMS = frozenset(
    (
        "sum weight rounded mult word size ssize ptrdiff time clock wchar intptr uintptr int8 int16 int32 int64 uint8 "
        "uint16 uint32 uint64 off fpos max_align nullptr sig_atomic "
    ).split()
)
RESERVED = KEYWORDS | TAKEN | TYPE_STEMS


def identifier(text: str, fallback: str = "n") -> str:
    """A lower-case C identifier that resembles `text`: letters, digits and single underscores, at most 40 long."""
    words = [w for w in re.split(r"[^A-Za-z0-9]+", text) if w]
    clean = "_".join(words).lower()
    if len(clean) > MAX_LENGTH:
        clean = clean[-MAX_LENGTH:].lstrip("_")
        clean = clean.split("_", 1)[1] if "_" in clean[:12] else clean
    if not clean:
        return fallback
    if clean[0].isdigit() or clean in RESERVED:
        clean = f"{fallback}_{clean}"
    return clean


def unique_namer() -> Callable[[str], str]:
    """A function that turns any text into an identifier it has not given before."""
    taken: set[str] = set()

    def fresh(text: str) -> str:
        base = identifier(text)
        name, count = base, 2
        while name in taken:
            name, count = f"{base}_{count}", count + 1
        taken.add(name)
        return name

    return fresh


def comment(text: str, limit: int = 200) -> str:
    """Text safe inside a C++ line comment, a tcl comment or Markdown: printable, no backslash at the end, no `*/`."""
    clean = (
        "".join(ch if ch.isprintable() else "?" for ch in text)
        .replace("*/", "* /")
        .replace("`", "'")
        .replace("??/", "? ?/")
    )
    clean = clean if len(clean) <= limit else clean[: limit - 1] + "…"
    return clean.rstrip("\\ ") or "(unnamed)"
