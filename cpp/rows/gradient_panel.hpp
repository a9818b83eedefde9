// Cross-entropy with its gradient, over rows whose scalars lie in lanes.
#pragma once
#include "rows/excess_rows.hpp"
#include "rows/loss_gradients.hpp"
#include "rows/panel_ops.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// The scalars of a register's rows, as LogLanes has them.
template <class C> struct GradientLanes {
    const C *max, *min, *target, *top_exponential;
    const double *others, *share, *odds, *odds_low, *excess, *excess_low, *weight, *weight_low;
    const double *all_weight, *all_weight_low, *all_distance, *all_distance_low;
    const double *own, *own_low, *apart, *apart_low;
    double *loss, *gradient, *factor;
    C *hi, *lo, *normal, *up;
    double over, over_low;
    bool has_options, spread;
};
template <class C, int lanes>
INLINE GradientLanes<C> gradient_lanes(PanelScalars<C, lanes> &rows, int k) {
    const int low = sizeof(C) == 8 ? k : 0;
    return {rows.max + k,
            rows.min + k,
            rows.target + k,
            rows.top_exponential + k,
            rows.others + k,
            rows.share + k,
            rows.odds + k,
            rows.odds_low + low,
            rows.excess + k,
            rows.excess_low + low,
            rows.weight + k,
            rows.weight_low + low,
            rows.all_weight + k,
            rows.all_weight_low + low,
            rows.all_distance + k,
            rows.all_distance_low + low,
            rows.own + k,
            rows.own_low + low,
            rows.apart + k,
            rows.apart_low + low,
            rows.loss + k,
            rows.gradient + k,
            rows.factor + k,
            rows.hi + k,
            rows.lo + k,
            rows.normal + k,
            rows.up + k,
            rows.over,
            rows.over_low,
            rows.has_options,
            rows.spread};
}

// What rows that are usual end with.
template <class C> struct EndedRows {
    const std::int64_t *label;
    const double *share, *loss, *gradient;
};
template <class C, int lanes> INLINE EndedRows<C> ended_rows(const PanelScalars<C, lanes> &rows) {
    return {rows.label, rows.share, rows.loss, rows.gradient};
}

// What CrossEntropyWithGrad makes of rows, for temperatures of 1. With a z-loss, and where a number
// of any row of a group needs an exponent of its own, each row's scalars are computed as the row
// engine does; turned rows with options, and double rows without, go one by one then.
struct CrossEntropyWithGradPanel {
    static constexpr bool keeps = true, capped = true, in_parts = false;
    // The gradient of a row's label is stored after the others, where their lines should be.
    static constexpr bool streams = false;
    static constexpr int wanted = wants_min | wants_second;
    template <class C> static constexpr bool has_results = false;
    template <class C> static constexpr bool turns_short_rows = sizeof(C) == 4;
    template <class C> static constexpr bool by_rows = sizeof(C) == 8;
    static constexpr bool writes_rows = true;
    static INLINE bool turns(const Rows &rows) {
        return !LogPanel::needs_whole_rows(rows) && rows.loss->z_loss == 0;
    }
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
        const DoubleDouble over =
            reciprocal(DoubleDouble(1) * DoubleDouble(options.divisor, options.divisor_low));
        rows.over = over.high;
        rows.over_low = over.low;
        rows.spread = at.batch.other || options.smoothing != 0;
        rows.in_lanes = is_moderate(options) && !at.batch.extra && options.z_loss == 0;
        rows.has_options = needs_whole_rows(at.batch);
        constexpr int lanes = sizeof rows.label / sizeof *rows.label;
        find_labels(rows, at);
        using V = Vec<C, native_lanes<C>>;
        using D = Doubles<V>;
        const V none = broadcast<V>(C(0));
        const D zero = broadcast<D>(0), one = broadcast<D>(1);
        for (int k = 0; k < lanes; k += V::lanes) { // those that are not there are as if ignored
            const D named = load<D>(rows.named + k), weight = choose(zero, named, one, zero);
            store(rows.weight + k, weight);
            if constexpr (sizeof(C) == 8)
                store(rows.weight_low + k, zero);
            store(rows.share + k, times(weight, share));
            const V max = load<V>(rows.max + k), second = load<V>(rows.second + k);
            V others = choose(max, load<V>(rows.target + k), from_doubles<V>(weight), none);
            others = choose(second, broadcast<V>(-infinity<C>), none, others);
            others = choose(broadcast<V>(infinity<C>), max, none, others);
            store(rows.others + k, to_doubles(others));
            store(rows.top + k, choose(others, none, max, second));
        }
        for (int r = 0; at.batch.other && r < at.count; ++r)
            rows.share[r] = share;
        if (rows.has_options)
            note_weights(rows, at);
    }
    template <class C, class Sums, class Scalars>
    static INLINE bool finish(const Sums &sums, Scalars &rows, int k) {
        const Reals<Vec<C, native_lanes<C>>> total = sums.total(k);
        store_sums(total, rows, k);
        if constexpr (sizeof(C) == 4) {
            logarithms(lanes_of(rows, k));
            rows.logged = true;
        } else {
            rows.logged = are_plain(lanes_of(rows, k));
            if (rows.logged)
                plain_logarithms(lanes_of(rows, k));
        }
        if (!rows.in_lanes || !rows.logged) {
            rows.in_lanes = false;
            return false;
        }
        alignas(64) C label[native_lanes<C>];
        label_exponentials(sums, rows, k, label);
        const bool usual = differentiate(gradient_lanes(rows, k), total, label, sums.n);
        if (rows.has_options) // otherwise lift() serves those that are not usual
            rows.in_lanes = usual;
        return usual && !rows.spread;
    }
    // Before their exponentials: whether rows that go by_rows() have a chance to be usual.
    template <class Scalars> static INLINE bool may_be_usual(const Scalars &rows) {
        constexpr int lanes = sizeof rows.label / sizeof *rows.label;
        bool may_be = rows.shallow;
        for (int r = 0; r < lanes; ++r)
            may_be =
                may_be && rows.second[r] > -infinity<double> && rows.max[r] - rows.top[r] <= 400;
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
        if (usual)
            complete_usual(ended_rows(rows), at);
        else
            complete_others<C>(rows, at);
    }

    // Of a group that needs_whole_rows() and is not usual.
    template <class C, class Group>
    static __attribute__((noinline)) void write_rows(const Group &of, const Place<C> &at) {
        for (int r = 0; r < at.count; ++r)
            if (!of.rows.in_lanes)
                write_one(of, r, at);
            else if (of.rows.share[r] == 0)
                fill(at.y(r, 0), at.batch.length, C(0));
            else
                write_spread(of, r, at);
        if (of.rows.in_lanes)
            complete<C>(of.rows, 0, at, true);
    }

private:
    // The results of all rows and the gradients of their labels.
    template <class C>
    static __attribute__((noinline, COPIES_HEADERS)) void complete_usual(const EndedRows<C> rows,
                                                                         const Place<C> &at) {
        constexpr int lanes = native_lanes<C>;
        const std::ptrdiff_t step = at.batch.row_stride, row_bytes = at.y_row_bytes,
                             element_bytes = at.y_element_bytes;
        for (int k = 0; k < at.count; k += lanes) {
            double result[lanes];
            C gradient[lanes];
            bool rounds = true; // as store_one() does
            for (int r = 0; r < lanes; ++r) {
                result[r] = rows.share[k + r] == 0 ? 0 : rows.loss[k + r];
                const double of_label = rows.label[k + r] < 0 ? 0 : rows.gradient[k + r];
                const bool alike = rounds_alike<C>(of_label);
                gradient[r] = static_cast<C>(alike ? of_label : 0);
                rounds &= alike;
            }
            const int count = at.count - k < lanes ? at.count - k : lanes;
            char *const y = reinterpret_cast<char *>(at.y(k, 0));
            double *const to = at.batch.results + at.index(k);
            for (int r = 0; r < count; ++r)
                to[r * step] = result[r];
            for (int r = 0; r < count; ++r) {
                const std::int64_t label = rows.label[k + r];
                if (label < 0)
                    continue;
                char *const of_label = y + r * row_bytes + label * element_bytes;
                if (rounds)
                    __builtin_memcpy(of_label, gradient + r, sizeof *gradient);
                else
                    store_one(reinterpret_cast<C *>(of_label), rows.gradient[k + r], 0);
            }
        }
    }
    template <class C, class Scalars>
    static __attribute__((noinline)) void complete_others(const Scalars &rows, const Place<C> &at) {
        for (int r = 0; r < at.count; ++r) {
            const std::int64_t label = rows.label[r];
            double &result = at.batch.results[at.index(r)];
            if (label < 0) {
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
    static INLINE bool is_moderate(const LossOptions &options) {
        return options.divisor > 0x1p-16 && options.divisor < 0x1p200;
    }
    // What options add to note(), of groups, and of turned rows with weights alone.
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
            rows.in_lanes = rows.in_lanes && serves_in_lanes(high(weight));
            rows.weight[r] = high(weight);
            rows.own[r] = high(own);
            if constexpr (sizeof(C) == 8) {
                rows.weight_low[r] = low(weight);
                rows.own_low[r] = low(own);
            }
        }
        if (!rows.spread || !rows.in_lanes)
            return;
        // Of floats, 2^lift_bits times as large: Factor's `most` is no less then.
        constexpr double largest = sizeof(C) == 4 ? 0x1p20 : 0x1p100;
        const ScoredRows<C> scored(at, 0, at.count, rows.max);
        store_reals(rows.all_weight, rows.all_weight_low, scored.weight);
        store_reals(rows.all_distance, rows.all_distance_low, scored.distance);
        rows.in_lanes =
            scored.serves(to_doubles(load<V>(rows.max))) && scored.largest * rows.over <= largest;
        bool apart[lanes], any = false;
        for (int r = 0; r < lanes; ++r) {
            apart[r] = rows.others[r] == 0 && rows.max[r] < infinity<C> &&
                       CrossEntropyWithGrad::is_confident(rows.max[r], rows.second[r]);
            any |= apart[r];
            rows.apart[r] = -1;
        }
        if (any && rows.in_lanes)
            rows.in_lanes =
                excesses_apart(at, rows.max, rows.second, apart, rows.apart, rows.apart_low);
        for (int r = 0; r < lanes; ++r)
            rows.apart[r] = apart[r] ? rows.apart[r] : -1;
    }
    // The factors, gradients and losses of a register's rows. Whether usual_of() makes their
    // results, but for what smoothing and probabilities take off.
    template <class C>
    static __attribute__((noinline)) bool differentiate(const GradientLanes<C> &rows,
                                                        const Reals<Vec<C, native_lanes<C>>> &total,
                                                        const C *label_exponential, std::size_t n) {
        using V = Vec<C, native_lanes<C>>;
        using D = Doubles<V>;
        using R = Reals<V>;
        using Direct = Factor<C, Products::direct>;
        constexpr bool is_float = sizeof(C) == 4;
        const D zero = broadcast<D>(0), one = broadcast<D>(1), others = load<D>(rows.others),
                share = load<D>(rows.share), max = to_doubles(load<V>(rows.max));
        const R none = as_reals<V>(zero), e = as_reals<V>(load_doubles<D>(label_exponential)),
                top = as_reals<V>(to_doubles(load<V>(rows.top_exponential)));
        const R odds = load_reals<V>(rows.odds, rows.odds_low),
                weight = load_reals<V>(rows.weight, rows.weight_low);
        const R inverse = reciprocals(total), p = reciprocals(added(as_reals<V>(one), odds));
        // the label's probability lacks this of 1
        const R rest =
            chosen(others, zero, products(added(total, negative(e)), inverse), products(odds, p));
        const R of_others = products(rest, reciprocals(added(total, negative(top))));
        R all = weight, target = added(none, negative(products(weight, rest)));
        R near, over, log = load_reals<V>(rows.excess, rows.excess_low), loss;
        if constexpr (is_float) {
            near = sub(max, to_doubles(load<V>(rows.target)));
            over = share;
        } else {
            near = two_sums(max, sub(zero, load<V>(rows.target)));
            over = {broadcast<D>(rows.over), broadcast<D>(rows.over_low)};
        }
        if (rows.spread) {
            ScoredRows<C> scored;
            scored.weight = load_reals<V>(rows.all_weight, rows.all_weight_low);
            scored.distance = load_reals<V>(rows.all_distance, rows.all_distance_low);
            all = added(added(weight, scored.weight), none);
            target = added(target, products(added(scored.weight, none),
                                            chosen(others, zero, products(e, inverse), p)));
            target = added(target, negative(load_reals<V>(rows.own, rows.own_low)));
            const R apart = load_reals<V>(rows.apart, rows.apart_low);
            loss = scored.losses(weight, near, chosen(zero, highs(apart), apart, log));
        } else {
            loss = products(weight, added(near, log));
        }
        const R factor = products(products(chosen(others, zero, inverse, of_others), all), over);
        const D size = choose(share, zero, zero, highs(factor));
        store(rows.loss, highs(loss));
        store(rows.gradient, highs(products(target, over)));
        double least = CrossEntropyWithGrad::least_normal<C>;
        if constexpr (is_float) {
            D up = one;
            if (rows.spread) {    // as Factor has it
                least = 0x1p-500; // no double on the way is subnormal
                up = choose(broadcast<D>(Direct::least_direct), size, one,
                            broadcast<D>(power_of_two(lift_bits<C>)));
                up = choose(size, zero, one, up);
            }
            store(rows.up, from_doubles<V>(up));
            store(rows.factor, size);
            store_limbs(mul(size, up), rows.hi, rows.lo);
        } else {
            least = rows.spread ? Direct::least_direct : least;
            store_limbs(factor, rows.hi, rows.lo);
        }

        // Products::normal, as for a single row, or of no account; or Products::direct, which
        // losses over all classes have, where it is the same.
        const D span = to_doubles(sub(load<V>(rows.max), load<V>(rows.min)));
        const D shallow = choose(span, broadcast<D>(shallow_span<C>(1, n)), one, zero);
        D normal = choose(broadcast<D>(least), size, shallow, zero);
        if (rows.spread) // factors of 0
            normal = choose(zero, size, choose(size, zero, shallow, normal), normal);
        normal = choose(size, broadcast<D>(Direct::largest_direct), normal, zero);
        normal = choose(share, zero, one, normal);
        if constexpr (is_float)
            store(rows.normal, from_doubles<V>(normal));
        return !any_nan(highs(total)) && reduce_max(sub(one, normal)) == 0;
    }
    // Row r of a group in lanes, of a loss over all classes.
    template <class C, class Group>
    static INLINE void write_spread(const Group &of, int r, const Place<C> &at) {
        using V = Vec<C, sum_lanes<C>>;
        const auto &rows = of.rows;
        const V hi = broadcast<V>(rows.hi[r]), lo = broadcast<V>(rows.lo[r]);
        const auto row = facts_of<C>({}, r, at);
        const ClassWeights<C> weights(row.other, *at.batch.loss, row.n);
        C *const y = at.y(r, 0);
        const C *const kept = of.kept(r);
        if constexpr (sizeof(C) == 8) {
            sweep<V>(0, row.n, [&](std::size_t i, auto part) INLINE_LAMBDA {
                const V p = scaled(load<V>(kept + i), hi, lo);
                store(y + i, sub(p, weights.times(i, part, rows.over, rows.over_low)), part);
            });
        } else {
            const double over = rows.over * static_cast<double>(rows.up[r]);
            const V after = broadcast<V>(1 / rows.up[r]);
            sweep<V>(0, row.n, [&](std::size_t i, auto part) INLINE_LAMBDA {
                // 0 behind the row: no subnormal product
                const V p = scaled(load<V>(kept + i, part, C(0)), hi, lo);
                store(y + i, mul(sub(p, weights.times(i, part, over, 0)), after), part);
            });
        }
    }
    // Row r as the row engine does it, but that the group has the exponentials, their sum and, as a
    // rule, the logarithm.
    template <class C, class Group>
    static __attribute__((noinline, cold)) void write_one(const Group &of, int r,
                                                          const Place<C> &at) {
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
    static INLINE void label_exponentials(const Sums &sums, const Scalars &rows, int k, C *own) {
        using V = Vec<C, native_lanes<C>>;
        const std::int64_t *label = rows.label + k;
        for (int r = 0; r < V::lanes; ++r)
            own[r] = label[r] < 0 ? C(0) : sums.exponential(k + r, label[r]);
        const V e = load<V>(own);
        store(own, zero_where_at_most(e, e, broadcast<V>(CrossEntropyWithGrad::least_kept<C>)));
    }

    template <class V, class Softmax> struct Unusual {
        Softmax softmax;
        INLINE V operator()(V e) const { return softmax(CrossEntropyWithGrad::without_least(e)); }
    };
};

} // namespace
} // namespace softlane::SOFTLANE_ISA
