// log1p and exp of single numbers, for what a row has one of. In Real<C>: a double for float rows,
// a pair of doubles for double rows. Same operations, so same bits, on every level; in lanes they
// are in rows/log_lanes.hpp.
//
//   log1p(w), w >= 0: u = 1 + w = 2^k z, z in [1, 2), for float rows in [31/32, 31/16); c near 1/z
//     from a table (1 in the interval that holds 1); r = z c - 1, of double rows exactly;
//     log u = k ln 2 - log c + (r - r^2/2 + r^3/3 ...), the series of float rows a fit
//   exp(-z) * 2^shift: -z = n ln 2 / 8 + r, abs(r) <= ln 2 / 16; from a table 2^(n / 8), exp(r) by
//     the polynomial of rows/exp.hpp for doubles
//
// Series: https://dlmf.nist.gov/4.6. What is cut off of that of doubles: r^11/11, relative to r;
// r <= 2^-6.
#pragma once
#include "rows/exp.hpp"
#include "rows/log_constants.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// Relative errors of the unevaluated sums, in units of 2^-24 (2^-53), swept by tests/test_log.py.
template <class C> constexpr double log1p_bound = sizeof(C) == 4 ? 0.00016 : 0.015;
template <class C> constexpr double exp_bound = sizeof(C) == 4 ? 0.0003 : 0.2;

// c0 + c1 r + c2 r^2 ..., two terms at a time: half as many operations wait for each other.
template <int terms> INLINE double polynomial(const double *c, double r) {
    const double square = r * r;
    double q = terms % 2 != 0 ? c[terms - 1] : c[terms - 2] + c[terms - 1] * r;
#pragma GCC unroll 8
    for (int i = (terms - 1) / 2 * 2 - 2; i >= 0; i -= 2)
        q = q * square + (c[i] + c[i + 1] * r);
    return q;
}
// log(1 + r) = r + r^2 (c0 + c1 r + ...)
template <class C> constexpr int log_terms = sizeof(C) == 4 ? 6 : 9;
constexpr double log_series[] = {-1.0 / 2, 1.0 / 3,  -1.0 / 4, 1.0 / 5,  -1.0 / 6,
                                 1.0 / 7,  -1.0 / 8, 1.0 / 9,  -1.0 / 10};
template <class C> INLINE const double *log_coefficients() {
    return sizeof(C) == 4 ? small_log_series : log_series;
}
// exp(r) = 1 + r + r^2 (c0 + c1 r + ...), of the polynomial for doubles
template <class C> constexpr int exp_terms = sizeof(C) == 4 ? 4 : 6;

// log(u.high + u.low) for u.high >= 1; u.low may be as small as it likes.
template <class C> INLINE Real<C> log_of(DoubleDouble u) {
    if constexpr (sizeof(C) == 4) {
        const std::uint64_t bits = bits_of(u.high) + (std::uint64_t{1} << 48);
        const int k = static_cast<int>(bits >> 52) - 1023;
        const auto i = static_cast<int>(bits >> 49 & 7);
        const double scale = power_of_two(-k);
        // Only near 1 does the low part matter, and there c is 1.
        const double r = (u.high * scale * small_log_c[i] - 1) + u.low * scale;
        return (k * ln_2 + small_log[i]) +
               (r + r * r * polynomial<log_terms<C>>(log_coefficients<C>(), r));
    } else {
        const std::uint64_t bits = bits_of(u.high);
        const int k = static_cast<int>(bits >> 52) - 1023;
        const LogEntry entry = log_table[(bits >> 46) & 63];
        const double z = u.high * power_of_two(-k), rest = u.low * power_of_two(-k);
        // 40 bits times 9: exact.
        const double upper = float_of(bits_of(z) & ~std::uint64_t{0xfff});
        const DoubleDouble r = two_sum(upper * entry.c - 1, (z - upper) * entry.c + rest * entry.c);
        const DoubleDouble sum = two_sum(k * ln_2_parts[0] + entry.high, r.high);
        const double bent =
            r.high * r.high * polynomial<log_terms<C>>(log_coefficients<C>(), r.high);
        const double tail = bent + (k * ln_2_parts[1] + entry.low) + (r.low - r.high * r.low);
        return fast_two_sum(sum.high, sum.low + tail);
    }
}

// For w from 0 to 2^1000; a row's is at most its number of elements.
template <class C> INLINE Real<C> log1p(Real<C> w) {
    if constexpr (sizeof(C) == 4) {
        const double u = 1 + w;
        return log_of<C>({u, w - (u - 1)});
    } else {
        const DoubleDouble u = two_sum(1, w.high);
        return log_of<C>({u.high, u.low + w.low});
    }
}

// exp(-z) * 2^shift for abs(z) < 2^18 and results that are normal.
template <class C> INLINE Real<C> exp_of_minus(Real<C> z, int shift) {
    const double n = nearest_integer(high(z) * (-log2_e * exp_table_size));
    const double r = (-high(z) - n * exp_step[0]) - (n * exp_step[1] + low(z));
    const double p = r + r * r * polynomial<exp_terms<C>>(ExpConstants<double>::coefficient, r);
    const auto index = static_cast<long long>(n);
    const double of_n = exp_high[index & 7];
    const double power = power_of_two(static_cast<int>(index >> 3) + shift);
    if constexpr (sizeof(C) == 4)
        return (of_n + of_n * p) * power;
    else {
        const DoubleDouble e = fast_two_sum(of_n, exp_low[index & 7] + of_n * p);
        return DoubleDouble{e.high * power, e.low * power};
    }
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
