#include "core/panel_tiles.hpp"

#include <algorithm>

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
    batch.y_stride_bytes = lines[y_stream].row_stride_bytes;
    batch.scratch = plan.scratch_bytes ? scratch : nullptr;
    batch.stream = plan.stream;
    batch.distant = plan.distant;
    const FpEnvironment environment(kernel_subnormals(plan));
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
        Walk inner(p.inner.begin(), p.inner.count());
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
            mask(to, where, rows, n, minus_infinity_element);
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

} // namespace softlane
