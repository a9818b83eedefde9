// Which compiled-in kernel table serves: the best one that this machine supports and SOFTLANE_ISA
// allows.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "core/kernels.hpp"

namespace softlane {

// Compiled in and supported here, best first; never empty.
const std::vector<const KernelTable *> &supported_tables();

// The table in use. One atomic pointer; the best supported one until use() or apply_cap() says
// otherwise.
const KernelTable &active() noexcept;

// Makes the level of that name active and returns true; false, and nothing changes, if it is not
// supported here.
bool use(std::string_view isa) noexcept;

// Applies the cap that SOFTLANE_ISA sets (a level that is not supported lowers to the next that
// is). Returns an error text, empty if all is well: an unknown value must not be mistaken for the
// default.
std::string apply_cap(const char *isa);

} // namespace softlane
