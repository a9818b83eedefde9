// Written by tests/self_test_hashes.py: what core/self_test.hpp has to give, of each
// family of levels that promise the same bits, op and dtype (in the order of
// core/types.hpp).
#pragma once
#include "core/types.hpp"

namespace softlane {

// clang-format off
constexpr std::uint64_t self_test_hashes[4][op_count][dtype_count] = {
    { // avx512, avx2, neon
        {0xff6cb8be76c956c3, 0x5a56881544e09ef1, 0x5c9a016e12e9bd5e, 0xe737852bb472b299},
        {0x81582e64571d34d3, 0xf664708e9c727f2e, 0x0627eb3210472b0a, 0xae6e6d7599fc640f},
        {0x4d9727c428bd6fa0, 0x0ba6c582bdc52737, 0x03400f8cc3ec1ba5, 0xb6ce68c2d964d8ac},
        {0x53be0647c2d6f9db, 0xce7fcd5343d9f5de, 0x6eeec019316ab947, 0xec2fd6e86d98d716},
        {0xd724c543b7487197, 0xf836b7bee3664d7c, 0x1111d8ccee51ec9e, 0xca988538378e7af3},
        {0x4312f5469a51f0d4, 0x630059b1be56fdb8, 0x4af04d16677a1108, 0x6904c0e5edd7d4ad},
        {0xbdd69189c3c3ce8d, 0x5a456e5d42e53de8, 0xd26c563e9eb4075a, 0x8086dea10ab13836},
    },
    { // sse2
        {0xff6cb8be76c956c3, 0x5a56881544e09ef1, 0xe89a8f4349bacb8f, 0x3b6a6c5f38aea7ca},
        {0x81582e64571d34d3, 0xf664708e9c727f2e, 0x8a7093914ba4dafb, 0xae6e6d7599fc640f},
        {0x0b67bac742c88369, 0x1381fac5204e90b3, 0x50faccabed4cb5ed, 0x7064d2523ec33a16},
        {0x53be0647c2d6f9db, 0xce7fcd5343d9f5de, 0x6eeec019316ab947, 0x939593a203e8c570},
        {0xd724c543b7487197, 0xf836b7bee3664d7c, 0xded230ed1772627d, 0x9035e675d91ebe69},
        {0xac92a8feb42ab252, 0xd11073fbac2583c2, 0xd359f4922a73bb75, 0x6904c0e5edd7d4ad},
        {0xe99f78cdfedb6d9a, 0x2ecc5b97e82337e7, 0xf67f23d208ea3ba5, 0xe8e5dff6c15e7aff},
    },
    { // scalar on x86-64
        {0xff6cb8be76c956c3, 0x5a56881544e09ef1, 0xe89a8f4349bacb8f, 0x3b6a6c5f38aea7ca},
        {0x81582e64571d34d3, 0xf664708e9c727f2e, 0x8a7093914ba4dafb, 0xae6e6d7599fc640f},
        {0x0b67bac742c88369, 0x1381fac5204e90b3, 0x50faccabed4cb5ed, 0x7064d2523ec33a16},
        {0x53be0647c2d6f9db, 0xce7fcd5343d9f5de, 0x6eeec019316ab947, 0x939593a203e8c570},
        {0xd724c543b7487197, 0xf836b7bee3664d7c, 0xded230ed1772627d, 0x9035e675d91ebe69},
        {0xac92a8feb42ab252, 0xd11073fbac2583c2, 0xd359f4922a73bb75, 0x6904c0e5edd7d4ad},
        {0xe99f78cdfedb6d9a, 0x2ecc5b97e82337e7, 0xf67f23d208ea3ba5, 0xe8e5dff6c15e7aff},
    },
    { // scalar on aarch64
        {0xff6cb8be76c956c3, 0x5a56881544e09ef1, 0xe89a8f4349bacb8f, 0x3b6a6c5f38aea7ca},
        {0x81582e64571d34d3, 0xf664708e9c727f2e, 0x8a7093914ba4dafb, 0xae6e6d7599fc640f},
        {0x0b67bac742c88369, 0x1381fac5204e90b3, 0x50faccabed4cb5ed, 0x7064d2523ec33a16},
        {0x53be0647c2d6f9db, 0xce7fcd5343d9f5de, 0x6eeec019316ab947, 0x939593a203e8c570},
        {0xd724c543b7487197, 0xf836b7bee3664d7c, 0xded230ed1772627d, 0x9035e675d91ebe69},
        {0xac92a8feb42ab252, 0xd11073fbac2583c2, 0xd359f4922a73bb75, 0x6904c0e5edd7d4ad},
        {0xe99f78cdfedb6d9a, 0x2ecc5b97e82337e7, 0xf67f23d208ea3ba5, 0xe8e5dff6c15e7aff},
    },
};
// clang-format on

} // namespace softlane
