# rings: synthesis, place and route in Vivado without a project, out of context.
#   vivado -mode batch -source vivado.tcl                     all steps
#   vivado -mode batch -source vivado.tcl -tclargs synth      synthesis alone
set steps {synth place route}
if {[llength $argv] > 0} { set steps $argv }

set root [file dirname [file normalize [info script]]]
file mkdir $root/build
read_verilog [list \
  $root/rtl/rings.v \
  $root/rtl/rings_dense_fc1.v \
  $root/rtl/rings_dense_fc2.v \
  $root/rtl/rings_dense_fc3.v \
  $root/rtl/rings_threshold_fc1_act_quant.v \
  $root/rtl/rings_threshold_fc2_act_quant.v
]
read_xdc -mode out_of_context $root/constraints/rings.xdc

foreach step $steps {
  switch $step {
    synth {
      synth_design -top rings -part {xc7z020clg400-1} -mode out_of_context -flatten_hierarchy rebuilt
      write_checkpoint -force $root/build/synth.dcp
    }
    place {
      opt_design
      place_design
      phys_opt_design
    }
    route {
      route_design
      write_checkpoint -force $root/build/route.dcp
    }
    default { puts "unknown step '$step'"; exit 2 }
  }
  report_utilization -hierarchical -file $root/build/$step.utilization.txt
  report_timing_summary -file $root/build/$step.timing.txt
}
