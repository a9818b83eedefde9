// Whether a level's kernels give on this machine the bits that they are known to give: layer 2 of
// the guard against miscompiled kernels, emulators and faulty cores.
#pragma once
#include "core/kernels.hpp"

namespace softlane {

// Of all that comes out of one op and dtype on a few thousand elements: every tail length, every
// kind of row of core/trial.hpp, each way of walking that the plan knows.
std::uint64_t self_test_hash(const KernelTable &table, Op op, DType dtype);

// What it has to be: core/self_test_hashes.hpp.
std::uint64_t known_self_test_hash(const KernelTable &table, Op op, DType dtype) noexcept;

} // namespace softlane
