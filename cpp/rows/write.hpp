// What becomes of a row: passes that write it, and single elements rounded by integer arithmetic.
#pragma once
#include "rows/range.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// y[i] = function(x[i]) over a row; y may be x.
template <class C, class Out, class Function>
INLINE void rewrite(const C *x, Out y, std::size_t n, Function function) {
    using V = Vec<C, 2 * sum_lanes<C>>;
    const auto write = [&](std::size_t i, auto part) INLINE_LAMBDA {
        store(y + i, function(load<V>(x + i, part, C(0))), part);
    };
    const std::size_t head = head_of(y, n);
    if (head > 0)
        write(0, Tail{head});
    sweep<V>(head, n, write);
}

template <class C, class Out> __attribute__((noinline)) void fill(Out y, std::size_t n, C value) {
    using V = Vec<C, sum_lanes<C>>;
    sweep<V>(0, n, [&](std::size_t i, auto part) INLINE_LAMBDA {
        store(y + i, broadcast<V>(value), part);
    });
}

template <class C> constexpr C not_a_number = static_cast<C>(__builtin_nan(""));

// What a function makes of a row beside another: see rows/company.hpp.
enum class Results {
    all,
    all_but_one, // in a stream; that is replaced
};

// How the products of a row's exponentials with its factor are rounded.
enum class Products {
    normal,  // none is subnormal
    lowered, // by lowered(); none is negative
    direct,  // by the processor, whose mode keeps subnormal numbers
};

// e -> e * factor * 2^-lift, rounded once: the factor has two limbs. `lowered`: they are
// 2^lift_bits too large, so that nothing is lost near the smallest normal number; subnormal results
// are rounded twice, which may cost them another quarter of an ULP. `direct`: likewise where
// factors are tiny, and the other way round where they are huge.
template <class C, Products products> struct Factor {
    using Scalar = C;
    static constexpr Results results = Results::all;
    // Between these `direct` has no exponent, and both limbs.
    static constexpr double least_direct = sizeof(C) == 4 ? 0x1p-90 : 0x1p-900;
    static constexpr double largest_direct = sizeof(C) == 4 ? 0x1p30 : 0x1p780;
    int exponent = 0; // the limbs are 2^exponent too large, and so is before()
    C hi = 0, lo = 0, after = 0;

    INLINE Factor() {}
    INLINE explicit Factor(Real<C> factor, int lift = 0, int most = 1000) {
        constexpr bool is_float = sizeof(C) == 4;
        if constexpr (products == Products::normal) {
            set(high(factor), low(factor));
            return;
        }
        const double size = magnitude(high(factor));
        const int power = size > 0 ? binade(size) - lift : 0;
        if (products == Products::lowered)
            exponent = lift_bits<C>;
        else if (products == Products::direct && power < (is_float ? -90 : -900))
            exponent = lift_bits<C>;
        else if (products == Products::direct && power > (is_float ? 30 : 850))
            exponent = (is_float ? 60 : 780) - power;  // no product with an exponential overflows
        constexpr int least = is_float ? -126 : -1022; // `after` is finite
        exponent = exponent > most ? most : exponent;
        exponent = exponent < least ? least : exponent;
        after = static_cast<C>(power_of_two(-exponent));
        const double h = moved(high(factor), exponent - lift);
        set(h, moved(low(factor), exponent - lift));
        // What some levels flush is nothing on all of them.
        constexpr C least_normal = is_float ? C(0x1p-126) : C(0x1p-1022);
        if (products == Products::lowered && lo < least_normal && lo > -least_normal)
            lo = 0;
        if (power + exponent > (is_float ? 60 : 780)) // whose products with exponentials overflow
            lo = 0;
        if (!(magnitude(hi) < infinity<C>)) {
            lo = 0;
            if (size < infinity<double>) // its products with 0 are 0
                hi = h < 0 ? -greatest<C> : greatest<C>;
        }
    }
    INLINE void set(double h, double l) {
        hi = static_cast<C>(h);
        lo = static_cast<C>(sizeof(C) == 4 ? h - static_cast<double>(hi) : l);
    }
    template <class V> INLINE V before(V e) const {
        return scaled(e, broadcast<V>(hi), broadcast<V>(lo));
    }
    template <class V> INLINE V operator()(V e) const {
        const V y = before(e);
        if constexpr (products == Products::normal)
            return y;
        else if constexpr (products == Products::lowered)
            return lowered(y);
        else
            return mul(y, broadcast<V>(after));
    }
};

// The bits of value * 2^-lift, rounded to nearest even to a format of that many bits.
template <int mantissa_bits, int exponent_bits>
inline std::uint64_t encoded(double value, int lift) {
    const std::uint64_t u = bits_of(value);
    constexpr std::uint64_t top = (std::uint64_t{1} << exponent_bits) - 1;
    constexpr std::uint64_t infinite = top << mantissa_bits;
    const std::uint64_t sign = (u >> 63) << (mantissa_bits + exponent_bits);
    const std::uint64_t fraction = u & ((std::uint64_t{1} << 52) - 1);
    const int biased = static_cast<int>((u >> 52) & 0x7ff);
    if (biased == 0x7ff)
        return fraction != 0 ? infinite | std::uint64_t{1} << (mantissa_bits - 1) : sign | infinite;
    if (biased == 0)
        return value == 0 ? sign : encoded<mantissa_bits, exponent_bits>(value * 0x1p64, lift + 64);
    const int exponent = biased - 1023 - lift + static_cast<int>(top / 2);
    const int cut = 52 - mantissa_bits + (exponent < 1 ? 1 - exponent : 0);
    if (cut > 54)
        return sign;
    std::uint64_t bits = fraction | std::uint64_t{1} << 52;
    if (cut > 0) {
        const std::uint64_t tie = std::uint64_t{1} << (cut - 1);
        bits = (bits + tie - 1 + ((bits >> cut) & 1)) >> cut;
    }
    if (exponent > 1) // a carry out of the fraction goes where it belongs
        bits += static_cast<std::uint64_t>(exponent - 1) << mantissa_bits;
    return sign | (exponent >= static_cast<int>(top) || bits > infinite ? infinite : bits);
}

// Whether the processor rounds to C as encoded() does.
template <class C> INLINE bool rounds_alike(double value) {
    const double size = magnitude(value), least = sizeof(C) == 4 ? 0x1p-126 : 0x1p-1022,
                 most = sizeof(C) == 4 ? 0x1p127 : 0x1p1023;
    return (size >= least && size < most) || size == 0;
}
INLINE void store_one(float *p, double value, int lift) {
    if (lift == 0 && rounds_alike<float>(value)) {
        const auto rounded = static_cast<float>(value);
        __builtin_memcpy(p, &rounded, sizeof rounded);
        return;
    }
    const auto bits = static_cast<std::uint32_t>(encoded<23, 8>(value, lift));
    __builtin_memcpy(p, &bits, sizeof bits);
}
INLINE void store_one(double *p, double value, int lift) {
    const std::uint64_t bits = encoded<52, 11>(value, lift);
    __builtin_memcpy(p, &bits, sizeof bits);
}
template <class C> INLINE double load_one(const C *p) {
    C value;
    __builtin_memcpy(&value, p, sizeof value);
    return static_cast<double>(value);
}

// Whatever a NaN's sign and payload are, they become those of the one that is written elsewhere.
template <class C> __attribute__((noinline)) void unify_nan(C *y, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
        const double v = load_one(y + i);
        if (v != v)
            store_one(y + i, not_a_number<double>, 0);
    }
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
