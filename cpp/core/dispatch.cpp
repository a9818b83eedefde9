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
constexpr const KernelTable *compiled[] = {&avx512::table, &avx2::table, &sse2::table,
                                           &scalar::table};
#else
constexpr const KernelTable *compiled[] = {&neon::table, &scalar::table};
#endif

std::atomic<const KernelTable *> current{nullptr};

} // namespace

const std::vector<const KernelTable *> &supported_tables() {
    static const std::vector<const KernelTable *> tables = [] {
        const auto levels = levels_for(this_arch, read_cpu());
        std::vector<const KernelTable *> found;
        for (const KernelTable *table : compiled)
            if (std::find(levels.begin(), levels.end(), table->isa) != levels.end())
                found.push_back(table);
        return found;
    }();
    return tables;
}

const KernelTable &active() noexcept {
    const KernelTable *table = current.load(std::memory_order_relaxed);
    if (table == nullptr) {
        table = supported_tables().front();
        current.store(table, std::memory_order_relaxed);
    }
    return *table;
}

bool use(std::string_view isa) noexcept {
    for (const KernelTable *table : supported_tables())
        if (table->isa == isa) {
            current.store(table, std::memory_order_relaxed);
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
