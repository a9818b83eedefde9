// Carries a plan out: walks the rows, packs tiles where the kernel cannot work on the arrays
// themselves, calls the kernel.
#pragma once
#include "core/kernels.hpp"
#include "core/plan.hpp"

namespace softlane {

// `workspace` has plan.workspace_bytes bytes, aligned to 64. Sets and restores the floating-point
// mode.
void run(const Plan &plan, const KernelTable &table, char *workspace) noexcept;

} // namespace softlane
