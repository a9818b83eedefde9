#pragma once
#include "core/types.hpp"
namespace softlane {
constexpr std::uint64_t self_test_hashes[3][op_count][dtype_count] = {};
}
