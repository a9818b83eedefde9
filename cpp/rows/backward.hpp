// Gradients through softmax and log_softmax from their results. Sums are in doubles for floats, in
// pairs for doubles; so is the rest, but for float rows that stay clear of subnormal numbers. These
// take float arithmetic, with errors up to 2.0 (log_softmax: 2.8) ULP of the largest term.
//
//   softmax:      dx_j = y_j (g_j - sum_i y_i g_i) / T
//   log_softmax:  dx_j = (g_j - exp(y_j) sum_i g_i) / T
#pragma once
#include "rows/engine.hpp"
#include "rows/pairs.hpp"
#include "rows/wide_sum.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// v / T: of float rows in doubles, of double rows by a reciprocal in two limbs, or where that would
// leave the type by three factors that do not. Exact for T = 1.
template <class C> struct Divided {
    enum { not_at_all, once, by_limbs, by_factors } how;
    double hi, lo = 0, factor = 1;

    INLINE explicit Divided(double t) : hi(1 / t) {
        how = t == 1 ? not_at_all : once;
        if constexpr (sizeof(C) == 4) {
            if (!(hi < infinity<double>))
                hi = greatest<double>;
        } else if (how != not_at_all && is_moderate<double>(t)) {
            const DoubleDouble inverse = reciprocal(DoubleDouble(t));
            how = by_limbs;
            hi = inverse.high;
            lo = inverse.low;
        } else if (how != not_at_all) {
            const Careful<double> by = careful_for<double>(t, 0.0);
            how = by_factors;
            factor = by.factor;
            hi = by.factor / by.temperature;
        }
    }
    INLINE Wide<C> operator()(Wide<C> v) const {
        if (how == not_at_all)
            return v;
        if (how == by_limbs)
            return scaled(v, broadcast<Wide<C>>(hi), broadcast<Wide<C>>(lo));
        if (how == by_factors)
            v = mul(v, broadcast<Wide<C>>(factor));
        return mul(v, broadcast<Wide<C>>(hi));
    }
};

template <class C> __attribute__((noinline)) void unify_any_nan(C *y, std::size_t n) {
    using V = Vec<C, sum_lanes<C>>;
    V sum = broadcast<V>(C(0)); // NaN if any is
    sweep<V>(0, n, [&](std::size_t i, auto part) INLINE_LAMBDA {
        sum = add(sum, load<V>(y + i, part, C(0)));
    });
    if (const C total = folded(sum); total != total)
        unify_nan(y, n);
}

// y[i] = function(i, part)
template <class V, class C, class Function>
INLINE void write_row(C *y, std::size_t n, Function function) {
    V sum = broadcast<V>(C(0)); // NaN if any is
    sweep<V>(0, n, [&](std::size_t i, auto part) INLINE_LAMBDA {
        const V v = function(i, part);
        sum = add(sum, v);
        store(y + i, v, part);
    });
    if (const C total = folded(sum); total != total)
        unify_nan(y, n);
}

// A row's sum in two floats: `lo` is left out where it is nothing beside `hi`.
struct Limbs {
    float hi, lo;
    static constexpr double least = 0x1p-30;

    INLINE explicit Limbs(double v) : hi(static_cast<float>(v)) {
        const double rest = v - static_cast<double>(hi);
        lo = magnitude(rest) < least * magnitude(v) ? 0 : static_cast<float>(rest);
    }
};
// Whether no product with such a sum leaves the normal floats, nor a difference from it the floats,
// and quotients by T are exact.
constexpr double least_gentle_sum = 0x1p-40, largest_gentle_sum = 0x1p40;
INLINE bool is_gentle(double sum, double t) {
    const bool power = (bits_of(t) & ((std::uint64_t{1} << 52) - 1)) == 0;
    return power && t >= 0x1p-10 && t <= 0x1p10 && magnitude(sum) >= least_gentle_sum &&
           magnitude(sum) <= largest_gentle_sum;
}

// The smallest element, passing over NaN.
template <class V> struct Least {
    using C = typename V::Scalar;
    V lane = broadcast<V>(infinity<C>);

    template <class Part> INLINE void add(const C *p, Part part) {
        lane = min(load<V>(p, part, infinity<C>), lane);
    }
    INLINE bool is_at_least(C limit) const {
        return reduce_max(sub(broadcast<V>(C(0)), lane)) <= -limit;
    }
};

// What there is of the rows in the lanes of a vector, or of one in all of them, once their sums are
// known; V x V -> V, a result from elements of both arrays. `Term` has what T alone decides; float
// rows' are gentle() where the sum is, and the smallest element at least `least`.

template <class Term> struct FloatRows {
    using V = Vec<float, sum_lanes<float>>;
    using D = Wide<float>;
    Term term;
    D factor;
    V hi, lo; // its Limbs
    V usual;  // 1 where Term::gentle() serves, or 0
    bool all; // it does for all rows

    INLINE FloatRows(const Term &of, D sum, V least, double t)
        : term(of), factor(Term::factors(sum)) {
        const D zero = broadcast<D>(0.0);
        const auto size = [&](D v) INLINE_LAMBDA { return max(v, sub(zero, v)); };
        // is_gentle() of each row, and is_at_least()
        const D any = broadcast<D>(is_gentle(1, t) ? 1.0 : 0.0);
        D gentle = choose(broadcast<D>(least_gentle_sum), size(sum), any, zero);
        gentle = choose(size(sum), broadcast<D>(largest_gentle_sum), gentle, zero);
        usual = choose(broadcast<V>(Term::least), least, narrow(gentle), broadcast<V>(0.0f));
        all = reduce_max(sub(broadcast<V>(1.0f), usual)) == 0;
        hi = narrow(factor);
        const D rest = sub(factor, widen(hi)),
                bound = mul(size(factor), broadcast<D>(Limbs::least));
        lo = narrow(choose(bound, size(rest), rest, zero));
    }
    INLINE V operator()(V p, V g) const {
        const V v = term.gentle(p, g, hi, lo);
        if (all)
            return v;
        return choose(usual, broadcast<V>(0.0f), narrow(term.general(p, widen(g), factor)), v);
    }
};

template <class C> class SoftmaxTerm;
template <> class SoftmaxTerm<float> {
    using V = Vec<float, sum_lanes<float>>;
    using D = Wide<float>;

public:
    INLINE explicit SoftmaxTerm(double t)
        : divided_(t), inverse_(broadcast<V>(static_cast<float>(1 / t))) {}
    static constexpr float least = 0x1p-50f;
    INLINE V gentle(V p, V g, V hi, V lo) const {
        const V d = sub(g, hi);
        // Exact for abs(g) <= abs(hi) (Dekker), else within half an ULP of g.
        const V error = sub(g, add(d, hi));
        return scaled(mul(p, inverse_), d, sub(error, lo));
    }
    INLINE D general(V p, D g, D factor) const { return divided_(mul(widen(p), sub(g, factor))); }
    static INLINE D factors(D sums) { return sums; }

private:
    Divided<float> divided_;
    V inverse_;
};
template <> class SoftmaxTerm<double> {
public:
    Divided<double> divided;
    INLINE explicit SoftmaxTerm(double t) : divided(t) {}
};

class SoftmaxDoubleRows {
    using D = Wide<double>;

public:
    INLINE SoftmaxDoubleRows(const SoftmaxTerm<double> &term, DoubleDouble sum)
        : SoftmaxDoubleRows(term, {broadcast<D>(sum.high), broadcast<D>(sum.low)}) {}
    INLINE SoftmaxDoubleRows(const SoftmaxTerm<double> &term, Pairs<D> sum)
        : divided_(term.divided), mean_(sum.high), rest_(sum.low),
          size_(max(mean_, sub(broadcast<D>(0.0), mean_))),
          all_(reduce_max(choose(size_, largest(), broadcast<D>(0.0), broadcast<D>(1.0))) == 0) {}
    INLINE D operator()(D p, D g) const {
        const D d = sub(g, mean_), product = mul(p, d);
        // With the rounding error of d, for one rounding in all.
        const D error = sum_rest(g, sub(broadcast<D>(0.0), mean_), d);
        D v = mul_add(p, d, mul(p, sub(error, rest_)));
        if (!all_) { // d may overflow
            const D apart = sub(mul(p, g), mul(p, mean_));
            v = choose(size_, largest(), v,
                       choose(size_, broadcast<D>(greatest<double>), apart, product));
        }
        return divided_(v);
    }

private:
    static INLINE D largest() { return broadcast<D>(0x1.fffffffffffffp999); }
    Divided<double> divided_;
    D mean_, rest_, size_;
    bool all_; // are at most largest()
};

struct SoftmaxBackward {
    template <class C> using Term = SoftmaxTerm<C>;
    using DoubleRows = SoftmaxDoubleRows;

    template <class C, class Part>
    static INLINE void add(WideSum<C> &sum, const C *y, const C *grad, Part part, C fill) {
        sum.add_product(load_wide(y, part, fill), load_wide(grad, part, fill));
    }
    // One row, once its sum is known, and whether its smallest element is Term::least or more.
    static __attribute__((noinline)) void write(const float *y, const float *grad, float *dx,
                                                std::size_t n, double t, const Term<float> &of,
                                                double total, bool is_clear) {
        using V = Vec<float, sum_lanes<float>>;
        const Term<float> term = of; // in registers
        if (is_clear && is_gentle(total, t)) {
            const Limbs mean(total);
            const V hi = broadcast<V>(mean.hi), lo = broadcast<V>(mean.lo);
            sweep<V>(0, n, [&](std::size_t i, auto part) INLINE_LAMBDA {
                const V p = load<V>(y + i, part, 0), g = load<V>(grad + i, part, 0);
                store(dx + i, term.gentle(p, g, hi, lo), part);
            });
            if (t < 1) // what is no probability may be infinite in units of T, and times 0
                unify_any_nan(dx, n);
            return;
        }
        const auto mean = broadcast<Wide<float>>(total);
        write_row<V>(dx, n, [&](std::size_t i, auto part) INLINE_LAMBDA {
            const auto g = load_wide(grad + i, part, 0.0f);
            return narrow(term.general(load<V>(y + i, part, 0), g, mean));
        });
    }
};

// The exponentials of logarithms of probabilities, which are at most 0; what is above counts as
// `most`. They are too large by a constant, which the sum's factor takes off.
template <class C> struct ExpOfLog {
    using V = Vec<C, sum_lanes<C>>;
    static constexpr C most = sizeof(C) == 4 ? 40 : 600;
    static constexpr DoubleDouble scale{ExpConstants<C>::scale, ExpConstants<C>::scale_low};
    static constexpr DoubleDouble inverse = reciprocal(scale);

    Exp<C, Argument::plain, true> exp{scaling_for(1, C()), {}, 0, most};
    // Subnormal logarithms, which slow products down, are 0 after this, others what they were.
    V tiny = broadcast<V>(sizeof(C) == 4 ? C(0x1p-100) : C(0x1p-900));

    static INLINE Real<C> unit() {
        const double unit = power_of_two(-ExpKernel<C>::bias);
        return real<C>({inverse.high * unit, inverse.low * unit});
    }
    INLINE V operator()(V log) const { return exp(sub(log, tiny)); }
    INLINE V or_zero(V log) const {
        log = sub(log, tiny);
        return zero_where_at_most(exp(log), log, broadcast<V>(exp.lowest));
    }
};

template <class C> class LogSoftmaxTerm;
template <> class LogSoftmaxTerm<float> {
    using V = Vec<float, sum_lanes<float>>;
    using D = Wide<float>;

public:
    INLINE explicit LogSoftmaxTerm(double t)
        : divided_(t), inverse_(broadcast<V>(static_cast<float>(1 / t))) {}
    static constexpr float least = -60;
    INLINE V gentle(V log, V g, V hi, V lo) const {
        return mul(sub(g, scaled(exp_(log), hi, lo)), inverse_);
    }
    INLINE D general(V log, D g, D factor) const {
        return divided_(sub(g, mul(widen(exp_.or_zero(log)), factor)));
    }
    static INLINE double factor(double sum) { return sum * ExpOfLog<float>::unit(); }
    static INLINE D factors(D sums) { return mul(sums, broadcast<D>(ExpOfLog<float>::unit())); }

private:
    ExpOfLog<float> exp_;
    Divided<float> divided_;
    V inverse_;
};
template <> class LogSoftmaxTerm<double> {
public:
    ExpOfLog<double> exp;
    Divided<double> divided;
    INLINE explicit LogSoftmaxTerm(double t) : divided(t) {}
};

class LogSoftmaxDoubleRows {
    using D = Wide<double>;

public:
    INLINE LogSoftmaxDoubleRows(const LogSoftmaxTerm<double> &term, Pairs<D> sum) : term_(term) {
        double sums[2][D::lanes], limbs[3][D::lanes];
        store(sums[0], sum.high);
        store(sums[1], sum.low);
        for (int r = 0; r < D::lanes; ++r) {
            const Product product = factor({sums[0][r], sums[1][r]});
            limbs[0][r] = product.hi;
            limbs[1][r] = product.lo;
            limbs[2][r] = product.after;
        }
        hi_ = load<D>(limbs[0]);
        lo_ = load<D>(limbs[1]);
        after_ = load<D>(limbs[2]);
    }
    INLINE LogSoftmaxDoubleRows(const LogSoftmaxTerm<double> &term, DoubleDouble sum)
        : term_(term) {
        const Product product = factor(sum);
        hi_ = broadcast<D>(product.hi);
        lo_ = broadcast<D>(product.lo);
        after_ = broadcast<D>(product.after);
    }
    INLINE D operator()(D log, D g) const {
        return term_.divided(sub(g, mul(scaled(term_.exp.or_zero(log), hi_, lo_), after_)));
    }

private:
    using Product = Factor<double, Products::direct>;
    static INLINE Product factor(DoubleDouble sum) {
        const DoubleDouble by = sum * ExpOfLog<double>::unit();
        const bool finite = by.high - by.high == 0;
        return Product(finite ? by : DoubleDouble(sum.high));
    }
    const LogSoftmaxTerm<double> &term_;
    D hi_, lo_, after_;
};

struct LogSoftmaxBackward {
    template <class C> using Term = LogSoftmaxTerm<C>;
    using DoubleRows = LogSoftmaxDoubleRows;

    template <class C, class Part>
    static INLINE void add(WideSum<C> &sum, const C *, const C *grad, Part part, C fill) {
        sum += load_wide(grad, part, fill);
    }
    static __attribute__((noinline)) void write(const float *y, const float *grad, float *dx,
                                                std::size_t n, double t, const Term<float> &of,
                                                double total, bool is_clear) {
        using V = Vec<float, sum_lanes<float>>;
        const Term<float> term = of; // in registers
        const double factor = Term<float>::factor(total);
        if (is_clear && is_gentle(total, t)) {
            const Limbs limbs(factor);
            const V hi = broadcast<V>(limbs.hi), lo = broadcast<V>(limbs.lo);
            return write_row<V>(dx, n, [&](std::size_t i, auto part) INLINE_LAMBDA {
                return term.gentle(load<V>(y + i, part, 0), load<V>(grad + i, part, 0), hi, lo);
            });
        }
        const auto factors = broadcast<Wide<float>>(factor);
        write_row<V>(dx, n, [&](std::size_t i, auto part) INLINE_LAMBDA {
            const auto g = load_wide(grad + i, part, 0.0f);
            return narrow(term.general(load<V>(y + i, part, 0), g, factors));
        });
    }
};

} // namespace
} // namespace softlane::SOFTLANE_ISA
