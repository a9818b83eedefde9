// The row engine: reduce() gives a row's shift and the sum of its shifted exponentials, excess()
// the logarithm of that sum over its largest term; rows/write.hpp writes a row from them. Every op
// is made of these; dtype ends at load and store, the instruction set at simd/.
#pragma once
#include "core/kernels.hpp"
#include "rows/log.hpp"
#include "rows/write.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

template <class C_, int wanted_> struct Row {
    using C = C_;
    static constexpr int wanted = wanted_;
    const C *x;
    const C *other;
    C *y;
    std::size_t n;
    Scaling<C> scaling;
    Range<C> range;
    const C *next_x; // the row after this one, or null; its range is found while this row's sum
                     // is on its way
    Range<C> *next_range;
    const Rows *rows; // and its place among them, for what there is one of for each row
    std::ptrdiff_t index;

    INLINE void look_ahead() const {
        if (next_x)
            *next_range = row_range<wanted>(next_x, n);
    }
    INLINE std::int64_t label() const { return rows->labels[index * rows->row_stride]; }
    INLINE double *result() const { return rows->results + index * rows->row_stride; }
    INLINE double *extra() const {
        return rows->extra ? rows->extra + index * rows->row_stride : nullptr;
    }
};

// Of one row: sum = total of exp(x / T) * 2^(bias - shift), where x above `top` counts as `top`.
// `regular` is false where the edge rules of the op decide: NaN, +inf, or nothing but -inf in the
// row.
template <class C> struct Stats {
    bool regular = false;
    double shift = 0;
    DoubleDouble sum;
    C top;
    C top_exponential = 0; // that of `top`, as it is in the sum
    Careful<C> careful;    // how x was reduced; of the identity but for its temperature, mostly
};

// keep(Reduced<>, i, part, x, e) sees each vector of elements and of exponentials as they are made.
template <Argument> struct Reduced {};
template <Argument argument, bool capped, class R, class Keep>
INLINE void accumulate(const R &row, const Scaling<typename R::C> &scaling, Keep keep,
                       Stats<typename R::C> &stats) {
    using C = typename R::C;
    using V = Vec<C, sum_lanes<C>>;
    constexpr int unroll = argument == Argument::careful ? 1 : exp_unroll;
    using Wide = Vec<C, unroll * V::lanes>;
    const Exp<C, argument, capped> exp(scaling, stats.careful, stats.shift, stats.top);
    Sum<C> sum;
    for (std::size_t begin = 0;;) {
        const std::size_t end = row.n - begin > Sum<C>::block ? begin + Sum<C>::block : row.n;
        const std::size_t whole = end - (end - begin) % Wide::lanes;
        auto step = [&](auto zero, std::size_t i, auto part) INLINE_LAMBDA {
            const auto x = load<decltype(zero)>(row.x + i, part, -infinity<C>);
            const auto e = exp(x);
            sum += present(e, part);
            keep(Reduced<argument>{}, i, part, x, e);
        };
        if constexpr (unroll > 1)
            sweep<Wide>(begin, whole,
                        [&](std::size_t i, auto part) INLINE_LAMBDA { step(Wide{}, i, part); });
        sweep<V>(unroll > 1 ? whole : begin, end,
                 [&](std::size_t i, auto part) INLINE_LAMBDA { step(V{}, i, part); });
        if (end == row.n)
            break;
        sum.flush();
        begin = end;
    }
    stats.sum = sum.total();
    if constexpr (capped) {
        C lane[V::lanes];
        store(lane, exp(broadcast<V>(stats.top)));
        stats.top_exponential = lane[0];
    }
}

template <bool capped, class R, class Keep>
__attribute__((noinline)) void reduce_careful(const R &row, Keep keep,
                                              Stats<typename R::C> &stats) {
    using C = typename R::C;
    stats.careful = careful_for<C>(row.scaling.temperature, stats.top);
    const Careful<C> &careful = stats.careful;
    const C reduced = (stats.top - careful.origin) * careful.factor * careful.factor;
    stats.shift = nearest_integer(reduced * log2_e / careful.temperature);
    accumulate<Argument::careful, capped>(row, scaling_for(careful.temperature, C()), keep, stats);
}

template <bool capped, class R, class Keep>
INLINE Stats<typename R::C> reduce(const R &row, typename R::C row_top, Keep keep) {
    using C = typename R::C;
    const double top = static_cast<double>(row_top), t = row.scaling.temperature;
    Stats<C> stats;
    stats.top = row_top;
    stats.careful.temperature = t;
    const bool plain = exp_unroll > 1 && t == 1; // the same bits, one operation less
    if (plain && magnitude(top) <= exp_limit) {
        stats.shift = nearest_integer(top * log2_e);
        if constexpr (exp_unroll > 1)
            accumulate<Argument::plain, capped>(row, row.scaling, keep, stats);
    } else if (is_moderate<C>(t) && magnitude(top) <= exp_limit * t) {
        stats.shift = nearest_integer(top * log2_e / t);
        accumulate<Argument::scaled, capped>(row, row.scaling, keep, stats);
    } else if (magnitude(top) < infinity<double>) {
        reduce_careful<capped>(row, keep, stats);
    }
    row.look_ahead();
    // The largest exponential is within [2^-0.51, 2^0.51] * 2^bias: a sum outside of these bounds,
    // or NaN, is no sum of a row of numbers.
    const double unit = power_of_two(ExpKernel<C>::bias);
    stats.regular =
        stats.sum.high >= 0.5 * unit && stats.sum.high <= 2.0 * unit * static_cast<double>(row.n);
    return stats;
}

// Whether no probability of the row is as small as 2^-70 (doubles: 2^-800).
template <class R> INLINE bool is_shallow(const R &row) {
    const double depth = // in binades
        (static_cast<double>(row.range.max) - static_cast<double>(row.range.min)) * log2_e /
        row.scaling.temperature;
    return depth <=
           (sizeof(typename R::C) == 4 ? 70 : 800) - binade(static_cast<double>(row.n)) - 1;
}

// (a - b) / T, where the temperature is given as for the reduction of a row's elements.
template <class C> INLINE Real<C> quotient(double a, double b, const Careful<C> &by) {
    const double f = static_cast<double>(by.factor);
    if constexpr (sizeof(C) == 4) {
        return (a - b) * f * f / by.temperature;
    } else {
        if (!(magnitude(a) < 0x1p1020 && magnitude(b) < 0x1p1020)) // the difference may overflow
            return (a * 0.0625 - b * 0.0625) * f * f / (by.temperature * 0.0625);
        if (!(magnitude((a - b) * f * f) < infinity<double>))
            return (a - b) * f * f;
        const DoubleDouble d = two_sum(a, -b);
        return DoubleDouble(d.high * f * f, d.low * f * f) / by.temperature;
    }
}

// What the other elements of a row add to its largest: `odds` is the sum of the exponentials of all
// but one instance of the maximum, over that maximum's; `log` is log1p of it, that is logsumexp(x /
// T) - max / T. Both are to be multiplied by 2^-lift. For rows that were reduced with their second
// largest element as `top` all digits are right, however small they are: the terms of the sum are
// then of their own size, and the maximum, counted as one more of the second, is exactly taken off.
template <class C> struct Excess {
    Real<C> odds = 0.0, log = 0.0;
    int lift = 0;
};

template <class R>
INLINE Excess<typename R::C> excess(const R &row, const Stats<typename R::C> &s) {
    using C = typename R::C;
    Excess<C> result;
    if (row.range.second == -infinity<C>)
        return result;
    const double max = static_cast<double>(row.range.max);
    const double gap =
        high(quotient<C>(max, static_cast<double>(s.top), s.careful)); // above the top
    // Beyond, even as many elements as memory holds add less than the smallest subnormal number.
    if (!(gap <= (sizeof(C) == 4 ? 150 : 800)))
        return result;
    result.lift = gap > 400 ? 800 : 0; // a factor made of it keeps both its limbs
    const Real<C> e =
        exp_of_minus<C>(quotient<C>(max, static_cast<double>(s.careful.origin), s.careful),
                        static_cast<int>(s.shift) + result.lift);
    const DoubleDouble others = s.sum - DoubleDouble(static_cast<double>(s.top_exponential));
    constexpr DoubleDouble scale{ExpConstants<C>::scale, ExpConstants<C>::scale_low};
    constexpr DoubleDouble inverse = reciprocal(scale);
    const double unit = power_of_two(-ExpKernel<C>::bias);
    if constexpr (sizeof(C) == 4)
        result.odds = others.high * (inverse.high * unit) * e;
    else
        result.odds = DoubleDouble(others.high * unit, others.low * unit) * inverse * e;
    result.log = result.lift ? result.odds : log1p<C>(result.odds);
    return result;
}

// One op over a batch of rows. A row is written after the next one has been reduced: the latency of
// its sum and of the other's shift is hidden behind the two loops. Not so for rows that would leave
// the first-level cache in between.
constexpr std::size_t longest_delayed = 1024;
template <class RowOp, class C> void each_row(const Rows &rows) noexcept {
    using R = Row<C, RowOp::wanted>;
    const char *x = static_cast<const char *>(rows.x);
    const char *other = static_cast<const char *>(rows.other);
    char *y = static_cast<char *>(rows.y);
    const double *t = rows.temperature;
    auto scaling = [](double temperature) {
        return scaling_for(is_moderate<C>(temperature) ? temperature : 1, C());
    };
    Scaling<C> current = scaling(*t);
    current.temperature = *t;
    Range<C> range = row_range<RowOp::wanted>(reinterpret_cast<const C *>(x), rows.length);
    const bool delayed = rows.length <= longest_delayed;
    R row[2]{};
    decltype(RowOp::reduction(row[0])) stats[2]{};
    for (std::size_t i = 0; i < rows.count + delayed; ++i) {
        if (i < rows.count) {
            if (*t != current.temperature) {
                current = scaling(*t);
                current.temperature = *t;
            }
            const char *next = i + 1 < rows.count ? x + rows.x_row_stride_bytes : nullptr;
            row[i % 2] = {reinterpret_cast<const C *>(x),
                          reinterpret_cast<const C *>(other),
                          reinterpret_cast<C *>(y),
                          rows.length,
                          current,
                          range,
                          reinterpret_cast<const C *>(next),
                          &range,
                          &rows,
                          static_cast<std::ptrdiff_t>(i)};
            stats[i % 2] = RowOp::reduction(row[i % 2]);
            x += rows.x_row_stride_bytes;
            other += rows.other_row_stride_bytes;
            y += rows.y_row_stride_bytes;
            t += rows.temperature_stride;
        }
        const std::size_t done = i - delayed;
        if (done < rows.count)
            RowOp::write(row[done % 2], stats[done % 2]);
    }
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
