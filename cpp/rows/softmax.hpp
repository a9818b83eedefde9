// Softmax of a row. As of every operation of the engine, reduction() says what is kept of a row
// while its exponentials pass, settle() what follows from them, plan() what is written beside
// another row, write() what becomes of the row: rows/log_rows.hpp, rows/loss_gradients.hpp.
#pragma once
#include "rows/parts.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// Exponentials are kept for the row to be written from; null: they are not.
template <class C> INLINE auto keep_in(C *kept) {
    return [=](std::size_t i, auto part, auto e) INLINE_LAMBDA {
        if (kept)
            store(kept + i, e, part);
    };
}

struct KeepNothing {
    template <class... Seen> INLINE void operator()(Seen...) const {}
};

// y = e / sum. A row with NaN, +inf or nothing but -inf is NaN.
struct Softmax {
    static constexpr int wanted = wants_min;
    static constexpr bool keeps = true, recomputes = true, masks = true, in_parts = true;
    template <class C> using Function = Factor<C, Products::normal>;

    template <class C> using Stats = softlane::SOFTLANE_ISA::Stats<C>;

    template <class R> static INLINE void reduction(const R &row, Stats<typename R::C> &stats) {
        using C = typename R::C;
        const bool has_part_none = row.rows->parts && row.range.max == -infinity<C>;
        reduce<false>(row, has_part_none ? C(0) : row.range.max,
                      keep_in(again(row) ? nullptr : row.kept), stats);
    }
    template <class R> static INLINE void settle(const R &row, Stats<typename R::C> &stats) {
        stats.settle(row.n);
        if (Part *parts = row.rows->parts)
            note(row, stats, parts[row.index]);
    }
    // `beside` is to write the row, if it is as most are.
    template <class R>
    static INLINE void plan(const R &row, const Stats<typename R::C> &stats,
                            Beside<typename R::Function, typename R::Lies> &beside) {
        using C = typename R::C;
        if (!stats.regular || !stats.shallow || again(row) || row.rows->parts)
            return;
        const Real<C> factor = reciprocal(real<C>(stats.sum));
        if (!is_normal(row, stats, factor))
            return;
        beside.from = row.kept;
        beside.to = row.y;
        beside.function = Function<C>(factor);
    }
    template <class R>
    static INLINE void write(const R &row, const Stats<typename R::C> &stats, bool written) {
        using C = typename R::C;
        if (written || row.rows->parts)
            return;
        if (!stats.regular)
            return write_nan(row);
        write(row, stats, reciprocal(real<C>(stats.sum)));
    }
    // e * factor * 2^-lift
    template <class R>
    static __attribute__((noinline)) void write(const R &row, const Stats<typename R::C> &stats,
                                                Real<typename R::C> factor, int lift = 0) {
        using C = typename R::C;
        if constexpr (!R::Lies::converts)
            if (again(row))
                return write_again(row, stats, factor, lift);
        bool streams = false;
        if constexpr (!R::Lies::converts && exp_unroll > 1)
            streams = row.rows->stream && row.kept != row.y;
        // Of doubles, which are written beside another as a rule, it is not worth its code.
        if (is_normal(row, stats, factor))
            return write_kept<sizeof(C) == 4>(row, Function<C>(factor), streams);
        write_kept<true>(row, Factor<C, Products::lowered>(factor, lift), streams);
    }

private:
    template <class R>
    static INLINE void note(const R &row, const Stats<typename R::C> &stats, Part &part) {
        using C = typename R::C;
        const double max = static_cast<double>(row.range.max);
        part.sum = stats.sum.high;
        part.sum_low = stats.sum.low;
        part.lift = 0;
        part.shift = stats.shift;
        part.origin = static_cast<double>(stats.careful.origin);
        part.max = max;
        part.shallow = stats.shallow;
        part.holds = held<C>(max, part.sum, row.n);
    }
    // Whether no result is subnormal. Masked rows have the bits of rows with -inf, which are never
    // shallow: where a limb of the factor may be subnormal, they are not normal either.
    template <class R>
    static INLINE bool is_normal(const R &row, const Stats<typename R::C> &stats,
                                 Real<typename R::C> factor) {
        const bool has_limbs =
            sizeof(typename R::C) == 8 || !row.rows->where || high(factor) >= 0x1p-73;
        return stats.shallow && has_limbs;
    }
    // Of a long row that no cache holds, exponentials are computed twice rather than stored and
    // read.
    template <class R> static INLINE bool again(const R &row) {
        if constexpr (R::Lies::converts)
            return false;
        else
            return row.rows->stream && row.kept == row.y && exp_unroll > 1 && is_direct(row);
    }
    template <bool may_stream, class R, class Function>
    static INLINE void write_kept(const R &row, const Function &function,
                                  [[maybe_unused]] bool streams) {
        if constexpr (may_stream && !R::Lies::converts && exp_unroll > 1)
            if (streams)
                return write_past(row.kept, false, row, function);
        rewrite(row.kept, row.y, row.n, function);
    }
    // y = function(from), past the caches.
    template <class R, class Function>
    static INLINE void write_past(const typename R::C *from, bool asks, const R &row,
                                  const Function &function) {
        using B = Beside<Function, typename R::Lies>;
        const B beside{asks ? from : nullptr,
                       nullptr,
                       from,
                       row.y,
                       true,
                       asks ? Asked::far : Asked::nothing,
                       function};
        Company<0, Function, typename R::Lies>(beside, row.n, row.seam, nullptr).run();
    }
    template <class C> struct Nan {
        using Scalar = C;
        static constexpr Results results = Results::all;
        template <class V> INLINE V operator()(V) const { return broadcast<V>(not_a_number<C>); }
    };
    // Floats past the caches, but for rows with a mask: those are masked in memory afterwards.
    template <class R> static __attribute__((noinline, cold)) void write_nan(const R &row) {
        using C = typename R::C;
        if constexpr (!R::Lies::converts && exp_unroll > 1 && sizeof(C) == 4)
            if (row.rows->stream && !row.rows->where)
                return write_past(row.kept, false, row, Nan<C>{});
        fill(row.y, row.n, not_a_number<C>);
    }
    template <Argument argument, class C, Products products> struct Again {
        using Scalar = C;
        static constexpr Results results = Results::all;
        Exp<C, argument> exp;
        Factor<C, products> factor;
        template <class V> INLINE V operator()(V x) const { return factor(exp(x)); }
    };
    template <Argument argument, Products products, class R>
    static __attribute__((noinline)) void write_again(const R &row,
                                                      const Stats<typename R::C> &stats,
                                                      Real<typename R::C> factor, int lift) {
        using C = typename R::C;
        using Function = Again<argument, C, products>;
        const Exp<C, argument> exp(row.scaling, stats.careful, stats.shift);
        write_past(row.x, true, row, Function{exp, Factor<C, products>(factor, lift)});
    }
    template <class R>
    static INLINE void write_again(const R &row, const Stats<typename R::C> &stats,
                                   Real<typename R::C> factor, int lift) {
        // Where a limb of a float row's factor is subnormal, the two ways of products differ, and a
        // row that is not written again takes the normal one. Limbs of doubles never are.
        if constexpr (sizeof(typename R::C) == 4)
            if (is_normal(row, stats, factor)) {
                if (row.scaling.temperature == 1 && !row.rows->where)
                    return write_again<Argument::shallow, Products::normal>(row, stats, factor,
                                                                            lift);
                return write_again<Argument::scaled, Products::normal>(row, stats, factor, lift);
            }
        write_again<Argument::scaled, Products::lowered>(row, stats, factor, lift);
    }
};

} // namespace
} // namespace softlane::SOFTLANE_ISA
