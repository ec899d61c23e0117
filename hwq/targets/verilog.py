"""Verilog: one pipelined module a layer, for any tool; no HLS compiler in between."""

from __future__ import annotations

from hwq.netlist.timing import Delays
from hwq.targets.base import Target
from hwq.targets.styles import VERILOG_TYPES

TARGET = Target(
    name="verilog",
    title="any that reads Verilog",
    types=VERILOG_TYPES,
    header_env=(),
    header_paths=(),
    interfaces={"axis": ""},
    script="vivado.tcl.j2",
    script_name="vivado.tcl",
    default_part="xc7z020clg400-1",
    delays=Delays(lookup=0.9, carry=0.02, multiplier=3.5, register=0.8),
)
