// Codes in and out of AMD's types: the integer that hardware stores, never a decimal text or a double.
#ifndef HWQ_CODES_H
#define HWQ_CODES_H

#if defined(__GNUC__) && !defined(__SYNTHESIS__) && !defined(HWQ_STRICT)
#pragma GCC system_header  // g++ before 13 has no other way to accept HLS pragmas without a remark
#endif

#include "ap_fixed.h"
#include "ap_int.h"

namespace hwq {

// Width and sign of a fixed-point type.
template <class T> struct format;
template <int W, int I, ap_q_mode Q, ap_o_mode O, int N> struct format<ap_fixed<W, I, Q, O, N> > {
  enum { width = W, is_signed = 1 };
};
template <int W, int I, ap_q_mode Q, ap_o_mode O, int N> struct format<ap_ufixed<W, I, Q, O, N> > {
  enum { width = W, is_signed = 0 };
};
template <int W> struct format<ap_uint<W> > {
  enum { width = W, is_signed = 0 };
};

// The highest bit of a type's code that is in 64-bit word k.
template <class T> inline int last_bit(int k) {
  return 64 * k + 63 < format<T>::width ? 64 * k + 63 : format<T>::width - 1;
}

// How codes of one word go in and out of a type, and those of several.
template <class T, bool one_word> struct bits {
  template <class C> static T from(const C &code) {
    T value;
    value.setBits(code);
    return value;
  }
  static unsigned long long word(const T &value, int) { return value.bits_to_uint64(); }
};
template <class T> struct bits<T, false> {
  template <class C> static T from(const C &code) {
    T value;
    value.range(format<T>::width - 1, 0) = ap_int<format<T>::width>(code);
    return value;
  }
  static unsigned long long word(const T &value, int k) { return value.range(last_bit<T>(k), 64 * k).to_uint64(); }
};

// The value whose code is `code`; the low bits of the code are taken as they are.
template <class T, class C> inline T from_code(const C &code) { return bits<T, (format<T>::width <= 64)>::from(code); }

// The same from 64-bit words, the lowest first, for codes wider than a machine integer.
template <class T, int N> inline T from_words(const unsigned long long (&words)[N]) {
  T value;
  for (int k = 0; k < N; ++k) value.range(last_bit<T>(k), 64 * k) = words[k];
  return value;
}
template <class T> inline T from_words(const unsigned long long (&words)[1]) { return from_code<T>(words[0]); }

// The same of an integer of the vendor's.
template <class T, class C> inline T with_code(const C &code) {
  T value;
  value.range(format<T>::width - 1, 0) = ap_int<format<T>::width>(code);
  return value;
}
// The code of x as that of another type: x times a power of two.
template <class T, int W, int I, ap_q_mode Q, ap_o_mode O, int N>
inline T moved_point(const ap_fixed<W, I, Q, O, N> &x) { return with_code<T>(ap_int<W>(x.range(W - 1, 0))); }
template <class T, int W, int I, ap_q_mode Q, ap_o_mode O, int N>
inline T moved_point(const ap_ufixed<W, I, Q, O, N> &x) { return with_code<T>(ap_uint<W>(x.range(W - 1, 0))); }

// The value whose code is the number of bits that are set.
template <class T, int W> inline T popcount(const ap_uint<W> &bits) {
  int count = 0;
  for (int k = 0; k < W; ++k) {
#pragma HLS UNROLL
    count += bits[k];
  }
  return from_code<T>(count);
}

// How many 64-bit words a code takes, and word k of it, sign-extended.
template <class T> inline int word_count(const T &) { return (format<T>::width + 63) / 64; }
template <class T> inline long long word(const T &value, int k) {
  const unsigned long long code = bits<T, (format<T>::width <= 64)>::word(value, k);
  const int above = 64 * k + 63 - last_bit<T>(k);  // bits of the word past those of the code
  return format<T>::is_signed ? static_cast<long long>(code << above) >> above : static_cast<long long>(code);
}

}  // namespace hwq

#endif
