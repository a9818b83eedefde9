#include "core/panel_tiles.hpp"

#include <algorithm>
#include <utility>

#include "core/tile.hpp"

namespace softlane {

namespace {

// Rows side by side, in tiles or in the arrays themselves; whether the kernel serves them.
bool call_panels(const Plan &plan, const KernelTable &table,
                 const std::ptrdiff_t (&at)[stream_count], const Loop &rows, std::size_t count,
                 const Lines (&lines)[array_count], char *scratch) {
    const Problem &p = plan.problem;
    Rows batch = batch_of(plan, at, rows, count, lines);
    batch.x_stride_bytes = lines[x_stream].row_stride_bytes;
    batch.other_stride_bytes = lines[other_stream].row_stride_bytes;
    batch.y_stride_bytes = lines[y_stream].row_stride_bytes;
    batch.scratch = plan.scratch_bytes ? scratch : nullptr;
    batch.stream = plan.stream;
    batch.distant = plan.distant;
    batch.distant_results = plan.distant_results;
    const FpEnvironment environment(kernel_subnormals(plan));
    return table.panels[static_cast<int>(p.op)][plan.kernel_dtype == DType::f64](batch);
}

// Some rows of a tile: of each round of the last loop over rows, or but for tiles of such the only
// one, a piece, whose elements lie side by side.
struct Pieces {
    std::size_t count, rows; // rows of a piece
    const Loop &next;        // from one to the next

    std::size_t total() const { return count * rows; }
};

// Rows that lie side by side and cannot be worked on in the arrays: an element of many of them at a
// time is copied or converted, and masked.
struct PanelTiles {
    const Plan &plan;
    const KernelTable &table;
    const Loop &rows;
    // Lines of panel_rows, one for each element: x and y in the kernel's type; the second input;
    // either in an array's type; the mask. And the kernel's scratch.
    char *tile, *other, *raw, *mask, *scratch;

    static std::size_t size_of(DType dtype) { return dtype_size[static_cast<int>(dtype)]; }

    // From a block's row to the next, in a tile or in an array.
    struct Run {
        std::ptrdiff_t first, row;
    };
    // Calls move(Run of the tile, of stream k, rows) for blocks whose rows are an element of a
    // piece: an element of all pieces, or all elements of a piece that have one stride, whichever
    // are more.
    template <class Move>
    void each_block(int k, const std::ptrdiff_t (&at)[stream_count], const Pieces &pieces,
                    std::size_t size, Move move) const {
        const Problem &p = plan.problem;
        const Loop &last = p.inner.back();
        const auto line = static_cast<std::ptrdiff_t>(plan.panel_rows * size);
        const bool by_element = last.extent < pieces.count;
        const std::size_t blocks = std::min(last.extent, pieces.count);
        Walk inner(p.inner.begin(), p.inner.count() - 1);
        std::ptrdiff_t packed = 0;
        do {
            Run of_tile{packed, line}, of_array{at[k] + inner.at[k], last.stride[k]};
            auto in_tile = static_cast<std::ptrdiff_t>(pieces.rows * size);
            std::ptrdiff_t in_array = pieces.next.stride[k];
            if (by_element) {
                std::swap(of_tile.row, in_tile);
                std::swap(of_array.row, in_array);
            }
            for (std::size_t i = 0; i < blocks; ++i) {
                move(of_tile, of_array, std::max(last.extent, pieces.count));
                of_tile.first += in_tile;
                of_array.first += in_array;
            }
            packed += static_cast<std::ptrdiff_t>(last.extent) * line;
        } while (inner.next());
    }
    void gather(int k, const std::ptrdiff_t (&at)[stream_count], const Pieces &pieces,
                const char *from, char *to, std::size_t size, bool swapped) const {
        const auto bytes = static_cast<std::ptrdiff_t>(size);
        each_block(k, at, pieces, size, [&](Run in_tile, Run in_array, std::size_t count) {
            move_block({to + in_tile.first, in_tile.row, bytes},
                       {from + in_array.first, in_array.row, rows.stride[k]}, count, pieces.rows,
                       size, swapped);
        });
    }
    void scatter(int k, const std::ptrdiff_t (&at)[stream_count], const Pieces &pieces,
                 const char *from, char *to, std::size_t size, bool swapped) const {
        const auto bytes = static_cast<std::ptrdiff_t>(size);
        each_block(k, at, pieces, size, [&](Run in_tile, Run in_array, std::size_t count) {
            move_block({to + in_array.first, in_array.row, rows.stride[k]},
                       {from + in_tile.first, in_tile.row, bytes}, count, pieces.rows, size,
                       swapped);
        });
    }

    bool lies(const Array &array, const Pieces &pieces) const {
        return pieces.count == 1 && !array.swapped;
    }
    bool mask_lies(const Pieces &pieces) const {
        return pieces.count == 1 && rows.stride[where_stream] == 1;
    }
    char *tile_of(int k) const { return k == other_stream ? other : tile; }
    char *gathered(int k) const {
        return plan.problem.array[k].dtype == plan.kernel_dtype ? tile_of(k) : raw;
    }
    // Calls visit(line of the tile, elements as they are stored, mask or null) for each element of
    // array k: in the array, or where they are gathered.
    template <class Visit>
    void each_element(int k, const std::ptrdiff_t (&at)[stream_count], const Pieces &pieces,
                      Visit visit) const {
        const Problem &p = plan.problem;
        const Array &array = p.array[k];
        if (!lies(array, pieces) && gathered(k) == tile_of(k) && p.where == nullptr)
            return; // nothing is left to do
        Walk inner(p.inner.begin(), p.inner.count());
        char *line = tile_of(k), *stored = gathered(k), *masked = mask;
        do {
            visit(line, lies(array, pieces) ? array.data + at[k] + inner.at[k] : stored,
                  p.where == nullptr  ? nullptr
                  : mask_lies(pieces) ? p.where + at[where_stream] + inner.at[where_stream]
                                      : masked);
            line += plan.panel_rows * size_of(plan.kernel_dtype);
            stored += plan.panel_rows * size_of(array.dtype);
            masked += plan.panel_rows;
        } while (inner.next());
    }
    void convert(const void *from, DType from_dtype, void *to, DType to_dtype,
                 std::size_t n) const {
        if (from != to)
            table.convert[static_cast<int>(from_dtype)][static_cast<int>(to_dtype)](from, to, n);
    }

    bool operator()(const std::ptrdiff_t (&at)[stream_count], const Pieces &pieces) const {
        const Problem &p = plan.problem;
        const Array &y = p.array[y_stream];
        const DType computed = plan.kernel_dtype;
        const MaskFn mask_line = table.mask[computed == DType::f64];
        const std::size_t n = pieces.total();
        if (p.where && !mask_lies(pieces))
            gather(where_stream, at, pieces, p.where, mask, 1, false);
        for (const int k : {x_stream, other_stream}) {
            const Array &array = p.array[k];
            if (array.data == nullptr)
                continue;
            if (!lies(array, pieces))
                gather(k, at, pieces, array.data, gathered(k), size_of(array.dtype), array.swapped);
            const double masked = k == x_stream ? minus_infinity_element.value : zero_element.value;
            each_element(k, at, pieces, [&](char *line, const char *stored, const char *where) {
                convert(stored, array.dtype, line, computed, n);
                if (where)
                    mask_line(line, line, where, n, masked);
            });
        }
        const auto pitch = static_cast<std::ptrdiff_t>(plan.panel_rows * size_of(computed));
        const auto packed = [&](int k) {
            return p.array[k].data ? Lines{tile_of(k), pitch} : Lines{};
        };
        if (!call_panels(plan, table, at, rows, n,
                         {packed(x_stream), packed(other_stream), packed(y_stream)}, scratch))
            return false;
        if (!y.data)
            return true;
        each_element(y_stream, at, pieces, [&](char *line, char *stored, const char *where) {
            if (where)
                mask_line(line, line, where, n, masked_result(p.op).value);
            convert(line, computed, stored, y.dtype, n);
        });
        if (!lies(y, pieces))
            scatter(y_stream, at, pieces, gathered(y_stream), y.data, size_of(y.dtype), y.swapped);
        return true;
    }
};

} // namespace

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
    const std::size_t tile_bytes =
        plan.panel_rows * plan.length * dtype_size[static_cast<int>(plan.kernel_dtype)];
    char *const tile = workspace + plan.scratch_bytes;
    char *const last = tile + (p.array[other_stream].data ? tile_bytes : 0);
    char *const raw = last + tile_bytes;
    const PanelTiles tiles{plan, table, rows, tile, last, raw, raw + plan.raw_bytes, workspace};
    const Loop &next = plan.rounds ? p.outer.end()[-2] : rows;
    const std::size_t of_piece = plan.rounds ? rows.extent : plan.panel_rows;
    Walk at = from;
    for (std::size_t left = extent; left != 0;) {
        const std::size_t in_piece = std::min(of_piece, left);
        const Pieces pieces{std::min(plan.panel_rows, left) / in_piece, in_piece, next};
        if (!tiles(at.at, pieces))
            return false; // the first time, if ever
        left -= pieces.total();
        step(at.at, next, static_cast<std::ptrdiff_t>(plan.rounds ? pieces.count : in_piece));
    }
    return true;
}

} // namespace softlane
