# rings: the full flow in Catapult.
#   catapult -shell -file go.tcl
set root [file dirname [file normalize [info script]]]

project new -name rings_prj
solution options set /Input/CppStandard c++14
solution options set /Input/SearchPath $root/src
solution options set /Flows/SCVerify/USE_CCS_BLOCK true
flow package require /SCVerify
solution options set /Flows/SCVerify/INVOKE_ARGS "$root/tb/data"

solution file add $root/src/rings.cpp -type C++
solution file add $root/tb/rings_tb.cpp -type C++ -exclude true

go analyze
directive set -DESIGN_HIERARCHY rings
go compile
solution library add nangate-45nm_beh -- -rtlsyntool OasysRTL
go libraries
directive set -CLOCKS {clk {-CLOCK_PERIOD 5.0 -CLOCK_EDGE rising -RESET_SYNC_NAME rst}}
go assembly

# ROMs. One that is read whole each cycle is wired; of another a row is read, its codes side by side. Which module of the
# technology holds it is yours to say: HWQ_ROM=Library.Module (with its library added above), else Catapult chooses by size.
# dense_fc1_weights: 4 rows of 12 codes of s4
catch { directive set /rings/dense_fc1_weights.rom:rsc -PACKING_MODE sidebyside }
if {[info exists ::env(HWQ_ROM)]} { directive set /rings/dense_fc1_weights.rom:rsc -MAP_TO_MODULE $::env(HWQ_ROM) }
# threshold_fc1_act_quant_thresholds: 24 rows of 15 codes of u11
catch { directive set /rings/threshold_fc1_act_quant_thresholds.rom:rsc -PACKING_MODE sidebyside }
if {[info exists ::env(HWQ_ROM)]} { directive set /rings/threshold_fc1_act_quant_thresholds.rom:rsc -MAP_TO_MODULE $::env(HWQ_ROM) }
# dense_fc2_weights: 4 rows of 96 codes of s4
catch { directive set /rings/dense_fc2_weights.rom:rsc -PACKING_MODE sidebyside }
if {[info exists ::env(HWQ_ROM)]} { directive set /rings/dense_fc2_weights.rom:rsc -MAP_TO_MODULE $::env(HWQ_ROM) }
# threshold_fc2_act_quant_thresholds: 16 rows of 15 codes of s9
catch { directive set /rings/threshold_fc2_act_quant_thresholds.rom:rsc -PACKING_MODE sidebyside }
if {[info exists ::env(HWQ_ROM)]} { directive set /rings/threshold_fc2_act_quant_thresholds.rom:rsc -MAP_TO_MODULE $::env(HWQ_ROM) }
# dense_fc3_weights: 4 rows of 12 codes of s4
catch { directive set /rings/dense_fc3_weights.rom:rsc -PACKING_MODE sidebyside }
if {[info exists ::env(HWQ_ROM)]} { directive set /rings/dense_fc3_weights.rom:rsc -MAP_TO_MODULE $::env(HWQ_ROM) }

go architect
go extract
