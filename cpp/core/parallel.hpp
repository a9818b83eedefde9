// A plan's rows, shared between threads. A row's result does not depend on who computes it, so the
// number of threads changes no bit.
#pragma once
#include "core/plan.hpp"

namespace softlane {

// Below this many elements a call stays on its own thread. On two cores of a virtual machine,
// float32 in the cache: of 64,000 elements two threads that have to be woken take 1.15 times as
// long as one, of 128,000 0.9 times, of 164,000 0.8 times; where they are awake, 0.97, 0.58 and
// 0.57 times.
constexpr std::size_t parallel_elements = 160 * 1024;
// Each thread has at least so many.
constexpr std::size_t elements_per_thread = 64 * 1024;

struct Split {
    int threads = 1; // with the caller
    std::size_t chunk_rows = 0;
    std::size_t workspace_bytes = 0; // of all threads
};

// On at most so many threads.
Split split(const Plan &plan, int threads);

// Carries the plan out; `workspace` has split.workspace_bytes bytes, aligned to 64.
void run(const Plan &plan, const KernelTable &table, const Split &split, char *workspace) noexcept;

} // namespace softlane
