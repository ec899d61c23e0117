// Records the codes that a FIFO holds between two processes of the C-simulation, in the order of the tensor.
#ifndef HWQ_TRACE_FIFO_H
#define HWQ_TRACE_FIFO_H

#include <type_traits>
#include <vector>

namespace hwq {

template <class F> inline void record_fifo(const char *edge, F &fifo, int outer, int channels, int inner) {
  typedef typename std::decay<decltype(fifo.read())>::type token_t;
  typedef typename std::decay<decltype(token_t().codes[0])>::type code_t;
  std::vector<code_t> codes(static_cast<std::size_t>(outer) * channels * inner);
  std::vector<token_t> tokens;
  for (int n = 0; n < outer; ++n) {
    for (int i = 0; i < inner; ++i) {
      for (int c = 0; c < channels; c += token_t::lanes) {
        tokens.push_back(fifo.read());
        for (int lane = 0; lane < token_t::lanes; ++lane) codes[(n * channels + c + lane) * inner + i] = tokens.back()[lane];
      }
    }
  }
  for (const token_t &token : tokens) fifo.write(token);
  record(edge, codes.data(), static_cast<int>(codes.size()));
}

}  // namespace hwq

#define HWQ_RECORD_FIFO(edge, fifo, outer, channels, inner) hwq::record_fifo(edge, fifo, outer, channels, inner)

#endif
