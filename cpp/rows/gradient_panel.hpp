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
    static constexpr bool turns_short_rows = true;
    template <class C> static constexpr bool by_rows = sizeof(C) == 8;
    static constexpr bool writes_rows = true;
    static INLINE bool turns(const Rows &rows) { return !LogPanel::needs_whole_rows(rows) && rows.loss->z_loss == 0; }
    static constexpr bool any_temperature = false, has_steady_rows = false;
    static constexpr std::size_t least_turned_rows = 8;
    static constexpr std::size_t longest_grouped_row = longest_gradient_in_group;
    static constexpr std::size_t longest_grouped_in_stream = 512;

    template <class C> static INLINE bool serves(const Rows &rows) {
        return *rows.temperature == 1 && (needs_whole_rows(rows) || is_moderate(*rows.loss));
    }
    static INLINE bool needs_whole_rows(const Rows &rows) {
        return LogPanel::needs_whole_rows(rows) || rows.loss->weight || rows.loss->z_loss != 0;
    }
    // A label at the maximum needs the sum of the others to all digits; otherwise the maximum must
    // be among the exponentials, like the label's own.
    template <class C, class Scalars> static INLINE void note(Scalars &rows, const Place<C> &at) {
        const LossOptions &options = *at.batch.loss;
        const double share = 1 / options.divisor;
        const DoubleDouble over = reciprocal(
            DoubleDouble(1) * DoubleDouble(options.divisor, options.divisor_low));
        rows.over = over.high;
        rows.over_low = over.low;
        rows.spread = at.batch.other || options.smoothing != 0;
        rows.in_lanes = is_moderate(options) && !at.batch.extra && options.z_loss == 0;
        rows.weighted = needs_whole_rows(at.batch);
        constexpr int lanes = sizeof rows.label / sizeof *rows.label;
        for (int r = 0; r < lanes; ++r) { // of rows that are not there as if they were ignored
            const bool is_there = r < at.count;
            const std::int64_t label = is_there && at.batch.labels ? at.label(r) : -1;
            const C max = rows.max[r];
            const C target = label < 0 ? max : static_cast<C>(load_one(at.x(r, label)));
            const bool others =
                label >= 0 && target == max && rows.second[r] > -infinity<C> && max < infinity<C>;
            rows.label[r] = label;
            rows.target[r] = target;
            rows.others[r] = others;
            rows.share[r] = label < 0 && !(is_there && at.batch.other) ? 0 : share;
            rows.top[r] = others ? rows.second[r] : max;
            rows.weight[r] = label < 0 ? 0 : 1;
            if constexpr (sizeof(C) == 8)
                rows.weight_low[r] = 0;
        }
        if (rows.weighted)
            note_weights(rows, at);
    }
    template <class C, class Sums, class Scalars>
    static __attribute__((noinline)) bool finish(const Sums &sums, Scalars &rows, int k) {
        using V = Vec<C, native_lanes<C>>;
        using D = Doubles<V>;
        using R = Reals<V>;
        constexpr bool is_float = sizeof(C) == 4;
        const int low = is_float ? 0 : k;
        const R total = sums.total(k);
        store_sums(total, rows, k);
        if constexpr (is_float)
            rows.logged = (LogPanel::logarithms(lanes_of(rows, k)), true);
        else if ((rows.logged = LogPanel::are_plain(lanes_of(rows, k))))
            LogPanel::plain_logarithms(lanes_of(rows, k));
        rows.in_lanes = rows.in_lanes && rows.logged;
        if (!rows.in_lanes)
            return false;

        double label[V::lanes];
        label_exponentials<C>(sums, rows, k, label);
        const D zero = broadcast<D>(0), one = broadcast<D>(1), others = load<D>(rows.others + k),
                share = load<D>(rows.share + k);
        const R none = as_reals<V>(zero), e = as_reals<V>(load<D>(label)),
                top = as_reals<V>(to_doubles(load<V>(rows.top_exponential + k)));
        const R odds = load_reals<V>(rows.odds + k, rows.odds_low + low),
                weight = load_reals<V>(rows.weight + k, rows.weight_low + low);
        const R inverse = reciprocals(total), p = reciprocals(added(as_reals<V>(one), odds));
        // the label's probability lacks this of 1
        const R rest = chosen(others, zero, products(added(total, negative(e)), inverse),
                              products(odds, p));
        const R of_others = products(rest, reciprocals(added(total, negative(top))));
        R all = weight, target = added(none, negative(products(weight, rest)));
        if (rows.spread) {
            const R spread = load_reals<V>(rows.all_weight + k, rows.all_weight_low + low);
            all = added(added(weight, spread), none);
            target = added(target, products(added(spread, none),
                                            chosen(others, zero, products(e, inverse), p)));
            target = added(target, negative(load_reals<V>(rows.own + k, rows.own_low + low)));
        }
        R over;
        if constexpr (is_float)
            over = share;
        else
            over = {broadcast<D>(rows.over), broadcast<D>(rows.over_low)};
        const R factor = products(products(chosen(others, zero, inverse, of_others), all), over);
        const D size = choose(share, zero, zero, highs(factor));
        store(rows.gradient + k, highs(products(target, over)));
        if constexpr (is_float) {
            store(rows.factor + k, size);
            store_limbs(size, rows.hi + k, rows.lo + k);
        } else {
            store_limbs(factor, rows.hi + k, rows.lo + k);
        }
        const D loss = losses<V>(rows, k);
        store(rows.loss + k, loss);

        // Products::normal, as for a single row, or of no account. (Factor::direct has no exponent
        // of its own between these other bounds.)
        const D span = to_doubles(sub(load<V>(rows.max + k), load<V>(rows.min + k)));
        const D shallow = choose(span, broadcast<D>(shallow_span<C>(1, sums.n)), one, zero);
        const double least = is_float ? (rows.weighted ? 0x1p-89 : 0x1p-100)
                                      : (rows.weighted ? 0x1p-899 : 0x1p-900),
                     most = rows.weighted ? (is_float ? 0x1p29 : 0x1p800) : infinity<double>;
        D normal = choose(size, broadcast<D>(most), shallow, zero);
        normal = choose(broadcast<D>(least), size, normal, zero);
        const bool serves_ignored = is_float && !rows.spread;
        normal = choose(share, zero, broadcast<D>(serves_ignored ? 1.0 : 0.0), normal);
        if constexpr (is_float)
            store(rows.normal + k, from_doubles<V>(normal));
        if (rows.weighted) // of others it is whatever it is
            normal = choose(mul(loss, zero), zero, normal, zero);
        const bool usual = !any_nan(highs(total)) && reduce_max(sub(one, normal)) == 0;
        if (rows.weighted) // a group
            rows.in_lanes = usual;
        return usual && !rows.spread;
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
            if (usual) {
                result = rows.loss[r];
                if (label >= 0)
                    store_one(at.y(r, label), rows.gradient[r], 0);
            } else if (label < 0) {
                result = 0;
                const auto n = static_cast<std::ptrdiff_t>(at.batch.length);
                for (std::ptrdiff_t i = 0; i < n; ++i)
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

    // Of a group that needs_whole_rows() and is not usual.
    template <class C, class Group>
    static __attribute__((noinline)) void write_rows(const Group &of, const Place<C> &at) {
        for (int r = 0; r < at.count; ++r)
            if (of.rows.in_lanes)
                write_spread(of, r, at);
            else
                write_one(of, r, at);
        if (of.rows.in_lanes)
            complete<C>(of.rows, 0, at, true);
    }

private:
    static INLINE bool is_moderate(const LossOptions &options) {
        return options.divisor > 0x1p-16 && options.divisor < 0x1p200;
    }
    // What options add to note(), of groups.
    template <class C, class Scalars>
    static __attribute__((noinline)) void note_weights(Scalars &rows, const Place<C> &at) {
        using V = Vec<C, native_lanes<C>>;
        constexpr int lanes = sizeof rows.label / sizeof *rows.label;
        const LossOptions &options = *at.batch.loss;
        const Real<C> smooth =
            Real<C>(options.smoothing) / Real<C>(static_cast<double>(at.batch.length));
        for (int r = 0; r < lanes; ++r) {
            const std::int64_t label = rows.label[r];
            Real<C> weight = 0.0, own = 0.0;
            if (label >= 0) {
                weight = label_weight<C>(options, label);
                if (rows.spread)
                    own = smooth * Real<C>(options.weight[label]);
            }
            rows.weight[r] = high(weight);
            rows.own[r] = high(own);
            if constexpr (sizeof(C) == 8) {
                rows.weight_low[r] = low(weight);
                rows.own_low[r] = low(own);
            }
        }
        if (!rows.spread || !rows.in_lanes)
            return;
        const ScoredRows<C> scored(at, 0, at.count, rows.max);
        store_reals(rows.all_weight, rows.all_weight_low, scored.weight);
        store_reals(rows.all_distance, rows.all_distance_low, scored.distance);
        rows.in_lanes = scored.serves(to_doubles(load<V>(rows.max))) &&
                        scored.largest * rows.over <= (sizeof(C) == 4 ? 0x1p100 : 0x1p800);
        for (int r = 0; r < lanes; ++r) {
            rows.apart[r] = -1;
            if (rows.others[r] != 0 || !(rows.max[r] < infinity<C>) ||
                !CrossEntropyWithGrad::is_confident(rows.max[r], rows.second[r]))
                continue;
            const Real<C> log = CrossEntropyWithGrad::excess_apart(
                                    facts_of<C>({rows.max[r], rows.second[r], 0}, r, at))
                                    .log;
            rows.apart[r] = high(log);
            if constexpr (sizeof(C) == 8)
                rows.apart_low[r] = low(log);
        }
    }
    template <class V, class Scalars> static INLINE Doubles<V> losses(const Scalars &rows, int k) {
        using C = typename V::Scalar;
        using R = Reals<V>;
        using D = Doubles<V>;
        const int low = sizeof(C) == 4 ? 0 : k;
        const D zero = broadcast<D>(0), max = to_doubles(load<V>(rows.max + k)),
                target = to_doubles(load<V>(rows.target + k));
        R near, log = load_reals<V>(rows.excess + k, rows.excess_low + low);
        if constexpr (sizeof(C) == 4)
            near = sub(max, target);
        else
            near = two_sums(max, sub(zero, target));
        const R weight = load_reals<V>(rows.weight + k, rows.weight_low + low);
        if (!rows.spread)
            return highs(products(weight, added(near, log)));
        const R apart = load_reals<V>(rows.apart + k, rows.apart_low + low);
        log = chosen(zero, highs(apart), apart, log);
        ScoredRows<C> scored;
        scored.weight = load_reals<V>(rows.all_weight + k, rows.all_weight_low + low);
        scored.distance = load_reals<V>(rows.all_distance + k, rows.all_distance_low + low);
        return highs(scored.losses(weight, near, log));
    }
    // Row r of one of whose loss over all classes everything is known.
    template <class C, class Group>
    static INLINE void write_spread(const Group &of, int r, const Place<C> &at) {
        using V = Vec<C, sum_lanes<C>>;
        const auto &rows = of.rows;
        const V hi = broadcast<V>(rows.hi[r]), lo = broadcast<V>(rows.lo[r]);
        const auto row = facts_of<C>({}, r, at);
        const ClassWeights<C> weights(row.other, *at.batch.loss, row.n);
        const double over_low = sizeof(C) == 4 ? 0 : rows.over_low;
        C *const y = at.y(r, 0);
        const C *const kept = of.kept(r);
        sweep<V>(0, row.n, [&](std::size_t i, auto part) INLINE_LAMBDA {
            const V p = scaled(load<V>(kept + i), hi, lo);
            store(y + i, sub(p, weights.times(i, part, rows.over, over_low)), part);
        });
    }
    // Row r as the row engine does it, but that the group has the exponentials, their sum and, as a
    // rule, the logarithm.
    template <class C, class Group>
    static __attribute__((noinline)) void write_one(const Group &of, int r, const Place<C> &at) {
        const auto &rows = of.rows;
        Row<CrossEntropyWithGrad, Plainly<C>> row{};
        static_cast<RowFacts<const C *, C> &>(row) =
            facts_of<C>({rows.max[r], rows.second[r], rows.min[r]}, r, at);
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
            stats.shallow =
                static_cast<double>(row.range.max - row.range.min) <= shallow_span<C>(1, row.n);
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
    template <class C, class Sums, class Scalars>
    static INLINE void label_exponentials(const Sums &sums, const Scalars &rows, int k, double *own) {
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
