#include "core/self_test.hpp"

#include <string_view>

#include "core/cpu.hpp"
#include "core/fp_environment.hpp"
#include "core/self_test_hashes.hpp"
#include "core/trial.hpp"

namespace softlane {

namespace {

// Tails of every width, a sum that is flushed; turned short rows, groups of rows, panels with fewer
// rows than lanes and with more; masked, with temperatures; steady rows, of float, double and 16
// bits.
constexpr Trial trials[] = {{3, 1},
                            {3, 2},
                            {3, 3},
                            {3, 4},
                            {3, 5},
                            {3, 7},
                            {3, 8},
                            {3, 9},
                            {3, 15},
                            {3, 16},
                            {3, 17},
                            {2, 31},
                            {2, 33},
                            {2, 47},
                            {2, 65},
                            {2, 129},
                            {3, 600},
                            {9, 5},
                            {35, 10},
                            {17, 60},
                            {17, 600},
                            {9, 4, true},
                            {66, 3, true},
                            {9, 6, true, true},
                            {3, 21, false, true},
                            {3, 37, false, false, true},
                            {6, 333, false, false, false, true}};

} // namespace

std::uint64_t self_test_hash(const KernelTable &table, Op op, DType dtype) {
    const FpEnvironment environment; // the rows are made in it too
    Hash hash;
    for (const TrialOp &of : trial_ops) {
        if (of.op != op)
            continue;
        Random random(6);
        for (const Trial &trial : trials)
            run_trial(table, of, dtype, trial, random, hash);
    }
    return hash.value();
}

std::uint64_t known_self_test_hash(const KernelTable &table, Op op, DType dtype) noexcept {
    const std::string_view isa = table.isa;
    const int family = isa == "sse2" ? 1 : isa != "scalar" ? 0 : this_arch == Arch::x86_64 ? 2 : 3;
    return self_test_hashes[family][static_cast<int>(op)][static_cast<int>(dtype)];
}

} // namespace softlane
