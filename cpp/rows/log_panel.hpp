// log_softmax, logsumexp and cross-entropy over rows whose scalars lie in lanes.
#pragma once
#include "rows/log_lanes.hpp"
#include "rows/scored_rows.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

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
    // Long before the elements are loaded as a vector, which waits for what was stored last.
    template <class C, class Scalars> static INLINE void note(Scalars &rows, const Place<C> &at) {
        if (at.batch.labels)
            find_labels(rows, at);
    }
    template <class C, class Sums, class Scalars>
    static INLINE bool finish(const Sums &sums, Scalars &rows, int k) {
        using V = Vec<C, native_lanes<C>>;
        const Reals<V> sum = sums.total(k);
        store_sums(sum, rows, k);
        const bool tiny = logarithms(lanes_of(rows, k));
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
        if (!usual)
            complete_tiny(rows, k, at);
    }

private:
    template <class C, class Scalars>
    static __attribute__((noinline)) void complete_tiny(const Scalars &rows, int k,
                                                        const Place<C> &at) {
        for (int r = 0; r < at.count; ++r) {
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
            const std::int64_t *label = rows.label + begin;
            alignas(64) double weight[2][V::lanes] = {}; // of the label, in two limbs
            alignas(64) double result[V::lanes];
            for (int r = 0; weighted && batch.labels && r < count; ++r) {
                if (label[r] < 0)
                    continue;
                const Real<C> of_label = label_weight<C>(*batch.loss, label[r]);
                if (!serves_in_lanes(high(of_label)))
                    return false;
                weight[0][r] = high(of_label);
                weight[1][r] = low(of_label);
            }
            // The largest, or the label's.
            W x = batch.labels ? load_doubles<W>(rows.target + begin) : max;
            if (!batch.loss && count < V::lanes) { // rows that are not there
                store(result, x);
                x = load_part<W>(result, static_cast<std::size_t>(count), 1.0);
            }
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
            if (batch.labels) {
                store(result, sum);
                for (int r = 0; r < V::lanes; ++r)
                    result[r] = label[r] < 0 ? 0 : result[r];
                sum = load<W>(result);
            }
            double *const to = batch.results + at.first + begin;
            if (count == V::lanes)
                store(to, sum);
            else
                store_part(to, sum, static_cast<std::size_t>(count));
        }
        return true;
    }
    template <class C>
    static __attribute__((noinline, cold)) void results(const LoggedLanes<C> &rows,
                                                        const Place<C> &at) {
        for (int r = 0; r < at.count; ++r) {
            const std::ptrdiff_t index = at.index(r);
            double &result = at.batch.results[index];
            if (needs_whole_rows(at.batch)) {
                store_spread_loss(rows, r, at);
                continue;
            }
            if (at.batch.labels) {
                store_loss(&result, rows, r, at);
                continue;
            }
            store_log_sum(&result, rows, r, at);
            if (at.batch.extra)
                at.batch.extra[index] = sign_of_log_sum(result);
        }
    }
    template <class C>
    static INLINE void store_loss(double *result, const LoggedLanes<C> &rows, int r,
                                  const Place<C> &at) {
        const std::int64_t label = rows.label[r];
        if (label < 0)
            *result = 0;
        else if (is_irregular(rows, r))
            *result = not_a_number<double>;
        else
            store_label_loss<C>(
                result, at.batch.loss->weight ? at.batch.loss->weight[label] : 1,
                distance<C>(static_cast<double>(rows.max[r]), load_one(rows.target + r)),
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
};

} // namespace
} // namespace softlane::SOFTLANE_ISA
