// The testbench with a clock, for simulators that are no library of a program: Icarus, xsim, Questa.
module rings_sim;
  reg aclk = 0;
  always #5 aclk = ~aclk;
  rings_tb tb (.aclk(aclk));
endmodule
