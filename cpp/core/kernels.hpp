// What an instruction-set level offers, and the only header that ordinary C++ (core/, bind/) and
// kernel code (isa/, rows/) both include. Kernels allocate nothing, throw nothing, and touch only
// the rows they were given.
#pragma once
#include "core/types.hpp"

namespace softlane {

// How the rows of a loss are scored.
struct LossOptions {
    const double *weight; // of each class; null: 1. Never null with probabilities or smoothing
    double smoothing;     // in [0, 1]
    double z_loss;        // coefficient of logsumexp^2
    double divisor, divisor_low; // two limbs: what the gradient of the loss is divided by,
    double z_divisor;            // and that of the z-loss
};

// What softmax knows of a part of a long row, or of such a part in one lane of a panel.
struct Part {
    double sum, sum_low;  // of its exponentials; once all parts are joined: what those are
    int lift;             // multiplied with, times 2^lift
    double shift, origin; // how they were made
    double max;
    bool shallow;
    enum class Holds : unsigned char { numbers, nothing, irregular } holds; // nothing: but -inf
};

// A batch of rows whose elements lie next to each other; any alignment. What an op does not use is
// null.
struct Rows {
    const void *x;     // softmax_backward: the probabilities; log_softmax_backward: their logs
    const void *other; // the gradient; the factors b of logsumexp; target probabilities
    void *y;           // may be x itself, or other in a *_backward; else must not overlap them
    std::size_t count;
    std::size_t length; // elements in a row, at least 1
    std::ptrdiff_t x_row_stride_bytes, other_row_stride_bytes, y_row_stride_bytes;
    const double *temperature;         // finite and > 0; one for each row, or
    std::ptrdiff_t temperature_stride; // (elements) 0: one for all
    const std::int64_t *labels;        // checked; -1: the row is ignored
    double *results;                   // of a row: its loss, its logsumexp
    double *extra;                     // of a row: its z-loss, the sign of its sum; or null
    std::ptrdiff_t row_stride;         // (elements) of labels, results and extra
    const LossOptions *loss;
    const unsigned char *where; // masks x, a byte for each element, 0: takes no part; or null
    std::ptrdiff_t where_row_stride_bytes;
    double masked; // what such elements of y become
    // panels: between the elements of a row
    std::ptrdiff_t x_stride_bytes, other_stride_bytes, y_stride_bytes;
    void *scratch; // panels: panel_scratch_bytes(), aligned to 64; or null: y serves; long rows in
                   // panels: a Part for each part and lane; masked rows:
                   // masked_scratch_bytes(); others whose results go past the caches:
                   // streamed_scratch_bytes(), or null
    bool stream;   // y is larger than the caches, and not x: its lines need not stay in them
    bool distant;  // x is large: what is read comes from memory and should be asked for early
    bool distant_results; // and so do the lines of y, where these go through the caches
    bool half;            // words: x and y are float16, else bfloat16
    Part *parts;          // not null: these rows are parts of one, of which each is only reduced
};

using RowsFn = void (*)(const Rows &) noexcept;

// Up to this length rows are worked on in company: some at a time. (Longer ones too, where
// `scratch` keeps their exponentials.)
constexpr std::size_t longest_in_company = 16384;
// Softmax has rows longer than this in parts, each reduced as a row by itself; then they are
// joined, and written. The bits depend on a part's length. It is odd in units of 256: no part is at
// the same place in its pages as the one two further on, which is read while it is written.
constexpr std::size_t longest_at_once = std::size_t{1} << 17;
constexpr std::size_t least_part = 8448, most_parts = 1024;
static constexpr std::size_t part_length(std::size_t length) {
    const std::size_t least = (length + most_parts - 1) / most_parts;
    return least <= least_part ? least_part : (least + 255) / 512 * 512 + 256;
}
static constexpr std::size_t part_count(std::size_t length) {
    const std::size_t part = part_length(length);
    return (length + part - 1) / part;
}
// Float rows up to these lengths, and double rows of half as many elements, have their factors, or
// logarithms, with gradients or without, computed for a group of rows at a time, of no more than so
// many. (Softmax has most rows above 200 elements one by one: rows/steady_rows.hpp.)
constexpr std::size_t longest_softmax_in_group = 400;
constexpr std::size_t longest_in_group = 4096, longest_gradient_in_group = 1024;
constexpr std::size_t longest_backward_in_group = 128; // floats or doubles
constexpr std::size_t group_rows = 16;
// Exponentials of 16-bit rows that are longer than `longest_kept_words` go to `scratch`, which has
// room for words_scratch_bytes(length), aligned to 64.
constexpr std::size_t longest_kept_words = 2048;
static constexpr std::size_t scratch_pitch(std::size_t length) {
    return (length + 15) / 16 * 16 + 336;
}
static constexpr std::size_t words_scratch_bytes(std::size_t length) {
    const std::size_t rows = length <= longest_kept_words   ? 0
                             : length <= longest_in_company ? 4
                                                            : 1;
    return rows * scratch_pitch(length) * sizeof(float);
}
// Exponentials of other rows are kept in the first-level cache, up to so many bytes.
constexpr std::size_t kept_bytes = longest_kept_words * sizeof(float);
// Masked rows are copied to `scratch`, as many as are worked on at a time, but where softmax keeps
// exponentials in the first-level cache. Elements of `size` bytes.
static constexpr std::size_t masked_scratch_bytes(Op op, std::size_t length, std::size_t size) {
    const bool are_kept = op == Op::softmax && length * size <= kept_bytes;
    const std::size_t rows = are_kept ? 0 : length <= longest_in_company ? 4 : 1;
    return rows * scratch_pitch(length) * size;
}

// Where results go past the caches, exponentials of longer rows than the kernels have room for are
// kept in `scratch`: two rows of them, half a page apart in their pages, as a load waits for a
// store that is whole pages off. Without scratch they are computed twice, or kept in the results.
template <class C> static constexpr std::size_t streamed_pitch(std::size_t length) {
    return ((length * sizeof(C) + 2047) / 4096 * 4096 + 2048) / sizeof(C);
}
static constexpr std::size_t streamed_scratch_bytes(std::size_t length, std::size_t size) {
    return 2 * (size == 8 ? streamed_pitch<double>(length) : streamed_pitch<float>(length)) * size;
}

// Softmax of one long row, a batch of one, on several threads: its parts from `begin` up to `end`,
// all of which are reduced before they are joined, and joined before any is written.
struct PartsFns {
    void (*reduce)(const Rows &row, Part *parts, std::size_t begin, std::size_t end) noexcept;
    void (*join)(const Rows &row, Part *parts) noexcept;
    void (*write)(const Rows &row, Part *parts, std::size_t begin, std::size_t end) noexcept;
};

// The same of rows that lie side by side, their elements apart: false, and nothing is
// written, where the rows' temperature is one that it does not serve.
using PanelsFn = bool (*)(const Rows &) noexcept;

// n elements from one stored type to another; a narrowing rounds to nearest even.
using ConvertFn = void (*)(const void *from, void *to, std::size_t n) noexcept;

// n elements, but where a byte of `where` is 0: these are `masked`. `to` may be `from`.
using MaskFn = void (*)(const void *from, void *to, const void *where, std::size_t n,
                        double masked) noexcept;

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

// The scalar functions of rows/log.hpp by themselves, for the sweeps: log1p(w), exp(z), as
// unevaluated sums. [0]: as float rows use them; [1]: double rows.
struct LogFns {
    void (*log1p[2])(const double *w, double *high, double *low, std::size_t n) noexcept;
    void (*exp[2])(const double *z, double *high, double *low, std::size_t n) noexcept;
    double log1p_bound[2], exp_bound[2]; // relative, in units of 2^-24 (floats), 2^-53 (doubles)
};

// One function of the vector layer on one whole vector, for its tests. `count` is used by the
// partial loads and stores.
enum class VecFn : std::uint8_t {
    add,
    sub,
    mul,
    div,
    mul_add,            // a * b + c
    max,                // a > b ? a : b
    min,                // a < b ? a : b
    sub_product,        // a - b * (c[0] + c[1])
    scaled,             // a * (b[0] + c[0])
    lowered,            // a * 2^-100 (2^-200)
    product_rest,       // a * b - (a * b, rounded)
    zero_where_at_most, // b <= c ? 0 : a
    choose,             // a <= b ? c : a
    kept,               // a byte of c != 0 ? a : b, for each lane one of c's first bytes
    reduce_max,         // of a, in every element
    reduce_add,         // of a, as doubles, in every element
    reduce_second,      // the second largest of all elements of a and b, in every element
    load_part,          // count elements of a, then b[0]
    store_part,         // count elements of a written over b
};
constexpr const char *vec_fn_name[] = {
    "add",       "sub",         "mul",        "div",        "mul_add",       "max",
    "min",       "sub_product", "scaled",     "lowered",    "product_rest",  "zero_where_at_most",
    "choose",    "kept",        "reduce_max", "reduce_add", "reduce_second", "load_part",
    "store_part"};
constexpr int vec_fn_count = sizeof vec_fn_name / sizeof *vec_fn_name;
struct VecFns {
    void (*f32)(VecFn, const float *a, const float *b, const float *c, std::size_t count,
                float *y) noexcept;
    void (*f64)(VecFn, const double *a, const double *b, const double *c, std::size_t count,
                double *y) noexcept;
};

// Virtual lanes, the same on every level: the bits of a sum depend on them.
constexpr std::size_t lanes_f32 = 16;
constexpr std::size_t lanes_f64 = 8;

// An element of as many rows as a panel has at most.
constexpr std::size_t panel_bytes = 256;
// Two panels, whose elements are a line apart from each other and from those of the other.
static constexpr std::size_t panel_scratch_bytes(std::size_t length) {
    return 2 * length * (panel_bytes + 64) + 4096;
}

struct KernelTable {
    const char *isa;
    RowsFn rows[op_count][2];                    // of floats, of doubles
    RowsFn words[op_count];                      // of 16-bit elements, or null
    PartsFns parts[2], word_parts;               // of softmax; the latter may be null
    PanelsFn panels[op_count][2];                // or null
    ConvertFn convert[dtype_count][dtype_count]; // [from][to]
    MaskFn mask[2];                              // of floats, of doubles
    ExpFns exp;
    LogFns log;
    VecFns vec;
};

} // namespace softlane
