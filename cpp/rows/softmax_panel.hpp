// Softmax over rows whose scalars lie in lanes, and what all such ops have.
#pragma once
#include "rows/panel.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// What an op does with rows whose scalars lie in lanes, for the calls that it serves(): note() once
// their range is known; finish(), for a register's rows from k on, once their sums are; it returns
// whether usual_of() makes their results from what is kept of them: their exponentials, or the
// elements themselves. Otherwise, and of any rows after lift(), that is unusual_of(); but groups of
// rows (rows/row_groups.hpp) that go by_rows() are then left to the op of single rows, and those
// far from 0 are unless it has any_temperature. At last complete() does what is not the same of all
// elements. An op that `has_results` may be without a y; results of one that `streams` may go past
// the caches. turns_short_rows, of the calls that it turns(): rows/short_rows.hpp;
// has_steady_rows: rows/steady_rows.hpp.
//
// A call that needs_whole_rows() is served only where a row's elements follow each other. Where an
// op writes_rows, a group of such a call that is not usual is written by its write_rows(), a panel
// of short rows, or any that is far from 0, by the op of single rows.
struct SoftmaxPanel {
    static constexpr bool keeps = true, capped = false, in_parts = true, streams = true;
    static constexpr int wanted = wants_min;
    template <class C> static constexpr bool has_results = false;
    template <class C> static constexpr bool turns_short_rows = true;
    template <class C> static constexpr bool by_rows = false;
    static constexpr bool writes_rows = false;
    static INLINE bool turns(const Rows &) { return true; }
    static constexpr bool any_temperature = true, has_steady_rows = true;
    static constexpr std::size_t least_turned_rows = 8; // fewer are faster one by one
    static constexpr std::size_t longest_grouped_row = longest_softmax_in_group;
    static constexpr std::size_t longest_grouped_in_stream = 200;

    template <class C> static INLINE bool serves(const Rows &rows) {
        return is_moderate<C>(*rows.temperature);
    }
    static INLINE bool needs_whole_rows(const Rows &) { return false; }
    template <class C, class Scalars> static INLINE void note(Scalars &, const Place<C> &) {}
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
    template <class C, class Scalars>
    static INLINE void complete(const Scalars &, int, const Place<C> &, bool) {}

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

} // namespace
} // namespace softlane::SOFTLANE_ISA
