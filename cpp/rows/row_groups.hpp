// Rows of middling length: an element in each lane, as in the row engine, but what there is one of
// for each row is computed for as many rows at a time as a register has lanes.
#pragma once
#include "rows/panel_ops.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

template <class Op, class C> class RowGroups {
    using N = Vec<C, native_lanes<C>>;
    using D = Vec<double, native_lanes<double>>;
    using V = Vec<C, sum_lanes<C>>;
    static constexpr int block = 16 / sizeof(C); // columns that are turned at a time

public:
    static constexpr int group = N::lanes; // rows

    // `count` is a multiple of `group`.
    INLINE RowGroups(const Rows &rows, std::size_t count)
        : rows_(rows), x_(static_cast<const char *>(rows.x)), y_(static_cast<char *>(rows.y)),
          x_stride_(rows.x_row_stride_bytes), y_stride_(rows.y_row_stride_bytes), n_(rows.length),
          count_(count), scaling_(scaling_for(*rows.temperature, C())) {}

    void run() const {
        Group groups[2];
        const std::size_t count = count_ / group;
        for (std::size_t i = 0;; ++i) {
            Group &now = groups[i % 2];
            double size = 0;
            const auto at = static_cast<std::ptrdiff_t>(i * group);
            if (i < count)
                size = look(now, i * group);
            if (i > 0)
                write(groups[(i + 1) % 2], (i - 1) * group);
            if (i == count)
                return;
            if (scaling_.temperature == 1 && size <= exp_limit)
                sum_up<Argument::plain>(now, x_ + at * x_stride_);
            else
                sum_up_far(now, x_ + at * x_stride_);
            now.usual = Op::template finish<C>(now, now.rows, 0);
            if (!now.usual)
                Op::template lift<C>(now.rows, 0);
        }
    }

private:
    static constexpr bool wants(int what) { return (Op::wanted & what) != 0; }
    static constexpr int least = wants(wants_second) ? 2 : 1;

    struct Group {
        PanelScalars<C, group> rows;
        bool usual;
        // max, second, min, as far as they are wanted, of each row, still a register wide
        alignas(64) C extreme[wants(wants_min) ? least + 1 : 2][group][N::lanes];
        alignas(64) double high[group][D::lanes], low[sizeof(C) == 4 ? 1 : group][D::lanes];
        // A row's exponentials; a load waits for a store that is a multiple of 4096 bytes off.
        alignas(64) C kept[Op::keeps ? group : 1][Op::longest_grouped_row(true) + 64 / sizeof(C)];

        // The sums of all rows, as LaneSums has it of a panel.
        INLINE Reals<N> total(int) const {
            if constexpr (sizeof(C) == 8)
                return totals<Reals<N>>(0);
            else
                return {totals<D>(0), totals<D>(D::lanes)};
        }
        template <class R> INLINE R totals(int r) const {
            R column[D::lanes];
#pragma GCC unroll 4
            for (int c = 0; c < D::lanes; c += 2) {
                D h[2], l[2];
                load_columns(high[r] + c, sizeof high[0], h);
                if constexpr (sizeof(C) == 8)
                    load_columns(low[r] + c, sizeof low[0], l);
                for (int i = 0; i < 2; ++i)
                    if constexpr (sizeof(C) == 8)
                        column[c + i] = {h[i], l[i]};
                    else
                        column[c + i] = h[i];
            }
#pragma GCC unroll 4
            for (int half = D::lanes / 2; half > 0; half /= 2)
#pragma GCC unroll 4
                for (int c = 0; c < half; ++c)
                    column[c] = added(column[c], column[c + half]);
            return column[0];
        }
    };

    template <class E> static INLINE E *row(E *of, std::ptrdiff_t stride, int r) {
        return of + r * stride;
    }

    // The range of each row; returns the largest abs(top).
    INLINE double look(Group &to, std::size_t first) const {
        const Place<C> at = place(first);
        for (int r = 0; r < group; ++r) {
            const C *from = at.x(r, 0);
            Extremes<Op::wanted, V> extremes;
            sweep<V>(0, n_, [&](std::size_t i, auto part) INLINE_LAMBDA {
                extremes.add(load<V>(from + i, part, -infinity<C>),
                             load<V>(from + i, part, infinity<C>));
            });
            store_folded(to, r, extremes);
        }
        note_range(across(to), to.rows, 0);
        Op::note(to.rows, at);
        prepare<Argument::plain, C>(1, to.rows, 0);
        return settle_ranges<Op::wanted>(Panel<N, Whole>{{}, {}, n_, {}, scaling_}, to.rows);
    }
    // Lanes i and i + half joined, down to a register.
    template <class W> static INLINE void store_folded(Group &to, int r, const W &extremes) {
        if constexpr (decltype(extremes.max)::lanes == N::lanes) {
            store(to.extreme[0][r], extremes.max);
            if constexpr (wants(wants_second))
                store(to.extreme[1][r], extremes.second);
            if constexpr (wants(wants_min))
                store(to.extreme[least][r], extremes.min);
        } else {
            store_folded(to, r, folded(extremes));
        }
    }
    // All lanes of each row joined, rows in lanes.
    static INLINE Extremes<Op::wanted, N> across(const Group &of) {
        Extremes<Op::wanted, N> all;
#pragma GCC unroll 4
        for (int c = 0; c < N::lanes; c += block) {
            N first[block], second[block], min[block];
            load_columns(of.extreme[0][0] + c, sizeof of.extreme[0][0], first);
            if constexpr (wants(wants_second))
                load_columns(of.extreme[1][0] + c, sizeof of.extreme[0][0], second);
            if constexpr (wants(wants_min))
                load_columns(of.extreme[least][0] + c, sizeof of.extreme[0][0], min);
            for (int i = 0; i < block; ++i) {
                if constexpr (wants(wants_second))
                    all.second = max(second[i], all.second);
                all.add(first[i], wants(wants_min) ? min[i] : first[i]);
            }
        }
        return all;
    }

    template <Argument argument> INLINE void sum_up(Group &to, const char *x) const {
        using Wide = Vec<C, panel_lanes<C>>;
        if (argument != Argument::plain)
            prepare<argument, C>(scaling_.temperature, to.rows, 0);
        if constexpr (Op::capped) {
            const N top = load<N>(to.rows.top);
            const Exp<C, argument, true, N> exp(
                scaling_, argument == Argument::plain ? N() : load<N>(to.rows.origin),
                load<N>(to.rows.offset), load<N>(to.rows.lowest), top);
            store(to.rows.top_exponential, exp(top));
        }
        for (int r = 0; r < group; ++r) {
            const char *bytes = row(x, x_stride_, r);
            const C *from = reinterpret_cast<const C *>(bytes);
            const char *next = row(bytes, x_stride_, group);
            const Exp<C, argument, Op::capped> exp(
                scaling_, argument == Argument::plain ? C(0) : to.rows.origin[r], to.rows.offset[r],
                to.rows.lowest[r], Op::capped ? to.rows.top[r] : C(0));
            Sum<C> sum;
            auto step = [&](auto zero, std::size_t i, auto part) INLINE_LAMBDA {
                const auto e = exp(load<decltype(zero)>(from + i, part, -infinity<C>));
                sum += present(e, part);
                if constexpr (Op::keeps)
                    store(to.kept[r] + i, e);
                for (std::size_t line = 0; line < sizeof e; line += 64)
                    __builtin_prefetch(next + i * sizeof(C) + line, 0, 3);
            };
            const std::size_t whole = n_ - n_ % Wide::lanes;
            sweep<Wide>(0, whole,
                        [&](std::size_t i, auto part) INLINE_LAMBDA { step(Wide{}, i, part); });
            sweep<V>(whole, n_,
                     [&](std::size_t i, auto part) INLINE_LAMBDA { step(V{}, i, part); });
            if constexpr (sizeof(C) == 4) {
                sum.flush();
                store_sum(to, r, sum.flushed);
            } else {
                store_sum(to, r, two_sums(sub(sum.high, sum.start), sum.low));
            }
        }
    }
    __attribute__((noinline)) void sum_up_far(Group &to, const char *x) const {
        sum_up<Argument::far>(to, x);
    }
    template <class W> static INLINE void store_sum(Group &to, int r, W w) {
        if constexpr (W::lanes == D::lanes)
            store(to.high[r], w);
        else
            store_sum(to, r, add(w.low, w.high));
    }
    template <class W> static INLINE void store_sum(Group &to, int r, Pairs<W> w) {
        if constexpr (W::lanes == D::lanes) {
            store(to.high[r], w.high);
            store(to.low[r], w.low);
        } else {
            using Half = decltype(W::low);
            store_sum(
                to, r,
                added(Pairs<Half>{w.high.low, w.low.low}, Pairs<Half>{w.high.high, w.low.high}));
        }
    }

    // What becomes of the rows from `first` on.
    INLINE void write(const Group &of, std::size_t first) const {
        const Place<C> at = place(first);
        if (Op::template has_results<C> && !y_)
            return Op::template complete<C>(of.rows, 0, at, of.usual);
        if (of.usual)
            for (int r = 0; r < group; ++r)
                write_row(of, at, r, Op::template usual_row<V>(of.rows, r));
        else
            write_unusual(of, at);
        Op::template complete<C>(of.rows, 0, at, of.usual);
    }
    INLINE Place<C> place(std::size_t first) const {
        const auto at = static_cast<std::ptrdiff_t>(first);
        char *const y = y_ ? y_ + at * y_stride_ : nullptr;
        return {rows_,     first,     group,    x_ + at * x_stride_, y, x_stride_,
                y_stride_, sizeof(C), sizeof(C)};
    }
    __attribute__((noinline)) void write_unusual(const Group &of, const Place<C> &at) const {
        for (int r = 0; r < group; ++r)
            write_row(of, at, r, Op::template unusual_row<V>(of.rows, r));
    }
    template <class Function>
    INLINE void write_row(const Group &of, const Place<C> &at, int r, Function function) const {
        C *to = at.y(r, 0);
        const C *from = at.x(r, 0);
        sweep<V>(0, n_, [&](std::size_t i, auto part) INLINE_LAMBDA {
            if constexpr (Op::keeps)
                store(to + i, function(load<V>(of.kept[r] + i)), part);
            else
                store(to + i, function(load<V>(from + i, part, C(0))), part);
        });
    }

    const Rows &rows_;
    const char *x_;
    char *y_;
    std::ptrdiff_t x_stride_, y_stride_;
    std::size_t n_, count_;
    Scaling<C> scaling_;
};

} // namespace
} // namespace softlane::SOFTLANE_ISA
