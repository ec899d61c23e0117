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

}  // namespace

// Samples first..last-1, in real numbers where it says so; false where memory has run out.
bool run(const void *const *in, void *const *out, long first, long last, bool real_in, bool real_out) {
  buffer<point_t> own_point(2);
  point_t *const port_point = own_point.all;
  if (!port_point) return false;
  buffer<fc3_t> own_out_score(3);
  fc3_t *const port_out_score = own_out_score.all;
  if (!port_out_score) return false;
  buffer<long long> codes_point(2);
  if (!codes_point.all) return false;
  buffer<long long> codes_out_score(3);
  if (!codes_out_score.all) return false;
  for (long n = first; n < last; ++n) {
    const long long *in_point = static_cast<const long long *>(in[0]) + n * 2;
    if (real_in) {
      rings_host::quantize_point(static_cast<const double *>(in[0]) + n * 2, codes_point.all);
      in_point = codes_point.all;
    }
    for (long i = 0; i < 2; ++i) port_point[i] = code_in<point_t>(in_point + i * 1);
    ::rings(port_point, port_out_score);
    long long *out_out_score = static_cast<long long *>(out[0]) + n * 3;
    if (real_out) out_out_score = codes_out_score.all;
    for (long i = 0; i < 3; ++i) code_out(port_out_score[i], out_out_score + i * 1);
    if (real_out) rings_host::dequantize_out_score(out_out_score, static_cast<double *>(out[0]) + n * 3);
  }
  return true;
}

}  // namespace rings_c

extern "C" int rings_codes(long samples, const long long *port_point, long long *port_out_score) {
  const void *const in[] = {port_point};
  void *const out[] = {port_out_score};
  return rings_c::run(in, out, 0, samples, false, false) ? 0 : 1;
}
extern "C" int rings_values(long samples, const double *port_point, double *port_out_score) {
  const void *const in[] = {port_point};
  void *const out[] = {port_out_score};
  return rings_c::run(in, out, 0, samples, true, true) ? 0 : 1;
}
