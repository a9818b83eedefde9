#include "core/run.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "core/fp_environment.hpp"
#include "core/tile.hpp"

namespace softlane {

namespace {

void step(std::ptrdiff_t (&at)[stream_count], const Loop &loop, std::ptrdiff_t by) {
    for (int k = 0; k < stream_count; ++k)
        at[k] += loop.stride[k] * by;
}

// Offsets of the current index of some loops, in C order.
class Walk {
public:
    // From the index whose number in C order is `number`.
    Walk(const Loop *loops, int count, std::size_t number = 0) : loops_(loops), count_(count) {
        for (int d = count - 1; number != 0; --d) {
            index_[d] = number % loops[d].extent;
            number /= loops[d].extent;
            step(at, loops[d], static_cast<std::ptrdiff_t>(index_[d]));
        }
    }

    std::ptrdiff_t at[stream_count] = {};

    bool next() {
        for (int d = count_ - 1; d >= 0; --d) {
            const Loop &loop = loops_[d];
            if (++index_[d] < loop.extent) {
                step(at, loop, 1);
                return true;
            }
            step(at, loop, -static_cast<std::ptrdiff_t>(loop.extent - 1));
            index_[d] = 0;
        }
        return false;
    }

private:
    const Loop *loops_;
    int count_;
    std::size_t index_[max_dims] = {};
};

// What stands for a masked element.
struct MaskedElement {
    double value;
    std::uint64_t bits[dtype_count];
};
constexpr MaskedElement zero = {0, {}};
// It takes no part in any row's sum.
constexpr MaskedElement minus_infinity = {-std::numeric_limits<double>::infinity(),
                                          {0xfc00, 0xff80, 0xff800000, 0xfff0000000000000}};
// What an op writes for one.
const MaskedElement &masked_result(Op op) { return op == Op::log_softmax ? minus_infinity : zero; }
// Whether a kernel writes that by itself where x is -inf, but for rows that are NaN throughout.
bool masks_by_itself(Op op) { return op == Op::softmax || op == Op::log_softmax; }

bool is_nan(const char *element, DType dtype) {
    const std::size_t size = dtype_size[static_cast<int>(dtype)];
    const auto above_sign = [&](std::uint64_t bits) { return bits << (65 - 8 * size); };
    const std::uint64_t infinity = above_sign(minus_infinity.bits[static_cast<int>(dtype)]);
    const auto exceeds = [&](auto bits) {
        std::memcpy(&bits, element, sizeof bits);
        return above_sign(bits) > infinity;
    };
    return size == 2   ? exceeds(std::uint16_t())
           : size == 4 ? exceeds(std::uint32_t())
                       : exceeds(std::uint64_t());
}

// Rows whose elements lie next to each other, in tiles or in the arrays themselves.
struct Lines {
    char *data;
    std::ptrdiff_t row_stride_bytes;
};

Rows batch_of(const Plan &plan, const std::ptrdiff_t (&at)[stream_count], const Loop &rows,
              std::size_t count, const Lines (&lines)[array_count]) {
    const Problem &p = plan.problem;
    auto of_row = [&](auto *base) { return base ? base + at[row_stream] : nullptr; };
    Rows batch{};
    batch.x = lines[x_stream].data;
    batch.other = lines[other_stream].data;
    batch.y = lines[y_stream].data;
    batch.count = count;
    batch.length = plan.length;
    batch.x_row_stride_bytes = lines[x_stream].row_stride_bytes;
    batch.other_row_stride_bytes = lines[other_stream].row_stride_bytes;
    batch.y_row_stride_bytes = lines[y_stream].row_stride_bytes;
    batch.temperature = p.temperature + at[temperature_stream];
    batch.temperature_stride = rows.stride[temperature_stream];
    batch.labels = of_row(p.labels);
    batch.results = of_row(p.results);
    batch.extra = of_row(p.extra);
    batch.row_stride = rows.stride[row_stream];
    batch.loss = p.loss;
    return batch;
}

void call_kernel(const Plan &plan, const KernelTable &table,
                 const std::ptrdiff_t (&at)[stream_count], const Loop &rows, std::size_t count,
                 const Lines (&lines)[array_count]) {
    const Problem &p = plan.problem;
    Rows batch = batch_of(plan, at, rows, count, lines);
    batch.stream = plan.stream && plan.direct;
    const FpEnvironment environment(p.keep_subnormals ? Subnormals::keep : Subnormals::flush);
    table.rows[static_cast<int>(p.op)][plan.kernel_dtype == DType::f64](batch);
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
    const bool some = !masks_by_itself(p.op);
    bool irregular = some;
    for (std::size_t i = 0; !some && i < count; ++i)
        irregular |= is_nan(result(i), dtype);
    for (std::size_t i = 0; irregular && i < count; ++i) {
        const char *const where =
            p.where + at[where_stream] + static_cast<std::ptrdiff_t>(i) * rows.stride[where_stream];
        const Block block{result(i), 0, static_cast<std::ptrdiff_t>(size)};
        if (some || is_nan(result(i), dtype))
            mask_block(block, read_only(block), {where, 0, 1}, 1, plan.length, size,
                       masked_result(p.op).bits[static_cast<int>(dtype)]);
    }
}

// All rows of the innermost loop, their 16-bit elements as they lie, if there is a kernel for such.
bool run_words(const Plan &plan, const KernelTable &table, const std::ptrdiff_t (&at)[stream_count],
               const Loop &rows, std::size_t count, char *workspace) {
    const Problem &p = plan.problem;
    const RowsFn kernel = table.words[static_cast<int>(p.op)];
    if (kernel == nullptr)
        return false;
    const auto line = [&](int k) { return Lines{p.array[k].data + at[k], rows.stride[k]}; };
    Rows batch = batch_of(plan, at, rows, count, {line(x_stream), {}, line(y_stream)});
    batch.scratch = workspace;
    batch.half = p.array[x_stream].dtype == DType::f16;
    const FpEnvironment environment(p.keep_subnormals ? Subnormals::keep : Subnormals::flush);
    kernel(batch);
    return true;
}

// Rows side by side, in tiles or in the arrays themselves; whether the kernel serves them.
bool call_panels(const Plan &plan, const KernelTable &table,
                 const std::ptrdiff_t (&at)[stream_count], const Loop &rows, std::size_t count,
                 const Lines (&lines)[array_count], char *scratch) {
    const Problem &p = plan.problem;
    Rows batch = batch_of(plan, at, rows, count, lines);
    batch.x_stride_bytes = lines[x_stream].row_stride_bytes;
    batch.y_stride_bytes = lines[y_stream].row_stride_bytes;
    batch.scratch = plan.scratch_bytes ? scratch : nullptr;
    batch.stream = plan.stream;
    const FpEnvironment environment(p.keep_subnormals ? Subnormals::keep : Subnormals::flush);
    return table.panels[static_cast<int>(p.op)][plan.kernel_dtype == DType::f64](batch);
}

// Rows that lie side by side and cannot be worked on in the arrays: an element of many of them at a
// time is copied or converted, and masked.
struct PanelTiles {
    const Plan &plan;
    const KernelTable &table;
    char *tile, *run, *scratch; // panel_rows of each element, of one element; the kernel's

    std::size_t element() const { return dtype_size[static_cast<int>(plan.kernel_dtype)]; }

    // Calls move(of the tile, of array k, where or null) for each element.
    template <class Move>
    void each_element(int k, const std::ptrdiff_t (&at)[stream_count], Move move) const {
        const Problem &p = plan.problem;
        Walk inner(p.inner, p.inner_count);
        char *packed = tile;
        do {
            move(packed, p.array[k].data + at[k] + inner.at[k],
                 p.where ? p.where + at[where_stream] + inner.at[where_stream] : nullptr);
            packed += plan.panel_rows * element();
        } while (inner.next());
    }
    void convert(const void *from, DType from_dtype, void *to, DType to_dtype,
                 std::size_t n) const {
        table.convert[static_cast<int>(from_dtype)][static_cast<int>(to_dtype)](from, to, n);
    }
    static void swap(const Array &array, char *to, const char *from, std::size_t n) {
        const std::size_t size = dtype_size[static_cast<int>(array.dtype)];
        const auto stride = static_cast<std::ptrdiff_t>(size);
        move_block({to, stride, stride}, {from, stride, stride}, 1, n, size, true);
    }
    void mask(char *packed, const char *where, const Loop &rows, std::size_t n,
              const MaskedElement &masked) const {
        const auto size = static_cast<std::ptrdiff_t>(element());
        const std::ptrdiff_t stride = rows.stride[where_stream];
        if (where && stride == 1)
            table.mask[plan.kernel_dtype == DType::f64](packed, packed, where, n, masked.value);
        else if (where)
            mask_block({packed, 0, size}, {packed, 0, size}, {where, 0, stride}, 1, n, element(),
                       masked.bits[static_cast<int>(plan.kernel_dtype)]);
    }

    bool operator()(const std::ptrdiff_t (&at)[stream_count], const Loop &rows,
                    std::size_t n) const {
        const Problem &p = plan.problem;
        const Array &x = p.array[x_stream], &y = p.array[y_stream];
        const DType computed = plan.kernel_dtype;
        each_element(x_stream, at, [&](char *to, char *from, const char *where) {
            if (x.swapped) {
                swap(x, run, from, n);
                from = run;
            }
            convert(from, x.dtype, to, computed, n);
            mask(to, where, rows, n, minus_infinity);
        });
        const auto pitch = static_cast<std::ptrdiff_t>(plan.panel_rows * element());
        const Lines packed = {tile, pitch}, result = y.data ? packed : Lines{};
        if (!call_panels(plan, table, at, rows, n, {packed, {}, result}, scratch))
            return false;
        if (!y.data)
            return true;
        each_element(y_stream, at, [&](char *from, char *to, const char *where) {
            char *result = y.swapped ? run : to;
            mask(from, where, rows, n, masked_result(p.op));
            convert(from, computed, result, y.dtype, n);
            if (y.swapped)
                swap(y, to, result, n);
        });
        return true;
    }
};

// All rows of the innermost loop, if the kernel serves such.
bool run_panels(const Plan &plan, const KernelTable &table, const Walk &from, const Loop &rows,
                std::size_t extent, char *workspace) {
    const Problem &p = plan.problem;
    if (table.panels[static_cast<int>(p.op)][plan.kernel_dtype == DType::f64] == nullptr)
        return false;
    if (plan.panel_rows == 0) {
        Lines lines[array_count];
        for (int k = 0; k < array_count; ++k)
            lines[k] = {p.array[k].data ? p.array[k].data + from.at[k] : nullptr,
                        p.inner[0].stride[k]};
        return call_panels(plan, table, from.at, rows, extent, lines, workspace);
    }
    char *const tile = workspace + plan.scratch_bytes;
    const std::size_t run_bytes = plan.panel_rows * dtype_size[static_cast<int>(plan.kernel_dtype)];
    const PanelTiles tiles{plan, table, tile, tile + run_bytes * plan.length, workspace};
    Walk at = from;
    for (std::size_t done = 0; done < extent; done += plan.panel_rows) {
        const std::size_t count = std::min(plan.panel_rows, extent - done);
        if (!tiles(at.at, rows, count))
            return false; // the first time, if ever
        step(at.at, rows, static_cast<std::ptrdiff_t>(count));
    }
    return true;
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
        const Loop &line = p.inner[p.inner_count - 1];
        Walk inner(p.inner, p.inner_count - 1);
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
            pack(x_stream, at, rows, count, tile, minus_infinity);
        if (packed(other_stream))
            pack(other_stream, at, rows, count, other, zero);
        call_kernel(plan, table, at, rows, count,
                    {lines(x_stream, tile), lines(other_stream, other), lines(y_stream, tile)});
        if (p.array[y_stream].data)
            unpack(at, rows, count);
    }
};

} // namespace

void run_rows(const Plan &plan, const KernelTable &table, char *workspace, std::size_t begin,
              std::size_t end) noexcept {
    if (begin == end || plan.length == 0)
        return;
    const FpEnvironment environment; // of the conversions
    const Problem &p = plan.problem;
    const auto tile_at = [&](int k) {
        return workspace + static_cast<std::size_t>(k) * plan.tile_bytes;
    };
    const Tiles tiles{plan, table, tile_at(0), tile_at(1), tile_at(plan.tile_count - 1)};
    const Loop &rows = p.outer[p.outer_count - 1];
    Walk outer(p.outer, p.outer_count - 1, begin / rows.extent);
    std::size_t first = begin % rows.extent; // of this round of the last loop
    for (std::size_t left = end - begin; left != 0; outer.next(), first = 0) {
        const std::size_t extent = std::min(rows.extent - first, left);
        left -= extent;
        Walk at = outer;
        step(at.at, rows, static_cast<std::ptrdiff_t>(first));
        if (plan.direct) {
            Lines lines[array_count];
            for (int k = 0; k < array_count; ++k)
                lines[k] = {p.array[k].data ? p.array[k].data + at.at[k] : nullptr, rows.stride[k]};
            call_kernel(plan, table, at.at, rows, extent, lines);
            continue;
        }
        if (plan.words && run_words(plan, table, at.at, rows, extent, workspace))
            continue;
        if (plan.panels && run_panels(plan, table, at, rows, extent, workspace))
            continue;
        for (std::size_t done = 0; done < extent; done += plan.tile_rows) {
            const std::size_t count = std::min(plan.tile_rows, extent - done);
            tiles.run(at.at, rows, count);
            step(at.at, rows, static_cast<std::ptrdiff_t>(count));
        }
    }
}

} // namespace softlane
