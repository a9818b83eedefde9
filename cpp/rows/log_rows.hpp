// log_softmax, logsumexp and cross_entropy of a row.
#pragma once
#include "rows/losses.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// y = (x - max) / T - log(sum exp((x - max) / T)): two terms of one sign, so that no digit is lost;
// the second is exact beyond C's digits. Or, without a y, one number for each row: its logsumexp,
// or its cross-entropy if there are LossOptions. Rows as in Softmax.
struct LogRows {
    static constexpr int wanted = wants_second;
    static constexpr bool keeps = false, recomputes = false, masks = true, in_parts = false;
    template <class C> using Function = LogOf<C, false>;

    template <class C> using Stats = LogStats<C>;

    template <class R> static INLINE void reduction(const R &row, LogStats<typename R::C> &stats) {
        if (is_ignored(row))
            row.pass();
        else
            log_reduce(row, stats);
    }
    template <class R> static INLINE void settle(const R &row, LogStats<typename R::C> &stats) {
        using C = typename R::C;
        if (is_ignored(row))
            return Loss<C>::store(row, 0);
        log_settle(row, stats);
        if (row.rows->y)
            return;
        if (!row.rows->loss)
            return store_log_sum_exp(row, stats);
        if (stats.regular)
            Loss<C>(row).store(row, stats.excess);
        else
            Loss<C>::store(row, not_a_number<double>);
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

} // namespace
} // namespace softlane::SOFTLANE_ISA
