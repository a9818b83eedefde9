// Carries a plan out: walks the rows, packs tiles where the kernel cannot work on the arrays
// themselves, calls the kernel.
#pragma once
#include "core/kernels.hpp"
#include "core/plan.hpp"

namespace softlane {

// The rows from `begin` up to `end`, counted in the order of plan's outer loops. `workspace` has
// plan.workspace_bytes bytes, aligned to 64. Sets and restores the floating-point mode.
void run_rows(const Plan &plan, const KernelTable &table, char *workspace, std::size_t begin,
              std::size_t end) noexcept;

} // namespace softlane
