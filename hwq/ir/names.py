"""Names: what a model file calls things becomes identifiers and file names only after cleaning."""

from __future__ import annotations

import re
from collections.abc import Callable

MAX_LENGTH = 40


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


# C++17's keywords and alternative tokens.
KEYWORDS = words(
    "alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t class compl "
    "const const_cast constexpr continue decltype default delete do double dynamic_cast else enum explicit export "
    "extern false float for friend goto if inline int long mutable namespace new noexcept not not_eq nullptr "
    "operator or or_eq private protected public register reinterpret_cast return short signed sizeof static "
    "static_assert static_cast struct switch template this thread_local throw true try typedef typeid typename "
    "union unsigned using virtual void volatile wchar_t while xor xor_eq"
)
# Names that the vendors' headers or the generated code use.
TAKEN = words(
    "main std hwq hls x y assert errno stdin stdout stderr linux unix complex ap_int ap_uint ap_fixed ap_ufixed "
    "ac_int ac_fixed ac_channel ports design top"
)
# `NAME_t` is a type of the C library or of a kernel.
TYPE_STEMS = words(
    "sum weight rounded mult word size ssize ptrdiff time clock wchar intptr uintptr int8 int16 int32 int64 uint8 "
    "uint16 uint32 uint64 off fpos max_align nullptr sig_atomic"
)
# Files, and variables of the testbench, that live beside ports: neither a port nor a top function is called so.
TESTBENCH = words(
    "argc argv folder all samples wrong more i k word words value file code first lanes lane types layers trace "
    "hwq_codes read_code same_code write_code open_port"
)
# `NAME_t` is a type of a further C header.
C_TYPES = words(
    "addr blkcnt blkcnt64 blksize caddr char16 char32 char8 clockid comparison_fn cookie_close_function "
    "cookie_io_functions cookie_read_function cookie_seek_function cookie_write_function cpu_set daddr dev div "
    "double error femode fenv fexcept float fpos64 fsblkcnt fsblkcnt64 fsfilcnt fsfilcnt64 fsid gid id imaxdiv ino "
    "ino64 int_fast16 int_fast32 int_fast64 int_fast8 int_least16 int_least32 int_least64 int_least8 intmax key "
    "ldiv lldiv locale loff mbstate mode nlink off64 pid pthread pthread_attr pthread_barrier pthread_barrierattr "
    "pthread_cond pthread_condattr pthread_key pthread_mutex pthread_mutexattr pthread_once pthread_rwlock "
    "pthread_rwlockattr pthread_spinlock quad register sigset socklen suseconds timer u_int16 u_int32 u_int64 "
    "u_int8 u_quad uid uint_fast16 uint_fast32 uint_fast64 uint_fast8 uint_least16 uint_least32 uint_least64 "
    "uint_least8 uintmax useconds wctrans wctype wint"
)
PREFIXES = ("file_", "got_", "expected_", "hwq_")  # of the testbench's variables
RESERVED = KEYWORDS | TAKEN | TYPE_STEMS | TESTBENCH | C_TYPES


def identifier(text: str, fallback: str = "n") -> str:
    """A lower-case C identifier that resembles `text`: letters, digits and single underscores, at most 40 long."""
    parts = [w for w in re.split(r"[^A-Za-z0-9]+", text) if w]
    clean = "_".join(parts).lower()
    if len(clean) > MAX_LENGTH:
        clean = clean[-MAX_LENGTH:].lstrip("_")
        clean = clean.split("_", 1)[1] if "_" in clean[:12] else clean
    if not clean:
        return fallback
    if clean[0].isdigit() or clean in RESERVED or clean.startswith(PREFIXES):
        clean = f"{fallback}_{clean}"
    return clean


def unique_namer() -> Callable[[str], str]:
    """A function that turns any text into an identifier it has not given before."""
    taken: set[str] = set()
    counts: dict[str, int] = {}

    def fresh(text: str) -> str:
        base = name = identifier(text)
        while name in taken:
            counts[base] = counts.get(base, 1) + 1
            name = f"{base}_{counts[base]}"
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


def markdown(text: str, limit: int = 200) -> str:
    """The same text in Markdown, in a table's cell too: what could be markup, HTML or a link is an entity."""
    clean = comment(text, limit)
    parts = [
        f"&#{ord(ch)};"
        if ch in "<>&|*[]~\\:@" or (ch == "_" and not (clean[i - 1 : i].isalnum() and clean[i + 1 : i + 2].isalnum()))
        else ch
        for i, ch in enumerate(clean)
    ]
    return re.sub(r"(?i)www\.", lambda m: f"{m[0][:3]}&#46;", "".join(parts))
