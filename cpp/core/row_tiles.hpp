// Packed tiles: rows that the kernel cannot work on in the arrays themselves are copied, converted
// and masked, some at a time.
#pragma once
#include "core/batch.hpp"

namespace softlane {

// All rows of the innermost loop.
void run_tiles(const Plan &plan, const KernelTable &table, const Walk &from, const Loop &rows,
               std::size_t extent, char *workspace);

} // namespace softlane
