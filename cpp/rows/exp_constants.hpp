// Tables and coefficients of the exponential. Made by bench/fit_exp.py; do not edit.
//
// table[k] holds the bits of 2^(k/K), rounded, minus k << (mantissa bits - log2 K), so that adding the bits of the
// reduced argument, shifted by as much, yields 2^(n/K) with its exponent; table_error[k] is the relative error of that
// rounding. steps_per_unit = K / ln 2; step_hi + step_lo = ln 2 / K.
#pragma once
#include "simd/lanes.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

constexpr int exp_table_size = 8;
constexpr int exp_table_bits = 3;

template <class C> struct ExpConstants;

// clang-format off
template <> struct ExpConstants<float> {
    static constexpr int degree = 4;
    static constexpr float steps_per_unit = 0x1.7154760000000p+3f;
    static constexpr float step_hi = 0x1.62e4300000000p-4f;
    static constexpr float step_lo = -0x1.05c6100000000p-32f;
    static constexpr float coefficient[] = {
        0x1.0000000000000p-1f, // c2 = 0.5
        0x1.555c820000000p-3f, // c3 = 0.1666803509
        0x1.555a400000000p-5f, // c4 = 0.041669011116
    };
    alignas(64) static constexpr std::uint32_t table[exp_table_size] = {
        0x3f800000, // 2^(0/8)
        0x3f7b95c2, // 2^(1/8)
        0x3f7837f0, // 2^(2/8)
        0x3f75fed7, // 2^(3/8)
        0x3f7504f3, // 2^(4/8)
        0x3f75672a, // 2^(5/8)
        0x3f7744fd, // 2^(6/8)
        0x3f7ac0c7, // 2^(7/8)
    };
    alignas(64) static constexpr float table_error[exp_table_size] = {
        0x0p+0f,
        -0x1.9c0c220000000p-27f,
        0x1.1250020000000p-25f,
        -0x1.0a35500000000p-25f,
        0x1.26055c0000000p-26f,
        0x1.67a1ca0000000p-28f,
        -0x1.f9c3040000000p-27f,
        -0x1.a5217c0000000p-28f,
    };
};

template <> struct ExpConstants<double> {
    static constexpr int degree = 7;
    static constexpr double steps_per_unit = 0x1.71547652b82fep+3;
    static constexpr double step_hi = 0x1.62e42fefa39efp-4;
    static constexpr double step_lo = 0x1.abc9e3b39803fp-59;
    static constexpr double coefficient[] = {
        0x1.0000000000115p-1, // c2 = 0.5
        0x1.55555555555ffp-3, // c3 = 0.166666666667
        0x1.55555547d2c5cp-5, // c4 = 0.0416666665684
        0x1.11111109fb41ep-7, // c5 = 0.00833333332045
        0x1.6c1cc7c9ff05bp-10, // c6 = 0.00138897866645
        0x1.a01fbc8d0d208p-13, // c7 = 0.000198423371701
    };
    alignas(64) static constexpr std::uint64_t table[exp_table_size] = {
        0x3ff0000000000000, // 2^(0/8)
        0x3fef72b83c7d517b, // 2^(1/8)
        0x3fef06fe0a31b715, // 2^(2/8)
        0x3feebfdad5362a27, // 2^(3/8)
        0x3feea09e667f3bcd, // 2^(4/8)
        0x3feeace5422aa0db, // 2^(5/8)
        0x3feee89f995ad3ad, // 2^(6/8)
        0x3fef5818dcfba487, // 2^(7/8)
    };
    alignas(64) static constexpr double table_error[exp_table_size] = {
        0x0p+0,
        -0x1.01b15eaa59348p-55,
        0x1.34d754db0abb6p-55,
        0x1.690cebb7aafb0p-56,
        -0x1.3b3efbf5e2228p-54,
        0x1.db72fc1f0eab4p-55,
        0x1.c1a7792cb3387p-55,
        0x1.4a385a63d07a7p-56,
    };
};
// clang-format on

} // namespace
} // namespace softlane::SOFTLANE_ISA
