// Cross-entropy of a row.
//
//   l_c = -log_softmax(x / T)_c
//   hard label t:     loss = w_t (1 - s) l_t + s/C sum_c w_c l_c
//   probabilities q:  loss = sum_c v_c l_c,   v_c = w_c ((1 - s) q_c + s/C)
//   z-loss:           z logsumexp(x / T)^2
//
// l_c = (max - x_c) / T + excess is a sum of terms of one sign.
#pragma once
#include "rows/ops.hpp"
#include "rows/wide_sum.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// v_c of the classes from i on, 0 behind the last; for labels those of the smoothing alone. Of
// double rows in two limbs: rounded three times, they alone may cost the loss its 3 ULP.
template <class C> struct ClassWeights {
    using V = Wide<C>;
    struct Limbs {
        V high, low; // of float rows low is not used
    };
    const C *probabilities;
    const double *weight;
    double share, rest; // 1 - s in two limbs
    Real<C> smooth;     // s / C

    INLINE ClassWeights(const C *q, const LossOptions &options, std::size_t n)
        : probabilities(q), weight(options.weight), share(1 - options.smoothing),
          rest((1 - share) - options.smoothing),
          smooth(Real<C>(options.smoothing) / Real<C>(static_cast<double>(n))) {}

    template <class Part> INLINE Limbs operator()(std::size_t i, Part part) const {
        const V w = load<V>(weight + i, part, 0);
        V v = broadcast<V>(high(smooth)), v_rest = broadcast<V>(low(smooth));
        if (probabilities) {
            const V q = load_wide(probabilities + i, part, C(0));
            const V most = broadcast<V>(greatest<double>), least = broadcast<V>(-greatest<double>);
            const V finite = max(least, min(most, q)); // an infinity needs no low limb
            if constexpr (sizeof(C) == 4) {
                v = mul_add(q, broadcast<V>(share), mul_add(finite, broadcast<V>(rest), v));
            } else {
                const V product = mul(q, broadcast<V>(share)), sum = add(product, v);
                const V low =
                    mul_add(finite, broadcast<V>(rest), product_rest(q, broadcast<V>(share)));
                v_rest = add(add(sum_rest(product, v, sum), low), v_rest);
                v = sum;
            }
        }
        if constexpr (sizeof(C) == 4)
            return {mul(v, w), v_rest};
        else
            return {mul(v, w), finite_rest(mul_add(v_rest, w, product_rest(v, w)))};
    }
    // v_c (unit + unit_low). Of doubles it is rounded once, as a probability is: where the two are
    // the same, their difference is 0.
    template <class Part>
    INLINE Vec<C, sum_lanes<C>> times(std::size_t i, Part part, double unit,
                                      double unit_low) const {
        const auto [weight, weight_rest] = (*this)(i, part);
        const V by = broadcast<V>(unit), by_low = broadcast<V>(unit_low);
        if constexpr (sizeof(C) == 4) {
            return narrow(mul_add(weight, by, mul(weight, by_low)));
        } else {
            const V lower = mul_add(weight, by_low, product_rest(weight, by));
            return add(mul(weight, by), finite_rest(mul_add(weight_rest, by, lower)));
        }
    }
};

// sum v_c and sum v_c (max - x_c) * 2^-exponent, where 0 * inf is 0; lane by lane, and added up.
template <class C> struct ScoredLanes {
    using V = Wide<C>;
    WideSum<C> weight, distance;
    V largest = broadcast<V>(0.0); // abs(v_c)

    INLINE void add(const C *x, const ClassWeights<C> &weights, std::size_t n, C row_max,
                    int exponent) {
        const V unit = broadcast<V>(power_of_two(-exponent)), zero = broadcast<V>(0.0);
        const V max = mul(broadcast<V>(static_cast<double>(row_max)), unit), less = sub(zero, unit);
        sweep<V>(0, n, [&](std::size_t i, auto part) INLINE_LAMBDA {
            const auto [v, v_rest] = weights(i, part);
            const V of_x = load_wide(x + i, part, row_max), d = mul_add(of_x, less, max);
            const V size = SOFTLANE_ISA::max(v, sub(zero, v));
            largest = SOFTLANE_ISA::max(size, largest);
            const V term = zero_where_at_most(mul(v, d), size, zero);
            if constexpr (sizeof(C) == 4) {
                weight += v;
                distance += term;
            } else {
                const V d_rest = sum_rest(max, mul(of_x, less), d);
                const V rest = mul_add(v, d_rest, mul_add(v_rest, d, product_rest(v, d)));
                weight.add_pair(v, v_rest);
                distance.add_pair(term, zero_where_at_most(finite_rest(rest), size, zero));
            }
        });
    }
};
template <class C> struct Scored {
    Real<C> weight = 0.0, distance = 0.0;
    double largest = 0;
};
template <class C>
__attribute__((noinline)) Scored<C> scored(const C *x, const C *probabilities,
                                           const LossOptions &options, std::size_t n, C row_max,
                                           int exponent) {
    ScoredLanes<C> lanes;
    lanes.add(x, ClassWeights<C>(probabilities, options, n), n, row_max, exponent);
    return {lanes.weight.total(), lanes.distance.total(), reduce_max(lanes.largest)};
}

// w_t (1 - s)
template <class C> INLINE Real<C> label_weight(const LossOptions &options, std::int64_t label) {
    return Real<C>(options.weight ? options.weight[label] : 1) *
           (Real<C>(1) - Real<C>(options.smoothing));
}

// The loss of a hard label alone, for `distance` from the largest element: what Loss makes of it.
template <class C>
INLINE void store_label_loss(double *result, double weight, Real<C> distance,
                             const Excess<C> &excess) {
    const Real<C> log = excess.lift ? Real<C>(0.0) : excess.log;
    const Real<C> sum = distance + log;
    const double near = weight == 1 ? high(sum) : weight == 0 ? 0 : high(Real<C>(weight) * sum);
    const double plain = near - near == 0 ? near : weight * high(distance);
    *result = plain == plain ? plain : not_a_number<double>;
    if (excess.lift && plain == 0)
        store_one(result, (weight + 0.0) * high(excess.log), excess.lift); // never -0
}

template <class R> INLINE bool is_ignored(const R &row) {
    return row.rows->labels && row.label() < 0;
}

// The loss of one row.
template <class C> struct Loss {
    using Facts = RowFacts<const C *, C>;
    std::ptrdiff_t label = -1; // -1: probabilities
    bool spread = false;       // over all classes: probabilities or smoothing
    double target = 0;         // x of the label
    Real<C> weight = 0.0;      // of the label alone, w_t (1 - s)
    double max = 0;            // for log_sum()
    Scored<C> sums;
    Careful<C> by;      // T
    double of_sums = 1; // what is left of T to divide sums.distance by

    INLINE Loss() {}
    __attribute__((noinline)) explicit Loss(const Facts &row) {
        const LossOptions &options = *row.rows->loss;
        by.temperature = row.scaling.temperature;
        if (options.z_loss != 0 || row.extra())
            max = row_max(row.range.max, row.x, row.n);
        if (row.rows->labels) {
            label = row.label();
            target = load_one(row.x + label);
            weight = label_weight<C>(options, label);
        }
        spread = row.other || options.smoothing != 0;
        if (spread) {
            const Apart t = apart(by.temperature);
            // The row's maximum, and what it is divided by below, stay in the range of doubles.
            const int least = binade(static_cast<double>(row.range.max)) - 1000;
            const int up = t.exponent > least ? t.exponent : least;
            const int exponent = up > 1000 ? 1000 : up < -1000 ? -1000 : up;
            of_sums = moved(t.mantissa, t.exponent - exponent);
            sums = scored<C>(row.x, row.other, options, row.n, row.range.max, exponent);
        }
    }
    INLINE Real<C> distance(const Facts &row, double x) const { // (max - x) / T
        return quotient(static_cast<double>(row.range.max), x, by);
    }
    INLINE Real<C> log_sum(const Facts &row, const Excess<C> &excess) const {
        return log_sum_exp(row, excess, max);
    }
    __attribute__((noinline)) void store(const Facts &row, const Excess<C> &excess) const {
        const Real<C> log = excess.lift ? Real<C>(0.0) : excess.log;
        Real<C> loss = 0.0;
        if (high(weight) != 0)
            loss = weight * (distance(row, target) + log);
        if (spread) {
            const double d = high(sums.distance);
            loss = loss + (d - d == 0 ? sums.distance / Real<C>(of_sums) : Real<C>(d)) +
                   sums.weight * log;
        }
        const double near = high(loss), far = near - near == 0 ? near : plain(row);
        if (far != far)
            *row.result() = not_a_number<double>;
        else if (excess.lift && far == 0)
            store_one(row.result(), (high(weight) + high(sums.weight)) * high(excess.log),
                      excess.lift);
        else
            *row.result() = far;
        if (double *extra = row.extra()) {
            const double lse = high(log_sum(row, excess));
            *extra = row.rows->loss->z_loss * lse * lse;
        }
    }
    static INLINE void store(const Facts &row, double value) {
        *row.result() = value;
        if (double *extra = row.extra())
            *extra = value;
    }

private:
    // For a loss that is not finite, without the pairs' error terms.
    INLINE double plain(const Facts &row) const {
        double loss = high(weight) != 0 ? high(weight) * high(distance(row, target)) : 0;
        if (spread)
            loss += high(sums.distance) / of_sums;
        return loss;
    }
};

} // namespace
} // namespace softlane::SOFTLANE_ISA
