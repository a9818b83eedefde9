// Rows that lie side by side: panels, in the arrays themselves or in tiles.
#pragma once
#include "core/batch.hpp"

namespace softlane {

// Rows of the innermost loop, or whole rounds of it (Plan::rounds), `extent` in all, if the kernel
// serves such; else false, and nothing is done.
bool run_panels(const Plan &plan, const KernelTable &table, const Walk &from, const Loop &rows,
                std::size_t extent, char *workspace);

} // namespace softlane
