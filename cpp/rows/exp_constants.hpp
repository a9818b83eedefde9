// Tables and coefficients of the exponential. Made by bench/fit_exp.py; do not edit.
//
// table[k] holds the bits of scale * 2^(k/K) minus k << (mantissa bits - log2 K), so that
// adding the bits of the reduced argument, shifted by as much, yields scale * 2^(n/K) with its
// exponent. The scale is common to a whole row and cancels in it; it is what makes every entry
// land next to a representable number. Of doubles: steps_per_unit = K / ln 2,
// step_hi + step_lo = ln 2 / K.
#pragma once
#include "simd/lanes.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

constexpr int exp_table_size = 8;

template <class C> struct ExpConstants;

// clang-format off
template <> struct ExpConstants<float> {
    static constexpr int degree = 4;
    static constexpr double scale = 0x1.16747bf7c5b82p+0;
    static constexpr double scale_low = -0x1.c023e56000000p-54;
    static constexpr float coefficient[] = {
        0x1.0000000000000p-1f, // c2 = 0.5
        0x1.555c820000000p-3f, // c3 = 0.1666803509
        0x1.555a400000000p-5f, // c4 = 0.041669011116
    };
    // Largest relative error of an entry: 0.0463 * 2^-24
    alignas(64) static constexpr std::uint32_t table[exp_table_size] = {
        0x3f8b3a3e, // scale * 2^(0/8)
        0x3f87d424, // scale * 2^(1/8)
        0x3f859202, // scale * 2^(2/8)
        0x3f848e45, // scale * 2^(3/8)
        0x3f84e5be, // scale * 2^(4/8)
        0x3f86b7da, // scale * 2^(5/8)
        0x3f8a26de, // scale * 2^(6/8)
        0x3f8f5829, // scale * 2^(7/8)
    };
};

template <> struct ExpConstants<double> {
    static constexpr int degree = 7;
    static constexpr double scale = 0x1.00000003ac148p+0;
    static constexpr double scale_low = -0x1.2e36b2786c015p-58;
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
    // Largest relative error of an entry: 0.04 * 2^-53
    alignas(64) static constexpr std::uint64_t table[exp_table_size] = {
        0x3ff00000003ac148, // scale * 2^(0/8)
        0x3fef72b83cbd641d, // scale * 2^(1/8)
        0x3fef06fe0a779648, // scale * 2^(2/8)
        0x3feebfdad5825c48, // scale * 2^(3/8)
        0x3feea09e66d25362, // scale * 2^(4/8)
        0x3feeace542853daf, // scale * 2^(5/8)
        0x3feee89f99bda3ff, // scale * 2^(6/8)
        0x3fef5818dd67665c, // scale * 2^(7/8)
    };
};
// clang-format on

} // namespace
} // namespace softlane::SOFTLANE_ISA
