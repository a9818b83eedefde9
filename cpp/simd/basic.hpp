// For levels that lack instructions: binary16 and bfloat16 to and from binary32, one element, in
// integer arithmetic; a table in memory.
#pragma once
// Few processors have no more than these levels, and code without FMA is large: half the size
// before a quarter of the time. What is inlined is left to the compiler, all kernels share one copy
// of the exponential, and there are no panels.
#define INLINE inline
#define INLINE_LAMBDA
#define EXP_INLINE __attribute__((noinline))
#define SOFTLANE_NO_PANELS
#include "simd/lanes.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// In memory, for levels without a permute wide enough; read as bytes, since the entries are
// integers or floats.
template <class T> struct Table {
    const char *entries;
    INLINE explicit Table(const void *p) : entries(static_cast<const char *>(p)) {}
    INLINE T operator[](std::size_t k) const {
        T entry;
        __builtin_memcpy(&entry, entries + k * sizeof(T), sizeof(T));
        return entry;
    }
};

INLINE float to_float(float v) { return v; }
INLINE float to_float(bfloat16 v) { return float_of(static_cast<std::uint32_t>(v.bits) << 16); }
// Calls, so that sixteen lanes of them do not bloat every kernel.
__attribute__((noinline)) float to_float(half v) {
    const std::uint32_t sign = static_cast<std::uint32_t>(v.bits & 0x8000) << 16;
    const std::uint32_t exponent = (v.bits >> 10) & 31, mantissa = v.bits & 0x3ff;
    if (exponent == 0) // zero or subnormal: a multiple of 2^-24
        return float_of(sign | bits_of(static_cast<float>(mantissa) * 0x1p-24f));
    return float_of(sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) |
                    mantissa << 13);
}

// Drops the low `count` bits, rounding to nearest even; a carry into the exponent is the right
// result.
INLINE std::uint32_t round_off(std::uint32_t u, std::uint32_t count) {
    return (u + (1u << (count - 1)) - 1 + ((u >> count) & 1)) >> count;
}
INLINE void from_float(float v, float &y) { y = v; }
INLINE void from_float(float v, bfloat16 &y) {
    y.bits = static_cast<std::uint16_t>(round_off(bits_of(v), 16));
}
__attribute__((noinline)) void from_float(float v, half &y) {
    const std::uint32_t u = bits_of(v), magnitude = u & 0x7fffffff;
    const std::uint16_t sign = static_cast<std::uint16_t>((u >> 16) & 0x8000);
    std::uint32_t h;
    if (magnitude > 0x7f800000) // NaN: quiet, the payload's upper bits
        h = 0x7e00 | ((magnitude >> 13) & 0x3ff);
    else if (magnitude >= 0x477ff000) // 65520 and more round to infinity
        h = 0x7c00;
    else if (magnitude >= 0x38800000) // normal
        h = round_off(magnitude - (112u << 23), 13);
    else if (magnitude >= 0x33000000) // subnormal: a multiple of 2^-24
        h = round_off((magnitude & 0x7fffff) | 0x800000, 126 - (magnitude >> 23));
    else
        h = 0;
    y.bits = static_cast<std::uint16_t>(sign | h);
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
