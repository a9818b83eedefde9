// AVX2 with FMA and F16C: 8 floats, 4 doubles in a register. The contract of every function is in
// simd/vec.hpp.
#pragma once
#include <immintrin.h>

#include "simd/lanes.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

template <> constexpr int native_lanes<float> = 8;
constexpr int exp_unroll = 2; // vectors of 16 (8) lanes that the exponential works on at a time
constexpr int row_unroll = 2; // the same in the loop over a row,
constexpr bool row_pipeline = false;   // which has registers for a pipeline
constexpr bool masks_any_count = true; // as simd/vec.hpp has it
template <> constexpr int native_lanes<double> = 4;
template <> struct Vec<float, 8> {
    using Scalar = float;
    static constexpr int lanes = 8;
    __m256 r;
};
template <> struct Vec<double, 4> {
    using Scalar = double;
    static constexpr int lanes = 4;
    __m256d r;
};
using F32 = Vec<float, 8>;
using F64 = Vec<double, 4>;

template <> struct Table<float> {
    __m256 r;
    INLINE explicit Table(const void *entries)
        : r(_mm256_loadu_ps(static_cast<const float *>(entries))) {}
};
template <> struct Table<double> {
    __m256 low, high; // four doubles each, for the only variable permute across lanes that AVX2 has
    INLINE explicit Table(const void *entries)
        : low(_mm256_loadu_ps(static_cast<const float *>(entries))),
          high(_mm256_loadu_ps(static_cast<const float *>(entries) + 8)) {}
};

INLINE F32 native_broadcast(float s) { return {_mm256_set1_ps(s)}; }
INLINE F64 native_broadcast(double s) { return {_mm256_set1_pd(s)}; }

INLINE __m256i first_f32(std::size_t n) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), lane);
}
INLINE __m256i first_f64(std::size_t n) {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(static_cast<long long>(n)),
                              _mm256_setr_epi64x(0, 1, 2, 3));
}
INLINE __m128i bf16_of(F32 v) {
    const __m256i u = _mm256_castps_si256(v.r);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
    const __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(u, _mm256_set1_epi32(0x7fff)), odd);
    const __m256i words = _mm256_srli_epi32(rounded, 16);
    return _mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}
INLINE __m256 float_of_bf16(__m128i b) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(b), 16));
}
INLINE __m128i f16_of(F32 v) { return _mm256_cvtps_ph(v.r, _MM_FROUND_TO_NEAREST_INT); }
// n elements of two bytes by way of a buffer: AVX2 has no masked access that narrow.
INLINE __m128i load_words(const void *p, std::size_t n) {
    alignas(16) std::uint16_t buffer[8] = {};
    __builtin_memcpy(buffer, p, 2 * n);
    return _mm_load_si128(reinterpret_cast<const __m128i *>(buffer));
}
INLINE void store_words(void *p, __m128i words, std::size_t n) {
    alignas(16) std::uint16_t buffer[8];
    _mm_store_si128(reinterpret_cast<__m128i *>(buffer), words);
    __builtin_memcpy(p, buffer, 2 * n);
}

INLINE F32 native_load(const float *p) { return {_mm256_loadu_ps(p)}; }
INLINE F64 native_load(const double *p) { return {_mm256_loadu_pd(p)}; }
INLINE F64 native_load_doubles(const float *p) { return {_mm256_cvtps_pd(_mm_loadu_ps(p))}; }
INLINE F32 native_load(const half *p) {
    return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i *>(p)))};
}
INLINE F32 native_load(const bfloat16 *p) {
    return {float_of_bf16(_mm_loadu_si128(reinterpret_cast<const __m128i *>(p)))};
}

INLINE F32 native_load_part(const float *p, std::size_t n, float fill) {
    const __m256i mask = first_f32(n);
    return {_mm256_blendv_ps(_mm256_set1_ps(fill), _mm256_maskload_ps(p, mask),
                             _mm256_castsi256_ps(mask))};
}
INLINE F64 native_load_part(const double *p, std::size_t n, double fill) {
    const __m256i mask = first_f64(n);
    return {_mm256_blendv_pd(_mm256_set1_pd(fill), _mm256_maskload_pd(p, mask),
                             _mm256_castsi256_pd(mask))};
}
INLINE F32 native_load_part(const half *p, std::size_t n, float fill) {
    return {_mm256_blendv_ps(_mm256_set1_ps(fill), _mm256_cvtph_ps(load_words(p, n)),
                             _mm256_castsi256_ps(first_f32(n)))};
}
INLINE F32 native_load_part(const bfloat16 *p, std::size_t n, float fill) {
    return {_mm256_blendv_ps(_mm256_set1_ps(fill), float_of_bf16(load_words(p, n)),
                             _mm256_castsi256_ps(first_f32(n)))};
}

INLINE void native_store(float *p, F32 v) { _mm256_storeu_ps(p, v.r); }
INLINE void native_store(double *p, F64 v) { _mm256_storeu_pd(p, v.r); }
INLINE void native_store(half *p, F32 v) {
    _mm_storeu_si128(reinterpret_cast<__m128i *>(p), f16_of(v));
}
INLINE void native_store(bfloat16 *p, F32 v) {
    _mm_storeu_si128(reinterpret_cast<__m128i *>(p), bf16_of(v));
}

INLINE void native_stream(float *p, F32 v) { _mm256_stream_ps(p, v.r); }
INLINE void native_stream(double *p, F64 v) { _mm256_stream_pd(p, v.r); }
INLINE void stream_fence() { _mm_sfence(); }

INLINE void native_store_part(float *p, F32 v, std::size_t n) {
    _mm256_maskstore_ps(p, first_f32(n), v.r);
}
INLINE void native_store_part(double *p, F64 v, std::size_t n) {
    _mm256_maskstore_pd(p, first_f64(n), v.r);
}
INLINE void native_store_part(half *p, F32 v, std::size_t n) { store_words(p, f16_of(v), n); }
INLINE void native_store_part(bfloat16 *p, F32 v, std::size_t n) { store_words(p, bf16_of(v), n); }

INLINE F32 add(F32 a, F32 b) { return {_mm256_add_ps(a.r, b.r)}; }
INLINE F64 add(F64 a, F64 b) { return {_mm256_add_pd(a.r, b.r)}; }
INLINE F32 sub(F32 a, F32 b) { return {_mm256_sub_ps(a.r, b.r)}; }
INLINE F64 sub(F64 a, F64 b) { return {_mm256_sub_pd(a.r, b.r)}; }
INLINE F32 mul(F32 a, F32 b) { return {_mm256_mul_ps(a.r, b.r)}; }
INLINE F64 mul(F64 a, F64 b) { return {_mm256_mul_pd(a.r, b.r)}; }
INLINE F32 div(F32 a, F32 b) { return {_mm256_div_ps(a.r, b.r)}; }
INLINE F64 div(F64 a, F64 b) { return {_mm256_div_pd(a.r, b.r)}; }
INLINE F32 max(F32 a, F32 b) { return {_mm256_max_ps(a.r, b.r)}; }
INLINE F64 max(F64 a, F64 b) { return {_mm256_max_pd(a.r, b.r)}; }
INLINE F32 min(F32 a, F32 b) { return {_mm256_min_ps(a.r, b.r)}; }
INLINE F64 min(F64 a, F64 b) { return {_mm256_min_pd(a.r, b.r)}; }
INLINE F32 mul_add(F32 a, F32 b, F32 c) { return {_mm256_fmadd_ps(a.r, b.r, c.r)}; }
INLINE F64 mul_add(F64 a, F64 b, F64 c) { return {_mm256_fmadd_pd(a.r, b.r, c.r)}; }
INLINE F32 sub_product(F32 x, F32 n, F32 hi, F32 lo) {
    return {_mm256_fnmadd_ps(n.r, lo.r, _mm256_fnmadd_ps(n.r, hi.r, x.r))};
}
INLINE F64 sub_product(F64 x, F64 n, F64 hi, F64 lo) {
    return {_mm256_fnmadd_pd(n.r, lo.r, _mm256_fnmadd_pd(n.r, hi.r, x.r))};
}
INLINE F32 scaled(F32 e, F32 hi, F32 lo) {
    return {_mm256_fmadd_ps(e.r, hi.r, _mm256_mul_ps(e.r, lo.r))};
}
INLINE F64 scaled(F64 e, F64 hi, F64 lo) {
    return {_mm256_fmadd_pd(e.r, hi.r, _mm256_mul_pd(e.r, lo.r))};
}

INLINE F32 product_rest(F32 a, F32 b) {
    return {_mm256_fmsub_ps(a.r, b.r, _mm256_mul_ps(a.r, b.r))};
}
INLINE F64 product_rest(F64 a, F64 b) {
    return {_mm256_fmsub_pd(a.r, b.r, _mm256_mul_pd(a.r, b.r))};
}
INLINE F32 zero_where_at_most(F32 v, F32 a, F32 b) {
    return {_mm256_and_ps(_mm256_cmp_ps(a.r, b.r, _CMP_NLE_UQ), v.r)};
}
INLINE F64 zero_where_at_most(F64 v, F64 a, F64 b) {
    return {_mm256_and_pd(_mm256_cmp_pd(a.r, b.r, _CMP_NLE_UQ), v.r)};
}

INLINE F32 choose(F32 a, F32 b, F32 v, F32 w) {
    return {_mm256_blendv_ps(w.r, v.r, _mm256_cmp_ps(a.r, b.r, _CMP_LE_OQ))};
}
INLINE F64 choose(F64 a, F64 b, F64 v, F64 w) {
    return {_mm256_blendv_pd(w.r, v.r, _mm256_cmp_pd(a.r, b.r, _CMP_LE_OQ))};
}

INLINE F32 kept(const unsigned char *where, F32 v, F32 w) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i *>(where));
    const __m256i none = _mm256_cmpeq_epi32(_mm256_cvtepu8_epi32(bytes), _mm256_setzero_si256());
    return {_mm256_blendv_ps(v.r, w.r, _mm256_castsi256_ps(none))};
}
INLINE F64 kept(const unsigned char *where, F64 v, F64 w) {
    int four;
    __builtin_memcpy(&four, where, sizeof four);
    const __m256i lanes = _mm256_cvtepu8_epi64(_mm_cvtsi32_si128(four));
    const __m256i none = _mm256_cmpeq_epi64(lanes, _mm256_setzero_si256());
    return {_mm256_blendv_pd(v.r, w.r, _mm256_castsi256_pd(none))};
}

INLINE bool any_nan(F64 v) {
    return _mm256_movemask_pd(_mm256_cmp_pd(v.r, v.r, _CMP_UNORD_Q)) != 0;
}
INLINE F32 lookup(const Table<float> &table, F32 z) {
    return {_mm256_permutevar8x32_ps(table.r, _mm256_castps_si256(z.r))};
}
INLINE F64 lookup(const Table<double> &table, F64 z) {
    const __m256i bits = _mm256_castpd_si256(z.r);
    const __m256i twice = _mm256_shuffle_epi32(_mm256_slli_epi64(bits, 1), 0xA0);
    const __m256i words = _mm256_or_si256(twice, _mm256_set1_epi64x(1LL << 32)); // 2k and 2k + 1
    const __m256d low = _mm256_castps_pd(_mm256_permutevar8x32_ps(table.low, words));
    const __m256d high = _mm256_castps_pd(_mm256_permutevar8x32_ps(table.high, words));
    return {_mm256_blendv_pd(low, high, _mm256_castsi256_pd(_mm256_slli_epi64(bits, 61)))};
}
INLINE F32 add_to_exponent(F32 t, F32 z) {
    const __m256i shifted = _mm256_slli_epi32(_mm256_castps_si256(z.r), 20);
    return {_mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(t.r), shifted))};
}
INLINE F64 add_to_exponent(F64 t, F64 z) {
    const __m256i shifted = _mm256_slli_epi64(_mm256_castpd_si256(z.r), 49);
    return {_mm256_castsi256_pd(_mm256_add_epi64(_mm256_castpd_si256(t.r), shifted))};
}

INLINE F32 lowered(F32 y) {
    const __m256 limit = _mm256_set1_ps(subnormal_limit<float>);
    const __m256i tiny = _mm256_sub_epi32(_mm256_castps_si256(_mm256_add_ps(y.r, limit)),
                                          _mm256_castps_si256(limit));
    const __m256i normal =
        _mm256_sub_epi32(_mm256_castps_si256(y.r), _mm256_set1_epi32(lift_bits<float> << 23));
    return {_mm256_blendv_ps(_mm256_castsi256_ps(normal), _mm256_castsi256_ps(tiny),
                             _mm256_cmp_ps(y.r, limit, _CMP_LT_OQ))};
}
INLINE F64 lowered(F64 y) {
    const __m256d limit = _mm256_set1_pd(subnormal_limit<double>);
    const __m256i tiny = _mm256_sub_epi64(_mm256_castpd_si256(_mm256_add_pd(y.r, limit)),
                                          _mm256_castpd_si256(limit));
    const __m256i normal = _mm256_sub_epi64(
        _mm256_castpd_si256(y.r), _mm256_set1_epi64x(std::int64_t{lift_bits<double>} << 52));
    return {_mm256_blendv_pd(_mm256_castsi256_pd(normal), _mm256_castsi256_pd(tiny),
                             _mm256_cmp_pd(y.r, limit, _CMP_LT_OQ))};
}

// Two rows' 16 bytes in each vector.
INLINE F32 load_group(const char *p, std::ptrdiff_t stride) {
    const __m128 low = _mm_loadu_ps(reinterpret_cast<const float *>(p));
    return {_mm256_insertf128_ps(_mm256_castps128_ps256(low),
                                 _mm_loadu_ps(reinterpret_cast<const float *>(p + stride)), 1)};
}
INLINE void store_group(char *p, std::ptrdiff_t stride, F32 v) {
    _mm_storeu_ps(reinterpret_cast<float *>(p), _mm256_castps256_ps128(v.r));
    _mm_storeu_ps(reinterpret_cast<float *>(p + stride), _mm256_extractf128_ps(v.r, 1));
}
INLINE F32 unpack_low(F32 a, F32 b) { return {_mm256_unpacklo_ps(a.r, b.r)}; }
INLINE F32 unpack_high(F32 a, F32 b) { return {_mm256_unpackhi_ps(a.r, b.r)}; }
INLINE F64 unpack_low(F64 a, F64 b) { return {_mm256_unpacklo_pd(a.r, b.r)}; }
INLINE F64 unpack_high(F64 a, F64 b) { return {_mm256_unpackhi_pd(a.r, b.r)}; }
INLINE F64 as_doubles(F32 v) { return {_mm256_castps_pd(v.r)}; }
INLINE F32 as_floats(F64 v) { return {_mm256_castpd_ps(v.r)}; }
// Of the element k of n packed rows: its row k / n, and all ones where its column is 1, or 2.
template <int n> struct PackedPlaces {
    alignas(32) int row[n][8] = {}, column[3][n][8] = {};
    constexpr PackedPlaces() {
        for (int k = 0; k < 8 * n; ++k) {
            row[k / 8][k % 8] = k / n;
            column[k % n][k / 8][k % 8] = -1;
        }
    }
};
// Of the column c: its elements' places, and all ones where they are in the second, or third
// vector.
template <int n> struct ColumnPlaces {
    alignas(32) int place[n][8] = {}, part[3][n][8] = {};
    constexpr ColumnPlaces() {
        for (int c = 0; c < n; ++c)
            for (int r = 0; r < 8; ++r) {
                place[c][r] = (n * r + c) % 8;
                part[(n * r + c) / 8][c][r] = -1;
            }
    }
};
INLINE __m256i load_ints(const int *p) {
    return _mm256_load_si256(reinterpret_cast<const __m256i *>(p));
}
INLINE __m256 blend(__m256 v, __m256 w, const int *where) {
    return _mm256_blendv_ps(v, w, _mm256_castsi256_ps(load_ints(where)));
}
template <int n> INLINE void load_packed(const float *x, F32 (&v)[n]) {
    static constexpr ColumnPlaces<n> places;
#pragma GCC unroll 3
    for (int c = 0; c < n; ++c) {
        const __m256i at = load_ints(places.place[c]);
        __m256 w = _mm256_permutevar8x32_ps(_mm256_loadu_ps(x), at);
#pragma GCC unroll 3
        for (int i = 1; i < n; ++i)
            w = blend(w, _mm256_permutevar8x32_ps(_mm256_loadu_ps(x + 8 * i), at),
                      places.part[i][c]);
        v[c].r = w;
    }
}
template <int n> INLINE void store_packed(float *y, const F32 (&v)[n]) {
    static constexpr PackedPlaces<n> places;
#pragma GCC unroll 3
    for (int i = 0; i < n; ++i) {
        const __m256i at = load_ints(places.row[i]);
        __m256 w = _mm256_permutevar8x32_ps(v[0].r, at);
#pragma GCC unroll 3
        for (int c = 1; c < n; ++c)
            w = blend(w, _mm256_permutevar8x32_ps(v[c].r, at), places.column[c][i]);
        _mm256_storeu_ps(y + 8 * i, w);
    }
}
template <int n> INLINE void load_packed(const double *x, F64 (&v)[n]) {
    static_assert(n == 1);
    v[0] = native_load(x);
}
template <int n> INLINE void store_packed(double *y, const F64 (&v)[n]) { native_store(y, v[0]); }

INLINE Vec<double, 8> widen(F32 v) {
    return {{_mm256_cvtps_pd(_mm256_castps256_ps128(v.r))},
            {_mm256_cvtps_pd(_mm256_extractf128_ps(v.r, 1))}};
}
INLINE F32 narrow(Vec<double, 8> v) {
    const __m256 low = _mm256_castps128_ps256(_mm256_cvtpd_ps(v.low.r));
    return {_mm256_insertf128_ps(low, _mm256_cvtpd_ps(v.high.r), 1)};
}
INLINE float reduce_max(F32 v) {
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(v.r), _mm256_extractf128_ps(v.r, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}
INLINE double reduce_max(F64 v) {
    const __m128d m = _mm_max_pd(_mm256_castpd256_pd128(v.r), _mm256_extractf128_pd(v.r, 1));
    return _mm_cvtsd_f64(_mm_max_sd(m, _mm_unpackhi_pd(m, m)));
}
INLINE double reduce_add(F64 v) {
    const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(v.r), _mm256_extractf128_pd(v.r, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

INLINE float reduce_second(F32 v, F32 w, float m) {
    const __m256 is_max = _mm256_cmp_ps(v.r, _mm256_set1_ps(m), _CMP_EQ_OQ);
    const int mask = _mm256_movemask_ps(is_max);
    const float rest = reduce_max(F32{_mm256_blendv_ps(v.r, w.r, is_max)});
    return (mask & (mask - 1)) != 0 ? m : rest;
}
INLINE double reduce_second(F64 v, F64 w, double m) {
    const __m256d is_max = _mm256_cmp_pd(v.r, _mm256_set1_pd(m), _CMP_EQ_OQ);
    const int mask = _mm256_movemask_pd(is_max);
    const double rest = reduce_max(F64{_mm256_blendv_pd(v.r, w.r, is_max)});
    return (mask & (mask - 1)) != 0 ? m : rest;
}
} // namespace
} // namespace softlane::SOFTLANE_ISA

#include "simd/columns.hpp"
