// Which way rows go whose elements follow each other, and short ones: turned into panels on the
// stack, and the results back.
#pragma once
#include "rows/row_groups.hpp"
#include "rows/steady_rows.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// Longer rows are as fast with an element in each lane; where there is a pipeline (rows/raise.hpp)
// and results are written, from one turn of it on.
template <class C> constexpr std::size_t longest_short_row = sizeof(C) == 4 ? 56 : 28;
template <class C> INLINE bool is_short(const Rows &rows) {
    constexpr std::size_t turn = row_unroll * sum_lanes<C>;
    const bool groups_early = row_pipeline && sizeof(C) == 4 && rows.y;
    return rows.length <= longest_short_row<C> && !(groups_early && rows.length >= turn);
}

template <class RowOp, class Op, class C> class ShortRows {
    using N = Vec<C, native_lanes<C>>;
    using V = Vec<C, 2 * sum_lanes<C>>; // the rows of a panel; of few, not too many lanes are empty
    static constexpr int block = 16 / sizeof(C); // columns that are turned at a time
    // Rows of the tile: a load waits for a store that is a multiple of 4096 bytes off.
    static constexpr std::size_t pitch = V::lanes + 64 / sizeof(C);

public:
    INLINE ShortRows(const Rows &rows)
        : rows_(rows), x_(static_cast<const char *>(rows.x)), y_(static_cast<char *>(rows.y)),
          x_stride_(rows.x_row_stride_bytes), y_stride_(rows.y_row_stride_bytes), n_(rows.length),
          count_(rows.count), scaling_(scaling_for(*rows.temperature, C())) {}

    // Returns how many rows are done: all, or but for a few at the end.
    INLINE std::size_t run() const {
        const std::size_t left = count_ % V::lanes, i = count_ - left;
        if (i != 0)
            turn(x_, x_stride_, y_, y_stride_, i / V::lanes, 0, V::lanes);
        if (left < Op::least_turned_rows)
            return i;
        // The others among rows of zeros.
        alignas(64) C rest[longest_short_row<C> * V::lanes];
        const std::size_t bytes = n_ * sizeof(C);
        const auto stride = static_cast<std::ptrdiff_t>(bytes);
        char *const copy = reinterpret_cast<char *>(rest);
        copy_rows(copy, stride, x_ + offset(i, x_stride_), x_stride_, left);
        __builtin_memset(copy + left * bytes, 0, (V::lanes - left) * bytes);
        turn(copy, stride, y_ ? copy : nullptr, stride, 1, i, static_cast<int>(left));
        if (y_)
            copy_rows(y_ + offset(i, y_stride_), y_stride_, copy, stride, left);
        return count_;
    }
    INLINE bool served() const {
        const auto bytes = static_cast<std::ptrdiff_t>(n_ * sizeof(C));
        return n_ >= block || (x_stride_ == bytes && (y_stride_ == bytes || !y_));
    }

private:
    static INLINE std::ptrdiff_t offset(std::size_t i, std::ptrdiff_t stride) {
        return static_cast<std::ptrdiff_t>(i) * stride;
    }
    INLINE void copy_rows(char *to, std::ptrdiff_t to_stride, const char *from,
                          std::ptrdiff_t from_stride, std::size_t count) const {
        const std::size_t bytes = n_ * sizeof(C);
        if (to_stride == from_stride && to_stride == static_cast<std::ptrdiff_t>(bytes)) {
            __builtin_memcpy(to, from, count * bytes);
            return;
        }
        for (std::size_t r = 0; r < count; ++r)
            __builtin_memcpy(to + offset(r, to_stride), from + offset(r, from_stride), bytes);
    }

    struct Turned {
        alignas(64) C tile[longest_short_row<C> * pitch];
        PanelScalars<C, V::lanes> rows;
        unsigned unusual; // a bit for each register's rows
        bool apart;       // they go one by one

        INLINE Side<C> side(int k) {
            return {tile + k, static_cast<std::ptrdiff_t>(pitch * sizeof(C))};
        }
    };
    // A panel's results are written after the next one is turned, which hides the latency of their
    // factors. `first`, `rows`: the batch's row that the first is, and how many of each panel count
    // where there is one result of each.
    __attribute__((noinline, THREADS_JUMPS)) void turn(const char *x, std::ptrdiff_t x_stride,
                                                       char *y, std::ptrdiff_t y_stride,
                                                       std::size_t count, std::size_t first,
                                                       int rows) const {
        Turned turned[2];
        const bool asks_results =
            rows_.distant_results && y_stride == static_cast<std::ptrdiff_t>(n_ * sizeof(C));
        const std::ptrdiff_t x_bytes = V::lanes * x_stride, y_bytes = V::lanes * y_stride;
        for (std::size_t i = 0;; ++i) {
            Turned &now = turned[i % 2];
            const auto place = [&](std::size_t k, const char *from) INLINE_LAMBDA {
                return Place<C>{
                    rows_,    first + k * V::lanes, rows, from, y, x_stride, y_stride, sizeof(C),
                    sizeof(C)};
            };
            if (i < count) {
                for (int k = 0; k < V::lanes; k += N::lanes) {
                    Extremes<Op::wanted, N> extremes;
                    take(reinterpret_cast<const C *>(x + k * x_stride), x_stride, now.side(k),
                         extremes);
                    note_range(extremes, now.rows, k);
                }
                Op::note(now.rows, place(i, x));
                for (int k = 0; k < V::lanes; k += N::lanes)
                    prepare<Argument::plain, C>(1, now.rows, k);
            }
            if (i > 0) {
                Turned &last = turned[(i + 1) % 2];
                const Place<C> at = place(i - 1, x - x_bytes);
                if (Op::writes_rows && last.apart) {
                    one_by_one(at);
                } else {
                    if (!Op::template has_results<C> || y)
                        write(y, y_stride, last);
                    Op::template complete<C>(last.rows, 0, at, last.unusual == 0);
                }
                if (y)
                    y += y_bytes;
            }
            if (i == count)
                return;
            x += x_bytes;
            using P = Panel<V, Whole>;
            const Side<C> side = now.side(0);
            const P panel{{side.data, side.stride_bytes}, side, n_, {}, scaling_};
            LaneSums<V> sums(n_, {side.data, side.stride_bytes});
            Ahead ahead{x + x_bytes, asks_results ? y : nullptr};
            const double size = settle_ranges<Op::wanted>(panel, now.rows);
            now.unusual = 0;
            if constexpr (!Op::writes_rows) {
                reduce<Op>(panel, now.rows, sums, ahead, size);
            } else {
                now.apart = size > exp_limit;
                if (now.apart)
                    continue;
                exponentials<Argument::plain, Op>(panel, now.rows, sums, ahead);
            }
            for (int k = 0; k < V::lanes; k += N::lanes)
                if (!Op::template finish<C>(sums, now.rows, k)) {
                    Op::template lift<C>(now.rows, k);
                    now.unusual |= 1u << (k / N::lanes);
                }
            if constexpr (Op::writes_rows)
                now.apart = now.unusual != 0 && Op::needs_whole_rows(rows_);
        }
    }
    INLINE void write(char *y, std::ptrdiff_t stride, Turned &turned) const {
        for (int k = 0; k < V::lanes; k += N::lanes) {
            C *to = reinterpret_cast<C *>(y + k * stride);
            if ((turned.unusual >> (k / N::lanes) & 1) == 0)
                put(to, stride, turned.side(k), Op::template usual_of<N>(turned.rows, k));
            else
                put_unusual(to, stride, turned.side(k), turned.rows, k);
        }
    }
    // A panel of an op that writes_rows, which is far from 0, or not usual and has options.
    __attribute__((noinline)) void one_by_one(const Place<C> &at) const {
        Rows rows = rows_from(rows_, at.first);
        rows.count = static_cast<std::size_t>(at.count);
        rows.x = at.x_data;
        rows.y = at.y_data;
        rows.x_row_stride_bytes = at.x_row_bytes;
        rows.y_row_stride_bytes = at.y_row_bytes;
        each_row<RowOp, C>(rows);
    }
    // Asks for the next panel's rows, and for the lines of this one's results if they come from
    // memory.
    struct Ahead {
        const char *at, *results; // or null
        INLINE void step() {
            for (std::size_t line = 0; line < sizeof(V); line += 64)
                __builtin_prefetch(at + line, 0, 3);
            at += sizeof(V);
            if (results) {
                for (std::size_t line = 0; line < sizeof(V); line += 64)
                    __builtin_prefetch(results + line, 1, 3);
                results += sizeof(V);
            }
        }
    };

    // A register's rows into the tile.
    INLINE void take(const C *x, std::ptrdiff_t stride, Side<C> tile,
                     Extremes<Op::wanted, N> &extremes) const {
        const auto keep = [&](auto &v, std::size_t at, int from, int count) INLINE_LAMBDA {
#pragma GCC unroll 4
            for (int c = 0; c < count; ++c)
                if (c >= from) {
                    store(tile.at(at + c), v[c]);
                    extremes.add(v[c], v[c]);
                }
        };
        if (n_ >= block) {
            N v[block];
            std::size_t i = 0;
            for (; i + block <= n_; i += block) {
                load_columns(x + i, stride, v);
                keep(v, i, 0, block);
            }
            if (i < n_) { // the last ones once more
                load_columns(x + n_ - block, stride, v);
                keep(v, n_ - block, static_cast<int>(i + block - n_), block);
            }
        } else if (n_ == 1) {
            N v[1];
            load_packed<1>(x, v);
            keep(v, 0, 0, 1);
        }
        if constexpr (block == 4) {
            if (n_ == 2) {
                N v[2];
                load_packed<2>(x, v);
                keep(v, 0, 0, 2);
            } else if (n_ == 3) {
                N v[3];
                load_packed<3>(x, v);
                keep(v, 0, 0, 3);
            }
        }
    }
    // The results, function of what the tile holds, into a register's rows.
    template <class Function>
    INLINE void put(C *y, std::ptrdiff_t stride, Side<C> tile, Function function) const {
        const auto fetch = [&](auto &v, std::size_t at, int count) INLINE_LAMBDA {
#pragma GCC unroll 4
            for (int c = 0; c < count; ++c)
                v[c] = function(load<N>(tile.at(at + c)));
        };
        if (n_ >= block) {
            N v[block];
            std::size_t i = 0;
            for (; i + block <= n_; i += block) {
                fetch(v, i, block);
                store_columns(y + i, stride, v);
            }
            if (i < n_) {
                fetch(v, n_ - block, block);
                store_columns(y + n_ - block, stride, v);
            }
        } else if (n_ == 1) {
            N v[1];
            fetch(v, 0, 1);
            store_packed<1>(y, v);
        }
        if constexpr (block == 4) {
            if (n_ == 2) {
                N v[2];
                fetch(v, 0, 2);
                store_packed<2>(y, v);
            } else if (n_ == 3) {
                N v[3];
                fetch(v, 0, 3);
                store_packed<3>(y, v);
            }
        }
    }
    template <class Scalars>
    __attribute__((noinline)) void put_unusual(C *y, std::ptrdiff_t stride, Side<C> tile,
                                               const Scalars &rows, int k) const {
        put(y, stride, tile, Op::template unusual_of<N>(rows, k));
    }

    const Rows &rows_;
    const char *x_;
    char *y_;
    std::ptrdiff_t x_stride_, y_stride_;
    std::size_t n_, count_;
    Scaling<C> scaling_;
};

// Rows that are longer than longest_grouped_row (floats; half as many doubles) take long beside
// their own scalars; groups do not write past the caches, which pays where rows are longer than
// longest_grouped_in_stream. Nor do they mask.
template <class PanelOp, class C> INLINE bool has_scalars_in_lanes(const Rows &rows) {
    const std::size_t as_floats = rows.length * sizeof(C) / sizeof(float);
    return as_floats <= PanelOp::longest_grouped_row &&
           (!rows.stream || as_floats <= PanelOp::longest_grouped_in_stream) &&
           rows.temperature_stride == 0 && !rows.where &&
           (rows.y || PanelOp::template has_results<C>) && PanelOp::template serves<C>(rows);
}
// In groups, as far as they serve.
template <class RowOp, class PanelOp, class C> void each_grouped_row(const Rows &rows) noexcept {
    using Groups = RowGroups<RowOp, PanelOp, C>;
    const bool serves = has_scalars_in_lanes<PanelOp, C>(rows);
    const std::size_t done = serves ? rows.count - rows.count % Groups::group : 0;
    if (done != 0)
        Groups(rows, done).run();
    if (done < rows.count)
        each_row<RowOp, C>(done ? rows_from(rows, done) : rows);
}

// One op over a batch of rows, by the way that is fastest for their length.
template <class RowOp, class PanelOp, class C> void any_rows(const Rows &rows) noexcept {
    if constexpr (PanelOp::template turns_short_rows<C>)
        if (is_short<C>(rows) && PanelOp::turns(rows)) {
            std::size_t done = 0;
            if (rows.count >= PanelOp::least_turned_rows &&
                has_scalars_in_lanes<PanelOp, C>(rows)) {
                const ShortRows<RowOp, PanelOp, C> turned(rows);
                if (turned.served())
                    done = turned.run();
            }
            if (done < rows.count)
                each_row<RowOp, C>(done ? rows_from(rows, done) : rows);
            return;
        }
    if constexpr (PanelOp::has_steady_rows)
        if (rows.length > longest_unsteady)
            return each_steady_row<Plainly<C>>(rows, each_grouped_row<RowOp, PanelOp, C>);
    each_grouped_row<RowOp, PanelOp, C>(rows);
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
