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
// Where nothing is known:
constexpr std::size_t usual_last_level = std::size_t{8} << 20;
constexpr std::size_t usual_second_level = std::size_t{1} << 20;
constexpr std::size_t most_second_level = std::size_t{2} << 20; // larger ones are shared

#if defined(__APPLE__)
std::size_t size_of(const char *name) noexcept {
    std::size_t bytes = 0, size = sizeof bytes;
    return sysctlbyname(name, &bytes, &size, nullptr, 0) == 0 ? bytes : 0;
}
std::size_t last_level_bytes() noexcept {
    for (const char *name : {"hw.l3cachesize", "hw.perflevel0.l2cachesize", "hw.l2cachesize"})
        if (const std::size_t bytes = size_of(name))
            return bytes;
    return 0;
}
std::size_t second_level_bytes() noexcept {
    const std::size_t bytes = size_of("hw.perflevel0.l2cachesize");
    return bytes ? bytes : size_of("hw.l2cachesize");
}
#else
// What the system's file says of cache number `index`; false: there is none.
bool read(int index, const char *file_name, char (&text)[32]) noexcept {
    char path[64];
    std::snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/%s", index,
                  file_name);
    std::FILE *file = std::fopen(path, "r");
    if (file == nullptr)
        return false;
    if (std::fgets(text, sizeof text, file) == nullptr)
        text[0] = 0;
    std::fclose(file);
    return true;
}
// The largest at `level`, or of all; 0: unknown.
std::size_t largest_cache(const char *level) noexcept {
    std::size_t largest = 0;
    char text[32];
    for (int index = 0; index < 8 && read(index, "level", text); ++index) {
        if (level != nullptr && text[0] != *level)
            continue;
        if (read(index, "size", text))
            largest = std::max(largest, cache_bytes(text));
    }
    return largest;
}
std::size_t last_level_bytes() noexcept { return largest_cache(nullptr); }
std::size_t second_level_bytes() noexcept { return largest_cache("2"); }
#endif

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

std::size_t largest_kept_bytes() noexcept {
    static const std::size_t bytes = [] {
        const std::size_t second_level = second_level_bytes();
        return std::min(second_level ? second_level : usual_second_level, most_second_level) / 6;
    }();
    return bytes;
}

} // namespace softlane
