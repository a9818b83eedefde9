#include "core/tile.hpp"

#include <cstdlib>
#include <cstring>
#include <utility>

namespace softlane {

namespace {

std::uint16_t swapped(std::uint16_t v) { return __builtin_bswap16(v); }
std::uint32_t swapped(std::uint32_t v) { return __builtin_bswap32(v); }
std::uint64_t swapped(std::uint64_t v) { return __builtin_bswap64(v); }

template <class Word, bool swap>
void move_words(Block to, ConstBlock from, std::size_t rows, std::size_t columns) {
    for (std::size_t i = 0; i < rows; ++i) {
        const char *source = from.data + static_cast<std::ptrdiff_t>(i) * from.row;
        char *target = to.data + static_cast<std::ptrdiff_t>(i) * to.row;
        for (std::size_t j = 0; j < columns; ++j) {
            Word word;
            std::memcpy(&word, source, sizeof word);
            if constexpr (swap)
                word = swapped(word);
            std::memcpy(target, &word, sizeof word);
            source += from.column;
            target += to.column;
        }
    }
}

template <class Word>
void move_words(Block to, ConstBlock from, std::size_t rows, std::size_t columns, bool swap) {
    swap ? move_words<Word, true>(to, from, rows, columns)
         : move_words<Word, false>(to, from, rows, columns);
}

template <class Word>
void mask_words(Block to, ConstBlock where, std::size_t rows, std::size_t columns, Word bits) {
    for (std::size_t i = 0; i < rows; ++i)
        for (std::size_t j = 0; j < columns; ++j) {
            const auto r = static_cast<std::ptrdiff_t>(i), c = static_cast<std::ptrdiff_t>(j);
            if (where.data[r * where.row + c * where.column] == 0)
                std::memcpy(to.data + r * to.row + c * to.column, &bits, sizeof bits);
        }
}

} // namespace

void move_block(Block to, ConstBlock from, std::size_t rows, std::size_t columns,
                std::size_t element_size, bool swap) noexcept {
    // The inner loop goes along the direction in which neither side jumps far.
    if (std::abs(from.row) + std::abs(to.row) < std::abs(from.column) + std::abs(to.column)) {
        std::swap(rows, columns);
        std::swap(from.row, from.column);
        std::swap(to.row, to.column);
    }
    switch (element_size) {
    case 2:
        return move_words<std::uint16_t>(to, from, rows, columns, swap);
    case 4:
        return move_words<std::uint32_t>(to, from, rows, columns, swap);
    default:
        return move_words<std::uint64_t>(to, from, rows, columns, swap);
    }
}

void mask_block(Block to, ConstBlock where, std::size_t rows, std::size_t columns,
                std::size_t element_size, std::uint64_t bits) noexcept {
    switch (element_size) {
    case 2:
        return mask_words(to, where, rows, columns, static_cast<std::uint16_t>(bits));
    case 4:
        return mask_words(to, where, rows, columns, static_cast<std::uint32_t>(bits));
    default:
        return mask_words(to, where, rows, columns, bits);
    }
}

} // namespace softlane
