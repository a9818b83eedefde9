// How many threads a call may use, for the whole process: what was set, else the environment, else
// the cores.
#pragma once
#include <string>

namespace softlane {

constexpr int most_threads = 1024;

// At least 1. The cores are counted when it is first asked for.
int num_threads() noexcept;
// Where that comes from: "set_num_threads", "SOFTLANE_NUM_THREADS", "OMP_NUM_THREADS", "quota" or
// "cores".
const char *num_threads_source() noexcept;

// n in [1, most_threads], from here on; what it was before.
int set_num_threads(int n) noexcept;

// The values of SOFTLANE_NUM_THREADS and OMP_NUM_THREADS (of which a list's first number counts);
// null where not set. Returns an error text, empty if all is well: an own variable that says
// nothing must not be mistaken for the default.
std::string apply_thread_variables(const char *own, const char *openmp);

} // namespace softlane
