// Which compiled-in kernel table serves: the best one that this machine supports and SOFTLANE_ISA
// allows.
#pragma once
#include <atomic>
#include <string>
#include <string_view>
#include <vector>

#include "core/kernels.hpp"

namespace softlane {

// What the self-test found of the kernels of one op and dtype.
enum class Trust : std::uint8_t { untested, passed, quarantined };

struct Level {
    const KernelTable *table;
    std::atomic<Trust> trust[op_count][dtype_count] = {};
};

// Compiled in and supported here, best first; never empty.
const std::vector<Level *> &supported_levels();

// The level in use. One atomic pointer; the best supported one until use() or apply_cap() says
// otherwise.
Level &active_level() noexcept;
inline const KernelTable &active() noexcept { return *active_level().table; }

// The table of any processor's level, for the fuzz targets.
const KernelTable &portable() noexcept;

// Makes the level of that name active and returns true; false, and nothing changes, if it is not
// supported here.
bool use(std::string_view isa) noexcept;

// Applies the cap that SOFTLANE_ISA sets (a level that is not supported lowers to the next that
// is). Returns an error text, empty if all is well: an unknown value must not be mistaken for the
// default.
std::string apply_cap(const char *isa);

} // namespace softlane
