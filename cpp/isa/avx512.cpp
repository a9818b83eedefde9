#define SOFTLANE_ISA avx512
#include "simd/avx512.hpp"
// After the level's own functions:
#include "rows/table.hpp"
