// Sums of products for many outputs at once, as a processor's vector units want them: what hwq's emulator runs in place
// of a layer's loops. Exact modulo 2^32. C++17 and GNU vectors, nothing but this file; without AVX2 it is plain loops.
//
// Weights lie in blocks of 16 outputs: row after row, each of one step of taps (4 of 8 bits, or 2 of 16) for all 16. So
// rows of any length are whole vectors, and no sum is ever taken across one. Taps are 8 bits and unsigned, or 16 and
// signed: what has to be added to codes to make them so is the layer's `offset`, and its weights' sums times that are
// off its start.
#ifndef HWQ_SUMS_H
#define HWQ_SUMS_H

#include "hwq_native.h"

namespace hwq {
namespace sums {

constexpr int outputs = 16, chunk = 16;  // of a block; samples whose taps are made ready at once

// Taps of one row of weights.
template <class weight> constexpr int step = 4 / int(sizeof(weight));

#if defined(__AVX512VNNI__)

template <class weight> using tap = std::conditional_t<sizeof(weight) == 1, unsigned char, short>;
typedef int vector __attribute__((vector_size(64)));

// The running sums of 16 outputs.
template <class weight> struct block {
  static constexpr int registers = 32, own = 1;  // of the machine; of a block
  vector sum;
  HWQ_INLINE void clear() { sum = vector{}; }
  HWQ_INLINE void add(const weight *row, const tap<weight> *taps) {
    int all;
    __builtin_memcpy(&all, taps, sizeof(all));
    const vector same = all - vector{};
    vector words;
    __builtin_memcpy(&words, row, sizeof(words));
    if constexpr (sizeof(weight) == 1) {
      asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(same), "v"(words));
    } else {
      asm("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(same), "v"(words));
    }
  }
  HWQ_INLINE void read(unsigned *to) const { __builtin_memcpy(to, &sum, sizeof(sum)); }
};

#elif defined(__AVX2__)

template <class weight> using tap = short;
typedef int vector __attribute__((vector_size(32)));
typedef signed char octets __attribute__((vector_size(16)));
typedef short shorts __attribute__((vector_size(32)));
typedef long long longs __attribute__((vector_size(32)));

template <class weight> struct block {
  static constexpr int registers = 16, own = step<weight>;
  static constexpr int parts = step<weight>, each = outputs / parts;  // vectors; outputs of one: 4, of two sums, or 8
  vector part[parts];
  HWQ_INLINE void clear() {
    for (int k = 0; k < parts; ++k) part[k] = vector{};
  }
  HWQ_INLINE void add(const weight *row, const short *taps) {
    shorts same;
    if constexpr (parts == 4) {
      long long all;
      __builtin_memcpy(&all, taps, sizeof(all));
      same = (shorts)(all - longs{});
    } else {
      int all;
      __builtin_memcpy(&all, taps, sizeof(all));
      same = (shorts)(all - vector{});
    }
    for (int k = 0; k < parts; ++k) {
      shorts words;
      if constexpr (parts == 4) {
        octets narrow;
        __builtin_memcpy(&narrow, row + 16 * k, sizeof(narrow));
        asm("vpmovsxbw %1, %0" : "=x"(words) : "x"(narrow));
      } else {
        __builtin_memcpy(&words, row + 16 * k, sizeof(words));
      }
      vector products;
      asm("vpmaddwd %2, %1, %0" : "=x"(products) : "x"(same), "x"(words));
      part[k] += products;
    }
  }
  HWQ_INLINE void read(unsigned *to) const {
    for (int k = 0; k < parts; ++k) {
      unsigned all[8];
      __builtin_memcpy(all, &part[k], sizeof(all));
      for (int j = 0; j < each; ++j) to[each * k + j] = parts == 4 ? all[2 * j] + all[2 * j + 1] : all[j];
    }
  }
};

#else

template <class weight> using tap = short;

template <class weight> struct block {
  static constexpr int registers = 8, own = 4;
  unsigned sum[outputs];
  HWQ_INLINE void clear() {
    for (int j = 0; j < outputs; ++j) sum[j] = 0;
  }
  HWQ_INLINE void add(const weight *row, const short *taps) {
    for (int j = 0; j < outputs; ++j) {
      for (int k = 0; k < step<weight>; ++k) sum[j] += static_cast<unsigned>(row[j * step<weight> + k] * taps[k]);
    }
  }
  HWQ_INLINE void read(unsigned *to) const {
    for (int j = 0; j < outputs; ++j) to[j] = sum[j];
  }
};

#endif

// B blocks of outputs, `apart` weights from one to the next, for one sample.
template <class weight, int B> struct blocks {
  blocks<weight, B - 1> others;
  block<weight> own;
  HWQ_INLINE void clear() {
    others.clear();
    own.clear();
  }
  HWQ_INLINE void add(const weight *rows, int apart, const tap<weight> *taps) {
    others.add(rows, apart, taps);
    own.add(rows + (B - 1) * apart, taps);
  }
  HWQ_INLINE void read(unsigned *to) const {
    others.read(to);
    own.read(to + (B - 1) * outputs);
  }
};
template <class weight> struct blocks<weight, 0> {
  HWQ_INLINE void clear() {}
  HWQ_INLINE void add(const weight *, int, const tap<weight> *) {}
  HWQ_INLINE void read(unsigned *) const {}
};

// The same for S samples, which read each weight once.
template <class weight, int B, int S> struct tile {
  tile<weight, B, S - 1> others;
  blocks<weight, B> own;
  HWQ_INLINE void clear() {
    others.clear();
    own.clear();
  }
  HWQ_INLINE void add(const weight *rows, int apart, const tap<weight> *taps, int sample) {
    others.add(rows, apart, taps, sample);
    own.add(rows, apart, taps + (S - 1) * sample);
  }
  HWQ_INLINE void read(unsigned *to, int sample) const {
    others.read(to, sample);
    own.read(to + (S - 1) * sample);
  }
};
template <class weight, int B> struct tile<weight, B, 0> {
  HWQ_INLINE void clear() {}
  HWQ_INLINE void add(const weight *, int, const tap<weight> *, int) {}
  HWQ_INLINE void read(unsigned *, int) const {}
};

// Blocks of a tile: up to 4, fewer where that leaves no rest of `all`, and so that running sums take half the registers.
template <class weight, int S> constexpr int wide(int all) {
  int most = block<weight>::registers / (2 * S * block<weight>::own);
  most = most > 4 ? 4 : most < 1 ? 1 : most;
  if (all <= most) return all;
  for (int n = most; n > 1 && 2 * n >= most; --n) {
    if (all % n == 0) return n;
  }
  return most;
}

// Samples of a tile: 4 where registers are many, else 2.
template <class weight> constexpr int together = block<weight>::registers > 16 ? 4 : 2;

// Outputs from `first` on of `samples` samples: their sums, put into Y through the type that they wrap in.
template <class sum_t, int B, int N, int steps, class weight, class start, class Y>
void finish(int first, const weight *rows, const start *starts, const tap<weight> *taps, Y *y, int samples) {
  constexpr int row = outputs * step<weight>, sample = steps * step<weight>, S = together<weight>;
  const int count = N - first < B * outputs ? N - first : B * outputs;
  for (int s = 0; s < samples; s += S) {  // past the last one lie taps of no sample, whose sums go nowhere
    tile<weight, B, S> all;
    all.clear();
    for (int k = 0; k < steps; ++k) all.add(rows + k * row, steps * row, taps + s * sample + k * step<weight>, sample);
    unsigned totals[S * B * outputs];
    all.read(totals, B * outputs);
    for (int i = s; i < samples && i < s + S; ++i) {
      for (int j = 0; j < count; ++j) {
        const unsigned from = starts ? static_cast<unsigned>(starts[first + j]) : 0;
        y[i * N + first + j] = sum_t::from_code(static_cast<int>(from + totals[(i - s) * B * outputs + j]));
      }
    }
  }
}

// y[s][o] = starts[o] + the sum of weight times x[s][t] + offset, over the T taps t of each of `samples` samples.
template <class sum_t, int N, int T, int offset, class weight, class start, class X, class Y, int depth, int lanes>
void of_rows(const weight (&rows)[depth][lanes], const start *starts, const X *x, Y *y, int samples) {
  constexpr int steps = (T + step<weight> - 1) / step<weight>, length = steps * step<weight>;
  constexpr int all = (N + outputs - 1) / outputs, B = wide<weight, together<weight> >(all), rest = all % B;
  static_assert(lanes == outputs * step<weight> && depth == all * steps, "weights in blocks of outputs and steps of taps");
  static thread_local tap<weight> taps[chunk * length];
  for (int first = 0; first < samples; first += chunk) {
    const int count = samples - first < chunk ? samples - first : chunk;
    for (int s = 0; s < count; ++s) {
      for (int t = 0; t < T; ++t) {
        taps[s * length + t] = static_cast<tap<weight> >(native::as<int>(x[(first + s) * T + t].code()) + offset);
      }
    }
    for (int b = 0; b < all - rest; b += B) {
      finish<sum_t, B, N, steps>(b * outputs, rows[b * steps], starts, taps, y + first * N, count);
    }
    if constexpr (rest > 0) {
      finish<sum_t, rest, N, steps>((all - rest) * outputs, rows[(all - rest) * steps], starts, taps, y + first * N, count);
    }
  }
}

// One axis of windows: `outputs` windows of `kernel` elements, over `extent` elements and what is `before` them.
template <int extents, int windows, int taps, int strides, int dilations, int padding> struct axis {
  static constexpr int extent = extents, outputs = windows, kernel = taps, stride = strides, dilation = dilations;
  static constexpr int before = padding;
  // Elements `stride` apart lie side by side, in one of `stride` phases of so many.
  static constexpr int held = (extent + before + stride - 1) / stride;
  static constexpr int read = outputs + (kernel - 1) * dilation / stride;
  static constexpr int length = held > read ? held : read;
};

// y[o][p] = starts[o] + the sum over the window at p of weight times x, in M outputs by C channels of `groups` groups.
// Channels lie in pairs, and windows side by side in a vector: those of a row, and a few past its end that count for
// nothing. Weights lie as kernel positions by pairs of channels.
template <class sum_t, int M, int C, int groups, class V, class H, int pad> struct sliding {
  static constexpr int inner = C / groups, pairs = (inner + 1) / 2, each = M / groups;
  static constexpr int plane = V::length * H::length, phases = V::stride * H::stride;
  static constexpr int steps = V::kernel * H::kernel * pairs;
  static constexpr int places = (V::outputs - 1) * H::length + H::outputs;  // windows, those that count for nothing too
  static constexpr int all = (places + outputs - 1) / outputs, spare = all * outputs + H::length;
  static constexpr int size = 2 * (groups * pairs * phases * plane + spare);

  // Where the pair of elements at (v, h), counted from the padding's first, lies in its plane's phases.
  static constexpr HWQ_INLINE int place(int v, int h) {
    return (v % V::stride * H::stride + h % H::stride) * plane + v / V::stride * H::length + h / H::stride;
  }

  template <class X> static void pack(const X *x, short *taps) {
    for (int q = 0; q < groups * pairs; ++q) {
      const int first = q / pairs * inner + q % pairs * 2;
      const bool two = q % pairs * 2 + 1 < inner;
      short *const own = taps + 2 * q * phases * plane;
      for (int v = 0; v < V::extent; ++v) {
        const X *const left = x + (first * V::extent + v) * H::extent, *const right = two ? left + V::extent * H::extent : left;
        for (int h = 0; h < H::extent; ++h) {
          short *const to = own + 2 * place(v + V::before, h + H::before);
          to[0] = static_cast<short>(left[h].code());
          to[1] = static_cast<short>(right[h].code());
        }
      }
    }
  }

  template <int B, int S> static HWQ_INLINE void add(const short *taps, const short *weights, int place_of, unsigned *to) {
    tile<short, B, S> sum;
    sum.clear();
    for (int v = 0; v < V::kernel; ++v) {
      for (int h = 0; h < H::kernel; ++h) {
        const short *const from = taps + 2 * (place_of + place(v * V::dilation, h * H::dilation));
        for (int q = 0; q < pairs; ++q) {
          const int k = (v * H::kernel + h) * pairs + q;
          sum.add(from + 2 * q * phases * plane, 2 * outputs, weights + 2 * k, 2 * steps);
        }
      }
    }
    sum.read(to, all * outputs);
  }

  template <int S, class start, class Y>
  static void finish(const short *taps, const short *weights, const start *starts, Y *y) {
    static thread_local unsigned totals[S * all * outputs];
    constexpr int B = wide<short, S>(all), rest = all % B;
    for (int b = 0; b < all - rest; b += B) add<B, S>(taps, weights, b * outputs, totals + b * outputs);
    if constexpr (rest > 0) add<rest, S>(taps, weights, (all - rest) * outputs, totals + (all - rest) * outputs);
    for (int s = 0; s < S; ++s) {
      const unsigned from = starts ? static_cast<unsigned>(starts[s]) : 0;
      for (int v = 0; v < V::outputs; ++v) {
        for (int h = 0; h < H::outputs; ++h) {
          y[(s * V::outputs + v) * H::outputs + h] =
              sum_t::from_code(static_cast<int>(from + totals[s * all * outputs + v * H::length + h]));
        }
      }
    }
  }

  template <class start, class X, class Y>
  static void run(const short (&weights)[M][2 * steps], const start *starts, const X *x, Y *y, int samples) {
    static thread_local short taps[size];
    static thread_local bool ready = false;
    if (!ready) {
      for (int i = 0; i < size; ++i) taps[i] = pad;
      ready = true;
    }
    constexpr int most = together<short>, S = each % most == 0 ? most : each % 3 == 0 ? 3 : each % 2 == 0 ? 2 : 1;
    constexpr int count = V::outputs * H::outputs;
    for (int n = 0; n < samples; ++n, x += C * V::extent * H::extent, y += M * count) {
      pack(x, taps);
      for (int o = 0; o < M; o += S) {
        finish<S>(taps + 2 * (o / each) * pairs * phases * plane, weights[o], starts ? starts + o : starts, y + o * count);
      }
    }
  }
};

}  // namespace sums
}  // namespace hwq

#endif
