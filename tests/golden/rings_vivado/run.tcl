# rings: C-simulation, synthesis and IP export in Vivado HLS.
#   vivado_hls -f run.tcl                     all three
#   vivado_hls -f run.tcl csim                one step: csim, csynth, cosim or export
set steps {csim csynth export}
if {[llength $argv] > 2} { set steps [lrange $argv 2 end] }

set root [file dirname [file normalize [info script]]]
open_project -reset rings_prj
set_top rings
add_files $root/src/rings.cpp -cflags "-std=c++11 -I$root/src"
add_files -tb $root/tb/rings_tb.cpp -cflags "-std=c++11 -I$root/src"
add_files -tb $root/tb/data

open_solution -reset solution1
set_part {xc7z020clg400-1}
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
