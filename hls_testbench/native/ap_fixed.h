// The face of AMD's ap_fixed and ap_int over hwq's native types: what generated sources use of them, and no more.
#ifndef HWQ_NATIVE_AP_FIXED_H
#define HWQ_NATIVE_AP_FIXED_H

#include "hwq_native.h"

enum ap_q_mode { AP_RND, AP_RND_ZERO, AP_RND_MIN_INF, AP_RND_INF, AP_RND_CONV, AP_TRN, AP_TRN_ZERO };
enum ap_o_mode { AP_SAT, AP_SAT_ZERO, AP_SAT_SYM, AP_WRAP, AP_WRAP_SM };

namespace hwq {
namespace ap {

constexpr rounding mode(ap_q_mode q) {
  return q == AP_RND           ? rounding::half_up
         : q == AP_RND_ZERO    ? rounding::half_to_zero
         : q == AP_RND_MIN_INF ? rounding::half_down
         : q == AP_RND_INF     ? rounding::half_away
         : q == AP_RND_CONV    ? rounding::half_even
         : q == AP_TRN_ZERO    ? rounding::to_zero
                               : rounding::floor;
}

constexpr overflow mode(ap_o_mode o) {
  return o == AP_SAT        ? overflow::saturate
         : o == AP_SAT_ZERO ? overflow::saturate_zero
         : o == AP_SAT_SYM  ? overflow::saturate_symmetric
                            : overflow::wrap;
}

template <int W, int I, bool S, ap_q_mode Q, ap_o_mode O, int N> struct base {
  static_assert(O != AP_WRAP_SM && N == 0, "hwq's native types have neither AP_WRAP_SM nor saturated bits");
  typedef fixed<W, I, S, mode(Q), mode(O)> type;
};

// Bits hi..lo of a value: read as an unsigned number, or replaced.
template <class T> class slice {
 public:
  constexpr HWQ_INLINE slice(T &value, int hi, int lo) : value(value), hi(hi), lo(lo) {}
  constexpr HWQ_INLINE auto bits() const { return value.bits(hi, lo); }
  constexpr HWQ_INLINE unsigned long long to_uint64() const { return native::as<unsigned long long>(bits()); }
  constexpr HWQ_INLINE slice &operator=(const slice &other) { return set(other.bits()); }
  template <class U> constexpr HWQ_INLINE slice &operator=(const slice<U> &other) { return set(other.bits()); }
  template <class N, native::if_integer<N> = 0> constexpr HWQ_INLINE slice &operator=(N v) { return set(v); }
  template <int W, int I, bool S, rounding Q, overflow O>
  constexpr HWQ_INLINE slice &operator=(const fixed<W, I, S, Q, O> &v) { return set(v.code()); }

 private:
  template <class C> constexpr HWQ_INLINE slice &set(const C &code) {
    value.set_bits(hi, lo, code);
    return *this;
  }

  T &value;
  int hi, lo;
};

}  // namespace ap
}  // namespace hwq

#define HWQ_AP_FACE(NAME)                                                                                \
  typedef typename hwq::ap::base<W, I, signed_type, Q, O, N>::type number;                               \
  NAME() = default;                                                                                      \
  template <class T> constexpr HWQ_INLINE NAME(const T &v) : number(v) {}                                \
  template <class T> constexpr HWQ_INLINE NAME(const hwq::ap::slice<T> &v) : number(number::from_code(v.bits())) {} \
  constexpr HWQ_INLINE NAME &setBits(unsigned long long code) {                                          \
    number::operator=(number::from_code(code));                                                          \
    return *this;                                                                                        \
  }                                                                                                      \
  constexpr HWQ_INLINE unsigned long long bits_to_uint64() const { return range(W - 1, 0).to_uint64(); } \
  constexpr HWQ_INLINE hwq::ap::slice<NAME> range(int hi, int lo) { return {*this, hi, lo}; }            \
  constexpr HWQ_INLINE hwq::ap::slice<const NAME> range(int hi, int lo) const { return {*this, hi, lo}; }

template <int W, int I, ap_q_mode Q = AP_TRN, ap_o_mode O = AP_WRAP, int N = 0>
struct ap_fixed : hwq::ap::base<W, I, true, Q, O, N>::type {
  static constexpr bool signed_type = true;
  HWQ_AP_FACE(ap_fixed)
};

template <int W, int I, ap_q_mode Q = AP_TRN, ap_o_mode O = AP_WRAP, int N = 0>
struct ap_ufixed : hwq::ap::base<W, I, false, Q, O, N>::type {
  static constexpr bool signed_type = false;
  HWQ_AP_FACE(ap_ufixed)
};

#undef HWQ_AP_FACE

#define HWQ_AP_INTEGER(NAME, S)                                                                          \
  template <int W> struct NAME : hwq::fixed<W, W, S> {                                                   \
    typedef hwq::fixed<W, W, S> number;                                                                  \
    NAME() = default;                                                                                    \
    template <class T> constexpr HWQ_INLINE NAME(const T &v) : number(v) {}                              \
    template <class T> constexpr HWQ_INLINE NAME(const hwq::ap::slice<T> &v) : number(number::from_code(v.bits())) {} \
    constexpr HWQ_INLINE hwq::ap::slice<NAME> range(int hi, int lo) { return {*this, hi, lo}; }          \
    constexpr HWQ_INLINE hwq::ap::slice<const NAME> range(int hi, int lo) const { return {*this, hi, lo}; } \
    constexpr HWQ_INLINE long long to_int64() const { return hwq::native::as<long long>(this->code()); } \
    template <class N, hwq::native::if_integer<N> = 0> constexpr HWQ_INLINE explicit operator N() const { \
      return static_cast<N>(to_int64());                                                                 \
    }                                                                                                    \
  };

HWQ_AP_INTEGER(ap_int, true)
HWQ_AP_INTEGER(ap_uint, false)

#undef HWQ_AP_INTEGER

#endif
