// From arrays to loops: which axis dimensions make a row, in which order the rows are visited, and
// whether the kernel can work on the arrays as they lie or needs packed tiles.
#pragma once
#include <algorithm>
#include <cstddef>

#include "core/kernels.hpp"

namespace softlane {

constexpr int max_dims = 64; // numpy 2; numpy 1 has 32

// What is walked along: arrays of elements first (strides in bytes), then a mask (bytes), then
// what each row has one of (strides in elements).
enum Stream { x_stream, other_stream, y_stream, where_stream, temperature_stream, row_stream };
constexpr int stream_count = 6;
constexpr int array_count = 3; // x, other, y

// One dimension to walk along.
struct Loop {
    std::size_t extent;
    std::ptrdiff_t stride[stream_count];
};

// A nest of loops, the outermost first. A copy takes what is there: a call on a small array would
// notice the room for more.
class Loops {
public:
    Loops() {}
    Loops(const Loops &other) { *this = other; }
    Loops &operator=(const Loops &other) {
        count_ = other.count_;
        std::copy(other.begin(), other.end(), loop_);
        return *this;
    }
    void add(const Loop &loop) { loop_[count_++] = loop; }
    void drop_from(const Loop *end) { count_ = static_cast<int>(end - loop_); }
    int count() const { return count_; }
    Loop *begin() { return loop_; }
    Loop *end() { return loop_ + count_; }
    const Loop *begin() const { return loop_; }
    const Loop *end() const { return loop_ + count_; }
    Loop &operator[](int i) { return loop_[i]; }
    const Loop &operator[](int i) const { return loop_[i]; }
    const Loop &back() const { return loop_[count_ - 1]; }

private:
    int count_ = 0;
    Loop loop_[max_dims];
};

struct Array {
    char *data = nullptr; // null: not used. x and other are only read
    DType dtype{};
    bool swapped = false; // byte order
};

// What bind/ has checked and passes on. Every pointer is valid for every index below its loop's
// extent.
struct Problem {
    Problem() {} // as an aggregate it would be cleared as a whole
    Op op{};
    Array array[array_count];
    const char *where = nullptr; // one byte each, 0: takes no part
    const double *temperature = nullptr;
    const std::int64_t *labels = nullptr; // these three: contiguous, one for each row
    double *results = nullptr;
    double *extra = nullptr;
    const LossOptions *loss = nullptr; // of a loss, and of nothing else
    bool wide = false;                 // computed in double, whatever the arrays are
    bool fresh = false;                // y's pages are not there yet, and come through the caches
    bool keep_subnormals = false;      // as operands and results of the kernel
    Loops outer;                       // each index is a row
    Loops inner; // the axis, its dimensions ascending: a row's elements in C order
};

// Whether a row has a label, or results of its own.
inline bool has_row_data(const Problem &p) { return p.labels || p.results || p.extra; }

constexpr bool is_backward(Op op) {
    return op == Op::softmax_backward || op == Op::log_softmax_backward;
}
constexpr bool is_loss(Op op) {
    return op == Op::cross_entropy || op == Op::cross_entropy_with_grad;
}

struct Plan {
    Plan() {}
    explicit Plan(const Problem &given) : problem(given) {}
    Problem problem;                 // loops sorted and joined; at least one of each kind
    std::size_t rows = 0;            // 0: nothing to do
    std::size_t length = 0;          // of a row; 0: nothing to do
    DType kernel_dtype{};            // f32 or f64: what the kernel reads and writes
    bool in_place[array_count] = {}; // the kernel works on the array itself
    bool direct = false;             // on all of them, and on the mask
    bool panels = false;             // rows lie side by side, each element's in one run
    std::size_t panel_rows = 0;      // then: rows of a tile, where they must be copied or converted
    bool rounds = false;             // where those of several rounds of the last loop go together
    std::size_t raw_bytes = 0;       // of a tile's elements in a narrower type than the kernel's
    std::size_t scratch_bytes = 0;   // and what the kernel's scratch takes; or 0: it has none
    bool lines = false;         // it could work on the arrays, but for their types and the mask
    bool words = false;         // and does, of 16 bits, if it has a kernel for such
    std::size_t tile_rows = 1;  // otherwise: rows packed at a time
    std::size_t tile_bytes = 0; // of one tile
    int tile_count = 0; // one for each array that has its own, one for what is converted by itself
    std::size_t workspace_bytes = 0; // for run(): tiles, masked rows, exponentials
    bool stream = false;             // the kernel's results go past the caches
    bool distant = false;            // its arguments come from memory
    bool distant_results = false;    // and so do lines of results that go through the caches
    bool release_gil = false;        // long enough for another thread to profit
};

Plan make_plan(const Problem &problem);

// What run() has room for where results go past the caches: exponentials of rows that the
// first-level cache does not keep; 0 of other rows.
std::size_t kept_workspace_bytes(const Plan &plan);

constexpr bool has_logarithm(Op op) {
    return op == Op::log_softmax || op == Op::logsumexp || op == Op::cross_entropy ||
           op == Op::cross_entropy_with_grad;
}
// Up to which length the kernels compute what there is one of for each row for some rows at a time,
// if they get as many.
constexpr std::size_t longest_grouped(Op op, DType dtype) {
    const bool has_gradient = op == Op::cross_entropy_with_grad;
    const std::size_t longest = has_gradient        ? longest_gradient_in_group
                                : has_logarithm(op) ? longest_in_group
                                : is_backward(op)   ? longest_backward_in_group
                                                    : longest_softmax_in_group;
    return dtype == DType::f32 || is_backward(op) ? longest : longest / 2;
}

// Elements from which a call lets other Python threads run: about 10 us of work against 0.05 us for
// releasing, but up to a switch interval (5 ms) for getting the lock back from a busy thread.
constexpr std::size_t release_gil_elements = 32768;

} // namespace softlane
