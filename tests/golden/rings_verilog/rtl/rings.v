// rings: one sample a cycle, written by hwq 0.1.0 for a clock of 5.0 ns.
// A sample's results leave 9 cycles after it was taken; a result that waits stalls the whole pipeline.
`default_nettype none
module rings (
  input wire aclk,
  input wire aresetn,  // synchronous, low: forgets the samples on their way
  // point: 2 codes of s8, 8 bits each, the first in the lowest
  input wire s_axis_point_tvalid,
  output wire s_axis_point_tready,
  input wire [15:0] s_axis_point_tdata,
  // score: 3 codes of s11, 11 bits each, the first in the lowest
  output wire m_axis_score_tvalid,
  input wire m_axis_score_tready,
  output wire [39:0] m_axis_score_tdata
);
  // Bit k: stage k + 1 holds a sample.
  reg [8:0] valid;
  wire ce;
  assign ce = ~valid[8] | m_axis_score_tready;
  assign m_axis_score_tvalid = valid[8];
  wire taken = s_axis_point_tvalid & ce;
  assign s_axis_point_tready = ce;
  always @(posedge aclk)
    if (!aresetn) valid <= 9'd0;
    else if (ce) valid <= {valid[7:0], taken};

  // Tensors: elements side by side, each with the bits that its range needs.
  wire [15:0] point = {s_axis_point_tdata[15:8], s_axis_point_tdata[7:0]};
  wire [229:0] fc1;
  wire [85:0] fc1_act_quant;
  wire [166:0] fc2;
  wire [63:0] fc2_act_quant;
  wire [30:0] fc3;
  reg [30:0] fc3_d1;
  always @(posedge aclk)
    if (ce) begin
      fc3_d1 <= fc3;
    end

  // node fc1: dense[2x24 w s4 pe 24 simd 2], from stage 0
  rings_dense_fc1 u_dense_fc1 (
    .x(point),
    .y(fc1)
  );
  // node fc1/act_quant: threshold[24x15 compare], from stage 0
  rings_threshold_fc1_act_quant u_threshold_fc1_act_quant (
    .clk(aclk),
    .ce(ce),
    .x(fc1),
    .y(fc1_act_quant)
  );
  // node fc2: dense[24x16 w s4 pe 16 simd 24], from stage 3
  rings_dense_fc2 u_dense_fc2 (
    .clk(aclk),
    .ce(ce),
    .x(fc1_act_quant),
    .y(fc2)
  );
  // node fc2/act_quant: threshold[16x15 compare], from stage 4
  rings_threshold_fc2_act_quant u_threshold_fc2_act_quant (
    .clk(aclk),
    .ce(ce),
    .x(fc2),
    .y(fc2_act_quant)
  );
  // node fc3: dense[16x3 w s4 pe 3 simd 16], from stage 7
  rings_dense_fc3 u_dense_fc3 (
    .clk(aclk),
    .ce(ce),
    .x(fc2_act_quant),
    .y(fc3)
  );

  assign m_axis_score_tdata = {7'd0, {fc3_d1[30], fc3_d1[30:21]}, {fc3_d1[20], fc3_d1[20:11]}, fc3_d1[10:0]};
endmodule
`default_nettype wire
