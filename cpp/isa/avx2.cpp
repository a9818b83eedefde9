#define SOFTLANE_ISA avx2
#include "simd/avx2.hpp"
// After the level's own functions:
#include "rows/table.hpp"
