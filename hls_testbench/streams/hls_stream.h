// hls::stream for the C-simulation on machines without AMD's tool, whose header is not among the open ones.
#ifndef HWQ_HLS_STREAM_H
#define HWQ_HLS_STREAM_H

#include "hwq_fifo.h"

namespace hls {

template <class T, int DEPTH = 0> class stream : public hwq::fifo<T> {
 public:
  explicit stream(const char *name = "") : hwq::fifo<T>(name) {}
};

}  // namespace hls

#endif
