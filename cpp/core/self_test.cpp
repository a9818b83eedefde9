#include "core/self_test.hpp"

#include <string_view>

#include "core/cpu.hpp"
#include "core/self_test_hashes.hpp"
#include "core/trial.hpp"

namespace softlane {

namespace {

constexpr std::size_t longest_of_all = 20; // every length up to this one
constexpr std::size_t some_lengths[] = {31, 32, 33, 47, 63, 65, 129, 257, 600};
constexpr std::size_t few = 3;
constexpr Trial walks[] = {{70, 5},
                           {40, 20},
                           {17, 100},
                           {70, 9, true},
                           {140, 19, true},
                           {70, 9, true, true},
                           {few, 21, false, true},
                           {few, 37, false, false, true}};

} // namespace

std::uint64_t self_test_hash(const KernelTable &table, Op op, DType dtype) {
    Hash hash;
    for (const TrialOp &of : trial_ops) {
        if (of.op != op)
            continue;
        Random random(6);
        const auto run = [&](const Trial &trial) {
            run_trial(table, of, dtype, trial, random, hash);
        };
        for (std::size_t n = 1; n <= longest_of_all; ++n)
            run({few, n});
        for (const std::size_t n : some_lengths)
            run({few, n});
        for (const Trial &walk : walks)
            run(walk);
    }
    return hash.value();
}

std::uint64_t known_self_test_hash(const KernelTable &table, Op op, DType dtype) noexcept {
    const std::string_view isa = table.isa;
    const int family = isa == "sse2" ? 1 : isa != "scalar" ? 0 : this_arch == Arch::x86_64 ? 2 : 3;
    return self_test_hashes[family][static_cast<int>(op)][static_cast<int>(dtype)];
}

} // namespace softlane
