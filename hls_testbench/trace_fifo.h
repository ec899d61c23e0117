// Records the codes that a FIFO holds between two processes of the C-simulation, in the order of the tensor.
#ifndef HWQ_TRACE_FIFO_H
#define HWQ_TRACE_FIFO_H

#include <vector>

namespace hwq {

template <template <class...> class F, class T, int N>
inline void record_fifo(const char *edge, F<vec<T, N> > &fifo, int outer, int channels, int inner) {
  std::vector<T> codes(static_cast<std::size_t>(outer) * channels * inner);
  std::vector<vec<T, N> > tokens;
  for (int n = 0; n < outer; ++n) {
    for (int i = 0; i < inner; ++i) {
      for (int c = 0; c < channels; c += N) {
        tokens.push_back(fifo.read());
        for (int lane = 0; lane < N; ++lane) codes[(n * channels + c + lane) * inner + i] = tokens.back()[lane];
      }
    }
  }
  for (const vec<T, N> &token : tokens) fifo.write(token);
  record(edge, codes.data(), static_cast<int>(codes.size()));
}

}  // namespace hwq

#define HWQ_RECORD_FIFO(edge, fifo, outer, channels, inner) hwq::record_fifo(edge, fifo, outer, channels, inner)

#endif
