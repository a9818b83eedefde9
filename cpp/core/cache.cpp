#include "core/cache.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#if defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace softlane {

namespace {

constexpr std::size_t most = std::size_t{16} << 20;
constexpr std::size_t usual_last_level = std::size_t{8} << 20; // where nothing is known

std::size_t last_level_bytes() noexcept {
#if defined(__APPLE__)
    std::size_t bytes = 0, size = sizeof bytes;
    for (const char *name : {"hw.l3cachesize", "hw.perflevel0.l2cachesize", "hw.l2cachesize"})
        if (sysctlbyname(name, &bytes, &size, nullptr, 0) == 0 && bytes != 0)
            return bytes;
    return 0;
#else
    std::size_t largest = 0;
    for (int index = 0; index < 8; ++index) {
        char path[64], text[32] = "";
        std::snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/size", index);
        std::FILE *file = std::fopen(path, "r");
        if (file == nullptr)
            break;
        if (std::fgets(text, sizeof text, file) != nullptr)
            largest = std::max(largest, cache_bytes(text));
        std::fclose(file);
    }
    return largest;
#endif
}

} // namespace

std::size_t cache_bytes(const char *text) noexcept {
    char *end = nullptr;
    const unsigned long long number = std::strtoull(text, &end, 10);
    if (end == text || number > (1u << 24))
        return 0;
    switch (*end) {
    case 'K':
        return static_cast<std::size_t>(number) << 10;
    case 'M':
        return static_cast<std::size_t>(number) << 20;
    default:
        return static_cast<std::size_t>(number);
    }
}

std::size_t streaming_bytes() noexcept {
    static const std::size_t bytes = [] {
        const std::size_t last_level = last_level_bytes();
        return std::min((last_level ? last_level : usual_last_level) / 2, most);
    }();
    return bytes;
}

} // namespace softlane
