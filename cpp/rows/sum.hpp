// The sum of a row's exponentials, with the same bits on every level and nothing lost but the last
// digits of a double.
//
// Element i is added in lane i mod L. The addition is compensated: `high` starts at 2^(bias + 1),
// above any e, so (high + e) - high is exact and the rounding error is recovered in two operations
// (Dekker's fast two-sum needs the larger operand first); `low` adds the errors up. Four operations
// a vector; conversion to double takes 11 % longer over a row (docs/design.md). For floats `low` is
// good for `block` additions (its own rounding is then below 2^-32 of the lane), so long rows are
// flushed to double lanes; for doubles the pair is a double-double and lasts for any length.
// in_lanes() is what is left to be added up across the lanes, total() that sum.
#pragma once
#include "rows/double_double.hpp"
#include "rows/exp.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

template <class C> constexpr int sum_lanes = 64 / sizeof(C);

// Lanes i and i + N/2 first, then the same of the result, down to one.
template <int N, class T> INLINE T fold(T *lane) {
    if constexpr (N > 1) {
#pragma GCC unroll 8
        for (int i = 0; i < N / 2; ++i)
            lane[i] = lane[i] + lane[i + N / 2];
        return fold<N / 2>(lane);
    } else {
        return lane[0];
    }
}

template <class T, int N> INLINE T folded(Vec<T, N> v) {
    if constexpr (sizeof(T) == 8) {
        return reduce_add(v);
    } else if constexpr (N > native_lanes<T>) {
        return folded(add(v.low, v.high));
    } else {
        T lane[N];
        store(lane, v);
        return fold<N>(lane);
    }
}

template <class C> struct CompensatedLanes {
    static constexpr int lanes = sum_lanes<C>;
    using V = Vec<C, lanes>;
    V start = broadcast<V>(static_cast<C>(power_of_two(ExpKernel<C>::bias + 1)));
    V high = start;
    V low = broadcast<V>(C(0));

    // Of several vectors' width, the lower lanes first.
    template <int N> INLINE void operator+=(Vec<C, N> e) {
        *this += e.low;
        *this += e.high;
    }
    INLINE void operator+=(V e) {
        const V sum = add(high, e);
        low = add(low, sub(e, sub(sum, high)));
        high = sum;
    }
};

template <class C> struct Sum;

template <> struct Sum<float> : CompensatedLanes<float> {
    static constexpr std::size_t block = 32 * lanes; // elements between two flushes
    Vec<double, lanes> flushed = broadcast<Vec<double, lanes>>(0.0);

    INLINE void flush() {
        flushed = add(flushed, add(widen(sub(high, start)), widen(low)));
        high = start;
        low = broadcast<V>(0.0f);
    }
    using Lanes = Vec<double, lanes>;
    INLINE Lanes in_lanes() {
        flush();
        return flushed;
    }
    static INLINE DoubleDouble total(const Lanes &sums) { return {folded(sums), 0}; }
};

template <> struct Sum<double> : CompensatedLanes<double> {
    static constexpr std::size_t block = ~std::size_t(0); // never

    INLINE void flush() {}
    struct Lanes {
        V high, low;
    };
    INLINE Lanes in_lanes() const { return {sub(high, start), low}; }
    // Long: once in the program.
    static __attribute__((noinline)) DoubleDouble total(const Lanes &sums) {
        double h[lanes], l[lanes];
        store(h, sums.high);
        store(l, sums.low);
        DoubleDouble lane[lanes];
        for (int i = 0; i < lanes; ++i)
            lane[i] = two_sum(h[i], l[i]);
        return fold<lanes>(lane);
    }
};

} // namespace
} // namespace softlane::SOFTLANE_ISA
