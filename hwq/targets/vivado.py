"""Vivado HLS 2018.3 to 2020.1 (UG902): `ap_fixed`, `#pragma HLS RESOURCE`, `vivado_hls -f run.tcl`."""

from __future__ import annotations

from types import MappingProxyType

from hwq.targets.base import Target
from hwq.targets.styles import AP_TYPES

TARGET = Target(
    name="vivado",
    title="Vivado HLS",
    types=AP_TYPES,
    header_env=("XILINX_HLS", "XILINX_VITIS", "XILINX_VIVADO"),
    header_paths=("include",),
    pragmas={
        "pipeline": "#pragma HLS PIPELINE II={ii}",
        "unroll": "#pragma HLS UNROLL",
        "dataflow": "#pragma HLS DATAFLOW",
        "inline": "#pragma HLS INLINE",
        "inline_off": "#pragma HLS INLINE off",
        "partition_complete": "#pragma HLS ARRAY_PARTITION variable={var} complete dim={dim}",
        "partition_cyclic": "#pragma HLS ARRAY_PARTITION variable={var} cyclic factor={factor} dim={dim}",
        "reshape_complete": "#pragma HLS ARRAY_RESHAPE variable={var} complete dim={dim}",
        "reshape_cyclic": "#pragma HLS ARRAY_RESHAPE variable={var} cyclic factor={factor} dim={dim}",
        "rom_bram": "#pragma HLS RESOURCE variable={var} core=ROM_1P_BRAM",
        "rom_lutram": "#pragma HLS RESOURCE variable={var} core=ROM_1P_LUTRAM",
        "fifo": "#pragma HLS STREAM variable={var} depth={depth}",
        "pack": "#pragma HLS DATA_PACK variable={var}",
        "independent": "#pragma HLS DEPENDENCE variable={var} inter false",
    },
    interfaces=MappingProxyType(
        {
            "memory": "#pragma HLS INTERFACE ap_memory port={var}",
            "fifo": "#pragma HLS INTERFACE ap_fifo port={var}",
            "axis": "#pragma HLS INTERFACE axis port={var}",
            "axilite": "#pragma HLS INTERFACE s_axilite port={var} bundle=data",
        }
    ),
    controls=MappingProxyType(
        {
            "pins": "#pragma HLS INTERFACE ap_ctrl_hs port=return",
            "axilite": "#pragma HLS INTERFACE s_axilite port=return bundle=control",
        }
    ),
    advice="`vivado_hls -f run.tcl` runs C-simulation, synthesis and IP export; with `csim` only the first.",
    script="run_vivado.tcl.j2",
    standard="c++11",
    default_part="xc7z020clg400-1",
)
