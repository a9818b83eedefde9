// Panels: rows that lie side by side, one in each lane of a vector, element i of all of them in one
// run of memory. No sum crosses the lanes; every bit is that of the row engine, whose order of
// additions the lanes keep: element i of a row counts as in its lane i mod L there.
#pragma once
#include "rows/panel_sums.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// What there is one of for each row of a panel.
template <class C, int lanes> struct PanelScalars {
    alignas(64) C max[lanes], second[lanes], min[lanes];                     // as in Range
    alignas(64) C top[lanes];                                                // as in Stats
    alignas(64) C shift[lanes], origin[lanes], offset[lanes], lowest[lanes]; // of Exp
    alignas(64) C top_exponential[lanes];
    alignas(64) C hi[lanes], lo[lanes]; // softmax: of the factor
    alignas(64) C log[lanes];           // log_softmax: what is subtracted
    alignas(64) double sum_high[lanes], sum_low[lanes];
    alignas(64) double odds[lanes], excess[lanes]; // as in Excess; the latter is its logarithm,
    // of double rows in two limbs
    alignas(64) double odds_low[sizeof(C) == 8 ? lanes : 1], excess_low[sizeof(C) == 8 ? lanes : 1];
    // of a loss with its gradient; what of double rows is in two limbs has the second in `*_low`:
    static constexpr int low_lanes = sizeof(C) == 8 ? lanes : 1;
    std::int64_t label[lanes];
    alignas(64) double named[lanes]; // the label's bits; those of -1 are NaN
    alignas(64) C target[lanes];     // x of the label
    alignas(64) double weight[lanes], weight_low[low_lanes]; // of the label alone
    alignas(64) double loss[lanes], gradient[lanes];         // the latter of the label's class
    alignas(64) double others[lanes];                        // 1 where `top` is the second, or 0
    alignas(64) double share[lanes];                         // 1 / divisor, or 0 of an ignored row
    alignas(64) double factor[lanes];                        // of the exponentials
    // 1 where Products::normal, or what is the same, writes a single row of floats, or 0
    alignas(64) C normal[lanes];
    alignas(64) C up[lanes]; // of a loss over all classes: 2^lift_bits where its limbs are so much
                             // too large, or 1
    double over, over_low;   // 1 / divisor of all rows
    bool has_options;        // weights, smoothing, probabilities, z-loss
    bool logged;             // odds and excess are known
    bool in_lanes;           // no row needs more than there is here
    // and of one over all classes, with what Scored adds up:
    bool spread;
    alignas(64) double all_weight[lanes], all_weight_low[low_lanes];
    alignas(64) double all_distance[lanes], all_distance_low[low_lanes];
    // the label's part of the smoothing, and the excess from a pass of its own, or -1
    alignas(64) double own[lanes], own_low[low_lanes];
    alignas(64) double apart[lanes], apart_low[low_lanes];
    alignas(64) C irregular[lanes]; // 0, or 1 where the edge rules of the op decide
    bool shallow;                   // as shallow_span() has it, all rows are
};
template <class Scalars> INLINE bool is_irregular(const Scalars &rows, int r) {
    return rows.sum_high[r] != rows.sum_high[r];
}
template <class P> using ScalarsOf = PanelScalars<typename P::C, P::V::lanes>;

// The rows' labels and their elements; -1, and the largest element, of rows without a label, and of
// those that are not there.
template <class C, int lanes>
INLINE void find_labels(PanelScalars<C, lanes> &rows, const Place<C> &at) {
    // Copies: the stores below might change the originals, as far as compilers know.
    const std::ptrdiff_t step = at.batch.row_stride, row_bytes = at.x_row_bytes,
                         element_bytes = at.x_element_bytes;
    const std::int64_t *const labels = at.batch.labels ? at.batch.labels + at.index(0) : nullptr;
    const char *const x = at.x_data;
    const int there = labels ? at.count : 0;
    for (int r = 0; r < lanes; ++r) {
        const std::int64_t label = r < there ? labels[r * step] : -1;
        const char *from = label < 0 ? reinterpret_cast<const char *>(rows.max + r)
                                     : x + r * row_bytes + label * element_bytes;
        rows.label[r] = label;
        __builtin_memcpy(rows.named + r, &label, sizeof label);
        __builtin_memcpy(rows.target + r, from, sizeof *rows.target);
    }
}

// Of the rows from k on.
template <int wanted, class V, class Scalars>
INLINE void note_range(const Extremes<wanted, V> &extremes, Scalars &rows, int k) {
    using C = typename V::Scalar;
    store(rows.max + k, extremes.max);
    V top = extremes.max;
    if constexpr ((wanted & wants_second) != 0) {
        const V infinite = broadcast<V>(infinity<C>);
        store(rows.second + k, extremes.second);
        top = choose(extremes.second, broadcast<V>(-infinity<C>), top, extremes.second);
        top = choose(infinite, extremes.max, extremes.max, top);
    }
    if constexpr ((wanted & wants_min) != 0)
        store(rows.min + k, extremes.min);
    store(rows.top + k, top);
}
// What follows for all rows; returns no less than abs() of any maximum and top, but for infinities,
// whose exponentials are NaN whatever the reduction.
template <int wanted, class P> INLINE double settle_ranges(const P &panel, ScalarsOf<P> &rows) {
    using C = typename P::C;
    using V = typename P::V;
    const V zero = broadcast<V>(C(0)), largest = load<V>(rows.max);
    if constexpr ((wanted & wants_min) != 0) { // infinite rows are irregular
        const double span =
            static_cast<double>(reduce_max(max(sub(largest, load<V>(rows.min)), zero)));
        rows.shallow = span <= shallow_span<C>(panel.scaling.temperature, panel.n);
    }
    const V size = max(largest, sub(zero, load<V>(rows.top)));
    return static_cast<double>(reduce_max(choose(size, broadcast<V>(greatest<C>), size, zero)));
}
template <int wanted, class P> INLINE double ranges(const P &panel, ScalarsOf<P> &rows) {
    using V = typename P::V;
    Extremes<wanted, V> extremes;
    for (std::size_t i = 0; i < panel.n; ++i) {
        const V v = load<V>(panel.x.at(i), panel.part, 0);
        extremes.add(v, v);
    }
    note_range(extremes, rows, 0);
    return settle_ranges<wanted>(panel, rows);
}

// The constants of Exp for a register's rows from k on. Integers up to 2^22 are floats as well.
template <Argument argument, class C, class Scalars>
INLINE void prepare(double t, Scalars &rows, int k) {
    using V = Vec<C, native_lanes<C>>;
    using D = Doubles<V>;
    D top = load_doubles<D>(rows.top + k);
    if constexpr (argument == Argument::far) {
        const D zero = broadcast<D>(0), largest = load_doubles<D>(rows.max + k);
        const D from = choose(sub(largest, top), broadcast<D>(farthest_top * t), largest, top);
        const D size = max(from, sub(zero, from));
        const D origin = choose(size, broadcast<D>(exp_limit * t), zero, from);
        store(rows.origin + k, from_doubles<V>(origin));
        top = sub(top, origin);
    } else {
        store(rows.origin + k, broadcast<V>(C(0)));
    }
    D quotient = times(top, log2_e);
    if constexpr (argument == Argument::far)
        quotient = div(quotient, broadcast<D>(t));
    const V shift = from_doubles<V>(nearest_integers(quotient));
    constexpr double round = Exp<C, argument>::round;
    constexpr C zero_shift = static_cast<C>(round + exp_table_size * ExpKernel<C>::bias);
    store(rows.shift + k, shift);
    store(rows.offset + k, mul_add(shift, broadcast<V>(-exp_table_size), broadcast<V>(zero_shift)));
    V lowest =
        mul(sub(shift, broadcast<V>(ExpKernel<C>::clamp_bits)), broadcast<V>(static_cast<C>(ln_2)));
    if constexpr (argument == Argument::far)
        lowest = mul(lowest, broadcast<V>(static_cast<C>(t)));
    store(rows.lowest + k, lowest);
}

// Makes the sums of function(x, i), V -> V, over each element. `company` steps along.
template <bool keeps, class P, class Function, class Others>
INLINE void sum_up(const P &panel, LaneSums<typename P::V> &sums, Others &company,
                   Function function) {
    using C = typename P::C;
    using V = typename P::V;
    constexpr std::size_t lanes = sum_lanes<C>;
    const std::size_t n = panel.n;
    const auto term = [&](std::size_t i) INLINE_LAMBDA {
        const V e = function(load<V>(panel.x.at(i), panel.part, 0));
        if constexpr (keeps)
            store(panel.kept.at(i), e, panel.part);
        company.step();
        return e;
    };
    const V start = broadcast<V>(static_cast<C>(power_of_two(ExpKernel<C>::bias + 1)));
    // Where no lane has more than two elements, the sums of two are made afterwards.
    if (keeps && is_whole(typename P::Part()) && n < 2 * lanes) {
        sums.term = {panel.kept.data, panel.kept.stride_bytes};
        for (std::size_t i = 0; i < n; ++i)
            term(i);
        for (std::size_t j = 0; j + lanes < n; ++j) {
            V high = start, low = broadcast<V>(C(0));
            for (std::size_t i = j; i < n; i += lanes)
                add_compensated(high, low, load<V>(panel.kept.at(i)));
            store(sums.high[j], sub(high, start));
            store(sums.low[j], low);
        }
        return;
    }
    for (std::size_t begin = 0;;) {
        const std::size_t end = n - begin > Sum<C>::block ? begin + Sum<C>::block : n;
        for (std::size_t j = 0; j < lanes; ++j) {
            std::size_t i = begin + j;
            if (n <= j + lanes) {
                if (i < n)
                    store(sums.high[j], term(i));
                continue;
            }
            V high = start, low = broadcast<V>(C(0));
            for (; i < end; i += lanes)
                add_compensated(high, low, term(i));
            store(sums.high[j], sub(high, start));
            store(sums.low[j], low);
        }
        if constexpr (sizeof(C) == 4)
            if (n > Sum<C>::block)
                sums.flush();
        if (end == n)
            return;
        begin = end;
    }
}

// sum = total of exp(x / T) * 2^(bias - shift) of each row, as Stats has it of one.
template <Argument argument, class Op, class P, class Others>
INLINE void exponentials(const P &panel, ScalarsOf<P> &rows, LaneSums<typename P::V> &sums,
                         Others &company) {
    using V = typename P::V;
    const Exp<typename P::C, argument, Op::capped, V> exp(
        panel.scaling, argument == Argument::far ? load<V>(rows.origin) : V(), load<V>(rows.offset),
        load<V>(rows.lowest), Op::capped ? load<V>(rows.top) : V());
    if constexpr (Op::capped)
        store(rows.top_exponential, exp(load<V>(rows.top)));
    sum_up<Op::keeps>(panel, sums, company, exp);
}

template <int N, class Scalars> INLINE void store_sums(Vec<double, N> sum, Scalars &rows, int k) {
    store(rows.sum_high + k, sum);
}
template <class V, class Scalars> INLINE void store_sums(Pairs<V> sum, Scalars &rows, int k) {
    store(rows.sum_high + k, sum.high);
    store(rows.sum_low + k, sum.low);
}

template <int N> INLINE void store_limbs(Vec<double, N> factor, float *hi, float *lo) {
    const auto high = narrow(factor);
    store(hi, high);
    store(lo, narrow(sub(factor, widen(high))));
}
template <class V> INLINE void store_limbs(Pairs<V> factor, double *hi, double *lo) {
    store(hi, factor.high);
    store(lo, factor.low);
}

// The reciprocals of the sums of a register's rows from k on, as Factor has them. Returns whether
// all of the rows are regular: the sum of one that is not is NaN here.
template <class C, class Sums, class Scalars>
INLINE bool invert(const Sums &sums, Scalars &rows, int k) {
    using V = Vec<C, native_lanes<C>>;
    const Reals<V> sum = sums.total(k);
    store_limbs(reciprocals(sum), rows.hi + k, rows.lo + k);
    return !any_nan(highs(sum));
}
// The same 2^lift_bits too large, and `irregular`.
template <class C, class Scalars> INLINE void lift(Scalars &rows, int k) {
    using V = Vec<C, native_lanes<C>>;
    const V hi = load<V>(rows.hi + k),
            up = broadcast<V>(static_cast<C>(power_of_two(lift_bits<C>)));
    store(rows.irregular + k, choose(hi, hi, broadcast<V>(0), broadcast<V>(1)));
    store(rows.hi + k, mul(hi, up));
    store(rows.lo + k, mul(load<V>(rows.lo + k), up));
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
