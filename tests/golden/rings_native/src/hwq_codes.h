// Codes in and out of hwq's own types: the integer that hardware stores, never a decimal text or a double.
#ifndef HWQ_CODES_H
#define HWQ_CODES_H

#include "hwq_native.h"

namespace hwq {

// Width and sign of a fixed-point type.
template <class T> struct format {
  enum { width = T::width, is_signed = T::is_signed };
};

// The value whose code is `code`; the low bits of the code are taken as they are.
template <class T, class C> constexpr HWQ_INLINE T from_code(const C &code) { return T::from_code(code); }

// The same from 64-bit words, the lowest first, for codes wider than a machine integer.
template <class T, int N> constexpr HWQ_INLINE T from_words(const unsigned long long (&words)[N]) {
  native::wide<N> code{};
  for (int k = 0; k < N; ++k) code.words[k] = words[k];
  return T::from_code(code);
}

// The code of x as that of another type: x times a power of two.
template <class T, class X> constexpr HWQ_INLINE T moved_point(const X &x) { return T::from_code(x.code()); }

// The value whose code is the number of bits that are set.
template <class T, class X> constexpr HWQ_INLINE T popcount(const X &bits) { return T::from_code(bits.ones()); }

// How many 64-bit words a code takes, and word k of it, sign-extended.
template <class T> constexpr HWQ_INLINE int word_count(const T &) { return (T::width + 63) / 64; }
template <class T> constexpr HWQ_INLINE long long word(const T &value, int k) {
  typedef native::integer<(T::width + 63) / 64 * 64 + !T::is_signed> code;
  return native::as<long long>(native::right(native::as<code>(value.code()), 64 * k));
}

}  // namespace hwq

#endif
