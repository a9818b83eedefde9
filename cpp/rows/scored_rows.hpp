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

// Scored, of float rows in lanes.
struct ScoredFloats {
    using N = Vec<float, native_lanes<float>>;
    using D = Doubles<N>;
    D weight = broadcast<D>(0.0), distance = weight;
    double largest = 0;

    INLINE ScoredFloats() {}
    // Of the `count` rows of a register from row `begin` on.
    __attribute__((noinline)) ScoredFloats(const Place<float> &at, int begin, int count,
                                           const float *row_max) {
        GroupSums<float> weights, distances;
        const Rows &batch = at.batch;
        Wide<float> size = broadcast<Wide<float>>(0.0);
        for (int r = 0; r < N::lanes; ++r) {
            ScoredLanes<float> lanes;
            if (r < count) {
                const auto row = facts_of<float>({row_max[r], 0, 0}, begin + r, at);
                lanes.add(row.x, ClassWeights<float>(row.other, *batch.loss, row.n), row.n,
                          row_max[r], 0);
                size = max(lanes.largest, size);
            }
            weights.store_sum(r, lanes.weight.high);
            distances.store_sum(r, lanes.distance.high);
        }
        weight = weights.total();
        distance = distances.total();
        largest = reduce_max(size);
    }
    // Those of Loss, where `label` has the weights of the labels alone, `near` how far they are
    // from the largest elements.
    INLINE D losses(D label, D near, D log) const {
        return add(add(mul(label, add(near, log)), distance), mul(weight, log));
    }
};

// The weight of a label alone, as Loss has it.
INLINE double label_weight(const LossOptions &options, std::int64_t label) {
    return (options.weight ? options.weight[label] : 1) * (1 - options.smoothing);
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
