"""Type spellings: every text by which a user may name a fixed-point type, with its rounding and overflow."""

from __future__ import annotations

import re

from hwq.errors import SpecError, printable
from hwq.numeric.fixed import FixedType, Overflow, Rounding
from hwq.quantizers.grammar import check_ascii
from hwq.targets.base import TypeStyle
from hwq.targets.styles import AC_TYPES, AP_TYPES

Conversion = tuple[FixedType, Rounding, Overflow]
"""A type and what happens to a value that does not fit it."""

_TEMPLATE = re.compile(r"(ap_u?fixed|ap_u?int|ac_fixed|ac_int)\s*<([^<>]*)>")
_MACHINE = re.compile(r"(u?)int([0-9]{1,4})")
_OWN = re.compile(r"([su])([0-9]{1,4})(?:\.(-?[0-9]{1,4}))?")
_INTEGER = re.compile(r"[+-]?[0-9]{1,5}")

FORMS = "ap_[u]fixed<W,I[,Q,O]>, ap_int<W>, ap_uint<W>, ac_fixed<W,I,S[,Q,O]>, ac_int<W,S>, int8, u4, s8.7"


def parse_type(text: str) -> Conversion:
    """The type, rounding and overflow that a type spelling names.

    Accepts the vendors' spellings (`ap_fixed<W,I[,Q[,O]]>`, `ap_ufixed<..>`, `ap_int<W>`, `ap_uint<W>`,
    `ac_fixed<W,I,S[,Q[,O]]>`, `ac_int<W,S>`), machine integers (`int8`, `uint4`) and `str(FixedType)` (`s8.7`, `u4`).
    A mode that is not stated means round-half-to-even and saturation: a storage type says nothing about modes, and hwq
    never truncates or wraps silently (the vendors' own defaults, `AP_TRN` and `AP_WRAP`, must be written out).
    Raises `SpecError`. Source: UG1399 and the AC Datatypes reference manual.
    """
    if not isinstance(text, str):
        raise SpecError(f"a type must be text, not {type(text).__name__}", remedy=f"write one of {FORMS}")
    check_ascii(text)
    stripped = text.strip()
    if match := _TEMPLATE.fullmatch(stripped):
        return _template(match[1], [part.strip() for part in match[2].split(",")], stripped)
    if match := _MACHINE.fullmatch(stripped):
        return _default(FixedType(match[1] == "", _width(match[2], stripped)))
    if match := _OWN.fullmatch(stripped):
        return _default(FixedType(match[1] == "s", int(match[2]), int(match[3] or 0)))
    raise SpecError(f"'{printable(text)}' is not a type spelling", remedy=f"write one of {FORMS}")


def _default(ftype: FixedType) -> Conversion:
    return ftype, Rounding.HALF_EVEN, Overflow.SATURATE


def _template(name: str, parts: list[str], text: str) -> Conversion:
    signed = not name.startswith("ap_u")
    if name in ("ap_int", "ap_uint"):
        _count(parts, 1, 1, text)
        return _default(FixedType(signed, _width(parts[0], text)))
    if name == "ac_int":
        _count(parts, 1, 2, text)
        return _default(FixedType(_flag(parts, 1, text), _width(parts[0], text)))
    is_ac = name == "ac_fixed"
    fixed = 3 if is_ac else 2
    _count(parts, 2, fixed + 2, text)
    if is_ac:
        signed = _flag(parts, 2, text)
    ftype = FixedType.from_hls(_width(parts[0], text), _integer(parts[1], text), signed)
    return ftype, *_modes(parts[fixed:], AC_TYPES if is_ac else AP_TYPES, text)


def _modes(parts: list[str], style: TypeStyle, text: str) -> tuple[Rounding, Overflow]:
    rounding, overflow = Rounding.HALF_EVEN, Overflow.SATURATE
    if parts:
        roundings = {name: mode for mode, name in style.rounding.items()}
        if parts[0] not in roundings:
            raise _bad(text, f"'{printable(parts[0])}' is no rounding mode", "use " + ", ".join(sorted(roundings)))
        rounding = roundings[parts[0]]
    if len(parts) > 1:
        overflows = {name: mode for mode, name in style.overflow.items()}
        if parts[1] not in overflows:
            raise _bad(text, f"'{printable(parts[1])}' is no overflow mode", "use " + ", ".join(sorted(overflows)))
        overflow = overflows[parts[1]]
    return rounding, overflow


def _count(parts: list[str], least: int, most: int, text: str) -> None:
    if not least <= len(parts) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        raise _bad(text, f"{len(parts)} parameters where {wanted} belong", f"write one of {FORMS}")


def _integer(part: str, text: str) -> int:
    if not _INTEGER.fullmatch(part):
        raise _bad(text, f"'{printable(part)}' is not an integer", "write decimal integers")
    return int(part)


def _width(part: str, text: str) -> int:
    width = _integer(part, text)
    if width < 1:
        raise _bad(text, f"a width of {width} bits", "use at least 1")
    return width


def _flag(parts: list[str], index: int, text: str) -> bool:
    if len(parts) <= index:
        return True  # both ac_int and ac_fixed declare `bool S = true`
    known = {"true": True, "1": True, "false": False, "0": False}
    if parts[index] not in known:
        raise _bad(text, f"'{printable(parts[index])}' is not a sign flag", "use true or false")
    return known[parts[index]]


def _bad(text: str, found: str, remedy: str) -> SpecError:
    return SpecError(f"type '{printable(text)}': {found}", remedy=remedy)


def type_spec(text: str) -> Conversion:
    """The type, rounding and overflow of a type spelling or of a QKeras spec whose values lie on one fixed-point grid.

    For a quantizer with a function in front (`quantized_sigmoid`) this is the grid of its values only; the function is
    not part of a type. A quantizer without such a grid (binary, po2, auto scales ...) is refused by name.
    Raises `SpecError`.
    """
    from hwq.quantizers.registry import is_quantizer_name, quantizer

    name = text.split("(", 1)[0].strip() if isinstance(text, str) else ""
    if not is_quantizer_name(name):
        return parse_type(text)
    grid = quantizer(text).grid
    if grid is None:
        raise SpecError(
            f"'{printable(text)}' is not a fixed-point type: its values lie on no single power-of-two grid",
            remedy="use quantized_bits or quantized_relu with alpha None, or a type such as ap_fixed<8,1>",
        )
    return grid
