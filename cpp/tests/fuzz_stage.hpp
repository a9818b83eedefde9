// A hostile call carried out.
#pragma once
#include "tests/fuzz_call.hpp"

namespace softlane {

// What comes out: the bits of y, row after row; of each row its numbers.
struct Outcome {
    std::vector<std::uint64_t> y;
    std::vector<double> results, extra;
};

// The call as it is given, for one level after another.
struct Stage {
    explicit Stage(const Call &call);
    const Outcome &run(const KernelTable &table);

    const Call &call;
    Stored x, other, own_y, where;
    Stored &y;
    std::vector<char> x_before, other_before, y_before;
    std::vector<std::uint64_t> y_elements;
    Outcome outcome;
    Plan plan;
    Workspace workspace;
};

// One of its rows, contiguous, in native byte order, without a mask.
Outcome run_alone(const Call &call, const KernelTable &table, std::size_t row);

// The bits of what is written for a masked element, of y's type.
std::uint64_t masked_bits(const Call &call);

} // namespace softlane
