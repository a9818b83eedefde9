// The walk over all rows that lie side by side: while one panel is reduced, the next one is brought
// into the cache and the one before is written. What an op makes of a panel:
// rows/softmax_panel.hpp.
#pragma once
#include "rows/log_panel.hpp"
#include "rows/softmax_panel.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// Nothing goes along with the exponentials.
struct Nobody {
    INLINE void step() {}
};

template <class Op, class P>
__attribute__((noinline)) void reduce_far(const P &panel, ScalarsOf<P> &rows,
                                          LaneSums<typename P::V> &sums) {
    using C = typename P::C;
    for (int k = 0; k < P::V::lanes; k += native_lanes<C>)
        prepare<Argument::far, C>(panel.scaling.temperature, rows, k);
    Nobody nobody;
    exponentials<Argument::far, Op>(panel, rows, sums, nobody);
}
// Of rows whose range is known and which are prepared for Argument::plain; size: the largest
// abs(top).
template <class Op, class P, class Others>
INLINE void reduce(const P &panel, ScalarsOf<P> &rows, LaneSums<typename P::V> &sums,
                   Others &company, double size) {
    if (panel.scaling.temperature == 1 && size <= exp_limit)
        return exponentials<Argument::plain, Op>(panel, rows, sums, company);
    for (std::size_t i = 0; i < panel.n; ++i)
        company.step();
    reduce_far<Op>(panel, rows, sums);
}
// Whether the results are the usual ones, of all rows.
template <class Op, class P>
INLINE bool finish(const LaneSums<typename P::V> &sums, ScalarsOf<P> &rows) {
    using C = typename P::C;
    bool usual = true;
    for (int k = 0; k < P::V::lanes; k += native_lanes<C>)
        usual &= Op::template finish<C>(sums, rows, k);
    if (!usual)
        for (int k = 0; k < P::V::lanes; k += native_lanes<C>)
            Op::template lift<C>(rows, k);
    return usual;
}

template <class Op, class C> class PanelWalk {
    using Wide = Vec<C, panel_lanes<C>>;
    using Narrow = Vec<C, sum_lanes<C>>;
    template <class V> using Scalars = PanelScalars<C, V::lanes>;

public:
    INLINE PanelWalk(const Rows &rows)
        : rows_(rows), x_{static_cast<const C *>(rows.x), rows.x_stride_bytes},
          y_{static_cast<C *>(rows.y), rows.y_stride_bytes},
          scratch_(static_cast<C *>(rows.scratch)), parts_(static_cast<Part *>(rows.scratch)),
          n_(rows.length), count_(rows.count), scaling_(scaling_for(*rows.temperature, C())),
          head_(0), ahead_(n_, rows.x_stride_bytes), streams_(false), asks_(rows.distant),
          asks_results_(rows.distant_results && rows.y_stride_bytes == rows.x_stride_bytes) {
        // Panels begin where cache lines of the result do, if those of all elements do there, and
        // there is one.
        const std::size_t misaligned = reinterpret_cast<std::uintptr_t>(rows.y) % 64;
        const std::size_t head = misaligned ? (64 - misaligned) / sizeof(C) : 0;
        if (rows.y_stride_bytes % 64 == 0 && misaligned % sizeof(C) == 0 &&
            count_ >= head + Wide::lanes) {
            head_ = head;
            streams_ = rows.stream && Op::streams;
            asks_results_ = asks_results_ && !streams_;
        }
    }

    INLINE void run() const {
        if constexpr (Op::in_parts)
            if (n_ > longest_at_once) {
                for (std::size_t i = 0; i < count_; i += Narrow::lanes)
                    few_in_parts(i, count_ - i < Narrow::lanes ? count_ - i : Narrow::lanes);
                return;
            }
        std::size_t i = 0;
        if (scratch_ && count_ >= head_ + Wide::lanes) {
            const std::size_t panels = (count_ - head_) / Wide::lanes;
            if (head_)
                few(0, head_);
            pipelined(head_, panels);
            i = head_ + panels * Wide::lanes;
        }
        for (; i < count_; i += Narrow::lanes)
            few(i, count_ - i < Narrow::lanes ? count_ - i : Narrow::lanes);
    }

private:
    // An element of the panel that is brought to its buffer, and before that, from there, one of
    // the panel that is written.
    struct Company {
        const PanelWalk &walk;
        Side<const C> next; // or null
        Side<C> apart;
        Side<C> result; // or null
        const Scalars<Wide> *of;
        std::size_t i = 0;

        INLINE void step() {
            if (result.data) {
                if (walk.asks_results_)
                    walk.ahead_.template ask<true>(result, i);
                walk.put(result.at(i),
                         Op::template usual_of<Wide>(*of, 0)(load<Wide>(apart.at(i))));
            }
            if (next.data) {
                if (walk.asks_)
                    walk.ahead_.template ask<false>(next, i);
                store(apart.at(i), load<Wide>(next.at(i)));
            }
            ++i;
        }
    };

    INLINE void put(C *y, Wide v) const {
        if (streams_)
            stream(y, v);
        else
            store(y, v);
    }

    // Two buffers take turns.
    INLINE void pipelined(std::size_t begin, std::size_t panels) const {
        constexpr std::size_t pitch = (sizeof(Wide) + 64) / sizeof(C);
        constexpr auto bytes = static_cast<std::ptrdiff_t>(pitch * sizeof(C));
        const Side<C> buffer[2] = {{scratch_, bytes},
                                   {scratch_ + n_ * pitch + 1344 / sizeof(C), bytes}};
        Scalars<Wide> scalars[2];
        Company first{*this, x_.right(static_cast<std::ptrdiff_t>(begin)), buffer[0], {}, nullptr};
        for (std::size_t i = 0; i < n_; ++i)
            first.step();
        bool pending = false;
        for (std::size_t i = 0; i < panels; ++i) {
            const Side<C> here = buffer[i % 2], there = buffer[(i + 1) % 2];
            const auto column = static_cast<std::ptrdiff_t>(begin + i * Wide::lanes);
            Company company{
                *this, i + 1 < panels ? x_.right(column + Wide::lanes) : Side<const C>(), there,
                pending ? y_.right(column - Wide::lanes) : Side<C>(), &scalars[(i + 1) % 2]};
            Scalars<Wide> &now = scalars[i % 2];
            using P = Panel<Wide, Whole>;
            const P panel{{here.data, here.stride_bytes}, here, n_, {}, scaling_};
            LaneSums<Wide> sums(n_, panel.x);
            const double size = ranges<Op::wanted>(panel, now);
            Op::note(now, place(panel.x, column, Wide::lanes));
            for (int k = 0; k < Wide::lanes; k += native_lanes<C>)
                prepare<Argument::plain, C>(1, now, k);
            reduce<Op>(panel, now, sums, company, size);
            if (pending)
                complete(scalars[(i + 1) % 2], column - Wide::lanes, Wide::lanes, true);
            pending = finish<Op, P>(sums, now);
            if (Op::template has_results<C> && !y_.data) {
                complete(now, column, Wide::lanes, pending);
                pending = false;
            } else if (!pending)
                write_unusual(panel.x, y_.right(column), now, column, Wide::lanes, Whole{});
            else if (i + 1 == panels) {
                write_usual(panel.x, y_.right(column), now, Whole{});
                complete(now, column, Wide::lanes, true);
            }
        }
    }
    // Up to a Narrow of rows from `at` on, their exponentials kept where the result will be.
    __attribute__((noinline)) void few(std::size_t at, std::size_t count) const {
        using P = Panel<Narrow, Tail>;
        const auto column = static_cast<std::ptrdiff_t>(at);
        const Side<C> y = y_.right(column);
        const P panel{x_.right(column), y, n_, {count}, scaling_};
        Scalars<Narrow> rows;
        LaneSums<Narrow> sums(n_, {y.data, y.stride_bytes});
        ranges<Op::wanted>(panel, rows);
        Op::note(rows, place(panel.x, column, static_cast<int>(count)));
        reduce_far<Op>(panel, rows, sums);
        const Side<const C> from = Op::keeps ? Side<const C>{y.data, y.stride_bytes} : panel.x;
        const bool usual = finish<Op, P>(sums, rows);
        const int rows_left = static_cast<int>(count);
        if (Op::template has_results<C> && !y.data)
            complete(rows, column, rows_left, usual);
        else if (usual) {
            write_usual(from, y, rows, panel.part);
            complete(rows, column, rows_left, true);
        } else
            write_unusual(from, y, rows, column, rows_left, panel.part);
    }
    // The same of long rows, as rows/parts.hpp has one.
    __attribute__((noinline)) void few_in_parts(std::size_t at, std::size_t count) const {
        using P = Panel<Narrow, Tail>;
        constexpr int lanes = Narrow::lanes;
        const auto column = static_cast<std::ptrdiff_t>(at);
        const std::size_t most = part_length(n_), parts = part_count(n_);
        const auto panel = [&](std::size_t k) {
            const std::size_t first = k * most, n = n_ - first < most ? n_ - first : most;
            return P{
                x_.right(column).down(first), y_.right(column).down(first), n, {count}, scaling_};
        };
        Scalars<Narrow> rows;
        for (std::size_t k = 0; k < parts; ++k) {
            const P now = panel(k);
            LaneSums<Narrow> sums(now.n);
            ranges<0>(now, rows);
            Part *part = parts_ + k * lanes;
            for (int r = 0; r < lanes; ++r) {
                part[r].max = static_cast<double>(rows.max[r]);
                if (rows.max[r] == -infinity<C>)
                    rows.max[r] = rows.top[r] = 0;
            }
            reduce_far<Op>(now, rows, sums);
            for (int i = 0; i < lanes; i += native_lanes<C>)
                store_sums(sums.total(i), rows, i);
            for (int r = 0; r < lanes; ++r) {
                part[r].lift = 0;
                part[r].sum = rows.sum_high[r];
                part[r].sum_low = sizeof(C) == 4 ? 0 : rows.sum_low[r];
                part[r].shift = static_cast<double>(rows.shift[r]);
                part[r].origin = static_cast<double>(rows.origin[r]);
                part[r].holds = held<C>(part[r].max, part[r].sum, now.n);
            }
        }
        for (int r = 0; r < lanes; ++r)
            join<C>(*rows_.temperature, parts_ + r, parts, lanes);
        for (std::size_t k = 0; k < parts; ++k) {
            for (int r = 0; r < lanes; ++r) {
                const Part &part = parts_[k * lanes + static_cast<std::size_t>(r)];
                const Factor<C, Products::lowered> factor(sum_of<C>(part), part.lift);
                rows.hi[r] = factor.hi;
                rows.lo[r] = factor.lo;
                rows.irregular[r] = part.holds == Part::Holds::irregular ? C(1) : C(0);
            }
            const P now = panel(k);
            const auto result = Op::template unusual_of<Narrow>(rows, 0);
            for (std::size_t i = 0; i < now.n; ++i)
                store(now.kept.at(i), result(load<Narrow>(now.kept.at(i), now.part, C(0))),
                      now.part);
        }
    }
    // `count` rows, whose elements are at x, from column `first` on.
    INLINE Place<C> place(Side<const C> x, std::ptrdiff_t first, int count) const {
        return {rows_,
                static_cast<std::size_t>(first),
                count,
                reinterpret_cast<const char *>(x.data),
                reinterpret_cast<char *>(y_.right(first).data),
                sizeof(C),
                sizeof(C),
                x.stride_bytes,
                y_.stride_bytes};
    }
    template <class Of>
    INLINE void complete(const Of &of, std::ptrdiff_t first, int count, bool usual) const {
        Op::template complete<C>(of, 0, place(x_.right(first), first, count), usual);
    }
    template <int lanes, class Part>
    INLINE void write_usual(Side<const C> from, Side<C> to, const PanelScalars<C, lanes> &of,
                            Part part) const {
        using V = Vec<C, lanes>;
        const auto result = Op::template usual_of<V>(of, 0);
        for (std::size_t i = 0; i < n_; ++i)
            store(to.at(i), result(load<V>(from.at(i), part, C(0))), part);
    }
    template <int lanes, class Part>
    __attribute__((noinline)) void write_unusual(Side<const C> from, Side<C> to,
                                                 const PanelScalars<C, lanes> &of,
                                                 std::ptrdiff_t first, int count, Part part) const {
        using V = Vec<C, lanes>;
        const auto result = Op::template unusual_of<V>(of, 0);
        for (std::size_t i = 0; i < n_; ++i)
            store(to.at(i), result(load<V>(from.at(i), part, C(0))), part);
        complete(of, first, count, false);
    }

    const Rows &rows_;
    Side<const C> x_;
    Side<C> y_;
    C *scratch_;  // of two panels, or null; or
    Part *parts_; // of a panel of long rows
    std::size_t n_, count_;
    Scaling<C> scaling_;
    std::size_t head_; // rows before the first whole panel
    AskingAhead<sizeof(Wide)> ahead_;
    bool streams_;
    bool asks_, asks_results_;
};

// One op over rows that lie side by side.
template <class Op, class C> bool each_panel(const Rows &rows) noexcept {
    if (!Op::template serves<C>(rows) || Op::needs_whole_rows(rows))
        return false;
    PanelWalk<Op, C>(rows).run();
    if (rows.stream)
        stream_fence();
    return true;
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
