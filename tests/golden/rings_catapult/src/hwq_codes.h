// Codes in and out of Siemens' types: the integer that hardware stores, never a decimal text or a double.
#ifndef HWQ_CODES_H
#define HWQ_CODES_H

#if defined(__GNUC__) && !defined(__SYNTHESIS__) && !defined(HWQ_STRICT)
#pragma GCC system_header  // g++ before 13 has no other way to accept HLS pragmas without a remark
#endif

#include "ac_fixed.h"
#include "ac_int.h"

namespace hwq {

// Width and sign of a fixed-point type.
template <class T> struct format;
template <int W, int I, bool S, ac_q_mode Q, ac_o_mode O> struct format<ac_fixed<W, I, S, Q, O> > {
  enum { width = W, is_signed = S };
};
template <int W, bool S> struct format<ac_int<W, S> > {
  enum { width = W, is_signed = S };
};

// The value whose code is `code`; the low bits of the code are taken as they are.
template <class T, class C> inline T from_code(const C &code) {
  T value;
  value.set_slc(0, ac_int<format<T>::width, true>(code));
  return value;
}

// The same from 64-bit words, the lowest first, for codes wider than a machine integer.
template <class T, int N> inline T from_words(const unsigned long long (&words)[N]) {
  ac_int<64 * N, false> code = 0;
  for (int k = 0; k < N; ++k) code.set_slc(64 * k, ac_int<64, false>(words[k]));
  T value;
  value.set_slc(0, code.template slc<format<T>::width>(0));
  return value;
}

// The code of x as that of another type: x times a power of two.
template <class T, int W, int I, bool S, ac_q_mode Q, ac_o_mode O>
inline T moved_point(const ac_fixed<W, I, S, Q, O> &x) {
  return from_code<T>(ac_int<W, S>(x.template slc<W>(0)));
}

// The value whose code is the number of bits that are set.
template <class T, int W> inline T popcount(const ac_int<W, false> &bits) {
  int count = 0;
#pragma hls_unroll yes
  for (int k = 0; k < W; ++k) count += bits[k];
  return from_code<T>(count);
}

// How many 64-bit words a code takes, and word k of it, sign-extended.
template <class T> inline int word_count(const T &) { return (format<T>::width + 63) / 64; }
template <class T> inline long long word(const T &value, int k) {
  const ac_int<((format<T>::width + 63) / 64) * 64 + 1, true> code =
      ac_int<format<T>::width, format<T>::is_signed>(value.template slc<format<T>::width>(0));
  return ac_int<64, true>(code.template slc<64>(64 * k)).to_int64();
}

}  // namespace hwq

#endif
