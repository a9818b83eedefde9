// The vocabulary of every layer: operations, stored element types. No functions here:
// instruction-set files include it.
#pragma once
#include <cstddef>
#include <cstdint>

namespace softlane {

enum class Op : std::uint8_t {
    softmax,
    log_softmax,
    logsumexp,
    softmax_backward,
    log_softmax_backward,
    cross_entropy,
    cross_entropy_with_grad,
};
constexpr int op_count = 7;

// In memory; f16 and bf16 compute in f32.
enum class DType : std::uint8_t { f16, bf16, f32, f64 };
constexpr int dtype_count = 4;
constexpr std::size_t dtype_size[dtype_count] = {2, 2, 4, 8};

// IEEE 754 binary16 and the upper half of a binary32, as stored.
struct half {
    std::uint16_t bits;
};
struct bfloat16 {
    std::uint16_t bits;
};

} // namespace softlane
