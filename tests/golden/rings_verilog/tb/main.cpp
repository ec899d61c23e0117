// The clock of rings_tb as Verilator's program: `verilator --prefix Vtb`.
#include <memory>

#include "Vtb.h"
#include "verilated.h"

int main(int argc, char **argv) {
  const auto context = std::make_unique<VerilatedContext>();
  context->commandArgs(argc, argv);
  const auto tb = std::make_unique<Vtb>(context.get());
  tb->aclk = 0;
  while (!context->gotFinish()) {
    tb->eval();
    context->timeInc(5);
    tb->aclk = !tb->aclk;
  }
  tb->final();
  return 0;
}
