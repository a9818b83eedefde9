// Gradients through softmax and log_softmax from their results. Products of floats and all sums are
// in doubles, those of doubles in pairs.
//
//   softmax:      dx_j = y_j (g_j - sum_i y_i g_i) / T
//   log_softmax:  dx_j = (g_j - exp(y_j) sum_i g_i) / T
#pragma once
#include "rows/engine.hpp"
#include "rows/wide_sum.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// v / T in two steps, none of which leaves the type, whatever T; exact for T = 1.
template <class C> struct Divided {
    C first, second;

    INLINE explicit Divided(double t) {
        const Careful<C> by = careful_for<C>(t, C(0));
        first = by.factor;
        second = static_cast<C>(static_cast<double>(by.factor) / by.temperature);
    }
    template <class V> INLINE V operator()(V v) const {
        return mul(mul(v, broadcast<V>(first)), broadcast<V>(second));
    }
};

// y[i] = function(i, part)
template <class V, class C, class Function>
INLINE void write_row(C *y, std::size_t n, Function function) {
    V sum = broadcast<V>(C(0)); // NaN if any is
    sweep<V>(0, n, [&](std::size_t i, auto part) INLINE_LAMBDA {
        const V v = function(i, part);
        sum = add(sum, v);
        store(y + i, v, part);
    });
    C lane[V::lanes];
    store(lane, sum);
    if (const C total = fold<V::lanes>(lane); total != total)
        unify_nan(y, n);
}

struct SoftmaxBackward {
    template <class C>
    static INLINE void row(const C *y, const C *grad, C *dx, std::size_t n, double t) {
        using V = Vec<C, sum_lanes<C>>;
        WideSum<C> dot;
        sweep<V>(0, n, [&](std::size_t i, auto part) INLINE_LAMBDA {
            dot.add_product(load_wide(y + i, part, C(0)), load_wide(grad + i, part, C(0)));
        });
        const C mean = static_cast<C>(high(dot.total()));
        const Divided<C> divided(t);
        write_row<V>(dx, n, [&](std::size_t i, auto part) INLINE_LAMBDA {
            const V g = load<V>(grad + i, part, C(0));
            const V p = load<V>(y + i, part, C(0));
            return divided(mul(p, sub(g, broadcast<V>(mean))));
        });
    }
};

struct LogSoftmaxBackward {
    template <class C>
    static INLINE void row(const C *y, const C *grad, C *dx, std::size_t n, double t) {
        using V = Vec<C, sum_lanes<C>>;
        WideSum<C> sum;
        sweep<V>(0, n, [&](std::size_t i, auto part) INLINE_LAMBDA {
            sum += load_wide(grad + i, part, C(0));
        });
        // Logarithms of probabilities are at most 0; what is above `most` counts as `most`.
        constexpr C most = sizeof(C) == 4 ? 60 : 600;
        const Exp<C, Argument::plain, true> exp(scaling_for(1, C()), {}, 0, most);
        constexpr DoubleDouble scale{ExpConstants<C>::scale, ExpConstants<C>::scale_low};
        constexpr DoubleDouble inverse = reciprocal(scale);
        const double unit = power_of_two(-ExpKernel<C>::bias);
        const Real<C> total = sum.total() * real<C>({inverse.high * unit, inverse.low * unit});
        const bool finite = high(total) - high(total) == 0;
        const Factor<C, Products::direct> product(finite ? total : Real<C>(high(sum.total())));
        const Divided<C> divided(t);
        write_row<V>(dx, n, [&](std::size_t i, auto part) INLINE_LAMBDA {
            const V log = load<V>(y + i, part, C(0)), g = load<V>(grad + i, part, C(0));
            const V p = zero_where_at_most(exp(log), log, broadcast<V>(exp.lowest));
            return divided(sub(g, product(p)));
        });
    }
};

// One such op over a batch of rows.
template <class RowOp, class C> void each_gradient(const Rows &rows) noexcept {
    const char *x = static_cast<const char *>(rows.x);
    const char *grad = static_cast<const char *>(rows.other);
    char *dx = static_cast<char *>(rows.y);
    const double *t = rows.temperature;
    for (std::size_t i = 0; i < rows.count; ++i) {
        RowOp::row(reinterpret_cast<const C *>(x), reinterpret_cast<const C *>(grad),
                   reinterpret_cast<C *>(dx), rows.length, *t);
        x += rows.x_row_stride_bytes;
        grad += rows.other_row_stride_bytes;
        dx += rows.y_row_stride_bytes;
        t += rows.temperature_stride;
    }
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
