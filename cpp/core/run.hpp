// Carries a plan out: walks the rows, packs tiles where the kernel cannot work on the arrays
// themselves, calls the kernel.
#pragma once
#include <memory>
#include <new>

#include "core/kernels.hpp"
#include "core/plan.hpp"

namespace softlane {

// What a plan's tiles are made in, aligned to 64.
struct FreeWorkspace {
    void operator()(char *p) const { ::operator delete[](p, std::align_val_t(64)); }
};
using Workspace = std::unique_ptr<char, FreeWorkspace>;

// The rows from `begin` up to `end`, counted in the order of plan's outer loops; whole rounds of
// the last one, if these go together (Plan::rounds). `workspace` has plan.workspace_bytes bytes,
// aligned to 64. Sets and restores the floating-point mode.
void run_rows(const Plan &plan, const KernelTable &table, char *workspace, std::size_t begin,
              std::size_t end) noexcept;

} // namespace softlane
