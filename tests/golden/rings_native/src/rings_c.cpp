// rings in plain C: conversions around the C++ function. Codes are 64-bit words, the lowest first.
#include "rings_c.h"

#include <cstddef>
#include <cstdlib>

#include "rings.h"
#include "rings_host.h"

namespace rings_c {

namespace {

// Memory for n numbers; none where it has run out.
template <class T> struct buffer {
  explicit buffer(std::size_t n) : all(static_cast<T *>(std::calloc(n, sizeof(T)))) {}
  ~buffer() { std::free(all); }
  buffer(const buffer &) = delete;
  buffer &operator=(const buffer &) = delete;

  T *const all;
};

template <class T> inline T code_in(const long long *words) {
  if constexpr (hwq::format<T>::width <= 64) {
    return hwq::from_code<T>(words[0]);
  } else {
    unsigned long long all[(hwq::format<T>::width + 63) / 64];
    for (int k = 0; k < (hwq::format<T>::width + 63) / 64; ++k) all[k] = static_cast<unsigned long long>(words[k]);
    return hwq::from_words<T>(all);
  }
}

template <class T> inline void code_out(const T &value, long long *words) {
  for (int k = 0; k < (hwq::format<T>::width + 63) / 64; ++k) words[k] = hwq::word(value, k);
}

// Elements of a port as the integers that the host's functions write and read.
template <class T> struct codes_into {
  struct code {
    template <class C> code &operator=(C v) {
      value = hwq::from_code<T>(v);
      return *this;
    }
    T &value;
  };
  code operator[](long i) const { return {port[i]}; }

  T *const port;
};

template <class T> struct codes_of {
  auto operator[](long i) const { return port[i].code(); }

  const T *const port;
};

// Sample n of port point.
inline void take_point(const void *in, long n, point_t *port, int real) {
  if (real == 1) {
    rings_host::quantize_point(static_cast<const double *>(in) + n * 2, codes_into<point_t>{port});
    return;
  }
  const long long *const words = static_cast<const long long *>(in) + n * 2;
  for (long i = 0; i < 2; ++i) port[i] = code_in<point_t>(words + i * 1);
}

inline void give_out_score(const fc3_t *port, void *out, long n, bool real) {
  if (real) {
    rings_host::dequantize_out_score(codes_of<fc3_t>{port}, static_cast<double *>(out) + n * 3);
    return;
  }
  long long *const words = static_cast<long long *>(out) + n * 3;
  for (long i = 0; i < 3; ++i) code_out(port[i], words + i * 1);
}

}  // namespace

// Samples first..last-1: codes, or real numbers; false where memory has run out.
bool run(const void *const *in, void *const *out, long first, long last, int real_in, bool real_out) {
  buffer<point_t> own_point(2);
  point_t *const port_point = own_point.all;
  if (!port_point) return false;
  buffer<fc3_t> own_out_score(3);
  fc3_t *const port_out_score = own_out_score.all;
  if (!port_out_score) return false;
  for (long n = first; n < last; ++n) {
    take_point(in[0], n, port_point, real_in);
    ::rings(port_point, port_out_score);
    give_out_score(port_out_score, out[0], n, real_out);
  }
  return true;
}

}  // namespace rings_c

extern "C" int rings_codes(long samples, const long long *port_point, long long *port_out_score) {
  const void *const in[] = {port_point};
  void *const out[] = {port_out_score};
  return rings_c::run(in, out, 0, samples, 0, false) ? 0 : 1;
}
extern "C" int rings_values(long samples, const double *port_point, double *port_out_score) {
  const void *const in[] = {port_point};
  void *const out[] = {port_out_score};
  return rings_c::run(in, out, 0, samples, 1, true) ? 0 : 1;
}
