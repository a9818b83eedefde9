// The operations over panels, and the walk over all rows that lie side by side: while one panel is
// reduced, the next one is brought into the cache and the one before is written.
#pragma once
#include "rows/panel.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// What an op does with a panel once the range of its rows is known: prepare() and finish() for the
// rows of a register at a time, from k on, and exponentials() in between, for all. finish() returns
// whether usual_of() makes the results of these rows from what is kept of them; otherwise, and of
// any rows after lift(), that is unusual_of().
struct SoftmaxPanel {
    static constexpr bool keeps = true;
    static constexpr int wanted = wants_min;

    template <class C, class Sums, class Scalars>
    static INLINE bool finish(const Sums &sums, Scalars &rows, int k) {
        return invert<C>(sums, rows, k) && rows.shallow;
    }
    template <class C, class Scalars> static INLINE void lift(Scalars &rows, int k) {
        SOFTLANE_ISA::lift<C>(rows, k);
    }
    // V -> V, the results from what is kept of the rows from k on, where all rows of the panel are
    // regular and shallow; and of any.
    template <class V, class Scalars> static INLINE auto usual_of(const Scalars &rows, int k) {
        return Usual<V>{load<V>(rows.hi + k), load<V>(rows.lo + k)};
    }
    template <class V, class Scalars> static INLINE auto unusual_of(const Scalars &rows, int k) {
        return Unusual<V>{usual_of<V>(rows, k), load<V>(rows.irregular + k)};
    }
    // The same of one row, in every lane.
    template <class V, class Scalars> static INLINE auto usual_row(const Scalars &rows, int k) {
        return Usual<V>{broadcast<V>(rows.hi[k]), broadcast<V>(rows.lo[k])};
    }
    template <class V, class Scalars> static INLINE auto unusual_row(const Scalars &rows, int k) {
        return Unusual<V>{usual_row<V>(rows, k), broadcast<V>(rows.irregular[k])};
    }

private:
    template <class V> struct Usual {
        V hi, lo;
        INLINE V operator()(V e) const { return scaled(e, hi, lo); }
    };
    template <class V> struct Unusual {
        Usual<V> product;
        V irregular;
        INLINE V operator()(V e) const {
            using C = typename V::Scalar;
            return choose(irregular, broadcast<V>(C(0)), lowered(product(e)),
                          broadcast<V>(not_a_number<C>));
        }
    };
};

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
    exponentials<Argument::far, Op::keeps>(panel, rows, sums, nobody);
}
// Of rows whose range is known and which are prepared for Argument::plain; size: the largest
// abs(top).
template <class Op, class P, class Others>
INLINE void reduce(const P &panel, ScalarsOf<P> &rows, LaneSums<typename P::V> &sums,
                   Others &company, double size) {
    if (panel.scaling.temperature == 1 && size <= exp_limit)
        return exponentials<Argument::plain, Op::keeps>(panel, rows, sums, company);
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
        : x_{static_cast<const C *>(rows.x), rows.x_stride_bytes},
          y_{static_cast<C *>(rows.y), rows.y_stride_bytes},
          scratch_(static_cast<C *>(rows.scratch)), n_(rows.length), count_(rows.count),
          scaling_(scaling_for(*rows.temperature, C())),
          streams_(rows.stream && (reinterpret_cast<std::uintptr_t>(rows.y) |
                                   static_cast<std::uintptr_t>(rows.y_stride_bytes)) %
                                          64 ==
                                      0) {}

    INLINE void run() const {
        std::size_t i = 0;
        if (scratch_ && count_ >= Wide::lanes) {
            pipelined(count_ / Wide::lanes);
            i = count_ - count_ % Wide::lanes;
        }
        for (; i < count_; i += Narrow::lanes)
            few(i, count_ - i < Narrow::lanes ? count_ - i : Narrow::lanes);
    }

private:
    // An element of the panel that is brought to its buffer, and before that, from there, one of the
    // panel that is written.
    struct Company {
        const PanelWalk &walk;
        Side<const C> next; // or null
        Side<C> apart;
        Side<C> result; // or null
        const Scalars<Wide> *of;
        std::size_t i = 0;

        INLINE void step() {
            if (result.data)
                walk.put(result.at(i), Op::template usual_of<Wide>(*of, 0)(load<Wide>(apart.at(i))));
            if (next.data) {
                const auto *later = reinterpret_cast<const char *>(next.at(i + ahead));
                for (std::size_t line = 0; line < sizeof(Wide); line += 64)
                    __builtin_prefetch(later + line, 0, 2);
                store(apart.at(i), load<Wide>(next.at(i)));
            }
            ++i;
        }
    };
    static constexpr std::size_t ahead = 8; // elements, which are as many pages

    INLINE void put(C *y, Wide v) const {
        if (streams_)
            stream(y, v);
        else
            store(y, v);
    }

    // Two buffers take turns.
    INLINE void pipelined(std::size_t panels) const {
        constexpr std::size_t pitch = (sizeof(Wide) + 64) / sizeof(C);
        constexpr auto bytes = static_cast<std::ptrdiff_t>(pitch * sizeof(C));
        const Side<C> buffer[2] = {{scratch_, bytes}, {scratch_ + n_ * pitch + 1344 / sizeof(C), bytes}};
        Scalars<Wide> scalars[2];
        Company first{*this, x_, buffer[0], {}, nullptr};
        for (std::size_t i = 0; i < n_; ++i)
            first.step();
        bool pending = false;
        for (std::size_t i = 0; i < panels; ++i) {
            const Side<C> here = buffer[i % 2], there = buffer[(i + 1) % 2];
            const auto column = static_cast<std::ptrdiff_t>(i * Wide::lanes);
            Company company{*this,
                            i + 1 < panels ? x_.right(column + Wide::lanes) : Side<const C>(),
                            there,
                            pending ? y_.right(column - Wide::lanes) : Side<C>(),
                            &scalars[(i + 1) % 2]};
            Scalars<Wide> &now = scalars[i % 2];
            using P = Panel<Wide, Whole>;
            const P panel{{here.data, here.stride_bytes}, here, n_, {}, scaling_};
            LaneSums<Wide> sums(n_);
            const double size = ranges<Op::wanted>(panel, now);
            for (int k = 0; k < Wide::lanes; k += native_lanes<C>)
                prepare<Argument::plain, C>(1, now, k);
            reduce<Op>(panel, now, sums, company, size);
            pending = finish<Op, P>(sums, now);
            if (!pending)
                write_unusual(here, y_.right(column), now, Whole{});
            else if (i + 1 == panels)
                write_usual(here, y_.right(column), now, Whole{});
        }
    }
    // Up to a Narrow of rows from `at` on, their exponentials kept where the result will be.
    __attribute__((noinline)) void few(std::size_t at, std::size_t count) const {
        using P = Panel<Narrow, Tail>;
        const auto column = static_cast<std::ptrdiff_t>(at);
        const Side<C> y = y_.right(column);
        const P panel{x_.right(column), y, n_, {count}, scaling_};
        Scalars<Narrow> rows;
        LaneSums<Narrow> sums(n_);
        ranges<Op::wanted>(panel, rows);
        reduce_far<Op>(panel, rows, sums);
        if (finish<Op, P>(sums, rows))
            write_usual(y, y, rows, panel.part);
        else
            write_unusual(y, y, rows, panel.part);
    }
    template <int lanes, class Part>
    INLINE void write_usual(Side<C> from, Side<C> to, const PanelScalars<C, lanes> &of,
                            Part part) const {
        using V = Vec<C, lanes>;
        const auto result = Op::template usual_of<V>(of, 0);
        for (std::size_t i = 0; i < n_; ++i)
            store(to.at(i), result(load<V>(from.at(i), part, C(0))), part);
    }
    template <int lanes, class Part>
    __attribute__((noinline)) void write_unusual(Side<C> from, Side<C> to,
                                                 const PanelScalars<C, lanes> &of,
                                                 Part part) const {
        using V = Vec<C, lanes>;
        const auto result = Op::template unusual_of<V>(of, 0);
        for (std::size_t i = 0; i < n_; ++i)
            store(to.at(i), result(load<V>(from.at(i), part, C(0))), part);
    }

    Side<const C> x_;
    Side<C> y_;
    C *scratch_; // of two panels, or null
    std::size_t n_, count_;
    Scaling<C> scaling_;
    bool streams_;
};

// One op over rows that lie side by side.
template <class Op, class C> bool each_panel(const Rows &rows) noexcept {
    if (!is_moderate<C>(*rows.temperature))
        return false;
    PanelWalk<Op, C>(rows).run();
    if (rows.stream)
        stream_fence();
    return true;
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
