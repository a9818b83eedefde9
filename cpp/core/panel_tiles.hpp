// Rows that lie side by side: panels, in the arrays themselves or in tiles.
#pragma once
#include "core/batch.hpp"

namespace softlane {

// All rows of the innermost loop, if the kernel serves such; else false, and nothing is done.
bool run_panels(const Plan &plan, const KernelTable &table, const Walk &from, const Loop &rows,
                std::size_t extent, char *workspace);

} // namespace softlane
