// A batch of a plan's rows: where they are, and the call of the kernel. What the ways of carrying
// out a plan share (run.cpp, row_tiles.cpp, panel_tiles.cpp).
#pragma once
#include <cstdint>

#include "core/fp_environment.hpp"
#include "core/plan.hpp"

namespace softlane {

void step(std::ptrdiff_t (&at)[stream_count], const Loop &loop, std::ptrdiff_t by);

// Offsets of the current index of some loops, in C order.
class Walk {
public:
    // From the index whose number in C order is `number`.
    Walk(const Loop *loops, int count, std::size_t number = 0);

    std::ptrdiff_t at[stream_count] = {};

    bool next();

private:
    const Loop *loops_;
    int count_;
    std::size_t index_[max_dims] = {};
};

// What stands for a masked element.
struct MaskedElement {
    double value;
    std::uint64_t bits[dtype_count];
};
extern const MaskedElement zero_element;
extern const MaskedElement minus_infinity_element; // takes no part in any row's sum
// What an op writes for one.
const MaskedElement &masked_result(Op op);

// Rows whose elements lie next to each other, in tiles or in the arrays themselves.
struct Lines {
    char *data;
    std::ptrdiff_t row_stride_bytes;
};

Rows batch_of(const Plan &plan, const std::ptrdiff_t (&at)[stream_count], const Loop &rows,
              std::size_t count, const Lines (&lines)[array_count]);

// The same in the arrays themselves, be they of 16 bits; those use the workspace.
Rows batch_in_arrays(const Plan &plan, const std::ptrdiff_t (&at)[stream_count], const Loop &rows,
                     std::size_t count, char *workspace);

inline Subnormals kernel_subnormals(const Plan &plan) {
    return plan.problem.keep_subnormals ? Subnormals::keep : Subnormals::flush;
}
RowsFn rows_kernel(const Plan &plan, const KernelTable &table);
void call_kernel(const Plan &plan, RowsFn kernel, const Rows &batch);

} // namespace softlane
