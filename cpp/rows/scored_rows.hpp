// Losses over all classes (rows/losses.hpp) of several rows at a time, at a temperature of 1.
#pragma once
#include "rows/group_sums.hpp"
#include "rows/losses.hpp"
#include "rows/panel.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// A row as the row engine knows it.
template <class C>
INLINE RowFacts<const C *, C> facts_of(const Range<C> &range, int r, const Place<C> &at) {
    const std::size_t i = at.first + static_cast<std::size_t>(r);
    const auto *other = static_cast<const char *>(at.batch.other);
    const auto offset = static_cast<std::ptrdiff_t>(i) * at.batch.other_row_stride_bytes;
    return {at.x(r, 0),
            reinterpret_cast<const C *>(other ? other + offset : nullptr),
            at.batch.length,
            scaling_for(1, C()),
            range,
            &at.batch,
            static_cast<std::ptrdiff_t>(i)};
}

// Whether a label's weight is one that lanes serve: no product with it leaves the range in which
// those of pairs have the bits of DoubleDouble, or that of floats.
INLINE bool serves_in_lanes(double weight) {
    const double size = magnitude(weight);
    return bits_of(weight) == 0 || (size >= 0x1p-60 && size <= 0x1p60);
}

// Scored, of rows in lanes.
template <class C> struct ScoredRows {
    using N = Vec<C, native_lanes<C>>;
    using R = Reals<N>;
    R weight, distance;
    double largest;

    INLINE ScoredRows() {}
    // Of the `count` rows of a register from row `begin` on.
    __attribute__((noinline)) ScoredRows(const Place<C> &at, int begin, int count,
                                         const C *row_max) {
        GroupSums<C> weights, distances;
        Wide<C> size = broadcast<Wide<C>>(0.0);
        for (int r = 0; r < N::lanes; ++r) {
            ScoredLanes<C> lanes;
            if (r < count) {
                const auto row = facts_of<C>({row_max[r], 0, 0}, begin + r, at);
                lanes.add(row.x, ClassWeights<C>(row.other, *at.batch.loss, row.n), row.n,
                          row_max[r], 0);
                size = max(lanes.largest, size);
            }
            store_sum(weights, r, lanes.weight);
            store_sum(distances, r, lanes.distance);
        }
        weight = weights.total();
        distance = distances.total();
        largest = reduce_max(size);
    }
    // Those of Loss, where `label` has the weights of the labels alone, `near` how far they are
    // from the largest elements.
    INLINE R losses(R label, R near, R log) const {
        return added(added(products(label, added(near, log)), renormed(distance)),
                     products(weight, log));
    }
    // Whether these are finite and have Loss's bits: of double rows it may divide by a power of 2,
    // and it leaves out the second limb of quotients and products that are far from 1.
    INLINE bool serves(Doubles<N> max) const {
        using D = Doubles<N>;
        const D zero = broadcast<D>(0.0), one = broadcast<D>(1.0);
        // 1 where a number is neither 0 nor of such a size.
        const auto outside = [=](D v, double least, double most) INLINE_LAMBDA {
            const D size = SOFTLANE_ISA::max(v, sub(zero, v));
            const D small = choose(broadcast<D>(least), size, zero, one);
            return choose(size, broadcast<D>(most), choose(size, zero, zero, small), one);
        };
        const D sums = SOFTLANE_ISA::max(outside(highs(weight), 0x1p-200, 0x1p200),
                                         outside(highs(distance), 0x1p-899, 0x1p899));
        return largest <= 0x1p100 &&
               reduce_max(SOFTLANE_ISA::max(sums, outside(max, 0, 0x1p899))) == 0;
    }

private:
    static INLINE void store_sum(GroupSums<C> &sums, int r, const WideSum<C> &sum) {
        if constexpr (sizeof(C) == 4)
            sums.store_sum(r, sum.high);
        else
            sums.store_sum(r, two_sums(sum.high, sum.low));
    }
};

} // namespace
} // namespace softlane::SOFTLANE_ISA
