// What the fuzz targets share. libFuzzer calls LLVMFuzzerTestOneInput with hostile bytes; the
// sanitizers and check() end the process at the first fault.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fuzzer/FuzzedDataProvider.h>
#include <string_view>
#include <vector>

#include "core/dispatch.hpp"

namespace softlane {

inline void check(bool holds, const char *isa, const char *what) {
    if (holds)
        return;
    std::fprintf(stderr, "%s: %s\n", isa, what);
    std::abort();
}

template <class T, std::size_t n> T pick(FuzzedDataProvider &data, const T (&from)[n]) {
    return from[data.ConsumeIntegralInRange<std::size_t>(0, n - 1)];
}

template <class T> bool same_bits(const std::vector<T> &a, const std::vector<T> &b) {
    return a.size() == b.size() &&
           (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

// Levels that promise each other the same bits: those with FMA; sse2 and scalar.
inline bool has_fma(const KernelTable &table) {
    return table.isa != std::string_view("sse2") && table.isa != std::string_view("scalar");
}

} // namespace softlane
