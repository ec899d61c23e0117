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
# dense_fc1_weights: 4 rows of 12 codes of s4, a row each cycle
catch { directive set /rings/core/dense_fc1_weights:rsc -PACKING_MODE sidebyside }
# threshold_fc1_act_quant_thresholds: 24 rows of 15 codes of u11, a row each cycle
catch { directive set /rings/core/threshold_fc1_act_quant_thresholds:rsc -PACKING_MODE sidebyside }
# dense_fc2_weights: 4 rows of 96 codes of s4, a row each cycle
catch { directive set /rings/core/dense_fc2_weights:rsc -PACKING_MODE sidebyside }
# threshold_fc2_act_quant_thresholds: 16 rows of 15 codes of s9, a row each cycle
catch { directive set /rings/core/threshold_fc2_act_quant_thresholds:rsc -PACKING_MODE sidebyside }
# dense_fc3_weights: 4 rows of 12 codes of s4, a row each cycle
catch { directive set /rings/core/dense_fc3_weights:rsc -PACKING_MODE sidebyside }
go architect
go extract
