"""Hardware graphs rendered as Verilog: a module a layer, a pipelined top with AXI4-Stream ports, a testbench."""
