// SSE2, any x86-64: 4 floats, 2 doubles in a register, no FMA, no variable permute. The contract is
// in simd/vec.hpp.
#pragma once
#include <emmintrin.h>

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
    __m128 r;
};
template <> struct Vec<double, 2> {
    using Scalar = double;
    static constexpr int lanes = 2;
    __m128d r;
};
using F32 = Vec<float, 4>;
using F64 = Vec<double, 2>;

INLINE F32 native_broadcast(float s) { return {_mm_set1_ps(s)}; }
INLINE F64 native_broadcast(double s) { return {_mm_set1_pd(s)}; }

INLINE F32 native_load(const float *p) { return {_mm_loadu_ps(p)}; }
INLINE F64 native_load(const double *p) { return {_mm_loadu_pd(p)}; }
INLINE F64 native_load_doubles(const float *p) {
    const __m128i two = _mm_loadl_epi64(reinterpret_cast<const __m128i *>(p));
    return {_mm_cvtps_pd(_mm_castsi128_ps(two))};
}
template <class E> INLINE F32 native_load(const E *p) {
    E e[4];
    __builtin_memcpy(e, p, sizeof e);
    return {_mm_setr_ps(to_float(e[0]), to_float(e[1]), to_float(e[2]), to_float(e[3]))};
}
template <class E> INLINE F32 native_load_part(const E *p, std::size_t n, float fill) {
    alignas(16) float lane[4] = {fill, fill, fill, fill};
    for (std::size_t i = 0; i < n; ++i) {
        E e;
        __builtin_memcpy(&e, p + i, sizeof e);
        lane[i] = to_float(e);
    }
    return {_mm_load_ps(lane)};
}
INLINE F64 native_load_part(const double *p, std::size_t n, double fill) {
    return {n >= 2 ? _mm_loadu_pd(p) : _mm_setr_pd(n ? _mm_cvtsd_f64(_mm_load_sd(p)) : fill, fill)};
}

INLINE void native_store(float *p, F32 v) { _mm_storeu_ps(p, v.r); }
INLINE void native_store(double *p, F64 v) { _mm_storeu_pd(p, v.r); }
template <class E> INLINE void native_store_part(E *p, F32 v, std::size_t n) {
    alignas(16) float lane[4];
    _mm_store_ps(lane, v.r);
    for (std::size_t i = 0; i < n; ++i) {
        E e;
        from_float(lane[i], e);
        __builtin_memcpy(p + i, &e, sizeof e);
    }
}
template <class E> INLINE void native_store(E *p, F32 v) { native_store_part(p, v, 4); }
INLINE void native_store_part(double *p, F64 v, std::size_t n) {
    if (n >= 2)
        _mm_storeu_pd(p, v.r);
    else if (n == 1)
        _mm_store_sd(p, v.r);
}

// Such stores past the caches are used by levels that write one row along with another alone.
template <class V> INLINE void native_stream(typename V::Scalar *p, V v) { native_store(p, v); }
INLINE void stream_fence() {}

INLINE F32 add(F32 a, F32 b) { return {_mm_add_ps(a.r, b.r)}; }
INLINE F64 add(F64 a, F64 b) { return {_mm_add_pd(a.r, b.r)}; }
INLINE F32 sub(F32 a, F32 b) { return {_mm_sub_ps(a.r, b.r)}; }
INLINE F64 sub(F64 a, F64 b) { return {_mm_sub_pd(a.r, b.r)}; }
INLINE F32 mul(F32 a, F32 b) { return {_mm_mul_ps(a.r, b.r)}; }
INLINE F64 mul(F64 a, F64 b) { return {_mm_mul_pd(a.r, b.r)}; }
INLINE F32 div(F32 a, F32 b) { return {_mm_div_ps(a.r, b.r)}; }
INLINE F64 div(F64 a, F64 b) { return {_mm_div_pd(a.r, b.r)}; }
INLINE F32 max(F32 a, F32 b) { return {_mm_max_ps(a.r, b.r)}; }
INLINE F64 max(F64 a, F64 b) { return {_mm_max_pd(a.r, b.r)}; }

INLINE F32 min(F32 a, F32 b) { return {_mm_min_ps(a.r, b.r)}; }
INLINE F64 min(F64 a, F64 b) { return {_mm_min_pd(a.r, b.r)}; }

INLINE F32 zero_where_at_most(F32 v, F32 a, F32 b) {
    return {_mm_and_ps(_mm_cmpnle_ps(a.r, b.r), v.r)};
}
INLINE F64 zero_where_at_most(F64 v, F64 a, F64 b) {
    return {_mm_and_pd(_mm_cmpnle_pd(a.r, b.r), v.r)};
}
INLINE F32 choose(F32 a, F32 b, F32 v, F32 w) {
    const __m128 mask = _mm_cmple_ps(a.r, b.r);
    return {_mm_or_ps(_mm_and_ps(mask, v.r), _mm_andnot_ps(mask, w.r))};
}
INLINE F64 choose(F64 a, F64 b, F64 v, F64 w) {
    const __m128d mask = _mm_cmple_pd(a.r, b.r);
    return {_mm_or_pd(_mm_and_pd(mask, v.r), _mm_andnot_pd(mask, w.r))};
}
INLINE F32 kept(const unsigned char *where, F32 v, F32 w) {
    const __m128i lanes = _mm_setr_epi32(where[0], where[1], where[2], where[3]);
    const __m128 none = _mm_castsi128_ps(_mm_cmpeq_epi32(lanes, _mm_setzero_si128()));
    return {_mm_or_ps(_mm_and_ps(none, w.r), _mm_andnot_ps(none, v.r))};
}
INLINE F64 kept(const unsigned char *where, F64 v, F64 w) {
    const __m128i lanes = _mm_setr_epi32(where[0], where[0], where[1], where[1]);
    const __m128d none = _mm_castsi128_pd(_mm_cmpeq_epi32(lanes, _mm_setzero_si128()));
    return {_mm_or_pd(_mm_and_pd(none, w.r), _mm_andnot_pd(none, v.r))};
}
INLINE F32 lookup(const Table<float> &table, F32 z) {
    alignas(16) std::uint32_t k[4];
    const __m128i index = _mm_and_si128(_mm_castps_si128(z.r), _mm_set1_epi32(7));
    _mm_store_si128(reinterpret_cast<__m128i *>(k), index);
    return {_mm_setr_ps(table[k[0]], table[k[1]], table[k[2]], table[k[3]])};
}
INLINE F64 lookup(const Table<double> &table, F64 z) {
    const __m128i bits = _mm_castpd_si128(z.r);
    const int low = _mm_cvtsi128_si32(bits) & 7;
    const int high = _mm_cvtsi128_si32(_mm_unpackhi_epi64(bits, bits)) & 7;
    return {_mm_setr_pd(table[low], table[high])};
}
INLINE F32 add_to_exponent(F32 t, F32 z) {
    const __m128i shifted = _mm_slli_epi32(_mm_castps_si128(z.r), 20);
    return {_mm_castsi128_ps(_mm_add_epi32(_mm_castps_si128(t.r), shifted))};
}
INLINE F64 add_to_exponent(F64 t, F64 z) {
    const __m128i shifted = _mm_slli_epi64(_mm_castpd_si128(z.r), 49);
    return {_mm_castsi128_pd(_mm_add_epi64(_mm_castpd_si128(t.r), shifted))};
}

INLINE F32 lowered(F32 y) {
    const __m128 limit = _mm_set1_ps(subnormal_limit<float>);
    const __m128i tiny =
        _mm_sub_epi32(_mm_castps_si128(_mm_add_ps(y.r, limit)), _mm_castps_si128(limit));
    const __m128i normal =
        _mm_sub_epi32(_mm_castps_si128(y.r), _mm_set1_epi32(lift_bits<float> << 23));
    const __m128i is_tiny = _mm_castps_si128(_mm_cmplt_ps(y.r, limit));
    return {_mm_castsi128_ps(
        _mm_or_si128(_mm_and_si128(is_tiny, tiny), _mm_andnot_si128(is_tiny, normal)))};
}
INLINE F64 lowered(F64 y) {
    const __m128d limit = _mm_set1_pd(subnormal_limit<double>);
    const __m128i tiny =
        _mm_sub_epi64(_mm_castpd_si128(_mm_add_pd(y.r, limit)), _mm_castpd_si128(limit));
    const __m128i normal = _mm_sub_epi64(_mm_castpd_si128(y.r),
                                         _mm_set1_epi64x(std::int64_t{lift_bits<double>} << 52));
    const __m128i is_tiny = _mm_castpd_si128(_mm_cmplt_pd(y.r, limit));
    return {_mm_castsi128_pd(
        _mm_or_si128(_mm_and_si128(is_tiny, tiny), _mm_andnot_si128(is_tiny, normal)))};
}

INLINE Vec<double, 4> widen(F32 v) {
    return {{_mm_cvtps_pd(v.r)}, {_mm_cvtps_pd(_mm_movehl_ps(v.r, v.r))}};
}
INLINE F32 narrow(Vec<double, 4> v) {
    return {_mm_movelh_ps(_mm_cvtpd_ps(v.low.r), _mm_cvtpd_ps(v.high.r))};
}
INLINE float reduce_max(F32 v) {
    const __m128 m = _mm_max_ps(v.r, _mm_movehl_ps(v.r, v.r));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_shuffle_ps(m, m, 1)));
}
INLINE double reduce_max(F64 v) {
    return _mm_cvtsd_f64(_mm_max_sd(v.r, _mm_unpackhi_pd(v.r, v.r)));
}
INLINE double reduce_add(F64 v) {
    return _mm_cvtsd_f64(_mm_add_sd(v.r, _mm_unpackhi_pd(v.r, v.r)));
}

INLINE float reduce_second(F32 v, F32 w, float m) {
    const __m128 is_max = _mm_cmpeq_ps(v.r, _mm_set1_ps(m));
    const int mask = _mm_movemask_ps(is_max);
    const float rest =
        reduce_max(F32{_mm_or_ps(_mm_and_ps(is_max, w.r), _mm_andnot_ps(is_max, v.r))});
    return (mask & (mask - 1)) != 0 ? m : rest;
}
INLINE double reduce_second(F64 v, F64 w, double m) {
    const __m128d is_max = _mm_cmpeq_pd(v.r, _mm_set1_pd(m));
    const int mask = _mm_movemask_pd(is_max);
    const double rest =
        reduce_max(F64{_mm_or_pd(_mm_and_pd(is_max, w.r), _mm_andnot_pd(is_max, v.r))});
    return (mask & (mask - 1)) != 0 ? m : rest;
}

} // namespace
} // namespace softlane::SOFTLANE_ISA

#include "simd/vec.hpp" // no_fma.hpp works on halves

#include "simd/no_fma.hpp"
