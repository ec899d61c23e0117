# rings: C-simulation, synthesis and IP export in Vitis HLS.
#   vitis_hls -f run.tcl                      to 2024.1
#   vitis-run --mode hls --tcl run.tcl        2024.2 on
# One step alone: set HWQ_STEPS to csim, csynth, cosim or export (several, with blanks between).
set steps {csim csynth export}
if {[info exists ::env(HWQ_STEPS)]} { set steps $::env(HWQ_STEPS) }

set root [file dirname [file normalize [info script]]]
open_project -reset rings_prj
set_top rings
add_files $root/src/rings.cpp -cflags "-std=c++14 -I$root/src"
add_files -tb $root/tb/rings_tb.cpp -cflags "-std=c++14 -I$root/src"
add_files -tb $root/tb/data

open_solution -reset solution1 -flow_target vivado
set_part {xcu50-fsvh2104-2-e}
create_clock -period 5.0 -name default

# The testbench runs in solution1/csim/build, where add_files -tb puts the vectors: in the folder "data".
foreach step $steps {
  switch $step {
    csim    { csim_design -argv "data" }
    csynth  { csynth_design }
    cosim   { cosim_design -argv "data" }
    export  { export_design -format ip_catalog }
    default { puts "unknown step '$step'"; exit 2 }
  }
}
exit
