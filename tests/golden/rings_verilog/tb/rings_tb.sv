// Feeds rings the samples of FOLDER/in_*.hex, a sample a line, and compares what comes out with FOLDER/out_*.hex.
//   +folder=tb/data  where the files are
//   +samples=16      how many samples
//   +seed=0          0: both sides are ready in every cycle; else they wait at random
//   +write=0         1: write FOLDER/got_*.hex instead of comparing; FOLDER/cycles.txt gets the cycles in which samples
//                    went in ("i") and came out ("o") at each port
module rings_tb (
  input wire aclk
);
  string folder;
  integer samples, seed, write, wrong, cycles;
  reg [31:0] cycle, idle, random;
  reg aresetn, stop;

  // Marsaglia's xorshift32: the same waits in every simulator.
  wire [31:0] random_1 = random ^ (random << 13);
  wire [31:0] random_2 = random_1 ^ (random_1 >> 17);
  wire [31:0] random_3 = random_2 ^ (random_2 << 5);

  integer in_point_file, in_point_sent, in_point_scanned;
  reg in_point_valid;
  wire in_point_ready;
  reg [15:0] in_point_data, in_point_next;

  integer out_score_file, out_score_count, out_score_scanned;
  wire out_score_valid;
  reg out_score_ready, out_score_waits;
  wire [39:0] out_score_data;
  reg [39:0] out_score_held, out_score_want;
`ifdef HWQ_TRACE
  integer trace_0;
  integer trace_1;
  integer trace_2;
  integer trace_3;
  integer trace_4;
`endif

  rings dut (
    .aclk(aclk),
    .aresetn(aresetn),
    .s_axis_point_tvalid(in_point_valid),
    .s_axis_point_tready(in_point_ready),
    .s_axis_point_tdata(in_point_data),
    .m_axis_score_tvalid(out_score_valid),
    .m_axis_score_tready(out_score_ready),
    .m_axis_score_tdata(out_score_data)
  );

  initial begin
    if ($value$plusargs("folder=%s", folder) == 0) folder = "tb/data";
    if ($value$plusargs("samples=%d", samples) == 0) samples = 16;
    if ($value$plusargs("seed=%d", seed) == 0) seed = 0;
    if ($value$plusargs("write=%d", write) == 0) write = 0;
    cycle = 0;
    idle = 0;
    wrong = 0;
    random = seed == 0 ? 1 : seed;
    aresetn = 0;
    stop = 0;
    cycles = write != 0 ? $fopen({folder, "/cycles.txt"}, "w") : 0;
    in_point_file = $fopen({folder, "/in_point.hex"}, "r");
    in_point_sent = 0;
    in_point_valid = 0;
    in_point_data = 0;
    if (write != 0) out_score_file = $fopen({folder, "/got_score.hex"}, "w");
    else out_score_file = $fopen({folder, "/out_score.hex"}, "r");
    out_score_count = 0;
    out_score_ready = 0;
    out_score_waits = 0;
    out_score_held = 0;
`ifdef HWQ_TRACE
    trace_0 = $fopen({folder, "/trace_0.hex"}, "w");
    trace_1 = $fopen({folder, "/trace_1.hex"}, "w");
    trace_2 = $fopen({folder, "/trace_2.hex"}, "w");
    trace_3 = $fopen({folder, "/trace_3.hex"}, "w");
    trace_4 = $fopen({folder, "/trace_4.hex"}, "w");
`endif
  end

  always @(posedge aclk) begin
    cycle <= cycle + 1;
    random <= random_3;
    aresetn <= cycle > 3;
    idle <= idle + 1;
    if (aresetn) begin
      // point: once it is offered, a sample stays until it is taken.
      if (in_point_valid && in_point_ready) begin
        idle <= 0;
        if (write != 0) $fdisplay(cycles, "i 0 %0d", cycle);
      end
      if (!in_point_valid || in_point_ready) begin
        in_point_valid <= 0;
        if (in_point_sent < samples && (seed == 0 || random_3[0])) begin
          in_point_scanned = $fscanf(in_point_file, "%h", in_point_next);
          if (in_point_scanned != 1) begin
            $display("ERROR: in_point.hex ends after %0d samples", in_point_sent);
            stop <= 1;
          end
          in_point_data <= in_point_next;
          in_point_valid <= 1;
          in_point_sent <= in_point_sent + 1;
        end
      end
      // score: what is offered stays as it is until it is taken.
      out_score_ready <= seed == 0 || random_3[1];
      if (out_score_waits && (!out_score_valid || out_score_data !== out_score_held)) begin
        $display("ERROR: m_axis_score did not hold sample %0d until it was taken", out_score_count);
        stop <= 1;
      end
      out_score_waits <= out_score_valid && !out_score_ready;
      out_score_held <= out_score_data;
      if (out_score_valid && out_score_ready) begin
        idle <= 0;
        out_score_count <= out_score_count + 1;
        if (write != 0) begin
          $fdisplay(out_score_file, "%h", out_score_data);
          $fdisplay(cycles, "o 0 %0d", cycle);
        end else begin
          out_score_scanned = $fscanf(out_score_file, "%h", out_score_want);
          if (out_score_scanned != 1 || out_score_data !== out_score_want) begin
            if (wrong < 10)
              $display("score, sample %0d: %h, not %h", out_score_count, out_score_data, out_score_want);
            wrong <= wrong + 1;
          end
        end
      end
`ifdef HWQ_TRACE
      if (dut.ce && dut.taken) $fdisplay(trace_0, "%h", dut.fc1);
      if (dut.ce && dut.valid[2]) $fdisplay(trace_1, "%h", dut.fc1_act_quant);
      if (dut.ce && dut.valid[3]) $fdisplay(trace_2, "%h", dut.fc2);
      if (dut.ce && dut.valid[6]) $fdisplay(trace_3, "%h", dut.fc2_act_quant);
      if (dut.ce && dut.valid[7]) $fdisplay(trace_4, "%h", dut.fc3);
`endif
      if (out_score_count >= samples) stop <= 1;
      if (idle > 4096 + 9) begin
        $display("ERROR: no port moves");
        stop <= 1;
      end
    end
    if (stop) begin
      if (write == 0) begin
        if (wrong == 0 && out_score_count >= samples) $display("EQUAL: %0d samples in %0d cycles", samples, cycle);
        else $display("DIFFERENT: %0d results of %0d samples", wrong, samples);
      end
      $finish;
    end
  end
endmodule
