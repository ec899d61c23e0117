"""What a target is: one tool's spellings, as data. Everything tool-specific in hwq is in one of these records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hwq.errors import SpecError, UnsupportedError
from hwq.netlist.timing import Delays
from hwq.numeric.fixed import FixedType, Overflow, Rounding


@dataclass(frozen=True)
class TypeStyle:
    """How a family of vendor types is spelled (`ap_fixed` or `ac_fixed`)."""

    header: str
    signed: str  # format with {w} and {i}; {q} and {o} in the `_modes` forms
    unsigned: str
    signed_modes: str
    unsigned_modes: str
    signed_integer: str  # a bare integer of {w} bits, for ROM words
    unsigned_integer: str
    rounding: Mapping[Rounding, str]
    overflow: Mapping[Overflow, str]

    def storage(self, ftype: FixedType) -> str:
        """The type that stores codes of `ftype`: no rounding or overflow mode. Width 0 is stored in one bit."""
        return (self.signed if ftype.signed else self.unsigned).format(w=max(1, ftype.width), i=self._integer(ftype))

    def integer(self, ftype: FixedType) -> str:
        """A bare integer exactly as wide as the codes."""
        return (self.signed_integer if ftype.signed else self.unsigned_integer).format(w=max(1, ftype.width))

    def conversion(self, ftype: FixedType, rounding: Rounding, overflow: Overflow) -> str:
        """The type whose constructor rounds and saturates as stated."""
        if rounding not in self.rounding:
            raise UnsupportedError(
                f"rounding '{rounding.value}' has no mode in {self.header}",
                remedy="it is realised by negation or by thresholds in generated code",
            )
        if overflow is Overflow.SATURATE_SYMMETRIC and ftype.signed and ftype.width <= 1:
            raise UnsupportedError("symmetric saturation of a one-bit signed type", remedy="use a wider type")
        form = self.signed_modes if ftype.signed else self.unsigned_modes
        mode = Overflow.SATURATE if overflow is Overflow.SATURATE_SYMMETRIC and not ftype.signed else overflow
        return form.format(
            w=max(1, ftype.width), i=self._integer(ftype), q=self.rounding[rounding], o=self.overflow[mode]
        )

    @staticmethod
    def _integer(ftype: FixedType) -> int:
        return max(1, ftype.width) - ftype.frac


@dataclass(frozen=True)
class Target:
    """One tool. `pragmas` maps hwq's hints to the tool's text; a hint that is missing has no equivalent there."""

    name: str
    title: str
    types: TypeStyle
    header_env: tuple[str, ...]  # environment variables naming an installation, whose include folder wins; none: hwq's
    header_paths: tuple[str, ...]  # include folders below such a variable
    pragmas: Mapping[str, str] = field(default_factory=dict)
    interfaces: Mapping[str, str] = field(default_factory=dict)  # of a data port, by hwq's name; none: not said in C++
    controls: Mapping[str, str] = field(default_factory=dict)  # of the block itself
    c_face: bool = False  # whether a project carries functions for C programs to call
    loop_pragmas_before: bool = False  # whether a loop's pragmas stand before it rather than in its body
    scverify: bool = False  # whether the testbench speaks Catapult's SCVerify
    tops: str = "project"  # folder of the top function's template
    links: int = 0  # words of a ROM from which on sources only declare it, and a build links them; 0: never
    codes: str = "project/codes_ap.h.j2"  # template that turns codes into the vendor's types and back
    advice: str = ""  # for the project's README: how to run the tool
    script: str = ""  # template of the build script, below templates/project
    script_name: str = "run.tcl"
    standard: str = "c++14"  # of C++, for the tool and for a build against its headers here
    default_part: str = ""
    default_clock: float = 5.0
    defines: tuple[str, ...] = ()
    carries: tuple[str, ...] = ()  # files below hls_testbench that go into the project's sources
    fifo_type: str = "hls::stream<{type}>"
    fifo_header: str = "hls_stream.h"
    fifo_named: bool = True  # whether its constructor takes a name
    fifo_carries: tuple[str, ...] = ()  # more of them, where the design streams
    delays: Delays | None = None  # of what a register is placed between; None: HLS places registers, from C++

    def fifo(self, vector: str) -> str:
        """The type of a FIFO of such tokens."""
        return self.fifo_type.format(type=vector)

    def rom_word(self, ftype: FixedType) -> str:
        """What a ROM's words are for synthesis; an empty string where machine integers are all there is."""
        return self.types.integer(ftype) if self.pragmas else ""

    def port(self, interface: str, var: str) -> str:
        """The pragma line that makes a port such an interface, or an empty string where the tool has none."""
        return self.interfaces.get(interface, "").format(var=var)

    def pragma(self, hint: str, **values: object) -> str:
        """The pragma line for a hint, or an empty string where the tool has none."""
        form = self.pragmas.get(hint, "")
        return form.format(**values) if form else ""


def check_name(name: str, known: Mapping[str, Target]) -> Target:
    """The target of that name, or a `SpecError` that lists them."""
    if name not in known:
        raise SpecError(f"unknown target '{name}'", remedy="use one of: " + ", ".join(sorted(known)))
    return known[name]
