// A group of rows whose scalars are computed together (rows/row_groups.hpp): their extremes and
// sums, a register wide for each row, until they are turned so that the rows are in lanes.
#pragma once
#include "rows/group_sums.hpp"
#include "rows/panel_ops.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// From one row's exponentials to the next one's, in elements.
template <class C> constexpr std::size_t kept_pitch(std::size_t length) {
    constexpr std::size_t lanes = sum_lanes<C>;
    return (length + lanes - 1) / lanes * lanes + lanes;
}

template <class C> constexpr std::ptrdiff_t kept_stride(std::size_t length) { // in bytes
    return static_cast<std::ptrdiff_t>(kept_pitch<C>(length) * sizeof(C));
}

template <class Op, class C> struct RowGroup {
    using N = Vec<C, native_lanes<C>>;
    static constexpr int group = GroupSums<C>::group; // rows
    static constexpr bool wants(int what) { return (Op::wanted & what) != 0; }
    static constexpr int least = wants(wants_second) ? 2 : 1;
    static constexpr int block = 16 / sizeof(C); // columns that are turned at a time

    PanelScalars<C, group> rows;
    std::size_t n;
    bool usual;
    // max, second, min, as far as they are wanted, of each row, still a register wide
    alignas(64) C extreme[wants(wants_min) ? least + 1 : 2][group][N::lanes];
    GroupSums<C> sums;
    C *exponentials; // of the rows, one after the other

    INLINE C *kept(int r) const {
        return exponentials + static_cast<std::size_t>(r) * kept_pitch<C>(n);
    }
    INLINE C exponential(int r, std::int64_t i) const { return kept(r)[i]; }

    INLINE Reals<N> total(int) const { return sums.total(); }

    // Lanes i and i + half joined, down to a register.
    template <class W> INLINE void store_folded(int r, const W &extremes) {
        if constexpr (decltype(extremes.max)::lanes == N::lanes) {
            store(extreme[0][r], extremes.max);
            if constexpr (wants(wants_second))
                store(extreme[1][r], extremes.second);
            if constexpr (wants(wants_min))
                store(extreme[least][r], extremes.min);
        } else {
            store_folded(r, folded(extremes));
        }
    }
    // All lanes of each row joined, rows in lanes.
    INLINE Extremes<Op::wanted, N> across() const {
        Extremes<Op::wanted, N> all;
#pragma GCC unroll 4
        for (int c = 0; c < N::lanes; c += block) {
            N first[block], second[block], min[block];
            load_columns(extreme[0][0] + c, sizeof extreme[0][0], first);
            if constexpr (wants(wants_second))
                load_columns(extreme[1][0] + c, sizeof extreme[0][0], second);
            if constexpr (wants(wants_min))
                load_columns(extreme[least][0] + c, sizeof extreme[0][0], min);
#pragma GCC unroll 4
            for (int i = 0; i < block; ++i) {
                if constexpr (wants(wants_second))
                    all.second = max(second[i], all.second);
                all.add(first[i], wants(wants_min) ? min[i] : first[i]);
            }
        }
        return all;
    }
};

} // namespace
} // namespace softlane::SOFTLANE_ISA
