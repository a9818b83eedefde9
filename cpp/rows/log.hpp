// log1p and exp of single numbers, for what a row has one of. In Real<C>: a double for float rows,
// a pair of doubles for double rows. Same operations, so same bits, on every level.
//
//   log1p(w), w >= 0: u = 1 + w = 2^k z, z in [1, 2); c near 1/z from a table (1 in its first
//     interval); r = z c - 1, exactly; log u = k ln 2 - log c + (r - r^2/2 + r^3/3 ...)
//   exp(-z) * 2^shift: -z = n ln 2 / 8 + r, abs(r) <= ln 2 / 16; from a table 2^(n / 8), exp(r) by
//     the polynomial of rows/exp.hpp for doubles
//
// Series: https://dlmf.nist.gov/4.6. What is cut off of the first: r^6/6, relative to r, for
// floats, r^11/11 for doubles; r <= 2^-6.
#pragma once
#include "rows/exp.hpp"
#include "rows/log_constants.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// Relative errors of the unevaluated sums, in units of 2^-24 (2^-53), swept by tests/test_log.py.
template <class C> constexpr double log1p_bound = sizeof(C) == 4 ? 0.003 : 0.015;
template <class C> constexpr double exp_bound = sizeof(C) == 4 ? 0.0003 : 0.2;

// r^2 (-1/2 + r/3 - r^2/4 ...) up to r^terms
template <int terms> INLINE double log_series(double r) {
    double q = (terms % 2 == 0 ? -1.0 : 1.0) / terms;
#pragma GCC unroll 16
    for (int k = terms - 1; k >= 2; --k)
        q = q * r + (k % 2 == 0 ? -1.0 : 1.0) / k;
    return r * r * q;
}

// log(u.high + u.low) for u.high >= 1; u.low may be as small as it likes.
template <class C> INLINE Real<C> log_of(DoubleDouble u) {
    const std::uint64_t bits = bits_of(u.high);
    const int k = static_cast<int>(bits >> 52) - 1023;
    const LogEntry entry = log_table[(bits >> 46) & 63];
    const double z = u.high * power_of_two(-k), rest = u.low * power_of_two(-k);
    if constexpr (sizeof(C) == 4) {
        const double r = (z * entry.c - 1) + rest * entry.c;
        return (k * ln_2_parts[0] + entry.high) +
               (r + (log_series<5>(r) + (k * ln_2_parts[1] + entry.low)));
    } else {
        // 40 bits times 9: exact.
        const double upper = float_of(bits_of(z) & ~std::uint64_t{0xfff});
        const DoubleDouble r = two_sum(upper * entry.c - 1, (z - upper) * entry.c + rest * entry.c);
        const DoubleDouble sum = two_sum(k * ln_2_parts[0] + entry.high, r.high);
        const double tail =
            log_series<10>(r.high) + (k * ln_2_parts[1] + entry.low) + (r.low - r.high * r.low);
        return fast_two_sum(sum.high, sum.low + tail);
    }
}

// For w >= 0.
template <class C> INLINE Real<C> log1p(Real<C> w) {
    const DoubleDouble u = two_sum(1, high(w));
    return log_of<C>({u.high, u.low + low(w)});
}

// exp(-z) * 2^shift for abs(z) < 2^18 and results that are normal.
template <class C> INLINE Real<C> exp_of_minus(Real<C> z, int shift) {
    const double n = nearest_integer(high(z) * (-log2_e * exp_table_size));
    const double r = (-high(z) - n * exp_step[0]) - (n * exp_step[1] + low(z));
    constexpr int terms = sizeof(C) == 4 ? 4 : 6; // c2 ... of the double polynomial
    double q = ExpConstants<double>::coefficient[terms - 1];
#pragma GCC unroll 8
    for (int i = terms - 2; i >= 0; --i)
        q = q * r + ExpConstants<double>::coefficient[i];
    const double p = r + r * r * q;
    const auto index = static_cast<long long>(n);
    const double (&entry)[2] = exp_pairs[index & 7];
    const double power = power_of_two(static_cast<int>(index >> 3) + shift);
    if constexpr (sizeof(C) == 4)
        return (entry[0] + entry[0] * p) * power;
    else {
        const DoubleDouble e = fast_two_sum(entry[0], entry[1] + entry[0] * p);
        return DoubleDouble{e.high * power, e.low * power};
    }
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
