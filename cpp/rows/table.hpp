// The kernel table of one instruction-set level: everything instantiated here, in its namespace,
// nothing with a weak symbol.
#pragma once
#include "rows/backward_rows.hpp"
#include "rows/loss_gradients.hpp"
#include "rows/weighted.hpp"
#ifndef SOFTLANE_NO_PANELS
#include "rows/backward_groups.hpp"
#include "rows/backward_panels.hpp"
#include "rows/gradient_panel.hpp"
#include "rows/short_rows.hpp"
#endif

namespace softlane::SOFTLANE_ISA {
namespace {

template <class E> struct ComputeOf {
    using Type = float;
};
template <> struct ComputeOf<double> {
    using Type = double;
};
template <class E> using Compute = typename ComputeOf<E>::Type;

// Doubles to those nearest floats that keep track of what was cut off (rounded to odd), so that a
// second rounding, to 16 bits, comes out as a single one.
INLINE Vec<double, 16> to_odd_float(Vec<double, 16> v) {
    double lane[16];
    store(lane, v);
    for (double &d : lane) {
        const std::uint64_t u = bits_of(d);
        constexpr std::uint64_t cut = (std::uint64_t{1} << 29) - 1;
        d = float_of((u & ~cut) | ((u & cut) != 0 ? cut + 1 : 0));
    }
    return load<Vec<double, 16>>(lane);
}

template <class From, class To> void convert(const void *from, void *to, std::size_t n) noexcept {
    const From *x = static_cast<const From *>(from);
    To *y = static_cast<To *>(to);
    using V = Vec<Compute<From>, 16>;
    sweep<V>(0, n, [&](std::size_t i, auto part) INLINE_LAMBDA {
        const V v = load<V>(x + i, part, 0);
        if constexpr (sizeof(Compute<From>) < sizeof(Compute<To>))
            store(y + i, widen(v), part);
        else if constexpr (sizeof(From) == 8 && sizeof(To) == 2)
            store(y + i, narrow(to_odd_float(v)), part);
        else if constexpr (sizeof(Compute<From>) > sizeof(Compute<To>))
            store(y + i, narrow(v), part);
        else
            store(y + i, v, part);
    });
}

template <class C> void exp_only(const C *x, C *e, std::size_t n, int shift, C subtract) noexcept {
    using V = Vec<C, sum_lanes<C>>;
    const Scaling<C> scaling = scaling_for(1, C());
    Careful<C> careful;
    careful.origin = subtract;
    auto run = [&](const auto &exp) {
        sweep<V>(0, n, [&](std::size_t i, auto part) INLINE_LAMBDA {
            store(e + i, exp(load<V>(x + i, part, 0)), part);
        });
    };
    if (subtract != 0)
        run(Exp<C, Argument::careful>(scaling, careful, shift));
    else
        run(Exp<C, Argument::plain>(scaling, careful, shift));
}

template <class C>
__attribute__((cold)) void vec_function(VecFn function, const C *a, const C *b, const C *c,
                                        std::size_t count, C *y) noexcept {
    using V = Vec<C, sum_lanes<C>>;
    const V va = load<V>(a), vb = load<V>(b), vc = load<V>(c);
    auto result = [&]() -> V {
        switch (function) {
        case VecFn::add:
            return add(va, vb);
        case VecFn::sub:
            return sub(va, vb);
        case VecFn::mul:
            return mul(va, vb);
        case VecFn::div:
            return div(va, vb);
        case VecFn::mul_add:
            return mul_add(va, vb, vc);
        case VecFn::max:
            return max(va, vb);
        case VecFn::min:
            return min(va, vb);
        case VecFn::sub_product:
            return sub_product(va, vb, broadcast<V>(c[0]), broadcast<V>(c[1]));
        case VecFn::scaled:
            return scaled(va, broadcast<V>(b[0]), broadcast<V>(c[0]));
        case VecFn::lowered:
            return lowered(va);
        case VecFn::product_rest:
            return product_rest(va, vb);
        case VecFn::zero_where_at_most:
            return zero_where_at_most(va, vb, vc);
        case VecFn::choose:
            return choose(va, vb, vc, va);
        case VecFn::kept: {
            unsigned char where[V::lanes];
            __builtin_memcpy(where, c, V::lanes);
            return kept(where, va, vb);
        }
        case VecFn::reduce_max:
            return broadcast<V>(reduce_max(va));
        case VecFn::reduce_add:
            return broadcast<V>(static_cast<C>(reduce_add(load_wide(a, Whole{}, C(0)))));
        case VecFn::reduce_second:
            return broadcast<V>(reduce_second(max(va, vb), min(va, vb), reduce_max(max(va, vb))));
        case VecFn::load_part:
            return load_part<V>(a, count, b[0]);
        case VecFn::store_part:
            break;
        }
        return vb;
    };
    store(y, result());
    if (function == VecFn::store_part)
        store_part(y, va, count);
}

template <class C>
constexpr ExpKernelFacts exp_facts{ExpConstants<C>::scale,
                                   ExpConstants<C>::scale_low,
                                   ExpKernel<C>::bias,
                                   ExpKernel<C>::clamp_bits,
                                   exp_limit,
                                   exp_table_size,
                                   ExpConstants<C>::degree,
                                   ExpKernel<C>::bound_ulp,
                                   ExpKernel<C>::worst_input};

template <class C>
void log1p_only(const double *w, double *upper, double *lower, std::size_t n) noexcept {
    for (std::size_t i = 0; i < n; ++i) {
        const Real<C> log = log1p<C>(Real<C>(w[i]));
        upper[i] = high(log);
        lower[i] = low(log);
    }
}
template <class C>
void exp_real_only(const double *z, double *upper, double *lower, std::size_t n) noexcept {
    for (std::size_t i = 0; i < n; ++i) {
        const Real<C> e = exp_of_minus<C>(Real<C>(-z[i]), 0);
        upper[i] = high(e);
        lower[i] = low(e);
    }
}

#define SOFTLANE_TEXT_OF(word) #word
#define SOFTLANE_TEXT(word) SOFTLANE_TEXT_OF(word)
// In the order of DType.
#define SOFTLANE_EACH_DTYPE(f, ...)                                                                \
    {f<__VA_ARGS__, half>, f<__VA_ARGS__, bfloat16>, f<__VA_ARGS__, float>, f<__VA_ARGS__, double>}

// Levels whose registers are too few or too narrow have no panels.
#ifdef SOFTLANE_NO_PANELS
#define SOFTLANE_ROWS_OF(Op, Panel, C) each_row<Op, C>
#define SOFTLANE_PANELS(Panel) {nullptr, nullptr}
#define SOFTLANE_FLOAT_PANELS(Panel) {nullptr, nullptr}
#define SOFTLANE_BACKWARD_PANELS(Op) {nullptr, nullptr}
#define SOFTLANE_BACKWARD_ROWS(Op) {each_gradient<Op, float>, each_gradient<Op, double>}
#else
#define SOFTLANE_ROWS_OF(Op, Panel, C) any_rows<Op, Panel, C>
#define SOFTLANE_PANELS(Panel) {each_panel<Panel, float>, each_panel<Panel, double>}
#define SOFTLANE_FLOAT_PANELS(Panel) {each_panel<Panel, float>, nullptr}
#define SOFTLANE_BACKWARD_PANELS(Op)                                                               \
    {each_backward_panel<Op, float>, each_backward_panel<Op, double>}
#define SOFTLANE_BACKWARD_ROWS(Op) {any_gradient<Op, float>, any_gradient<Op, double>}
#endif
#ifdef SOFTLANE_HAS_WORDS
#define SOFTLANE_WORDS(Op) each_row_in_words<Op>
#define SOFTLANE_WORD_PARTS(Op) parts_fns<Op, InWords>
#else
#define SOFTLANE_WORDS(Op) nullptr
#define SOFTLANE_WORD_PARTS(Op) PartsFns()
#endif
#define SOFTLANE_ROWS(Op, Panel)                                                                   \
    {SOFTLANE_ROWS_OF(Op, Panel, float), SOFTLANE_ROWS_OF(Op, Panel, double)}

template <class C> void each_log_sum(const Rows &rows) noexcept {
    if (rows.other)
        each_weighted_log_sum<C>(rows);
    else
        SOFTLANE_ROWS_OF(LogRows, LogPanel, C)(rows);
}

constexpr KernelTable make_table(const char *isa) {
    return {isa,
            {SOFTLANE_ROWS(Softmax, SoftmaxPanel), // in the order of Op
             SOFTLANE_ROWS(LogRows, LogPanel),
             {each_log_sum<float>, each_log_sum<double>},
             SOFTLANE_BACKWARD_ROWS(SoftmaxBackward),
             SOFTLANE_BACKWARD_ROWS(LogSoftmaxBackward),
             SOFTLANE_ROWS(LogRows, LogPanel),
             SOFTLANE_ROWS(CrossEntropyWithGrad, CrossEntropyWithGradPanel)},
            {SOFTLANE_WORDS(Softmax)},
            {parts_fns<Softmax, Plainly<float>>, parts_fns<Softmax, Plainly<double>>},
            SOFTLANE_WORD_PARTS(Softmax),
            {SOFTLANE_PANELS(SoftmaxPanel), // likewise
             SOFTLANE_PANELS(LogPanel), SOFTLANE_PANELS(LogPanel),
             SOFTLANE_BACKWARD_PANELS(SoftmaxBackward),
             SOFTLANE_BACKWARD_PANELS(LogSoftmaxBackward), SOFTLANE_PANELS(LogPanel),
             SOFTLANE_FLOAT_PANELS(CrossEntropyWithGradPanel)},
            {SOFTLANE_EACH_DTYPE(convert, half), SOFTLANE_EACH_DTYPE(convert, bfloat16),
             SOFTLANE_EACH_DTYPE(convert, float), SOFTLANE_EACH_DTYPE(convert, double)},
            {mask<float>, mask<double>},
            {exp_only<float>, exp_only<double>, exp_facts<float>, exp_facts<double>},
            {{log1p_only<float>, log1p_only<double>},
             {exp_real_only<float>, exp_real_only<double>},
             {log1p_bound<float>, log1p_bound<double>},
             {exp_bound<float>, exp_bound<double>}},
            {vec_function<float>, vec_function<double>}};
}

} // namespace

extern const KernelTable table;
constexpr KernelTable table = make_table(SOFTLANE_TEXT(SOFTLANE_ISA));

} // namespace softlane::SOFTLANE_ISA
