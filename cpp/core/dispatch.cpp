#include "core/dispatch.hpp"

#include <algorithm>
#include <atomic>

#include "core/cpu.hpp"

namespace softlane {

// Defined in isa/<isa>.cpp.
#if defined(__x86_64__)
namespace avx512 {
extern const KernelTable table;
}
namespace avx2 {
extern const KernelTable table;
}
namespace sse2 {
extern const KernelTable table;
}
#else
namespace neon {
extern const KernelTable table;
}
#endif
namespace scalar {
extern const KernelTable table;
}

namespace {

#if defined(__x86_64__)
Level compiled[] = {{&avx512::table}, {&avx2::table}, {&sse2::table}, {&scalar::table}};
#else
Level compiled[] = {{&neon::table}, {&scalar::table}};
#endif

std::atomic<Level *> current{nullptr};

} // namespace

const std::vector<Level *> &supported_levels() {
    static const std::vector<Level *> levels = [] {
        const auto names = levels_for(this_arch, read_cpu());
        std::vector<Level *> found;
        for (Level &level : compiled)
            if (std::find(names.begin(), names.end(), level.table->isa) != names.end())
                found.push_back(&level);
        return found;
    }();
    return levels;
}

Level &active_level() noexcept {
    Level *level = current.load(std::memory_order_relaxed);
    if (level == nullptr) {
        level = supported_levels().front();
        current.store(level, std::memory_order_relaxed);
    }
    return *level;
}

const KernelTable &portable() noexcept { return scalar::table; }

bool use(std::string_view isa) noexcept {
    for (Level *level : supported_levels())
        if (level->table->isa == isa) {
            current.store(level, std::memory_order_relaxed);
            return true;
        }
    return false;
}

std::string apply_cap(const char *isa) {
    if (isa == nullptr || *isa == '\0')
        return {};
    const auto names = levels_of(this_arch);
    const auto cap = std::find(names.begin(), names.end(), isa);
    if (cap == names.end()) {
        std::string text = "SOFTLANE_ISA: unknown level '" + std::string(isa) + "' (valid here: ";
        for (std::size_t i = 0; i < names.size(); ++i)
            text += (i ? ", " : "") + std::string(names[i]);
        return text + ")";
    }
    for (auto name = cap; name != names.end(); ++name)
        if (use(*name))
            break;
    return {};
}

} // namespace softlane
