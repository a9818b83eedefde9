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
        {0x06030fd79acdc601, 0xfe9f704d311b01fc, 0xd20b1511cd7d1d00, 0xb9f3ea81c112a8ce},
        {0x7d8c39e9bfc10a65, 0xb9c27613c32e231e, 0x0b863c1bd0a1da94, 0xcd0e4a967c45c02c},
    },
    { // sse2
        {0xff620489f34329ce, 0x89b6c642944f04aa, 0x6e74e943c584aae4, 0x9a57a81036f0cdc3},
        {0x34d8105a474d39fd, 0xc54ee66cc51184bb, 0xccc49c2378171228, 0xc80de758874d350a},
        {0x5c6bb9e89863291f, 0x83a72a494b093e80, 0xf213b10b7a9d2046, 0x52ddc008298acea6},
        {0x8da533f4ce64c0b5, 0x92c177f66e7afd86, 0xd43a088335f7723e, 0x4beb7dd4f5e6e194},
        {0x9a606c13c6bd2f4d, 0x7ab61c6e48d3c456, 0x7e0a66711d078d06, 0xcd17590d6e42d8f4},
        {0xb4257fe98d516e57, 0xa1e9018dbd6bb6d3, 0xd5b7cb864df7826b, 0x5ef12c9ecc2611cd},
        {0x57f9e4220ae75811, 0x325c5159995855a0, 0x2e7b8febabe38e26, 0xc8ddb29aec0deb04},
    },
    { // scalar on x86-64
        {0xff620489f34329ce, 0x89b6c642944f04aa, 0x6e74e943c584aae4, 0x9a57a81036f0cdc3},
        {0x34d8105a474d39fd, 0xc54ee66cc51184bb, 0xccc49c2378171228, 0xc80de758874d350a},
        {0x5c6bb9e89863291f, 0x83a72a494b093e80, 0xf213b10b7a9d2046, 0x52ddc008298acea6},
        {0x8da533f4ce64c0b5, 0x92c177f66e7afd86, 0xd43a088335f7723e, 0x4beb7dd4f5e6e194},
        {0x9a606c13c6bd2f4d, 0x7ab61c6e48d3c456, 0x7e0a66711d078d06, 0xcd17590d6e42d8f4},
        {0xb4257fe98d516e57, 0xa1e9018dbd6bb6d3, 0xd5b7cb864df7826b, 0x5ef12c9ecc2611cd},
        {0x57f9e4220ae75811, 0x325c5159995855a0, 0x2e7b8febabe38e26, 0xc8ddb29aec0deb04},
    },
    { // scalar on aarch64
        {0xff620489f34329ce, 0x89b6c642944f04aa, 0x6e74e943c584aae4, 0x9a57a81036f0cdc3},
        {0x34d8105a474d39fd, 0xc54ee66cc51184bb, 0xccc49c2378171228, 0xc80de758874d350a},
        {0x5c6bb9e89863291f, 0x83a72a494b093e80, 0xf213b10b7a9d2046, 0x52ddc008298acea6},
        {0x8da533f4ce64c0b5, 0x92c177f66e7afd86, 0xd43a088335f7723e, 0x4beb7dd4f5e6e194},
        {0x9a606c13c6bd2f4d, 0x7ab61c6e48d3c456, 0x7e0a66711d078d06, 0xcd17590d6e42d8f4},
        {0xb4257fe98d516e57, 0xa1e9018dbd6bb6d3, 0xd5b7cb864df7826b, 0x5ef12c9ecc2611cd},
        {0x57f9e4220ae75811, 0x325c5159995855a0, 0x2e7b8febabe38e26, 0xc8ddb29aec0deb04},
    },
};
// clang-format on

} // namespace softlane
