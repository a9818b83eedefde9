// Softmax of rows of middling length that are as most are: what each_row_at_once() makes of them,
// without what it must know for others. That takes some 450 instructions between two rows, while no
// exponential is computed; this takes 180.
#pragma once
#include "rows/each_row.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// Rows up to here are faster in groups (rows/row_groups.hpp).
constexpr std::size_t longest_unsteady = 200;

// Rows of moderate temperature, without a mask, of at least a turn of the loop, and few enough
// bytes to stay in the first-level cache two rows on and two back, in arrays that stay in the
// others.
template <class Lies> INLINE bool may_be_steady(const Rows &rows) {
    using C = typename Lies::C;
    return exp_unroll > 1 && rows.count > 2 && rows.length >= row_unroll * sum_lanes<C> &&
           rows.length < least_near_bytes / sizeof(C) && !rows.where && !rows.parts &&
           !rows.stream && !rows.distant && rows.temperature_stride == 0 &&
           is_moderate<C>(*rows.temperature);
}

template <class Lies, Argument argument> class SteadyRows {
    using C = typename Lies::C;
    using In = typename Lies::In;
    using Out = typename Lies::Out;
    using V = Vec<C, sum_lanes<C>>;
    using Wide = Vec<C, row_unroll * V::lanes>;
    using Power = Exp<C, argument>;
    static constexpr std::size_t distance = 2, slots = 4;
    // A load waits for a store that is a multiple of 4096 bytes off: those of a row and of the one
    // two further on are not.
    static constexpr std::size_t pitch = (least_near_bytes + 640) / sizeof(C);

public:
    INLINE explicit SteadyRows(const Rows &rows)
        : rows_(rows), n_(rows.length), count_(rows.count), t_(*rows.temperature),
          span_(shallow_span<C>(t_, n_)), scaling_(scaling_for(t_, C())) {}

    // The rows from `first` on, up to one that is not shallow, or far from 0: returns which.
    __attribute__((noinline, THREADS_JUMPS)) std::size_t run(std::size_t first) {
        std::size_t end = first; // of the rows that are known to be steady
        while (end < count_ && end < first + distance &&
               settle_range(end, row_range<wants_min, C>(x(end), n_)))
            ++end;
        if (end == first)
            return first;
        auto next = parts_of(first);
        for (std::size_t i = first; i < end; ++i) {
            const bool looks = end == i + distance && end < count_;
            const bool writes = i >= first + distance;
            const std::size_t done = i - distance;
            const In row = x(i), looked = looks ? x(end) : row;
            C *const kept = kept_[i % slots];
            // Without a row to be written, something goes where the next row's exponentials will
            // be.
            const C *const from = writes ? kept_[done % slots] : kept;
            const Out to = writes ? y(done) : out(kept_[(i + 1) % slots]);
            const Limbs limbs = writes ? limbs_[done % slots] : Limbs();
            const Power power = power_of(i);
            Extremes<wants_min, V> extremes;
            Sum<C> sum;
            const auto body = [&](std::size_t k, auto e) INLINE_LAMBDA {
                store(kept + k, e);
                add_to(extremes, load<Wide>(looked + k));
                if (k != 0) // behind what is read: rows/company.hpp
                    write<Wide>(from, to, k - Wide::lanes, Whole{}, limbs);
            };
            std::size_t k;
            if constexpr (row_pipeline)
                k = raise_on<true>(
                    power, row, n_, sum, next,
                    [&]() INLINE_LAMBDA { return parts_of(i + 1 < end ? i + 1 : i); }, body);
            else
                k = raise<false>(power, row, n_, sum, body);
            write<Wide>(from, to, k - Wide::lanes, Whole{}, limbs);
            sweep<V>(k, n_, [&](std::size_t j, auto part) INLINE_LAMBDA {
                const V e = power(load<V>(row + j, part, max_[i % slots]));
                sum += present(e, part);
                store(kept + j, e);
                extremes.add(load<V>(looked + j, part, -infinity<C>),
                             load<V>(looked + j, part, infinity<C>));
                write<V>(from, to, j, part, limbs);
            });
            if (writes)
                finish(done);
            lanes_[i % 2] = sum.in_lanes();
            if (i > first)
                settle_sum(i - 1);
            if (looks && settle_range(end, range_of(extremes)))
                ++end;
        }
        settle_sum(end - 1);
        for (std::size_t i = end > first + distance ? end - distance : first; i < end; ++i) {
            rewrite(kept_[i % slots], y(i), n_, limbs_[i % slots]);
            finish(i);
        }
        return end;
    }

private:
    struct Limbs { // of a row's factor
        C hi = 0, lo = 0;
        template <class W> INLINE W operator()(W e) const {
            return scaled(e, broadcast<W>(hi), broadcast<W>(lo));
        }
    };

    INLINE In x(std::size_t i) const {
        const auto at = static_cast<std::ptrdiff_t>(i) * rows_.x_row_stride_bytes;
        return Lies::in(static_cast<const char *>(rows_.x) + at, rows_);
    }
    INLINE Out y(std::size_t i) const {
        const auto at = static_cast<std::ptrdiff_t>(i) * rows_.y_row_stride_bytes;
        return Lies::out(static_cast<char *>(rows_.y) + at, rows_);
    }
    INLINE Out out(C *p) const { return Lies::out(reinterpret_cast<char *>(p), rows_); }
    INLINE Power power_of(std::size_t i) const {
        const C offset = offset_[i % slots];
        return {scaling_, C(0), offset, C(0), C(0)};
    }
    INLINE auto parts_of(std::size_t i) const { return power_of(i).parts(load<Wide>(x(i))); }
    template <class W> static INLINE void add_to(Extremes<wants_min, V> &extremes, W v) {
        if constexpr (W::lanes == V::lanes) {
            extremes.add(v, v);
        } else {
            add_to(extremes, v.low);
            add_to(extremes, v.high);
        }
    }
    template <class W, class Part>
    static INLINE void write(const C *from, Out to, std::size_t i, Part part, const Limbs &limbs) {
        store(to + i, limbs(load<W>(from + i)), part);
    }
    // What follows from a row's range; whether it is steady.
    INLINE bool settle_range(std::size_t i, Range<C> range) {
        const auto max = static_cast<double>(range.max);
        const double t = argument == Argument::shallow ? 1 : t_;
        const double shift = nearest_integer(max * log2_e / t);
        max_[i % slots] = range.max;
        offset_[i % slots] =
            static_cast<C>(Power::round - exp_table_size * (shift - ExpKernel<C>::bias));
        return static_cast<double>(range.max - range.min) <= span_ &&
               magnitude(max) <= exp_limit * t;
    }
    // What follows from its sum.
    INLINE void settle_sum(std::size_t i) {
        const DoubleDouble sum = Sum<C>::total(lanes_[i % 2]);
        is_regular_[i % slots] = is_regular<C>(sum.high, n_);
        const Factor<C, Products::normal> factor(reciprocal(real<C>(sum)));
        limbs_[i % slots] = {factor.hi, factor.lo};
    }
    INLINE void finish(std::size_t i) const {
        if (!is_regular_[i % slots])
            fill(y(i), n_, not_a_number<C>);
    }

    const Rows &rows_;
    std::size_t n_, count_;
    double t_, span_;
    Scaling<C> scaling_;
    // Of the rows from i - 2 to i + 2, each in the place of its number:
    C max_[slots], offset_[slots];
    Limbs limbs_[slots];
    bool is_regular_[slots];
    typename Sum<C>::Lanes lanes_[2];
    alignas(64) C kept_[slots][pitch];
};

// Those that are not, and some that follow, which tend to be alike, go another way.
using OthersFn = void (*)(const Rows &);
template <class Lies, Argument argument>
INLINE void steady_rows(const Rows &rows, OthersFn others_way) noexcept {
    SteadyRows<Lies, argument> steady(rows);
    constexpr std::size_t least = 4, most = 256;
    std::size_t others = least;
    for (std::size_t i = 0; i < rows.count;) {
        const std::size_t begin = i;
        i = steady.run(i);
        if (i == rows.count)
            return;
        others = i - begin > others ? least : others < most ? 4 * others : most;
        Rows rest = rows_from(rows, i);
        rest.count = others < rest.count ? others : rest.count;
        others_way(rest);
        i += rest.count;
    }
}
template <class Lies> void each_steady_row(const Rows &rows, OthersFn others) noexcept {
    if (!may_be_steady<Lies>(rows))
        return others(rows);
    if (*rows.temperature == 1)
        return steady_rows<Lies, Argument::shallow>(rows, others);
    if constexpr (sizeof(typename Lies::C) == 4 && !Lies::converts) // of others that is rare
        steady_rows<Lies, Argument::shallow_scaled>(rows, others);
    else
        others(rows);
}
// 16-bit rows.
template <class RowOp> void each_row_in_words(const Rows &rows) noexcept {
    static_assert(RowOp::recomputes, "steady rows are those of softmax");
    each_steady_row<InWords>(rows, each_row_that<RowOp, InWords>);
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
