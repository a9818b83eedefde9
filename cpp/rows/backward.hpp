// Gradients through softmax and log_softmax from their results. Sums are in doubles for floats, in
// pairs for doubles; so is the rest, but for float rows that stay clear of subnormal numbers. These
// take float arithmetic, with errors up to 2.0 (log_softmax: 2.8) ULP of the largest term.
//
//   softmax:      dx_j = y_j (g_j - sum_i y_i g_i) / T
//   log_softmax:  dx_j = (g_j - exp(y_j) sum_i g_i) / T
#pragma once
#include "rows/engine.hpp"
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

// What an op makes of an element of float rows, whose factor is that of their sum.
class SoftmaxTerm {
    using V = Vec<float, sum_lanes<float>>;
    using D = Wide<float>;

public:
    INLINE explicit SoftmaxTerm(double t)
        : divided_(t), inverse_(broadcast<V>(static_cast<float>(1 / t))) {}
    // Where the sum is_gentle() and the smallest element at least `least`; hi, lo: Limbs.
    static constexpr float least = 0x1p-50f;
    INLINE V gentle(V p, V g, V hi, V lo) const {
        const V d = sub(g, hi);
        // Exact for abs(g) <= abs(hi) (Dekker), else within half an ULP of g.
        const V error = sub(g, add(d, hi));
        return scaled(mul(p, inverse_), d, sub(error, lo));
    }
    INLINE D general(V p, D g, D factor) const { return divided_(mul(widen(p), sub(g, factor))); }
    static INLINE double factor(double sum) { return sum; }
    static INLINE D factors(D sums) { return sums; }
    static INLINE D added(D sum, D p, D g) { return mul_add(p, g, sum); } // exact products

private:
    Divided<float> divided_;
    V inverse_;
};

struct SoftmaxBackward {
    using Term = SoftmaxTerm;

    template <class C>
    static INLINE void row(const C *y, const C *grad, C *dx, std::size_t n, double t,
                           [[maybe_unused]] const Term &term, bool far) {
        using V = Vec<C, sum_lanes<C>>;
        WideSum<C> dot;
        Least<V> least;
        sweep<V>(0, n, [&](std::size_t i, auto part) INLINE_LAMBDA {
            if (far) {
                prefetch(y + i);
                prefetch(grad + i);
            }
            dot.add_product(load_wide(y + i, part, C(0)), load_wide(grad + i, part, C(0)));
            if constexpr (sizeof(C) == 4)
                least.add(y + i, part);
        });
        const Real<C> total = dot.total();
        if constexpr (sizeof(C) == 4) {
            if (is_gentle(total, t) && least.is_at_least(Term::least)) {
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
            const Wide<C> mean = broadcast<Wide<C>>(total);
            write_row<V>(dx, n, [&](std::size_t i, auto part) INLINE_LAMBDA {
                const Wide<C> g = load_wide(grad + i, part, C(0));
                return narrow(term.general(load<V>(y + i, part, C(0)), g, mean));
            });
        } else {
            const Wide<C> mean = broadcast<Wide<C>>(high(total)),
                          rest = broadcast<Wide<C>>(low(total)), zero = broadcast<Wide<C>>(0.0);
            const bool finite = high(total) - high(total) == 0;
            const bool ordinary = magnitude(high(total)) < 0x1p1000;
            const Divided<C> divided(t);
            write_row<V>(dx, n, [&](std::size_t i, auto part) INLINE_LAMBDA {
                const Wide<C> g = load_wide(grad + i, part, C(0)), p = load_wide(y + i, part, C(0));
                const Wide<C> d = sub(g, mean);
                Wide<C> product = mul(p, d);
                if (ordinary) { // with the rounding error of d, for one rounding in all
                    const Wide<C> error = sum_rest(g, sub(zero, mean), d);
                    product = mul_add(p, d, mul(p, sub(error, rest)));
                } else if (finite) { // d may overflow
                    product = sub(mul(p, g), mul(p, mean));
                }
                return divided(product);
            });
        }
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

class LogSoftmaxTerm {
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
    static INLINE D added(D sum, D, D g) { return add(sum, g); }

private:
    ExpOfLog<float> exp_;
    Divided<float> divided_;
    V inverse_;
};

struct LogSoftmaxBackward {
    using Term = LogSoftmaxTerm;

    template <class C>
    static INLINE void row(const C *y, const C *grad, C *dx, std::size_t n, double t,
                           [[maybe_unused]] const Term &term, bool far) {
        using V = Vec<C, sum_lanes<C>>;
        WideSum<C> sum;
        Least<V> least;
        sweep<V>(0, n, [&](std::size_t i, auto part) INLINE_LAMBDA {
            if (far) {
                prefetch(y + i);
                prefetch(grad + i);
            }
            sum += load_wide(grad + i, part, C(0));
            if constexpr (sizeof(C) == 4)
                least.add(y + i, part);
        });
        const Real<C> total = sum.total();
        if constexpr (sizeof(C) == 4) {
            const double factor = Term::factor(total);
            if (is_gentle(total, t) && least.is_at_least(Term::least)) {
                const Limbs limbs(factor);
                const V hi = broadcast<V>(limbs.hi), lo = broadcast<V>(limbs.lo);
                return write_row<V>(dx, n, [&](std::size_t i, auto part) INLINE_LAMBDA {
                    return term.gentle(load<V>(y + i, part, C(0)), load<V>(grad + i, part, C(0)),
                                       hi, lo);
                });
            }
            const Wide<C> factors = broadcast<Wide<C>>(factor);
            write_row<V>(dx, n, [&](std::size_t i, auto part) INLINE_LAMBDA {
                const Wide<C> g = load_wide(grad + i, part, C(0));
                return narrow(term.general(load<V>(y + i, part, C(0)), g, factors));
            });
        } else {
            const Real<C> factor = total * ExpOfLog<C>::unit();
            const bool finite = high(factor) - high(factor) == 0;
            const Factor<double, Products::direct> product(finite ? factor : Real<C>(high(total)));
            const ExpOfLog<C> exp;
            const Divided<C> divided(t);
            write_row<V>(dx, n, [&](std::size_t i, auto part) INLINE_LAMBDA {
                const Wide<C> p = product(exp.or_zero(load<V>(y + i, part, C(0))));
                return divided(sub(load_wide(grad + i, part, C(0)), p));
            });
        }
    }
};

// One such op over a batch of rows; far: they come from memory.
template <class RowOp, class C> void each_gradient(const Rows &rows) noexcept {
    const char *x = static_cast<const char *>(rows.x);
    const char *grad = static_cast<const char *>(rows.other);
    char *dx = static_cast<char *>(rows.y);
    const double *t = rows.temperature;
    double last_t = *t;
    typename RowOp::Term term(last_t);
    for (std::size_t i = 0; i < rows.count; ++i) {
        if (*t != last_t) {
            last_t = *t;
            term = typename RowOp::Term(last_t);
        }
        RowOp::row(reinterpret_cast<const C *>(x), reinterpret_cast<const C *>(grad),
                   reinterpret_cast<C *>(dx), rows.length, *t, term, rows.distant);
        x += rows.x_row_stride_bytes;
        grad += rows.other_row_stride_bytes;
        dx += rows.y_row_stride_bytes;
        t += rows.temperature_stride;
    }
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
