"""Names of Verilog: those of the C++ targets where the language has no other use for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hwq.dataflow.names import array_names, layer_names, port_names
from hwq.ir.hardware import Graph
from hwq.ir.names import words

# SystemVerilog's keywords (IEEE 1800-2017, annex B); Verilog's are among them.
KEYWORDS = words(
    "accept_on alias always always_comb always_ff always_latch and assert assign assume automatic before begin bind "
    "bins binsof bit break buf bufif0 bufif1 byte case casex casez cell chandle checker class clocking cmos config "
    "const constraint context continue cover covergroup coverpoint cross deassign default defparam design disable "
    "dist do edge else end endcase endchecker endclass endclocking endconfig endfunction endgenerate endgroup "
    "endinterface endmodule endpackage endprimitive endprogram endproperty endsequence endspecify endtable endtask "
    "enum event eventually expect export extends extern final first_match for force foreach forever fork forkjoin "
    "function generate genvar global highz0 highz1 if iff ifnone ignore_bins illegal_bins implements implies import "
    "incdir include initial inout input inside instance int integer interconnect interface intersect join join_any "
    "join_none large let liblist library local localparam logic longint macromodule matches medium modport module "
    "nand negedge nettype new nexttime nmos nor noshowcancelled not notif0 notif1 null or output package packed "
    "parameter pmos posedge primitive priority program property protected pull0 pull1 pulldown pullup "
    "pulsestyle_ondetect pulsestyle_onevent pure rand randc randcase randsequence rcmos real realtime ref reg "
    "reject_on release repeat restrict return rnmos rpmos rtran rtranif0 rtranif1 s_always s_eventually s_nexttime "
    "s_until s_until_with scalared sequence shortint shortreal showcancelled signed small soft solve specify "
    "specparam static string strong strong0 strong1 struct super supply0 supply1 sync_accept_on sync_reject_on "
    "table tagged task this throughout time timeprecision timeunit tran tranif0 tranif1 tri tri0 tri1 triand trior "
    "trireg type typedef union unique unique0 unsigned until until_with untyped use uwire var vectored virtual void "
    "wait wait_order wand weak weak0 weak1 while wildcard wire with within wor xnor xor"
)
OWN = words("aclk aresetn ce valid taken done unused")  # of the top module


def free(name: str) -> str:
    """The name, or another where Verilog or the top module has a use for it."""
    return f"{name}_" if name in KEYWORDS or name in OWN else name


@dataclass(frozen=True)
class Names:
    """Names of one project: vectors by edge, modules by layer, ports by their names in the graph."""

    vectors: Mapping[str, str]
    modules: tuple[str, ...]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


def names_of(graph: Graph, top: str) -> Names:
    """Names of all that a project has; those of modules begin with the top's."""
    arrays = array_names(graph, top)
    ins, outs = port_names(graph, top)
    modules = tuple(f"{top}_{name}" for name in layer_names(graph, arrays, top))
    vectors: dict[str, str] = {}
    for edge, name in arrays.items():
        new = free(name)
        while new in vectors.values() or (new != name and new in arrays.values()):
            new += "_"
        vectors[edge] = new
    return Names(vectors, modules, ins, {p: n.removeprefix("out_") for p, n in outs.items()})
