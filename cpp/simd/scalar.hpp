// Any processor, no FMA. A "register" is one of the compilers' generic vectors of 16 bytes, which
// they lower to what there is: no result depends on it. The contract is in simd/vec.hpp.
#pragma once
#include "simd/basic.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

template <> constexpr int native_lanes<float> = 4;
constexpr int exp_unroll = 1; // vectors of 16 (8) lanes that the exponential works on at a time
constexpr int row_unroll = 1; // the same in the loop over a row,
constexpr bool row_pipeline = false;    // which has registers for a pipeline
constexpr bool masks_any_count = false; // as simd/vec.hpp has it
template <> constexpr int native_lanes<double> = 2;
template <> struct Vec<float, 4> {
    using Scalar = float;
    static constexpr int lanes = 4;
    float r __attribute__((vector_size(16)));
};
template <> struct Vec<double, 2> {
    using Scalar = double;
    static constexpr int lanes = 2;
    double r __attribute__((vector_size(16)));
};
using F32 = Vec<float, 4>;
using F64 = Vec<double, 2>;

INLINE double to_float(double v) { return v; }
INLINE void from_float(double v, double &y) { y = v; }

// The vector whose lane i is f(i).
template <class V, class F> INLINE V lanes_of(F f) {
    V y;
    for (int i = 0; i < V::lanes; ++i)
        y.r[i] = f(i);
    return y;
}

INLINE F32 native_broadcast(float s) { return {s - decltype(F32::r){}}; } // -0 stays -0
INLINE F64 native_broadcast(double s) { return {s - decltype(F64::r){}}; }

template <class V, class E>
INLINE V load_lanes(const E *p, std::size_t n, typename V::Scalar fill) {
    V y = native_broadcast(fill);
    for (std::size_t i = 0; i < n; ++i) {
        E e;
        __builtin_memcpy(&e, p + i, sizeof e);
        y.r[i] = to_float(e);
    }
    return y;
}
template <class E> INLINE F32 native_load(const E *p) { return load_lanes<F32>(p, 4, 0); }
INLINE F64 native_load(const double *p) { return load_lanes<F64>(p, 2, 0); }
INLINE F64 native_load_doubles(const float *p) { return load_lanes<F64>(p, 2, 0); }
template <class E> INLINE F32 native_load_part(const E *p, std::size_t n, float fill) {
    return load_lanes<F32>(p, n, fill);
}
INLINE F64 native_load_part(const double *p, std::size_t n, double fill) {
    return load_lanes<F64>(p, n, fill);
}

template <class E, class T, int N>
INLINE void native_store_part(E *p, const Vec<T, N> &v, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
        E e;
        from_float(v.r[i], e);
        __builtin_memcpy(p + i, &e, sizeof e);
    }
}
template <class E, class T, int N> INLINE void native_store(E *p, const Vec<T, N> &v) {
    native_store_part(p, v, N);
}

// Such stores past the caches are used by levels that write one row along with another alone.
template <class V> INLINE void native_stream(typename V::Scalar *p, V v) { native_store(p, v); }
INLINE void stream_fence() {}

INLINE F32 add(F32 a, F32 b) { return {a.r + b.r}; }
INLINE F64 add(F64 a, F64 b) { return {a.r + b.r}; }
INLINE F32 sub(F32 a, F32 b) { return {a.r - b.r}; }
INLINE F64 sub(F64 a, F64 b) { return {a.r - b.r}; }
INLINE F32 mul(F32 a, F32 b) { return {a.r * b.r}; }
INLINE F64 mul(F64 a, F64 b) { return {a.r * b.r}; }
INLINE F32 div(F32 a, F32 b) { return {a.r / b.r}; }
INLINE F64 div(F64 a, F64 b) { return {a.r / b.r}; }
INLINE F32 max(F32 a, F32 b) { return {a.r > b.r ? a.r : b.r}; }
INLINE F64 max(F64 a, F64 b) { return {a.r > b.r ? a.r : b.r}; }
INLINE F32 min(F32 a, F32 b) { return {a.r < b.r ? a.r : b.r}; }
INLINE F64 min(F64 a, F64 b) { return {a.r < b.r ? a.r : b.r}; }
INLINE F32 zero_where_at_most(F32 v, F32 a, F32 b) { return {a.r <= b.r ? decltype(v.r){} : v.r}; }
INLINE F64 zero_where_at_most(F64 v, F64 a, F64 b) { return {a.r <= b.r ? decltype(v.r){} : v.r}; }
INLINE F32 choose(F32 a, F32 b, F32 v, F32 w) { return {a.r <= b.r ? v.r : w.r}; }
INLINE F64 choose(F64 a, F64 b, F64 v, F64 w) { return {a.r <= b.r ? v.r : w.r}; }
INLINE F32 kept(const unsigned char *where, F32 v, F32 w) {
    return lanes_of<F32>([&](int i) INLINE_LAMBDA { return where[i] != 0 ? v.r[i] : w.r[i]; });
}
INLINE F64 kept(const unsigned char *where, F64 v, F64 w) {
    return lanes_of<F64>([&](int i) INLINE_LAMBDA { return where[i] != 0 ? v.r[i] : w.r[i]; });
}
INLINE F32 lookup(const Table<float> &table, F32 z) {
    return lanes_of<F32>([&](int i) INLINE_LAMBDA { return table[bits_of(z.r[i]) & 7]; });
}
INLINE F64 lookup(const Table<double> &table, F64 z) {
    return lanes_of<F64>([&](int i) INLINE_LAMBDA { return table[bits_of(z.r[i]) & 7]; });
}
INLINE F32 add_to_exponent(F32 t, F32 z) {
    return lanes_of<F32>(
        [&](int i) { return float_of(bits_of(t.r[i]) + (bits_of(z.r[i]) << 20)); });
}
INLINE F64 add_to_exponent(F64 t, F64 z) {
    return lanes_of<F64>(
        [&](int i) { return float_of(bits_of(t.r[i]) + (bits_of(z.r[i]) << 49)); });
}

template <class C, class Bits> INLINE C lowered_lane(C y, Bits exponent_unit) {
    constexpr C limit = subnormal_limit<C>;
    if (y < limit)
        return float_of(static_cast<Bits>(bits_of(y + limit) - bits_of(limit)));
    return float_of(static_cast<Bits>(bits_of(y) - lift_bits<C> * exponent_unit));
}
INLINE F32 lowered(F32 y) {
    return lanes_of<F32>(
        [&](int i) INLINE_LAMBDA { return lowered_lane(y.r[i], std::uint32_t{1} << 23); });
}
INLINE F64 lowered(F64 y) {
    return lanes_of<F64>(
        [&](int i) INLINE_LAMBDA { return lowered_lane(y.r[i], std::uint64_t{1} << 52); });
}

INLINE Vec<double, 4> widen(F32 v) {
    Vec<double, 4> y;
    for (int i = 0; i < 2; ++i) {
        y.low.r[i] = static_cast<double>(v.r[i]);
        y.high.r[i] = static_cast<double>(v.r[i + 2]);
    }
    return y;
}
INLINE F32 narrow(Vec<double, 4> v) {
    F32 y;
    for (int i = 0; i < 2; ++i) {
        y.r[i] = static_cast<float>(v.low.r[i]);
        y.r[i + 2] = static_cast<float>(v.high.r[i]);
    }
    return y;
}
template <class V> INLINE typename V::Scalar largest(V v) {
    typename V::Scalar top = v.r[0];
    for (int i = 1; i < V::lanes; ++i)
        top = v.r[i] > top ? v.r[i] : top;
    return top;
}
INLINE float reduce_max(F32 v) { return largest(v); }
INLINE double reduce_max(F64 v) { return largest(v); }
INLINE double reduce_add(F64 v) { return v.r[0] + v.r[1]; }

template <class V, class T> INLINE T second_lane(V v, V w, T m) {
    int count = 0;
    for (int i = 0; i < V::lanes; ++i)
        if (v.r[i] == m) {
            ++count;
            v.r[i] = w.r[i];
        }
    return count > 1 ? m : largest(v);
}
INLINE float reduce_second(F32 v, F32 w, float m) { return second_lane(v, w, m); }
INLINE double reduce_second(F64 v, F64 w, double m) { return second_lane(v, w, m); }

} // namespace
} // namespace softlane::SOFTLANE_ISA

#include "simd/vec.hpp" // no_fma.hpp works on halves

#include "simd/no_fma.hpp"
