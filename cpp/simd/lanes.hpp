// The names that each simd/<isa>.hpp gives a native meaning to; the contract is in simd/vec.hpp.
// Included first.
#pragma once
#include "core/types.hpp"

#ifndef INLINE
#define INLINE inline __attribute__((always_inline))
#define INLINE_LAMBDA __attribute__((always_inline))
#endif
#ifndef EXP_INLINE
#define EXP_INLINE INLINE // for the exponential
#endif
// What is off for other functions' size: jump threading, without which these take 3 to 6 % longer,
// and copies of loops' headers, without which the compiler does not vectorise their loops.
#if defined(__clang__)
#define THREADS_JUMPS
#define COPIES_HEADERS
#else
#define THREADS_JUMPS optimize("thread-jumps")
#define COPIES_HEADERS optimize("tree-ch")
#endif

namespace softlane::SOFTLANE_ISA {
namespace {

// N lanes of T: two halves, down to the width of a register, where the instruction set specialises
// it.
template <class T, int N> struct Vec {
    using Scalar = T;
    static constexpr int lanes = N;
    Vec<T, N / 2> low, high;
};

// lowered() takes this many off the exponent; below the limit its results are subnormal.
template <class T> constexpr int lift_bits = sizeof(T) == 4 ? 100 : 200;
template <class T> constexpr T subnormal_limit = sizeof(T) == 4 ? T(0x1p-26) : T(0x1p-822);

template <class T> constexpr int native_lanes = 0; // specialised: lanes of one register
template <class T> struct Table;                   // specialised: eight entries, ready for lookup()

// A number's representation, and back.
INLINE std::uint32_t bits_of(float v) {
    std::uint32_t u;
    __builtin_memcpy(&u, &v, sizeof u);
    return u;
}
INLINE std::uint64_t bits_of(double v) {
    std::uint64_t u;
    __builtin_memcpy(&u, &v, sizeof u);
    return u;
}
INLINE float float_of(std::uint32_t u) {
    float v;
    __builtin_memcpy(&v, &u, sizeof v);
    return v;
}
INLINE double float_of(std::uint64_t u) {
    double v;
    __builtin_memcpy(&v, &u, sizeof v);
    return v;
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
