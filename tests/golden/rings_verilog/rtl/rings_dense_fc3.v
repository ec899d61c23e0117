// node fc3: dense[16x3 w s4 pe 3 simd 16]
// Latency 1: results are there so many enabled clock edges after their operands.
`default_nettype none
module rings_dense_fc3 (
  input wire clk,
  input wire ce,
  input wire [63:0] x,  // 16 elements, codes 0..15
  output wire [30:0] y  // 3 elements, codes -615..150
);
  wire [3:0] x_0 = x[3:0];
  wire [3:0] x_1 = x[7:4];
  wire [3:0] x_2 = x[11:8];
  wire [3:0] x_3 = x[15:12];
  wire [3:0] x_4 = x[19:16];
  wire [3:0] x_5 = x[23:20];
  wire [3:0] x_6 = x[27:24];
  wire [3:0] x_7 = x[31:28];
  wire [3:0] x_8 = x[35:32];
  wire [3:0] x_9 = x[39:36];
  wire [3:0] x_10 = x[43:40];
  wire [3:0] x_11 = x[47:44];
  wire [3:0] x_12 = x[51:48];
  wire [3:0] x_13 = x[55:52];
  wire [3:0] x_14 = x[59:56];
  wire [3:0] x_15 = x[63:60];
  // output 0: 15 of 16 weights are not 0
  wire [4:0] n16 = {1'd0, x_2} + {1'd0, x_4};
  wire [4:0] n17 = {1'd0, x_7} - {1'd0, x_8};
  wire [4:0] n18 = {1'd0, x_9} + {1'd0, x_10};
  wire [4:0] n19 = {1'd0, x_11} - {1'd0, x_12};
  wire [5:0] n20 = {1'd0, x_1, 1'd0} - {2'd0, x_15};
  wire [4:0] n21 = {1'd0, x_5} - {1'd0, x_3};
  wire [4:0] n22 = {1'd0, x_14} - {1'd0, x_6};
  wire [4:0] n23 = {1'd0, x_0} + {1'd0, x_2};
  wire [4:0] n24 = {1'd0, x_4} - {1'd0, x_7};
  wire [4:0] n25 = {1'd0, x_8} - {1'd0, x_9};
  wire [4:0] n26 = {1'd0, x_1} + {1'd0, x_10};
  wire [7:0] n27 = {1'd0, x_11, 3'd0} + {3'd0, n16};
  reg [7:0] n27_1;
  wire [6:0] n28 = {{2{n17[4]}}, n17} + {2'd0, n18};
  reg [6:0] n28_1;
  wire [6:0] n29 = {{2{n19[4]}}, n19} + {n20[5], n20};
  reg [6:0] n29_1;
  wire [5:0] n30 = {n21[4], n21} + {n22[4], n22};
  reg [5:0] n30_1;
  wire [6:0] n31 = {{2{n24[4]}}, n24} - {2'd0, n23};
  reg [6:0] n31_1;
  wire [7:0] n32 = {{3{n25[4]}}, n25} - {2'd0, n26, 1'd0};
  reg [7:0] n32_1;
  wire [7:0] n33 = {n28_1[6], n28_1} + {n29_1[6], n29_1};
  wire [8:0] n34 = {{2{n30_1[5]}}, n30_1, 1'd0} - {1'd0, n27_1};
  wire [7:0] n35 = {n31_1[6], n31_1} + n32_1;
  wire [8:0] n36 = {n33[7], n33} + n34;
  wire [10:0] n37 = {n35[7], n35, 2'd0} + {{2{n36[8]}}, n36};
  // output 1: 14 of 16 weights are not 0
  wire [4:0] n38 = {1'd0, x_1} + {1'd0, x_3};
  wire [4:0] n39 = {1'd0, x_9} + {1'd0, x_11};
  wire [4:0] n40 = {1'd0, x_12} + {1'd0, x_13};
  wire [4:0] n41 = {1'd0, x_14} + {1'd0, x_15};
  wire [4:0] n42 = {1'd0, x_4} + {1'd0, x_5};
  wire [4:0] n43 = {1'd0, x_6} - {1'd0, x_7};
  wire [4:0] n44 = {1'd0, x_8} + {1'd0, x_10};
  wire [4:0] n45 = {1'd0, x_1} + {1'd0, x_11};
  reg [4:0] n45_1;
  wire [6:0] n46 = {1'd0, x_15, 2'd0} + {2'd0, n38};
  reg [6:0] n46_1;
  wire [5:0] n47 = {1'd0, n39} + {1'd0, n40};
  reg [5:0] n47_1;
  wire [6:0] n48 = {2'd0, n41} + {1'd0, n42, 1'd0};
  reg [6:0] n48_1;
  wire [6:0] n49 = {{2{n43[4]}}, n43} - {2'd0, n44};
  reg [6:0] n49_1;
  wire [7:0] n50 = {2'd0, n47_1} - {1'd0, n45_1, 2'd0};
  wire [7:0] n51 = {1'd0, n46_1} - {1'd0, n48_1};
  wire [8:0] n52 = {n49_1[6], n49_1, 1'd0} + {n50[7], n50};
  wire [9:0] n53 = {{2{n51[7]}}, n51} + {n52[8], n52};
  // output 2: 12 of 16 weights are not 0
  wire [4:0] n54 = {1'd0, x_1} + {1'd0, x_5};
  wire [5:0] n55 = {1'd0, x_7, 1'd0} - {2'd0, x_12};
  wire [4:0] n56 = {1'd0, x_11} - {1'd0, x_8};
  wire [4:0] n57 = {1'd0, x_13} + {1'd0, x_15};
  wire [4:0] n58 = {1'd0, x_1} - {1'd0, x_4};
  wire [4:0] n59 = {1'd0, x_10} - {1'd0, x_5};
  wire [6:0] n60 = {1'd0, x_14, 2'd0} + {2'd0, n54};
  reg [6:0] n60_1;
  wire [6:0] n61 = {n55[5], n55} - {2'd0, n18};
  reg [6:0] n61_1;
  wire [6:0] n62 = {{2{n56[4]}}, n56} - {2'd0, n57};
  reg [6:0] n62_1;
  wire [5:0] n63 = {n58[4], n58} + {n59[4], n59};
  reg [5:0] n63_1;
  wire [8:0] n64 = {{2{n61_1[6]}}, n61_1} - {2'd0, n60_1};
  wire [7:0] n65 = {n62_1[6], n62_1} + {n63_1[5], n63_1, 1'd0};
  wire [9:0] n66 = {n64[8], n64} + {n65[7], n65, 1'd0};
  wire [10:0] n67 = n37;
  wire [9:0] n68 = n53;
  wire [9:0] n69 = n66;
  assign y = {n69, n68, n67};
  always @(posedge clk)
    if (ce) begin
      n27_1 <= n27;
      n28_1 <= n28;
      n29_1 <= n29;
      n30_1 <= n30;
      n31_1 <= n31;
      n32_1 <= n32;
      n45_1 <= n45;
      n46_1 <= n46;
      n47_1 <= n47;
      n48_1 <= n48;
      n49_1 <= n49;
      n60_1 <= n60;
      n61_1 <= n61;
      n62_1 <= n62;
      n63_1 <= n63;
    end
endmodule
`default_nettype wire
