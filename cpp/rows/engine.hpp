// The row engine: reduce() gives a row's shift and the sum of its shifted exponentials, rewrite()
// writes a row from it. Every op of rows/ops.hpp is made of the two; dtype ends at load and store,
// the instruction set at simd/.
#pragma once
#include "core/kernels.hpp"
#include "rows/block.hpp"
#include "rows/sum.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

template <class E> struct ComputeOf {
    using Type = float;
};
template <> struct ComputeOf<double> {
    using Type = double;
};
template <class E> using Compute = typename ComputeOf<E>::Type;

template <class C> constexpr C infinity = static_cast<C>(__builtin_inf());

template <class C> struct Range {
    C max, min;
};

template <class E> struct Row {
    const E *x;
    E *y;
    Compute<E> *e; // where the exponentials are kept between the two passes: y itself, or scratch
                   // for 16-bit types
    std::size_t n;
    Scaling<Compute<E>> scaling;
    Range<Compute<E>> range;
    const E *next_x; // the row after this one, or null; its range is found while this row's sum
                     // is on its way
    Range<Compute<E>> *next_range;
};

// Of one row: sum = total of exp(x / T) * 2^(bias - shift). `regular` is false where the edge rules
// of the op decide: NaN, +inf, or nothing but -inf in the row.
struct Stats {
    bool regular;
    bool near; // no result is as small as 2^-70 (doubles: 2^-800)
    double shift;
    DoubleDouble sum;
};

// The largest and the smallest element; NaN is passed over, so an all-NaN row gives -inf and +inf.
template <class E> INLINE Range<Compute<E>> row_range(const E *x, std::size_t n) {
    using C = Compute<E>;
    using V = Vec<C, 4 * sum_lanes<C>>; // four at a time: max has a latency of four cycles
    using W = Vec<C, sum_lanes<C>>;
    V top = broadcast<V>(-infinity<C>), bottom = broadcast<V>(infinity<C>);
    const std::size_t whole = n - n % V::lanes;
    sweep<V>(0, whole, [&](std::size_t i, auto part) INLINE_LAMBDA {
        top = max(load<V>(x + i, part, -infinity<C>), top);
        bottom = min(load<V>(x + i, part, infinity<C>), bottom);
    });
    W high = max(max(top.low.low, top.low.high), max(top.high.low, top.high.high));
    W low = min(min(bottom.low.low, bottom.low.high), min(bottom.high.low, bottom.high.high));
    sweep<W>(whole, n, [&](std::size_t i, auto part) INLINE_LAMBDA {
        high = max(load<W>(x + i, part, -infinity<C>), high);
        low = min(load<W>(x + i, part, infinity<C>), low);
    });
    return {reduce_max(high), -reduce_max(sub(broadcast<W>(C(0)), low))};
}

// keep(i, part, e) sees each vector of exponentials as it is made.
template <Argument argument, class E, class Keep>
INLINE DoubleDouble accumulate(const Row<E> &row, const Scaling<Compute<E>> &scaling,
                               const Careful<Compute<E>> &careful, double shift, Keep keep) {
    using C = Compute<E>;
    using V = Vec<C, sum_lanes<C>>;
    using Wide = Vec<C, exp_unroll * V::lanes>;
    const Exp<C, argument> exp(scaling, careful, shift);
    Sum<C> sum;
    for (std::size_t begin = 0;;) {
        const std::size_t end = row.n - begin > Sum<C>::block ? begin + Sum<C>::block : row.n;
        const std::size_t whole = end - (end - begin) % Wide::lanes;
        auto step = [&](auto zero, std::size_t i, auto part) INLINE_LAMBDA {
            const auto e = exp(load<decltype(zero)>(row.x + i, part, -infinity<C>));
            sum += e;
            keep(i, part, e);
        };
        if constexpr (exp_unroll > 1)
            sweep<Wide>(begin, whole,
                        [&](std::size_t i, auto part) INLINE_LAMBDA { step(Wide{}, i, part); });
        sweep<V>(exp_unroll > 1 ? whole : begin, end,
                 [&](std::size_t i, auto part) INLINE_LAMBDA { step(V{}, i, part); });
        if (end == row.n)
            return sum.total();
        sum.flush();
        begin = end;
    }
}

template <class E, class Keep>
__attribute__((noinline)) void reduce_careful(const Row<E> &row, Keep keep, Stats &stats) {
    using C = Compute<E>;
    const Careful<C> careful = careful_for<C>(row.scaling.temperature, row.range.max);
    const C reduced = (row.range.max - careful.origin) * careful.factor * careful.factor;
    stats.shift = nearest_integer(reduced * log2_e / careful.temperature);
    stats.sum = accumulate<Argument::careful>(row, scaling_for(careful.temperature, C()), careful,
                                              stats.shift, keep);
}

template <class E, class Keep> INLINE Stats reduce(const Row<E> &row, Keep keep) {
    using C = Compute<E>;
    const double top = static_cast<double>(row.range.max), t = row.scaling.temperature;
    Stats stats{false, false, 0, {0, 0}};
    if (t == 1 && magnitude(top) <= exp_limit) {
        stats.shift = nearest_integer(top * log2_e);
        stats.sum = accumulate<Argument::plain>(row, row.scaling, {}, stats.shift, keep);
    } else if (is_moderate<C>(t) && magnitude(top) <= exp_limit * t) {
        stats.shift = nearest_integer(top * log2_e / t);
        stats.sum = accumulate<Argument::scaled>(row, row.scaling, {}, stats.shift, keep);
    } else if (magnitude(top) < infinity<double>) {
        reduce_careful(row, keep, stats);
    }
    if (row.next_x)
        *row.next_range = row_range(row.next_x, row.n);
    // In binades.
    const double depth = (top - static_cast<double>(row.range.min)) * log2_e / t;
    const double length = static_cast<double>(row.n);
    stats.near = depth <= (sizeof(C) == 4 ? 70 : 800) - binade(length) - 1;
    // The largest exponential is within [2^-0.51, 2^0.51] * 2^bias: a sum outside of these bounds,
    // or NaN, is no sum of a row of numbers.
    const double unit = power_of_two(ExpKernel<C>::bias);
    stats.regular = stats.sum.high >= 0.5 * unit && stats.sum.high <= 2.0 * unit * length;
    return stats;
}

// y[i] = function(from[i]) over a row; y may be `from`.
template <class From, class To, class Function>
INLINE void rewrite(const From *from, To *y, std::size_t n, Function function) {
    using C = Compute<To>;
    using V = Vec<C, 2 * sum_lanes<C>>;
    sweep<V>(0, n, [&](std::size_t i, auto part) INLINE_LAMBDA {
        store(y + i, function(load<V>(from + i, part, C(0))), part);
    });
}

template <class E> __attribute__((noinline)) void fill(E *y, std::size_t n, Compute<E> value) {
    using V = Vec<Compute<E>, sum_lanes<Compute<E>>>;
    sweep<V>(0, n, [&](std::size_t i, auto part) INLINE_LAMBDA {
        store(y + i, broadcast<V>(value), part);
    });
}

// e -> e / sum, rounded once: the reciprocal has two limbs. A far row's are 2^lift_bits too large,
// so that nothing is lost near the smallest normal number; its subnormal results are rounded twice,
// which may cost them another quarter of an ULP.
template <class C, bool near> struct Normalise {
    C hi, lo;

    INLINE explicit Normalise(DoubleDouble sum) {
        const double lift = near ? 1 : power_of_two(lift_bits<C>);
        if constexpr (sizeof(C) == 4) {
            const double r = lift / sum.high;
            hi = static_cast<C>(r);
            lo = static_cast<C>(r - hi);
        } else {
            const DoubleDouble r = reciprocal(sum);
            hi = r.high * lift;
            lo = r.low * lift;
        }
    }
    template <class V> INLINE V operator()(V e) const {
        const V y = scaled(e, broadcast<V>(hi), broadcast<V>(lo));
        if constexpr (near)
            return y;
        else
            return lowered(y);
    }
};

// One op over a batch of rows. A row is written after the next one has been reduced: the latency of
// its sum and of the other's shift is hidden behind the two loops. Not so for rows that would leave
// the first-level cache in between.
constexpr std::size_t longest_delayed = 1024;
template <class RowOp, class E> void each_row(const Rows &rows) noexcept {
    using C = Compute<E>;
    const char *x = static_cast<const char *>(rows.x);
    char *y = static_cast<char *>(rows.y);
    const double *t = rows.temperature;
    auto scaling = [](double temperature) {
        return scaling_for(is_moderate<C>(temperature) ? temperature : 1, C());
    };
    Scaling<C> current = scaling(*t);
    current.temperature = *t;
    Range<C> range = row_range(reinterpret_cast<const E *>(x), rows.length);
    const bool delayed = rows.length <= longest_delayed;
    Row<E> before{};
    Stats before_stats{};
    for (std::size_t i = 0; i < rows.count; ++i) {
        if (*t != current.temperature) {
            current = scaling(*t);
            current.temperature = *t;
        }
        const char *next = i + 1 < rows.count ? x + rows.x_row_stride_bytes : nullptr;
        Row<E> row{reinterpret_cast<const E *>(x),
                   reinterpret_cast<E *>(y),
                   nullptr,
                   rows.length,
                   current,
                   range,
                   reinterpret_cast<const E *>(next),
                   &range};
        if constexpr (sizeof(E) == sizeof(C))
            row.e = row.y;
        else
            row.e = rows.scratch + (i % 2) * rows.length;
        const Stats stats = RowOp::reduction(row);
        if (!delayed)
            RowOp::write(row, stats);
        else if (i > 0)
            RowOp::write(before, before_stats);
        before = row;
        before_stats = stats;
        x += rows.x_row_stride_bytes;
        y += rows.y_row_stride_bytes;
        t += rows.temperature_stride;
    }
    if (delayed)
        RowOp::write(before, before_stats);
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
