// Doubles, and pairs of them as in rows/double_double.hpp, in the lanes of vectors.
#pragma once
#include "rows/double_double.hpp"
#include "simd/vec.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

template <class V> using Doubles = Vec<double, V::lanes>;
template <class V> INLINE Doubles<V> to_doubles(V v) {
    if constexpr (sizeof(typename V::Scalar) == 4)
        return widen(v);
    else
        return v;
}
template <class V> INLINE V from_doubles(Doubles<V> v) {
    if constexpr (sizeof(typename V::Scalar) == 4)
        return narrow(v);
    else
        return v;
}
// v op s, in scalars' order of operations
template <class V> INLINE V plus(V v, double s) { return add(v, broadcast<V>(s)); }
template <class V> INLINE V minus(V v, double s) { return sub(v, broadcast<V>(s)); }
template <class V> INLINE V times(V v, double s) { return mul(v, broadcast<V>(s)); }
template <class V> INLINE V nearest_integers(V v) { return minus(plus(v, 0x1.8p52), 0x1.8p52); }

// Unevaluated sums, one in each lane, with the operations of DoubleDouble.
template <class V> struct Pairs {
    V high, low;
};
template <class V> INLINE Pairs<V> two_sums(V a, V b) {
    const V s = add(a, b), bb = sub(s, a);
    return {s, add(sub(a, sub(s, bb)), sub(b, bb))};
}
template <class V> INLINE Pairs<V> added(Pairs<V> a, Pairs<V> b) {
    const Pairs<V> s = two_sums(a.high, b.high);
    const V l = add(s.low, add(a.low, b.low)), h = add(s.high, l);
    return {h, sub(l, sub(h, s.high))};
}
template <class V> INLINE V added(V a, V b) { return add(a, b); }

// Real<C>, in the lanes of a vector.
template <class V> struct RealsOf {
    using Type = Doubles<V>;
};
template <int N> struct RealsOf<Vec<double, N>> {
    using Type = Pairs<Vec<double, N>>;
};
template <class V> using Reals = typename RealsOf<V>::Type;
template <int N> INLINE Vec<double, N> highs(Vec<double, N> v) { return v; }
template <class V> INLINE V highs(Pairs<V> v) { return v.high; }
// From memory and to it; of floats `low` is not used.
template <class V> INLINE Reals<V> load_reals(const double *high, const double *low) {
    if constexpr (sizeof(typename V::Scalar) == 4)
        return load<Doubles<V>>(high);
    else
        return {load<V>(high), load<V>(low)};
}
template <int N> INLINE void store_reals(double *high, double *, Vec<double, N> v) {
    store(high, v);
}
template <class V> INLINE void store_reals(double *high, double *low, Pairs<V> v) {
    store(high, v.high);
    store(low, v.low);
}

// v alone
template <class V> INLINE Reals<V> as_reals(Doubles<V> v) {
    if constexpr (sizeof(typename V::Scalar) == 4)
        return v;
    else
        return {v, broadcast<V>(0)};
}

template <int N> INLINE Vec<double, N> reciprocals(Vec<double, N> v) {
    return div(broadcast<Vec<double, N>>(1), v);
}
// of pairs within 2^-900 ... 2^900
template <class V> INLINE Pairs<V> reciprocals(Pairs<V> a) {
    const V one = broadcast<V>(1), r = div(one, a.high), p = mul(r, a.high);
    const V rest = sub(sub(sub(one, p), product_rest(r, a.high)), mul(r, a.low));
    return {r, mul(rest, r)};
}
// a * b, whose products are exact like those of DoubleDouble.
template <class V> INLINE Pairs<V> products(Pairs<V> a, Pairs<V> b) {
    const V p = mul(a.high, b.high), rest = product_rest(a.high, b.high);
    const V low = add(rest, add(mul(a.high, b.low), mul(a.low, b.high))), high = add(p, low);
    return {high, sub(low, sub(high, p))};
}
template <int N> INLINE Vec<double, N> products(Vec<double, N> a, Vec<double, N> b) {
    return mul(a, b);
}
// Its product with 1.
template <int N> INLINE Vec<double, N> renormed(Vec<double, N> a) { return a; }
template <class V> INLINE Pairs<V> renormed(Pairs<V> a) {
    const V s = add(a.high, a.low);
    return {s, sub(a.low, sub(s, a.high))};
}
template <int N> INLINE Vec<double, N> negative(Vec<double, N> a) {
    return sub(broadcast<Vec<double, N>>(0), a);
}
template <class V> INLINE Pairs<V> negative(Pairs<V> a) {
    const V zero = broadcast<V>(0);
    return {sub(zero, a.high), sub(zero, a.low)};
}
template <int N>
INLINE Vec<double, N> chosen(Vec<double, N> a, Vec<double, N> b, Vec<double, N> if_at_most,
                             Vec<double, N> otherwise) {
    return choose(a, b, if_at_most, otherwise);
}
template <class V> INLINE Pairs<V> chosen(V a, V b, Pairs<V> if_at_most, Pairs<V> otherwise) {
    return {choose(a, b, if_at_most.high, otherwise.high),
            choose(a, b, if_at_most.low, otherwise.low)};
}
// `a`, but the plain sum where that is not finite.
template <class V> INLINE Pairs<V> finite_pairs(Pairs<V> a, V plain) {
    const V zero = broadcast<V>(0), none = sub(a.high, a.high); // 0, or NaN
    return chosen(none, zero, a, Pairs<V>{plain, zero});
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
