// A call of the core that is made from hostile bytes: shape, axes, element types, layouts, values,
// options. All that bind/ may pass on, and nothing that it refuses.
#pragma once
#include "core/trial.hpp"
#include "tests/fuzz_arrays.hpp"

namespace softlane {

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

// Numbers as bits of a type.
std::vector<std::uint64_t> bits_of(DType dtype, const std::vector<double> &values);

} // namespace softlane
