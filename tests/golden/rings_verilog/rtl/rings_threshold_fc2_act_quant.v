// node fc2/act_quant: threshold[16x15 compare]
// Latency 3: results are there so many enabled clock edges after their operands.
`default_nettype none
module rings_threshold_fc2_act_quant (
  input wire clk,
  input wire ce,
  input wire [166:0] x,  // 16 elements, codes -615..630
  output wire [63:0] y  // 16 elements, codes 0..15
);
  wire [9:0] x_0 = x[9:0];
  wire [10:0] x_1 = x[20:10];
  wire [9:0] x_2 = x[30:21];
  wire [9:0] x_3 = x[40:31];
  wire [10:0] x_4 = x[51:41];
  wire [10:0] x_5 = x[62:52];
  wire [9:0] x_6 = x[72:63];
  wire [10:0] x_7 = x[83:73];
  wire [9:0] x_8 = x[93:84];
  wire [9:0] x_9 = x[103:94];
  wire [9:0] x_10 = x[113:104];
  wire [10:0] x_11 = x[124:114];
  wire [9:0] x_12 = x[134:125];
  wire [9:0] x_13 = x[144:135];
  wire [10:0] x_14 = x[155:145];
  wire [10:0] x_15 = x[166:156];
  reg [9:0] x_0_1;
  reg [9:0] x_0_2;
  reg [9:0] x_0_3;
  reg [10:0] x_1_1;
  reg [10:0] x_1_2;
  reg [10:0] x_1_3;
  reg [9:0] x_2_1;
  reg [9:0] x_2_2;
  reg [9:0] x_2_3;
  reg [9:0] x_3_1;
  reg [9:0] x_3_2;
  reg [9:0] x_3_3;
  reg [10:0] x_4_1;
  reg [10:0] x_4_2;
  reg [10:0] x_4_3;
  reg [10:0] x_5_1;
  reg [10:0] x_5_2;
  reg [10:0] x_5_3;
  reg [9:0] x_6_1;
  reg [9:0] x_6_2;
  reg [9:0] x_6_3;
  reg [10:0] x_7_1;
  reg [10:0] x_7_2;
  reg [10:0] x_7_3;
  reg [9:0] x_8_1;
  reg [9:0] x_8_2;
  reg [9:0] x_8_3;
  reg [9:0] x_9_1;
  reg [9:0] x_9_2;
  reg [9:0] x_9_3;
  reg [9:0] x_10_1;
  reg [9:0] x_10_2;
  reg [9:0] x_10_3;
  reg [10:0] x_11_1;
  reg [10:0] x_11_2;
  reg [10:0] x_11_3;
  reg [9:0] x_12_1;
  reg [9:0] x_12_2;
  reg [9:0] x_12_3;
  reg [9:0] x_13_1;
  reg [9:0] x_13_2;
  reg [9:0] x_13_3;
  reg [10:0] x_14_1;
  reg [10:0] x_14_2;
  reg [10:0] x_14_3;
  reg [10:0] x_15_1;
  reg [10:0] x_15_2;
  reg [10:0] x_15_3;
  wire n18 = $signed(x_0_1) < 10'sd57;
  wire n19 = ~n18;
  reg n19_1;
  reg n19_2;
  wire [6:0] n22 = n18 ? 7'd39 : 7'd74;
  wire n23 = $signed(x_0_1) < $signed({3'd0, n22});
  wire n24 = ~n23;
  reg n24_1;
  reg n24_2;
  wire [1:0] n25 = {n19, n24};
  reg [1:0] n25_1;
  reg [6:0] n26;
  always @(*)
    case (n25_1)
      2'd0: n26 = 7'd31;
      2'd1: n26 = 7'd48;
      2'd2: n26 = 7'd66;
      default: n26 = 7'd83;
    endcase
  wire n27 = $signed(x_0_2) < $signed({3'd0, n26});
  wire n28 = ~n27;
  reg n28_1;
  wire [2:0] n29 = {n19_1, n24_1, n28};
  reg [6:0] n30;
  always @(*)
    case (n29)
      3'd0: n30 = 7'd26;
      3'd1: n30 = 7'd35;
      3'd2: n30 = 7'd44;
      3'd3: n30 = 7'd53;
      3'd4: n30 = 7'd61;
      3'd5: n30 = 7'd70;
      3'd6: n30 = 7'd79;
      default: n30 = 7'd87;
    endcase
  reg [6:0] n30_1;
  wire n31 = $signed(x_0_3) < $signed({3'd0, n30_1});
  wire n32 = ~n31;
  wire [3:0] n33 = {n19_2, n24_2, n28_1, n32};
  wire n35 = $signed(x_1_1) < 11'sd107;
  wire n36 = ~n35;
  reg n36_1;
  reg n36_2;
  wire [6:0] n39 = n35 ? 7'd91 : 7'd122;
  wire n40 = $signed(x_1_1) < $signed({4'd0, n39});
  wire n41 = ~n40;
  reg n41_1;
  reg n41_2;
  wire [1:0] n42 = {n36, n41};
  reg [1:0] n42_1;
  reg [7:0] n43;
  always @(*)
    case (n42_1)
      2'd0: n43 = 8'd83;
      2'd1: n43 = 8'd99;
      2'd2: n43 = 8'd114;
      default: n43 = 8'd130;
    endcase
  wire n44 = $signed(x_1_2) < $signed({3'd0, n43});
  wire n45 = ~n44;
  reg n45_1;
  wire [2:0] n46 = {n36_1, n41_1, n45};
  reg [7:0] n47;
  always @(*)
    case (n46)
      3'd0: n47 = 8'd79;
      3'd1: n47 = 8'd87;
      3'd2: n47 = 8'd95;
      3'd3: n47 = 8'd103;
      3'd4: n47 = 8'd111;
      3'd5: n47 = 8'd118;
      3'd6: n47 = 8'd126;
      default: n47 = 8'd134;
    endcase
  reg [7:0] n47_1;
  wire n48 = $signed(x_1_3) < $signed({3'd0, n47_1});
  wire n49 = ~n48;
  wire [3:0] n50 = {n36_2, n41_2, n45_1, n49};
  wire n52 = $signed(x_2_1) < 10'sd59;
  wire n53 = ~n52;
  reg n53_1;
  reg n53_2;
  wire [6:0] n56 = n52 ? 7'd42 : 7'd76;
  wire n57 = $signed(x_2_1) < $signed({3'd0, n56});
  wire n58 = ~n57;
  reg n58_1;
  reg n58_2;
  wire [1:0] n59 = {n53, n58};
  reg [1:0] n59_1;
  reg [6:0] n60;
  always @(*)
    case (n59_1)
      2'd0: n60 = 7'd33;
      2'd1: n60 = 7'd50;
      2'd2: n60 = 7'd68;
      default: n60 = 7'd85;
    endcase
  wire n61 = $signed(x_2_2) < $signed({3'd0, n60});
  wire n62 = ~n61;
  reg n62_1;
  wire [2:0] n63 = {n53_1, n58_1, n62};
  reg [6:0] n64;
  always @(*)
    case (n63)
      3'd0: n64 = 7'd29;
      3'd1: n64 = 7'd37;
      3'd2: n64 = 7'd46;
      3'd3: n64 = 7'd55;
      3'd4: n64 = 7'd63;
      3'd5: n64 = 7'd72;
      3'd6: n64 = 7'd81;
      default: n64 = 7'd89;
    endcase
  reg [6:0] n64_1;
  wire n65 = $signed(x_2_3) < $signed({3'd0, n64_1});
  wire n66 = ~n65;
  wire [3:0] n67 = {n53_2, n58_2, n62_1, n66};
  wire n69 = $signed(x_3_1) < 10'sd87;
  wire n70 = ~n69;
  reg n70_1;
  reg n70_2;
  wire [7:0] n73 = n69 ? 8'd38 : 8'd135;
  wire n74 = $signed(x_3_1) < $signed({2'd0, n73});
  wire n75 = ~n74;
  reg n75_1;
  reg n75_2;
  wire [1:0] n76 = {n70, n75};
  reg [1:0] n76_1;
  reg [7:0] n77;
  always @(*)
    case (n76_1)
      2'd0: n77 = 8'd13;
      2'd1: n77 = 8'd62;
      2'd2: n77 = 8'd111;
      default: n77 = 8'd160;
    endcase
  wire n78 = $signed(x_3_2) < $signed({2'd0, n77});
  wire n79 = ~n78;
  reg n79_1;
  wire [2:0] n80 = {n70_1, n75_1, n79};
  reg [7:0] n81;
  always @(*)
    case (n80)
      3'd0: n81 = 8'd1;
      3'd1: n81 = 8'd26;
      3'd2: n81 = 8'd50;
      3'd3: n81 = 8'd74;
      3'd4: n81 = 8'd99;
      3'd5: n81 = 8'd123;
      3'd6: n81 = 8'd148;
      default: n81 = 8'd172;
    endcase
  reg [7:0] n81_1;
  wire n82 = $signed(x_3_3) < $signed({2'd0, n81_1});
  wire n83 = ~n82;
  wire [3:0] n84 = {n70_2, n75_2, n79_1, n83};
  wire n86 = $signed(x_4_1) < -11'sd30;
  wire n87 = ~n86;
  reg n87_1;
  reg n87_2;
  wire [6:0] n90 = n86 ? 7'd81 : 7'd114;
  wire n91 = $signed(x_4_1) < $signed({{4{n90[6]}}, n90});
  wire n92 = ~n91;
  reg n92_1;
  reg n92_2;
  wire [1:0] n93 = {n87, n92};
  reg [1:0] n93_1;
  reg [6:0] n94;
  always @(*)
    case (n93_1)
      2'd0: n94 = 7'd72;
      2'd1: n94 = 7'd89;
      2'd2: n94 = 7'd106;
      default: n94 = 7'd123;
    endcase
  wire n95 = $signed(x_4_2) < $signed({{4{n94[6]}}, n94});
  wire n96 = ~n95;
  reg n96_1;
  wire [2:0] n97 = {n87_1, n92_1, n96};
  reg [6:0] n98;
  always @(*)
    case (n97)
      3'd0: n98 = 7'd68;
      3'd1: n98 = 7'd76;
      3'd2: n98 = 7'd85;
      3'd3: n98 = 7'd93;
      3'd4: n98 = 7'd102;
      3'd5: n98 = 7'd110;
      3'd6: n98 = 7'd119;
      default: n98 = 7'd127;
    endcase
  reg [6:0] n98_1;
  wire n99 = $signed(x_4_3) < $signed({{4{n98_1[6]}}, n98_1});
  wire n100 = ~n99;
  wire [3:0] n101 = {n87_2, n92_2, n96_1, n100};
  wire n103 = $signed(x_5_1) < -11'sd22;
  wire n104 = ~n103;
  reg n104_1;
  reg n104_2;
  wire [6:0] n106 = n103 ? 7'd83 : 7'd0;
  wire n107 = $signed(x_5_1) < $signed({{4{n106[6]}}, n106});
  wire n108 = ~n107;
  reg n108_1;
  reg n108_2;
  wire [1:0] n109 = {n104, n108};
  reg [1:0] n109_1;
  reg [6:0] n110;
  always @(*)
    case (n109_1)
      2'd0: n110 = 7'd72;
      2'd1: n110 = 7'd94;
      2'd2: n110 = 7'd117;
      default: n110 = 7'd11;
    endcase
  wire n111 = $signed(x_5_2) < $signed({{4{n110[6]}}, n110});
  wire n112 = ~n111;
  reg n112_1;
  wire [2:0] n113 = {n104_1, n108_1, n112};
  reg [6:0] n114;
  always @(*)
    case (n113)
      3'd0: n114 = 7'd66;
      3'd1: n114 = 7'd77;
      3'd2: n114 = 7'd89;
      3'd3: n114 = 7'd100;
      3'd4: n114 = 7'd111;
      3'd5: n114 = 7'd122;
      3'd6: n114 = 7'd6;
      default: n114 = 7'd17;
    endcase
  reg [6:0] n114_1;
  wire n115 = $signed(x_5_3) < $signed({{4{n114_1[6]}}, n114_1});
  wire n116 = ~n115;
  wire [3:0] n117 = {n104_2, n108_2, n112_1, n116};
  wire n119 = $signed(x_6_1) < 10'sd69;
  wire n120 = ~n119;
  reg n120_1;
  reg n120_2;
  wire [6:0] n123 = n119 ? 7'd43 : 7'd96;
  wire n124 = $signed(x_6_1) < $signed({3'd0, n123});
  wire n125 = ~n124;
  reg n125_1;
  reg n125_2;
  wire [1:0] n126 = {n120, n125};
  reg [1:0] n126_1;
  reg [6:0] n127;
  always @(*)
    case (n126_1)
      2'd0: n127 = 7'd30;
      2'd1: n127 = 7'd56;
      2'd2: n127 = 7'd83;
      default: n127 = 7'd109;
    endcase
  wire n128 = $signed(x_6_2) < $signed({3'd0, n127});
  wire n129 = ~n128;
  reg n129_1;
  wire [2:0] n130 = {n120_1, n125_1, n129};
  reg [6:0] n131;
  always @(*)
    case (n130)
      3'd0: n131 = 7'd23;
      3'd1: n131 = 7'd36;
      3'd2: n131 = 7'd49;
      3'd3: n131 = 7'd63;
      3'd4: n131 = 7'd76;
      3'd5: n131 = 7'd89;
      3'd6: n131 = 7'd102;
      default: n131 = 7'd116;
    endcase
  reg [6:0] n131_1;
  wire n132 = $signed(x_6_3) < $signed({3'd0, n131_1});
  wire n133 = ~n132;
  wire [3:0] n134 = {n120_2, n125_2, n129_1, n133};
  wire n136 = $signed(x_7_1) < 11'sd117;
  wire n137 = ~n136;
  reg n137_1;
  reg n137_2;
  wire [7:0] n139 = n136 ? 8'd99 : 8'd135;
  wire n140 = $signed(x_7_1) < $signed({3'd0, n139});
  wire n141 = ~n140;
  reg n141_1;
  reg n141_2;
  wire [1:0] n142 = {n137, n141};
  reg [1:0] n142_1;
  reg [7:0] n143;
  always @(*)
    case (n142_1)
      2'd0: n143 = 8'd90;
      2'd1: n143 = 8'd108;
      2'd2: n143 = 8'd126;
      default: n143 = 8'd144;
    endcase
  wire n144 = $signed(x_7_2) < $signed({3'd0, n143});
  wire n145 = ~n144;
  reg n145_1;
  wire [2:0] n146 = {n137_1, n141_1, n145};
  reg [7:0] n147;
  always @(*)
    case (n146)
      3'd0: n147 = 8'd86;
      3'd1: n147 = 8'd95;
      3'd2: n147 = 8'd104;
      3'd3: n147 = 8'd113;
      3'd4: n147 = 8'd122;
      3'd5: n147 = 8'd131;
      3'd6: n147 = 8'd140;
      default: n147 = 8'd149;
    endcase
  reg [7:0] n147_1;
  wire n148 = $signed(x_7_3) < $signed({3'd0, n147_1});
  wire n149 = ~n148;
  wire [3:0] n150 = {n137_2, n141_2, n145_1, n149};
  wire n152 = $signed(x_8_1) < -10'sd24;
  wire n153 = ~n152;
  reg n153_1;
  reg n153_2;
  wire [6:0] n156 = n152 ? 7'd89 : 7'd119;
  wire n157 = $signed(x_8_1) < $signed({{3{n156[6]}}, n156});
  wire n158 = ~n157;
  reg n158_1;
  reg n158_2;
  wire [1:0] n159 = {n153, n158};
  reg [1:0] n159_1;
  reg [6:0] n160;
  always @(*)
    case (n159_1)
      2'd0: n160 = 7'd81;
      2'd1: n160 = 7'd96;
      2'd2: n160 = 7'd112;
      default: n160 = 7'd127;
    endcase
  wire n161 = $signed(x_8_2) < $signed({{3{n160[6]}}, n160});
  wire n162 = ~n161;
  reg n162_1;
  wire [2:0] n163 = {n153_1, n158_1, n162};
  reg [6:0] n164;
  always @(*)
    case (n163)
      3'd0: n164 = 7'd77;
      3'd1: n164 = 7'd85;
      3'd2: n164 = 7'd92;
      3'd3: n164 = 7'd100;
      3'd4: n164 = 7'd108;
      3'd5: n164 = 7'd115;
      3'd6: n164 = 7'd123;
      default: n164 = 7'd3;
    endcase
  reg [6:0] n164_1;
  wire n165 = $signed(x_8_3) < $signed({{3{n164_1[6]}}, n164_1});
  wire n166 = ~n165;
  wire [3:0] n167 = {n153_2, n158_2, n162_1, n166};
  wire n169 = $signed(x_9_1) < 10'sd67;
  wire n170 = ~n169;
  reg n170_1;
  reg n170_2;
  wire [6:0] n171 = n169 ? 7'd39 : 7'd96;
  wire n172 = $signed(x_9_1) < $signed({3'd0, n171});
  wire n173 = ~n172;
  reg n173_1;
  reg n173_2;
  wire [1:0] n174 = {n170, n173};
  reg [1:0] n174_1;
  reg [6:0] n175;
  always @(*)
    case (n174_1)
      2'd0: n175 = 7'd24;
      2'd1: n175 = 7'd53;
      2'd2: n175 = 7'd82;
      default: n175 = 7'd110;
    endcase
  wire n176 = $signed(x_9_2) < $signed({3'd0, n175});
  wire n177 = ~n176;
  reg n177_1;
  wire [2:0] n178 = {n170_1, n173_1, n177};
  reg [6:0] n179;
  always @(*)
    case (n178)
      3'd0: n179 = 7'd17;
      3'd1: n179 = 7'd31;
      3'd2: n179 = 7'd46;
      3'd3: n179 = 7'd60;
      3'd4: n179 = 7'd75;
      3'd5: n179 = 7'd89;
      3'd6: n179 = 7'd103;
      default: n179 = 7'd118;
    endcase
  reg [6:0] n179_1;
  wire n180 = $signed(x_9_3) < $signed({3'd0, n179_1});
  wire n181 = ~n180;
  wire [3:0] n182 = {n170_2, n173_2, n177_1, n181};
  wire n183 = $signed(x_10_1) < 10'sd91;
  wire n184 = ~n183;
  reg n184_1;
  reg n184_2;
  wire [6:0] n187 = n183 ? 7'd78 : 7'd105;
  wire n188 = $signed(x_10_1) < $signed({3'd0, n187});
  wire n189 = ~n188;
  reg n189_1;
  reg n189_2;
  wire [1:0] n190 = {n184, n189};
  reg [1:0] n190_1;
  reg [6:0] n191;
  always @(*)
    case (n190_1)
      2'd0: n191 = 7'd71;
      2'd1: n191 = 7'd85;
      2'd2: n191 = 7'd98;
      default: n191 = 7'd112;
    endcase
  wire n192 = $signed(x_10_2) < $signed({3'd0, n191});
  wire n193 = ~n192;
  reg n193_1;
  wire [2:0] n194 = {n184_1, n189_1, n193};
  reg [6:0] n195;
  always @(*)
    case (n194)
      3'd0: n195 = 7'd67;
      3'd1: n195 = 7'd74;
      3'd2: n195 = 7'd81;
      3'd3: n195 = 7'd88;
      3'd4: n195 = 7'd95;
      3'd5: n195 = 7'd102;
      3'd6: n195 = 7'd109;
      default: n195 = 7'd115;
    endcase
  reg [6:0] n195_1;
  wire n196 = $signed(x_10_3) < $signed({3'd0, n195_1});
  wire n197 = ~n196;
  wire [3:0] n198 = {n184_2, n189_2, n193_1, n197};
  wire n200 = $signed(x_11_1) < 11'sd108;
  wire n201 = ~n200;
  reg n201_1;
  reg n201_2;
  wire [6:0] n204 = n200 ? 7'd92 : 7'd124;
  wire n205 = $signed(x_11_1) < $signed({4'd0, n204});
  wire n206 = ~n205;
  reg n206_1;
  reg n206_2;
  wire [1:0] n207 = {n201, n206};
  reg [1:0] n207_1;
  reg [7:0] n208;
  always @(*)
    case (n207_1)
      2'd0: n208 = 8'd84;
      2'd1: n208 = 8'd100;
      2'd2: n208 = 8'd116;
      default: n208 = 8'd132;
    endcase
  wire n209 = $signed(x_11_2) < $signed({3'd0, n208});
  wire n210 = ~n209;
  reg n210_1;
  wire [2:0] n211 = {n201_1, n206_1, n210};
  reg [7:0] n212;
  always @(*)
    case (n211)
      3'd0: n212 = 8'd80;
      3'd1: n212 = 8'd88;
      3'd2: n212 = 8'd96;
      3'd3: n212 = 8'd104;
      3'd4: n212 = 8'd112;
      3'd5: n212 = 8'd120;
      3'd6: n212 = 8'd128;
      default: n212 = 8'd137;
    endcase
  reg [7:0] n212_1;
  wire n213 = $signed(x_11_3) < $signed({3'd0, n212_1});
  wire n214 = ~n213;
  wire [3:0] n215 = {n201_2, n206_2, n210_1, n214};
  wire n217 = $signed(x_12_1) < 10'sd19;
  wire n218 = ~n217;
  reg n218_1;
  reg n218_2;
  wire [6:0] n221 = n217 ? 7'd102 : 7'd63;
  wire n222 = $signed(x_12_1) < $signed({{3{n221[6]}}, n221});
  wire n223 = ~n222;
  reg n223_1;
  reg n223_2;
  wire [1:0] n224 = {n218, n223};
  reg [1:0] n224_1;
  reg [7:0] n225;
  always @(*)
    case (n224_1)
      2'd0: n225 = 8'd208;
      2'd1: n225 = 8'd252;
      2'd2: n225 = 8'd41;
      default: n225 = 8'd85;
    endcase
  wire n226 = $signed(x_12_2) < $signed({{2{n225[7]}}, n225});
  wire n227 = ~n226;
  reg n227_1;
  wire [2:0] n228 = {n218_1, n223_1, n227};
  reg [7:0] n229;
  always @(*)
    case (n228)
      3'd0: n229 = 8'd197;
      3'd1: n229 = 8'd219;
      3'd2: n229 = 8'd241;
      3'd3: n229 = 8'd8;
      3'd4: n229 = 8'd30;
      3'd5: n229 = 8'd52;
      3'd6: n229 = 8'd74;
      default: n229 = 8'd96;
    endcase
  reg [7:0] n229_1;
  wire n230 = $signed(x_12_3) < $signed({{2{n229_1[7]}}, n229_1});
  wire n231 = ~n230;
  wire [3:0] n232 = {n218_2, n223_2, n227_1, n231};
  wire n234 = $signed(x_13_1) < 10'sd30;
  wire n235 = ~n234;
  reg n235_1;
  reg n235_2;
  wire [7:0] n238 = n234 ? 8'd240 : 8'd75;
  wire n239 = $signed(x_13_1) < $signed({{2{n238[7]}}, n238});
  wire n240 = ~n239;
  reg n240_1;
  reg n240_2;
  wire [1:0] n241 = {n235, n240};
  reg [1:0] n241_1;
  reg [7:0] n242;
  always @(*)
    case (n241_1)
      2'd0: n242 = 8'd217;
      2'd1: n242 = 8'd7;
      2'd2: n242 = 8'd53;
      default: n242 = 8'd98;
    endcase
  wire n243 = $signed(x_13_2) < $signed({{2{n242[7]}}, n242});
  wire n244 = ~n243;
  reg n244_1;
  wire [2:0] n245 = {n235_1, n240_1, n244};
  reg [7:0] n246;
  always @(*)
    case (n245)
      3'd0: n246 = 8'd206;
      3'd1: n246 = 8'd229;
      3'd2: n246 = 8'd251;
      3'd3: n246 = 8'd18;
      3'd4: n246 = 8'd41;
      3'd5: n246 = 8'd64;
      3'd6: n246 = 8'd87;
      default: n246 = 8'd110;
    endcase
  reg [7:0] n246_1;
  wire n247 = $signed(x_13_3) < $signed({{2{n246_1[7]}}, n246_1});
  wire n248 = ~n247;
  wire [3:0] n249 = {n235_2, n240_2, n244_1, n248};
  wire n251 = $signed(x_14_1) < -11'sd58;
  wire n252 = ~n251;
  reg n252_1;
  reg n252_2;
  wire [7:0] n255 = n251 ? 8'd178 : 8'd218;
  wire n256 = $signed(x_14_1) < $signed({{3{n255[7]}}, n255});
  wire n257 = ~n256;
  reg n257_1;
  reg n257_2;
  wire [1:0] n258 = {n252, n257};
  reg [1:0] n258_1;
  reg [7:0] n259;
  always @(*)
    case (n258_1)
      2'd0: n259 = 8'd168;
      2'd1: n259 = 8'd188;
      2'd2: n259 = 8'd208;
      default: n259 = 8'd228;
    endcase
  wire n260 = $signed(x_14_2) < $signed({{3{n259[7]}}, n259});
  wire n261 = ~n260;
  reg n261_1;
  wire [2:0] n262 = {n252_1, n257_1, n261};
  reg [7:0] n263;
  always @(*)
    case (n262)
      3'd0: n263 = 8'd164;
      3'd1: n263 = 8'd173;
      3'd2: n263 = 8'd183;
      3'd3: n263 = 8'd193;
      3'd4: n263 = 8'd203;
      3'd5: n263 = 8'd213;
      3'd6: n263 = 8'd223;
      default: n263 = 8'd232;
    endcase
  reg [7:0] n263_1;
  wire n264 = $signed(x_14_3) < $signed({{3{n263_1[7]}}, n263_1});
  wire n265 = ~n264;
  wire [3:0] n266 = {n252_2, n257_2, n261_1, n265};
  wire n268 = $signed(x_15_1) < 11'sd5;
  wire n269 = ~n268;
  reg n269_1;
  reg n269_2;
  wire [6:0] n272 = n268 ? 7'd79 : 7'd60;
  wire n273 = $signed(x_15_1) < $signed({{4{n272[6]}}, n272});
  wire n274 = ~n273;
  reg n274_1;
  reg n274_2;
  wire [1:0] n275 = {n269, n274};
  reg [1:0] n275_1;
  reg [7:0] n276;
  always @(*)
    case (n275_1)
      2'd0: n276 = 8'd180;
      2'd1: n276 = 8'd234;
      2'd2: n276 = 8'd33;
      default: n276 = 8'd87;
    endcase
  wire n277 = $signed(x_15_2) < $signed({{3{n276[7]}}, n276});
  wire n278 = ~n277;
  reg n278_1;
  wire [2:0] n279 = {n269_1, n274_1, n278};
  reg [7:0] n280;
  always @(*)
    case (n279)
      3'd0: n280 = 8'd167;
      3'd1: n280 = 8'd194;
      3'd2: n280 = 8'd221;
      3'd3: n280 = 8'd248;
      3'd4: n280 = 8'd19;
      3'd5: n280 = 8'd46;
      3'd6: n280 = 8'd73;
      default: n280 = 8'd100;
    endcase
  reg [7:0] n280_1;
  wire n281 = $signed(x_15_3) < $signed({{3{n280_1[7]}}, n280_1});
  wire n282 = ~n281;
  wire [3:0] n283 = {n269_2, n274_2, n278_1, n282};
  assign y = {
    n283, n266, n249, n232, n215, n198, n182, n167, n150, n134, n117, n101, n84, n67, n50, n33
  };
  always @(posedge clk)
    if (ce) begin
      x_0_1 <= x_0;
      x_0_2 <= x_0_1;
      x_0_3 <= x_0_2;
      x_1_1 <= x_1;
      x_1_2 <= x_1_1;
      x_1_3 <= x_1_2;
      x_2_1 <= x_2;
      x_2_2 <= x_2_1;
      x_2_3 <= x_2_2;
      x_3_1 <= x_3;
      x_3_2 <= x_3_1;
      x_3_3 <= x_3_2;
      x_4_1 <= x_4;
      x_4_2 <= x_4_1;
      x_4_3 <= x_4_2;
      x_5_1 <= x_5;
      x_5_2 <= x_5_1;
      x_5_3 <= x_5_2;
      x_6_1 <= x_6;
      x_6_2 <= x_6_1;
      x_6_3 <= x_6_2;
      x_7_1 <= x_7;
      x_7_2 <= x_7_1;
      x_7_3 <= x_7_2;
      x_8_1 <= x_8;
      x_8_2 <= x_8_1;
      x_8_3 <= x_8_2;
      x_9_1 <= x_9;
      x_9_2 <= x_9_1;
      x_9_3 <= x_9_2;
      x_10_1 <= x_10;
      x_10_2 <= x_10_1;
      x_10_3 <= x_10_2;
      x_11_1 <= x_11;
      x_11_2 <= x_11_1;
      x_11_3 <= x_11_2;
      x_12_1 <= x_12;
      x_12_2 <= x_12_1;
      x_12_3 <= x_12_2;
      x_13_1 <= x_13;
      x_13_2 <= x_13_1;
      x_13_3 <= x_13_2;
      x_14_1 <= x_14;
      x_14_2 <= x_14_1;
      x_14_3 <= x_14_2;
      x_15_1 <= x_15;
      x_15_2 <= x_15_1;
      x_15_3 <= x_15_2;
      n19_1 <= n19;
      n19_2 <= n19_1;
      n24_1 <= n24;
      n24_2 <= n24_1;
      n25_1 <= n25;
      n28_1 <= n28;
      n30_1 <= n30;
      n36_1 <= n36;
      n36_2 <= n36_1;
      n41_1 <= n41;
      n41_2 <= n41_1;
      n42_1 <= n42;
      n45_1 <= n45;
      n47_1 <= n47;
      n53_1 <= n53;
      n53_2 <= n53_1;
      n58_1 <= n58;
      n58_2 <= n58_1;
      n59_1 <= n59;
      n62_1 <= n62;
      n64_1 <= n64;
      n70_1 <= n70;
      n70_2 <= n70_1;
      n75_1 <= n75;
      n75_2 <= n75_1;
      n76_1 <= n76;
      n79_1 <= n79;
      n81_1 <= n81;
      n87_1 <= n87;
      n87_2 <= n87_1;
      n92_1 <= n92;
      n92_2 <= n92_1;
      n93_1 <= n93;
      n96_1 <= n96;
      n98_1 <= n98;
      n104_1 <= n104;
      n104_2 <= n104_1;
      n108_1 <= n108;
      n108_2 <= n108_1;
      n109_1 <= n109;
      n112_1 <= n112;
      n114_1 <= n114;
      n120_1 <= n120;
      n120_2 <= n120_1;
      n125_1 <= n125;
      n125_2 <= n125_1;
      n126_1 <= n126;
      n129_1 <= n129;
      n131_1 <= n131;
      n137_1 <= n137;
      n137_2 <= n137_1;
      n141_1 <= n141;
      n141_2 <= n141_1;
      n142_1 <= n142;
      n145_1 <= n145;
      n147_1 <= n147;
      n153_1 <= n153;
      n153_2 <= n153_1;
      n158_1 <= n158;
      n158_2 <= n158_1;
      n159_1 <= n159;
      n162_1 <= n162;
      n164_1 <= n164;
      n170_1 <= n170;
      n170_2 <= n170_1;
      n173_1 <= n173;
      n173_2 <= n173_1;
      n174_1 <= n174;
      n177_1 <= n177;
      n179_1 <= n179;
      n184_1 <= n184;
      n184_2 <= n184_1;
      n189_1 <= n189;
      n189_2 <= n189_1;
      n190_1 <= n190;
      n193_1 <= n193;
      n195_1 <= n195;
      n201_1 <= n201;
      n201_2 <= n201_1;
      n206_1 <= n206;
      n206_2 <= n206_1;
      n207_1 <= n207;
      n210_1 <= n210;
      n212_1 <= n212;
      n218_1 <= n218;
      n218_2 <= n218_1;
      n223_1 <= n223;
      n223_2 <= n223_1;
      n224_1 <= n224;
      n227_1 <= n227;
      n229_1 <= n229;
      n235_1 <= n235;
      n235_2 <= n235_1;
      n240_1 <= n240;
      n240_2 <= n240_1;
      n241_1 <= n241;
      n244_1 <= n244;
      n246_1 <= n246;
      n252_1 <= n252;
      n252_2 <= n252_1;
      n257_1 <= n257;
      n257_2 <= n257_1;
      n258_1 <= n258;
      n261_1 <= n261;
      n263_1 <= n263;
      n269_1 <= n269;
      n269_2 <= n269_1;
      n274_1 <= n274;
      n274_2 <= n274_1;
      n275_1 <= n275;
      n278_1 <= n278;
      n280_1 <= n280;
    end
endmodule
`default_nettype wire
