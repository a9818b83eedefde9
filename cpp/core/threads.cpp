#include "core/threads.hpp"

#include <algorithm>
#include <atomic>
#include <cstdlib>

#include "core/cores.hpp"

namespace softlane {

namespace {

struct Setting {
    int threads;
    const char *source;
};

Setting default_setting() noexcept {
    try {
        const int cores = std::min(usable_cores(), most_threads);
        const int quota = quota_cores(read_text);
        return quota > 0 && quota < cores ? Setting{quota, "quota"} : Setting{cores, "cores"};
    } catch (...) { // no memory for a path
        return {1, "cores"};
    }
}
const Setting &defaults() noexcept {
    static const Setting setting = default_setting();
    return setting;
}

std::atomic<int> chosen{0}; // 0: the default
std::atomic<const char *> chosen_by{nullptr};

void choose(int threads, const char *by) noexcept {
    chosen.store(threads, std::memory_order_relaxed);
    chosen_by.store(by, std::memory_order_relaxed);
}

// A number from 1 up to `most` at the start of a text, and what follows it; 0: there is none.
int leading_number(const char *text, const char *&rest) {
    char *end = nullptr;
    const long n = std::strtol(text, &end, 10);
    while (*end == ' ' || *end == '\t')
        ++end;
    rest = end;
    return end != text && n >= 1 && n <= most_threads ? static_cast<int>(n) : 0;
}

} // namespace

int num_threads() noexcept {
    const int n = chosen.load(std::memory_order_relaxed);
    return n > 0 ? n : defaults().threads;
}

const char *num_threads_source() noexcept {
    const char *by = chosen_by.load(std::memory_order_relaxed);
    return by ? by : defaults().source;
}

int set_num_threads(int n) noexcept {
    const int former = num_threads();
    choose(n, "set_num_threads");
    return former;
}

std::string apply_thread_variables(const char *own, const char *openmp) {
    const char *rest = nullptr;
    if (own && *own) {
        const int n = leading_number(own, rest);
        if (n == 0 || *rest != '\0')
            return "SOFTLANE_NUM_THREADS: '" + std::string(own) +
                   "' is no number of threads (expected 1 to " + std::to_string(most_threads) + ")";
        choose(n, "SOFTLANE_NUM_THREADS");
    } else if (openmp) {
        const int n = leading_number(openmp, rest);
        if (n > 0 && (*rest == '\0' || *rest == ','))
            choose(n, "OMP_NUM_THREADS");
    }
    return {};
}

} // namespace softlane
