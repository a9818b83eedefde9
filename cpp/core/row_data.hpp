// Loops over what a loss has one of for each row: its label, and the loss itself.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>

namespace softlane {

// Where the first label is that is neither below `classes` nor `ignored`; `count` if there is none.
std::size_t first_outside(const std::uint64_t *labels, std::size_t count, std::uint64_t classes,
                          std::uint64_t ignored) noexcept;

// Makes labels that are ignored -1. Returns how many others there are.
std::size_t mark_ignored(std::int64_t *labels, std::size_t count, std::int64_t ignored) noexcept;

// A sum that keeps its digits over any number of terms (TwoSum, Knuth 1969), in lanes, so that no
// term waits for the one before.
class LongSum {
public:
    void add(const double *terms, std::size_t count) noexcept;
    // Of each label that is not -1.
    void add_weights(const std::int64_t *labels, std::size_t count, const double *weight) noexcept;
    double value() const noexcept;
    double rest() const noexcept; // what value() lacks

private:
    static constexpr std::size_t lanes = 8;

    template <class Term> void add_each(std::size_t count, Term term) noexcept;
    std::pair<double, double> total() const noexcept;

    double sum_[lanes] = {}, rest_[lanes] = {};
};

} // namespace softlane
