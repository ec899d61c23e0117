"""Plain C++17: hwq's own integer types, no vendor header, no pragmas; an emulator and a drop-in for software."""

from __future__ import annotations

from dataclasses import replace

from hwq.targets.base import Target
from hwq.targets.styles import NATIVE_TYPES

TARGET = Target(
    name="native",
    title="C++17",
    types=NATIVE_TYPES,
    header_env=(),
    header_paths=(),
    codes="project/codes_native.h.j2",
    carries=("native/hwq_native.h",),
    fifo_type="hwq::fifo<{type}>",
    fifo_header="hwq_fifo.h",
    fifo_carries=("streams/hwq_fifo.h",),
    c_face=True,
    script="Makefile.j2",
    script_name="Makefile",
    advice=(
        "`make check` builds the testbench and runs it on the vectors; `make lib` builds libraries, static and shared, "
        "to be called from C by `src/{top}_c.h`."
    ),
)

EMULATOR = replace(  # of `Design.emulator`
    TARGET, tops="processor", links=1024, carries=(*TARGET.carries, "native/hwq_sums.h", "native/hwq_steps.h")
)
