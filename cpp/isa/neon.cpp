#define SOFTLANE_ISA neon
#include "simd/neon.hpp"
// After the level's own functions:
#include "rows/table.hpp"
