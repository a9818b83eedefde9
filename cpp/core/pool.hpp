// The threads that share the parts of a large call. They are started when first needed, block all
// signals, sleep when there is nothing to do, and are neither joined nor waited for at exit. After
// a fork the child starts its own.
#pragma once
#include <cstddef>
#include <cstdint>

namespace softlane {

struct Job {
    // Does one part, on any of the threads; worker 0 is the caller, the others count from 1.
    void (*run)(const void *context, std::uint32_t part, int worker) noexcept;
    const void *context;
    std::uint32_t parts;
};

// Does all parts and returns when they are done. Neighbouring parts go to the same worker, the
// first ones to the caller, and the same parts to the same worker from call to call, as long as
// none of them falls behind. `threads`, the caller included, is at most most_threads. One caller at
// a time has the pool: another one, or one that finds no thread to be had, does its parts alone,
// and counts against the threads of the one that has it.
void run_parts(const Job &job, int threads) noexcept;

// What tests look at and force.
struct PoolFacts {
    int started;         // threads of the pool
    int most_helping;    // at once, the caller not counted, since the last call of pool_facts
    std::uint64_t jobs;  // that had the pool
    std::uint64_t alone; // that found it busy, or without a thread
};
PoolFacts pool_facts() noexcept;
void refuse_threads(bool refuse) noexcept; // as if the system had no more

} // namespace softlane
