// AVX-512 (f, bw, dq, vl): 16 floats, 8 doubles in a register. The contract of every function is in
// simd/vec.hpp.
#pragma once
#include <immintrin.h>

#include "simd/lanes.hpp"

// 16-bit rows may be converted in the row's loop (rows/words.hpp). With the 16 registers of AVX2,
// rows of 512 elements are 3 to 10 % slower than in tiles, and the wheel is 9 kB larger.
#define SOFTLANE_HAS_WORDS

namespace softlane::SOFTLANE_ISA {
namespace {

template <> constexpr int native_lanes<float> = 16;
constexpr int exp_unroll = 4; // vectors of 16 (8) lanes that the exponential works on at a time
constexpr int row_unroll = 2; // the same in the loop over a row,
constexpr bool row_pipeline = true;     // which has registers for a pipeline
constexpr bool masks_any_count = false; // as simd/vec.hpp has it
template <> constexpr int native_lanes<double> = 8;
template <> struct Vec<float, 16> {
    using Scalar = float;
    static constexpr int lanes = 16;
    __m512 r;
};
template <> struct Vec<double, 8> {
    using Scalar = double;
    static constexpr int lanes = 8;
    __m512d r;
};
using F32 = Vec<float, 16>;
using F64 = Vec<double, 8>;

template <> struct Table<float> {
    __m512 r; // the eight entries twice
    INLINE explicit Table(const void *entries)
        : r(_mm512_broadcast_f32x8(_mm256_loadu_ps(static_cast<const float *>(entries)))) {}
};
template <> struct Table<double> {
    __m512d r;
    INLINE explicit Table(const void *entries) : r(_mm512_loadu_pd(entries)) {}
};

INLINE F32 native_broadcast(float s) { return {_mm512_set1_ps(s)}; }
INLINE F64 native_broadcast(double s) { return {_mm512_set1_pd(s)}; }

INLINE __mmask16 first(std::size_t n) { return static_cast<__mmask16>((1u << n) - 1); }
INLINE __m256i bf16_of(F32 v) {
    const __m512i u = _mm512_castps_si512(v.r);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
    const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(u, _mm512_set1_epi32(0x7fff)), odd);
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16));
}
INLINE __m512 float_of_bf16(__m256i b) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(b), 16));
}
INLINE __m256i f16_of(F32 v) { return _mm512_cvtps_ph(v.r, _MM_FROUND_TO_NEAREST_INT); }

INLINE F32 native_load(const float *p) { return {_mm512_loadu_ps(p)}; }
INLINE F64 native_load(const double *p) { return {_mm512_loadu_pd(p)}; }
INLINE F64 native_load_doubles(const float *p) { return {_mm512_cvtps_pd(_mm256_loadu_ps(p))}; }
INLINE F32 native_load(const half *p) {
    return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(p)))};
}
INLINE F32 native_load(const bfloat16 *p) {
    return {float_of_bf16(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(p)))};
}

INLINE F32 native_load_part(const float *p, std::size_t n, float fill) {
    return {_mm512_mask_loadu_ps(_mm512_set1_ps(fill), first(n), p)};
}
INLINE F64 native_load_part(const double *p, std::size_t n, double fill) {
    return {_mm512_mask_loadu_pd(_mm512_set1_pd(fill), static_cast<__mmask8>(first(n)), p)};
}
INLINE F32 native_load_part(const half *p, std::size_t n, float fill) {
    const __m512 v = _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first(n), p));
    return {_mm512_mask_blend_ps(first(n), _mm512_set1_ps(fill), v)};
}
INLINE F32 native_load_part(const bfloat16 *p, std::size_t n, float fill) {
    const __m512 v = float_of_bf16(_mm256_maskz_loadu_epi16(first(n), p));
    return {_mm512_mask_blend_ps(first(n), _mm512_set1_ps(fill), v)};
}

INLINE void native_store(float *p, F32 v) { _mm512_storeu_ps(p, v.r); }
INLINE void native_store(double *p, F64 v) { _mm512_storeu_pd(p, v.r); }
INLINE void native_store(half *p, F32 v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(p), f16_of(v));
}
INLINE void native_store(bfloat16 *p, F32 v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(p), bf16_of(v));
}

INLINE void native_stream(float *p, F32 v) { _mm512_stream_ps(p, v.r); }
INLINE void native_stream(double *p, F64 v) { _mm512_stream_pd(p, v.r); }
INLINE void stream_fence() { _mm_sfence(); }

INLINE void native_store_part(float *p, F32 v, std::size_t n) {
    _mm512_mask_storeu_ps(p, first(n), v.r);
}
INLINE void native_store_part(double *p, F64 v, std::size_t n) {
    _mm512_mask_storeu_pd(p, static_cast<__mmask8>(first(n)), v.r);
}
INLINE void native_store_part(half *p, F32 v, std::size_t n) {
    _mm256_mask_storeu_epi16(p, first(n), f16_of(v));
}
INLINE void native_store_part(bfloat16 *p, F32 v, std::size_t n) {
    _mm256_mask_storeu_epi16(p, first(n), bf16_of(v));
}

INLINE F32 add(F32 a, F32 b) { return {_mm512_add_ps(a.r, b.r)}; }
INLINE F64 add(F64 a, F64 b) { return {_mm512_add_pd(a.r, b.r)}; }
INLINE F32 sub(F32 a, F32 b) { return {_mm512_sub_ps(a.r, b.r)}; }
INLINE F64 sub(F64 a, F64 b) { return {_mm512_sub_pd(a.r, b.r)}; }
INLINE F32 mul(F32 a, F32 b) { return {_mm512_mul_ps(a.r, b.r)}; }
INLINE F64 mul(F64 a, F64 b) { return {_mm512_mul_pd(a.r, b.r)}; }
INLINE F32 div(F32 a, F32 b) { return {_mm512_div_ps(a.r, b.r)}; }
INLINE F64 div(F64 a, F64 b) { return {_mm512_div_pd(a.r, b.r)}; }
INLINE F32 max(F32 a, F32 b) { return {_mm512_max_ps(a.r, b.r)}; }
INLINE F64 max(F64 a, F64 b) { return {_mm512_max_pd(a.r, b.r)}; }
INLINE F32 min(F32 a, F32 b) { return {_mm512_min_ps(a.r, b.r)}; }
INLINE F64 min(F64 a, F64 b) { return {_mm512_min_pd(a.r, b.r)}; }
INLINE F32 mul_add(F32 a, F32 b, F32 c) { return {_mm512_fmadd_ps(a.r, b.r, c.r)}; }
INLINE F64 mul_add(F64 a, F64 b, F64 c) { return {_mm512_fmadd_pd(a.r, b.r, c.r)}; }
INLINE F32 sub_product(F32 x, F32 n, F32 hi, F32 lo) {
    return {_mm512_fnmadd_ps(n.r, lo.r, _mm512_fnmadd_ps(n.r, hi.r, x.r))};
}
INLINE F64 sub_product(F64 x, F64 n, F64 hi, F64 lo) {
    return {_mm512_fnmadd_pd(n.r, lo.r, _mm512_fnmadd_pd(n.r, hi.r, x.r))};
}
INLINE F32 scaled(F32 e, F32 hi, F32 lo) {
    return {_mm512_fmadd_ps(e.r, hi.r, _mm512_mul_ps(e.r, lo.r))};
}
INLINE F64 scaled(F64 e, F64 hi, F64 lo) {
    return {_mm512_fmadd_pd(e.r, hi.r, _mm512_mul_pd(e.r, lo.r))};
}

INLINE F32 product_rest(F32 a, F32 b) {
    return {_mm512_fmsub_ps(a.r, b.r, _mm512_mul_ps(a.r, b.r))};
}
INLINE F64 product_rest(F64 a, F64 b) {
    return {_mm512_fmsub_pd(a.r, b.r, _mm512_mul_pd(a.r, b.r))};
}
INLINE F32 zero_where_at_most(F32 v, F32 a, F32 b) {
    return {_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a.r, b.r, _CMP_NLE_UQ), v.r)};
}
INLINE F64 zero_where_at_most(F64 v, F64 a, F64 b) {
    return {_mm512_maskz_mov_pd(_mm512_cmp_pd_mask(a.r, b.r, _CMP_NLE_UQ), v.r)};
}

INLINE F32 choose(F32 a, F32 b, F32 v, F32 w) {
    return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.r, b.r, _CMP_LE_OQ), w.r, v.r)};
}
INLINE F64 choose(F64 a, F64 b, F64 v, F64 w) {
    return {_mm512_mask_blend_pd(_mm512_cmp_pd_mask(a.r, b.r, _CMP_LE_OQ), w.r, v.r)};
}

INLINE F32 kept(const unsigned char *where, F32 v, F32 w) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i *>(where));
    return {_mm512_mask_blend_ps(_mm_test_epi8_mask(bytes, bytes), w.r, v.r)};
}
INLINE F64 kept(const unsigned char *where, F64 v, F64 w) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i *>(where));
    const auto lanes = static_cast<__mmask8>(_mm_test_epi8_mask(bytes, bytes));
    return {_mm512_mask_blend_pd(lanes, w.r, v.r)};
}

INLINE bool any_nan(F64 v) { return _mm512_cmp_pd_mask(v.r, v.r, _CMP_UNORD_Q) != 0; }
INLINE F32 lookup(const Table<float> &table, F32 z) {
    return {_mm512_permutexvar_ps(_mm512_castps_si512(z.r), table.r)};
}
INLINE F64 lookup(const Table<double> &table, F64 z) {
    return {_mm512_permutexvar_pd(_mm512_castpd_si512(z.r), table.r)};
}
INLINE F32 add_to_exponent(F32 t, F32 z) {
    const __m512i shifted = _mm512_slli_epi32(_mm512_castps_si512(z.r), 20);
    return {_mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(t.r), shifted))};
}
INLINE F64 add_to_exponent(F64 t, F64 z) {
    const __m512i shifted = _mm512_slli_epi64(_mm512_castpd_si512(z.r), 49);
    return {_mm512_castsi512_pd(_mm512_add_epi64(_mm512_castpd_si512(t.r), shifted))};
}

INLINE F32 lowered(F32 y) {
    const __m512 limit = _mm512_set1_ps(subnormal_limit<float>);
    const __m512i tiny = _mm512_sub_epi32(_mm512_castps_si512(_mm512_add_ps(y.r, limit)),
                                          _mm512_castps_si512(limit));
    const __m512i normal =
        _mm512_sub_epi32(_mm512_castps_si512(y.r), _mm512_set1_epi32(lift_bits<float> << 23));
    const __mmask16 is_tiny = _mm512_cmp_ps_mask(y.r, limit, _CMP_LT_OQ);
    return {_mm512_castsi512_ps(_mm512_mask_blend_epi32(is_tiny, normal, tiny))};
}
INLINE F64 lowered(F64 y) {
    const __m512d limit = _mm512_set1_pd(subnormal_limit<double>);
    const __m512i tiny = _mm512_sub_epi64(_mm512_castpd_si512(_mm512_add_pd(y.r, limit)),
                                          _mm512_castpd_si512(limit));
    const __m512i normal = _mm512_sub_epi64(
        _mm512_castpd_si512(y.r), _mm512_set1_epi64(std::int64_t{lift_bits<double>} << 52));
    const __mmask8 is_tiny = _mm512_cmp_pd_mask(y.r, limit, _CMP_LT_OQ);
    return {_mm512_castsi512_pd(_mm512_mask_blend_epi64(is_tiny, normal, tiny))};
}

// Four rows' 16 bytes in each vector, in lanes of 16 bytes: 0, 4, 8, 12; then 1, 5, 9, 13 ...
INLINE F32 load_group(const char *p, std::ptrdiff_t stride) {
    const auto at = [=](int i)
                        INLINE_LAMBDA { return reinterpret_cast<const float *>(p + i * stride); };
    __m512 v = _mm512_castps128_ps512(_mm_loadu_ps(at(0)));
    v = _mm512_mask_broadcast_f32x4(v, 0x00f0, _mm_loadu_ps(at(1)));
    v = _mm512_mask_broadcast_f32x4(v, 0x0f00, _mm_loadu_ps(at(2)));
    return {_mm512_mask_broadcast_f32x4(v, 0xf000, _mm_loadu_ps(at(3)))};
}
INLINE void store_group(char *p, std::ptrdiff_t stride, F32 v) {
    const auto at = [=](int i) INLINE_LAMBDA { return reinterpret_cast<float *>(p + i * stride); };
    _mm_storeu_ps(at(0), _mm512_castps512_ps128(v.r));
    _mm_storeu_ps(at(1), _mm512_extractf32x4_ps(v.r, 1));
    _mm_storeu_ps(at(2), _mm512_extractf32x4_ps(v.r, 2));
    _mm_storeu_ps(at(3), _mm512_extractf32x4_ps(v.r, 3));
}
INLINE F32 unpack_low(F32 a, F32 b) { return {_mm512_unpacklo_ps(a.r, b.r)}; }
INLINE F32 unpack_high(F32 a, F32 b) { return {_mm512_unpackhi_ps(a.r, b.r)}; }
INLINE F64 unpack_low(F64 a, F64 b) { return {_mm512_unpacklo_pd(a.r, b.r)}; }
INLINE F64 unpack_high(F64 a, F64 b) { return {_mm512_unpackhi_pd(a.r, b.r)}; }
INLINE F64 as_doubles(F32 v) { return {_mm512_castps_pd(v.r)}; }
INLINE F32 as_floats(F64 v) { return {_mm512_castpd_ps(v.r)}; }
// Rows of n elements without a gap: lane r of column c is element n r + c of n vectors.
template <int n> INLINE void load_packed(const float *x, F32 (&v)[n]) {
    if constexpr (n == 1) {
        v[0] = native_load(x);
    } else {
#pragma GCC unroll 3
        for (int c = 0; c < n; ++c) {
            const __m512i at =
                _mm512_add_epi32(_mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
                                                                      10, 11, 12, 13, 14, 15),
                                                    _mm512_set1_epi32(n)),
                                 _mm512_set1_epi32(c));
            __m512 w = _mm512_permutex2var_ps(_mm512_loadu_ps(x), at, _mm512_loadu_ps(x + 16));
            if constexpr (n == 3)
                w = _mm512_mask_permutexvar_ps(w,
                                               _mm512_cmpgt_epi32_mask(at, _mm512_set1_epi32(31)),
                                               at, _mm512_loadu_ps(x + 32));
            v[c].r = w;
        }
    }
}
template <int n> INLINE void store_packed(float *y, const F32 (&v)[n]) {
    if constexpr (n == 1) {
        native_store(y, v[0]);
    } else {
#pragma GCC unroll 3
        for (int i = 0; i < n; ++i) { // 16 i + lane = n row + column
            alignas(64) static constexpr struct Places {
                int at[3][16] = {}, third[3][16] = {};
                constexpr Places() {
                    for (int k = 0; k < 16 * n; ++k) {
                        at[k / 16][k % 16] = k / n + (k % n == 1 ? 16 : 0);
                        third[k / 16][k % 16] = k / n;
                    }
                }
            } places;
            __m512 w = _mm512_permutex2var_ps(v[0].r, _mm512_load_si512(places.at[i]), v[1].r);
            if constexpr (n == 3) {
                constexpr unsigned first_column_2[] = {0x4924, 0x2492, 0x9249};
                w = _mm512_mask_permutexvar_ps(w, static_cast<__mmask16>(first_column_2[i]),
                                               _mm512_load_si512(places.third[i]), v[2].r);
            }
            _mm512_storeu_ps(y + 16 * i, w);
        }
    }
}

template <int n> INLINE void load_packed(const double *x, F64 (&v)[n]) {
    static_assert(n == 1);
    v[0] = native_load(x);
}
template <int n> INLINE void store_packed(double *y, const F64 (&v)[n]) { native_store(y, v[0]); }

INLINE Vec<double, 16> widen(F32 v) {
    return {{_mm512_cvtps_pd(_mm512_castps512_ps256(v.r))},
            {_mm512_cvtps_pd(_mm512_extractf32x8_ps(v.r, 1))}};
}
INLINE F32 narrow(Vec<double, 16> v) {
    const __m512 low = _mm512_castps256_ps512(_mm512_cvtpd_ps(v.low.r));
    return {_mm512_insertf32x8(low, _mm512_cvtpd_ps(v.high.r), 1)};
}
INLINE float reduce_second(F32 v, F32 w, float m) {
    const __mmask16 is_max = _mm512_cmp_ps_mask(v.r, _mm512_set1_ps(m), _CMP_EQ_OQ);
    const float rest = _mm512_reduce_max_ps(_mm512_mask_mov_ps(v.r, is_max, w.r));
    return (is_max & (is_max - 1)) != 0 ? m : rest;
}
INLINE double reduce_second(F64 v, F64 w, double m) {
    const __mmask8 is_max = _mm512_cmp_pd_mask(v.r, _mm512_set1_pd(m), _CMP_EQ_OQ);
    const double rest = _mm512_reduce_max_pd(_mm512_mask_mov_pd(v.r, is_max, w.r));
    return (is_max & (is_max - 1)) != 0 ? m : rest;
}
INLINE float reduce_max(F32 v) { return _mm512_reduce_max_ps(v.r); }
INLINE double reduce_max(F64 v) { return _mm512_reduce_max_pd(v.r); }
INLINE double reduce_add(F64 v) {
    const __m256d four = _mm256_add_pd(_mm512_castpd512_pd256(v.r), _mm512_extractf64x4_pd(v.r, 1));
    const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

} // namespace
} // namespace softlane::SOFTLANE_ISA

#include "simd/columns.hpp"
