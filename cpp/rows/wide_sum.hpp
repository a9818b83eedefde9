// Sums of arbitrary terms over a row, for gradients and losses: double lanes for float rows, pairs
// of doubles for double rows. Lane i mod L as in rows/sum.hpp; same bits on every level.
#pragma once
#include "rows/range.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

template <class C> using Wide = Vec<double, sum_lanes<C>>;

// Elements as doubles.
template <class V, class C> INLINE V load_wide(const C *p, Whole, C) { return load_doubles<V>(p); }
template <class V, class C> INLINE V load_wide(const C *p, Tail tail, C fill) {
    const auto v = load<Vec<C, V::lanes>>(p, tail, fill);
    if constexpr (sizeof(C) == 4)
        return widen(v);
    else
        return v;
}
template <class C, class Part> INLINE Wide<C> load_wide(const C *p, Part part, C fill) {
    return load_wide<Wide<C>>(p, part, fill);
}

// What rounding took off a + b (Knuth).
template <class V> INLINE V sum_rest(V a, V b, V sum) {
    const V part = sub(sum, a);
    return add(sub(a, sub(sum, part)), sub(b, part));
}

// A low limb, or 0 where it is not finite, as beside a number that is not.
template <class V> INLINE V finite_rest(V rest) {
    const V zero = broadcast<V>(0.0);
    return choose(mul(rest, zero), zero, rest, zero);
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
    INLINE void add_pair(Wide<C> v, Wide<C> rest) {
        *this += v;
        low = add(low, rest);
    }
    INLINE void add_product(Wide<C> a, Wide<C> b) {
        if constexpr (sizeof(C) == 4) { // exact products
            high = mul_add(a, b, high);
        } else {
            const Wide<C> product = mul(a, b), sum = add(high, product);
            low = add(low, add(sum_rest(high, product, sum), product_rest(a, b)));
            high = sum;
        }
    }
    INLINE Real<C> total() const {
        constexpr int lanes = sum_lanes<C>;
        if constexpr (sizeof(C) == 4) {
            return folded(high);
        } else {
            double h[lanes], l[lanes];
            store(h, high);
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
