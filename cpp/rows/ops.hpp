// What all operations have that take the logarithm of a row's sum.
#pragma once
#include "rows/softmax.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// Of a row, for everything that takes its logarithm.
template <class C> struct LogStats : Stats<C> {
    Excess<C> excess;
};
template <class R>
__attribute__((noinline)) void log_reduce(const R &row, Stats<typename R::C> &stats) {
    using C = typename R::C;
    const bool has_second = row.range.second > -infinity<C> && row.range.max < infinity<C>;
    reduce<true>(row, has_second ? row.range.second : row.range.max, KeepNothing{}, stats);
}
template <class R> INLINE void log_settle(const R &row, LogStats<typename R::C> &stats) {
    stats.settle(row.n);
    stats.excess = stats.regular ? excess(row.range, stats) : Excess<typename R::C>();
}

// x -> (x - max) / T - log, where T = 1 or by three factors: the first keeps the difference finite,
// the first two are powers of two, no factor leaves the type, whatever T, and the product does so
// only at the end.
template <class C, bool divided> struct LogOf {
    using Scalar = C;
    static constexpr Results results = Results::all;
    C max = 0, minus_log = 0, before = 1, middle = 1, after = 1;

    INLINE LogOf() {}
    INLINE LogOf(double t, C row_max, C row_log) : max(row_max), minus_log(C(0) - row_log) {
        if constexpr (divided) {
            const Careful<C> by = careful_for<C>(t, C(0));
            const double factor = static_cast<double>(by.factor);
            before = t > 1 ? by.factor * C(0.5) : C(1);
            middle = t < 1 ? by.factor * C(0.5) : by.factor;
            after = static_cast<C>((t > 1 ? 2 : t < 1 ? 2 * factor : 1) / by.temperature);
            max = max * before;
        }
    }
    template <class V> INLINE V operator()(V x) const {
        if constexpr (!divided)
            return add(sub(x, broadcast<V>(max)), broadcast<V>(minus_log));
        const V d = mul_add(x, broadcast<V>(before), broadcast<V>(-max));
        // What is flushed to -0 becomes +0: minus_log is never -0.
        return add(mul(mul(d, broadcast<V>(middle)), broadcast<V>(after)), broadcast<V>(minus_log));
    }
};

template <class C> INLINE const C *stepped(const C *x, std::ptrdiff_t bytes) {
    return reinterpret_cast<const C *>(reinterpret_cast<const char *>(x) + bytes);
}

// The logarithm of a row that has none of a number: NaN wins over +inf, and that over -inf.
template <class C>
__attribute__((noinline)) double irregular_log(const C *x, std::size_t n, C max,
                                               std::ptrdiff_t stride = sizeof(C)) {
    bool nan = false;
    for (std::size_t i = 0; i < n; ++i, x = stepped(x, stride)) {
        const double v = load_one(x);
        nan |= v != v;
    }
    return nan ? not_a_number<double> : static_cast<double>(max);
}

// Also where the mode takes a subnormal number for 0.
INLINE double widened(double v) { return v; }
INLINE double widened(float v) {
    const std::uint32_t u = bits_of(v);
    if ((u & 0x7f800000) != 0)
        return static_cast<double>(v);
    const double size = static_cast<double>(u & 0x7fffff) * 0x1p-149;
    return (u >> 31) != 0 ? -size : size;
}

// The largest of a row of numbers. In the kernels' mode comparisons may take a subnormal number for
// 0, and return that; by their bits, as integers, they do not.
template <class C>
__attribute__((noinline)) double largest_by_bits(const C *x, std::size_t n, std::ptrdiff_t stride) {
    using Bits = decltype(bits_of(C()));
    constexpr Bits sign = Bits(1) << (8 * sizeof(C) - 1);
    Bits largest = 0;
    for (std::size_t i = 0; i < n; ++i, x = stepped(x, stride)) {
        Bits bits;
        __builtin_memcpy(&bits, x, sizeof bits);
        bits = (bits & sign) != 0 ? ~bits : bits | sign; // in the order of the numbers
        largest = bits > largest ? bits : largest;
    }
    largest = (largest & sign) != 0 ? largest ^ sign : ~largest;
    C value;
    __builtin_memcpy(&value, &largest, sizeof value);
    return widened(value);
}
template <class C>
INLINE double row_max(C found, const C *x, std::size_t n, std::ptrdiff_t stride = sizeof(C)) {
    const double max = static_cast<double>(found);
    constexpr double least_normal = sizeof(C) == 4 ? 0x1p-126 : 0x1p-1022;
    return magnitude(max) >= least_normal ? max : largest_by_bits(x, n, stride);
}

INLINE double sign_of_log_sum(double log) { // or NaN
    return log != log ? log : log > -infinity<double> ? 1 : 0;
}

// log(sum exp(x / T)), from the share of the largest element, x / T.
template <class C> INLINE Real<C> log_sum_exp(Real<C> whole, const Excess<C> &excess) {
    if (!(magnitude(high(whole)) < infinity<double>))
        return whole;
    return whole + excess.log * Real<C>(power_of_two(-excess.lift));
}
// The same; max is row_max() of the row, taken before anything is written over x.
template <class R>
INLINE Real<typename R::C> log_sum_exp(const R &row, const Excess<typename R::C> &excess,
                                       double max) {
    using C = typename R::C;
    Careful<C> by;
    by.temperature = row.scaling.temperature;
    return log_sum_exp<C>(by.temperature == 1 ? Real<C>(max) : quotient(max, 0, by), excess);
}
// As a result, where `log` is what log_sum_exp() has.
template <class C>
INLINE void store_log_sum_exp(double *result, double log, C max, const Excess<C> &excess) {
    *result = log;
    if (excess.lift && max == 0)
        store_one(result, high(excess.log), excess.lift);
}
// With factors: rows/weighted.hpp.
template <class R>
INLINE void store_log_sum_exp(const R &row, const LogStats<typename R::C> &stats) {
    const bool sure = stats.regular && high(stats.excess.log) == 0; // nothing is added
    const double max = stats.regular ? row_max(row.range.max, row.x, row.n) : 0;
    const double log = sure            ? max
                       : stats.regular ? high(log_sum_exp(row, stats.excess, max))
                                       : irregular_log(row.x, row.n, row.range.max);
    store_log_sum_exp(row.result(), log, row.range.max, stats.excess);
    if (double *extra = row.extra())
        *extra = sign_of_log_sum(log);
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
