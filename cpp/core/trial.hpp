// Trials of a level's kernels: an op over rows that are made from a seed, and a hash of all that
// comes out. Equal bits give equal hashes, on any machine.
#pragma once
#include "core/run.hpp"

namespace softlane {

class Random { // splitmix64
public:
    explicit Random(std::uint64_t seed) : state_(seed) {}
    std::uint64_t bits();
    double uniform(double low, double high);

private:
    std::uint64_t state_;
};

class Hash {
public:
    void add(const void *data, std::size_t bytes);
    std::uint64_t value() const { return value_; }

private:
    void mix(std::uint64_t word);
    std::uint64_t value_ = 0x9e3779b97f4a7c15;
};

// An op with some of its options.
struct TrialOp {
    const char *name;
    Op op;
    bool other, labels, weight;
    double smoothing, z_loss;
};
constexpr TrialOp trial_ops[] = {
    {"softmax", Op::softmax, false, false, false, 0, 0},
    {"log_softmax", Op::log_softmax, false, false, false, 0, 0},
    {"logsumexp", Op::logsumexp, false, false, false, 0, 0},
    {"logsumexp_factors", Op::logsumexp, true, false, false, 0, 0},
    {"softmax_backward", Op::softmax_backward, true, false, false, 0, 0},
    {"log_softmax_backward", Op::log_softmax_backward, true, false, false, 0, 0},
    {"cross_entropy", Op::cross_entropy, false, true, false, 0, 0},
    {"cross_entropy_with_grad", Op::cross_entropy_with_grad, false, true, false, 0, 0},
    {"cross_entropy_weighted", Op::cross_entropy_with_grad, false, true, true, 0, 0.01},
    {"cross_entropy_smoothed", Op::cross_entropy_with_grad, false, true, true, 0.1, 0},
    {"cross_entropy_probabilities", Op::cross_entropy_with_grad, true, false, true, 0.1, 0.01},
    {"cross_entropy_loss_weighted", Op::cross_entropy, false, true, true, 0, 0},
    {"cross_entropy_loss_smoothed", Op::cross_entropy, false, true, true, 0.1, 0.01},
    {"cross_entropy_loss_probabilities", Op::cross_entropy, true, false, true, 0.1, 0},
};

struct Trial {
    std::size_t rows, length;
    bool axis_first = false, mask = false, temperature = false; // a temperature for each row
    bool alike = false; // all rows are moderate, and so take the same way
};

// Kinds of rows, which take turns: moderate, steep, equal but for the last digits, a ladder, far
// from zero, with -inf, with NaN at the end, one that outweighs all, subnormal, with +inf.
constexpr std::size_t row_kinds = 10;

// Of exactly so many bytes; std::bad_alloc.
Workspace workspace_of(std::size_t bytes);

// Every buffer has exactly the size of its rows, for a sanitizer to see the first byte outside.
void run_trial(const KernelTable &table, const TrialOp &of, DType dtype, const Trial &trial,
               Random &random, Hash &hash);

} // namespace softlane
