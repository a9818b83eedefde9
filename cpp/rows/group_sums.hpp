// Sums of several rows, turned so that the rows are in lanes: folded as those of one are.
#pragma once
#include "rows/pairs.hpp"
#include "rows/sum.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// The sums of a group's rows, a register wide for each row, until they are turned.
template <class C> struct GroupSums {
    using N = Vec<C, native_lanes<C>>;
    using D = Vec<double, native_lanes<double>>;
    static constexpr int group = N::lanes; // rows
    alignas(64) double high[group][D::lanes], low[sizeof(C) == 4 ? 1 : group][D::lanes];

    template <class W> INLINE void store_sum(int r, W w) {
        if constexpr (W::lanes == D::lanes)
            store(high[r], w);
        else
            store_sum(r, add(w.low, w.high));
    }
    template <class W> INLINE void store_sum(int r, Pairs<W> w) {
        if constexpr (W::lanes == D::lanes) {
            store(high[r], w.high);
            store(low[r], w.low);
        } else {
            using Half = decltype(W::low);
            store_sum(
                r, added(Pairs<Half>{w.high.low, w.low.low}, Pairs<Half>{w.high.high, w.low.high}));
        }
    }
    INLINE void store_sum(int r, Sum<C> &sum) {
        if constexpr (sizeof(C) == 4) {
            sum.flush();
            store_sum(r, sum.flushed);
        } else {
            store_sum(r, two_sums(sub(sum.high, sum.start), sum.low));
        }
    }
    // Those of all rows, as LaneSums has it of a panel.
    INLINE Reals<N> total() const {
        if constexpr (sizeof(C) == 8)
            return totals<Reals<N>>(0);
        else
            return {totals<D>(0), totals<D>(D::lanes)};
    }

private:
    template <class R> INLINE R totals(int r) const {
        R column[D::lanes];
#pragma GCC unroll 4
        for (int c = 0; c < D::lanes; c += 2) {
            D h[2], l[2];
            load_columns(high[r] + c, sizeof high[0], h);
            if constexpr (sizeof(C) == 8)
                load_columns(low[r] + c, sizeof low[0], l);
#pragma GCC unroll 2
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

} // namespace
} // namespace softlane::SOFTLANE_ISA
