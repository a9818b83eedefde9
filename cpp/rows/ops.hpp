// The operations: reduction() says what is kept of a row while its exponentials pass, settle() what
// follows from them, write() what becomes of the row. Here those of a row's logarithm;
// rows/softmax.hpp, rows/losses.hpp, rows/backward.hpp.
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

// y = (x - max) / T - log(sum exp((x - max) / T)): two terms of one sign, so that no digit is lost;
// the second is exact beyond C's digits. Rows as in Softmax.
struct LogSoftmax {
    static constexpr int wanted = wants_second;
    static constexpr bool writes = true, keeps = false, recomputes = false, masks = true,
                          in_parts = false;
    template <class C> using Function = LogOf<C, false>;

    template <class C> using Stats = LogStats<C>;

    template <class R> static INLINE void reduction(const R &row, LogStats<typename R::C> &stats) {
        log_reduce(row, stats);
    }
    template <class R> static INLINE void settle(const R &row, LogStats<typename R::C> &stats) {
        log_settle(row, stats);
    }
    template <class R>
    static INLINE void plan(const R &row, const LogStats<typename R::C> &stats,
                            Beside<typename R::Function, typename R::Lies> &beside) {
        using C = typename R::C;
        if (!stats.regular || is_tiny(stats.excess) || row.scaling.temperature != 1)
            return;
        beside.from = row.x;
        beside.to = row.y;
        beside.function = {1, row.range.max, static_cast<C>(high(stats.excess.log))};
    }
    template <class R>
    static INLINE void write(const R &row, const LogStats<typename R::C> &stats, bool written) {
        using C = typename R::C;
        if (written)
            return;
        if (!stats.regular)
            return fill(row.y, row.n, not_a_number<C>);
        const Excess<C> &excess = stats.excess;
        const bool tiny = is_tiny(excess);
        const C log = tiny ? C(0) : static_cast<C>(high(excess.log));
        const double t = row.scaling.temperature;
        if (t == 1)
            rewrite(row.x, row.y, row.n, LogOf<C, false>(t, row.range.max, log));
        else
            rewrite(row.x, row.y, row.n, LogOf<C, true>(t, row.range.max, log));
        if (tiny && high(excess.log) != 0)
            store_one(row.y + position_of_zero(row.y, row.n), -high(excess.log), excess.lift);
    }

private:
    // One that is subnormal, or nearly so, matters for the maximum alone.
    template <class C> static bool is_tiny(const Excess<C> &excess) {
        return excess.lift != 0 || high(excess.log) < (sizeof(C) == 4 ? 0x1p-100 : 0x1p-900);
    }
    template <class C> static std::size_t position_of_zero(const C *y, std::size_t n) {
        std::size_t i = 0;
        while (i + 1 < n && load_one(y + i) != 0)
            ++i;
        return i;
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

// log(sum exp(x / T)); max is row_max() of the row, taken before anything is written over x.
template <class R>
INLINE Real<typename R::C> log_sum_exp(const R &row, const Excess<typename R::C> &excess,
                                       double max) {
    using C = typename R::C;
    Careful<C> by;
    by.temperature = row.scaling.temperature;
    const Real<C> whole = by.temperature == 1 ? Real<C>(max) : quotient(max, 0, by);
    if (!(magnitude(high(whole)) < infinity<double>))
        return whole;
    return whole + excess.log * Real<C>(power_of_two(-excess.lift));
}
// The same as a result; with factors: rows/weighted.hpp.
template <class R>
INLINE void store_log_sum_exp(const R &row, const LogStats<typename R::C> &stats) {
    const bool sure = stats.regular && high(stats.excess.log) == 0; // nothing is added
    const double max = stats.regular ? row_max(row.range.max, row.x, row.n) : 0;
    const double log = sure            ? max
                       : stats.regular ? high(log_sum_exp(row, stats.excess, max))
                                       : irregular_log(row.x, row.n, row.range.max);
    *row.result() = log;
    if (stats.excess.lift && row.range.max == 0)
        store_one(row.result(), high(stats.excess.log), stats.excess.lift);
    if (double *extra = row.extra())
        *extra = sign_of_log_sum(log);
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
