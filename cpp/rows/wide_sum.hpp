// Sums of arbitrary terms over a row, for gradients and losses: double lanes for float rows, pairs
// of doubles for double rows. Lane i mod L as in rows/sum.hpp; same bits on every level.
#pragma once
#include "rows/range.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

template <class C> using Wide = Vec<double, sum_lanes<C>>;

// Elements as doubles.
template <class C, class Part> INLINE Wide<C> load_wide(const C *p, Part part, C fill) {
    const auto v = load<Vec<C, sum_lanes<C>>>(p, part, fill);
    if constexpr (sizeof(C) == 4)
        return widen(v);
    else
        return v;
}

// What rounding took off a + b (Knuth).
template <class V> INLINE V sum_rest(V a, V b, V sum) {
    const V part = sub(sum, a);
    return add(sub(a, sub(sum, part)), sub(b, part));
}

template <class C> struct WideSum {
    Wide<C> high = broadcast<Wide<C>>(0.0), low = high;

    INLINE void operator+=(Wide<C> v) {
        if constexpr (sizeof(C) == 4) {
            high = add(high, v);
        } else {
            const Wide<C> sum = add(high, v);
            low = add(low, sum_rest(high, v, sum));
            high = sum;
        }
    }
    INLINE void add_product(Wide<C> a, Wide<C> b) {
        *this += mul(a, b);
        if constexpr (sizeof(C) == 8) // products of floats are exact
            low = add(low, product_rest(a, b));
    }
    INLINE Real<C> total() const {
        constexpr int lanes = sum_lanes<C>;
        double h[lanes], l[lanes];
        store(h, high);
        if constexpr (sizeof(C) == 4) {
            return fold<lanes>(h);
        } else {
            store(l, low);
            DoubleDouble lane[lanes];
            for (int i = 0; i < lanes; ++i)
                lane[i] = two_sum(h[i], l[i]);
            const DoubleDouble sum = fold<lanes>(lane);
            // Infinities leave no valid low part.
            const double plain = fold<lanes>(h);
            const bool valid = sum.high - sum.high == 0;
            return valid ? sum : DoubleDouble(plain);
        }
    }
};

} // namespace
} // namespace softlane::SOFTLANE_ISA
