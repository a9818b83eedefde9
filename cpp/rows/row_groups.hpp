// Rows of middling length: an element in each lane, as in the row engine, but what there is one of
// for each row is computed for as many rows at a time as a register has lanes.
#pragma once
#include "rows/panel_ops.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// Longer rows hide the latency of their own scalars.
constexpr std::size_t longest_grouped_row = 256;

template <class Op, class C> class RowGroups {
    using N = Vec<C, native_lanes<C>>;
    using D = Vec<double, native_lanes<double>>;
    using V = Vec<C, sum_lanes<C>>;
    static constexpr int block = 16 / sizeof(C); // columns that are turned at a time

public:
    static constexpr int group = N::lanes; // rows

    // `count` is a multiple of `group`.
    INLINE RowGroups(const Rows &rows, std::size_t count)
        : x_(static_cast<const char *>(rows.x)), y_(static_cast<char *>(rows.y)),
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
                size = look(now, x_ + at * x_stride_);
            if (i > 0)
                write(groups[(i + 1) % 2], y_ + (at - group) * y_stride_);
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
    struct Group {
        PanelScalars<C, group> rows;
        bool usual;
        alignas(64) C extreme[2][group][N::lanes]; // of each row, still a register wide
        alignas(64) double high[group][D::lanes], low[sizeof(C) == 4 ? 1 : group][D::lanes];
        // A row's exponentials; a load waits for a store that is a multiple of 4096 bytes off.
        alignas(64) C kept[group][longest_grouped_row + 64 / sizeof(C)];

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

    // The largest and smallest of each row; returns the largest abs(max).
    INLINE double look(Group &to, const char *x) const {
        for (int r = 0; r < group; ++r) {
            const C *from = reinterpret_cast<const C *>(row(x, x_stride_, r));
            Extremes<Op::wanted, V> extremes;
            sweep<V>(0, n_, [&](std::size_t i, auto part) INLINE_LAMBDA {
                extremes.add(load<V>(from + i, part, -infinity<C>),
                             load<V>(from + i, part, infinity<C>));
            });
            store_folded(to.extreme[0][r], extremes.max,
                         [](auto a, auto b) INLINE_LAMBDA { return max(a, b); });
            store_folded(to.extreme[1][r], extremes.min,
                         [](auto a, auto b) INLINE_LAMBDA { return min(a, b); });
        }
        Extremes<Op::wanted, N> extremes;
        extremes.max = across(to.extreme[0], [](N a, N b) INLINE_LAMBDA { return max(a, b); });
        extremes.min = across(to.extreme[1], [](N a, N b) INLINE_LAMBDA { return min(a, b); });
        note_range(extremes, to.rows, 0);
        prepare<Argument::plain, C>(1, to.rows, 0);
        return settle_ranges<Op::wanted>(Panel<N, Whole>{{}, {}, n_, {}, scaling_}, to.rows);
    }
    // Lanes i and i + half joined, down to a register.
    template <class W, class Join> static INLINE void store_folded(C *to, W w, Join join) {
        if constexpr (W::lanes == N::lanes)
            store(to, w);
        else
            store_folded(to, join(w.low, w.high), join);
    }
    // All lanes of each row joined.
    template <class Join> static INLINE N across(const C (&of)[group][N::lanes], Join join) {
        N all;
#pragma GCC unroll 4
        for (int c = 0; c < N::lanes; c += block) {
            N v[block];
            load_columns(of[0] + c, sizeof of[0], v);
            N one = join(v[0], v[1]);
            if constexpr (block == 4)
                one = join(one, join(v[2], v[3]));
            all = c == 0 ? one : join(all, one);
        }
        return all;
    }

    template <Argument argument> INLINE void sum_up(Group &to, const char *x) const {
        using Wide = Vec<C, panel_lanes<C>>;
        if (argument != Argument::plain)
            prepare<argument, C>(scaling_.temperature, to.rows, 0);
        for (int r = 0; r < group; ++r) {
            const char *bytes = row(x, x_stride_, r);
            const C *from = reinterpret_cast<const C *>(bytes);
            const char *next = row(bytes, x_stride_, group);
            const Exp<C, argument> exp(scaling_,
                                       argument == Argument::plain ? C(0) : to.rows.origin[r],
                                       to.rows.offset[r], to.rows.lowest[r], C(0));
            Sum<C> sum;
            auto step = [&](auto zero, std::size_t i, auto part) INLINE_LAMBDA {
                const auto e = exp(load<decltype(zero)>(from + i, part, -infinity<C>));
                sum += present(e, part);
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

    INLINE void write(const Group &of, char *y) const {
        if (!of.usual)
            return write_unusual(of, y);
        for (int r = 0; r < group; ++r)
            write_row(of, y, r, Op::template usual_row<V>(of.rows, r));
    }
    __attribute__((noinline)) void write_unusual(const Group &of, char *y) const {
        for (int r = 0; r < group; ++r)
            write_row(of, y, r, Op::template unusual_row<V>(of.rows, r));
    }
    template <class Function>
    INLINE void write_row(const Group &of, char *y, int r, Function function) const {
        C *to = reinterpret_cast<C *>(row(y, y_stride_, r));
        sweep<V>(0, n_, [&](std::size_t i, auto part) INLINE_LAMBDA {
            store(to + i, function(load<V>(of.kept[r] + i)), part);
        });
    }

    const char *x_;
    char *y_;
    std::ptrdiff_t x_stride_, y_stride_;
    std::size_t n_, count_;
    Scaling<C> scaling_;
};

} // namespace
} // namespace softlane::SOFTLANE_ISA
