#define SOFTLANE_ISA sse2
#include "simd/sse2.hpp"
// After the level's own functions:
#include "rows/table.hpp"
