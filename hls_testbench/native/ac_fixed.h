// The face of Siemens' ac_fixed and ac_int over hwq's native types: what generated sources use of them, and no more.
#ifndef HWQ_NATIVE_AC_FIXED_H
#define HWQ_NATIVE_AC_FIXED_H

#include "hwq_native.h"

enum ac_q_mode { AC_TRN, AC_RND, AC_TRN_ZERO, AC_RND_ZERO, AC_RND_INF, AC_RND_MIN_INF, AC_RND_CONV, AC_RND_CONV_ODD };
enum ac_o_mode { AC_WRAP, AC_SAT, AC_SAT_ZERO, AC_SAT_SYM };

namespace hwq {
namespace ac {

constexpr rounding mode(ac_q_mode q) {
  return q == AC_RND            ? rounding::half_up
         : q == AC_RND_ZERO     ? rounding::half_to_zero
         : q == AC_RND_MIN_INF  ? rounding::half_down
         : q == AC_RND_INF      ? rounding::half_away
         : q == AC_RND_CONV     ? rounding::half_even
         : q == AC_RND_CONV_ODD ? rounding::half_odd
         : q == AC_TRN_ZERO     ? rounding::to_zero
                                : rounding::floor;
}

constexpr overflow mode(ac_o_mode o) {
  return o == AC_SAT        ? overflow::saturate
         : o == AC_SAT_ZERO ? overflow::saturate_zero
         : o == AC_SAT_SYM  ? overflow::saturate_symmetric
                            : overflow::wrap;
}

}  // namespace ac
}  // namespace hwq

// Bits of a value as an integer, and the bits of an integer put into a value.
#define HWQ_AC_FACE(NAME, SIGNED)                                                                  \
  NAME() = default;                                                                                \
  template <class T> constexpr HWQ_INLINE NAME(const T &v) : number(v) {}                          \
  template <int B> constexpr HWQ_INLINE ac_int<B, SIGNED> slc(int lsb) const {                     \
    return hwq::fixed<B, B, SIGNED>::from_code(this->bits(lsb + B - 1, lsb));                      \
  }                                                                                                \
  template <int B, bool T> constexpr HWQ_INLINE NAME &set_slc(int lsb, const ac_int<B, T> &v) {    \
    this->set_bits(lsb + B - 1, lsb, v.code());                                                    \
    return *this;                                                                                  \
  }

template <int W, bool S = true> struct ac_int : hwq::fixed<W, W, S> {
  typedef hwq::fixed<W, W, S> number;
  HWQ_AC_FACE(ac_int, S)
  constexpr HWQ_INLINE long long to_int64() const { return hwq::native::as<long long>(this->code()); }
  template <class N, hwq::native::if_integer<N> = 0> constexpr HWQ_INLINE explicit operator N() const {
    return static_cast<N>(to_int64());
  }
};

template <int W, int I, bool S = true, ac_q_mode Q = AC_TRN, ac_o_mode O = AC_WRAP>
struct ac_fixed : hwq::fixed<W, I, S, hwq::ac::mode(Q), hwq::ac::mode(O)> {
  typedef hwq::fixed<W, I, S, hwq::ac::mode(Q), hwq::ac::mode(O)> number;
  HWQ_AC_FACE(ac_fixed, S)
};

#undef HWQ_AC_FACE

#endif
