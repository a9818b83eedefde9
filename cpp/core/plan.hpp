// From arrays to loops: which axis dimensions make a row, in which order the rows are visited, and
// whether the kernel can work on the arrays as they lie or needs packed tiles.
#pragma once
#include <cstddef>

#include "core/types.hpp"

namespace softlane {

constexpr int max_dims = 64; // numpy 2; numpy 1 has 32

// One dimension to walk along: strides in bytes, of the temperature in elements.
struct Loop {
    std::size_t extent;
    std::ptrdiff_t x, y, where, temperature;
};

// What bind/ has checked and passes on. Every pointer is valid for every index below its loop's
// extent.
struct Problem {
    Op op;
    DType x_dtype, y_dtype;
    bool x_swapped = false, y_swapped = false; // byte order
    const char *x;
    char *y;
    const char *where = nullptr; // one byte each, 0: takes no part
    const double *temperature;
    bool tiny_temperature = false; // one below 2^-60: subnormal elements are not as good as 0
    int outer_count = 0, inner_count = 0;
    Loop outer[max_dims]; // each index is a row
    Loop inner[max_dims]; // the axis, its dimensions ascending: a row's elements in C order
};

struct Plan {
    Problem problem;                 // loops sorted and joined; at least one of each kind
    std::size_t rows = 0;            // 0: nothing to do
    std::size_t length = 0;          // of a row; 0: nothing to do
    DType kernel_dtype{};            // what the kernel reads and writes
    bool direct = false;             // the kernel works on the arrays themselves
    std::size_t tile_rows = 1;       // otherwise: rows packed at a time
    std::size_t tile_bytes = 0;      // of one tile; a second follows if the dtypes differ
    std::size_t workspace_bytes = 0; // for run(): tiles, then scratch
    bool release_gil = false;        // long enough for another thread to profit
};

Plan make_plan(const Problem &problem);

// Elements from which a call lets other Python threads run: about 10 us of work against 0.05 us for
// releasing, but up to a switch interval (5 ms) for getting the lock back from a busy thread.
constexpr std::size_t release_gil_elements = 32768;

} // namespace softlane
