// Thresholds reached by many elements at once, as a processor's vector units want them: every element is compared with
// every threshold, a vector of elements at a time. C++17 and GNU vectors, nothing but this file.
#ifndef HWQ_STEPS_H
#define HWQ_STEPS_H

#include "hwq_native.h"

namespace hwq {
namespace steps {

template <class code> constexpr int lanes = 64 / int(sizeof(code));
template <class code> using vector __attribute__((vector_size(64))) = code;

// How many of `levels` thresholds the codes in a vector reach; `apart` from one to the next, one for each or one for all.
template <bool own, class code> HWQ_INLINE void count(const code *codes, const code *thresholds, int levels, int apart, code *reached) {
  vector<code> all, sum{};
  __builtin_memcpy(&all, codes, sizeof(all));
  for (int k = 0; k < levels; ++k) {
    vector<code> least;
    if constexpr (own) {
      __builtin_memcpy(&least, thresholds + k * apart, sizeof(least));
    } else {
      least = thresholds[k * apart] - vector<code>{};
    }
    sum -= all >= least;
  }
  __builtin_memcpy(reached, &sum, sizeof(sum));
}

// y[i] = base[c] + sign[c] * the thresholds[c] that x[i] reaches, in `runs` runs of N elements of one channel each.
template <int runs, int N, class code, class X, class Y, int channels, int levels>
void of_channels(const code (&thresholds)[channels][levels], const code *base, const code *sign, const X *x, Y *y, int samples) {
  constexpr int size = (N + lanes<code> - 1) / lanes<code> * lanes<code>;
  static thread_local code codes[size];
  code reached[lanes<code>];
  for (int r = 0; r < runs * samples; ++r, x += N, y += N) {
    const int c = r % channels;
    for (int i = 0; i < N; ++i) codes[i] = native::as<code>(x[i].code());
    for (int i = 0; i < N; i += lanes<code>) {
      count<false>(codes + i, thresholds[c], levels, 1, reached);
      const int some = N - i < lanes<code> ? N - i : lanes<code>;
      for (int j = 0; j < some; ++j) y[i + j] = Y::from_code(base[c] + sign[c] * reached[j]);
    }
  }
}

// The same of N elements, each of a channel of its own.
template <int N, class code, class X, class Y, int levels, int size>
void of_elements(const code (&thresholds)[levels][size], const code *base, const code *sign, const X *x, Y *y, int samples) {
  static thread_local code codes[size];
  code reached[lanes<code>];
  for (int n = 0; n < samples; ++n, x += N, y += N) {
    for (int i = 0; i < N; ++i) codes[i] = native::as<code>(x[i].code());
    for (int i = 0; i < N; i += lanes<code>) {
      count<true>(codes + i, thresholds[0] + i, levels, size, reached);
      const int some = N - i < lanes<code> ? N - i : lanes<code>;
      for (int j = 0; j < some; ++j) y[i + j] = Y::from_code(base[i + j] + sign[i + j] * reached[j]);
    }
  }
}

}  // namespace steps
}  // namespace hwq

#endif
