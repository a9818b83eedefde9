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
        {0x28bf3eece3c2d18c, 0xea41285d8f179d6f, 0x1d5e1fcc5827d51f, 0x9f06c0c7c75e4f11},
        {0x74ffe50343bf7ba3, 0xe4cf1696bd7251f9, 0x044886043178cfb2, 0x276746829846dbb9},
        {0x43f1a3f1bd189411, 0xededca57cf59f126, 0xc3180f3b184adf0f, 0x82ec3e90de6f6e67},
        {0x5e8f31d9ae42c236, 0x2dd8c287cae646c1, 0xab33503e69d9c970, 0x014b7dc85c307a1f},
        {0x230f454a499f61d3, 0xde06e0a60352ae93, 0x7519a473c2cfeb9c, 0xffdccb3bf5cf8600},
    },
    { // sse2
        {0x5d61534858a8ce0b, 0xfb6b4b09a92a337c, 0xca5eb742aa2bcb3b, 0xff12fa6a93778d4a},
        {0x8043347d99221882, 0x7470091a40ab5145, 0xd92a0f957659a476, 0xa7deb923c64157d0},
        {0x8321f90adf96df12, 0x7ba2e2a9b0f05f2a, 0x430cfe6653f593d4, 0x86f260d42f89002c},
        {0x74ffe50343bf7ba3, 0xe4cf1696bd7251f9, 0x044886043178cfb2, 0x019a513dfb2d5ccc},
        {0x43f1a3f1bd189411, 0xededca57cf59f126, 0xe2924e2289a3eee2, 0xf7ad8012346b934b},
        {0x14e9028bdef4083d, 0x6fa2e5139cc244a2, 0x3dff0741b64ab104, 0x014b7dc85c307a1f},
        {0x21eca567372fc97e, 0x2317382a9b88c597, 0xcfaea87493179c69, 0xd871c2fbcfc28019},
    },
    { // scalar on x86-64
        {0x5d61534858a8ce0b, 0xfb6b4b09a92a337c, 0xca5eb742aa2bcb3b, 0xff12fa6a93778d4a},
        {0x8043347d99221882, 0x7470091a40ab5145, 0xd92a0f957659a476, 0xa7deb923c64157d0},
        {0x8321f90adf96df12, 0x7ba2e2a9b0f05f2a, 0x430cfe6653f593d4, 0x86f260d42f89002c},
        {0x74ffe50343bf7ba3, 0xe4cf1696bd7251f9, 0x044886043178cfb2, 0x019a513dfb2d5ccc},
        {0x43f1a3f1bd189411, 0xededca57cf59f126, 0xe2924e2289a3eee2, 0xf7ad8012346b934b},
        {0x14e9028bdef4083d, 0x6fa2e5139cc244a2, 0x3dff0741b64ab104, 0x014b7dc85c307a1f},
        {0x21eca567372fc97e, 0x2317382a9b88c597, 0xcfaea87493179c69, 0xd871c2fbcfc28019},
    },
    { // scalar on aarch64
        {0x5d61534858a8ce0b, 0xfb6b4b09a92a337c, 0xca5eb742aa2bcb3b, 0xff12fa6a93778d4a},
        {0x8043347d99221882, 0x7470091a40ab5145, 0xd92a0f957659a476, 0xa7deb923c64157d0},
        {0x8321f90adf96df12, 0x7ba2e2a9b0f05f2a, 0x430cfe6653f593d4, 0x86f260d42f89002c},
        {0x74ffe50343bf7ba3, 0xe4cf1696bd7251f9, 0x044886043178cfb2, 0x019a513dfb2d5ccc},
        {0x43f1a3f1bd189411, 0xededca57cf59f126, 0xe2924e2289a3eee2, 0xf7ad8012346b934b},
        {0x14e9028bdef4083d, 0x6fa2e5139cc244a2, 0x3dff0741b64ab104, 0x014b7dc85c307a1f},
        {0x21eca567372fc97e, 0x2317382a9b88c597, 0xcfaea87493179c69, 0xd871c2fbcfc28019},
    },
};
// clang-format on

} // namespace softlane
