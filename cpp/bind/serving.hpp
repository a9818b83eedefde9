// Which level's kernels serve a call: the active one's, or, where these fail their self-test, those
// of the next level that pass it.
#pragma once
#include "bind/numpy.hpp"
#include "core/dispatch.hpp"
#include "core/plan.hpp"

namespace softlane::bind {

// The names of ops and dtypes, in the order of core/types.hpp.
inline constexpr const char *op_name[op_count] = {"softmax",
                                                  "log_softmax",
                                                  "logsumexp",
                                                  "softmax_backward",
                                                  "log_softmax_backward",
                                                  "cross_entropy",
                                                  "cross_entropy_with_grad"};
inline constexpr const char *dtype_name[dtype_count] = {"float16", "bfloat16", "float32",
                                                        "float64"};

enum class SelfTest : std::uint8_t { off, on, strict };

// Applies SOFTLANE_SELFTEST. Returns an error text, empty if all is well.
std::string apply_self_test(const char *mode);

// Needs the interpreter lock: kernels of this op and dtype that are used for the first time are
// tested, and a RuntimeWarning says once that they failed. Throws RuntimeError in strict mode and
// where no level passes.
const KernelTable &serving(Op op, DType dtype);
const KernelTable &serving(const Plan &plan);

// Pretends that they fail, for the tests of what happens then.
void fail_self_test(const std::string &isa, const std::string &op, const std::string &dtype);

// For show_config().
py::dict self_test_state();

} // namespace softlane::bind
