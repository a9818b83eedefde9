// log_softmax, logsumexp and cross-entropy over rows whose scalars lie in lanes.
#pragma once
#include "rows/scored_rows.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// The scalars of a register's rows, whatever PanelScalars they belong to: functions of which the
// program needs only one take them.
template <class C> struct LogLanes {
    const C *max, *second, *top, *origin, *shift, *top_exponential;
    const double *sum_high, *sum_low;
    double *odds, *odds_low, *excess, *excess_low;
    C *log;
};
template <class C, int lanes> INLINE LogLanes<C> lanes_of(PanelScalars<C, lanes> &rows, int k) {
    const int low = sizeof(C) == 8 ? k : 0; // float rows have none
    return {rows.max + k,   rows.second + k,          rows.top + k,      rows.origin + k,
            rows.shift + k, rows.top_exponential + k, rows.sum_high + k, rows.sum_low + k,
            rows.odds + k,  rows.odds_low + low,      rows.excess + k,   rows.excess_low + low,
            rows.log + k};
}
// What is known of all rows at last.
template <class C> struct LoggedLanes {
    const C *max, *top;
    const double *sum_high, *excess, *excess_low;
};
template <class C, int lanes>
INLINE LoggedLanes<C> logged_lanes(const PanelScalars<C, lanes> &rows, int k) {
    return {rows.max + k, rows.top + k, rows.sum_high + k, rows.excess + k,
            rows.excess_low + (sizeof(C) == 8 ? k : 0)};
}

// Excess::lift of row r; 0 of float rows.
template <class Scalars> INLINE int lift_of(const Scalars &rows, int r) {
    const double gap = static_cast<double>(rows.max[r]) - static_cast<double>(rows.top[r]);
    return sizeof rows.max[r] == 8 && gap > 400 && gap <= 800 ? 800 : 0;
}
template <class C, class Scalars> INLINE Excess<C> excess_of(const Scalars &rows, int r) {
    Excess<C> excess;
    excess.lift = lift_of(rows, r);
    if constexpr (sizeof(C) == 4)
        excess.log = rows.excess[r];
    else
        excess.log = {rows.excess[r], rows.excess_low[r]};
    return excess;
}

// quotient() by a temperature of 1
template <class C> INLINE Real<C> distance(double max, double x) {
    if constexpr (sizeof(C) == 4) {
        return max - x;
    } else {
        const DoubleDouble d = two_sum(max, -x);
        if (magnitude(d.high) > 0x1p-900 && magnitude(d.high) < 0x1p900)
            return d;
        Careful<double> by;
        by.temperature = 1;
        return quotient(max, x, by);
    }
}

// For temperatures of 1. Without a y, what there is one of for each row is its result.
struct LogPanel {
    using D = Vec<double, native_lanes<double>>;
    static constexpr bool keeps = false, capped = true, in_parts = false, streams = true;
    static constexpr int wanted = wants_second;
    template <class C> static constexpr bool has_results = true;
    template <class C> static constexpr bool turns_short_rows = true;
    template <class C> static constexpr bool by_rows = false;
    static constexpr bool writes_rows = false;
    static INLINE bool turns(const Rows &) { return true; }
    static constexpr bool any_temperature = false, has_steady_rows = false;
    static constexpr std::size_t least_turned_rows = 6;
    static constexpr std::size_t longest_grouped_row = longest_in_group;
    static constexpr std::size_t longest_grouped_in_stream = 512;

    template <class C> static INLINE bool serves(const Rows &rows) {
        return *rows.temperature == 1 && (!rows.other || rows.loss);
    }
    // Losses of all classes, or with what else is made of a row's logarithm.
    static INLINE bool needs_whole_rows(const Rows &rows) {
        return rows.loss && (rows.other || rows.extra || rows.loss->smoothing != 0);
    }
    template <class C, class Scalars> static INLINE void note(Scalars &, const Place<C> &) {}
    template <class C, class Sums, class Scalars>
    static INLINE bool finish(const Sums &sums, Scalars &rows, int k) {
        using V = Vec<C, native_lanes<C>>;
        const Reals<V> sum = sums.total(k);
        store_sums(sum, rows, k);
        bool tiny;
        if constexpr (sizeof(C) == 4)
            tiny = logarithms(lanes_of(rows, k));
        else
            tiny = logarithms_of_doubles(lanes_of(rows, k));
        return !tiny && !any_nan(highs(sum));
    }
    template <class C, class Scalars> static INLINE void lift(Scalars &rows, int k) {
        for (int r = k; r < k + native_lanes<C>; ++r)
            rows.irregular[r] = C(is_irregular(rows, r));
    }
    template <class V, class Scalars> static INLINE auto usual_of(const Scalars &rows, int k) {
        return Usual<V>{load<V>(rows.max + k), load<V>(rows.log + k)};
    }
    template <class V, class Scalars> static INLINE auto unusual_of(const Scalars &rows, int k) {
        return Unusual<V>{usual_of<V>(rows, k), load<V>(rows.irregular + k)};
    }
    template <class V, class Scalars> static INLINE auto usual_row(const Scalars &rows, int k) {
        return Usual<V>{broadcast<V>(rows.max[k]), broadcast<V>(rows.log[k])};
    }
    template <class V, class Scalars> static INLINE auto unusual_row(const Scalars &rows, int k) {
        return Unusual<V>{usual_row<V>(rows, k), broadcast<V>(rows.irregular[k])};
    }
    // The results of each row if there is no y. Else logarithms too small for the others, which are
    // those of the maximum alone.
    template <class C, class Scalars>
    static INLINE void complete(const Scalars &rows, int k, const Place<C> &at, bool usual) {
        if (!at.y_data) {
            const LoggedLanes<C> lanes = logged_lanes(rows, k);
            if (!usual || !results_in_lanes(lanes, at))
                results(lanes, at);
            return;
        }
        for (int r = 0; !usual && r < at.count; ++r) {
            const double log = rows.excess[k + r];
            if (log == 0 || !is_tiny(rows, k + r) || is_irregular(rows, k + r))
                continue;
            std::ptrdiff_t i = 0;
            const auto last = static_cast<std::ptrdiff_t>(at.batch.length) - 1;
            while (i < last && load_one(at.y(r, i)) != 0)
                ++i;
            store_one(at.y(r, i), -log, lift_of(rows, k + r));
        }
    }

    // excess() of float rows without a branch, in loops that the compiler vectorises. Whether any
    // is tiny.
    static __attribute__((noinline, COPIES_HEADERS)) bool logarithms(const LogLanes<float> &rows) {
        constexpr int lanes = native_lanes<float>;
        constexpr DoubleDouble scale{ExpConstants<float>::scale, ExpConstants<float>::scale_low};
        constexpr double inverse =
            reciprocal(scale).high * (1 / static_cast<double>(1ull << ExpKernel<float>::bias));
        using V = Vec<float, lanes>;
        using D = Doubles<V>;
        const auto doubles = [](const float *of) INLINE_LAMBDA { return load_doubles<D>(of); };
        const D zero = broadcast<D>(0), most = broadcast<D>(150);
        const D max = doubles(rows.max), second = doubles(rows.second);
        const D gap = choose(second, broadcast<D>(-infinity<double>),
                             broadcast<D>(infinity<double>), sub(max, doubles(rows.top)));
        double z[lanes], shift[lanes], e[lanes], w[lanes], log[lanes];
        store(z, choose(gap, most, sub(max, doubles(rows.origin)), zero));
        store(shift, choose(gap, most, doubles(rows.shift), zero));
        for (int r = 0; r < lanes; ++r)
            e[r] = exp_of_minus<float>(z[r], static_cast<int>(shift[r]));
        const D others = sub(load<D>(rows.sum_high), doubles(rows.top_exponential));
        store(w, mul(times(others, inverse), load<D>(e)));
        for (int r = 0; r < lanes; ++r)
            log[r] = log1p<float>(w[r]);
        const D all = choose(gap, most, load<D>(log), zero), least = broadcast<D>(0x1p-100);
        store(rows.odds, choose(gap, most, load<D>(w), zero));
        store(rows.excess, all);
        store(rows.log, narrow(choose(least, all, all, zero)));
        return reduce_max(choose(least, all, zero, all)) > 0;
    }

    // Whether plain_logarithms(), the excess() of double rows in lanes, serves all of a register.
    static INLINE bool are_plain(const LogLanes<double> &rows) {
        bool plain = true;
        for (int r = 0; r < D::lanes; ++r)
            plain = plain && rows.second[r] > -infinity<double> && !is_irregular(rows, r) &&
                    rows.max[r] - rows.top[r] <= 400 && magnitude(rows.max[r]) < 0x1p1000 &&
                    magnitude(rows.origin[r]) < 0x1p1000;
        return plain;
    }
    static __attribute__((noinline, COPIES_HEADERS)) void
    plain_logarithms(const LogLanes<double> &rows) {
        constexpr DoubleDouble scale{ExpConstants<double>::scale, ExpConstants<double>::scale_low};
        constexpr DoubleDouble inverse = reciprocal(scale);
        const double unit = power_of_two(-ExpKernel<double>::bias);
        const D zero = broadcast<D>(0);
        const Pairs<D> z = two_sums(load<D>(rows.max), sub(zero, load<D>(rows.origin)));
        const Pairs<D> e = exp_of_minus_pairs(z, rows.shift);
        const Pairs<D> others = added(Pairs<D>{load<D>(rows.sum_high), load<D>(rows.sum_low)},
                                      Pairs<D>{sub(zero, load<D>(rows.top_exponential)), zero});
        const Pairs<D> scaled =
            products(Pairs<D>{times(others.high, unit), times(others.low, unit)},
                     Pairs<D>{broadcast<D>(inverse.high), broadcast<D>(inverse.low)});
        const Pairs<D> w = products(scaled, e), u = two_sums(broadcast<D>(1), w.high);
        const Pairs<D> log = log_of_pairs({u.high, add(u.low, w.low)});
        store(rows.odds, w.high);
        store(rows.odds_low, w.low);
        store(rows.excess, log.high);
        store(rows.excess_low, log.low);
        store(rows.log, log.high);
    }

private:
    template <class V> struct Usual {
        V max, log;
        INLINE V operator()(V x) const { return sub(sub(x, max), log); }
    };
    template <class V> struct Unusual {
        Usual<V> difference;
        V irregular;
        INLINE V operator()(V x) const {
            using C = typename V::Scalar;
            return choose(irregular, broadcast<V>(C(0)), difference(x),
                          broadcast<V>(not_a_number<C>));
        }
    };
    template <class Scalars> static INLINE bool is_tiny(const Scalars &rows, int r) {
        return lift_of(rows, r) != 0 ||
               rows.excess[r] < (sizeof rows.max[r] == 4 ? 0x1p-100 : 0x1p-900);
    }

    // results() of rows that are usual, in lanes, if their places follow each other, no largest
    // element is subnormal, no label's is far from it, and there is no z-loss, nor a weight or a
    // sum that lanes do not serve; or false.
    template <class C>
    static __attribute__((noinline, COPIES_HEADERS)) bool
    results_in_lanes(const LoggedLanes<C> &rows, const Place<C> &at) {
        using V = Vec<C, native_lanes<C>>;
        using W = Doubles<V>;
        const Rows &batch = at.batch;
        const bool spread = needs_whole_rows(batch);
        const bool weighted = spread || (batch.labels && batch.loss->weight);
        if (batch.row_stride != 1 || batch.extra)
            return false;
        const W zero = broadcast<W>(0), nan = broadcast<W>(not_a_number<double>);
        for (int begin = 0; begin < at.count; begin += V::lanes) {
            const int left = at.count - begin;
            const int count = left < V::lanes ? left : V::lanes;
            const W max = to_doubles(load<V>(rows.max + begin)), log = load<W>(rows.excess + begin);
            alignas(64) double element[V::lanes], result[V::lanes]; // the largest, or the label's
            alignas(64) double weight[2][V::lanes] = {};            // of the label
            store(element, max);
            for (int r = count; r < V::lanes; ++r)
                element[r] = 1;
            for (int r = 0; batch.labels && r < count; ++r) {
                const std::int64_t label = at.label(begin + r);
                if (label < 0)
                    continue;
                element[r] = load_one(at.x(begin + r, label));
                if (weighted) {
                    const Real<C> of_label = label_weight<C>(*batch.loss, label);
                    if (!serves_in_lanes(high(of_label)))
                        return false;
                    weight[0][r] = high(of_label);
                    weight[1][r] = low(of_label);
                }
            }
            const W x = load<W>(element);
            const auto from = batch.loss ? two_sums(max, sub(zero, x)) : Pairs<W>{x, zero};
            const W size = SOFTLANE_ISA::max(from.high, sub(zero, from.high));
            const bool serves =
                batch.loss ? !any_nan(choose(size, broadcast<W>(0x1p899), zero, nan))
                           : !any_nan(choose(broadcast<W>(sizeof(C) == 4 ? 0x1p-126 : 0x1p-1022),
                                             size, zero, nan));
            if (!serves)
                return false;
            Reals<V> near, excess;
            if constexpr (sizeof(C) == 4) {
                near = from.high;
                excess = log;
            } else {
                near = from;
                excess = {log, load<W>(rows.excess_low + begin)};
            }
            const Reals<V> of_label = load_reals<V>(weight[0], weight[1]);
            W sum = highs(added(near, excess));
            if (spread) {
                const ScoredRows<C> scored(at, begin, count, rows.max + begin);
                sum = highs(scored.losses(of_label, near, excess));
                if (!scored.serves(max))
                    return false;
            } else if (weighted) {
                sum = highs(products(of_label, added(near, excess)));
            }
            store(result, sum);
            for (int r = 0; batch.labels && r < count; ++r)
                if (at.label(begin + r) < 0)
                    result[r] = 0;
            __builtin_memcpy(batch.results + at.first + begin, result,
                             static_cast<std::size_t>(count) * sizeof *result);
        }
        return true;
    }
    template <class C>
    static __attribute__((noinline)) void results(const LoggedLanes<C> &rows, const Place<C> &at) {
        for (int r = 0; r < at.count; ++r) {
            const std::ptrdiff_t index = at.index(r);
            double &result = at.batch.results[index];
            if (needs_whole_rows(at.batch)) {
                store_spread_loss(rows, r, at);
                continue;
            }
            if (at.batch.labels) {
                store_loss(&result, rows, r, at, at.batch.labels[index]);
                continue;
            }
            store_log_sum(&result, rows, r, at);
            if (at.batch.extra)
                at.batch.extra[index] = sign_of_log_sum(result);
        }
    }
    template <class C>
    static INLINE void store_loss(double *result, const LoggedLanes<C> &rows, int r,
                                  const Place<C> &at, std::int64_t label) {
        if (label < 0)
            *result = 0;
        else if (is_irregular(rows, r))
            *result = not_a_number<double>;
        else
            store_label_loss<C>(
                result, at.batch.loss->weight ? at.batch.loss->weight[label] : 1,
                distance<C>(static_cast<double>(rows.max[r]), load_one(at.x(r, label))),
                excess_of<C>(rows, r));
    }
    template <class C>
    static INLINE void store_spread_loss(const LoggedLanes<C> &rows, int r, const Place<C> &at) {
        const auto row = facts_of<C>({rows.max[r], 0, 0}, r, at);
        if (is_ignored(row))
            Loss<C>::store(row, 0);
        else if (is_irregular(rows, r))
            Loss<C>::store(row, not_a_number<double>);
        else
            Loss<C>(row).store(row, excess_of<C>(rows, r));
    }
    template <class C>
    static INLINE void store_log_sum(double *result, const LoggedLanes<C> &rows, int r,
                                     const Place<C> &at) {
        const C *x = at.x(r, 0);
        const std::size_t n = at.batch.length;
        if (is_irregular(rows, r)) {
            *result = irregular_log(x, n, rows.max[r], at.x_element_bytes);
            return;
        }
        const Excess<C> excess = excess_of<C>(rows, r);
        const double max = row_max(rows.max[r], x, n, at.x_element_bytes);
        const double log = high(excess.log) == 0 ? max : high(log_sum_exp<C>(Real<C>(max), excess));
        store_log_sum_exp(result, log, rows.max[r], excess);
    }

    // log_of<double>(u), for u.high >= 1.
    static INLINE Pairs<D> log_of_pairs(Pairs<D> u) {
        double upper[D::lanes], scale[D::lanes], k[D::lanes], c[D::lanes], log[2][D::lanes];
        store(upper, u.high);
        for (int r = 0; r < D::lanes; ++r) {
            const std::uint64_t bits = bits_of(upper[r]);
            const int exponent = static_cast<int>(bits >> 52) - 1023;
            const LogEntry &entry = log_table[(bits >> 46) & 63];
            k[r] = exponent;
            scale[r] = power_of_two(-exponent);
            c[r] = entry.c;
            log[0][r] = entry.high;
            log[1][r] = entry.low;
            upper[r] = float_of(bits_of(upper[r] * scale[r]) & ~std::uint64_t{0xfff});
        }
        const D z = mul(u.high, load<D>(scale)), rest = mul(u.low, load<D>(scale));
        const D part = load<D>(upper), by = load<D>(c), exponents = load<D>(k);
        const auto r = two_sums(minus(mul(part, by), 1), add(mul(sub(z, part), by), mul(rest, by)));
        const auto sum = two_sums(add(times(exponents, ln_2_parts[0]), load<D>(log[0])), r.high);
        const D smaller = add(times(exponents, ln_2_parts[1]), load<D>(log[1]));
        const D tail = add(add(series(r.high), smaller), sub(r.low, mul(r.high, r.low)));
        const D low = add(sum.low, tail), all = add(sum.high, low);
        return {all, sub(low, sub(all, sum.high))};
    }
    static INLINE D series(D r) { // log_series<10>
        constexpr int terms = 10;
        D q = broadcast<D>(-1.0 / terms);
#pragma GCC unroll 16
        for (int k = terms - 1; k >= 2; --k)
            q = plus(mul(q, r), (k % 2 == 0 ? -1.0 : 1.0) / k);
        return mul(mul(r, r), q);
    }
    // exp_of_minus<double>(z, shift)
    static INLINE Pairs<D> exp_of_minus_pairs(Pairs<D> z, const double *shift) {
        const D zero = broadcast<D>(0), minus_z = sub(zero, z.high);
        const D n = nearest_integers(times(z.high, -log2_e * exp_table_size));
        const D r = sub(sub(minus_z, times(n, exp_step[0])), add(times(n, exp_step[1]), z.low));
        constexpr int terms = 6;
        D q = broadcast<D>(ExpConstants<double>::coefficient[terms - 1]);
#pragma GCC unroll 8
        for (int i = terms - 2; i >= 0; --i)
            q = plus(mul(q, r), ExpConstants<double>::coefficient[i]);
        const D p = add(r, mul(mul(r, r), q));
        double index[D::lanes], high[D::lanes], low[D::lanes], power[D::lanes];
        store(index, n);
        for (int k = 0; k < D::lanes; ++k) {
            const auto i = static_cast<long long>(index[k]);
            high[k] = exp_pairs[i & 7][0];
            low[k] = exp_pairs[i & 7][1];
            power[k] = power_of_two(static_cast<int>(i >> 3) + static_cast<int>(shift[k]));
        }
        const D by = load<D>(power), a = load<D>(high), b = add(load<D>(low), mul(a, p));
        const D e = add(a, b);
        return {mul(e, by), mul(sub(b, sub(e, a)), by)};
    }
    // excess() of double rows: of all of a register that have more than one element that counts,
    // none of them far below the maximum; of others one by one.
    static __attribute__((noinline, COPIES_HEADERS)) bool
    logarithms_of_doubles(const LogLanes<double> &rows) {
        if (are_plain(rows)) {
            plain_logarithms(rows);
            return false;
        }
        bool any = false;
        for (int r = 0; r < native_lanes<double>; ++r) {
            Stats<double> stats;
            stats.shift = rows.shift[r];
            stats.sum = {rows.sum_high[r], rows.sum_low[r]};
            stats.top = rows.top[r];
            stats.top_exponential = rows.top_exponential[r];
            stats.careful.origin = rows.origin[r];
            rows.log[r] = rows.excess[r] = rows.excess_low[r] = 0;
            if (is_irregular(rows, r))
                continue;
            const Range<double> range{rows.max[r], rows.second[r], 0};
            const DoubleDouble log = excess(range, stats).log;
            rows.excess[r] = log.high;
            rows.excess_low[r] = log.low;
            if (is_tiny(rows, r))
                any |= rows.excess[r] != 0;
            else
                rows.log[r] = rows.excess[r];
        }
        return any;
    }
};

} // namespace
} // namespace softlane::SOFTLANE_ISA
