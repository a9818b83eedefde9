// The largest elements of a row and its smallest, in one pass before any exponential.
#pragma once
#include "rows/block.hpp"
#include "rows/sum.hpp"
#include "rows/words.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

template <class C> constexpr C infinity = static_cast<C>(__builtin_inf());

// `second`: the largest when one instance of `max` is left out; -inf for a row of one.
template <class C> struct Range {
    C max, second, min;
};

// Which of the two an op needs; one that it does not is not valid.
enum Wanted { wants_min = 1, wants_second = 2 };

template <int wanted, class V> struct Extremes {
    using C = typename V::Scalar;
    V max = broadcast<V>(-infinity<C>), second = max, min = broadcast<V>(infinity<C>);

    INLINE void add(V v_for_max, V v_for_min) {
        if constexpr ((wanted & wants_second) != 0)
            second = SOFTLANE_ISA::max(SOFTLANE_ISA::min(v_for_max, max), second);
        max = SOFTLANE_ISA::max(v_for_max, max); // NaN is passed over
        if constexpr ((wanted & wants_min) != 0)
            min = SOFTLANE_ISA::min(v_for_min, min);
    }
};

template <int wanted, class V> INLINE auto folded(const Extremes<wanted, V> &of) {
    using Half = decltype(of.max.low);
    Extremes<wanted, Half> half;
    half.max = max(of.max.low, of.max.high);
    if constexpr ((wanted & wants_second) != 0)
        half.second = max(min(of.max.low, of.max.high), max(of.second.low, of.second.high));
    half.min = min(of.min.low, of.min.high);
    return half;
}

template <class W, int wanted, class V> INLINE auto folded_to(const Extremes<wanted, V> &of) {
    if constexpr (V::lanes == W::lanes)
        return of;
    else
        return folded_to<W>(folded(of));
}

template <int wanted, class V>
INLINE Range<typename V::Scalar> range_of(const Extremes<wanted, V> &of) {
    Range<typename V::Scalar> range{reduce_max(of.max), 0, 0};
    if constexpr ((wanted & wants_second) != 0)
        range.second = reduce_second(of.max, of.second, range.max);
    if constexpr ((wanted & wants_min) != 0)
        range.min = -reduce_max(sub(broadcast<V>(0), of.min));
    return range;
}

// What a row far from 0 is reduced from: the maximum, whichever op reduces it; from `top`, the
// second largest, if that is so far below that no sum sees both, or what stands for a maximum that
// is -inf. Differences that matter are exact.
constexpr double farthest_top = 1000; // in units of the temperature
template <class C> INLINE C origin_of(C max, C top, double t) {
    const double above = static_cast<double>(max) - static_cast<double>(top);
    return above >= 0 && above <= farthest_top * t ? max : top;
}

template <class C>
constexpr C greatest = sizeof(C) == 4 ? C(0x1.fffffep127) : C(0x1.fffffffffffffp1023);

// A row of n elements is shallow if they span no more than this: no probability is then as small as
// 2^-70 (doubles: 2^-800). Finite: a row with -inf is never shallow, but for what a mask takes out:
// its exponentials are raised to ExpKernel::least, whose products underflow to 0.
template <class C> INLINE double shallow_span(double t, std::size_t n) {
    const int binades = (sizeof(C) == 4 ? 70 : 800) - binade(static_cast<double>(n)) - 1;
    const double span = t * ln_2 * binades;
    return span < greatest<double> ? span : greatest<double>;
}

// NaN is passed over, so an all-NaN row gives -inf and +inf.
template <int wanted, class C, class In>
__attribute__((noinline)) Range<C> row_range(In x, std::size_t n) {
    using W = Vec<C, sum_lanes<C>>;
    // Four at a time, or what is four registers anyway: max has a latency of four cycles.
    constexpr int unroll = exp_unroll > 1 ? 4 : 1;
    using V = Vec<C, unroll * W::lanes>;
    Extremes<wanted, V> wide;
    const std::size_t head = head_of(x, n), whole = n - (n - head) % V::lanes;
    sweep<V>(head, whole, [&](std::size_t i, auto part) INLINE_LAMBDA {
        const V v = load<V>(x + i, part, 0);
        if (n > longest_cached) {
#pragma GCC unroll 4
            for (int k = 0; k < unroll; ++k)
                prefetch(x + i + k * W::lanes);
        }
        wide.add(v, v);
    });
    Extremes<wanted, W> one = folded_to<W>(wide);
    const auto add = [&](std::size_t i, auto part) INLINE_LAMBDA {
        one.add(load<W>(x + i, part, -infinity<C>), load<W>(x + i, part, infinity<C>));
    };
    if (head > 0)
        add(0, Tail{head});
    sweep<W>(whole, n, add);
    return range_of(one);
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
