// Rows of 16-bit elements, which are converted where the row engine loads and stores them: one
// kernel for both types, with a branch that goes the same way throughout a call.
#pragma once
#include "rows/block.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

struct Words {
    char *p;
    bool is_half; // float16, else bfloat16

    INLINE Words operator+(std::size_t i) const { return {p + 2 * i, is_half}; }
    INLINE explicit operator bool() const { return p != nullptr; }
    INLINE half *halves() const { return reinterpret_cast<half *>(p); }
    INLINE bfloat16 *bfloats() const { return reinterpret_cast<bfloat16 *>(p); }
};

template <class V> INLINE V load(Words x) {
    return x.is_half ? load<V>(x.halves()) : load<V>(x.bfloats());
}
template <class V> INLINE V load(Words x, Whole, typename V::Scalar) { return load<V>(x); }
template <class V> __attribute__((noinline)) V load(Words x, Tail tail, typename V::Scalar fill) {
    return x.is_half ? load_part<V>(x.halves(), tail.count, fill)
                     : load_part<V>(x.bfloats(), tail.count, fill);
}
template <class V> INLINE void store(Words y, V v) {
    y.is_half ? store(y.halves(), v) : store(y.bfloats(), v);
}
template <class V> INLINE void store(Words y, V v, Whole) { store(y, v); }
template <class V> __attribute__((noinline)) void store(Words y, V v, Tail tail) {
    y.is_half ? store_part(y.halves(), v, tail.count) : store_part(y.bfloats(), v, tail.count);
}
INLINE std::size_t head_of(Words, std::size_t) { return 0; }
INLINE void prefetch(Words x) { prefetch(x.p); }
INLINE void prefetch_near(Words x) { prefetch_near(x.p); }
INLINE void prefetch_results(Words x) { prefetch_results(x.p); }

// How a row's elements lie in memory: as the kernel computes, or in 16 bits.
template <class C_> struct Plainly {
    using C = C_;
    using In = const C *;
    using Out = C *;
    static constexpr bool converts = false;
    static constexpr std::size_t size = sizeof(C);
    static INLINE In in(const char *p, const Rows &) { return reinterpret_cast<const C *>(p); }
    static INLINE Out out(char *p, const Rows &) { return reinterpret_cast<C *>(p); }
};
struct InWords {
    using C = float;
    using In = Words;
    using Out = Words;
    static constexpr bool converts = true;
    static constexpr std::size_t size = 2;
    static INLINE In in(const char *p, const Rows &rows) {
        return {const_cast<char *>(p), rows.half};
    }
    static INLINE Out out(char *p, const Rows &rows) { return {p, rows.half}; }
};

} // namespace
} // namespace softlane::SOFTLANE_ISA
