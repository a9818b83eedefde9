// exp(x / T) times a constant and a power of two, without ever subtracting the row's maximum.
//
// A float difference x - max costs up to 64 ULP of exp. Here x itself is reduced, and the row is
// shifted by an integer power of two N only, which rounds nothing (K = exp_table_size, b = bias,
// step = T ln 2 / K):
//
//   z = x * (1 / step) + C    C = 1.5 * 2^m - K (N - b): the low log2 K bits of z index the
//                             table, the rest is the exponent relative to N - b
//   n = z - C                 an integer
//   r = (x - n step) / T      exact up to the last rounding, abs(r) <= ln 2 / (2 K)
//   s = scale * 2^(n / K)     from the table
//   p = r + r^2 (c2 + c3 r + ...)
//   e = s + s p
//
// Valid while K * abs(N) < 2^(m - 1), m the mantissa bits: that is what exp_limit keeps. Beyond it,
// x - max is exact for every x that matters (Sterbenz), so the maximum is subtracted first:
// Argument::careful, which also carries temperatures whose constants would leave the type.
#pragma once
#include "rows/double_double.hpp"
#include "rows/exp_constants.hpp"
#include "simd/vec.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// Largest abs(max) / T that is reduced directly.
constexpr double exp_limit = 131072.0; // 2^17

// bound_ulp is that of the kernel alone, on every level, in ULP of exp(x) and over every x and
// shift that a row can meet (float: every x with its own shift and 20 above, pytest --exhaustive,
// the others sampled; double: sampled densely). worst_input comes within 0.02 of it on a level
// without FMA; those with FMA stay below 0.60 and 0.62. The sweeps of tests/test_exp.py fail if the
// bound is exceeded or stale.
template <class C> struct ExpKernel;
template <> struct ExpKernel<float> {
    static constexpr int bias = 60;        // e, and s p, are normal down to 2^(shift - clamp_bits)
    static constexpr int clamp_bits = 182; // x further below is raised to there: softmax is 0
    static constexpr double least = 0x1p-122; // 2^(bias - clamp_bits)
    static constexpr double bound_ulp = 0.63;
    static constexpr double worst_input = 556.4757080078125;
};
template <> struct ExpKernel<double> {
    static constexpr int bias = 110;
    static constexpr int clamp_bits = 1127;
    static constexpr double least = 0x1p-1017;
    static constexpr double bound_ulp = 0.65;
    static constexpr double worst_input = -49254.47222908687;
};

constexpr double log2_e = 0x1.71547652b82fep+0;
constexpr double ln_2 = 0x1.62e42fefa39efp-1;

// T = 1, and nothing of the row is far below its top; T = 1; any moderate T, and nothing far below;
// any moderate T; that and an origin to be subtracted first; see above
enum class Argument { shallow, plain, shallow_scaled, scaled, far, careful };
constexpr bool is_shallow(Argument a) {
    return a == Argument::shallow || a == Argument::shallow_scaled;
}

INLINE double nearest_integer(double v) { return (v + 0x1.8p52) - 0x1.8p52; }
INLINE double magnitude(double v) { return v < 0 ? -v : v; }
INLINE double power_of_two(int exponent) { // of a normal double
    return float_of(static_cast<std::uint64_t>(exponent + 1023) << 52);
}
// v * 2^exponent, for any exponent; 0 far below the smallest normal number
INLINE double moved(double v, int exponent) {
    if (exponent < -1000)
        return exponent < -2000 ? 0 : v * 0x1p-1000 * power_of_two(exponent + 1000);
    return exponent > 1000 ? v * 0x1p1000 * power_of_two(exponent > 2000 ? 1000 : exponent - 1000)
                           : v * power_of_two(exponent);
}

INLINE DoubleDouble moved(DoubleDouble v, int exponent) {
    return {moved(v.high, exponent), moved(v.low, exponent)};
}

INLINE int binade(double v) { // of a normal double
    return static_cast<int>(bits_of(v) >> 52 & 2047) - 1023;
}

// A finite number but 0 apart from its exponent: mantissa * 2^exponent, the mantissa's size in
// [1, 2).
struct Apart {
    double mantissa;
    int exponent;
};
INLINE Apart apart(double v) {
    const bool is_subnormal = magnitude(v) < 0x1p-1022;
    const double normal = is_subnormal ? v * 0x1p64 : v;
    const std::uint64_t exponent = std::uint64_t{2047} << 52, of_one = std::uint64_t{1023} << 52;
    return {float_of((bits_of(normal) & ~exponent) | of_one),
            binade(normal) - (is_subnormal ? 64 : 0)};
}
// The same of any number whose products with others may leave the range of doubles.
INLINE Apart far_apart(double v) {
    const double size = magnitude(v);
    const bool is_far = (size > 0 && size <= 0x1p-200) || (size >= 0x1p200 && size - size == 0);
    return is_far ? apart(v) : Apart{v, 0};
}

// The constants of the reduction for one temperature.
template <class C> struct Scaling {
    double temperature;
    C steps_per_unit, step_hi, step_lo; // K / (T ln 2); T ln 2 / K in two limbs
    C inverse;                          // 1 / T
};

INLINE Scaling<float> scaling_for(double t, float) {
    const double step = t * (ln_2 / exp_table_size);
    const float hi = static_cast<float>(step);
    return {t, static_cast<float>(1 / step), hi, static_cast<float>(step - hi),
            static_cast<float>(1 / t)};
}
INLINE Scaling<double> scaling_for(double t, double) {
    using Constants = ExpConstants<double>;
    const DoubleDouble step = two_product(t, Constants::step_hi);
    return {t, Constants::steps_per_unit / t, step.high, step.low + t * Constants::step_lo, 1 / t};
}

// Temperatures whose constants keep all their digits; others go through Argument::careful.
template <class C> INLINE bool is_moderate(double t) {
    return sizeof(C) == 4 ? t >= 0x1p-60 && t <= 0x1p60 : t >= 0x1p-400 && t <= 0x1p400;
}

// What Argument::careful does before the reduction: x' = ((x - origin) * factor) * factor, for T' =
// T * factor^2 in [1, 4). It is exact where it matters: origin is 0 or the row's maximum, factor a
// power of two.
template <class C> struct Careful {
    C origin = 0, factor = 1;
    double temperature = 1; // T'
};

template <class C> INLINE Careful<C> careful_for(double t, C max) {
    const bool direct = magnitude(static_cast<double>(max)) * (1 / exp_limit) <= t;
    auto [mantissa, exponent] = apart(t);
    // Beyond these, x / T does not differ from its limit.
    constexpr int largest = sizeof(C) == 4 ? 240 : 1100;
    exponent = exponent > largest ? largest : exponent < -largest ? -largest : exponent;
    if (exponent % 2 != 0) {
        exponent -= 1;
        mantissa *= 2;
    }
    return {direct ? C(0) : max, static_cast<C>(power_of_two(-exponent / 2)), mantissa};
}

// The constants of one row, or of the rows in the lanes of a vector.
template <class V> INLINE V in_lanes(typename V::Scalar s) { return broadcast<V>(s); }
template <class V> INLINE V in_lanes(V v) { return v; }

// V -> scale * exp(x / T) * 2^(bias - shift), for vectors of any number of lanes. Capped: what is
// above `top` counts as `top`. L: C, or the vector whose lanes are rows.
template <class C, Argument argument, bool capped = false, class L = C> struct Exp {
    using Constants = ExpConstants<C>;
    static constexpr double round = sizeof(C) == 4 ? 0x1.8p23 : 0x1.8p52;
    Scaling<C> scaling;
    L origin;
    C factor = 1; // of Argument::careful
    L offset, lowest, top;
    Table<C> table{Constants::table};

    INLINE Exp(const Scaling<C> &s, const Careful<C> &c, double shift, C highest = 0)
        : scaling(s), origin(c.origin), factor(c.factor), top(highest) {
        offset = static_cast<C>(round - exp_table_size * (shift - ExpKernel<C>::bias));
        lowest = static_cast<C>((shift - ExpKernel<C>::clamp_bits) * ln_2 * scaling.temperature);
    }
    INLINE Exp(const Scaling<C> &s, L row_origin, L row_offset, L row_lowest, L row_top)
        : scaling(s), origin(row_origin), offset(row_offset), lowest(row_lowest), top(row_top) {}

    // In two halves, for what is between them: n, where the table is indexed and the exponent is
    // taken from, and r.
    template <class V> struct Parts {
        V z, r;
    };
    template <class V> INLINE Parts<V> parts(V x) const {
        if constexpr (capped)
            x = min(in_lanes<V>(top), x); // in this order, here and below, NaN stays
        if constexpr (argument == Argument::far) {
            x = sub(x, in_lanes<V>(origin));
        } else if constexpr (argument == Argument::careful) {
            x = sub(x, in_lanes<V>(origin));
            x = mul(mul(x, broadcast<V>(factor)), broadcast<V>(factor));
        }
        if constexpr (!is_shallow(argument))
            x = max(in_lanes<V>(lowest), x);
        const V z = mul_add(x, broadcast<V>(scaling.steps_per_unit), in_lanes<V>(offset));
        V r = sub_product(x, sub(z, in_lanes<V>(offset)), broadcast<V>(scaling.step_hi),
                          broadcast<V>(scaling.step_lo));
        if constexpr (argument != Argument::shallow && argument != Argument::plain)
            r = mul(r, broadcast<V>(scaling.inverse));
        return {z, r};
    }
    template <class V> INLINE V raised(Parts<V> x) const {
        const V r = x.r;
        V q = broadcast<V>(Constants::coefficient[Constants::degree - 2]);
#pragma GCC unroll 8
        for (int i = Constants::degree - 3; i >= 0; --i)
            q = mul_add(q, r, broadcast<V>(Constants::coefficient[i]));
        const V p = mul_add(mul(r, r), q, r);
        const V s = add_to_exponent(lookup(table, x.z), x.z);
        return mul_add(s, p, s);
    }
    template <class V> EXP_INLINE V operator()(V x) const { return raised(parts(x)); }
};

} // namespace
} // namespace softlane::SOFTLANE_ISA
