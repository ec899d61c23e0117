"""Siemens Catapult: `ac_fixed`, `#pragma hls_*` before loops, `catapult -shell -file go.tcl`, SCVerify testbench."""

from __future__ import annotations

from types import MappingProxyType

from hwq.targets.base import Target
from hwq.targets.styles import AC_TYPES

TARGET = Target(
    name="catapult",
    title="Catapult",
    types=AC_TYPES,
    header_env=("MGC_HOME",),
    header_paths=("shared/include",),
    pragmas=MappingProxyType(
        {
            "pipeline": "#pragma hls_pipeline_init_interval {ii}",
            "unroll": "#pragma hls_unroll yes",
            "top": "#pragma hls_design top",
            "block": "#pragma hls_design",
        }
    ),
    loop_pragmas_before=True,
    scverify=True,
    codes="project/codes_ac.h.j2",
    script="go.tcl.j2",
    script_name="go.tcl",
    advice="`catapult -shell -file go.tcl` runs the flow to RTL; SCVerify uses the same testbench and vectors.",
    fifo_type="ac_channel<{type}>",
    fifo_header="ac_channel.h",
    fifo_named=False,
    default_part="nangate-45nm_beh",
)
