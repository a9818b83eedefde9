// Loops over what a loss has one of for each row: its label, and the loss itself.
#pragma once
#include <cstddef>
#include <cstdint>

namespace softlane {

// Where the first label is that is neither below `classes` nor `ignored`; `count` if there is none.
std::size_t first_outside(const std::uint64_t *labels, std::size_t count, std::uint64_t classes,
                          std::uint64_t ignored) noexcept;

// Makes labels that are ignored -1. Returns how many others there are.
std::size_t mark_ignored(std::int64_t *labels, std::size_t count, std::int64_t ignored) noexcept;

// A sum, rounded, and what it lacks, which is 0 where it is not finite.
struct LongSum {
    double value, rest;
};
// Sums that keep their digits over any number of terms: of numbers, and of the weights of labels
// that are not -1.
LongSum sum_of(const double *terms, std::size_t count) noexcept;
LongSum sum_of_weights(const std::int64_t *labels, std::size_t count,
                       const double *weight) noexcept;

} // namespace softlane
