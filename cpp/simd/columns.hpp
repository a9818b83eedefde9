// load_columns() and store_columns() of simd/vec.hpp for registers of several times 16 bytes, made
// of what their level defines: load_group() and store_group(), 16 bytes of rows at a distance of
// `stride` bytes in each vector; unpack_low() and unpack_high(), which interleave within each 16
// bytes. Included by the levels themselves.
#pragma once

namespace softlane::SOFTLANE_ISA {
namespace {

INLINE void transpose_groups(const F32 (&v)[4], F32 (&w)[4]) { // each 16 bytes of them
    const F64 a = as_doubles(unpack_low(v[0], v[1])), b = as_doubles(unpack_high(v[0], v[1]));
    const F64 c = as_doubles(unpack_low(v[2], v[3])), d = as_doubles(unpack_high(v[2], v[3]));
    w[0] = as_floats(unpack_low(a, c));
    w[1] = as_floats(unpack_high(a, c));
    w[2] = as_floats(unpack_low(b, d));
    w[3] = as_floats(unpack_high(b, d));
}
INLINE void load_columns(const float *x, std::ptrdiff_t stride, F32 (&v)[4]) {
    const char *p = reinterpret_cast<const char *>(x);
    const F32 rows[4] = {load_group(p, 4 * stride), load_group(p + stride, 4 * stride),
                         load_group(p + 2 * stride, 4 * stride),
                         load_group(p + 3 * stride, 4 * stride)};
    transpose_groups(rows, v);
}
INLINE void store_columns(float *y, std::ptrdiff_t stride, const F32 (&v)[4]) {
    char *p = reinterpret_cast<char *>(y);
    F32 rows[4];
    transpose_groups(v, rows);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i)
        store_group(p + i * stride, 4 * stride, rows[i]);
}
INLINE void load_columns(const double *x, std::ptrdiff_t stride, F64 (&v)[2]) {
    const char *p = reinterpret_cast<const char *>(x);
    const F64 even = as_doubles(load_group(p, 2 * stride));
    const F64 odd = as_doubles(load_group(p + stride, 2 * stride));
    v[0] = unpack_low(even, odd);
    v[1] = unpack_high(even, odd);
}
INLINE void store_columns(double *y, std::ptrdiff_t stride, const F64 (&v)[2]) {
    char *p = reinterpret_cast<char *>(y);
    store_group(p, 2 * stride, as_floats(unpack_low(v[0], v[1])));
    store_group(p + stride, 2 * stride, as_floats(unpack_high(v[0], v[1])));
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
