// Written by tests/self_test_hashes.py: what core/self_test.hpp has to give, of each
// family of levels that promise the same bits, op and dtype (in the order of
// core/types.hpp).
#pragma once
#include "core/types.hpp"

namespace softlane {

// clang-format off
constexpr std::uint64_t self_test_hashes[4][op_count][dtype_count] = {
    { // avx512, avx2, neon
        {0x5d61534858a8ce0b, 0xfb6b4b09a92a337c, 0x3c71c2c21cad7f8d, 0x9081f06270a94c02},
        {0x8043347d99221882, 0x7470091a40ab5145, 0xddfe5b2375cf674f, 0xa7deb923c64157d0},
        {0xb49d58fe3dd0bd54, 0x3200ca86c9e530ca, 0x21675219664658f2, 0x9f06c0c7c75e4f11},
        {0x74ffe50343bf7ba3, 0xe4cf1696bd7251f9, 0x044886043178cfb2, 0x276746829846dbb9},
        {0x43f1a3f1bd189411, 0xededca57cf59f126, 0xc3180f3b184adf0f, 0x82ec3e90de6f6e67},
        {0xc3c5424d54940895, 0xc686dc593a39be6e, 0x864e1dfc073cd1ad, 0x014b7dc85c307a1f},
        {0xfdcff7ff594bc24f, 0x341a6494f7f2577a, 0x017d774dc3d64579, 0xffdccb3bf5cf8600},
    },
    { // sse2
        {0x5d61534858a8ce0b, 0xfb6b4b09a92a337c, 0xca5eb742aa2bcb3b, 0xff12fa6a93778d4a},
        {0x8043347d99221882, 0x7470091a40ab5145, 0xd92a0f957659a476, 0xa7deb923c64157d0},
        {0x32ecd2b8faf9bed5, 0xd617aa62931b4e3a, 0xcfa695634acf6ca8, 0x86f260d42f89002c},
        {0x74ffe50343bf7ba3, 0xe4cf1696bd7251f9, 0x044886043178cfb2, 0x019a513dfb2d5ccc},
        {0x43f1a3f1bd189411, 0xededca57cf59f126, 0xe2924e2289a3eee2, 0xf7ad8012346b934b},
        {0xd4602c48a8309096, 0xf4831d5d0706c783, 0x71dff2b1297b3604, 0x014b7dc85c307a1f},
        {0x3ae8e0e282ab3332, 0x143489f221a7ff9c, 0xfe73d4e8680916c3, 0xd871c2fbcfc28019},
    },
    { // scalar on x86-64
        {0x5d61534858a8ce0b, 0xfb6b4b09a92a337c, 0xca5eb742aa2bcb3b, 0xff12fa6a93778d4a},
        {0x8043347d99221882, 0x7470091a40ab5145, 0xd92a0f957659a476, 0xa7deb923c64157d0},
        {0x32ecd2b8faf9bed5, 0xd617aa62931b4e3a, 0xcfa695634acf6ca8, 0x86f260d42f89002c},
        {0x74ffe50343bf7ba3, 0xe4cf1696bd7251f9, 0x044886043178cfb2, 0x019a513dfb2d5ccc},
        {0x43f1a3f1bd189411, 0xededca57cf59f126, 0xe2924e2289a3eee2, 0xf7ad8012346b934b},
        {0xd4602c48a8309096, 0xf4831d5d0706c783, 0x71dff2b1297b3604, 0x014b7dc85c307a1f},
        {0x3ae8e0e282ab3332, 0x143489f221a7ff9c, 0xfe73d4e8680916c3, 0xd871c2fbcfc28019},
    },
    { // scalar on aarch64
        {0x5d61534858a8ce0b, 0xfb6b4b09a92a337c, 0xca5eb742aa2bcb3b, 0xff12fa6a93778d4a},
        {0x8043347d99221882, 0x7470091a40ab5145, 0xd92a0f957659a476, 0xa7deb923c64157d0},
        {0x32ecd2b8faf9bed5, 0xd617aa62931b4e3a, 0xcfa695634acf6ca8, 0x86f260d42f89002c},
        {0x74ffe50343bf7ba3, 0xe4cf1696bd7251f9, 0x044886043178cfb2, 0x019a513dfb2d5ccc},
        {0x43f1a3f1bd189411, 0xededca57cf59f126, 0xe2924e2289a3eee2, 0xf7ad8012346b934b},
        {0xd4602c48a8309096, 0xf4831d5d0706c783, 0x71dff2b1297b3604, 0x014b7dc85c307a1f},
        {0x3ae8e0e282ab3332, 0x143489f221a7ff9c, 0xfe73d4e8680916c3, 0xd871c2fbcfc28019},
    },
};
// clang-format on

} // namespace softlane
