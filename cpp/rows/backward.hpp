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

template <class C> INLINE Vec<C, sum_lanes<C>> from_wide(Wide<C> v) {
    if constexpr (sizeof(C) == 4)
        return narrow(v);
    else
        return v;
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

    INLINE explicit Limbs(double v) : hi(static_cast<float>(v)) {
        const double rest = v - static_cast<double>(hi);
        lo = magnitude(rest) < 0x1p-30 * magnitude(v) ? 0 : static_cast<float>(rest);
    }
};
// Whether no product with such a sum leaves the normal floats, nor a difference from it the floats,
// and quotients by T are exact.
INLINE bool is_gentle(double sum, double t) {
    const bool power = (bits_of(t) & ((std::uint64_t{1} << 52) - 1)) == 0;
    return power && t >= 0x1p-10 && t <= 0x1p10 && magnitude(sum) >= 0x1p-40 &&
           magnitude(sum) <= 0x1p40;
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

struct SoftmaxBackward {
    template <class C>
    static INLINE void row(const C *y, const C *grad, C *dx, std::size_t n, double t, bool far) {
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
            if (is_gentle(total, t) && least.is_at_least(0x1p-50f)) {
                const Limbs mean(total);
                const V hi = broadcast<V>(mean.hi), lo = broadcast<V>(mean.lo);
                const V inverse = broadcast<V>(static_cast<float>(1 / t));
                return sweep<V>(0, n, [&](std::size_t i, auto part) INLINE_LAMBDA {
                    const V p = load<V>(y + i, part, 0), g = load<V>(grad + i, part, 0);
                    const V d = sub(g, hi);
                    // Exact for abs(g) <= abs(hi) (Dekker), else within half an ULP of g.
                    const V error = sub(g, add(d, hi));
                    store(dx + i, scaled(mul(p, inverse), d, sub(error, lo)), part);
                });
            }
        }
        const Wide<C> mean = broadcast<Wide<C>>(high(total)), rest = broadcast<Wide<C>>(low(total));
        [[maybe_unused]] const Wide<C> zero = broadcast<Wide<C>>(0.0);
        [[maybe_unused]] const bool finite = high(total) - high(total) == 0;
        [[maybe_unused]] const bool ordinary = magnitude(high(total)) < 0x1p1000;
        const Divided<C> divided(t);
        write_row<V>(dx, n, [&](std::size_t i, auto part) INLINE_LAMBDA {
            const Wide<C> g = load_wide(grad + i, part, C(0)), p = load_wide(y + i, part, C(0));
            const Wide<C> d = sub(g, mean);
            Wide<C> product = mul(p, d);
            if constexpr (sizeof(C) == 8) {
                if (ordinary) { // with the rounding error of d, for one rounding in all
                    const Wide<C> error = sum_rest(g, sub(zero, mean), d);
                    product = mul_add(p, d, mul(p, sub(error, rest)));
                } else if (finite) { // d may overflow
                    product = sub(mul(p, g), mul(p, mean));
                }
            }
            return from_wide<C>(divided(product));
        });
    }
};

struct LogSoftmaxBackward {
    template <class C>
    static INLINE void row(const C *y, const C *grad, C *dx, std::size_t n, double t, bool far) {
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
        // Logarithms of probabilities are at most 0; what is above `most` counts as `most`.
        constexpr C most = sizeof(C) == 4 ? 40 : 600;
        const Exp<C, Argument::plain, true> exp(scaling_for(1, C()), {}, 0, most);
        constexpr DoubleDouble scale{ExpConstants<C>::scale, ExpConstants<C>::scale_low};
        constexpr DoubleDouble inverse = reciprocal(scale);
        const double unit = power_of_two(-ExpKernel<C>::bias);
        const Real<C> total = sum.total() * real<C>({inverse.high * unit, inverse.low * unit});
        const bool finite = high(total) - high(total) == 0;
        const Factor<double, Products::direct> product(
            finite ? DoubleDouble(high(total), low(total)) : DoubleDouble(high(sum.total())));
        // Subnormal logarithms, which slow products down, are 0 after this, others what they were.
        const V tiny = broadcast<V>(sizeof(C) == 4 ? C(0x1p-100) : C(0x1p-900));
        if constexpr (sizeof(C) == 4) {
            if (is_gentle(high(sum.total()), t) && least.is_at_least(-60)) {
                const Limbs factor(total);
                const V hi = broadcast<V>(factor.hi), lo = broadcast<V>(factor.lo);
                const V inverse = broadcast<V>(static_cast<float>(1 / t));
                return write_row<V>(dx, n, [&](std::size_t i, auto part) INLINE_LAMBDA {
                    const V e = exp(sub(load<V>(y + i, part, C(0)), tiny));
                    const V g = load<V>(grad + i, part, C(0));
                    return mul(sub(g, scaled(e, hi, lo)), inverse);
                });
            }
        }
        const Divided<C> divided(t);
        write_row<V>(dx, n, [&](std::size_t i, auto part) INLINE_LAMBDA {
            const V log = sub(load<V>(y + i, part, C(0)), tiny);
            const V e = zero_where_at_most(exp(log), log, broadcast<V>(exp.lowest));
            Wide<C> p;
            if constexpr (sizeof(C) == 4)
                p = mul(widen(e), broadcast<Wide<C>>(high(total)));
            else
                p = product(e);
            return from_wide<C>(divided(sub(load_wide(grad + i, part, C(0)), p)));
        });
    }
};

// One such op over a batch of rows; far: they come from memory.
template <class RowOp, class C> void each_gradient(const Rows &rows) noexcept {
    const char *x = static_cast<const char *>(rows.x);
    const char *grad = static_cast<const char *>(rows.other);
    char *dx = static_cast<char *>(rows.y);
    const double *t = rows.temperature;
    for (std::size_t i = 0; i < rows.count; ++i) {
        RowOp::row(reinterpret_cast<const C *>(x), reinterpret_cast<const C *>(grad),
                   reinterpret_cast<C *>(dx), rows.length, *t, rows.distant);
        x += rows.x_row_stride_bytes;
        grad += rows.other_row_stride_bytes;
        dx += rows.y_row_stride_bytes;
        t += rows.temperature_stride;
    }
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
