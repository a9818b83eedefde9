#include "core/row_tiles.hpp"

#include <algorithm>
#include <cstring>

#include "core/tile.hpp"

namespace softlane {

namespace {

// Whether a kernel writes what a masked element gets by itself, where x is -inf: but for rows that
// are NaN throughout.
bool masks_by_itself(Op op) { return op == Op::softmax || op == Op::log_softmax; }

// Whether any of so many elements is NaN, each `stride` bytes after the last.
template <class Bits>
bool any_nan(const char *element, std::ptrdiff_t stride, std::size_t count, DType dtype) {
    const auto infinity = static_cast<Bits>(minus_infinity_element.bits[static_cast<int>(dtype)]);
    bool any = false;
    for (std::size_t i = 0; i < count; ++i, element += stride) {
        Bits bits;
        std::memcpy(&bits, element, sizeof bits);
        any |= static_cast<Bits>(bits << 1) > static_cast<Bits>(infinity << 1); // but for the sign
    }
    return any;
}
bool any_nan(const char *element, std::ptrdiff_t stride, std::size_t count, DType dtype) {
    switch (dtype_size[static_cast<int>(dtype)]) {
    case 2:
        return any_nan<std::uint16_t>(element, stride, count, dtype);
    case 4:
        return any_nan<std::uint32_t>(element, stride, count, dtype);
    default:
        return any_nan<std::uint64_t>(element, stride, count, dtype);
    }
}

// Of rows whose elements lie next to each other, there and in the mask: what is masked gets its
// result.
void mask_results(const Plan &plan, const std::ptrdiff_t (&at)[stream_count], const Loop &rows,
                  std::size_t count) {
    const Problem &p = plan.problem;
    const DType dtype = p.array[y_stream].dtype;
    const std::size_t size = dtype_size[static_cast<int>(dtype)];
    char *const y = p.array[y_stream].data + at[y_stream];
    const auto result = [&](std::size_t i) {
        return y + static_cast<std::ptrdiff_t>(i) * rows.stride[y_stream];
    };
    const bool every_row = !masks_by_itself(p.op); // no public function, but trials
    const bool irregular = every_row || any_nan(y, rows.stride[y_stream], count, dtype);
    for (std::size_t i = 0; irregular && i < count; ++i) {
        const char *const where =
            p.where + at[where_stream] + static_cast<std::ptrdiff_t>(i) * rows.stride[where_stream];
        const Block block{result(i), 0, static_cast<std::ptrdiff_t>(size)};
        if (every_row || any_nan(result(i), 0, 1, dtype))
            mask_block(block, read_only(block), {where, 0, 1}, 1, plan.length, size,
                       masked_result(p.op).bits[static_cast<int>(dtype)]);
    }
}

struct Tiles {
    const Plan &plan;
    const KernelTable &table;
    char *tile;    // x, and the result in its place
    char *other;   // the second input
    char *foreign; // on their way: elements that are not of the kernel's type

    // Calls move(tile block, array block, where block, columns) for each run of a row's elements
    // that has one stride in array k.
    template <class Move>
    void each_line(int k, const std::ptrdiff_t (&at)[stream_count], const Loop &rows, char *packed,
                   Move move) const {
        const Problem &p = plan.problem;
        const std::size_t size = dtype_size[static_cast<int>(p.array[k].dtype)];
        const Loop &line = p.inner.back();
        Walk inner(p.inner.begin(), p.inner.count() - 1);
        do {
            const Block to{packed, static_cast<std::ptrdiff_t>(plan.length * size),
                           static_cast<std::ptrdiff_t>(size)};
            const Block array{p.array[k].data + at[k] + inner.at[k], rows.stride[k],
                              line.stride[k]};
            const ConstBlock where{p.where ? p.where + at[where_stream] + inner.at[where_stream]
                                           : nullptr,
                                   rows.stride[where_stream], line.stride[where_stream]};
            move(to, array, where, line.extent);
            packed += line.extent * size;
        } while (inner.next());
    }

    std::ptrdiff_t row_bytes() const {
        return static_cast<std::ptrdiff_t>(plan.length *
                                           dtype_size[static_cast<int>(plan.kernel_dtype)]);
    }

    // Rows whose elements lie next to each other on both sides.
    void convert_rows(const char *from, std::ptrdiff_t from_bytes, DType from_dtype, char *to,
                      std::ptrdiff_t to_bytes, DType to_dtype, std::size_t count) const {
        const ConvertFn convert =
            table.convert[static_cast<int>(from_dtype)][static_cast<int>(to_dtype)];
        const auto tight = [&](std::ptrdiff_t stride, DType dtype) {
            return stride ==
                   static_cast<std::ptrdiff_t>(plan.length * dtype_size[static_cast<int>(dtype)]);
        };
        if (tight(from_bytes, from_dtype) && tight(to_bytes, to_dtype))
            return convert(from, to, count * plan.length);
        for (std::size_t i = 0; i < count; ++i)
            convert(from + static_cast<std::ptrdiff_t>(i) * from_bytes,
                    to + static_cast<std::ptrdiff_t>(i) * to_bytes, plan.length);
    }

    // Array k into `packed`, in the kernel's type; masked elements become `masked`.
    void pack(int k, const std::ptrdiff_t (&at)[stream_count], const Loop &rows, std::size_t count,
              char *packed, const MaskedElement &masked) const {
        const Array &array = plan.problem.array[k];
        const int dtype = static_cast<int>(array.dtype);
        const bool converts = array.dtype != plan.kernel_dtype;
        if (plan.lines)
            return pack_lines(array.data + at[k], k, at, rows, count, packed, masked);
        each_line(k, at, rows, converts ? foreign : packed,
                  [&](Block to, Block array_block, ConstBlock where, std::size_t n) {
                      ConstBlock from = read_only(array_block);
                      if (array.swapped || !where.data) {
                          move_block(to, from, count, n, dtype_size[dtype], array.swapped);
                          from = read_only(to);
                      }
                      if (where.data)
                          mask_block(to, from, where, count, n, dtype_size[dtype],
                                     masked.bits[dtype]);
                  });
        if (converts)
            table.convert[dtype][static_cast<int>(plan.kernel_dtype)](foreign, packed,
                                                                      count * plan.length);
    }
    void pack_lines(const char *from, int k, const std::ptrdiff_t (&at)[stream_count],
                    const Loop &rows, std::size_t count, char *packed,
                    const MaskedElement &masked) const {
        std::ptrdiff_t from_bytes = rows.stride[k];
        if (const DType dtype = plan.problem.array[k].dtype; dtype != plan.kernel_dtype) {
            convert_rows(from, from_bytes, dtype, packed, row_bytes(), plan.kernel_dtype, count);
            from = packed;
            from_bytes = row_bytes();
        }
        if (!plan.problem.where)
            return;
        const MaskFn mask = table.mask[plan.kernel_dtype == DType::f64];
        const char *where = plan.problem.where + at[where_stream];
        const std::ptrdiff_t where_stride = rows.stride[where_stream];
        if (from_bytes == row_bytes() && where_stride == static_cast<std::ptrdiff_t>(plan.length))
            return mask(from, packed, where, count * plan.length, masked.value);
        for (std::size_t i = 0; i < count; ++i, from += from_bytes, packed += row_bytes())
            mask(from, packed, where + static_cast<std::ptrdiff_t>(i) * where_stride, plan.length,
                 masked.value);
    }

    void unpack(const std::ptrdiff_t (&at)[stream_count], const Loop &rows,
                std::size_t count) const {
        const Array &array = plan.problem.array[y_stream];
        const int dtype = static_cast<int>(array.dtype);
        const bool converts = array.dtype != plan.kernel_dtype;
        const MaskedElement &masked = masked_result(plan.problem.op);
        if (plan.lines) {
            if (!plan.in_place[y_stream])
                convert_rows(tile, row_bytes(), plan.kernel_dtype, array.data + at[y_stream],
                             rows.stride[y_stream], array.dtype, count);
            if (plan.problem.where)
                mask_results(plan, at, rows, count);
            return;
        }
        if (plan.in_place[y_stream]) {
            if (plan.problem.where)
                each_line(y_stream, at, rows, tile,
                          [&](Block, Block block, ConstBlock where, std::size_t n) {
                              mask_block(block, read_only(block), where, count, n,
                                         dtype_size[dtype], masked.bits[dtype]);
                          });
            return;
        }
        if (converts)
            table.convert[static_cast<int>(plan.kernel_dtype)][dtype](tile, foreign,
                                                                      count * plan.length);
        each_line(y_stream, at, rows, converts ? foreign : tile,
                  [&](Block from, Block to, ConstBlock where, std::size_t n) {
                      if (where.data)
                          mask_block(from, read_only(from), where, count, n, dtype_size[dtype],
                                     masked.bits[dtype]);
                      move_block(to, read_only(from), count, n, dtype_size[dtype], array.swapped);
                  });
    }
    void run(const std::ptrdiff_t (&at)[stream_count], const Loop &rows, std::size_t count) const {
        const Problem &p = plan.problem;
        const auto packed = [&](int k) { return p.array[k].data && !plan.in_place[k]; };
        const auto lines = [&](int k, char *tile_of) -> Lines {
            if (p.array[k].data == nullptr)
                return {};
            return plan.in_place[k] ? Lines{p.array[k].data + at[k], rows.stride[k]}
                                    : Lines{tile_of, row_bytes()};
        };
        if (packed(x_stream))
            pack(x_stream, at, rows, count, tile, minus_infinity_element);
        if (packed(other_stream))
            pack(other_stream, at, rows, count, other, zero_element);
        call_kernel(
            plan, rows_kernel(plan, table),
            batch_of(plan, at, rows, count,
                     {lines(x_stream, tile), lines(other_stream, other), lines(y_stream, tile)}));
        if (p.array[y_stream].data)
            unpack(at, rows, count);
    }
};

} // namespace

void run_tiles(const Plan &plan, const KernelTable &table, const Walk &from, const Loop &rows,
               std::size_t extent, char *workspace) {
    const auto tile_at = [&](int k) {
        return workspace + static_cast<std::size_t>(k) * plan.tile_bytes;
    };
    const Tiles tiles{plan, table, tile_at(0), tile_at(1), tile_at(plan.tile_count - 1)};
    Walk at = from;
    for (std::size_t done = 0; done < extent; done += plan.tile_rows) {
        const std::size_t count = std::min(plan.tile_rows, extent - done);
        tiles.run(at.at, rows, count);
        step(at.at, rows, static_cast<std::ptrdiff_t>(count));
    }
}

} // namespace softlane
