"""Vitis HLS 2020.2 to 2025 (UG1399): `ap_fixed`, `#pragma HLS BIND_STORAGE`, `vitis_hls` and `vitis-run` scripts."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from hwq.targets import vivado

TARGET = replace(
    vivado.TARGET,
    name="vitis",
    title="Vitis HLS",
    header_env=("XILINX_HLS", "XILINX_VITIS"),
    pragmas=MappingProxyType(
        {
            **vivado.TARGET.pragmas,
            "partition_complete": "#pragma HLS ARRAY_PARTITION variable={var} type=complete dim={dim}",
            "partition_cyclic": "#pragma HLS ARRAY_PARTITION variable={var} type=cyclic factor={factor} dim={dim}",
            "reshape_complete": "#pragma HLS ARRAY_RESHAPE variable={var} type=complete dim={dim}",
            "reshape_cyclic": "#pragma HLS ARRAY_RESHAPE variable={var} type=cyclic factor={factor} dim={dim}",
            "fifo": "#pragma HLS STREAM variable={var} type=fifo depth={depth}",
            "pack": "",
            "pack_fifo": "#pragma HLS AGGREGATE variable={var} compact=bit",
            "independent": "#pragma HLS DEPENDENCE variable={var} type=inter dependent=false",
            "rom_bram": "#pragma HLS BIND_STORAGE variable={var} type=ROM_1P impl=BRAM",
            "rom_lutram": "#pragma HLS BIND_STORAGE variable={var} type=ROM_1P impl=LUTRAM",
            "rom_uram": "#pragma HLS BIND_STORAGE variable={var} type=ROM_1P impl=URAM",
        }
    ),
    script="run_vitis.tcl.j2",
    standard="c++14",
    advice=(
        "`vitis_hls -f run.tcl` (to 2024.1) or `vitis-run --mode hls --tcl run.tcl` (2024.2 on) runs C-simulation, "
        "synthesis and IP export; the environment variable HWQ_STEPS chooses among them."
    ),
    default_part="xcu50-fsvh2104-2-e",
)
