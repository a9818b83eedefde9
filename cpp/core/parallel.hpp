// A plan's rows, shared between threads. A row's result does not depend on who computes it, so the
// number of threads changes no bit.
#pragma once
#include "core/plan.hpp"

namespace softlane {

// Below this many elements a call stays on its own thread. Time of two threads against one, float32
// softmax in the cache on a virtual machine with two cores: of 64,000, 100,000, 164,000 and 256,000
// elements 1.05, 0.85, 0.80 and 0.65 where the thread has to be woken, 0.59, 0.60, 0.55 and 0.51
// where it is still awake. The room below is for faster kernels.
constexpr std::size_t parallel_elements = 160 * 1024;
// Each thread has at least so many.
constexpr std::size_t elements_per_thread = 64 * 1024;

struct Split {
    int threads = 1; // with the caller
    std::size_t chunk_rows = 0;
    std::size_t workspace_bytes = 0; // of all threads
    int row_threads = 1;             // more: each of the rows, which are long, is shared by those
};

// On at most so many threads.
Split split(const Plan &plan, int threads);

// Carries the plan out; `workspace` has split.workspace_bytes bytes, aligned to 64.
void run(const Plan &plan, const KernelTable &table, const Split &split, char *workspace) noexcept;

} // namespace softlane
