// log_softmax, logsumexp and the cross-entropy of hard labels over rows whose scalars lie in lanes.
#pragma once
#include "rows/losses.hpp"
#include "rows/panel.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// For temperatures of 1. Without a y, what there is one of for each row is its result: float rows'.
struct LogPanel {
    static constexpr bool keeps = false, capped = true, in_parts = false;
    static constexpr int wanted = wants_second;
    template <class C> static constexpr bool has_results = sizeof(C) == 4;
    // Logarithms of double rows are computed row by row anyway.
    template <class C> static constexpr bool turns_short_rows = sizeof(C) == 4;
    static constexpr std::size_t least_turned_rows = 6;
    static constexpr std::size_t longest_grouped_row = longest_in_group;
    static constexpr std::size_t longest_grouped_in_stream = 512;

    template <class C> static INLINE bool serves(const Rows &rows) {
        return *rows.temperature == 1 && !rows.other &&
               !(rows.labels && (rows.extra || rows.loss->smoothing != 0));
    }
    template <class C, class Scalars> static INLINE void note(Scalars &, const Place<C> &) {}
    template <class C, class Sums, class Scalars>
    static INLINE bool finish(const Sums &sums, Scalars &rows, int k) {
        using V = Vec<C, native_lanes<C>>;
        const Reals<V> sum = sums.total(k);
        store_sums(sum, rows, k);
        bool tiny;
        if constexpr (sizeof(C) == 4)
            tiny = logarithms(rows, k);
        else
            tiny = logarithms_of_doubles(rows, k);
        return !tiny && !any_nan(highs(sum));
    }
    template <class C, class Scalars> static INLINE void lift(Scalars &rows, int k) {
        for (int r = k; r < k + native_lanes<C>; ++r)
            rows.irregular[r] = C(is_irregular(rows, r));
    }
    template <class V, class Scalars> static INLINE auto usual_of(const Scalars &rows, int k) {
        return Usual<V>{load<V>(rows.max + k), load<V>(rows.log + k)};
    }
    template <class V, class Scalars> static INLINE auto unusual_of(const Scalars &rows, int k) {
        return Unusual<V>{usual_of<V>(rows, k), load<V>(rows.irregular + k)};
    }
    template <class V, class Scalars> static INLINE auto usual_row(const Scalars &rows, int k) {
        return Usual<V>{broadcast<V>(rows.max[k]), broadcast<V>(rows.log[k])};
    }
    template <class V, class Scalars> static INLINE auto unusual_row(const Scalars &rows, int k) {
        return Unusual<V>{usual_row<V>(rows, k), broadcast<V>(rows.irregular[k])};
    }
    // The results of each row if there is no y. Else logarithms too small for the others, which are
    // those of the maximum alone.
    template <class C, class Scalars>
    static INLINE void complete(const Scalars &rows, int k, const Place<C> &at, bool usual) {
        if constexpr (has_results<C>)
            if (!at.y_data)
                return results(rows, k, at);
        for (int r = 0; !usual && r < at.count; ++r) {
            const double log = rows.excess[k + r];
            if (log == 0 || !is_tiny(rows, k + r) || is_irregular(rows, k + r))
                continue;
            std::ptrdiff_t i = 0;
            const auto last = static_cast<std::ptrdiff_t>(at.batch.length) - 1;
            while (i < last && load_one(at.y(r, i)) != 0)
                ++i;
            store_one(at.y(r, i), -log, is_lifted(rows, k + r) ? lifted_bits : 0);
        }
    }

    // excess() of float rows without a branch, in loops that the compiler vectorises. Whether any
    // is tiny.
    template <class Scalars> static INLINE bool logarithms(Scalars &rows, int k) {
        return logarithms({rows.max + k, rows.second + k, rows.top + k, rows.origin + k,
                           rows.shift + k, rows.top_exponential + k, rows.sum_high + k,
                           rows.odds + k, rows.excess + k, rows.log + k});
    }

private:
    struct LogLanes { // of PanelScalars
        const float *max, *second, *top, *origin, *shift, *top_exponential;
        const double *sum_high;
        double *odds, *excess;
        float *log;
    };
    static __attribute__((noinline)) bool logarithms(const LogLanes &rows) {
        constexpr int lanes = native_lanes<float>;
        constexpr DoubleDouble scale{ExpConstants<float>::scale, ExpConstants<float>::scale_low};
        constexpr double inverse =
            reciprocal(scale).high * (1 / static_cast<double>(1ull << ExpKernel<float>::bias));
        using V = Vec<float, lanes>;
        using D = Doubles<V>;
        const auto doubles = [](const float *of) INLINE_LAMBDA { return load_doubles<D>(of); };
        const D zero = broadcast<D>(0), most = broadcast<D>(150);
        const D max = doubles(rows.max), second = doubles(rows.second);
        const D gap = choose(second, broadcast<D>(-infinity<double>),
                             broadcast<D>(infinity<double>), sub(max, doubles(rows.top)));
        double z[lanes], shift[lanes], e[lanes], w[lanes], log[lanes];
        store(z, choose(gap, most, sub(max, doubles(rows.origin)), zero));
        store(shift, choose(gap, most, doubles(rows.shift), zero));
        for (int r = 0; r < lanes; ++r)
            e[r] = exp_of_minus<float>(z[r], static_cast<int>(shift[r]));
        const D others = sub(load<D>(rows.sum_high), doubles(rows.top_exponential));
        store(w, mul(times(others, inverse), load<D>(e)));
        for (int r = 0; r < lanes; ++r)
            log[r] = log1p<float>(w[r]);
        const D all = choose(gap, most, load<D>(log), zero), least = broadcast<D>(0x1p-100);
        store(rows.odds, choose(gap, most, load<D>(w), zero));
        store(rows.excess, all);
        store(rows.log, narrow(choose(least, all, all, zero)));
        return reduce_max(choose(least, all, zero, all)) > 0;
    }

    template <class V> struct Usual {
        V max, log;
        INLINE V operator()(V x) const { return sub(sub(x, max), log); }
    };
    template <class V> struct Unusual {
        Usual<V> difference;
        V irregular;
        INLINE V operator()(V x) const {
            using C = typename V::Scalar;
            return choose(irregular, broadcast<V>(C(0)), difference(x),
                          broadcast<V>(not_a_number<C>));
        }
    };
    static constexpr int lifted_bits = 800;
    template <class Scalars> static INLINE bool is_lifted(const Scalars &rows, int r) {
        return sizeof rows.max[r] == 8 &&
               static_cast<double>(rows.max[r]) - static_cast<double>(rows.top[r]) > 400;
    }
    template <class Scalars> static INLINE bool is_tiny(const Scalars &rows, int r) {
        return is_lifted(rows, r) ||
               rows.excess[r] < (sizeof rows.max[r] == 4 ? 0x1p-100 : 0x1p-900);
    }

    template <class C, class Scalars>
    static __attribute__((noinline)) void results(const Scalars &rows, int k, const Place<C> &at) {
        for (int r = 0; r < at.count; ++r) {
            const std::ptrdiff_t index = at.index(r);
            if (at.batch.labels) {
                at.batch.results[index] = loss(rows, k + r, at, r, at.batch.labels[index]);
                continue;
            }
            const double log = log_sum(rows, k + r, at, r);
            at.batch.results[index] = log;
            if (at.batch.extra)
                at.batch.extra[index] = sign_of_log_sum(log);
        }
    }
    template <class C, class Scalars>
    static INLINE double loss(const Scalars &rows, int lane, const Place<C> &at, int r,
                              std::int64_t label) {
        if (label < 0)
            return 0;
        if (is_irregular(rows, lane))
            return not_a_number<double>;
        return label_loss(at.batch.loss->weight ? at.batch.loss->weight[label] : 1,
                          static_cast<double>(rows.max[lane]) - load_one(at.x(r, label)),
                          rows.excess[lane]);
    }
    // store_log_sum_exp()'s, of a row whose logarithm is not lifted.
    template <class C, class Scalars>
    static INLINE double log_sum(const Scalars &rows, int lane, const Place<C> &at, int r) {
        const C *x = at.x(r, 0);
        if (is_irregular(rows, lane))
            return irregular_log(x, at.batch.length, rows.max[lane], at.x_element_bytes);
        const double max = row_max(rows.max[lane], x, at.batch.length, at.x_element_bytes);
        return rows.excess[lane] == 0 ? max : max + rows.excess[lane];
    }

    template <class Scalars>
    static __attribute__((noinline)) bool logarithms_of_doubles(Scalars &rows, int k) {
        bool any = false;
        for (int r = k; r < k + native_lanes<double>; ++r) {
            Stats<double> stats;
            stats.shift = rows.shift[r];
            stats.sum = {rows.sum_high[r], rows.sum_low[r]};
            stats.top = rows.top[r];
            stats.top_exponential = rows.top_exponential[r];
            stats.careful.origin = rows.origin[r];
            rows.log[r] = rows.excess[r] = 0;
            if (is_irregular(rows, r))
                continue;
            const Range<double> range{rows.max[r], rows.second[r], 0};
            rows.excess[r] = high(excess(range, stats).log);
            if (is_tiny(rows, r))
                any |= rows.excess[r] != 0;
            else
                rows.log[r] = rows.excess[r];
        }
        return any;
    }
};

} // namespace
} // namespace softlane::SOFTLANE_ISA
