// Moving blocks of elements between strided arrays and packed tiles; any alignment, either byte
// order.
#pragma once
#include <cstddef>
#include <cstdint>

namespace softlane {

// A rows x columns block: where element (0, 0) is, and the strides in bytes.
struct Block {
    char *data;
    std::ptrdiff_t row, column;
};
struct ConstBlock {
    const char *data;
    std::ptrdiff_t row, column;
};
inline ConstBlock read_only(Block b) { return {b.data, b.row, b.column}; }

// to = from, element by element of element_size bytes (1, 2, 4 or 8), at least one, each
// byte-swapped if asked.
void move_block(Block to, ConstBlock from, std::size_t rows, std::size_t columns,
                std::size_t element_size, bool swap) noexcept;

// to = from, but for elements whose byte in `where` is 0: these are the element whose bits are
// `bits`. `from` may be `to` itself.
void mask_block(Block to, ConstBlock from, ConstBlock where, std::size_t rows, std::size_t columns,
                std::size_t element_size, std::uint64_t bits) noexcept;

} // namespace softlane
