// One op over a batch of rows, by the engine.
#pragma once
#include "rows/engine.hpp"
#include "rows/mask.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// The last `count` of a sequence of plain values. They are not constructed, which a call on a short
// row would notice: each is assigned before it is read.
template <class T, std::size_t count> class Ring {
public:
    INLINE T &operator[](std::size_t i) { return reinterpret_cast<T *>(memory_)[i % count]; }

private:
    alignas(T) unsigned char memory_[count * sizeof(T)];
};

// One op over a batch of rows. While a row is reduced, the one two further on is looked at, the one
// before is settled and the one two before is written. If seven such rows do not fit the
// first-level cache, the next one is looked at and the last one written; long rows are worked on
// one at a time, but for those whose exponentials the second level keeps.
constexpr std::size_t kept_gap = 1344; // a load near a store that is 4096 bytes off waits for it
// Of the rows that are one apart. On avx2 it brings nothing.
constexpr std::size_t least_near_bytes = 4800, longest_near_bytes = 12800;

template <class RowOp, class Lies>
__attribute__((THREADS_JUMPS)) void each_row_at_once(const Rows &rows) noexcept {
    using C = typename Lies::C;
    using R = Row<RowOp, Lies>;
    constexpr std::size_t slots = 4; // for the rows from i - 2 to i, and masked ones to i + 2
    alignas(64)
        C kept[RowOp::keeps ? slots : 1][RowOp::keeps ? (kept_bytes + kept_gap) / sizeof(C) : 1];
    constexpr bool masks = RowOp::masks && !Lies::converts;
    const std::size_t n = rows.length;
    const bool keeps_apart = n <= kept_bytes / sizeof(C) && !rows.parts;
    // The results go past the caches, and the second level has room for exponentials.
    const bool keeps_for_stream = exp_unroll > 1 && RowOp::keeps && !Lies::converts &&
                                  !keeps_apart && rows.stream && rows.scratch && !rows.where &&
                                  !rows.parts;
    const bool is_near = row_pipeline && n >= least_near_bytes / sizeof(C) &&
                         n <= longest_near_bytes / sizeof(C) &&
                         !(masks && rows.where); // these are looked at by a loop of their own
    const bool in_company =
        exp_unroll > 1 && rows.count > 1 && (n <= longest_in_company || keeps_for_stream);
    const std::size_t distance = !in_company ? 0 : is_near || keeps_for_stream ? 1 : 2;
    const std::size_t ahead = distance ? distance : 1;
    const bool keeps_in_results = RowOp::keeps && !keeps_apart && !keeps_for_stream &&
                                  !Lies::converts && !(RowOp::recomputes && rows.stream);
    const Asked asked = !rows.distant                              ? Asked::nothing
                        : keeps_in_results && rows.distant_results ? Asked::kept
                        : distance == 0 || !rows.y                 ? Asked::far
                        : !rows.distant_results                    ? Asked::next
                                                                   : Asked::written;
    const double *t = rows.temperature;
    auto scaling = [](double temperature) {
        return scaling_for(is_moderate<C>(temperature) ? temperature : 1, C());
    };
    Scaling<C> current = scaling(*t);
    current.temperature = *t;
    double span = shallow_span<C>(*t, n);
    const auto x = [&](std::size_t i) {
        const auto at = static_cast<std::ptrdiff_t>(i) * rows.x_row_stride_bytes;
        return Lies::in(static_cast<const char *>(rows.x) + at, rows);
    };
    Ring<R, slots> row;
    Ring<Range<C>, slots> range;
    Ring<typename RowOp::template Stats<C>, slots> stats;
    // Where its exponentials will be; or its results, if one row comes after the other; or scratch.
    const auto masked = [&](std::size_t i) -> C * {
        if (RowOp::keeps && keeps_apart)
            return kept[RowOp::keeps ? i % slots : 0];
        if (distance || !rows.y || rows.stream)
            return static_cast<C *>(rows.scratch) + (distance ? i % slots : 0) * scratch_pitch(n);
        const auto at = static_cast<std::ptrdiff_t>(i) * rows.y_row_stride_bytes;
        return reinterpret_cast<C *>(static_cast<char *>(rows.y) + at);
    };
    const auto look = [&](std::size_t i) {
        if constexpr (masks)
            if (rows.where)
                return masked_range<RowOp::wanted>(rows, i, masked(i));
        return row_range<RowOp::wanted, C>(x(i), n);
    };
    for (std::size_t i = 0; i < ahead && i < rows.count; ++i)
        range[i] = look(i);
    const char *other = static_cast<const char *>(rows.other);
    char *y = static_cast<char *>(rows.y);
    const bool has_seams = exp_unroll > 1 && distance && has_shared_lines<C>(rows);
    Seam<C> seam;
    // Masked rows are read by a loop of their own.
    std::size_t lag = 0;
    if constexpr (R::lags)
        if (distance && rows.stream && !rows.where &&
            rows.x_row_stride_bytes == rows.y_row_stride_bytes)
            lag = stream_lag<C>(rows.x, rows.y, rows.x_row_stride_bytes, distance, n);
    for (std::size_t i = 0; i < rows.count + distance; ++i) {
        const std::size_t done = i - distance; // of the row that is written; may not be one yet
        const bool has_done = rows.y && done < rows.count;
        Beside<typename R::Function, Lies> beside;
        beside.asked = asked;
        if (i < rows.count) {
            if (*t != current.temperature) {
                current = scaling(*t);
                current.temperature = *t;
                span = shallow_span<C>(*t, n);
            }
            if (i + ahead < rows.count) {
                if (!(masks && rows.where)) // which is looked at after this one
                    beside.range = &range[i + ahead];
                if (beside.range || rows.distant)
                    beside.next = x(i + ahead);
            } else if (exp_unroll > 1 && n > longest_cached) {
                beside.next = x(i); // for what is read to be asked for
                beside.asked = Asked::far;
            }
            if (distance && has_done)
                RowOp::plan(row[done], stats[done], beside);
            const typename Lies::Out result = Lies::out(y, rows);
            C *exponentials = kept[RowOp::keeps ? i % slots : 0];
            if constexpr (Lies::converts) {
                if (!keeps_apart)
                    exponentials =
                        static_cast<C *>(rows.scratch) + (rows.parts ? i * n
                                                          : distance ? i % slots * scratch_pitch(n)
                                                                     : 0);
            } else {
                if (keeps_for_stream)
                    exponentials = static_cast<C *>(rows.scratch) + i % 2 * streamed_pitch<C>(n);
                else if (!keeps_apart)
                    exponentials = result;
                beside.stream = rows.stream && beside.from != beside.to;
            }
            R &now = row[i];
            now.x = x(i);
            if constexpr (masks)
                if (rows.where)
                    now.x = masked(i);
            now.other = reinterpret_cast<const C *>(other);
            now.y = result;
            now.kept = exponentials;
            now.n = n;
            now.scaling = current;
            now.shallow_span = span;
            now.range = range[i];
            now.beside = beside;
            now.seam = has_seams ? &seam : nullptr;
            now.lag = lag;
            now.rows = &rows;
            now.index = static_cast<std::ptrdiff_t>(i);
            RowOp::reduction(now, stats[i]);
            other += rows.other_row_stride_bytes;
            y += rows.y_row_stride_bytes;
            t += rows.temperature_stride;
        }
        if (const std::size_t passed = distance == 2 ? i - 1 : i; passed < rows.count)
            RowOp::settle(row[passed], stats[passed]);
        if (has_done) {
            const bool written = i < rows.count && row[i].beside.to;
            RowOp::write(row[done], stats[done], written);
            if constexpr (masks)
                if (rows.where && !stats[done].regular)
                    mask_result<C>(rows, done, row[done].y);
        }
        if (masks && rows.where && i + ahead < rows.count)
            range[i + ahead] = look(i + ahead);
    }
    if (has_seams)
        seam.release();
    if (rows.stream)
        stream_fence();
}

// Long rows of ops that have them in parts: rows/parts.hpp.
template <class RowOp, class Lies> void each_long_row(const Rows &rows) noexcept;

template <class RowOp, class Lies> void each_row_that(const Rows &rows) noexcept {
    if constexpr (RowOp::in_parts)
        if (rows.length > longest_at_once)
            return each_long_row<RowOp, Lies>(rows);
    each_row_at_once<RowOp, Lies>(rows);
}
template <class RowOp, class C> void each_row(const Rows &rows) noexcept {
    each_row_that<RowOp, Plainly<C>>(rows);
}

// The rows of a batch from one on, of one temperature, without a mask.
inline __attribute__((noinline)) Rows rows_from(const Rows &rows, std::size_t first) {
    const auto i = static_cast<std::ptrdiff_t>(first), place = i * rows.row_stride;
    Rows rest = rows;
    rest.count -= first;
    rest.x = static_cast<const char *>(rows.x) + i * rows.x_row_stride_bytes;
    if (rows.other)
        rest.other = static_cast<const char *>(rows.other) + i * rows.other_row_stride_bytes;
    if (rows.y)
        rest.y = static_cast<char *>(rows.y) + i * rows.y_row_stride_bytes;
    rest.labels = rows.labels ? rows.labels + place : nullptr;
    rest.results = rows.results ? rows.results + place : nullptr;
    rest.extra = rows.extra ? rows.extra + place : nullptr;
    return rest;
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
