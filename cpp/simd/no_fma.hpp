// The functions of the vector contract that need more than one rounding's worth of digits, for
// levels without FMA: floats go through double, doubles through exact products (Dekker 1971).
// Included after the level's own functions.
#pragma once
#include "simd/lanes.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

INLINE F32 mul_add(F32 a, F32 b, F32 c) { return add(mul(a, b), c); }
INLINE F64 mul_add(F64 a, F64 b, F64 c) { return add(mul(a, b), c); }

INLINE F32 sub_product(F32 x, F32 n, F32 hi, F32 lo) {
    return narrow(sub(widen(x), mul(widen(n), add(widen(hi), widen(lo)))));
}
INLINE F32 scaled(F32 e, F32 hi, F32 lo) {
    return narrow(mul(widen(e), add(widen(hi), widen(lo))));
}

struct Product {
    F64 high, low; // a * b exactly
};
INLINE F64 upper_half(F64 a) {
    const F64 c = mul(a, native_broadcast(134217729.0)); // 2^27 + 1
    return sub(c, sub(c, a));
}
INLINE Product exact_product(F64 a, F64 b) {
    const F64 p = mul(a, b);
    const F64 ah = upper_half(a), al = sub(a, ah), bh = upper_half(b), bl = sub(b, bh);
    const F64 cross = add(add(sub(mul(ah, bh), p), mul(ah, bl)), mul(al, bh));
    return {p, add(cross, mul(al, bl))};
}
INLINE F64 sub_product(F64 x, F64 n, F64 hi, F64 lo) {
    const Product p = exact_product(n, hi);
    return sub(sub(sub(x, p.high), p.low), mul(n, lo));
}
INLINE F64 scaled(F64 e, F64 hi, F64 lo) {
    const Product p = exact_product(e, hi);
    const F64 zero = native_broadcast(0.0);
    const F64 low = choose(mul(p.low, zero), zero, p.low, zero); // where `hi` is too large to split
    return add(p.high, add(choose(mul(e, zero), zero, low, p.low), mul(e, lo)));
}

INLINE F32 product_rest(F32 a, F32 b) {
    return narrow(sub(mul(widen(a), widen(b)), widen(mul(a, b))));
}
INLINE F64 product_rest(F64 a, F64 b) { return exact_product(a, b).low; }

} // namespace
} // namespace softlane::SOFTLANE_ISA
