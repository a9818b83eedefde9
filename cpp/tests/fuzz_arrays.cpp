#include "tests/fuzz_arrays.hpp"

#include <algorithm>
#include <utility>

namespace softlane {

void store(char *at, std::uint64_t bits, std::size_t size, bool swapped) {
    std::memcpy(at, &bits, size); // little-endian
    if (swapped)
        std::reverse(at, at + size);
}
std::uint64_t load(const char *at, std::size_t size, bool swapped) {
    char bytes[8] = {};
    std::memcpy(bytes, at, size);
    if (swapped)
        std::reverse(bytes, bytes + size);
    std::uint64_t bits;
    std::memcpy(&bits, bytes, 8);
    return bits;
}

std::vector<std::ptrdiff_t> Place::offsets(const Shape &shape, bool axes) const {
    std::vector<std::ptrdiff_t> found{0};
    for (int d = 0; d < shape.dims; ++d) {
        if (shape.is_axis[d] != axes)
            continue;
        std::vector<std::ptrdiff_t> finer;
        finer.reserve(found.size() * shape.extent[d]);
        for (const std::ptrdiff_t offset : found)
            for (std::size_t i = 0; i < shape.extent[d]; ++i)
                finer.push_back(offset + static_cast<std::ptrdiff_t>(i) * stride[d]);
        found = std::move(finer);
    }
    return found;
}

Place place(FuzzedDataProvider &data, const Shape &shape, std::size_t item, bool may_broadcast) {
    enum { c_order, fortran_order, c_with_gaps, any_order };
    Place made;
    const int style = data.ConsumeIntegralInRange(0, 3);
    int order[most_fuzz_dims]; // the dimension that lies innermost first
    for (int d = 0; d < shape.dims; ++d)
        order[d] = style == fortran_order ? d : shape.dims - 1 - d;
    if (style == any_order)
        for (int d = shape.dims - 1; d > 0; --d)
            std::swap(order[d], order[data.ConsumeIntegralInRange(0, d)]);
    std::size_t reach = item;
    for (int i = 0; i < shape.dims; ++i) {
        const std::size_t extent = shape.extent[order[i]];
        std::ptrdiff_t &stride = made.stride[order[i]];
        const unsigned how = style < c_with_gaps ? 0 : data.ConsumeIntegral<std::uint8_t>();
        if (extent <= 1) // means nothing
            stride = how % 2 ? data.ConsumeIntegral<std::ptrdiff_t>() : 0;
        if (extent <= 1 || (may_broadcast && how % 8 == 7))
            continue;
        const std::size_t gaps[] = {0, 1, item, 3};
        const std::size_t step = reach + gaps[how / 8 % 4];
        stride = static_cast<std::ptrdiff_t>(step);
        if (how / 64 % 2) { // backwards
            made.first += static_cast<std::ptrdiff_t>(step * (extent - 1));
            stride = -stride;
        }
        reach += step * (extent - 1);
    }
    const std::size_t lead = style == any_order ? data.ConsumeIntegralInRange(0, 15) : 0;
    made.first += static_cast<std::ptrdiff_t>(lead);
    made.bytes = reach + lead;
    return made;
}

void Stored::put(const std::vector<std::uint64_t> &bits) {
    auto from = bits.begin();
    for (const std::ptrdiff_t row : rows)
        for (const std::ptrdiff_t element : elements)
            store(data() + row + element, *from++, size, swapped);
}

void Stored::get(std::vector<std::uint64_t> &bits) const {
    bits.resize(rows.size() * elements.size());
    auto to = bits.begin();
    for (const std::ptrdiff_t row : rows)
        for (const std::ptrdiff_t element : elements)
            *to++ = load(bytes.data() + place.first + row + element, size, swapped);
}

std::vector<std::uint64_t> broadcast(const Shape &shape, const Place &place, std::size_t size,
                                     const std::vector<std::uint64_t> &bits) {
    Stored stored(shape, place, size, false);
    stored.put(bits);
    std::vector<std::uint64_t> left;
    stored.get(left);
    return left;
}

} // namespace softlane
