// The row engine: reduce() gives a row's shift and the sum of its shifted exponentials, excess()
// the logarithm of that sum over its largest term; rows/write.hpp writes a row from them. Every op
// is made of these; dtype ends at load and store, the instruction set at simd/.
#pragma once
#include "core/kernels.hpp"
#include "rows/company.hpp"
#include "rows/log.hpp"
#include "rows/raise.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// What a row is, whatever becomes of it.
template <class In, class C_> struct RowFacts {
    using C = C_;
    In x;
    const C *other;
    std::size_t n;
    Scaling<C> scaling;
    Range<C> range;
    const Rows *rows; // and its place among them, for what there is one of for each row
    std::ptrdiff_t index;

    INLINE std::int64_t label() const { return rows->labels[index * rows->row_stride]; }
    INLINE double *result() const { return rows->results + index * rows->row_stride; }
    INLINE double *extra() const {
        return rows->extra ? rows->extra + index * rows->row_stride : nullptr;
    }
};

template <class RowOp, class Lies_> struct Row : RowFacts<typename Lies_::In, typename Lies_::C> {
    using Lies = Lies_;
    using Facts = RowFacts<typename Lies::In, typename Lies::C>;
    using C = typename Lies::C;
    using Facts::n;
    static constexpr int wanted = RowOp::wanted;
    // Softmax of floats, which is what most large arrays come to; another loop is 4 kB.
    static constexpr bool lags =
        RowOp::recomputes && sizeof(C) == 4 && !Lies::converts && row_pipeline;
    using Function = typename RowOp::template Function<C>;
    typename Lies::Out y;
    C *kept; // where exponentials are kept: y itself, a row of the first-level cache, scratch
    double shallow_span;
    mutable softlane::SOFTLANE_ISA::Beside<Function, Lies> beside; // .to: null if it is not written
    Seam<C> *seam;                                                 // of the results, or null
    std::size_t lag; // of the results, as stream_lag() has it; or 0

    template <bool lags = false> INLINE auto company() const {
        if constexpr (exp_unroll > 1) {
            return Company<wanted, Function, Lies, lags>(beside, n, seam, kept, lag);
        } else {
            pass();
            return Alone{};
        }
    }
    // Without exponentials to go along with: the next row is looked at, and that is all.
    void pass() const {
        if (beside.range)
            *beside.range = row_range<wanted, C>(beside.next, n);
        beside.to = {};
    }
};

// The largest exponential is within [2^-0.51, 2^0.51] * 2^bias: a sum outside of these bounds, or
// NaN, is no sum of a row of n numbers.
template <class C> INLINE bool is_regular(double sum, std::size_t n) {
    const double unit = power_of_two(ExpKernel<C>::bias);
    const auto count = static_cast<double>(static_cast<std::ptrdiff_t>(n));
    return sum >= 0.5 * unit && sum <= 2.0 * unit * count;
}

// Of one row: sum = total of exp(x / T) * 2^(bias - shift), where x above `top` counts as `top`.
// `regular` is false where the edge rules of the op decide: NaN, +inf, or nothing but -inf in the
// row.
template <class C> struct Stats {
    bool regular; // until settle(): there is a sum
    bool shallow; // as shallow_span() has it; of ops that want the smallest element
    double shift;
    typename Sum<C>::Lanes lanes;
    DoubleDouble sum; // of the lanes; see settle()
    C top;
    C top_exponential;  // that of `top`, as it is in the sum
    Careful<C> careful; // how x was reduced; of the identity but for its temperature, mostly

    // What follows from the exponentials of the row's n elements. It takes long, and most of it is
    // waiting: each_row() has it done beside the next row, as a rule.
    INLINE void settle(std::size_t n) {
        if (!regular)
            return;
        sum = Sum<C>::total(lanes);
        regular = is_regular<C>(sum.high, n);
    }
};

// Fills in what is known before the sums are added up across the lanes. keep(i, part, e) sees each
// vector of exponentials as they are made.
template <Argument argument, bool capped, class In, class C, class Keep, class Others>
INLINE void accumulate(In row, std::size_t n, const Scaling<C> &scaling, const Careful<C> &careful,
                       double shift, C top, Keep keep, Others company, Stats<C> &stats) {
    using V = Vec<C, sum_lanes<C>>;
    constexpr std::size_t block = Sum<C>::block;
    const Exp<C, argument, capped> exp(scaling, careful, shift, top);
    Sum<C> sum;
    std::size_t i = 0;
    if constexpr (argument != Argument::careful && exp_unroll > 1)
        i = raise<row_pipeline>(exp, row, n, sum, [&](std::size_t k, auto e) INLINE_LAMBDA {
            keep(k, Whole{}, e);
            company.step(k);
        });
    // Of lanes that hold no element: one that the exponential takes.
    const C fill = is_shallow(argument) ? top : -infinity<C>;
    for (;;) {
        const std::size_t end = n - i > block ? i + block : n;
        sweep<V>(i, end, [&](std::size_t k, auto part) INLINE_LAMBDA {
            const V e = exp(load<V>(row + k, part, fill));
            sum += present(e, part);
            keep(k, part, e);
        });
        if (end == n)
            break;
        sum.flush();
        i = end;
    }
    company.finish();
    stats.shift = shift;
    stats.top = top;
    stats.careful = careful;
    stats.lanes = sum.in_lanes();
    stats.regular = true;
    if constexpr (capped) {
        C lane[V::lanes];
        store(lane, exp(broadcast<V>(top)));
        stats.top_exponential = lane[0];
    }
}

template <bool capped, class In, class C, class Keep>
__attribute__((noinline, cold)) void reduce_careful(In row, std::size_t n, double t, C top, C from,
                                                    Keep keep, Stats<C> &stats) {
    const Careful<C> careful = careful_for<C>(t, from);
    const C reduced = (top - careful.origin) * careful.factor * careful.factor;
    const double shift = nearest_integer(reduced * log2_e / careful.temperature);
    accumulate<Argument::careful, capped>(row, n, scaling_for(careful.temperature, C()), careful,
                                          shift, top, keep, Alone{}, stats);
}

// Whether the row can be reduced without subtracting its maximum.
template <class R> INLINE bool is_direct(const R &row) {
    const double t = row.scaling.temperature;
    return is_moderate<typename R::C>(t) &&
           magnitude(static_cast<double>(row.range.max)) <= exp_limit * t;
}

template <bool capped, class R, class Keep>
INLINE void reduce(const R &row, typename R::C top, Keep keep, Stats<typename R::C> &stats) {
    using C = typename R::C;
    const double t = row.scaling.temperature;
    const C from = origin_of(row.range.max, top, t);
    const double size = magnitude(static_cast<double>(from));
    Careful<C> careful;
    careful.temperature = t;
    // The same bits, some operations less; of logarithms in doubles it is not worth its 20 kB.
    constexpr bool has_min = (R::wanted & wants_min) != 0;
    const bool shallow =
        has_min && static_cast<double>(row.range.max - row.range.min) <= row.shallow_span;
    stats.shallow = shallow;
    // Of the ops that want the smallest element, softmax alone has rows that often hold -inf.
    constexpr bool is_gradient = (R::wanted & wants_second) != 0 && has_min;
    constexpr bool has_deep =
        !has_min || (sizeof(C) == 4 && !capped && !R::Lies::converts && !is_gradient);
    constexpr bool has_plain = exp_unroll > 1 && (sizeof(C) == 4 || (!capped && !is_gradient));
    if constexpr (has_plain)
        if (t == 1 && size <= exp_limit && (shallow || has_deep)) {
            const double shift = nearest_integer(top * log2_e);
            if constexpr (R::lags)
                if (shallow && row.lag)
                    return accumulate<Argument::shallow, capped>(
                        row.x, row.n, row.scaling, careful, shift, top, keep,
                        row.template company<true>(), stats);
            if (has_min && shallow && !row.rows->where) // masked elements are far below
                return accumulate<has_min ? Argument::shallow : Argument::plain, capped>(
                    row.x, row.n, row.scaling, careful, shift, top, keep, row.company(), stats);
            if constexpr (has_deep)
                return accumulate<Argument::plain, capped>(row.x, row.n, row.scaling, careful,
                                                           shift, top, keep, row.company(), stats);
        }
    if (is_moderate<C>(t) && size <= exp_limit * t) {
        const double shift = nearest_integer(top * log2_e / t);
        return accumulate<Argument::scaled, capped>(row.x, row.n, row.scaling, careful, shift, top,
                                                    keep, row.company(), stats);
    }
    row.pass();
    if (size < infinity<double>)
        return reduce_careful<capped>(row.x, row.n, t, top, from, keep, stats);
    stats.regular = false;
}

// (a - b) / T, where the temperature is given as for the reduction of a row's elements.
INLINE double quotient(double a, double b, const Careful<float> &by) {
    const double f = static_cast<double>(by.factor);
    return a == b ? 0.0 : (a - b) * f * f / by.temperature; // T may be so small that it vanishes
}
__attribute__((noinline)) DoubleDouble quotient(double a, double b, const Careful<double> &by) {
    const double f = by.factor;
    if (a == b)
        return 0.0;
    if (!(magnitude(a) < 0x1p1020 && magnitude(b) < 0x1p1020)) // the difference may overflow
        return (a * 0.0625 - b * 0.0625) * f * f / (by.temperature * 0.0625);
    if (!(magnitude((a - b) * f * f) < infinity<double>))
        return (a - b) * f * f;
    const DoubleDouble d = two_sum(a, -b);
    return DoubleDouble(d.high * f * f, d.low * f * f) / by.temperature;
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

template <class C> INLINE Excess<C> excess_here(const Range<C> &range, const Stats<C> &s) {
    Excess<C> result;
    if (range.second == -infinity<C>)
        return result;
    const double max = static_cast<double>(range.max);
    const double gap = high(quotient(max, static_cast<double>(s.top), s.careful)); // above the top
    // Beyond, even as many elements as memory holds add less than the smallest subnormal number.
    if (!(gap <= (sizeof(C) == 4 ? 150 : 800)))
        return result;
    result.lift = gap > 400 ? 800 : 0; // a factor made of it keeps both its limbs
    const Real<C> e =
        exp_of_minus<C>(quotient(max, static_cast<double>(s.careful.origin), s.careful),
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
INLINE Excess<float> excess(const Range<float> &range, const Stats<float> &s) {
    return excess_here(range, s);
}
// In pairs of doubles it is long: once in the program.
__attribute__((noinline)) Excess<double> excess(const Range<double> &range,
                                                const Stats<double> &s) {
    return excess_here(range, s);
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
