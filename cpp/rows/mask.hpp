// Rows of which a mask takes elements out: a byte for each element, 0 for one that takes no part.
#pragma once
#include "rows/range.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// The bytes of a row's last elements, as many as a vector has lanes.
template <int lanes> struct LastBytes {
    unsigned char byte[lanes] = {};
    INLINE LastBytes(const unsigned char *bytes, std::size_t n) {
        __builtin_memcpy(byte, bytes, n);
    }
};

template <class C>
void mask(const void *from, void *to, const void *where, std::size_t n, double masked) noexcept {
    using V = Vec<C, sum_lanes<C>>;
    const C *x = static_cast<const C *>(from);
    const auto *bytes = static_cast<const unsigned char *>(where);
    const V w = broadcast<V>(static_cast<C>(masked));
    const std::size_t whole = n - n % V::lanes;
    sweep<V>(0, whole, [&](std::size_t i, auto part) INLINE_LAMBDA {
        store(static_cast<C *>(to) + i, kept(bytes + i, load<V>(x + i, part, 0), w), part);
    });
    if (whole == n)
        return;
    const LastBytes<V::lanes> last(bytes + whole, n - whole);
    const Tail tail{n - whole};
    store(static_cast<C *>(to) + whole, kept(last.byte, load<V>(x + whole, tail, 0), w), tail);
}

INLINE const unsigned char *mask_of(const Rows &rows, std::size_t i) {
    return rows.where + static_cast<std::ptrdiff_t>(i) * rows.where_row_stride_bytes;
}

// Row i to `to`, with -inf for what takes no part; returns the range of what does. (Levels without
// panels count -inf as well, which costs time alone.) In company an earlier row
// has asked for x, if it is distant.
template <int wanted, class C>
__attribute__((noinline)) Range<C> masked_range(const Rows &rows, std::size_t i, C *to) {
    const auto at = static_cast<std::ptrdiff_t>(i) * rows.x_row_stride_bytes;
    const C *x = reinterpret_cast<const C *>(static_cast<const char *>(rows.x) + at);
    const unsigned char *where = mask_of(rows, i);
    const std::size_t n = rows.length;
#ifdef SOFTLANE_NO_PANELS
    mask<C>(x, to, where, n, -infinity<double>);
    return row_range<wanted, C>(static_cast<const C *>(to), n);
#else
    using V = Vec<C, exp_unroll * sum_lanes<C>>;
    using W = Vec<C, sum_lanes<C>>;
    const auto take = [&](auto &extremes, auto v, const unsigned char *bytes, std::size_t k,
                          auto part) INLINE_LAMBDA {
        using T = decltype(v);
        const T low = kept(bytes, v, broadcast<T>(-infinity<C>));
        const T high = kept(bytes, low, broadcast<T>(infinity<C>)); // v would be loaded twice
        extremes.add(low, high);
        store(to + k, low, part);
    };
    Extremes<wanted, V> wide;
    std::size_t k = 0;
    for (; k + V::lanes <= n; k += V::lanes) {
        if (rows.distant)
            __builtin_prefetch(where + k + far_bytes / sizeof(C), 0, 2);
        take(wide, load<V>(x + k), where + k, k, Whole{});
    }
    Extremes<wanted, W> one = folded_to<W>(wide);
    for (; k + W::lanes <= n; k += W::lanes)
        take(one, load<W>(x + k), where + k, k, Whole{});
    if (k < n) {
        const LastBytes<W::lanes> last(where + k, n - k);
        const Tail tail{n - k};
        take(one, load<W>(x + k, tail, 0), last.byte, k, tail);
    }
    return range_of(one);
#endif
}
// The results of a row that has no sum.
template <class C>
__attribute__((noinline, cold)) void mask_result(const Rows &rows, std::size_t i, C *y) {
    mask<C>(y, y, mask_of(rows, i), rows.length, rows.masked);
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
