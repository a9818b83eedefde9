// ARMv8-A NEON: 4 floats, 2 doubles in a register, FMA. The contract of every function is in
// simd/vec.hpp.
#pragma once
#include <arm_neon.h>

#include "simd/lanes.hpp"

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
    float32x4_t r;
};
template <> struct Vec<double, 2> {
    using Scalar = double;
    static constexpr int lanes = 2;
    float64x2_t r;
};
using F32 = Vec<float, 4>;
using F64 = Vec<double, 2>;

// The eight entries as bytes, for the byte permutes.
template <> struct Table<float> {
    uint8x16x2_t r;
    INLINE explicit Table(const void *entries)
        : r{{vld1q_u8(static_cast<const std::uint8_t *>(entries)),
             vld1q_u8(static_cast<const std::uint8_t *>(entries) + 16)}} {}
};
template <> struct Table<double> {
    uint8x16x4_t r;
    INLINE explicit Table(const void *entries)
        : r{{vld1q_u8(static_cast<const std::uint8_t *>(entries)),
             vld1q_u8(static_cast<const std::uint8_t *>(entries) + 16),
             vld1q_u8(static_cast<const std::uint8_t *>(entries) + 32),
             vld1q_u8(static_cast<const std::uint8_t *>(entries) + 48)}} {}
};

INLINE F32 native_broadcast(float s) { return {vdupq_n_f32(s)}; }
INLINE F64 native_broadcast(double s) { return {vdupq_n_f64(s)}; }

INLINE float32x4_t float_of_bits(uint16x4_t b, half) {
    return vcvt_f32_f16(vreinterpret_f16_u16(b));
}
INLINE float32x4_t float_of_bits(uint16x4_t b, bfloat16) {
    return vreinterpretq_f32_u32(vshll_n_u16(b, 16));
}
INLINE uint16x4_t bits_of_float(float32x4_t v, half) {
    return vreinterpret_u16_f16(vcvt_f16_f32(v));
}
INLINE uint16x4_t bits_of_float(float32x4_t v, bfloat16) {
    const uint32x4_t u = vreinterpretq_u32_f32(v);
    const uint32x4_t odd = vandq_u32(vshrq_n_u32(u, 16), vdupq_n_u32(1));
    return vshrn_n_u32(vaddq_u32(vaddq_u32(u, vdupq_n_u32(0x7fff)), odd), 16);
}

// Through bytes: elements may lie at any address. memcpy of a constant size is one load or store.
INLINE F32 native_load(const float *p) {
    return {vreinterpretq_f32_u8(vld1q_u8(reinterpret_cast<const std::uint8_t *>(p)))};
}
INLINE F64 native_load(const double *p) {
    return {vreinterpretq_f64_u8(vld1q_u8(reinterpret_cast<const std::uint8_t *>(p)))};
}
INLINE F64 native_load_doubles(const float *p) {
    const uint8x8_t bytes = vld1_u8(reinterpret_cast<const std::uint8_t *>(p));
    return {vcvt_f64_f32(vreinterpret_f32_u8(bytes))};
}
template <class E> INLINE F32 native_load(const E *p) {
    const uint8x8_t bytes = vld1_u8(reinterpret_cast<const std::uint8_t *>(p));
    return {float_of_bits(vreinterpret_u16_u8(bytes), E{})};
}

INLINE F32 native_load_part(const float *p, std::size_t n, float fill) {
    float lane[4] = {fill, fill, fill, fill};
    __builtin_memcpy(lane, p, n * sizeof *p);
    return {vld1q_f32(lane)};
}
INLINE F64 native_load_part(const double *p, std::size_t n, double fill) {
    double lane[2] = {fill, fill};
    __builtin_memcpy(lane, p, n * sizeof *p);
    return {vld1q_f64(lane)};
}
template <class E> INLINE F32 native_load_part(const E *p, std::size_t n, float fill) {
    std::uint16_t bits[4] = {};
    __builtin_memcpy(bits, p, n * sizeof *p);
    float lane[4];
    vst1q_f32(lane, float_of_bits(vld1_u16(bits), E{}));
    for (std::size_t i = n; i < 4; ++i)
        lane[i] = fill;
    return {vld1q_f32(lane)};
}

INLINE void native_store(float *p, F32 v) {
    vst1q_u8(reinterpret_cast<std::uint8_t *>(p), vreinterpretq_u8_f32(v.r));
}
INLINE void native_store(double *p, F64 v) {
    vst1q_u8(reinterpret_cast<std::uint8_t *>(p), vreinterpretq_u8_f64(v.r));
}
template <class E> INLINE void native_store(E *p, F32 v) {
    vst1_u8(reinterpret_cast<std::uint8_t *>(p), vreinterpret_u8_u16(bits_of_float(v.r, E{})));
}

template <class E, class T, int N> INLINE void native_store_part(E *p, Vec<T, N> v, std::size_t n) {
    E element[N];
    native_store(element, v);
    __builtin_memcpy(p, element, n * sizeof *p);
}

// Such stores past the caches are used by levels that write one row along with another alone.
template <class V> INLINE void native_stream(typename V::Scalar *p, V v) { native_store(p, v); }
INLINE void stream_fence() {}

INLINE F32 add(F32 a, F32 b) { return {vaddq_f32(a.r, b.r)}; }
INLINE F64 add(F64 a, F64 b) { return {vaddq_f64(a.r, b.r)}; }
INLINE F32 sub(F32 a, F32 b) { return {vsubq_f32(a.r, b.r)}; }
INLINE F64 sub(F64 a, F64 b) { return {vsubq_f64(a.r, b.r)}; }
INLINE F32 mul(F32 a, F32 b) { return {vmulq_f32(a.r, b.r)}; }
INLINE F64 mul(F64 a, F64 b) { return {vmulq_f64(a.r, b.r)}; }
INLINE F32 div(F32 a, F32 b) { return {vdivq_f32(a.r, b.r)}; }
INLINE F64 div(F64 a, F64 b) { return {vdivq_f64(a.r, b.r)}; }
// fmax has other rules for NaN and zeros than the contract.
INLINE F32 max(F32 a, F32 b) { return {vbslq_f32(vcgtq_f32(a.r, b.r), a.r, b.r)}; }
INLINE F64 max(F64 a, F64 b) { return {vbslq_f64(vcgtq_f64(a.r, b.r), a.r, b.r)}; }
INLINE F32 min(F32 a, F32 b) { return {vbslq_f32(vcltq_f32(a.r, b.r), a.r, b.r)}; }
INLINE F64 min(F64 a, F64 b) { return {vbslq_f64(vcltq_f64(a.r, b.r), a.r, b.r)}; }
INLINE F32 mul_add(F32 a, F32 b, F32 c) { return {vfmaq_f32(c.r, a.r, b.r)}; }
INLINE F64 mul_add(F64 a, F64 b, F64 c) { return {vfmaq_f64(c.r, a.r, b.r)}; }
INLINE F32 sub_product(F32 x, F32 n, F32 hi, F32 lo) {
    return {vfmsq_f32(vfmsq_f32(x.r, n.r, hi.r), n.r, lo.r)};
}
INLINE F64 sub_product(F64 x, F64 n, F64 hi, F64 lo) {
    return {vfmsq_f64(vfmsq_f64(x.r, n.r, hi.r), n.r, lo.r)};
}
INLINE F32 scaled(F32 e, F32 hi, F32 lo) { return {vfmaq_f32(vmulq_f32(e.r, lo.r), e.r, hi.r)}; }
INLINE F64 scaled(F64 e, F64 hi, F64 lo) { return {vfmaq_f64(vmulq_f64(e.r, lo.r), e.r, hi.r)}; }

INLINE F32 product_rest(F32 a, F32 b) {
    return {vfmaq_f32(vnegq_f32(vmulq_f32(a.r, b.r)), a.r, b.r)};
}
INLINE F64 product_rest(F64 a, F64 b) {
    return {vfmaq_f64(vnegq_f64(vmulq_f64(a.r, b.r)), a.r, b.r)};
}
INLINE F32 zero_where_at_most(F32 v, F32 a, F32 b) {
    const uint32x4_t bits = vreinterpretq_u32_f32(v.r);
    return {vreinterpretq_f32_u32(vbicq_u32(bits, vcleq_f32(a.r, b.r)))};
}
INLINE F64 zero_where_at_most(F64 v, F64 a, F64 b) {
    const uint64x2_t bits = vreinterpretq_u64_f64(v.r);
    return {vreinterpretq_f64_u64(vbicq_u64(bits, vcleq_f64(a.r, b.r)))};
}
INLINE F32 choose(F32 a, F32 b, F32 v, F32 w) { return {vbslq_f32(vcleq_f32(a.r, b.r), v.r, w.r)}; }
INLINE F64 choose(F64 a, F64 b, F64 v, F64 w) { return {vbslq_f64(vcleq_f64(a.r, b.r), v.r, w.r)}; }
INLINE F32 kept(const unsigned char *where, F32 v, F32 w) {
    std::uint32_t four;
    __builtin_memcpy(&four, where, sizeof four);
    const uint16x8_t words = vmovl_u8(vcreate_u8(four));
    const uint32x4_t lanes = vmovl_u16(vget_low_u16(words));
    return {vbslq_f32(vtstq_u32(lanes, lanes), v.r, w.r)};
}
INLINE F64 kept(const unsigned char *where, F64 v, F64 w) {
    const uint64x2_t lanes = vcombine_u64(vcreate_u64(where[0]), vcreate_u64(where[1]));
    return {vbslq_f64(vtstq_u64(lanes, lanes), v.r, w.r)};
}

INLINE bool any_nan(F64 v) { return vaddvq_u64(vshrq_n_u64(vceqq_f64(v.r, v.r), 63)) != 2; }
INLINE F32 lookup(const Table<float> &table, F32 z) {
    const uint32x4_t k = vandq_u32(vreinterpretq_u32_f32(z.r), vdupq_n_u32(7));
    const uint32x4_t bytes = vmlaq_n_u32(vdupq_n_u32(0x03020100), k, 0x04040404);
    return {vreinterpretq_f32_u8(vqtbl2q_u8(table.r, vreinterpretq_u8_u32(bytes)))};
}
INLINE F64 lookup(const Table<double> &table, F64 z) {
    const uint32x4_t words = vreinterpretq_u32_f64(z.r);
    const uint32x4_t k = vandq_u32(vtrn1q_u32(words, words), vdupq_n_u32(7));
    const uint32x4_t base = vreinterpretq_u32_u64(vdupq_n_u64(0x0706050403020100));
    const uint32x4_t bytes = vmlaq_n_u32(base, k, 0x08080808);
    return {vreinterpretq_f64_u8(vqtbl4q_u8(table.r, vreinterpretq_u8_u32(bytes)))};
}
INLINE F32 add_to_exponent(F32 t, F32 z) {
    const uint32x4_t shifted = vshlq_n_u32(vreinterpretq_u32_f32(z.r), 20);
    return {vreinterpretq_f32_u32(vaddq_u32(vreinterpretq_u32_f32(t.r), shifted))};
}
INLINE F64 add_to_exponent(F64 t, F64 z) {
    const uint64x2_t shifted = vshlq_n_u64(vreinterpretq_u64_f64(z.r), 49);
    return {vreinterpretq_f64_u64(vaddq_u64(vreinterpretq_u64_f64(t.r), shifted))};
}

// Subnormal numbers are no slower here, and the FP mode keeps them.
INLINE F32 lowered(F32 y) { return {vmulq_n_f32(y.r, 0x1p-100f)}; }
INLINE F64 lowered(F64 y) { return {vmulq_n_f64(y.r, 0x1p-200)}; }

INLINE void transpose(const float32x4_t (&v)[4], float32x4_t (&w)[4]) {
    const float32x4_t a = vtrn1q_f32(v[0], v[1]), b = vtrn2q_f32(v[0], v[1]);
    const float32x4_t c = vtrn1q_f32(v[2], v[3]), d = vtrn2q_f32(v[2], v[3]);
    const auto lower = [](float32x4_t s, float32x4_t t) INLINE_LAMBDA {
        return vreinterpretq_f32_f64(
            vtrn1q_f64(vreinterpretq_f64_f32(s), vreinterpretq_f64_f32(t)));
    };
    const auto upper = [](float32x4_t s, float32x4_t t) INLINE_LAMBDA {
        return vreinterpretq_f32_f64(
            vtrn2q_f64(vreinterpretq_f64_f32(s), vreinterpretq_f64_f32(t)));
    };
    w[0] = lower(a, c);
    w[1] = lower(b, d);
    w[2] = upper(a, c);
    w[3] = upper(b, d);
}
INLINE void load_columns(const float *x, std::ptrdiff_t stride, F32 (&v)[4]) {
    float32x4_t rows[4], columns[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i)
        rows[i] = vld1q_f32(
            reinterpret_cast<const float *>(reinterpret_cast<const char *>(x) + i * stride));
    transpose(rows, columns);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i)
        v[i].r = columns[i];
}
INLINE void store_columns(float *y, std::ptrdiff_t stride, const F32 (&v)[4]) {
    const float32x4_t columns[4] = {v[0].r, v[1].r, v[2].r, v[3].r};
    float32x4_t rows[4];
    transpose(columns, rows);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i)
        vst1q_f32(reinterpret_cast<float *>(reinterpret_cast<char *>(y) + i * stride), rows[i]);
}
INLINE void load_columns(const double *x, std::ptrdiff_t stride, F64 (&v)[2]) {
    const float64x2_t a = vld1q_f64(x);
    const float64x2_t b =
        vld1q_f64(reinterpret_cast<const double *>(reinterpret_cast<const char *>(x) + stride));
    v[0].r = vtrn1q_f64(a, b);
    v[1].r = vtrn2q_f64(a, b);
}
INLINE void store_columns(double *y, std::ptrdiff_t stride, const F64 (&v)[2]) {
    vst1q_f64(y, vtrn1q_f64(v[0].r, v[1].r));
    vst1q_f64(reinterpret_cast<double *>(reinterpret_cast<char *>(y) + stride),
              vtrn2q_f64(v[0].r, v[1].r));
}
template <int n> INLINE void load_packed(const float *x, F32 (&v)[n]) {
    if constexpr (n == 1) {
        v[0].r = vld1q_f32(x);
    } else if constexpr (n == 2) {
        const float32x4x2_t w = vld2q_f32(x);
        v[0].r = w.val[0];
        v[1].r = w.val[1];
    } else {
        const float32x4x3_t w = vld3q_f32(x);
#pragma GCC unroll 3
        for (int c = 0; c < 3; ++c)
            v[c].r = w.val[c];
    }
}
template <int n> INLINE void store_packed(float *y, const F32 (&v)[n]) {
    if constexpr (n == 1)
        vst1q_f32(y, v[0].r);
    else if constexpr (n == 2) { // Clang has macros, whose arguments end at commas
        const float32x4x2_t both = {{v[0].r, v[1].r}};
        vst2q_f32(y, both);
    } else {
        const float32x4x3_t all = {{v[0].r, v[1].r, v[2].r}};
        vst3q_f32(y, all);
    }
}
template <int n> INLINE void load_packed(const double *x, F64 (&v)[n]) {
    static_assert(n == 1);
    v[0].r = vld1q_f64(x);
}
template <int n> INLINE void store_packed(double *y, const F64 (&v)[n]) { vst1q_f64(y, v[0].r); }

INLINE Vec<double, 4> widen(F32 v) {
    return {{vcvt_f64_f32(vget_low_f32(v.r))}, {vcvt_high_f64_f32(v.r)}};
}
INLINE F32 narrow(Vec<double, 4> v) { return {vcvt_high_f32_f64(vcvt_f32_f64(v.low.r), v.high.r)}; }
INLINE float reduce_max(F32 v) { return vmaxvq_f32(v.r); }
INLINE double reduce_max(F64 v) { return vmaxvq_f64(v.r); }
INLINE double reduce_add(F64 v) { return vpaddd_f64(v.r); }

INLINE float reduce_second(F32 v, F32 w, float m) {
    const uint32x4_t is_max = vceqq_f32(v.r, vdupq_n_f32(m));
    const std::uint32_t count = vaddvq_u32(vshrq_n_u32(is_max, 31));
    return count > 1 ? m : vmaxvq_f32(vbslq_f32(is_max, w.r, v.r));
}
INLINE double reduce_second(F64 v, F64 w, double m) {
    const uint64x2_t is_max = vceqq_f64(v.r, vdupq_n_f64(m));
    const std::uint64_t count = vaddvq_u64(vshrq_n_u64(is_max, 63));
    return count > 1 ? m : vmaxvq_f64(vbslq_f64(is_max, w.r, v.r));
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
