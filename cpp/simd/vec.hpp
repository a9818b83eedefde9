// The vector layer's contract, and its lift to any number of lanes. Included after simd/<isa>.hpp;
// may include simd/ only.
//
// Vec<T, N> holds N lanes of float or double. An instruction set defines the one N that fills its
// register (the native width); every larger N is two halves, so the algorithms see the same 16 (8)
// virtual lanes everywhere. Unrolling is a larger N. The functions, all lane by lane, exact or
// rounded to nearest even:
//
//   broadcast<V>(s)            s in every lane
//   load<V>(p)                 N elements (float, half, bfloat16; double), any alignment; exact
//   load_part<V>(p, n, fill)   the first n <= N, the other lanes fill; p[n] and on is not read
//                              (levels of masks_any_count take n as signed, and any: below 0
//                              none, above N all)
//   load_doubles<V>(p)         N elements (float, double) as doubles; any alignment; exact
//   store(p, v)                N elements, rounded to the stored type; no NaN with a payload may
//                              become a bfloat16
//   store_part(p, v, n)        the first n; p[n] and on is not written
//   stream(p, v)               store() past the caches, p on a multiple of 64 bytes; visible to
//                              other threads after stream_fence()
//   add, sub, mul, div         a + b, a - b, a * b, a / b
//   mul_add(a, b, c)           a * b + c: one rounding with FMA, two without
//   max(a, b)                  a > b ? a : b; so NaN in either gives b, and so do two zeros
//   min(a, b)                  a < b ? a : b
//   sub_product(x, n, hi, lo)  x - n * (hi + lo), where x - n * hi is representable; one rounding
//   scaled(e, hi, lo)          e * (hi + lo), abs(lo) <= ulp(hi): one rounding, exact up to
//                              2^-20 ULP, for results in 2^-90 ... 2^100 (2^-900 ... 2^900); beyond
//                              these within an ULP, or infinite
//   lookup(table, z)           the entry, of eight, that the low bits of z choose
//   add_to_exponent(t, z)      bits of t + (bits of z << (mantissa bits - 3)), as integers
//   lowered(y)                 y * 2^-100 (doubles: 2^-200), for 0 <= y <= 2^126 (2^1022), to
//                              nearest even where the result is subnormal. No subnormal number goes
//                              through floating-point arithmetic: it takes 100 times as long on
//                              some processors, and the kernels' FP mode flushes it to zero
//   product_rest(a, b)         a * b - mul(a, b), exactly, where neither underflows, nor overflows
//                              or is beyond 2^970 (doubles)
//   zero_where_at_most(v, a, b)  a <= b ? +0 : v; so NaN in a or b leaves v
//   choose(a, b, v, w)         a <= b ? v : w, bit by bit; so NaN in a or b gives w
//   kept(where, v, w)          where[lane] != 0 ? v : w, bit by bit; where: a byte for each lane
//   widen(v), narrow(v)        float to double, exactly; double to float
//   reduce_max(v)              the largest lane; no lane is NaN
//   reduce_add(v)              of doubles: the sum of the lanes, i and i + N/2 first, then those of
//                              the result likewise, down to one
//   reduce_second(v, w, m)     for w <= v lane by lane and m = reduce_max(v): the largest of all
//                              lanes of v and w but one that is m
//   any_nan(v)                 of doubles; on levels that have panels
//
// Of the native width only, on levels that have panels (rows/panel.hpp):
//
//   load_columns(p, stride, v) v[c], lane r = element c of row r, for the 16 bytes (4 floats, 2
//                              doubles) from p on and those of the rows `stride` bytes on
//   store_columns(p, stride, v)  the way back; nothing else is written
//   load_packed<n>(p, v), store_packed<n>(p, v)  the same of whole rows of n = 1, 2 or 3 floats (1
//                              double) without a gap
#pragma once
#include "simd/lanes.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

template <class V> INLINE V broadcast(typename V::Scalar s) {
    if constexpr (V::lanes == native_lanes<typename V::Scalar>) {
        return native_broadcast(s);
    } else {
        using Half = decltype(V::low);
        return {broadcast<Half>(s), broadcast<Half>(s)};
    }
}

template <class V, class E> INLINE V load(const E *p) {
    if constexpr (V::lanes == native_lanes<typename V::Scalar>) {
        return native_load(p);
    } else {
        using Half = decltype(V::low);
        return {load<Half>(p), load<Half>(p + Half::lanes)};
    }
}

template <class V, class E> INLINE V load_doubles(const E *p) {
    if constexpr (V::lanes > native_lanes<double>) {
        using Half = decltype(V::low);
        return {load_doubles<Half>(p), load_doubles<Half>(p + Half::lanes)};
    } else if constexpr (sizeof(E) == 4) {
        return native_load_doubles(p);
    } else {
        return native_load(p);
    }
}

template <class V, class E> INLINE V load_part(const E *p, std::size_t n, typename V::Scalar fill) {
    if constexpr (V::lanes == native_lanes<typename V::Scalar>) {
        return native_load_part(p, n, fill);
    } else {
        using Half = decltype(V::low);
        constexpr std::size_t half = Half::lanes;
        if constexpr (masks_any_count && sizeof(E) == sizeof(typename V::Scalar))
            return {load_part<Half>(p, n, fill), load_part<Half>(p + half, n - half, fill)};
        if (n <= half)
            return {load_part<Half>(p, n, fill), broadcast<Half>(fill)};
        return {load<Half>(p), load_part<Half>(p + half, n - half, fill)};
    }
}

template <class E, class T, int N> INLINE void store(E *p, Vec<T, N> v) {
    if constexpr (N == native_lanes<T>) {
        native_store(p, v);
    } else {
        store(p, v.low);
        store(p + N / 2, v.high);
    }
}

template <class T, int N> INLINE void stream(T *p, Vec<T, N> v) {
    if constexpr (N == native_lanes<T>) {
        native_stream(p, v);
    } else {
        stream(p, v.low);
        stream(p + N / 2, v.high);
    }
}

template <class E, class T, int N> INLINE void store_part(E *p, Vec<T, N> v, std::size_t n) {
    if constexpr (N == native_lanes<T>) {
        native_store_part(p, v, n);
    } else if (n <= N / 2) {
        store_part(p, v.low, n);
    } else {
        store(p, v.low);
        store_part(p + N / 2, v.high, n - N / 2);
    }
}

// The lane-by-lane functions of a wider vector are those of its halves; the native overloads are
// better matches.
template <class T, int N> INLINE Vec<T, N> add(Vec<T, N> a, Vec<T, N> b) {
    return {add(a.low, b.low), add(a.high, b.high)};
}
template <class T, int N> INLINE Vec<T, N> sub(Vec<T, N> a, Vec<T, N> b) {
    return {sub(a.low, b.low), sub(a.high, b.high)};
}
template <class T, int N> INLINE Vec<T, N> mul(Vec<T, N> a, Vec<T, N> b) {
    return {mul(a.low, b.low), mul(a.high, b.high)};
}
template <class T, int N> INLINE Vec<T, N> div(Vec<T, N> a, Vec<T, N> b) {
    return {div(a.low, b.low), div(a.high, b.high)};
}
template <class T, int N> INLINE Vec<T, N> max(Vec<T, N> a, Vec<T, N> b) {
    return {max(a.low, b.low), max(a.high, b.high)};
}
template <class T, int N> INLINE Vec<T, N> min(Vec<T, N> a, Vec<T, N> b) {
    return {min(a.low, b.low), min(a.high, b.high)};
}
template <class T, int N> INLINE Vec<T, N> product_rest(Vec<T, N> a, Vec<T, N> b) {
    return {product_rest(a.low, b.low), product_rest(a.high, b.high)};
}
template <class T, int N>
INLINE Vec<T, N> zero_where_at_most(Vec<T, N> v, Vec<T, N> a, Vec<T, N> b) {
    return {zero_where_at_most(v.low, a.low, b.low), zero_where_at_most(v.high, a.high, b.high)};
}
template <class T, int N>
INLINE Vec<T, N> choose(Vec<T, N> a, Vec<T, N> b, Vec<T, N> v, Vec<T, N> w) {
    return {choose(a.low, b.low, v.low, w.low), choose(a.high, b.high, v.high, w.high)};
}
template <class T, int N>
INLINE Vec<T, N> kept(const unsigned char *where, Vec<T, N> v, Vec<T, N> w) {
    return {kept(where, v.low, w.low), kept(where + N / 2, v.high, w.high)};
}
template <class T, int N> INLINE Vec<T, N> lowered(Vec<T, N> y) {
    return {lowered(y.low), lowered(y.high)};
}
template <class T, int N> INLINE Vec<T, N> mul_add(Vec<T, N> a, Vec<T, N> b, Vec<T, N> c) {
    return {mul_add(a.low, b.low, c.low), mul_add(a.high, b.high, c.high)};
}
template <class T, int N>
INLINE Vec<T, N> sub_product(Vec<T, N> x, Vec<T, N> n, Vec<T, N> hi, Vec<T, N> lo) {
    return {sub_product(x.low, n.low, hi.low, lo.low),
            sub_product(x.high, n.high, hi.high, lo.high)};
}
template <class T, int N> INLINE Vec<T, N> scaled(Vec<T, N> e, Vec<T, N> hi, Vec<T, N> lo) {
    return {scaled(e.low, hi.low, lo.low), scaled(e.high, hi.high, lo.high)};
}
template <class T, int N> INLINE Vec<T, N> lookup(const Table<T> &table, Vec<T, N> z) {
    return {lookup(table, z.low), lookup(table, z.high)};
}
template <class T, int N> INLINE Vec<T, N> add_to_exponent(Vec<T, N> t, Vec<T, N> z) {
    return {add_to_exponent(t.low, z.low), add_to_exponent(t.high, z.high)};
}
template <int N> INLINE Vec<double, N> widen(Vec<float, N> v) {
    return {widen(v.low), widen(v.high)};
}
template <int N> INLINE Vec<float, N> narrow(Vec<double, N> v) {
    return {narrow(v.low), narrow(v.high)};
}
template <int N> INLINE bool any_nan(Vec<double, N> v) {
    return (static_cast<int>(any_nan(v.low)) | static_cast<int>(any_nan(v.high))) != 0;
}
template <class T, int N> INLINE T reduce_second(Vec<T, N> v, Vec<T, N> w, T m) {
    return reduce_second(max(v.low, v.high), max(min(v.low, v.high), max(w.low, w.high)), m);
}
template <int N> INLINE double reduce_add(Vec<double, N> v) {
    return reduce_add(add(v.low, v.high));
}
template <class T, int N> INLINE T reduce_max(Vec<T, N> v) {
    return reduce_max(max(v.low, v.high));
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
