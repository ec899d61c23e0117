// node fc1/act_quant: threshold[24x15 compare]
// Latency 3: results are there so many enabled clock edges after their operands.
`default_nettype none
module rings_threshold_fc1_act_quant (
  input wire clk,
  input wire ce,
  input wire [229:0] x,  // 24 elements, codes -1016..1024
  output wire [85:0] y  // 24 elements, codes 0..15
);
  wire x_0 = x[0];
  wire [10:0] x_1 = x[11:1];
  wire [11:0] x_2 = x[23:12];
  wire [10:0] x_3 = x[34:24];
  wire x_4 = x[35];
  wire [10:0] x_5 = x[46:36];
  wire [10:0] x_6 = x[57:47];
  wire [11:0] x_7 = x[69:58];
  wire [10:0] x_8 = x[80:70];
  wire [10:0] x_9 = x[91:81];
  wire [10:0] x_10 = x[102:92];
  wire [9:0] x_11 = x[112:103];
  wire x_12 = x[113];
  wire [10:0] x_13 = x[124:114];
  wire [9:0] x_14 = x[134:125];
  wire [9:0] x_15 = x[144:135];
  wire [10:0] x_16 = x[155:145];
  wire [8:0] x_17 = x[164:156];
  wire [10:0] x_18 = x[175:165];
  wire [9:0] x_19 = x[185:176];
  wire [11:0] x_20 = x[197:186];
  wire [10:0] x_21 = x[208:198];
  wire [10:0] x_22 = x[219:209];
  wire [9:0] x_23 = x[229:220];
  reg [10:0] x_1_1;
  reg [10:0] x_1_2;
  reg [10:0] x_1_3;
  reg [11:0] x_2_1;
  reg [11:0] x_2_2;
  reg [11:0] x_2_3;
  reg [10:0] x_3_1;
  reg [10:0] x_3_2;
  reg [10:0] x_3_3;
  reg [10:0] x_5_1;
  reg [10:0] x_5_2;
  reg [10:0] x_5_3;
  reg [10:0] x_6_1;
  reg [10:0] x_6_2;
  reg [11:0] x_7_1;
  reg [11:0] x_7_2;
  reg [11:0] x_7_3;
  reg [10:0] x_8_1;
  reg [10:0] x_8_2;
  reg [10:0] x_8_3;
  reg [10:0] x_9_1;
  reg [10:0] x_9_2;
  reg [10:0] x_9_3;
  reg [10:0] x_10_1;
  reg [10:0] x_10_2;
  reg [10:0] x_10_3;
  reg [9:0] x_11_1;
  reg [9:0] x_11_2;
  reg [9:0] x_11_3;
  reg [10:0] x_13_1;
  reg [10:0] x_13_2;
  reg [10:0] x_13_3;
  reg [9:0] x_14_1;
  reg [9:0] x_14_2;
  reg [9:0] x_14_3;
  reg [9:0] x_15_1;
  reg [9:0] x_15_2;
  reg [9:0] x_15_3;
  reg [10:0] x_16_1;
  reg [10:0] x_16_2;
  reg [10:0] x_16_3;
  reg [8:0] x_17_1;
  reg [8:0] x_17_2;
  reg [8:0] x_17_3;
  reg [10:0] x_18_1;
  reg [10:0] x_18_2;
  reg [10:0] x_18_3;
  reg [9:0] x_19_1;
  reg [9:0] x_19_2;
  reg [9:0] x_19_3;
  reg [11:0] x_20_1;
  reg [11:0] x_20_2;
  reg [11:0] x_20_3;
  reg [10:0] x_21_1;
  reg [10:0] x_21_2;
  reg [10:0] x_21_3;
  reg [10:0] x_22_1;
  reg [10:0] x_22_2;
  reg [10:0] x_22_3;
  reg [9:0] x_23_1;
  reg [9:0] x_23_2;
  reg [9:0] x_23_3;
  wire n26 = $signed(x_1_1) < 11'sd510;
  wire n27 = ~n26;
  reg n27_1;
  reg n27_2;
  wire [9:0] n30 = n26 ? 10'd313 : 10'd706;
  wire n31 = $signed(x_1_1) < $signed({1'd0, n30});
  wire n32 = ~n31;
  reg n32_1;
  reg n32_2;
  wire [1:0] n33 = {n27, n32};
  reg [1:0] n33_1;
  reg [9:0] n34;
  always @(*)
    case (n33_1)
      2'd0: n34 = 10'd215;
      2'd1: n34 = 10'd412;
      2'd2: n34 = 10'd608;
      default: n34 = 10'd764;
    endcase
  wire n35 = $signed(x_1_2) < $signed({1'd0, n34});
  wire n36 = ~n35;
  reg n36_1;
  wire [2:0] n37 = {n27_1, n32_1, n36};
  reg [9:0] n38;
  always @(*)
    case (n37)
      3'd0: n38 = 10'd166;
      3'd1: n38 = 10'd264;
      3'd2: n38 = 10'd362;
      3'd3: n38 = 10'd461;
      3'd4: n38 = 10'd559;
      3'd5: n38 = 10'd657;
      3'd6: n38 = 10'd755;
      default: n38 = 10'd764;
    endcase
  reg [9:0] n38_1;
  wire n39 = $signed(x_1_3) < $signed({1'd0, n38_1});
  wire n40 = ~n39;
  wire [3:0] n41 = {n27_2, n32_2, n36_1, n40};
  wire [3:0] n42 = n41;
  wire n44 = $signed(x_2_1) < 12'sd412;
  wire n45 = ~n44;
  reg n45_1;
  reg n45_2;
  wire [9:0] n48 = n44 ? 10'd192 : 10'd632;
  wire n49 = $signed(x_2_1) < $signed({2'd0, n48});
  wire n50 = ~n49;
  reg n50_1;
  reg n50_2;
  wire [1:0] n51 = {n45, n50};
  reg [1:0] n51_1;
  reg [9:0] n52;
  always @(*)
    case (n51_1)
      2'd0: n52 = 10'd83;
      2'd1: n52 = 10'd302;
      2'd2: n52 = 10'd522;
      default: n52 = 10'd741;
    endcase
  wire n53 = $signed(x_2_2) < $signed({2'd0, n52});
  wire n54 = ~n53;
  reg n54_1;
  wire [2:0] n55 = {n45_1, n50_1, n54};
  reg [9:0] n56;
  always @(*)
    case (n55)
      3'd0: n56 = 10'd28;
      3'd1: n56 = 10'd138;
      3'd2: n56 = 10'd247;
      3'd3: n56 = 10'd357;
      3'd4: n56 = 10'd467;
      3'd5: n56 = 10'd577;
      3'd6: n56 = 10'd686;
      default: n56 = 10'd796;
    endcase
  reg [9:0] n56_1;
  wire n57 = $signed(x_2_3) < $signed({2'd0, n56_1});
  wire n58 = ~n57;
  wire [3:0] n59 = {n45_2, n50_2, n54_1, n58};
  wire n61 = $signed(x_3_1) < 11'sd211;
  wire n62 = ~n61;
  reg n62_1;
  reg n62_2;
  wire [8:0] n65 = n61 ? 9'd126 : 9'd297;
  wire n66 = $signed(x_3_1) < $signed({2'd0, n65});
  wire n67 = ~n66;
  reg n67_1;
  reg n67_2;
  wire [1:0] n68 = {n62, n67};
  reg [1:0] n68_1;
  reg [8:0] n69;
  always @(*)
    case (n68_1)
      2'd0: n69 = 9'd83;
      2'd1: n69 = 9'd168;
      2'd2: n69 = 9'd254;
      default: n69 = 9'd340;
    endcase
  wire n70 = $signed(x_3_2) < $signed({2'd0, n69});
  wire n71 = ~n70;
  reg n71_1;
  wire [2:0] n72 = {n62_1, n67_1, n71};
  reg [8:0] n73;
  always @(*)
    case (n72)
      3'd0: n73 = 9'd61;
      3'd1: n73 = 9'd104;
      3'd2: n73 = 9'd147;
      3'd3: n73 = 9'd190;
      3'd4: n73 = 9'd233;
      3'd5: n73 = 9'd276;
      3'd6: n73 = 9'd318;
      default: n73 = 9'd361;
    endcase
  reg [8:0] n73_1;
  wire n74 = $signed(x_3_3) < $signed({2'd0, n73_1});
  wire n75 = ~n74;
  wire [3:0] n76 = {n62_2, n67_2, n71_1, n75};
  wire n78 = $signed(x_5_1) < 11'sd250;
  wire n79 = ~n78;
  reg n79_1;
  reg n79_2;
  wire [8:0] n82 = n78 ? 9'd143 : 9'd357;
  wire n83 = $signed(x_5_1) < $signed({2'd0, n82});
  wire n84 = ~n83;
  reg n84_1;
  reg n84_2;
  wire [1:0] n85 = {n79, n84};
  reg [1:0] n85_1;
  reg [8:0] n86;
  always @(*)
    case (n85_1)
      2'd0: n86 = 9'd89;
      2'd1: n86 = 9'd196;
      2'd2: n86 = 9'd303;
      default: n86 = 9'd411;
    endcase
  wire n87 = $signed(x_5_2) < $signed({2'd0, n86});
  wire n88 = ~n87;
  reg n88_1;
  wire [2:0] n89 = {n79_1, n84_1, n88};
  reg [8:0] n90;
  always @(*)
    case (n89)
      3'd0: n90 = 9'd62;
      3'd1: n90 = 9'd116;
      3'd2: n90 = 9'd169;
      3'd3: n90 = 9'd223;
      3'd4: n90 = 9'd277;
      3'd5: n90 = 9'd330;
      3'd6: n90 = 9'd384;
      default: n90 = 9'd437;
    endcase
  reg [8:0] n90_1;
  wire n91 = $signed(x_5_3) < $signed({2'd0, n90_1});
  wire n92 = ~n91;
  wire [3:0] n93 = {n79_2, n84_2, n88_1, n92};
  wire n95 = $signed(x_6_1) < 11'sd414;
  wire n96 = ~n95;
  reg n96_1;
  wire [9:0] n99 = n95 ? 10'd293 : 10'd513;
  wire n100 = $signed(x_6_1) < $signed({1'd0, n99});
  wire n101 = ~n100;
  reg n101_1;
  wire [1:0] n102 = {n96, n101};
  reg [1:0] n102_1;
  reg [9:0] n103;
  always @(*)
    case (n102_1)
      2'd0: n103 = 10'd232;
      2'd1: n103 = 10'd354;
      2'd2: n103 = 10'd475;
      default: n103 = 10'd513;
    endcase
  wire n104 = $signed(x_6_2) < $signed({1'd0, n103});
  wire n105 = ~n104;
  wire [2:0] n106 = {n96_1, n101_1, n105};
  wire [2:0] n107 = n106;
  reg [2:0] n107_1;
  wire n109 = $signed(x_7_1) < 12'sd307;
  wire n110 = ~n109;
  reg n110_1;
  reg n110_2;
  wire [8:0] n113 = n109 ? 9'd155 : 9'd460;
  wire n114 = $signed(x_7_1) < $signed({3'd0, n113});
  wire n115 = ~n114;
  reg n115_1;
  reg n115_2;
  wire [1:0] n116 = {n110, n115};
  reg [1:0] n116_1;
  reg [9:0] n117;
  always @(*)
    case (n116_1)
      2'd0: n117 = 10'd79;
      2'd1: n117 = 10'd231;
      2'd2: n117 = 10'd383;
      default: n117 = 10'd536;
    endcase
  wire n118 = $signed(x_7_2) < $signed({2'd0, n117});
  wire n119 = ~n118;
  reg n119_1;
  wire [2:0] n120 = {n110_1, n115_1, n119};
  reg [9:0] n121;
  always @(*)
    case (n120)
      3'd0: n121 = 10'd40;
      3'd1: n121 = 10'd117;
      3'd2: n121 = 10'd193;
      3'd3: n121 = 10'd269;
      3'd4: n121 = 10'd345;
      3'd5: n121 = 10'd422;
      3'd6: n121 = 10'd498;
      default: n121 = 10'd574;
    endcase
  reg [9:0] n121_1;
  wire n122 = $signed(x_7_3) < $signed({2'd0, n121_1});
  wire n123 = ~n122;
  wire [3:0] n124 = {n110_2, n115_2, n119_1, n123};
  wire n126 = $signed(x_8_1) < 11'sd186;
  wire n127 = ~n126;
  reg n127_1;
  reg n127_2;
  wire [8:0] n130 = n126 ? 9'd102 : 9'd269;
  wire n131 = $signed(x_8_1) < $signed({2'd0, n130});
  wire n132 = ~n131;
  reg n132_1;
  reg n132_2;
  wire [1:0] n133 = {n127, n132};
  reg [1:0] n133_1;
  reg [8:0] n134;
  always @(*)
    case (n133_1)
      2'd0: n134 = 9'd61;
      2'd1: n134 = 9'd144;
      2'd2: n134 = 9'd227;
      default: n134 = 9'd311;
    endcase
  wire n135 = $signed(x_8_2) < $signed({2'd0, n134});
  wire n136 = ~n135;
  reg n136_1;
  wire [2:0] n137 = {n127_1, n132_1, n136};
  reg [8:0] n138;
  always @(*)
    case (n137)
      3'd0: n138 = 9'd40;
      3'd1: n138 = 9'd82;
      3'd2: n138 = 9'd123;
      3'd3: n138 = 9'd165;
      3'd4: n138 = 9'd206;
      3'd5: n138 = 9'd248;
      3'd6: n138 = 9'd290;
      default: n138 = 9'd331;
    endcase
  reg [8:0] n138_1;
  wire n139 = $signed(x_8_3) < $signed({2'd0, n138_1});
  wire n140 = ~n139;
  wire [3:0] n141 = {n127_2, n132_2, n136_1, n140};
  wire n143 = $signed(x_9_1) < 11'sd317;
  wire n144 = ~n143;
  reg n144_1;
  reg n144_2;
  wire [8:0] n147 = n143 ? 9'd189 : 9'd446;
  wire n148 = $signed(x_9_1) < $signed({2'd0, n147});
  wire n149 = ~n148;
  reg n149_1;
  reg n149_2;
  wire [1:0] n150 = {n144, n149};
  reg [1:0] n150_1;
  reg [8:0] n151;
  always @(*)
    case (n150_1)
      2'd0: n151 = 9'd125;
      2'd1: n151 = 9'd253;
      2'd2: n151 = 9'd382;
      default: n151 = 9'd510;
    endcase
  wire n152 = $signed(x_9_2) < $signed({2'd0, n151});
  wire n153 = ~n152;
  reg n153_1;
  wire [2:0] n154 = {n144_1, n149_1, n153};
  reg [9:0] n155;
  always @(*)
    case (n154)
      3'd0: n155 = 10'd92;
      3'd1: n155 = 10'd157;
      3'd2: n155 = 10'd221;
      3'd3: n155 = 10'd285;
      3'd4: n155 = 10'd350;
      3'd5: n155 = 10'd414;
      3'd6: n155 = 10'd478;
      default: n155 = 10'd513;
    endcase
  reg [9:0] n155_1;
  wire n156 = $signed(x_9_3) < $signed({1'd0, n155_1});
  wire n157 = ~n156;
  wire [3:0] n158 = {n144_2, n149_2, n153_1, n157};
  wire [3:0] n159 = n158;
  wire n161 = $signed(x_10_1) < 11'sd213;
  wire n162 = ~n161;
  reg n162_1;
  reg n162_2;
  wire [8:0] n165 = n161 ? 9'd120 : 9'd306;
  wire n166 = $signed(x_10_1) < $signed({2'd0, n165});
  wire n167 = ~n166;
  reg n167_1;
  reg n167_2;
  wire [1:0] n168 = {n162, n167};
  reg [1:0] n168_1;
  reg [8:0] n169;
  always @(*)
    case (n168_1)
      2'd0: n169 = 9'd73;
      2'd1: n169 = 9'd166;
      2'd2: n169 = 9'd259;
      default: n169 = 9'd352;
    endcase
  wire n170 = $signed(x_10_2) < $signed({2'd0, n169});
  wire n171 = ~n170;
  reg n171_1;
  wire [2:0] n172 = {n162_1, n167_1, n171};
  reg [8:0] n173;
  always @(*)
    case (n172)
      3'd0: n173 = 9'd50;
      3'd1: n173 = 9'd96;
      3'd2: n173 = 9'd143;
      3'd3: n173 = 9'd189;
      3'd4: n173 = 9'd236;
      3'd5: n173 = 9'd283;
      3'd6: n173 = 9'd329;
      default: n173 = 9'd376;
    endcase
  reg [8:0] n173_1;
  wire n174 = $signed(x_10_3) < $signed({2'd0, n173_1});
  wire n175 = ~n174;
  wire [3:0] n176 = {n162_2, n167_2, n171_1, n175};
  wire n178 = $signed(x_11_1) < 10'sd144;
  wire n179 = ~n178;
  reg n179_1;
  reg n179_2;
  wire [7:0] n181 = n178 ? 8'd77 : 8'd211;
  wire n182 = $signed(x_11_1) < $signed({2'd0, n181});
  wire n183 = ~n182;
  reg n183_1;
  reg n183_2;
  wire [1:0] n184 = {n179, n183};
  reg [1:0] n184_1;
  reg [7:0] n185;
  always @(*)
    case (n184_1)
      2'd0: n185 = 8'd44;
      2'd1: n185 = 8'd111;
      2'd2: n185 = 8'd178;
      default: n185 = 8'd245;
    endcase
  wire n186 = $signed(x_11_2) < $signed({2'd0, n185});
  wire n187 = ~n186;
  reg n187_1;
  wire [2:0] n188 = {n179_1, n183_1, n187};
  reg [8:0] n189;
  always @(*)
    case (n188)
      3'd0: n189 = 9'd27;
      3'd1: n189 = 9'd60;
      3'd2: n189 = 9'd94;
      3'd3: n189 = 9'd127;
      3'd4: n189 = 9'd161;
      3'd5: n189 = 9'd194;
      3'd6: n189 = 9'd228;
      default: n189 = 9'd261;
    endcase
  reg [8:0] n189_1;
  wire n190 = $signed(x_11_3) < $signed({1'd0, n189_1});
  wire n191 = ~n190;
  wire [3:0] n192 = {n179_2, n183_2, n187_1, n191};
  wire n194 = $signed(x_13_1) < 11'sd235;
  wire n195 = ~n194;
  reg n195_1;
  reg n195_2;
  wire [8:0] n198 = n194 ? 9'd128 : 9'd342;
  wire n199 = $signed(x_13_1) < $signed({2'd0, n198});
  wire n200 = ~n199;
  reg n200_1;
  reg n200_2;
  wire [1:0] n201 = {n195, n200};
  reg [1:0] n201_1;
  reg [8:0] n202;
  always @(*)
    case (n201_1)
      2'd0: n202 = 9'd74;
      2'd1: n202 = 9'd181;
      2'd2: n202 = 9'd288;
      default: n202 = 9'd396;
    endcase
  wire n203 = $signed(x_13_2) < $signed({2'd0, n202});
  wire n204 = ~n203;
  reg n204_1;
  wire [2:0] n205 = {n195_1, n200_1, n204};
  reg [8:0] n206;
  always @(*)
    case (n205)
      3'd0: n206 = 9'd47;
      3'd1: n206 = 9'd101;
      3'd2: n206 = 9'd154;
      3'd3: n206 = 9'd208;
      3'd4: n206 = 9'd262;
      3'd5: n206 = 9'd315;
      3'd6: n206 = 9'd369;
      default: n206 = 9'd422;
    endcase
  reg [8:0] n206_1;
  wire n207 = $signed(x_13_3) < $signed({2'd0, n206_1});
  wire n208 = ~n207;
  wire [3:0] n209 = {n195_2, n200_2, n204_1, n208};
  wire n211 = $signed(x_14_1) < 10'sd177;
  wire n212 = ~n211;
  reg n212_1;
  reg n212_2;
  wire [7:0] n215 = n211 ? 8'd104 : 8'd249;
  wire n216 = $signed(x_14_1) < $signed({2'd0, n215});
  wire n217 = ~n216;
  reg n217_1;
  reg n217_2;
  wire [1:0] n218 = {n212, n217};
  reg [1:0] n218_1;
  reg [8:0] n219;
  always @(*)
    case (n218_1)
      2'd0: n219 = 9'd68;
      2'd1: n219 = 9'd140;
      2'd2: n219 = 9'd213;
      default: n219 = 9'd285;
    endcase
  wire n220 = $signed(x_14_2) < $signed({1'd0, n219});
  wire n221 = ~n220;
  reg n221_1;
  wire [2:0] n222 = {n212_1, n217_1, n221};
  reg [8:0] n223;
  always @(*)
    case (n222)
      3'd0: n223 = 9'd50;
      3'd1: n223 = 9'd86;
      3'd2: n223 = 9'd122;
      3'd3: n223 = 9'd158;
      3'd4: n223 = 9'd195;
      3'd5: n223 = 9'd231;
      3'd6: n223 = 9'd267;
      default: n223 = 9'd303;
    endcase
  reg [8:0] n223_1;
  wire n224 = $signed(x_14_3) < $signed({1'd0, n223_1});
  wire n225 = ~n224;
  wire [3:0] n226 = {n212_2, n217_2, n221_1, n225};
  wire n228 = $signed(x_15_1) < 10'sd361;
  wire n229 = ~n228;
  reg n229_1;
  reg n229_2;
  wire [8:0] n232 = n228 ? 9'd212 : 9'd509;
  wire n233 = $signed(x_15_1) < $signed({1'd0, n232});
  wire n234 = ~n233;
  reg n234_1;
  reg n234_2;
  wire [1:0] n235 = {n229, n234};
  reg [1:0] n235_1;
  reg [8:0] n236;
  always @(*)
    case (n235_1)
      2'd0: n236 = 9'd138;
      2'd1: n236 = 9'd286;
      2'd2: n236 = 9'd435;
      default: n236 = 9'd509;
    endcase
  wire n237 = $signed(x_15_2) < $signed({1'd0, n236});
  wire n238 = ~n237;
  reg n238_1;
  wire [2:0] n239 = {n229_1, n234_1, n238};
  reg [8:0] n240;
  always @(*)
    case (n239)
      3'd0: n240 = 9'd100;
      3'd1: n240 = 9'd175;
      3'd2: n240 = 9'd249;
      3'd3: n240 = 9'd324;
      3'd4: n240 = 9'd398;
      3'd5: n240 = 9'd473;
      default: n240 = 9'd509;
    endcase
  reg [8:0] n240_1;
  wire n241 = $signed(x_15_3) < $signed({1'd0, n240_1});
  wire n242 = ~n241;
  wire [3:0] n243 = {n229_2, n234_2, n238_1, n242};
  wire [3:0] n244 = n243;
  wire n245 = $signed(x_16_1) < 11'sd513;
  wire n246 = ~n245;
  reg n246_1;
  reg n246_2;
  wire [9:0] n249 = n245 ? 10'd316 : 10'd641;
  wire n250 = $signed(x_16_1) < $signed({1'd0, n249});
  wire n251 = ~n250;
  reg n251_1;
  reg n251_2;
  wire [1:0] n252 = {n246, n251};
  reg [1:0] n252_1;
  reg [9:0] n253;
  always @(*)
    case (n252_1)
      2'd0: n253 = 10'd218;
      2'd1: n253 = 10'd415;
      2'd2: n253 = 10'd612;
      default: n253 = 10'd641;
    endcase
  wire n254 = $signed(x_16_2) < $signed({1'd0, n253});
  wire n255 = ~n254;
  reg n255_1;
  wire [2:0] n256 = {n246_1, n251_1, n255};
  reg [9:0] n257;
  always @(*)
    case (n256)
      3'd0: n257 = 10'd169;
      3'd1: n257 = 10'd267;
      3'd2: n257 = 10'd366;
      3'd3: n257 = 10'd464;
      3'd4: n257 = 10'd563;
      default: n257 = 10'd641;
    endcase
  reg [9:0] n257_1;
  wire n258 = $signed(x_16_3) < $signed({1'd0, n257_1});
  wire n259 = ~n258;
  wire [3:0] n260 = {n246_2, n251_2, n255_1, n259};
  wire [3:0] n261 = n260;
  wire n263 = $signed(x_17_1) < 9'sd78;
  wire n264 = ~n263;
  reg n264_1;
  reg n264_2;
  wire [6:0] n267 = n263 ? 7'd39 : 7'd117;
  wire n268 = $signed(x_17_1) < $signed({2'd0, n267});
  wire n269 = ~n268;
  reg n269_1;
  reg n269_2;
  wire [1:0] n270 = {n264, n269};
  reg [1:0] n270_1;
  reg [7:0] n271;
  always @(*)
    case (n270_1)
      2'd0: n271 = 8'd19;
      2'd1: n271 = 8'd58;
      2'd2: n271 = 8'd97;
      default: n271 = 8'd129;
    endcase
  wire n272 = $signed(x_17_2) < $signed({1'd0, n271});
  wire n273 = ~n272;
  reg n273_1;
  wire [2:0] n274 = {n264_1, n269_1, n273};
  reg [7:0] n275;
  always @(*)
    case (n274)
      3'd0: n275 = 8'd10;
      3'd1: n275 = 8'd29;
      3'd2: n275 = 8'd49;
      3'd3: n275 = 8'd68;
      3'd4: n275 = 8'd87;
      3'd5: n275 = 8'd107;
      3'd6: n275 = 8'd126;
      default: n275 = 8'd129;
    endcase
  reg [7:0] n275_1;
  wire n276 = $signed(x_17_3) < $signed({1'd0, n275_1});
  wire n277 = ~n276;
  wire [3:0] n278 = {n264_2, n269_2, n273_1, n277};
  wire [3:0] n279 = n278;
  wire n281 = $signed(x_18_1) < 11'sd415;
  wire n282 = ~n281;
  reg n282_1;
  reg n282_2;
  wire [9:0] n285 = n281 ? 10'd248 : 10'd581;
  wire n286 = $signed(x_18_1) < $signed({1'd0, n285});
  wire n287 = ~n286;
  reg n287_1;
  reg n287_2;
  wire [1:0] n288 = {n282, n287};
  reg [1:0] n288_1;
  reg [9:0] n289;
  always @(*)
    case (n288_1)
      2'd0: n289 = 10'd165;
      2'd1: n289 = 10'd331;
      2'd2: n289 = 10'd498;
      default: n289 = 10'd664;
    endcase
  wire n290 = $signed(x_18_2) < $signed({1'd0, n289});
  wire n291 = ~n290;
  reg n291_1;
  wire [2:0] n292 = {n282_1, n287_1, n291};
  reg [9:0] n293;
  always @(*)
    case (n292)
      3'd0: n293 = 10'd123;
      3'd1: n293 = 10'd206;
      3'd2: n293 = 10'd290;
      3'd3: n293 = 10'd373;
      3'd4: n293 = 10'd456;
      3'd5: n293 = 10'd540;
      3'd6: n293 = 10'd623;
      default: n293 = 10'd706;
    endcase
  reg [9:0] n293_1;
  wire n294 = $signed(x_18_3) < $signed({1'd0, n293_1});
  wire n295 = ~n294;
  wire [3:0] n296 = {n282_2, n287_2, n291_1, n295};
  wire n298 = $signed(x_19_1) < 10'sd118;
  wire n299 = ~n298;
  reg n299_1;
  reg n299_2;
  wire [7:0] n302 = n298 ? 8'd56 : 8'd180;
  wire n303 = $signed(x_19_1) < $signed({2'd0, n302});
  wire n304 = ~n303;
  reg n304_1;
  reg n304_2;
  wire [1:0] n305 = {n299, n304};
  reg [1:0] n305_1;
  reg [7:0] n306;
  always @(*)
    case (n305_1)
      2'd0: n306 = 8'd24;
      2'd1: n306 = 8'd87;
      2'd2: n306 = 8'd149;
      default: n306 = 8'd212;
    endcase
  wire n307 = $signed(x_19_2) < $signed({2'd0, n306});
  wire n308 = ~n307;
  reg n308_1;
  wire [2:0] n309 = {n299_1, n304_1, n308};
  reg [7:0] n310;
  always @(*)
    case (n309)
      3'd0: n310 = 8'd9;
      3'd1: n310 = 8'd40;
      3'd2: n310 = 8'd71;
      3'd3: n310 = 8'd102;
      3'd4: n310 = 8'd134;
      3'd5: n310 = 8'd165;
      3'd6: n310 = 8'd196;
      default: n310 = 8'd227;
    endcase
  reg [7:0] n310_1;
  wire n311 = $signed(x_19_3) < $signed({2'd0, n310_1});
  wire n312 = ~n311;
  wire [3:0] n313 = {n299_2, n304_2, n308_1, n312};
  wire n315 = $signed(x_20_1) < 12'sd330;
  wire n316 = ~n315;
  reg n316_1;
  reg n316_2;
  wire [8:0] n319 = n315 ? 9'd175 : 9'd486;
  wire n320 = $signed(x_20_1) < $signed({3'd0, n319});
  wire n321 = ~n320;
  reg n321_1;
  reg n321_2;
  wire [1:0] n322 = {n316, n321};
  reg [1:0] n322_1;
  reg [9:0] n323;
  always @(*)
    case (n322_1)
      2'd0: n323 = 10'd97;
      2'd1: n323 = 10'd253;
      2'd2: n323 = 10'd408;
      default: n323 = 10'd564;
    endcase
  wire n324 = $signed(x_20_2) < $signed({2'd0, n323});
  wire n325 = ~n324;
  reg n325_1;
  wire [2:0] n326 = {n316_1, n321_1, n325};
  reg [9:0] n327;
  always @(*)
    case (n326)
      3'd0: n327 = 10'd58;
      3'd1: n327 = 10'd136;
      3'd2: n327 = 10'd214;
      3'd3: n327 = 10'd291;
      3'd4: n327 = 10'd369;
      3'd5: n327 = 10'd447;
      3'd6: n327 = 10'd525;
      default: n327 = 10'd603;
    endcase
  reg [9:0] n327_1;
  wire n328 = $signed(x_20_3) < $signed({2'd0, n327_1});
  wire n329 = ~n328;
  wire [3:0] n330 = {n316_2, n321_2, n325_1, n329};
  wire n332 = $signed(x_21_1) < 11'sd197;
  wire n333 = ~n332;
  reg n333_1;
  reg n333_2;
  wire [8:0] n336 = n332 ? 9'd107 : 9'd287;
  wire n337 = $signed(x_21_1) < $signed({2'd0, n336});
  wire n338 = ~n337;
  reg n338_1;
  reg n338_2;
  wire [1:0] n339 = {n333, n338};
  reg [1:0] n339_1;
  reg [8:0] n340;
  always @(*)
    case (n339_1)
      2'd0: n340 = 9'd62;
      2'd1: n340 = 9'd152;
      2'd2: n340 = 9'd242;
      default: n340 = 9'd333;
    endcase
  wire n341 = $signed(x_21_2) < $signed({2'd0, n340});
  wire n342 = ~n341;
  reg n342_1;
  wire [2:0] n343 = {n333_1, n338_1, n342};
  reg [8:0] n344;
  always @(*)
    case (n343)
      3'd0: n344 = 9'd40;
      3'd1: n344 = 9'd85;
      3'd2: n344 = 9'd130;
      3'd3: n344 = 9'd175;
      3'd4: n344 = 9'd220;
      3'd5: n344 = 9'd265;
      3'd6: n344 = 9'd310;
      default: n344 = 9'd355;
    endcase
  reg [8:0] n344_1;
  wire n345 = $signed(x_21_3) < $signed({2'd0, n344_1});
  wire n346 = ~n345;
  wire [3:0] n347 = {n333_2, n338_2, n342_1, n346};
  wire n349 = $signed(x_22_1) < 11'sd222;
  wire n350 = ~n349;
  reg n350_1;
  reg n350_2;
  wire [8:0] n352 = n349 ? 9'd117 : 9'd327;
  wire n353 = $signed(x_22_1) < $signed({2'd0, n352});
  wire n354 = ~n353;
  reg n354_1;
  reg n354_2;
  wire [1:0] n355 = {n350, n354};
  reg [1:0] n355_1;
  reg [8:0] n356;
  always @(*)
    case (n355_1)
      2'd0: n356 = 9'd65;
      2'd1: n356 = 9'd170;
      2'd2: n356 = 9'd275;
      default: n356 = 9'd379;
    endcase
  wire n357 = $signed(x_22_2) < $signed({2'd0, n356});
  wire n358 = ~n357;
  reg n358_1;
  wire [2:0] n359 = {n350_1, n354_1, n358};
  reg [8:0] n360;
  always @(*)
    case (n359)
      3'd0: n360 = 9'd39;
      3'd1: n360 = 9'd91;
      3'd2: n360 = 9'd143;
      3'd3: n360 = 9'd196;
      3'd4: n360 = 9'd248;
      3'd5: n360 = 9'd301;
      3'd6: n360 = 9'd353;
      default: n360 = 9'd406;
    endcase
  reg [8:0] n360_1;
  wire n361 = $signed(x_22_3) < $signed({2'd0, n360_1});
  wire n362 = ~n361;
  wire [3:0] n363 = {n350_2, n354_2, n358_1, n362};
  wire n365 = $signed(x_23_1) < 10'sd127;
  wire n366 = ~n365;
  reg n366_1;
  reg n366_2;
  wire [7:0] n369 = n365 ? 8'd70 : 8'd185;
  wire n370 = $signed(x_23_1) < $signed({2'd0, n369});
  wire n371 = ~n370;
  reg n371_1;
  reg n371_2;
  wire [1:0] n372 = {n366, n371};
  reg [1:0] n372_1;
  reg [7:0] n373;
  always @(*)
    case (n372_1)
      2'd0: n373 = 8'd41;
      2'd1: n373 = 8'd99;
      2'd2: n373 = 8'd156;
      default: n373 = 8'd213;
    endcase
  wire n374 = $signed(x_23_2) < $signed({2'd0, n373});
  wire n375 = ~n374;
  reg n375_1;
  wire [2:0] n376 = {n366_1, n371_1, n375};
  reg [7:0] n377;
  always @(*)
    case (n376)
      3'd0: n377 = 8'd27;
      3'd1: n377 = 8'd56;
      3'd2: n377 = 8'd84;
      3'd3: n377 = 8'd113;
      3'd4: n377 = 8'd142;
      3'd5: n377 = 8'd170;
      3'd6: n377 = 8'd199;
      default: n377 = 8'd227;
    endcase
  reg [7:0] n377_1;
  wire n378 = $signed(x_23_3) < $signed({2'd0, n377_1});
  wire n379 = ~n378;
  wire [3:0] n380 = {n366_2, n371_2, n375_1, n379};
  assign y = {
    n380, n363, n347, n330, n313, n296, n279, n261, n244, n226, n209, 1'd0, n192, n176, n159, n141, n124,
    n107_1, n93, 1'd0, n76, n59, n42, 1'd0
  };
  always @(posedge clk)
    if (ce) begin
      x_1_1 <= x_1;
      x_1_2 <= x_1_1;
      x_1_3 <= x_1_2;
      x_2_1 <= x_2;
      x_2_2 <= x_2_1;
      x_2_3 <= x_2_2;
      x_3_1 <= x_3;
      x_3_2 <= x_3_1;
      x_3_3 <= x_3_2;
      x_5_1 <= x_5;
      x_5_2 <= x_5_1;
      x_5_3 <= x_5_2;
      x_6_1 <= x_6;
      x_6_2 <= x_6_1;
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
      x_13_1 <= x_13;
      x_13_2 <= x_13_1;
      x_13_3 <= x_13_2;
      x_14_1 <= x_14;
      x_14_2 <= x_14_1;
      x_14_3 <= x_14_2;
      x_15_1 <= x_15;
      x_15_2 <= x_15_1;
      x_15_3 <= x_15_2;
      x_16_1 <= x_16;
      x_16_2 <= x_16_1;
      x_16_3 <= x_16_2;
      x_17_1 <= x_17;
      x_17_2 <= x_17_1;
      x_17_3 <= x_17_2;
      x_18_1 <= x_18;
      x_18_2 <= x_18_1;
      x_18_3 <= x_18_2;
      x_19_1 <= x_19;
      x_19_2 <= x_19_1;
      x_19_3 <= x_19_2;
      x_20_1 <= x_20;
      x_20_2 <= x_20_1;
      x_20_3 <= x_20_2;
      x_21_1 <= x_21;
      x_21_2 <= x_21_1;
      x_21_3 <= x_21_2;
      x_22_1 <= x_22;
      x_22_2 <= x_22_1;
      x_22_3 <= x_22_2;
      x_23_1 <= x_23;
      x_23_2 <= x_23_1;
      x_23_3 <= x_23_2;
      n27_1 <= n27;
      n27_2 <= n27_1;
      n32_1 <= n32;
      n32_2 <= n32_1;
      n33_1 <= n33;
      n36_1 <= n36;
      n38_1 <= n38;
      n45_1 <= n45;
      n45_2 <= n45_1;
      n50_1 <= n50;
      n50_2 <= n50_1;
      n51_1 <= n51;
      n54_1 <= n54;
      n56_1 <= n56;
      n62_1 <= n62;
      n62_2 <= n62_1;
      n67_1 <= n67;
      n67_2 <= n67_1;
      n68_1 <= n68;
      n71_1 <= n71;
      n73_1 <= n73;
      n79_1 <= n79;
      n79_2 <= n79_1;
      n84_1 <= n84;
      n84_2 <= n84_1;
      n85_1 <= n85;
      n88_1 <= n88;
      n90_1 <= n90;
      n96_1 <= n96;
      n101_1 <= n101;
      n102_1 <= n102;
      n107_1 <= n107;
      n110_1 <= n110;
      n110_2 <= n110_1;
      n115_1 <= n115;
      n115_2 <= n115_1;
      n116_1 <= n116;
      n119_1 <= n119;
      n121_1 <= n121;
      n127_1 <= n127;
      n127_2 <= n127_1;
      n132_1 <= n132;
      n132_2 <= n132_1;
      n133_1 <= n133;
      n136_1 <= n136;
      n138_1 <= n138;
      n144_1 <= n144;
      n144_2 <= n144_1;
      n149_1 <= n149;
      n149_2 <= n149_1;
      n150_1 <= n150;
      n153_1 <= n153;
      n155_1 <= n155;
      n162_1 <= n162;
      n162_2 <= n162_1;
      n167_1 <= n167;
      n167_2 <= n167_1;
      n168_1 <= n168;
      n171_1 <= n171;
      n173_1 <= n173;
      n179_1 <= n179;
      n179_2 <= n179_1;
      n183_1 <= n183;
      n183_2 <= n183_1;
      n184_1 <= n184;
      n187_1 <= n187;
      n189_1 <= n189;
      n195_1 <= n195;
      n195_2 <= n195_1;
      n200_1 <= n200;
      n200_2 <= n200_1;
      n201_1 <= n201;
      n204_1 <= n204;
      n206_1 <= n206;
      n212_1 <= n212;
      n212_2 <= n212_1;
      n217_1 <= n217;
      n217_2 <= n217_1;
      n218_1 <= n218;
      n221_1 <= n221;
      n223_1 <= n223;
      n229_1 <= n229;
      n229_2 <= n229_1;
      n234_1 <= n234;
      n234_2 <= n234_1;
      n235_1 <= n235;
      n238_1 <= n238;
      n240_1 <= n240;
      n246_1 <= n246;
      n246_2 <= n246_1;
      n251_1 <= n251;
      n251_2 <= n251_1;
      n252_1 <= n252;
      n255_1 <= n255;
      n257_1 <= n257;
      n264_1 <= n264;
      n264_2 <= n264_1;
      n269_1 <= n269;
      n269_2 <= n269_1;
      n270_1 <= n270;
      n273_1 <= n273;
      n275_1 <= n275;
      n282_1 <= n282;
      n282_2 <= n282_1;
      n287_1 <= n287;
      n287_2 <= n287_1;
      n288_1 <= n288;
      n291_1 <= n291;
      n293_1 <= n293;
      n299_1 <= n299;
      n299_2 <= n299_1;
      n304_1 <= n304;
      n304_2 <= n304_1;
      n305_1 <= n305;
      n308_1 <= n308;
      n310_1 <= n310;
      n316_1 <= n316;
      n316_2 <= n316_1;
      n321_1 <= n321;
      n321_2 <= n321_1;
      n322_1 <= n322;
      n325_1 <= n325;
      n327_1 <= n327;
      n333_1 <= n333;
      n333_2 <= n333_1;
      n338_1 <= n338;
      n338_2 <= n338_1;
      n339_1 <= n339;
      n342_1 <= n342;
      n344_1 <= n344;
      n350_1 <= n350;
      n350_2 <= n350_1;
      n354_1 <= n354;
      n354_2 <= n354_1;
      n355_1 <= n355;
      n358_1 <= n358;
      n360_1 <= n360;
      n366_1 <= n366;
      n366_2 <= n366_1;
      n371_1 <= n371;
      n371_2 <= n371_1;
      n372_1 <= n372;
      n375_1 <= n375;
      n377_1 <= n377;
    end
  // Bits that are rounded away, and elements that nothing depends on.
  wire unused = &{1'b0, x_0, x_4, x_12};
endmodule
`default_nettype wire
