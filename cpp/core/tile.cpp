#include "core/tile.hpp"

#include <cstdlib>
#include <cstring>
#include <utility>

namespace softlane {

namespace {

// Whether the inner loop is to go along a column: both sides jump less far that way.
bool rows_are_near(const Block &to, const ConstBlock &from) {
    return std::abs(from.row) + std::abs(to.row) < std::abs(from.column) + std::abs(to.column);
}
template <class AnyBlock> void turn(AnyBlock &block) { std::swap(block.row, block.column); }

std::uint8_t swapped(std::uint8_t v) { return v; }
std::uint16_t swapped(std::uint16_t v) { return __builtin_bswap16(v); }
std::uint32_t swapped(std::uint32_t v) { return __builtin_bswap32(v); }
std::uint64_t swapped(std::uint64_t v) { return __builtin_bswap64(v); }

// Runs of the same number of bytes. Few bytes are two moves that may overlap, where a call would
// take longer.
template <std::size_t n>
void move_ends(Block to, ConstBlock from, std::size_t rows, std::size_t bytes) {
    for (; rows != 0; --rows, to.data += to.row, from.data += from.row) {
        char first[n], last[n];
        std::memcpy(first, from.data, n);
        std::memcpy(last, from.data + bytes - n, n);
        std::memcpy(to.data, first, n);
        std::memcpy(to.data + bytes - n, last, n);
    }
}
void move_runs(Block to, ConstBlock from, std::size_t rows, std::size_t bytes) {
    if (bytes > 64)
        for (; rows != 0; --rows, to.data += to.row, from.data += from.row)
            std::memcpy(to.data, from.data, bytes);
    else if (bytes > 32)
        move_ends<32>(to, from, rows, bytes);
    else if (bytes > 16)
        move_ends<16>(to, from, rows, bytes);
    else if (bytes >= 8)
        move_ends<8>(to, from, rows, bytes);
    else if (bytes >= 4)
        move_ends<4>(to, from, rows, bytes);
    else if (bytes >= 2)
        move_ends<2>(to, from, rows, bytes);
    else
        move_ends<1>(to, from, rows, bytes);
}

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
    constexpr std::ptrdiff_t size = sizeof(Word);
    if (!swap && from.column == size && to.column == size)
        return move_runs(to, from, rows, columns * sizeof(Word));
    swap ? move_words<Word, true>(to, from, rows, columns)
         : move_words<Word, false>(to, from, rows, columns);
}

// No branch for an element, which a random mask would mispredict.
template <class Word>
void mask_words(Block to, ConstBlock from, ConstBlock where, std::size_t rows, std::size_t columns,
                Word bits) {
    for (std::size_t i = 0; i < rows; ++i) {
        const auto row = static_cast<std::ptrdiff_t>(i);
        const char *source = from.data + row * from.row, *mask = where.data + row * where.row;
        char *target = to.data + row * to.row;
        for (std::size_t j = 0; j < columns; ++j) {
            Word word;
            std::memcpy(&word, source, sizeof word);
            const auto keep = static_cast<Word>(0 - static_cast<Word>(*mask != 0));
            word = static_cast<Word>((word & keep) | (bits & static_cast<Word>(~keep)));
            std::memcpy(target, &word, sizeof word);
            source += from.column;
            target += to.column;
            mask += where.column;
        }
    }
}

} // namespace

void move_block(Block to, ConstBlock from, std::size_t rows, std::size_t columns,
                std::size_t element_size, bool swap) noexcept {
    if (rows_are_near(to, from)) {
        std::swap(rows, columns);
        turn(to);
        turn(from);
    }
    switch (element_size) {
    case 1:
        return move_words<std::uint8_t>(to, from, rows, columns, swap);
    case 2:
        return move_words<std::uint16_t>(to, from, rows, columns, swap);
    case 4:
        return move_words<std::uint32_t>(to, from, rows, columns, swap);
    default:
        return move_words<std::uint64_t>(to, from, rows, columns, swap);
    }
}

void mask_block(Block to, ConstBlock from, ConstBlock where, std::size_t rows, std::size_t columns,
                std::size_t element_size, std::uint64_t bits) noexcept {
    if (rows_are_near(to, from)) {
        std::swap(rows, columns);
        turn(to);
        turn(from);
        turn(where);
    }
    switch (element_size) {
    case 2:
        return mask_words(to, from, where, rows, columns, static_cast<std::uint16_t>(bits));
    case 4:
        return mask_words(to, from, where, rows, columns, static_cast<std::uint32_t>(bits));
    default:
        return mask_words(to, from, where, rows, columns, bits);
    }
}

} // namespace softlane
