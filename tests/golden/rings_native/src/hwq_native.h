// Fixed-point numbers over machine integers, to the bit what ap_fixed and ac_fixed are. C++17, nothing but this file.
//
// fixed<W, I, S, Q, O>: W bits, I of them before the binary point (the sign counted), S signed; Q and O say what happens
// to a value on its way in. +, - and * are exact: their results are as wide as they need be. Widths to 32, 64 and 128
// bits live in machine integers, wider ones in words of 64.
//
// Of 8 bits and more only the low W of what is stored count; the rest is put right when a value is read. So a sum that
// wraps costs an addition and nothing else, and compilers see a plain loop of integer additions. Narrower numbers, which
// are read more often than written, are put right when they are written.
#ifndef HWQ_NATIVE_H
#define HWQ_NATIVE_H

#include <type_traits>

#if defined(__GNUC__)
#define HWQ_INLINE __attribute__((always_inline)) inline
#else
#define HWQ_INLINE inline
#endif

namespace hwq {

enum class rounding { floor, to_zero, half_even, half_odd, half_away, half_to_zero, half_up, half_down };
enum class overflow { wrap, saturate, saturate_symmetric, saturate_zero };

template <int W, int I, bool S, rounding Q, overflow O> class fixed;

namespace native {

__extension__ typedef __int128 int128;
__extension__ typedef unsigned __int128 uint128;
typedef unsigned long long word_t;

// Two's complement in N words, the lowest first.
template <int N> struct wide {
  word_t words[N];
};

template <class T> struct is_wide : std::false_type {};
template <int N> struct is_wide<wide<N> > : std::true_type {};

// The signed integer with room for B bits, in which codes are computed.
template <int B>
using integer = std::conditional_t<
    (B <= 32), int, std::conditional_t<(B <= 64), long long, std::conditional_t<(B <= 128), int128, wide<(B + 63) / 64> > > >;

template <int B> struct bits_in {
  static constexpr int value = B <= 32 ? 32 : B <= 64 ? 64 : B <= 128 ? 128 : (B + 63) / 64 * 64;
};

// The integer that stores W bits; the sign only matters where it is read in full.
template <int W, bool S>
using storage = std::conditional_t<
    (W > 128), wide<(W + 63) / 64>,
    std::conditional_t<
        S,
        std::conditional_t<(W <= 8), signed char, std::conditional_t<(W <= 16), short, integer<W> > >,
        std::conditional_t<
            (W <= 8), unsigned char,
            std::conditional_t<
                (W <= 16), unsigned short,
                std::conditional_t<(W <= 32), unsigned, std::conditional_t<(W <= 64), word_t, uint128> > > > > >;

template <class T> struct twin { typedef std::make_unsigned_t<T> type; };
template <> struct twin<int128> { typedef uint128 type; };
template <> struct twin<uint128> { typedef uint128 type; };

// Any integer as another: sign-extended, or the low bits.
template <class To, class From> constexpr HWQ_INLINE To as(const From &v) {
  if constexpr (std::is_same_v<To, From>) {
    return v;
  } else if constexpr (!is_wide<To>::value && !is_wide<From>::value) {
    return static_cast<To>(v);
  } else if constexpr (!is_wide<To>::value) {
    if constexpr (sizeof(To) > 8 && sizeof(From) > 8) {
      return static_cast<To>(static_cast<uint128>(v.words[1]) << 64 | v.words[0]);
    } else {
      return static_cast<To>(v.words[0]);
    }
  } else {
    To r{};
    constexpr int n = sizeof(To) / 8;
    if constexpr (is_wide<From>::value) {
      constexpr int m = sizeof(From) / 8;
      const word_t fill = v.words[m - 1] >> 63 ? ~word_t(0) : 0;
      for (int k = 0; k < n; ++k) r.words[k] = k < m ? v.words[k < m ? k : 0] : fill;
    } else {
      const word_t fill = v < From(0) ? ~word_t(0) : 0;
      r.words[0] = static_cast<word_t>(v);
      for (int k = 1; k < n; ++k) r.words[k] = fill;
      if constexpr (sizeof(From) > 8) r.words[1] = static_cast<word_t>(static_cast<uint128>(v) >> 64);
    }
    return r;
  }
}

// a + b, a - b and a * b in T, whatever does not fit dropped.
template <class T> constexpr HWQ_INLINE T add(const T &a, const T &b) {
  if constexpr (is_wide<T>::value) {
    T r{};
    word_t carry = 0;
    for (int k = 0; k < int(sizeof(T) / 8); ++k) {
      const uint128 sum = static_cast<uint128>(a.words[k]) + b.words[k] + carry;
      r.words[k] = static_cast<word_t>(sum);
      carry = static_cast<word_t>(sum >> 64);
    }
    return r;
  } else {
    typedef typename twin<T>::type U;
    return static_cast<T>(static_cast<U>(static_cast<U>(a) + static_cast<U>(b)));
  }
}

template <class T> constexpr HWQ_INLINE T negative(const T &a) {
  if constexpr (is_wide<T>::value) {
    T r{};
    for (int k = 0; k < int(sizeof(T) / 8); ++k) r.words[k] = ~a.words[k];
    return add(r, as<T>(1));
  } else {
    typedef typename twin<T>::type U;
    return static_cast<T>(static_cast<U>(U(0) - static_cast<U>(a)));
  }
}

template <class T> constexpr HWQ_INLINE T subtract(const T &a, const T &b) {
  if constexpr (is_wide<T>::value) {
    return add(a, negative(b));
  } else {
    typedef typename twin<T>::type U;
    return static_cast<T>(static_cast<U>(static_cast<U>(a) - static_cast<U>(b)));
  }
}

template <class T> constexpr HWQ_INLINE T multiply(const T &a, const T &b) {
  if constexpr (is_wide<T>::value) {
    T r{};
    constexpr int n = sizeof(T) / 8;
    for (int i = 0; i < n; ++i) {
      word_t carry = 0;
      for (int j = 0; i + j < n; ++j) {
        const uint128 sum = static_cast<uint128>(a.words[i]) * b.words[j] + r.words[i + j] + carry;
        r.words[i + j] = static_cast<word_t>(sum);
        carry = static_cast<word_t>(sum >> 64);
      }
    }
    return r;
  } else {
    return a * b;
  }
}

// v * 2^n and floor(v / 2^n); n below the width of T.
template <class T> constexpr HWQ_INLINE T left(const T &v, int n) {
  if constexpr (is_wide<T>::value) {
    T r{};
    const int whole = n / 64, part = n % 64;
    for (int k = int(sizeof(T) / 8) - 1; k >= whole; --k) {
      r.words[k] = v.words[k - whole] << part;
      if (part && k > whole) r.words[k] |= v.words[k - whole - 1] >> (64 - part);
    }
    return r;
  } else {
    return static_cast<T>(static_cast<typename twin<T>::type>(v) << n);
  }
}

template <class T> constexpr HWQ_INLINE T right(const T &v, int n) {
  if constexpr (is_wide<T>::value) {
    T r{};
    constexpr int words = sizeof(T) / 8;
    const int whole = n / 64, part = n % 64;
    const word_t fill = v.words[words - 1] >> 63 ? ~word_t(0) : 0;
    for (int k = 0; k < words; ++k) {
      const word_t low = k + whole < words ? v.words[k + whole] : fill;
      const word_t high = k + whole + 1 < words ? v.words[k + whole + 1] : fill;
      r.words[k] = part ? low >> part | high << (64 - part) : low;
    }
    return r;
  } else {
    return v >> n;
  }
}

template <class T> constexpr HWQ_INLINE T complement(const T &a) {
  if constexpr (is_wide<T>::value) {
    T r{};
    for (int k = 0; k < int(sizeof(T) / 8); ++k) r.words[k] = ~a.words[k];
    return r;
  } else {
    return static_cast<T>(~a);
  }
}

template <class T> constexpr HWQ_INLINE T exclusive_or(const T &a, const T &b) {
  if constexpr (is_wide<T>::value) {
    T r{};
    for (int k = 0; k < int(sizeof(T) / 8); ++k) r.words[k] = a.words[k] ^ b.words[k];
    return r;
  } else {
    return static_cast<T>(a ^ b);
  }
}

// How many bits of v are set: pairs of bits are added side by side, then fours, then eights.
constexpr HWQ_INLINE int ones_in(word_t v) {
  v -= v >> 1 & 0x5555555555555555ULL;
  v = (v & 0x3333333333333333ULL) + (v >> 2 & 0x3333333333333333ULL);
  v = (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
  return static_cast<int>(v * 0x0101010101010101ULL >> 56);
}

template <class T> constexpr HWQ_INLINE int ones(const T &v) {
  int count = 0;
  if constexpr (is_wide<T>::value) {
    for (int k = 0; k < int(sizeof(T) / 8); ++k) count += ones_in(v.words[k]);
  } else {
    count = ones_in(static_cast<word_t>(v));
    if constexpr (sizeof(T) > 8) count += ones_in(static_cast<word_t>(static_cast<uint128>(v) >> 64));
  }
  return count;
}

template <class T> constexpr HWQ_INLINE bool less(const T &a, const T &b) {
  if constexpr (is_wide<T>::value) {
    constexpr int top = sizeof(T) / 8 - 1;
    const long long high_a = static_cast<long long>(a.words[top]), high_b = static_cast<long long>(b.words[top]);
    if (high_a != high_b) return high_a < high_b;
    for (int k = top - 1; k >= 0; --k) {
      if (a.words[k] != b.words[k]) return a.words[k] < b.words[k];
    }
    return false;
  } else {
    return a < b;
  }
}

template <class T> constexpr HWQ_INLINE bool same(const T &a, const T &b) { return !less(a, b) && !less(b, a); }

// The low n bits of v, as a number that is not negative; T has room for it.
template <class T> constexpr HWQ_INLINE T low_bits(const T &v, int n) {
  if constexpr (is_wide<T>::value) {
    T r = v;
    for (int k = 0; k < int(sizeof(T) / 8); ++k) {
      if (64 * k >= n) r.words[k] = 0;
      else if (n - 64 * k < 64) r.words[k] &= (word_t(1) << (n - 64 * k)) - 1;
    }
    return r;
  } else {
    typedef typename twin<T>::type U;
    return static_cast<T>(static_cast<U>(v) & static_cast<U>((U(1) << n) - U(1)));
  }
}

// The low W bits of v as a code: sign-extended where S says so.
template <int W, bool S, class V> constexpr HWQ_INLINE integer<W + !S> code_of(const V &v) {
  typedef integer<W + !S> T;
  constexpr int spare = bits_in<W + !S>::value - W;
  if constexpr (sizeof(V) * 8 == W && !is_wide<V>::value) {
    return as<T>(v);
  } else if constexpr (S && sizeof(V) <= 2) {  // in the lanes of V, for vector units
    constexpr V sign = static_cast<V>(1 << (W - 1)), all = static_cast<V>((2 << (W - 1)) - 1);
    return static_cast<V>(static_cast<V>((v & all) ^ sign) - sign);
  } else if constexpr (S) {
    return spare == 0 ? as<T>(v) : right(left(as<T>(v), spare), spare);
  } else {
    return low_bits(as<T>(v), W);
  }
}

constexpr int max(int a, int b) { return a > b ? a : b; }
constexpr int min(int a, int b) { return a < b ? a : b; }

// round(v / 2^D) for D > 0; T has two bits to spare above v and above 2^D.
template <rounding Q, int D, class T> constexpr HWQ_INLINE T rounded(const T &v) {
  if constexpr (Q == rounding::floor) {
    return right(v, D);
  } else {
    const T half = left(as<T>(1), D - 1), one = as<T>(1), below = subtract(half, one), zero = as<T>(0);
    T bias = half;
    if constexpr (Q == rounding::to_zero) bias = less(v, zero) ? subtract(left(as<T>(1), D), one) : zero;
    if constexpr (Q == rounding::half_down) bias = below;
    if constexpr (Q == rounding::half_away) bias = less(v, zero) ? below : half;
    if constexpr (Q == rounding::half_to_zero) bias = less(v, zero) ? half : below;
    if constexpr (Q == rounding::half_even) bias = add(below, low_bits(right(v, D), 1));
    if constexpr (Q == rounding::half_odd) bias = subtract(half, low_bits(right(v, D), 1));
    return right(add(v, bias), D);
  }
}

// v, of no more than B signed bits, brought into the range of W bits.
template <int W, bool S, overflow O, int B, class T> constexpr HWQ_INLINE storage<W, S> fitted(const T &v) {
  typedef storage<W, S> store;
  if constexpr (O == overflow::wrap || (S && B <= W && O != overflow::saturate_symmetric)) {
    return as<store>(v);
  } else {
    typedef integer<max(B, W + !S) + 1> R;
    const R r = as<R>(v), one = as<R>(1);
    const R hi = subtract(left(one, W - S), one);
    const R lo = !S ? as<R>(0) : O == overflow::saturate_symmetric && W > 1 ? negative(hi) : negative(left(one, W - 1));
    if constexpr (O == overflow::saturate_zero) {
      return as<store>(less(r, lo) || less(hi, r) ? as<R>(0) : r);
    } else {
      const R low = less(r, lo) ? lo : r;
      return as<store>(less(hi, low) ? hi : low);
    }
  }
}

// The exact fixed-point type of a machine integer.
template <class N> using of_integer =
    fixed<int(sizeof(N)) * 8, int(sizeof(N)) * 8, std::is_signed_v<N>, rounding::floor, overflow::wrap>;
template <class N> using if_integer = std::enable_if_t<std::is_integral_v<N>, int>;

}  // namespace native

template <int W, int I, bool S, rounding Q = rounding::floor, overflow O = overflow::wrap> class fixed {
  static_assert(W > 0, "a fixed-point type has at least one bit");

 public:
  static constexpr int width = W, integer_bits = I, frac = W - I;
  static constexpr bool is_signed = S;
  typedef native::storage<W, S> store;
  typedef native::integer<W + !S> code_type;

  fixed() = default;

  template <class N, native::if_integer<N> = 0>
  constexpr HWQ_INLINE fixed(N v) : fixed(native::of_integer<N>::from_code(v)) {}

  template <int W2, int I2, bool S2, rounding Q2, overflow O2>
  constexpr HWQ_INLINE fixed(const fixed<W2, I2, S2, Q2, O2> &other) : stored(converted(other)) {}

  // The value whose code is `code`; the low bits of the code are taken as they are.
  template <class C> static constexpr HWQ_INLINE fixed from_code(const C &code) { return from_store(kept(code)); }
  // The same where the code is known to be one of this type.
  template <class C> static constexpr HWQ_INLINE fixed exactly(const C &code) {
    return from_store(native::as<store>(code));
  }

  // The integer that hardware stores.
  constexpr HWQ_INLINE code_type code() const {
    if constexpr (tidy) {
      return native::as<code_type>(stored);
    } else {
      return native::code_of<W, S>(stored);
    }
  }

  // Bits hi..lo of the code, not negative; and the same bits replaced by the low ones of `value`.
  constexpr HWQ_INLINE native::integer<W + 1> bits(int hi, int lo) const {
    typedef native::integer<W + 1> T;
    return native::low_bits(native::right(native::low_bits(native::as<T>(code()), W), lo), hi - lo + 1);
  }
  template <class C> constexpr HWQ_INLINE void set_bits(int hi, int lo, const C &value) {
    if (lo == 0 && hi == W - 1) {
      stored = kept(value);
      return;
    }
    typedef native::integer<W + 1> T;
    const T whole = native::low_bits(native::as<T>(code()), W), old = native::left(bits(hi, lo), lo);
    const T given = native::left(native::low_bits(native::as<T>(value), hi - lo + 1), lo);
    stored = kept(native::add(native::subtract(whole, old), given));
  }

  // Bit k of the code, to be read or set.
  class bit {
   public:
    constexpr HWQ_INLINE bit(store &code, int k) : code(code), k(k) {}
    constexpr HWQ_INLINE bit &operator=(bool set) {
      if constexpr (native::is_wide<store>::value) {
        replace(code.words[k / 64], native::word_t(1) << k % 64, set);
      } else {
        replace(code, static_cast<store>(static_cast<store>(1) << k), set);
        code = kept(code);
      }
      return *this;
    }
    constexpr HWQ_INLINE operator bool() const { return static_cast<const fixed &>(from_store(code))[k]; }

   private:
    // Without a branch, as no processor foresees data.
    template <class T> static constexpr HWQ_INLINE void replace(T &word, T one, bool set) {
      word = static_cast<T>(word ^ ((word ^ static_cast<T>(0 - set)) & one));
    }

    store &code;
    int k;
  };
  constexpr HWQ_INLINE bit operator[](int k) { return {stored, k}; }
  constexpr HWQ_INLINE bool operator[](int k) const { return native::as<int>(bits(k, k)) != 0; }

  constexpr HWQ_INLINE fixed operator~() const { return from_store(kept(native::complement(stored))); }
  constexpr HWQ_INLINE fixed operator^(const fixed &other) const {
    return from_store(native::exclusive_or(stored, other.stored));
  }
  // How many of the W bits are set.
  constexpr HWQ_INLINE int ones() const { return native::ones(native::low_bits(native::as<native::integer<W + 1> >(code()), W)); }
  // Times 2^n in this type: what does not fit it is dropped.
  constexpr HWQ_INLINE fixed operator<<(int n) const { return from_store(kept(native::left(code(), n))); }

  template <class T> constexpr HWQ_INLINE fixed &operator+=(const T &other) {
    return accumulate(wrapped(other), std::false_type());
  }
  template <class T> constexpr HWQ_INLINE fixed &operator-=(const T &other) {
    return accumulate(wrapped(other), std::true_type());
  }
  template <class T> constexpr HWQ_INLINE fixed &operator*=(const T &other) { return *this = fixed(*this * other); }

  constexpr double to_double() const {
    double total = 0, unit = 1;
    typedef native::integer<W + 1> T;
    for (int k = 0; k < W; ++k, unit *= 2) {
      const bool set = native::as<int>(native::low_bits(native::right(native::as<T>(code()), k), 1)) != 0;
      if (set) total += S && k == W - 1 ? -unit : unit;
    }
    for (int k = 0; k < frac; ++k) total /= 2;
    for (int k = frac; k < 0; ++k) total *= 2;
    return total;
  }

 protected:
  store stored;

 private:
  static constexpr bool tidy = W < 8;  // what is stored is the code itself

  // What is stored for a code of which the low W bits count.
  template <class C> static constexpr HWQ_INLINE store kept(const C &code) {
    if constexpr (tidy) {
      return native::as<store>(native::code_of<W, S>(native::as<store>(code)));
    } else {
      return native::as<store>(code);
    }
  }
  static constexpr HWQ_INLINE fixed from_store(const store &code) {
    fixed r{};
    r.stored = code;
    return r;
  }
  template <int W2, int I2, bool S2, rounding Q2, overflow O2>
  static constexpr HWQ_INLINE const fixed<W2, I2, S2, Q2, O2> &wrapped(const fixed<W2, I2, S2, Q2, O2> &v) {
    return v;
  }
  template <class N, native::if_integer<N> = 0>
  static constexpr HWQ_INLINE native::of_integer<N> wrapped(N v) { return native::of_integer<N>::from_code(v); }

  template <int W2, int I2, bool S2, rounding Q2, overflow O2>
  static constexpr HWQ_INLINE store converted(const fixed<W2, I2, S2, Q2, O2> &other) {
    constexpr int bits = W2 + !S2, drop = (W2 - I2) - frac;
    if constexpr (drop > 0) {
      typedef native::integer<Q == rounding::floor ? bits : native::max(bits, drop) + 2> T;
      constexpr int by = Q == rounding::floor ? native::min(drop, native::bits_in<bits>::value - 1) : drop;
      const T code = native::rounded<Q, by>(native::as<T>(other.code()));
      if constexpr (O == overflow::wrap) return kept(code);
      return native::fitted<W, S, O, native::max(bits - drop, 1) + 1>(code);
    } else if constexpr (O == overflow::wrap && -drop >= W) {
      return native::as<store>(0);
    } else if constexpr (O == overflow::wrap) {
      typedef native::integer<native::max(W, -drop + 1)> T;
      const T code = native::left(native::as<T>(other.code()), -drop);
      if constexpr (S ? bits - drop <= W : !S2 && W2 - drop <= W) return native::as<store>(code);
      return kept(code);
    } else {
      typedef native::integer<bits - drop> T;
      return native::fitted<W, S, O, bits - drop>(native::left(native::as<T>(other.code()), -drop));
    }
  }

  template <int W2, int I2, bool S2, rounding Q2, overflow O2, class Minus>
  constexpr HWQ_INLINE fixed &accumulate(const fixed<W2, I2, S2, Q2, O2> &other, Minus) {
    if constexpr (O == overflow::wrap && W2 - I2 <= frac) {
      const store term = fixed(other).stored;
      stored = kept(Minus::value ? native::subtract(stored, term) : native::add(stored, term));
      return *this;
    } else if constexpr (Minus::value) {
      return *this = fixed(*this - other);
    } else {
      return *this = fixed(*this + other);
    }
  }
};

// The parameters of two fixed-point types, for the operators below.
#define HWQ_TWO int W1, int I1, bool S1, rounding Q1, overflow O1, int W2, int I2, bool S2, rounding Q2, overflow O2
#define HWQ_A fixed<W1, I1, S1, Q1, O1>
#define HWQ_B fixed<W2, I2, S2, Q2, O2>

template <HWQ_TWO> constexpr HWQ_INLINE auto operator+(const HWQ_A &a, const HWQ_B &b) {
  constexpr int f = native::max(W1 - I1, W2 - I2), i = native::max(I1 + (S2 && !S1), I2 + (S1 && !S2)) + 1;
  typedef fixed<i + f, i, S1 || S2> R;
  typedef typename R::code_type T;
  return R::exactly(native::add(native::left(native::as<T>(a.code()), f - (W1 - I1)),
                                native::left(native::as<T>(b.code()), f - (W2 - I2))));
}

template <HWQ_TWO> constexpr HWQ_INLINE auto operator-(const HWQ_A &a, const HWQ_B &b) {
  constexpr int f = native::max(W1 - I1, W2 - I2), i = native::max(I1 + (S2 && !S1), I2 + (S1 && !S2)) + 1;
  typedef fixed<i + f, i, true> R;
  typedef typename R::code_type T;
  return R::exactly(native::subtract(native::left(native::as<T>(a.code()), f - (W1 - I1)),
                                     native::left(native::as<T>(b.code()), f - (W2 - I2))));
}

template <HWQ_TWO> constexpr HWQ_INLINE auto operator*(const HWQ_A &a, const HWQ_B &b) {
  typedef fixed<W1 + W2, I1 + I2, S1 || S2> R;
  typedef typename R::code_type T;
  return R::exactly(native::multiply(native::as<T>(a.code()), native::as<T>(b.code())));
}

template <int W, int I, bool S, rounding Q, overflow O>
constexpr HWQ_INLINE fixed<W + 1, I + 1, true> operator-(const fixed<W, I, S, Q, O> &a) {
  typedef fixed<W + 1, I + 1, true> R;
  return R::exactly(native::negative(native::as<typename R::code_type>(a.code())));
}

template <HWQ_TWO> constexpr HWQ_INLINE bool operator<(const HWQ_A &a, const HWQ_B &b) {
  constexpr int f = native::max(W1 - I1, W2 - I2);
  typedef native::integer<native::max(I1 + !S1, I2 + !S2) + f> T;
  return native::less(native::left(native::as<T>(a.code()), f - (W1 - I1)),
                      native::left(native::as<T>(b.code()), f - (W2 - I2)));
}
template <HWQ_TWO> constexpr HWQ_INLINE bool operator>(const HWQ_A &a, const HWQ_B &b) { return b < a; }
template <HWQ_TWO> constexpr HWQ_INLINE bool operator<=(const HWQ_A &a, const HWQ_B &b) { return !(b < a); }
template <HWQ_TWO> constexpr HWQ_INLINE bool operator>=(const HWQ_A &a, const HWQ_B &b) { return !(a < b); }
template <HWQ_TWO> constexpr HWQ_INLINE bool operator==(const HWQ_A &a, const HWQ_B &b) { return !(a < b) && !(b < a); }
template <HWQ_TWO> constexpr HWQ_INLINE bool operator!=(const HWQ_A &a, const HWQ_B &b) { return (a < b) || (b < a); }

// The same with a machine integer on one side.
#define HWQ_MIXED(op)                                                                                 \
  template <int W1, int I1, bool S1, rounding Q1, overflow O1, class N, native::if_integer<N> = 0>    \
  constexpr HWQ_INLINE auto operator op(const HWQ_A &a, N b) {                                        \
    return a op native::of_integer<N>::from_code(b);                                                  \
  }                                                                                                   \
  template <int W1, int I1, bool S1, rounding Q1, overflow O1, class N, native::if_integer<N> = 0>    \
  constexpr HWQ_INLINE auto operator op(N a, const HWQ_A &b) {                                        \
    return native::of_integer<N>::from_code(a) op b;                                                  \
  }
HWQ_MIXED(+)
HWQ_MIXED(-)
HWQ_MIXED(*)
HWQ_MIXED(<)
HWQ_MIXED(>)
HWQ_MIXED(<=)
HWQ_MIXED(>=)
HWQ_MIXED(==)
HWQ_MIXED(!=)

#undef HWQ_MIXED
#undef HWQ_B
#undef HWQ_A
#undef HWQ_TWO

}  // namespace hwq

#endif
