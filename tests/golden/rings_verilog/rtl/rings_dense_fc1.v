// node fc1: dense[2x24 w s4 pe 24 simd 2]
// Latency 0: results are there so many enabled clock edges after their operands.
`default_nettype none
module rings_dense_fc1 (
  input wire [15:0] x,  // 2 elements, codes -128..127
  output wire [229:0] y  // 24 elements, codes -1016..1024
);
  wire [7:0] x_0 = x[7:0];
  wire [7:0] x_1 = x[15:8];
  // output 1: 2 of 2 weights are not 0
  wire [8:0] n3 = {x_0[7], x_0} - {x_1[7], x_1};
  wire [10:0] n4 = {x_0[7], x_0, 2'd0} + {{2{n3[8]}}, n3};
  // output 2: 2 of 2 weights are not 0
  wire [8:0] n5 = {x_1[7], x_1} - {x_0[7], x_0};
  wire [11:0] n6 = {{3{n5[8]}}, n5} - {x_1[7], x_1, 3'd0};
  // output 3: 2 of 2 weights are not 0
  wire [8:0] n7 = {x_0[7], x_0} + {x_1[7], x_1};
  wire [9:0] n8 = -{n7[8], n7};
  wire [10:0] n9 = {n8, 1'd0};
  // output 4: 0 of 2 weights are not 0
  wire [10:0] n10 = {{2{n7[8]}}, n7} - {x_0[7], x_0, 2'd0};
  // output 6: 1 of 2 weights are not 0
  wire [8:0] n11 = -{x_1[7], x_1};
  wire [10:0] n12 = {n11, 2'd0};
  // output 7: 2 of 2 weights are not 0
  wire [9:0] n13 = {{2{x_1[7]}}, x_1} + {x_0[7], x_0, 1'd0};
  wire [11:0] n14 = {x_0[7], x_0, 3'd0} - {{2{n13[9]}}, n13};
  // output 8: 2 of 2 weights are not 0
  wire [10:0] n15 = {{2{n5[8]}}, n5} - {x_1[7], x_1, 2'd0};
  // output 9: 2 of 2 weights are not 0
  wire [9:0] n16 = {x_0[7], x_0, 1'd0} - {{2{x_1[7]}}, x_1};
  wire [10:0] n17 = {x_1[7], x_1, 2'd0} + {n16[9], n16};
  // output 11: 2 of 2 weights are not 0
  wire [9:0] n18 = {{2{x_0[7]}}, x_0} - {x_1[7], x_1, 1'd0};
  // output 12: 0 of 2 weights are not 0
  wire [10:0] n19 = {x_1[7], x_1, 2'd0} - {{3{x_0[7]}}, x_0};
  // output 14: 2 of 2 weights are not 0
  wire [9:0] n20 = {x_0, 2'd0};
  // output 16: 1 of 2 weights are not 0
  wire [10:0] n21 = {{3{x_0[7]}}, x_0} + {x_0[7], x_0, 2'd0};
  wire [10:0] n22 = -n21;
  // output 17: 1 of 2 weights are not 0
  wire [8:0] n23 = -{x_0[7], x_0};
  // output 18: 2 of 2 weights are not 0
  wire [9:0] n24 = -n13;
  wire [10:0] n25 = {n24, 1'd0};
  // output 19: 2 of 2 weights are not 0
  wire [9:0] n26 = {{2{x_1[7]}}, x_1} - {x_0[7], x_0, 1'd0};
  // output 20: 2 of 2 weights are not 0
  wire [10:0] n27 = {{3{x_1[7]}}, x_1} + {x_0[7], x_0, 2'd0};
  wire [11:0] n28 = {{2{x_1[7]}}, x_1, 2'd0} - {n27[10], n27};
  // output 21: 1 of 2 weights are not 0
  wire [10:0] n29 = {{3{x_1[7]}}, x_1} - {x_1[7], x_1, 2'd0};
  // output 22: 2 of 2 weights are not 0
  wire [10:0] n30 = {x_1[7], x_1, 2'd0} - {n13[9], n13};
  // output 23: 2 of 2 weights are not 0
  wire [11:0] n31 = n6;
  wire [11:0] n32 = n14;
  wire [11:0] n33 = n28;
  assign y = {
    n13, n30, n29, n33, n26, n25, n23, n22, n20, n18, n19, 1'd0, n18, n17, n9, n15, n32, n12, n10, 1'd0, n9,
    n31, n4, 1'd0
  };
endmodule
`default_nettype wire
