#include "core/row_data.hpp"

#include <cmath>

namespace softlane {

namespace {

// TwoSum (Knuth 1969), in lanes, so that no term waits for the one before.
template <std::size_t lanes, class Term> LongSum sum_in_lanes(std::size_t count, Term term) {
    double sum[lanes] = {}, rest[lanes] = {};
    const auto add = [&](std::size_t lane, double v) {
        const double before = sum[lane];
        sum[lane] = before + v;
        const double of_v = sum[lane] - before;
        rest[lane] += (before - (sum[lane] - of_v)) + (v - of_v);
    };
    const std::size_t whole = count - count % lanes;
    for (std::size_t i = 0; i < whole; i += lanes)
        for (std::size_t lane = 0; lane < lanes; ++lane)
            add(lane, term(i + lane));
    for (std::size_t i = whole; i < count; ++i)
        add(i - whole, term(i));
    for (std::size_t lane = 1; lane < lanes; ++lane) {
        add(0, sum[lane]);
        rest[0] += rest[lane];
    }
    const double value = sum[0] + rest[0];
    return std::isfinite(value) ? LongSum{value, (sum[0] - value) + rest[0]} : LongSum{sum[0], 0};
}
// One lane may leave the range where all terms, in their order, do not.
template <class Term> LongSum sum_of_each(std::size_t count, Term term) {
    const LongSum sum = sum_in_lanes<8>(count, term);
    return std::isfinite(sum.value) ? sum : sum_in_lanes<1>(count, term);
}

} // namespace

std::size_t first_outside(const std::uint64_t *labels, std::size_t count, std::uint64_t classes,
                          std::uint64_t ignored) noexcept {
    std::size_t i = 0;
    while (i < count && (labels[i] < classes || labels[i] == ignored))
        ++i;
    return i;
}

std::size_t mark_ignored(std::int64_t *labels, std::size_t count, std::int64_t ignored) noexcept {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const bool is_kept = labels[i] != ignored;
        kept += is_kept;
        labels[i] = is_kept ? labels[i] : -1;
    }
    return kept;
}

LongSum sum_of(const double *terms, std::size_t count) noexcept {
    return sum_of_each(count, [=](std::size_t i) { return terms[i]; });
}

LongSum sum_of_weights(const std::int64_t *labels, std::size_t count,
                       const double *weight) noexcept {
    return sum_of_each(count, [=](std::size_t i) { return labels[i] < 0 ? 0 : weight[labels[i]]; });
}

} // namespace softlane
