// Written by tests/self_test_hashes.py: what core/self_test.hpp has to give, of each
// family of levels that promise the same bits, op and dtype (in the order of
// core/types.hpp).
#pragma once
#include "core/types.hpp"

namespace softlane {

// clang-format off
constexpr std::uint64_t self_test_hashes[4][op_count][dtype_count] = {
    { // avx512, avx2, neon
        {0x988c83884d5fab11, 0xf1b96c640e791e39, 0x8589d4ea9a7b6daf, 0x57da969bfe8abe81},
        {0x2e97f3bacc6028be, 0xe8170640ef13782e, 0x135210dd59f1faae, 0x71d5668f109a6fa8},
        {0x7b0f807faddb35f9, 0x0706b09350821f26, 0x311380642eb64694, 0xab96af4036f9dfb8},
        {0xb7a11d9f1be6c3c5, 0x3394d32e02cec7da, 0x7014ff6030f60e50, 0x5432046b244c7c0a},
        {0xfd323ce0e556353f, 0x6e94550fe77379e9, 0x69de001fda2b5103, 0xa310109a05d7ba20},
        {0x5967cc5a41f9d2c0, 0x1fdba38dde0cf36c, 0xf40e5227fbfe0064, 0x0d2b64ee498e83e5},
        {0xac561fc9e362d314, 0x5fb51bfc284314c1, 0x16e8cdb45e094996, 0xbe475d37cfaa72dd},
    },
    { // sse2
        {0x988c83884d5fab11, 0xf1b96c640e791e39, 0x615b96ac2e479035, 0x3be3c68f8983b1d3},
        {0x2e97f3bacc6028be, 0xe8170640ef13782e, 0xcb3654bc37f1aa82, 0x71d5668f109a6fa8},
        {0x323031f176d24a48, 0x492e9eddfbb20b35, 0x8c30e7112589a127, 0x5f9089b3eec8607a},
        {0xb7a11d9f1be6c3c5, 0x3394d32e02cec7da, 0x7014ff6030f60e50, 0x807fde7480384635},
        {0xfd323ce0e556353f, 0x6e94550fe77379e9, 0x3b3e0f290cdf9229, 0x5f7947698b6b6395},
        {0x9c2a1b6c20f8ce71, 0x1209f1fcb0496149, 0xdfa0a0be2c8db87d, 0x0d2b64ee498e83e5},
        {0x5c19fb0e2e4d557b, 0xa1717be878cb7d75, 0x62f8974d09d1e25d, 0x6ea64c0820af083a},
    },
    { // scalar on x86-64
        {0x988c83884d5fab11, 0xf1b96c640e791e39, 0x615b96ac2e479035, 0x3be3c68f8983b1d3},
        {0x2e97f3bacc6028be, 0xe8170640ef13782e, 0xcb3654bc37f1aa82, 0x71d5668f109a6fa8},
        {0x323031f176d24a48, 0x492e9eddfbb20b35, 0x8c30e7112589a127, 0x5f9089b3eec8607a},
        {0xb7a11d9f1be6c3c5, 0x3394d32e02cec7da, 0x7014ff6030f60e50, 0x807fde7480384635},
        {0xfd323ce0e556353f, 0x6e94550fe77379e9, 0x3b3e0f290cdf9229, 0x5f7947698b6b6395},
        {0x9c2a1b6c20f8ce71, 0x1209f1fcb0496149, 0xdfa0a0be2c8db87d, 0x0d2b64ee498e83e5},
        {0x5c19fb0e2e4d557b, 0xa1717be878cb7d75, 0x62f8974d09d1e25d, 0x6ea64c0820af083a},
    },
    { // scalar on aarch64
        {0x988c83884d5fab11, 0xf1b96c640e791e39, 0x615b96ac2e479035, 0x3be3c68f8983b1d3},
        {0x2e97f3bacc6028be, 0xe8170640ef13782e, 0xcb3654bc37f1aa82, 0x71d5668f109a6fa8},
        {0x323031f176d24a48, 0x492e9eddfbb20b35, 0x8c30e7112589a127, 0x5f9089b3eec8607a},
        {0xb7a11d9f1be6c3c5, 0x3394d32e02cec7da, 0x7014ff6030f60e50, 0x807fde7480384635},
        {0xfd323ce0e556353f, 0x6e94550fe77379e9, 0x3b3e0f290cdf9229, 0x5f7947698b6b6395},
        {0x9c2a1b6c20f8ce71, 0x1209f1fcb0496149, 0xdfa0a0be2c8db87d, 0x0d2b64ee498e83e5},
        {0x5c19fb0e2e4d557b, 0xa1717be878cb7d75, 0x62f8974d09d1e25d, 0x6ea64c0820af083a},
    },
};
// clang-format on

} // namespace softlane
