// Records the codes of every edge while the C-simulation runs: one line per edge and sample, for hwq's verify.
#ifndef HWQ_TRACE_H
#define HWQ_TRACE_H

#include <cstdio>

namespace hwq {

inline std::FILE *trace_file() {
  static std::FILE *file = std::fopen("trace.txt", "w");
  return file;
}

template <class T> inline void record(const char *edge, const T *values, int count) {
  std::fprintf(trace_file(), "%s", edge);
  for (int i = 0; i < count; ++i) {
    for (int k = 0; k < word_count(values[i]); ++k) std::fprintf(trace_file(), " %lld", word(values[i], k));
  }
  std::fprintf(trace_file(), "\n");
  std::fflush(trace_file());
}

}  // namespace hwq

#define HWQ_RECORD(edge, codes, count) hwq::record(edge, codes, count)

#endif
