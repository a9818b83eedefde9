// What an instruction-set level offers, and the only header that ordinary C++ (core/, bind/) and
// kernel code (isa/, rows/) both include. Kernels allocate nothing, throw nothing, and touch only
// the rows they were given.
#pragma once
#include "core/types.hpp"

namespace softlane {

// A batch of rows whose elements lie next to each other; any alignment.
struct Rows {
    const void *x;
    void *y; // may be x itself; otherwise must not overlap x
    std::size_t count;
    std::size_t length; // elements in a row, at least 1
    std::ptrdiff_t x_row_stride_bytes;
    std::ptrdiff_t y_row_stride_bytes;
    const double *temperature;         // finite and > 0; one for each row, or
    std::ptrdiff_t temperature_stride; // (elements) 0: one for all
    float *scratch;                    // f16 and bf16 only: room for 2 * `length` floats
};

using RowsFn = void (*)(const Rows &) noexcept;

// n elements from one stored type to another; a narrowing rounds to nearest even.
using ConvertFn = void (*)(const void *from, void *to, std::size_t n) noexcept;

// What rows/exp.hpp says of its kernel for one compute type.
struct ExpKernelFacts {
    double scale, scale_low; // the constant factor of every exponential, in two limbs
    int bias;
    int clamp_bits;
    double limit;
    int table_size;
    int degree;
    double bound_ulp;
    double worst_input;
};

// The exponential by itself, for the sweeps: scale * exp(x - subtract) * 2^(bias - shift).
struct ExpFns {
    void (*f32)(const float *x, float *e, std::size_t n, int shift, float subtract) noexcept;
    void (*f64)(const double *x, double *e, std::size_t n, int shift, double subtract) noexcept;
    ExpKernelFacts f32_facts;
    ExpKernelFacts f64_facts;
};

// One function of the vector layer on one whole vector, for its tests. `count` is used by the
// partial loads and stores.
enum class VecFn : std::uint8_t {
    add,
    sub,
    mul,
    mul_add,     // a * b + c
    max,         // a > b ? a : b
    min,         // a < b ? a : b
    sub_product, // a - b * (c[0] + c[1])
    scaled,      // a * (b[0] + c[0])
    lowered,     // a * 2^-100 (2^-200)
    reduce_max,  // in every element
    load_part,   // count elements of a, then b[0]
    store_part,  // count elements of a written over b
};
constexpr int vec_fn_count = 12;
constexpr const char *vec_fn_name[vec_fn_count] = {
    "add",         "sub",    "mul",     "mul_add",    "max",       "min",
    "sub_product", "scaled", "lowered", "reduce_max", "load_part", "store_part"};

struct VecFns {
    void (*f32)(VecFn, const float *a, const float *b, const float *c, std::size_t count,
                float *y) noexcept;
    void (*f64)(VecFn, const double *a, const double *b, const double *c, std::size_t count,
                double *y) noexcept;
};
// Virtual lanes, the same on every level: the bits of a sum depend on them.
constexpr std::size_t lanes_f32 = 16;
constexpr std::size_t lanes_f64 = 8;

struct KernelTable {
    const char *isa;
    RowsFn rows[op_count][dtype_count];
    ConvertFn convert[dtype_count][dtype_count]; // [from][to]
    ExpFns exp;
    VecFns vec;
};

} // namespace softlane
