"""The families of types: AMD's `ap_fixed` (UG1399), Siemens' `ac_fixed` (AC Datatypes manual), hwq's own, and
Verilog's vectors.
"""

from __future__ import annotations

from hwq.numeric.fixed import Overflow, Rounding
from hwq.targets.base import TypeStyle

AP_TYPES = TypeStyle(
    header="ap_fixed.h",
    signed="ap_fixed<{w},{i}>",
    unsigned="ap_ufixed<{w},{i}>",
    signed_modes="ap_fixed<{w},{i},{q},{o}>",
    unsigned_modes="ap_ufixed<{w},{i},{q},{o}>",
    signed_integer="ap_int<{w}>",
    unsigned_integer="ap_uint<{w}>",
    rounding={
        Rounding.FLOOR: "AP_TRN",
        Rounding.TO_ZERO: "AP_TRN_ZERO",
        Rounding.HALF_EVEN: "AP_RND_CONV",
        Rounding.HALF_AWAY: "AP_RND_INF",
        Rounding.HALF_TO_ZERO: "AP_RND_ZERO",
        Rounding.HALF_UP: "AP_RND",
        Rounding.HALF_DOWN: "AP_RND_MIN_INF",
    },
    overflow={
        Overflow.WRAP: "AP_WRAP",
        Overflow.SATURATE: "AP_SAT",
        Overflow.SATURATE_SYMMETRIC: "AP_SAT_SYM",
        Overflow.SATURATE_ZERO: "AP_SAT_ZERO",
    },
)

AC_TYPES = TypeStyle(
    header="ac_fixed.h",
    signed="ac_fixed<{w},{i},true>",
    unsigned="ac_fixed<{w},{i},false>",
    signed_modes="ac_fixed<{w},{i},true,{q},{o}>",
    unsigned_modes="ac_fixed<{w},{i},false,{q},{o}>",
    signed_integer="ac_int<{w},true>",
    unsigned_integer="ac_int<{w},false>",
    rounding={
        Rounding.FLOOR: "AC_TRN",
        Rounding.TO_ZERO: "AC_TRN_ZERO",
        Rounding.HALF_EVEN: "AC_RND_CONV",
        Rounding.HALF_AWAY: "AC_RND_INF",
        Rounding.HALF_TO_ZERO: "AC_RND_ZERO",
        Rounding.HALF_UP: "AC_RND",
        Rounding.HALF_DOWN: "AC_RND_MIN_INF",
    },
    overflow={
        Overflow.WRAP: "AC_WRAP",
        Overflow.SATURATE: "AC_SAT",
        Overflow.SATURATE_SYMMETRIC: "AC_SAT_SYM",
        Overflow.SATURATE_ZERO: "AC_SAT_ZERO",
    },
)

NATIVE_TYPES = TypeStyle(
    header="hwq_native.h",
    signed="hwq::fixed<{w},{i},true>",
    unsigned="hwq::fixed<{w},{i},false>",
    signed_modes="hwq::fixed<{w},{i},true,{q},{o}>",
    unsigned_modes="hwq::fixed<{w},{i},false,{q},{o}>",
    signed_integer="hwq::fixed<{w},{w},true>",
    unsigned_integer="hwq::fixed<{w},{w},false>",
    rounding={mode: f"hwq::rounding::{mode.value}" for mode in AP_TYPES.rounding},
    overflow={mode: f"hwq::overflow::{mode.value}" for mode in Overflow},
)

VERILOG_TYPES = TypeStyle(  # bare codes: what is rounded, clamped and compared is written out
    header="logic",
    signed="logic signed [{w}-1:0]",
    unsigned="logic [{w}-1:0]",
    signed_modes="",
    unsigned_modes="",
    signed_integer="logic signed [{w}-1:0]",
    unsigned_integer="logic [{w}-1:0]",
    rounding={},
    overflow={},
)
