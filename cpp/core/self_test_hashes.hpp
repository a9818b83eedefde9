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
        {0x34d8105a474d39fd, 0xc54ee66cc51184bb, 0xccc49c2378171228, 0xc80de758874d350a},
        {0xfe01eaaf82136b58, 0xb718224dca619c21, 0xc4eb6e88bfc900d3, 0x57fc3166714e60d3},
        {0x8da533f4ce64c0b5, 0x92c177f66e7afd86, 0xd43a088335f7723e, 0x98a74bdf8d3e0c84},
        {0x9a606c13c6bd2f4d, 0x7ab61c6e48d3c456, 0xa734f4e6c022c305, 0xd7026f188ba9b8a7},
        {0x95fc9c5c4924de0a, 0x8aae9949c8bb4782, 0x83fea7d9b7b34a16, 0xa885f18b3a51a689},
        {0x1daba99f129833c9, 0x4f2e5ea2cd12ba3a, 0xa0a1fcbb0d10f206, 0xf45026e7f821e1c4},
    },
    { // sse2
        {0xff620489f34329ce, 0x89b6c642944f04aa, 0x6e74e943c584aae4, 0x9a57a81036f0cdc3},
        {0x34d8105a474d39fd, 0xc54ee66cc51184bb, 0xccc49c2378171228, 0xc80de758874d350a},
        {0x5c6bb9e89863291f, 0x83a72a494b093e80, 0xf213b10b7a9d2046, 0x52ddc008298acea6},
        {0x8da533f4ce64c0b5, 0x92c177f66e7afd86, 0xd43a088335f7723e, 0x4beb7dd4f5e6e194},
        {0x9a606c13c6bd2f4d, 0x7ab61c6e48d3c456, 0x7e0a66711d078d06, 0xcd17590d6e42d8f4},
        {0x09572f47914725b9, 0x71851643eef8fab7, 0x279fd562d56d105b, 0xa885f18b3a51a689},
        {0x043f395e7c880232, 0x6a66742e1cc8a4e9, 0x2a2b50e73ed5b4cb, 0xb4284cc1cac52b5c},
    },
    { // scalar on x86-64
        {0xff620489f34329ce, 0x89b6c642944f04aa, 0x6e74e943c584aae4, 0x9a57a81036f0cdc3},
        {0x34d8105a474d39fd, 0xc54ee66cc51184bb, 0xccc49c2378171228, 0xc80de758874d350a},
        {0x5c6bb9e89863291f, 0x83a72a494b093e80, 0xf213b10b7a9d2046, 0x52ddc008298acea6},
        {0x8da533f4ce64c0b5, 0x92c177f66e7afd86, 0xd43a088335f7723e, 0x4beb7dd4f5e6e194},
        {0x9a606c13c6bd2f4d, 0x7ab61c6e48d3c456, 0x7e0a66711d078d06, 0xcd17590d6e42d8f4},
        {0x09572f47914725b9, 0x71851643eef8fab7, 0x279fd562d56d105b, 0xa885f18b3a51a689},
        {0x043f395e7c880232, 0x6a66742e1cc8a4e9, 0x2a2b50e73ed5b4cb, 0xb4284cc1cac52b5c},
    },
    { // scalar on aarch64
        {0xff620489f34329ce, 0x89b6c642944f04aa, 0x6e74e943c584aae4, 0x9a57a81036f0cdc3},
        {0x34d8105a474d39fd, 0xc54ee66cc51184bb, 0xccc49c2378171228, 0xc80de758874d350a},
        {0x5c6bb9e89863291f, 0x83a72a494b093e80, 0xf213b10b7a9d2046, 0x52ddc008298acea6},
        {0x8da533f4ce64c0b5, 0x92c177f66e7afd86, 0xd43a088335f7723e, 0x4beb7dd4f5e6e194},
        {0x9a606c13c6bd2f4d, 0x7ab61c6e48d3c456, 0x7e0a66711d078d06, 0xcd17590d6e42d8f4},
        {0x09572f47914725b9, 0x71851643eef8fab7, 0x279fd562d56d105b, 0xa885f18b3a51a689},
        {0x043f395e7c880232, 0x6a66742e1cc8a4e9, 0x2a2b50e73ed5b4cb, 0xb4284cc1cac52b5c},
    },
};
// clang-format on

} // namespace softlane
