// The cross-entropy of hard labels with its gradient, over rows whose scalars lie in lanes.
#pragma once
#include "rows/loss_gradients.hpp"
#include "rows/panel_ops.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// What CrossEntropyWithGrad makes of rows, for temperatures of 1 and losses without weights,
// smoothing and z-loss; double rows that need more than Products::normal go one by one.
struct CrossEntropyWithGradPanel {
    static constexpr bool keeps = true, capped = true, in_parts = false;
    // The gradient of a row's label is stored after the others, where their lines should be.
    static constexpr bool streams = false;
    static constexpr int wanted = wants_min | wants_second;
    template <class C> static constexpr bool has_results = false;
    static constexpr bool turns_short_rows = false;
    template <class C> static constexpr bool by_rows = sizeof(C) == 8;
    static constexpr bool writes_rows = true;
    static constexpr bool any_temperature = false, has_steady_rows = false;
    static constexpr std::size_t longest_grouped_row = longest_gradient_in_group;
    static constexpr std::size_t longest_grouped_in_stream = 512;

    template <class C> static INLINE bool serves(const Rows &rows) {
        const double divisor = rows.loss->divisor;
        return *rows.temperature == 1 &&
               (needs_whole_rows(rows) || (divisor > 0x1p-16 && divisor < 0x1p200));
    }
    static INLINE bool needs_whole_rows(const Rows &rows) {
        return LogPanel::needs_whole_rows(rows) || rows.loss->weight || rows.loss->z_loss != 0;
    }
    // A label at the maximum needs the sum of the others to all digits; otherwise the maximum must
    // be among the exponentials, like the label's own.
    template <class C, class Scalars> static INLINE void note(Scalars &rows, const Place<C> &at) {
        const double share = 1 / at.batch.loss->divisor;
        const DoubleDouble over = reciprocal(
            DoubleDouble(1) * DoubleDouble(at.batch.loss->divisor, at.batch.loss->divisor_low));
        rows.over = over.high;
        rows.over_low = over.low;
        constexpr int lanes = sizeof rows.label / sizeof *rows.label;
        for (int r = 0; r < lanes; ++r) { // of rows that are not there as if they were ignored
            const std::int64_t label = r < at.count && at.batch.labels ? at.label(r) : -1;
            const C max = rows.max[r];
            const C target = label < 0 ? C(0) : static_cast<C>(load_one(at.x(r, label)));
            const bool others =
                label >= 0 && target == max && rows.second[r] > -infinity<C> && max < infinity<C>;
            rows.label[r] = label;
            rows.target[r] = target;
            rows.others[r] = others;
            rows.share[r] = label < 0 ? 0 : share;
            rows.top[r] = others ? rows.second[r] : max;
        }
    }
    // Of a group that needs_whole_rows(), which write_rows() writes.
    template <class C, class Sums, class Scalars>
    static __attribute__((noinline)) void log(const Sums &sums, Scalars &rows) {
        store_sums(sums.total(0), rows, 0);
        if constexpr (sizeof(C) == 4) {
            LogPanel::logarithms(lanes_of(rows, 0));
            rows.logged = true;
        } else {
            rows.logged = LogPanel::are_plain(lanes_of(rows, 0));
            if (rows.logged)
                LogPanel::plain_logarithms(lanes_of(rows, 0));
        }
    }
    // As the row engine does it, but that the group has the exponentials, their sums and, as a
    // rule, the logarithms.
    template <class C, class Group>
    static __attribute__((noinline)) void write_rows(const Group &of, const Place<C> &at) {
        const auto &rows = of.rows;
        for (int r = 0; r < at.count; ++r) {
            Row<CrossEntropyWithGrad, Plainly<C>> row{};
            static_cast<RowFacts<const C *, C> &>(row) = facts_of<C>({rows.max[r], rows.second[r], rows.min[r]}, r, at);
            row.y = at.y(r, 0);
            row.kept = of.kept(r);
            GradientStats<C> stats;
            stats.ignored = is_ignored(row);
            stats.regular = !is_irregular(rows, r);
            if (stats.ignored || !stats.regular) {
                Loss<C>::store(row, stats.ignored ? 0 : not_a_number<double>);
            } else {
                stats.sum = {rows.sum_high[r], sizeof(C) == 8 ? rows.sum_low[r] : 0};
                stats.shift = static_cast<double>(rows.shift[r]);
                stats.top = rows.top[r];
                stats.top_exponential = rows.top_exponential[r];
                stats.careful.origin = rows.origin[r];
                stats.shallow = static_cast<double>(row.range.max - row.range.min) <=
                                shallow_span<C>(1, row.n);
                CrossEntropyWithGrad::begin(row, stats);
                if (!stats.confident && !rows.logged) {
                    stats.excess = excess(row.range, stats);
                } else if (!stats.confident) {
                    stats.excess = excess_of<C>(rows, r);
                    if constexpr (sizeof(C) == 4)
                        stats.excess.odds = rows.odds[r];
                    else
                        stats.excess.odds = {rows.odds[r], rows.odds_low[r]};
                }
                CrossEntropyWithGrad::conclude(row, stats);
            }
            CrossEntropyWithGrad::write(row, stats, false);
        }
    }
    template <class C, class Sums, class Scalars>
    static INLINE bool finish(const Sums &sums, Scalars &rows, int k) {
        if constexpr (sizeof(C) == 8)
            return finish_doubles(sums, rows, k);
        else
            return finish_floats(sums, rows, k);
    }
    // Before their exponentials: whether rows that go by_rows() have a chance to be usual.
    template <class Scalars> static INLINE bool may_be_usual(const Scalars &rows) {
        constexpr int lanes = sizeof rows.label / sizeof *rows.label;
        bool may_be = rows.shallow;
        for (int r = 0; r < lanes; ++r)
            may_be = may_be && rows.label[r] >= 0 && rows.second[r] > -infinity<double> &&
                     rows.max[r] - rows.top[r] <= 400;
        return may_be;
    }
    // What a single row has as Products::normal keeps its limbs.
    template <class C, class Scalars> static INLINE void lift(Scalars &rows, int k) {
        using V = Vec<C, native_lanes<C>>;
        const V normal = load<V>(rows.normal + k), zero = broadcast<V>(C(0));
        const V up = broadcast<V>(static_cast<C>(power_of_two(lift_bits<C>)));
        const V hi = mul(load<V>(rows.hi + k), up), lo = mul(load<V>(rows.lo + k), up);
        store_limbs(times(load<Doubles<V>>(rows.factor + k), power_of_two(lift_bits<C>)),
                    rows.hi + k, rows.lo + k);
        store(rows.hi + k, choose(normal, zero, load<V>(rows.hi + k), hi));
        store(rows.lo + k, choose(normal, zero, load<V>(rows.lo + k), lo));
        for (int r = k; r < k + V::lanes; ++r)
            rows.irregular[r] = C(is_irregular(rows, r) && rows.label[r] >= 0);
    }
    template <class V, class Scalars> static INLINE auto usual_of(const Scalars &rows, int k) {
        return SoftmaxPanel::usual_of<V>(rows, k);
    }
    template <class V, class Scalars> static INLINE auto unusual_of(const Scalars &rows, int k) {
        return Unusual<V, decltype(SoftmaxPanel::unusual_of<V>(rows, k))>{
            SoftmaxPanel::unusual_of<V>(rows, k)};
    }
    template <class V, class Scalars> static INLINE auto usual_row(const Scalars &rows, int k) {
        return SoftmaxPanel::usual_row<V>(rows, k);
    }
    template <class V, class Scalars> static INLINE auto unusual_row(const Scalars &rows, int k) {
        return Unusual<V, decltype(SoftmaxPanel::unusual_row<V>(rows, k))>{
            SoftmaxPanel::unusual_row<V>(rows, k)};
    }
    template <class C, class Scalars>
    static INLINE void complete(const Scalars &rows, int, const Place<C> &at, bool usual) {
        for (int r = 0; r < at.count; ++r) {
            const std::int64_t label = rows.label[r];
            double &result = at.batch.results[at.index(r)];
            result = 0;
            if (label < 0) {
                const auto n = static_cast<std::ptrdiff_t>(at.batch.length);
                for (std::ptrdiff_t i = 0; !usual && i < n; ++i)
                    store_one(at.y(r, i), 0, 0);
            } else if (is_irregular(rows, r)) {
                result = not_a_number<double>;
            } else {
                store_label_loss<C>(&result, 1,
                                    distance<C>(static_cast<double>(rows.max[r]),
                                                static_cast<double>(rows.target[r])),
                                    excess_of<C>(rows, r));
                store_one(at.y(r, label), rows.gradient[r], 0);
            }
        }
    }

private:
    template <class Sums, class Scalars>
    static INLINE bool finish_floats(const Sums &sums, Scalars &rows, int k) {
        using V = Vec<float, native_lanes<float>>;
        using D = Doubles<V>;
        const D total = sums.total(k);
        store(rows.sum_high + k, total);
        LogPanel::logarithms(lanes_of(rows, k));
        double own[V::lanes];
        own_exponentials<float>(sums, rows, k, own);
        const D zero = broadcast<D>(0), one = broadcast<D>(1), share = load<D>(rows.share + k);
        const D others = load<D>(rows.others + k), odds = load<D>(rows.odds + k);
        const D inverse = reciprocals(total);
        // the label's probability lacks this of 1
        const D rest = choose(others, zero, mul(sub(total, load<D>(own)), inverse),
                              mul(odds, reciprocals(add(one, odds))));
        const D of_others =
            mul(rest, reciprocals(sub(total, to_doubles(load<V>(rows.top_exponential + k)))));
        const D factor =
            choose(share, zero, zero, mul(choose(others, zero, inverse, of_others), share));
        store(rows.factor + k, factor);
        store(rows.gradient + k, mul(sub(zero, rest), share));
        store_limbs(factor, rows.hi + k, rows.lo + k);
        // Products::normal, as for a single row, or of no account
        const D span = to_doubles(sub(load<V>(rows.max + k), load<V>(rows.min + k)));
        const D shallow = choose(span, broadcast<D>(shallow_span<float>(1, sums.n)), one, zero);
        const D normal =
            choose(share, zero, one, choose(broadcast<D>(0x1p-100), factor, shallow, zero));
        store(rows.normal + k, from_doubles<V>(normal));
        return !any_nan(total) && reduce_max(sub(one, normal)) == 0;
    }
    // Rows that Products::normal writes, none of them ignored, or false.
    template <class Sums, class Scalars>
    static INLINE bool finish_doubles(const Sums &sums, Scalars &rows, int k) {
        using D = Vec<double, native_lanes<double>>;
        const Pairs<D> total = sums.total(k);
        store_sums(total, rows, k);
        if (!LogPanel::are_plain(lanes_of(rows, k)))
            return false;
        LogPanel::plain_logarithms(lanes_of(rows, k));
        double own[D::lanes];
        own_exponentials<double>(sums, rows, k, own);
        const D zero = broadcast<D>(0), one = broadcast<D>(1), others = load<D>(rows.others + k);
        const Pairs<D> odds{load<D>(rows.odds + k), load<D>(rows.odds_low + k)};
        const Pairs<D> over{broadcast<D>(rows.over), broadcast<D>(rows.over_low)};
        const Pairs<D> inverse = reciprocals(total);
        const Pairs<D> rest = chosen(
            others, zero, products(added(total, negative(Pairs<D>{load<D>(own), zero})), inverse),
            products(odds, reciprocals(added(Pairs<D>{one, zero}, odds))));
        const Pairs<D> top{load<D>(rows.top_exponential + k), zero};
        const Pairs<D> of_others = products(rest, reciprocals(added(total, negative(top))));
        const Pairs<D> factor = products(renormed(chosen(others, zero, inverse, of_others)), over);
        const Pairs<D> gradient =
            products(added(Pairs<D>{zero, zero}, negative(renormed(rest))), over);
        store(rows.gradient + k, gradient.high);
        store_limbs(factor, rows.hi + k, rows.lo + k);
        const D span = sub(load<D>(rows.max + k), load<D>(rows.min + k)),
                share = load<D>(rows.share + k);
        const D shallow = choose(span, broadcast<D>(shallow_span<double>(1, sums.n)), one, zero);
        const D normal =
            choose(share, zero, zero, choose(broadcast<D>(0x1p-900), factor.high, shallow, zero));
        return reduce_max(sub(one, normal)) == 0;
    }
    template <class C, class Sums, class Scalars>
    static INLINE void own_exponentials(const Sums &sums, const Scalars &rows, int k, double *own) {
        for (int r = 0; r < native_lanes<C>; ++r) { // the label's
            const std::int64_t label = rows.label[k + r];
            const C e = label < 0 ? C(0) : sums.exponential(k + r, label);
            own[r] = static_cast<double>(e > CrossEntropyWithGrad::least_kept<C> ? e : C(0));
        }
    }

    template <class V, class Softmax> struct Unusual {
        Softmax softmax;
        INLINE V operator()(V e) const { return softmax(CrossEntropyWithGrad::without_least(e)); }
    };
};

} // namespace
} // namespace softlane::SOFTLANE_ISA
