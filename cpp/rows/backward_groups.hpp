// Gradients as rows/backward.hpp has them, of rows that are not long: an element in each lane, but
// what there is one of for each row is computed for a group of rows at a time (of double rows the
// sum alone).
#pragma once
#include "rows/backward_rows.hpp"
#include "rows/row_group.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

template <class Op, class C> class BackwardGroups {
    using Term = typename Op::template Term<C>;
    using V = Vec<C, sum_lanes<C>>;

public:
    static constexpr std::size_t group = V::lanes; // rows

    INLINE explicit BackwardGroups(const Rows &rows)
        : rows_(rows), n_(rows.length), t_(*rows.temperature), term_(t_) {}

    // The first `count` rows, a multiple of `group`. A group's sums are made before the last one is
    // written, which hides their latency.
    INLINE void run(std::size_t count) const {
        Group groups[2];
        for (std::size_t i = 0; i <= count; i += group) {
            if (i < count)
                add_up(i, groups[i / group % 2]);
            if (i > 0)
                write(i - group, groups[(i / group + 1) % 2]);
        }
    }

private:
    struct Group {
        alignas(64) double sum[group], sum_low[sizeof(C) == 8 ? group : 1];
        // of float rows:
        alignas(64) float hi[group], lo[group];
        bool is_clear[group]; // as Op::write() has it
        bool usual;           // Term::gentle() serves all rows
    };

    INLINE const C *y(std::size_t i) const {
        return row_at<const C>(rows_.x, i, rows_.x_row_stride_bytes);
    }
    INLINE const C *grad(std::size_t i) const {
        return row_at<const C>(rows_.other, i, rows_.other_row_stride_bytes);
    }
    INLINE C *dx(std::size_t i) const { return row_at<C>(rows_.y, i, rows_.y_row_stride_bytes); }

    INLINE void add_up(std::size_t first, Group &to) const {
        constexpr std::size_t apart = GroupSums<C>::group;
        GroupSums<C> sums[group / apart];
        alignas(64) C least[group][V::lanes];
        Least<V> of_all;
        const std::size_t n = n_;
        const bool distant = rows_.distant;
        for (std::size_t r = 0; r < group; ++r) {
            Least<V> of_row;
            const auto sum = sum_of_row<Op>(y(first + r), grad(first + r), n, distant, of_row);
            const int at = static_cast<int>(r % apart);
            if constexpr (sizeof(C) == 4) {
                sums[r / apart].store_sum(at, sum.high);
                store(least[r], of_row.lane);
                of_all.lane = min(of_row.lane, of_all.lane);
            } else {
                sums[r / apart].store_sum(at, two_sums(sum.high, sum.low));
            }
        }
        for (std::size_t k = 0; k < group; k += apart) {
            const auto total = sums[k / apart].total();
            store(to.sum + k, highs(total));
            if constexpr (sizeof(C) == 8)
                store(to.sum_low + k, total.low);
        }
        if constexpr (sizeof(C) == 4) {
            const FloatRows<Term> scalars(term_, load<Wide<C>>(to.sum), broadcast<V>(Term::least),
                                          t_);
            store(to.hi, scalars.hi);
            store(to.lo, scalars.lo);
            to.usual = scalars.all && of_all.is_at_least(Term::least);
            if (!to.usual)
                for (std::size_t r = 0; r < group; ++r)
                    to.is_clear[r] = Least<V>{load<V>(least[r])}.is_at_least(Term::least);
        }
    }
    INLINE void write(std::size_t first, const Group &of) const {
        if constexpr (sizeof(C) == 4)
            if (!of.usual)
                return write_unusual(first, of);
        const std::size_t n = n_;
        V sum = broadcast<V>(C(0)); // NaN if any result is
        if constexpr (sizeof(C) == 4) {
            const Term term = term_;
            for (std::size_t r = 0; r < group; ++r) {
                const V hi = broadcast<V>(of.hi[r]), lo = broadcast<V>(of.lo[r]);
                write_row(first + r, n, sum,
                          [=](V p, V g) INLINE_LAMBDA { return term.gentle(p, g, hi, lo); });
            }
        } else {
            for (std::size_t r = 0; r < group; ++r)
                if (of.sum[r] - of.sum[r] == 0)
                    write_row(
                        first + r, n, sum,
                        typename Op::DoubleRows(term_, DoubleDouble(of.sum[r], of.sum_low[r])));
                else
                    write_row_of<Op>(y(first + r), grad(first + r), dx(first + r), n, false, term_);
        }
        if (const C total = folded(sum); total != total)
            for (std::size_t r = 0; r < group; ++r)
                unify_any_nan(dx(first + r), n);
    }
    template <class Function>
    INLINE void write_row(std::size_t i, std::size_t n, V &sum, Function function) const {
        const C *const p = y(i), *const g = grad(i);
        C *const to = dx(i);
        sweep<V>(0, n, [&](std::size_t k, auto part) INLINE_LAMBDA {
            const V v = function(load<V>(p + k, part, C(0)), load<V>(g + k, part, C(0)));
            sum = add(sum, v);
            store(to + k, v, part);
        });
    }
    __attribute__((noinline)) void write_unusual(std::size_t first, const Group &of) const {
        for (std::size_t r = 0; r < group; ++r)
            Op::write(y(first + r), grad(first + r), dx(first + r), n_, t_, term_, of.sum[r],
                      of.is_clear[r]);
    }

    const Rows &rows_;
    std::size_t n_;
    double t_;
    Term term_;
};

// One such op over a batch of rows.
template <class Op, class C> void any_gradient(const Rows &rows) noexcept {
    using Groups = BackwardGroups<Op, C>;
    std::size_t done = 0;
    if (rows.length <= longest_backward_in_group && rows.temperature_stride == 0)
        done = rows.count - rows.count % Groups::group;
    if (done != 0)
        Groups(rows).run(done);
    if (done < rows.count)
        each_gradient<Op, C>(rows, done);
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
