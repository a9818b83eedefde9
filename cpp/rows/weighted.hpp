// logsumexp with factors: log(abs(sum b exp(x))) and the sign of the sum. An element whose factor
// is 0 takes no part, whatever it holds.
//
//   log(abs(sum)) = top + log(abs(sum b e(x) / e(top))),   top = the largest x that takes part
//
// e(x) is the exponential of rows/exp.hpp for doubles, also for float rows, whose products b e and
// sums are then doubles; those of double rows are pairs. Float rows are so good to 2^-49 of their
// terms, double rows to 2^-51.6: 1.3 * 2^-52 for the two exponentials. What this does not do, goes
// element by element in Real arithmetic: rows with NaN or an infinity, factors so far apart that an
// element far below the top may matter, sums that leave the range of doubles, and double rows of
// which too little is left to be told from the errors of their terms.
#pragma once
#include "rows/ops.hpp"
#include "rows/wide_sum.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

struct SignedLog {
    double log, sign;
};

// origin + log(abs(sum) * 2^unit), and the sign of the sum.
template <class C> INLINE SignedLog signed_log(double origin, Real<C> sum, int unit) {
    const double total = high(sum);
    if (total == 0)
        return {-infinity<double>, 0};
    const double sign = total > 0 ? 1 : -1;
    const int power = binade(total);
    const double scale = power_of_two(-power) * sign;
    const Real<C> value = log_of<C>({high(sum) * scale, low(sum) * scale});
    const double binary = power + unit;
    return {
        high(Real<C>(origin) + (value + binary * ln_2_parts[0]) + Real<C>(binary * ln_2_parts[1])),
        sign};
}

// A finite number other than 0 as mantissa * 2^exponent, abs(mantissa) in [1, 2).
struct Parts {
    double mantissa;
    int exponent;
};
INLINE Parts parts_of(double v) {
    constexpr std::uint64_t sign = std::uint64_t{1} << 63, one = std::uint64_t{1023} << 52,
                            fraction = (std::uint64_t{1} << 52) - 1;
    const std::uint64_t u = bits_of(v);
    const int biased = static_cast<int>((u >> 52) & 0x7ff);
    if (biased != 0)
        return {float_of((u & (sign | fraction)) | one), biased - 1023};
    const std::uint64_t integer = bits_of(static_cast<double>(u & fraction)); // v / 2^-1074
    return {float_of((u & sign) | (integer & fraction) | one),
            static_cast<int>(integer >> 52) - 1023 - 1074};
}

// In Real arithmetic throughout: the factors may have any exponents and signs.
template <class C>
__attribute__((noinline, cold)) SignedLog weighted_by_elements(const C *row_x, const C *row_b,
                                                               std::size_t n) {
    using V = Vec<C, sum_lanes<C>>;
    auto each = [&](auto body) INLINE_LAMBDA {
        sweep<V>(0, n, [&](std::size_t i, auto part) INLINE_LAMBDA {
            C x[V::lanes], b[V::lanes];
            store(x, load<V>(row_x + i, part, C(0)));
            store(b, load<V>(row_b + i, part, C(0)));
            for (int k = 0; k < V::lanes; ++k)
                if (b[k] != 0) // NaN is not
                    body(static_cast<double>(x[k]), static_cast<double>(b[k]));
        });
    };
    bool nan = false, plus = false, minus = false;
    bool any = false;
    double origin = 0; // x where a term is largest
    int unit = 0;      // the exponent of b there
    each([&](double x, double b) {
        const double infinite = (x - x) + (b - b); // NaN unless both are finite
        if (infinite == 0) {
            const int exponent = parts_of(b).exponent;
            if (!any || (x - origin) + (exponent - unit) * ln_2 > 0) {
                any = true;
                origin = x;
                unit = exponent;
            }
        } else if (x != x || b != b ||
                   (x < 0 && magnitude(x) == infinity<double> &&
                    magnitude(b) == infinity<double>)) {
            nan = true;
        } else if (x > -infinity<double>) {
            (b > 0 ? plus : minus) = true;
        }
    });
    if (nan || (plus && minus))
        return {not_a_number<double>, not_a_number<double>};
    if (plus || minus)
        return {infinity<double>, plus ? 1.0 : -1.0};
    if (!any)
        return {-infinity<double>, 0};
    const Careful<C> unscaled;
    Real<C> sum = 0.0;
    each([&](double x, double b) {
        if (!(magnitude(x) < infinity<double>))
            return;
        const Real<C> z = quotient(origin, x, unscaled);
        const Parts factor = parts_of(b);
        const int exponent = factor.exponent - unit;
        if (!(exponent - high(z) * log2_e > -900)) // nothing, even where larger terms cancel
            return;
        sum = sum + Real<C>(factor.mantissa) * exp_of_minus<C>(z, exponent);
    });
    return signed_log<C>(origin, sum, unit);
}

template <class V> INLINE V size_of(V b) { return max(b, sub(broadcast<V>(0), b)); }

// Of the elements that take part: the largest x, which is at most -greatest if there is none, and
// +inf if one is NaN; the largest abs(b), where NaN is passed over.
template <class C> struct WeightedRange {
    C top, factor;
};
template <class C> INLINE WeightedRange<C> weighted_range(const C *x, const C *b, std::size_t n) {
    using V = Vec<C, sum_lanes<C>>;
    const V zero = broadcast<V>(C(0)), huge = broadcast<V>(greatest<C>),
            infinite = broadcast<V>(infinity<C>);
    V top = broadcast<V>(-infinity<C>), factor = zero;
    sweep<V>(0, n, [&](std::size_t i, auto part) INLINE_LAMBDA {
        const V size = size_of(load<V>(b + i, part, C(0)));
        const V limit = sub(zero_where_at_most(infinite, size, zero), huge); // inf, or -greatest
        top = max(min(load<V>(x + i, part, -infinity<C>), limit), top);
        factor = max(size, factor);
    });
    return {reduce_max(top), reduce_max(factor)};
}

// sum b exp(x - top), and that of the terms' sizes, of double rows alone.
template <class C> struct WeightedSum {
    Real<C> net;
    double gross;
};

template <class C> struct WeightedLanes {
    WideSum<C> net;
    Wide<C> gross = broadcast<Wide<C>>(0.0);

    // Of several vectors' width, the lower lanes first.
    template <int N> INLINE void add(Vec<double, N> e, Vec<double, N> b, Vec<double, N> size) {
        if constexpr (N == Wide<C>::lanes) {
            net.add_product(e, b);
            if constexpr (sizeof(C) == 8)
                gross = mul_add(e, size, gross);
        } else {
            add(e.low, b.low, size.low);
            add(e.high, b.high, size.high);
        }
    }
};

template <class C>
INLINE WeightedSum<C> weighted_sum(const C *x, const C *b, std::size_t n, double top) {
    constexpr int one = sum_lanes<C>, several = exp_unroll * sum_lanes<double>;
    using Several = Vec<double, (several > one ? several : one)>;
    // As in Argument::careful: beyond the limit the difference is exact where it matters. Else it
    // is x but for subnormal numbers, which slow products down.
    const double origin = magnitude(top) <= exp_limit ? -0x1p-900 : top;
    const double shift = nearest_integer((top - origin) * log2_e);
    const Exp<double, Argument::plain> exp(scaling_for(1, 0.0), {}, shift);
    double unit[sum_lanes<double>];
    store(unit, exp(broadcast<Vec<double, sum_lanes<double>>>(top - origin)));
    WeightedLanes<C> sum;
    auto step = [&](auto zero, std::size_t i, auto part) INLINE_LAMBDA {
        using V = decltype(zero);
        const V v = sub(load_wide<V>(x + i, part, -infinity<C>), broadcast<V>(origin));
        const V factor = load_wide<V>(b + i, part, C(0)), size = size_of(factor);
        const V e = zero_where_at_most(exp(v), v, broadcast<V>(exp.lowest));
        // A subnormal factor is nothing beside a net sum that is accepted.
        sum.add(zero_where_at_most(e, size, broadcast<V>(0x1p-1022)), factor, size);
    };
    const std::size_t whole = n - n % Several::lanes;
    sweep<Several>(0, whole,
                   [&](std::size_t i, auto part) INLINE_LAMBDA { step(Several{}, i, part); });
    sweep<Wide<C>>(whole, n,
                   [&](std::size_t i, auto part) INLINE_LAMBDA { step(Wide<C>{}, i, part); });
    return {sum.net.total() / Real<C>(unit[0]), folded(sum.gross) / unit[0]};
}

// Double rows as short as this take no longer by their elements.
constexpr std::size_t shortest_weighted = 2;

template <class C> INLINE SignedLog weighted_log_sum(const C *x, const C *b, std::size_t n) {
    if (sizeof(C) == 8 && n <= shortest_weighted)
        return weighted_by_elements(x, b, n);
    const WeightedRange<C> range = weighted_range(x, b, n);
    const double top = static_cast<double>(range.top), most = static_cast<double>(range.factor);
    if (!(magnitude(top) < static_cast<double>(greatest<C>) && most > 0x1p-900 && most < 0x1p700))
        return weighted_by_elements(x, b, n);
    const WeightedSum<C> sum = weighted_sum(x, b, n, top);
    const double net = magnitude(high(sum.net));
    // All terms left out, those below the range of the exponentials, are less than 2^-1126 of this.
    const double largest = most * static_cast<double>(n);
    const bool all = net > largest * 0x1p-1000 && net > 0x1p-890 && net < 0x1p700;
    const bool clear = sizeof(C) == 4 || net > sum.gross * 0x1p-16;
    return all && clear ? signed_log<C>(top, sum.net, 0) : weighted_by_elements(x, b, n);
}

// logsumexp with factors of a batch of rows.
template <class C> void each_weighted_log_sum(const Rows &rows) noexcept {
    const char *x = static_cast<const char *>(rows.x);
    const char *b = static_cast<const char *>(rows.other);
    for (std::size_t i = 0; i < rows.count; ++i) {
        const SignedLog of = weighted_log_sum(reinterpret_cast<const C *>(x),
                                              reinterpret_cast<const C *>(b), rows.length);
        const std::ptrdiff_t place = static_cast<std::ptrdiff_t>(i) * rows.row_stride;
        rows.results[place] = !rows.extra && of.sign < 0 ? not_a_number<double> : of.log;
        if (rows.extra)
            rows.extra[place] = of.sign;
        x += rows.x_row_stride_bytes;
        b += rows.other_row_stride_bytes;
    }
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
