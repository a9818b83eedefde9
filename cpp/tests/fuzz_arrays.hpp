// Arrays of a hostile call: where their elements lie, and buffers of exactly their size.
#pragma once
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

// What is left of an array's values where dimensions are broadcast.
std::vector<std::uint64_t> broadcast(const Shape &shape, const Place &place, std::size_t size,
                                     const std::vector<std::uint64_t> &bits);

// One element of `size` bytes.
void store(char *at, std::uint64_t bits, std::size_t size, bool swapped);
std::uint64_t load(const char *at, std::size_t size, bool swapped);

} // namespace softlane
