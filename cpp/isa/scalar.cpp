#define SOFTLANE_ISA scalar
#include "simd/scalar.hpp"
// After the level's own functions:
#include "rows/table.hpp"
