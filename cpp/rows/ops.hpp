// The operations: reduction() says what is kept of a row while its exponentials pass, write() what
// becomes of the row. Here those that have the row alone; rows/losses.hpp, rows/backward.hpp.
#pragma once
#include "rows/engine.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// Exponentials are kept in y.
template <class C> INLINE auto keep_in(C *y) {
    return [=](auto, std::size_t i, auto part, auto, auto e)
               INLINE_LAMBDA { store(y + i, e, part); };
}

// y = e / sum. A row with NaN, +inf or nothing but -inf is NaN.
struct Softmax {
    static constexpr int wanted = wants_min;
    template <class R> static INLINE auto reduction(const R &row) {
        return reduce<false>(row, row.range.max, keep_in(row.y));
    }
    template <class R> static INLINE void write(const R &row, const Stats<typename R::C> &stats) {
        using C = typename R::C;
        if (!stats.regular)
            return fill(row.y, row.n, not_a_number<C>);
        const Real<C> factor = reciprocal(real<C>(stats.sum));
        if (is_shallow(row))
            rewrite(row.y, row.y, row.n, Factor<C, Products::normal>(factor));
        else
            rewrite(row.y, row.y, row.n, Factor<C, Products::lowered>(factor));
    }
};

// Of a row, for everything that takes its logarithm.
template <class C> struct LogStats {
    bool regular = false;
    Excess<C> excess;
};
template <class R, class Keep> INLINE LogStats<typename R::C> log_reduce(const R &row, Keep keep) {
    using C = typename R::C;
    const bool has_second = row.range.second > -infinity<C> && row.range.max < infinity<C>;
    const Stats<C> stats = reduce<true>(row, has_second ? row.range.second : row.range.max, keep);
    if (!stats.regular)
        return {};
    return {true, excess(row, stats)};
}
template <class R> __attribute__((noinline)) LogStats<typename R::C> log_reduce(const R &row) {
    return log_reduce(row, [](auto, std::size_t, auto, auto, auto) INLINE_LAMBDA {});
}

// y = (x - max) / T - log(sum exp((x - max) / T)): two terms of one sign, so that no digit is lost;
// the first is kept while the sum is made, the second is exact beyond C's digits. Rows as in
// Softmax.
struct LogSoftmax {
    static constexpr int wanted = wants_second;

    template <class R> static INLINE auto reduction(const R &row) {
        using C = typename R::C;
        // (x - max) / T by three factors: the first keeps the difference finite, the first two are
        // powers of two, no factor leaves the type, whatever T, and the product does so only at the
        // end.
        const double t = row.scaling.temperature;
        const Careful<C> by = t == 1 ? Careful<C>() : careful_for<C>(t, C(0));
        const double factor = static_cast<double>(by.factor);
        const C before = t > 1 ? by.factor * C(0.5) : C(1);
        const C middle = t < 1 ? by.factor * C(0.5) : by.factor;
        const C after = static_cast<C>((t > 1 ? 2 : t < 1 ? 2 * factor : 1) / by.temperature);
        const C max = row.range.max, shift = -max * before;
        C *y = row.y;
        return log_reduce(
            row, [=](auto argument, std::size_t i, auto part, auto x, auto) INLINE_LAMBDA {
                using V = decltype(x);
                if constexpr (is_plain(decltype(argument)())) {
                    store(y + i, sub(x, broadcast<V>(max)), part);
                } else {
                    const V d = mul_add(x, broadcast<V>(before), broadcast<V>(shift));
                    store(y + i, mul(mul(d, broadcast<V>(middle)), broadcast<V>(after)), part);
                }
            });
    }

    template <class R>
    static INLINE void write(const R &row, const LogStats<typename R::C> &stats) {
        using C = typename R::C;
        if (!stats.regular)
            return fill(row.y, row.n, not_a_number<C>);
        const Excess<C> &excess = stats.excess;
        // One that is subnormal, or nearly so, matters for the maximum alone.
        const bool tiny =
            excess.lift != 0 || high(excess.log) < (sizeof(C) == 4 ? 0x1p-100 : 0x1p-900);
        if (tiny && high(excess.log) == 0)
            return;
        if (tiny)
            return store_one(row.y + position_of_zero(row.y, row.n), -high(excess.log),
                             excess.lift);
        const C log = static_cast<C>(high(excess.log));
        rewrite(row.y, row.y, row.n,
                [=](auto y) INLINE_LAMBDA { return sub(y, broadcast<decltype(y)>(log)); });
    }

private:
    static constexpr bool is_plain(Reduced<Argument::plain>) { return true; }
    template <Argument argument> static constexpr bool is_plain(Reduced<argument>) { return false; }

    template <class C> static std::size_t position_of_zero(const C *y, std::size_t n) {
        std::size_t i = 0;
        while (i + 1 < n && load_one(y + i) != 0)
            ++i;
        return i;
    }
};

// The logarithm of a row that has none of a number: NaN wins over +inf, and that over -inf.
template <class R> __attribute__((noinline)) double irregular_log(const R &row) {
    using V = Vec<typename R::C, sum_lanes<typename R::C>>;
    bool nan = false;
    sweep<V>(0, row.n, [&](std::size_t i, auto part) INLINE_LAMBDA {
        typename R::C lane[V::lanes];
        store(lane, load<V>(row.x + i, part, 0));
        for (auto v : lane)
            nan |= v != v;
    });
    return nan ? not_a_number<double> : static_cast<double>(row.range.max);
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

// log(sum exp(x)); with factors: rows/weighted.hpp.
struct LogSumExp {
    static constexpr int wanted = wants_second;
    struct Nothing {};
    template <class R> static INLINE Nothing reduction(const R &row) {
        using C = typename R::C;
        const LogStats<C> stats = log_reduce(row);
        const bool sure = stats.regular && high(stats.excess.log) == 0; // nothing is added
        const double log = sure            ? widened(row.range.max)
                           : stats.regular ? high(log_sum(row, stats.excess))
                                           : irregular_log(row);
        *row.result() = log;
        if (stats.excess.lift && row.range.max == 0)
            store_one(row.result(), high(stats.excess.log), stats.excess.lift);
        if (double *extra = row.extra()) // the sign
            *extra = log != log ? log : log > -infinity<double> ? 1 : 0;
        return {};
    }
    template <class R> static INLINE void write(const R &, Nothing) {}

    // logsumexp(x / T)
    template <class R>
    static INLINE Real<typename R::C> log_sum(const R &row, const Excess<typename R::C> &excess) {
        using C = typename R::C;
        Careful<C> by;
        by.temperature = row.scaling.temperature;
        const double max = widened(row.range.max);
        const Real<C> whole = by.temperature == 1 ? Real<C>(max) : quotient<C>(max, 0, by);
        if (!(magnitude(high(whole)) < infinity<double>))
            return whole;
        return whole + excess.log * Real<C>(power_of_two(-excess.lift));
    }
};

} // namespace
} // namespace softlane::SOFTLANE_ISA
