#include "core/row_data.hpp"

#include <algorithm>
#include <cmath>

namespace softlane {

namespace {

inline void add_to(double &sum, double &rest, double v) {
    const double before = sum;
    sum = before + v;
    const double of_v = sum - before;
    rest += (before - (sum - of_v)) + (v - of_v);
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

template <class Term> void LongSum::add_each(std::size_t count, Term term) noexcept {
    const std::size_t whole = count - count % lanes;
    double sum[lanes], rest[lanes]; // which no term is part of
    std::copy_n(sum_, lanes, sum);
    std::copy_n(rest_, lanes, rest);
    for (std::size_t i = 0; i < whole; i += lanes)
        for (std::size_t lane = 0; lane < lanes; ++lane)
            add_to(sum[lane], rest[lane], term(i + lane));
    for (std::size_t i = whole; i < count; ++i)
        add_to(sum[i - whole], rest[i - whole], term(i));
    std::copy_n(sum, lanes, sum_);
    std::copy_n(rest, lanes, rest_);
}

void LongSum::add(const double *terms, std::size_t count) noexcept {
    add_each(count, [=](std::size_t i) { return terms[i]; });
}

void LongSum::add_weights(const std::int64_t *labels, std::size_t count,
                          const double *weight) noexcept {
    add_each(count, [=](std::size_t i) { return labels[i] < 0 ? 0 : weight[labels[i]]; });
}

std::pair<double, double> LongSum::total() const noexcept {
    double sum = 0, rest = 0;
    for (std::size_t lane = 0; lane < lanes; ++lane) {
        add_to(sum, rest, sum_[lane]);
        rest += rest_[lane];
    }
    return {sum, rest};
}

double LongSum::value() const noexcept {
    const auto [sum, rest] = total();
    return std::isfinite(sum + rest) ? sum + rest : sum;
}

double LongSum::rest() const noexcept {
    const auto [sum, rest] = total();
    return std::isfinite(sum + rest) ? (sum - (sum + rest)) + rest : 0;
}

} // namespace softlane
