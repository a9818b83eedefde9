// Cross-entropy of a row with its gradient, in the same pass over its exponentials.
//
//   ((V + 2 z' lse) p_j - v_j) / (T divisor),   V = sum v_c
//
// as in rows/losses.hpp, v of a hard label being w_t (1 - s) at the label and s/C w_c everywhere.
// The gradient of the label's class is minus the sum of the other probabilities.
#pragma once
#include "rows/log_rows.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

template <class C> struct GradientStats : Stats<C> {
    bool ignored;
    bool others;    // the label is at the maximum: `top` is the second largest
    bool confident; // `excess` is from a pass of its own
    bool far;       // terms may leave the type
    Loss<C> loss;
    Excess<C> excess;
    // Each to be multiplied by 2^-lift:
    Real<C> factor;        // of the exponentials
    double target;         // the gradient of the label's class
    double unit, unit_low; // 1 / (T divisor)
    int lift, target_lift, unit_lift;
};

struct CrossEntropyWithGrad {
    static constexpr int wanted = wants_min | wants_second;
    static constexpr bool keeps = true, recomputes = false, masks = false, in_parts = false;
    template <class C> struct Function : Factor<C, Products::normal> {
        static constexpr Results results = Results::all_but_one; // the label's
        INLINE Function() {}
        INLINE explicit Function(Real<C> factor) : Factor<C, Products::normal>(factor) {}
    };

    template <class C> using Stats = GradientStats<C>;

    template <class R>
    static INLINE void reduction(const R &row, GradientStats<typename R::C> &stats) {
        stats.ignored = is_ignored(row);
        if (stats.ignored)
            return row.pass();
        begin(row, stats); // before exponentials overwrite x
        reduce<true>(row, stats.others ? row.range.second : row.range.max, keep_in(row.kept),
                     stats);
    }
    // What is known of a row before it is reduced.
    template <class R>
    static __attribute__((noinline)) void begin(const R &row, GradientStats<typename R::C> &stats) {
        using C = typename R::C;
        const Loss<C> &loss = stats.loss = Loss<C>(row);
        // Without a second number, or with +inf, there is no excess.
        const bool alone = row.range.second == -infinity<C> || !(row.range.max < infinity<C>);
        // A label at the maximum needs the sum of the others to all digits, and not its own
        // exponential. Otherwise the maximum must be among the exponentials; then a loss whose
        // weights may lie on it gets its digits from a pass of its own.
        stats.others =
            loss.label >= 0 && loss.target == static_cast<double>(row.range.max) && !alone;
        stats.confident =
            loss.spread && !stats.others && !alone &&
            high(loss.distance(row, static_cast<double>(row.range.second))) > least_confident;
        if (stats.confident)
            stats.excess = excess_apart(row);
    }
    // At a temperature of 1; `max` is finite.
    template <class C> static INLINE bool is_confident(C max, C second) {
        return second > -infinity<C> &&
               static_cast<double>(max) - static_cast<double>(second) > least_confident;
    }
    static constexpr double least_confident = 3;
    template <class C>
    static __attribute__((noinline)) Excess<C> excess_apart(const RowFacts<const C *, C> &row) {
        Row<LogRows, Plainly<C>> apart{};
        apart.x = row.x;
        apart.n = row.n;
        apart.scaling = row.scaling;
        apart.range = row.range;
        apart.rows = row.rows;
        LogStats<C> log;
        log_reduce(apart, log);
        log_settle(apart, log);
        return log.excess;
    }
    template <class R>
    static INLINE void settle(const R &row, GradientStats<typename R::C> &stats) {
        using C = typename R::C;
        if (stats.ignored)
            return Loss<C>::store(row, 0);
        stats.settle(row.n);
        if (!stats.regular)
            return Loss<C>::store(row, not_a_number<double>);
        if (!stats.confident)
            stats.excess = excess(row.range, stats);
        conclude(row, stats);
    }
    // What follows once its excess is known.
    template <class R>
    static INLINE void conclude(const R &row, GradientStats<typename R::C> &stats) {
        stats.loss.store(row, stats.excess);
        differentiate(row, stats);
        // Weights or probabilities that are not numbers.
        stats.regular = high(stats.factor) - high(stats.factor) == 0;
    }

    template <class R>
    static INLINE void plan(const R &row, const GradientStats<typename R::C> &stats,
                            Beside<typename R::Function, typename R::Lies> &beside) {
        using C = typename R::C;
        if (stats.ignored || !stats.regular || products(row, stats) != Products::normal)
            return;
        beside.from = row.kept;
        beside.to = row.y;
        beside.function = Function<C>(stats.factor);
        if (replaces(row)) {
            C target;
            store_one(&target, stats.target, stats.target_lift);
            row.seam->replace(row.y + stats.loss.label, target);
        }
    }

    template <class R>
    static INLINE void write(const R &row, const GradientStats<typename R::C> &stats,
                             bool written) {
        using C = typename R::C;
        if (stats.ignored)
            return fill(row.y, row.n, C(0));
        if (!stats.regular)
            return fill(row.y, row.n, not_a_number<C>);
        if (is_spread(row))
            (stats.far ? write_far<R> : write_spread<R>)(row, stats);
        else if (const Products how = products(row, stats); how == Products::direct)
            write_products<Products::direct>(row, stats);
        else if (how == Products::lowered)
            write_products<Products::lowered>(row, stats);
        else if (!written)
            rewrite(row.kept, row.y, row.n, Function<C>(stats.factor));
        if (stats.loss.label >= 0 && !(written && replaces(row)))
            store_one(row.y + stats.loss.label, stats.target, stats.target_lift);
    }

    // Exponentials of what was below the range, -inf among it, are not quite 0, but at most this.
    template <class C>
    static constexpr C least_kept =
        static_cast<C>(1.0625 * ExpConstants<C>::scale * ExpKernel<C>::least);
    template <class V> static INLINE V without_least(V e) {
        using C = typename V::Scalar;
        return zero_where_at_most(e, e, broadcast<V>(least_kept<C>));
    }

    // Factors for Products::normal, of shallow rows.
    template <class C> static constexpr double least_normal = sizeof(C) == 4 ? 0x1p-100 : 0x1p-900;
    template <class C>
    static constexpr double largest_normal = Factor<C, Products::direct>::largest_direct;

private:
    // Whether the row goes past the caches, if it is written beside another.
    template <class R> static INLINE bool replaces(const R &row) {
        return row.seam && row.kept != row.y;
    }
    template <class R> static INLINE bool is_spread(const R &row) { // over all classes
        return row.other || row.rows->loss->smoothing != 0;
    }
    template <class R>
    static INLINE Products products(const R &row, const GradientStats<typename R::C> &stats) {
        constexpr bool is_float = sizeof(typename R::C) == 4;
        const LossOptions &options = *row.rows->loss;
        // Beyond this a probability that is not 0 has a normal result, and lowered() may not be
        // used.
        const bool huge = binade(stats.unit) - stats.unit_lift >= (is_float ? 26 : 55);
        if (is_spread(row) || options.z_loss != 0 || huge)
            return Products::direct;
        const double factor = high(stats.factor);
        if (stats.lift == 0 && stats.shallow && factor >= least_normal<typename R::C> &&
            factor <= largest_normal<typename R::C>)
            return Products::normal;
        return options.weight ? Products::direct : Products::lowered;
    }
    template <class R>
    static __attribute__((noinline)) void differentiate(const R &row,
                                                        GradientStats<typename R::C> &stats) {
        using C = typename R::C;
        const LossOptions &options = *row.rows->loss;
        const Loss<C> &loss = stats.loss;
        const Excess<C> &excess = stats.excess;
        const Real<C> total = real<C>(stats.sum);
        // 1 / (T divisor), where each of the two may be any number.
        const Apart t = far_apart(row.scaling.temperature), d = far_apart(options.divisor);
        const Real<C> over = reciprocal(
            Real<C>(t.mantissa) * real<C>({d.mantissa, moved(options.divisor_low, -d.exponent)}));
        stats.unit = high(over);
        stats.unit_low = low(over);
        stats.unit_lift = t.exponent + d.exponent;
        Real<C> z = 0.0; // the z-loss' share of V
        if (options.z_loss != 0)
            z = Real<C>(options.z_loss) * loss.log_sum(row, excess) *
                (real<C>({options.divisor, options.divisor_low}) / Real<C>(options.z_divisor)) *
                Real<C>(2); // last: twice the coefficient alone may overflow
        const Real<C> v = loss.weight + loss.sums.weight + z;
        Real<C> p = 0.0, rest = 0.0; // of the label, of the others
        stats.lift = stats.target_lift = stats.unit_lift;
        if (stats.others) {
            stats.lift = stats.target_lift += excess.lift;
            const Real<C> one_and_odds = excess.lift ? Real<C>(1.0) : Real<C>(1.0) + excess.odds;
            p = reciprocal(one_and_odds);
            rest = excess.odds * p; // lifted
            stats.factor =
                rest * reciprocal(total - Real<C>(static_cast<double>(stats.top_exponential)));
        } else {
            stats.factor = reciprocal(total);
            if (loss.label >= 0) {
                const double kept = load_one(row.kept + loss.label);
                const Real<C> e = Real<C>(kept > static_cast<double>(least_kept<C>) ? kept : 0.0);
                p = e * stats.factor;
                rest = (total - e) * stats.factor;
            }
        }
        // V apart from its exponent, which may be as small as a weight is.
        const double size = magnitude(high(v));
        const double most = size > stats.loss.sums.largest ? size : stats.loss.sums.largest;
        stats.far = stats.unit_lift != 0 ||
                    !(most * magnitude(stats.unit) < (sizeof(C) == 4 ? 0x1p126 : 0x1p1000));
        const bool has_weight_alone = options.weight && !loss.spread && options.z_loss == 0;
        stats.factor = stats.factor * apart_from(v, stats.lift) * over;
        if (has_weight_alone && magnitude(stats.lift) < 1000) { // products() may have it without
            const double factor = moved(high(stats.factor), -stats.lift);
            if (factor >= least_normal<C> && factor <= largest_normal<C>) {
                stats.factor = moved(stats.factor, -stats.lift);
                stats.lift = 0;
            }
        }
        if (loss.label < 0)
            return;
        // Of several terms the lifted one is nothing beside the others.
        const bool alone = !loss.spread && options.z_loss == 0;
        Real<C> target = 0.0;
        if (alone)
            target = apart_from(loss.weight, stats.target_lift) * rest;
        else if (stats.target_lift == stats.unit_lift)
            target = loss.weight * rest;
        target = Real<C>(0.0) - target; // never -0
        if (!alone) {
            stats.target_lift = stats.unit_lift;
            target = target + (loss.sums.weight + z) * p;
            if (loss.spread)
                target = target - Real<C>(options.smoothing) / Real<C>(static_cast<double>(row.n)) *
                                      Real<C>(options.weight[loss.label]);
        }
        if (stats.unit_lift != 0)
            target = apart_from(target, stats.target_lift);
        stats.target = high(target * over);
    }
    // A number that is to be multiplied by 2^-lift, apart from its exponent, which goes to the
    // lift.
    template <class T> static INLINE T apart_from(T v, int &lift) {
        const double size = magnitude(high(v));
        const int power = size > 0 && size < infinity<double> ? binade(size) : 0;
        lift -= power;
        return moved(v, -power);
    }

    template <Products products, class R>
    static __attribute__((noinline)) void
    write_products(const R &row, const GradientStats<typename R::C> &stats) {
        using C = typename R::C;
        const Factor<C, products> product(stats.factor, stats.lift);
        rewrite(row.kept, row.y, row.n,
                [=](auto e) INLINE_LAMBDA { return product(without_least(e)); });
    }

    // p_j and v_j are subtracted from each other.
    template <class R>
    static __attribute__((noinline)) void write_spread(const R &row,
                                                       const GradientStats<typename R::C> &stats) {
        using C = typename R::C;
        using V = Vec<C, sum_lanes<C>>;
        // No v_c leaves the type before it is subtracted.
        const double size = stats.loss.sums.largest * magnitude(stats.unit);
        const int most =
            size > 0 ? (sizeof(C) == 4 ? 120 : 1000) - binade(size) + stats.unit_lift : 1000;
        const Factor<C, Products::direct> product(stats.factor, stats.lift, most);
        const int lift = product.exponent - stats.unit_lift;
        const double unit = moved(stats.unit, lift), unit_low = moved(stats.unit_low, lift);
        const V after = broadcast<V>(product.after);
        const ClassWeights<C> weights(row.other, *row.rows->loss, row.n);
        sweep<V>(0, row.n, [&](std::size_t i, auto part) INLINE_LAMBDA {
            const V p = product.before(without_least(load<V>(row.kept + i, part, C(0))));
            store(row.y + i, mul(sub(p, weights.times(i, part, unit, unit_low)), after), part);
        });
    }

    // The same one by one, each term apart from its exponent.
    template <class R>
    static __attribute__((noinline, cold)) void
    write_far(const R &row, const GradientStats<typename R::C> &stats) {
        using C = typename R::C;
        const LossOptions &options = *row.rows->loss;
        const Real<C> share = Real<C>(1) - Real<C>(options.smoothing);
        const Real<C> smooth = Real<C>(options.smoothing) / Real<C>(static_cast<double>(row.n));
        const Real<C> unit = real<C>({stats.unit, stats.unit_low});
        for (std::size_t i = 0; i < row.n; ++i) {
            const double e = load_one(row.kept + i);
            const bool is_least = e <= static_cast<double>(least_kept<C>);
            const Real<C> p = stats.factor * Real<C>(is_least ? 0 : e);
            const double q = row.other ? load_one(row.other + i) : 0;
            int lift = stats.unit_lift;
            const Real<C> v =
                unit * apart_from((Real<C>(q) * share + smooth) * Real<C>(options.weight[i]), lift);
            // Both in units of the larger one, which has a value for sure.
            const bool is_p = high(v) == 0 || (high(p) != 0 && binade(high(p)) - stats.lift >
                                                                   binade(high(v)) - lift);
            const Real<C> difference =
                is_p ? p - moved(v, stats.lift - lift) : moved(p, lift - stats.lift) - v;
            store_one(row.y + i, high(difference), is_p ? stats.lift : lift);
        }
    }
};

} // namespace
} // namespace softlane::SOFTLANE_ISA
