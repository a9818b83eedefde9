// Written by tests/self_test_hashes.py: what core/self_test.hpp has to give, of each family
// of levels that promise the same bits, op and dtype (in the order of core/types.hpp).
#pragma once
#include "core/types.hpp"

namespace softlane {

// clang-format off
constexpr std::uint64_t self_test_hashes[4][op_count][dtype_count] = {
    { // avx512, avx2, neon
        {0xbdb3a3f1d6fa1279, 0x341e9e5bb0fad8d6, 0x046be824311138a1, 0x44995ed2a7d9164c},
        {0xf92930c358277388, 0x9065ac5c9984cb80, 0x0ad8ce266a6a2391, 0x137fb0134bfd8deb},
        {0x3b93b13a49a35a69, 0x2ea0ece9b0c00fc4, 0xb6a45b0d3c04ee94, 0xb041f9a0c945aadb},
        {0x6c0d28f71d921c3a, 0xffcf160c263fbb70, 0x296c76bc8f3e296b, 0x2e16a0cc706f2080},
        {0x231535e6e47bfaf4, 0x680d771c03853ec2, 0x8172237d46792456, 0xa04c17158bed0348},
        {0x85cfdd3a487d2f1e, 0x499130fa52196250, 0xb906e45eacd2e0b1, 0xcea3824c15a825df},
        {0xf5c1ecd718dda477, 0x9888c5b3fb4b14ea, 0x26bba28cb8b87b43, 0x5f8b60084a86c8de},
    },
    { // sse2
        {0xbdb3a3f1d6fa1279, 0x341e9e5bb0fad8d6, 0x4fdb3e4da1ce84a1, 0xb5da8d8a6b46d39b},
        {0xf92930c358277388, 0x9065ac5c9984cb80, 0x0ad8ce266a6a2391, 0x6f9272afecd6243e},
        {0x020ac2a586898328, 0x0838c796f49f56ec, 0x152ee9347996c2fa, 0xfc573d33dc7cc2d0},
        {0x6c0d28f71d921c3a, 0xffcf160c263fbb70, 0x296c76bc8f3e296b, 0x4c0d4a8680a0a361},
        {0x231535e6e47bfaf4, 0x680d771c03853ec2, 0x093b7fbb9bbfee24, 0xebff28660b9e92db},
        {0xf8858828bc98d237, 0x3e81a54510b9060e, 0x60f7ec615ae516c9, 0x8bea0a656fb2485f},
        {0x94feb31a41a6108d, 0x8ebe13bcd38875f3, 0x30a3a9253a052647, 0x179f268cb5912430},
    },
    { // scalar on x86-64
        {0xbdb3a3f1d6fa1279, 0x341e9e5bb0fad8d6, 0x4fdb3e4da1ce84a1, 0xb5da8d8a6b46d39b},
        {0xf92930c358277388, 0x9065ac5c9984cb80, 0x0ad8ce266a6a2391, 0x6f9272afecd6243e},
        {0x020ac2a586898328, 0x0838c796f49f56ec, 0x152ee9347996c2fa, 0xfc573d33dc7cc2d0},
        {0x6c0d28f71d921c3a, 0xffcf160c263fbb70, 0x296c76bc8f3e296b, 0x4c0d4a8680a0a361},
        {0x231535e6e47bfaf4, 0x680d771c03853ec2, 0x093b7fbb9bbfee24, 0xebff28660b9e92db},
        {0xf8858828bc98d237, 0x3e81a54510b9060e, 0x60f7ec615ae516c9, 0x8bea0a656fb2485f},
        {0x94feb31a41a6108d, 0x8ebe13bcd38875f3, 0x30a3a9253a052647, 0x179f268cb5912430},
    },
    { // scalar on aarch64
        {0xbdb3a3f1d6fa1279, 0x341e9e5bb0fad8d6, 0x4fdb3e4da1ce84a1, 0xb5da8d8a6b46d39b},
        {0xf92930c358277388, 0x9065ac5c9984cb80, 0x0ad8ce266a6a2391, 0x6f9272afecd6243e},
        {0x020ac2a586898328, 0x0838c796f49f56ec, 0x152ee9347996c2fa, 0xfc573d33dc7cc2d0},
        {0x6c0d28f71d921c3a, 0xffcf160c263fbb70, 0x296c76bc8f3e296b, 0x4c0d4a8680a0a361},
        {0x231535e6e47bfaf4, 0x680d771c03853ec2, 0x093b7fbb9bbfee24, 0xebff28660b9e92db},
        {0xf8858828bc98d237, 0x3e81a54510b9060e, 0x60f7ec615ae516c9, 0x8bea0a656fb2485f},
        {0x94feb31a41a6108d, 0x8ebe13bcd38875f3, 0x30a3a9253a052647, 0x179f268cb5912430},
    },
};
// clang-format on

} // namespace softlane
