// Written by tests/self_test_hashes.py: what core/self_test.hpp has to give, of each
// family of levels that promise the same bits, op and dtype (in the order of
// core/types.hpp).
#pragma once
#include "core/types.hpp"

namespace softlane {

// clang-format off
constexpr std::uint64_t self_test_hashes[4][op_count][dtype_count] = {
    { // avx512, avx2, neon
        {0xff620489f34329ce, 0x89b6c642944f04aa, 0x6c219f3afd4d5b61, 0x907a0753ed1206ea},
        {0x34d8105a474d39fd, 0xc54ee66cc51184bb, 0xbd4a26e18d8c65e4, 0x11f27d3984eb83ce},
        {0xfe01eaaf82136b58, 0xb718224dca619c21, 0x6cc084f3a0c84464, 0x57fc3166714e60d3},
        {0x8da533f4ce64c0b5, 0x92c177f66e7afd86, 0xd43a088335f7723e, 0x98a74bdf8d3e0c84},
        {0x9a606c13c6bd2f4d, 0x7ab61c6e48d3c456, 0xa734f4e6c022c305, 0xd7026f188ba9b8a7},
        {0x95fc9c5c4924de0a, 0x8aae9949c8bb4782, 0x52504a90ac2340b8, 0xa885f18b3a51a689},
        {0x492855b29c3ceefb, 0x6200357bb027423e, 0xb76bc2169f02ad0e, 0x6ea096feaf83bbae},
    },
    { // sse2
        {0xff620489f34329ce, 0x89b6c642944f04aa, 0x6e74e943c584aae4, 0x9a57a81036f0cdc3},
        {0x34d8105a474d39fd, 0xc54ee66cc51184bb, 0xbd4a26e18d8c65e4, 0x11f27d3984eb83ce},
        {0x5c6bb9e89863291f, 0x83a72a494b093e80, 0x1587a943b3f9b8e6, 0x52ddc008298acea6},
        {0x8da533f4ce64c0b5, 0x92c177f66e7afd86, 0xd43a088335f7723e, 0x4beb7dd4f5e6e194},
        {0x9a606c13c6bd2f4d, 0x7ab61c6e48d3c456, 0x7e0a66711d078d06, 0xcd17590d6e42d8f4},
        {0x09572f47914725b9, 0x71851643eef8fab7, 0xb20ee8e04e038af2, 0xa885f18b3a51a689},
        {0xc80d80577fcaf6de, 0xe6629b5374f9f064, 0x7c7439564c7ceced, 0xad304f1e81b4596e},
    },
    { // scalar on x86-64
        {0xff620489f34329ce, 0x89b6c642944f04aa, 0x6e74e943c584aae4, 0x9a57a81036f0cdc3},
        {0x34d8105a474d39fd, 0xc54ee66cc51184bb, 0xbd4a26e18d8c65e4, 0x11f27d3984eb83ce},
        {0x5c6bb9e89863291f, 0x83a72a494b093e80, 0x1587a943b3f9b8e6, 0x52ddc008298acea6},
        {0x8da533f4ce64c0b5, 0x92c177f66e7afd86, 0xd43a088335f7723e, 0x4beb7dd4f5e6e194},
        {0x9a606c13c6bd2f4d, 0x7ab61c6e48d3c456, 0x7e0a66711d078d06, 0xcd17590d6e42d8f4},
        {0x09572f47914725b9, 0x71851643eef8fab7, 0xb20ee8e04e038af2, 0xa885f18b3a51a689},
        {0xc80d80577fcaf6de, 0xe6629b5374f9f064, 0x7c7439564c7ceced, 0xad304f1e81b4596e},
    },
    { // scalar on aarch64
        {0xff620489f34329ce, 0x89b6c642944f04aa, 0x6e74e943c584aae4, 0x9a57a81036f0cdc3},
        {0x34d8105a474d39fd, 0xc54ee66cc51184bb, 0xbd4a26e18d8c65e4, 0x11f27d3984eb83ce},
        {0x5c6bb9e89863291f, 0x83a72a494b093e80, 0x1587a943b3f9b8e6, 0x52ddc008298acea6},
        {0x8da533f4ce64c0b5, 0x92c177f66e7afd86, 0xd43a088335f7723e, 0x4beb7dd4f5e6e194},
        {0x9a606c13c6bd2f4d, 0x7ab61c6e48d3c456, 0x7e0a66711d078d06, 0xcd17590d6e42d8f4},
        {0x09572f47914725b9, 0x71851643eef8fab7, 0xb20ee8e04e038af2, 0xa885f18b3a51a689},
        {0xc80d80577fcaf6de, 0xe6629b5374f9f064, 0x7c7439564c7ceced, 0xad304f1e81b4596e},
    },
};
// clang-format on

} // namespace softlane
