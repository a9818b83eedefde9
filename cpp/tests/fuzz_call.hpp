// A call of the core that is made from hostile bytes: shape, axes, element types, layouts, values,
// options. All that bind/ may pass on, and nothing that it refuses.
#pragma once
#include "core/trial.hpp"
#include "tests/fuzz.hpp"

namespace softlane {

constexpr int most_fuzz_dims = 4;
constexpr char fill = '\xa5'; // of bytes that belong to no element

struct Shape {
    int dims = 0;
    std::size_t extent[most_fuzz_dims];
    bool is_axis[most_fuzz_dims];
    std::size_t rows = 1, length = 1;
};

// Where the elements of an array of some shape lie: in a buffer of exactly `bytes`, of any
// alignment, any strides, none of them overlapping but for broadcast dimensions.
struct Place {
    std::size_t bytes = 0;
    std::ptrdiff_t first = 0; // of the element whose index is 0
    std::ptrdiff_t stride[most_fuzz_dims] = {};

    // Of all indices of the dimensions that are axes (or are not), in C order.
    std::vector<std::ptrdiff_t> offsets(const Shape &shape, bool axes) const;
};

Place place(FuzzedDataProvider &data, const Shape &shape, std::size_t item, bool may_broadcast);

// The elements of a stream, row after row, as their bits.
struct Elements {
    DType dtype{};
    bool swapped = false;
    std::vector<std::uint64_t> bits;
    Place place;
    bool used() const { return !bits.empty(); }
    std::size_t size() const { return dtype_size[static_cast<int>(dtype)]; }
};

struct Call {
    explicit Call(FuzzedDataProvider &data);

    TrialOp of;
    Shape shape;
    Elements x, other;
    bool writes;
    int y_is = -1; // x_stream, other_stream: in place; or -1
    DType y_dtype{};
    bool y_swapped = false;
    Place y_place;
    std::vector<char> where; // row after row; empty: none
    Place where_place;
    std::vector<double> row_temperature, temperature; // of each row; as they lie
    Place temperature_place;                          // in elements
    std::vector<std::int64_t> labels;
    std::vector<double> weight;
    LossOptions loss{};
    bool wide = false, extra = false;
    // What a plan may also say, of larger arrays.
    bool stream, no_scratch;
    std::size_t tile_rows, cut;
    std::size_t alone; // row

    bool keep_subnormals(std::size_t first_row, std::size_t end_row) const;
};

// What comes out: the bits of y, row after row; of each row its numbers.
struct Outcome {
    std::vector<std::uint64_t> y;
    std::vector<double> results, extra;
};

// An array's buffer and the offsets of its elements.
struct Stored {
    Place place;
    std::size_t size;
    bool swapped;
    std::vector<std::ptrdiff_t> rows, elements;
    std::vector<char> bytes;

    Stored(const Shape &shape, const Place &in, std::size_t element_size, bool swap)
        : place(in), size(element_size), swapped(swap), rows(in.offsets(shape, false)),
          elements(in.offsets(shape, true)), bytes(in.bytes, fill) {}
    char *data() { return bytes.data() + place.first; }
    void put(const std::vector<std::uint64_t> &bits);
    void get(std::vector<std::uint64_t> &bits) const;
};

// The call as it is given, for one level after another.
class Stage {
public:
    explicit Stage(const Call &call);
    const Outcome &run(const KernelTable &table);

private:
    const Call &call;
    Stored x, other, own_y, where;
    Stored &y;
    std::vector<char> x_before, other_before, y_before;
    std::vector<std::uint64_t> y_elements;
    Outcome outcome;
    Plan plan;
    Workspace workspace;
};

// One of its rows, contiguous, in native byte order, without a mask.
Outcome run_alone(const Call &call, const KernelTable &table, std::size_t row);

// The bits of what is written for a masked element, of y's type.
std::uint64_t masked_bits(const Call &call);

} // namespace softlane
