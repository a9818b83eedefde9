// Pairs of doubles: an unevaluated sum of about 106 bits, for the few scalars of a row that need
// it. No FMA, so that every level computes the same bits.
#pragma once
#include "simd/lanes.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

struct DoubleDouble {
    double high = 0, low = 0;
    INLINE constexpr DoubleDouble() {}
    INLINE constexpr DoubleDouble(double h, double l = 0) : high(h), low(l) {}
};

// A row's scalars: exact to about 2^-50 for float rows, to 2^-100 for double rows.
template <class C> struct RealOf {
    using Type = double;
};
template <> struct RealOf<double> {
    using Type = DoubleDouble;
};
template <class C> using Real = typename RealOf<C>::Type;
INLINE constexpr double high(double a) { return a; }
INLINE constexpr double high(DoubleDouble a) { return a.high; }
INLINE constexpr double low(double) { return 0; }
INLINE constexpr double low(DoubleDouble a) { return a.low; }

template <class C> INLINE constexpr Real<C> real(DoubleDouble a) {
    if constexpr (sizeof(C) == 4)
        return a.high;
    else
        return a;
}

// a + b, exactly (Knuth)
INLINE constexpr DoubleDouble two_sum(double a, double b) {
    const double s = a + b, bb = s - a;
    return {s, (a - (s - bb)) + (b - bb)};
}
// the same for abs(a) >= abs(b) (Dekker 1971)
INLINE constexpr DoubleDouble fast_two_sum(double a, double b) {
    const double s = a + b;
    return {s, b - (s - a)};
}
// a * b, exactly unless it underflows or is beyond 2^970 (Dekker 1971)
INLINE constexpr DoubleDouble two_product(double a, double b) {
    const double p = a * b;
    const double ca = 134217729.0 * a, ah = ca - (ca - a), al = a - ah; // 2^27 + 1
    const double cb = 134217729.0 * b, bh = cb - (cb - b), bl = b - bh;
    return {p, ((ah * bh - p) + ah * bl + al * bh) + al * bl};
}
INLINE constexpr DoubleDouble operator+(DoubleDouble a, DoubleDouble b) {
    const DoubleDouble s = two_sum(a.high, b.high);
    const double l = s.low + (a.low + b.low), h = s.high + l;
    return {h, l - (h - s.high)};
}
INLINE constexpr DoubleDouble operator-(DoubleDouble a) { return {-a.high, -a.low}; }
INLINE constexpr DoubleDouble operator-(DoubleDouble a, DoubleDouble b) { return a + -b; }
INLINE constexpr bool splits(double a) { return a < 0x1p970 && a > -0x1p970; }
INLINE constexpr DoubleDouble operator*(DoubleDouble a, DoubleDouble b) {
    if (!(splits(a.high) && splits(b.high) && splits(a.high * b.high)))
        return a.high * b.high;
    const DoubleDouble p = two_product(a.high, b.high);
    return fast_two_sum(p.high, p.low + (a.high * b.low + a.low * b.high));
}
INLINE constexpr DoubleDouble reciprocal(DoubleDouble a) {
    const double r = 1 / a.high;
    if (!(splits(r) && splits(a.high)))
        return r;
    const DoubleDouble p = two_product(r, a.high);
    return {r, (((1 - p.high) - p.low) - r * a.low) * r};
}
INLINE constexpr double reciprocal(double a) { return 1 / a; }
// Where the correction would leave the range of doubles, the quotient alone.
INLINE constexpr DoubleDouble operator/(DoubleDouble a, DoubleDouble b) {
    const double q = a.high / b.high, size = q < 0 ? -q : q;
    if (!(size > 0x1p-900 && size < 0x1p900 && b.high > 0x1p-900 && b.high < 0x1p900))
        return q;
    const DoubleDouble p = two_product(q, b.high);
    return fast_two_sum(q, (((a.high - p.high) - p.low) + a.low - q * b.low) / b.high);
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
