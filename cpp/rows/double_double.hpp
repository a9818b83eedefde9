// Pairs of doubles: an unevaluated sum of about 106 bits, for the few scalars of a row that need
// it. No FMA, so that every level computes the same bits.
#pragma once
#include "simd/lanes.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

struct DoubleDouble {
    double high, low;
};

// a + b, exactly (Knuth)
INLINE DoubleDouble two_sum(double a, double b) {
    const double s = a + b, bb = s - a;
    return {s, (a - (s - bb)) + (b - bb)};
}
// a * b, exactly unless it underflows (Dekker 1971)
INLINE DoubleDouble two_product(double a, double b) {
    const double p = a * b;
    const double ca = 134217729.0 * a, ah = ca - (ca - a), al = a - ah; // 2^27 + 1
    const double cb = 134217729.0 * b, bh = cb - (cb - b), bl = b - bh;
    return {p, ((ah * bh - p) + ah * bl + al * bh) + al * bl};
}
INLINE DoubleDouble operator+(DoubleDouble a, DoubleDouble b) {
    const DoubleDouble s = two_sum(a.high, b.high);
    const double low = s.low + (a.low + b.low), high = s.high + low;
    return {high, low - (high - s.high)};
}
INLINE DoubleDouble reciprocal(DoubleDouble a) {
    const double r = 1 / a.high;
    const DoubleDouble p = two_product(r, a.high);
    return {r, (((1 - p.high) - p.low) - r * a.low) * r};
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
