#include "core/run.hpp"

#include <algorithm>

#include "core/fp_environment.hpp"
#include "core/tile.hpp"

namespace softlane {

namespace {

// Offsets of the current index of some loops, in C order.
class Walk {
public:
    Walk(const Loop *loops, int count) : loops_(loops), count_(count) {}

    std::ptrdiff_t x = 0, y = 0, where = 0, temperature = 0;

    bool next() {
        for (int d = count_ - 1; d >= 0; --d) {
            const Loop &loop = loops_[d];
            if (++index_[d] < loop.extent) {
                step(loop, 1);
                return true;
            }
            step(loop, -static_cast<std::ptrdiff_t>(loop.extent - 1));
            index_[d] = 0;
        }
        return false;
    }

private:
    void step(const Loop &loop, std::ptrdiff_t by) {
        x += loop.x * by;
        y += loop.y * by;
        where += loop.where * by;
        temperature += loop.temperature * by;
    }
    const Loop *loops_;
    int count_;
    std::size_t index_[max_dims] = {};
};

// The bits of -inf, which takes no part in any row's sum.
constexpr std::uint64_t minus_infinity[dtype_count] = {0xfc00, 0xff80, 0xff800000,
                                                       0xfff0000000000000};
// What an op writes for a masked element.
constexpr std::uint64_t masked_result[op_count][dtype_count] = {{0, 0, 0, 0}}; // softmax

void call_kernel(const Plan &plan, const KernelTable &table, const Rows &rows) {
    const Problem &p = plan.problem;
    const FpEnvironment environment(p.tiny_temperature ? Subnormals::keep : Subnormals::flush);
    table.rows[static_cast<int>(p.op)][static_cast<int>(plan.kernel_dtype)](rows);
}

struct Tiles {
    const Plan &plan;
    const KernelTable &table;
    char *first, *second; // one tile each
    float *scratch;

    // Calls move(tile block, array block, where block, columns) for each run of a row's elements
    // that has one stride.
    template <class Move>
    void each_line(const Walk &at, const Loop &rows, std::size_t element_size, char *tile,
                   Move move) const {
        const Problem &p = plan.problem;
        const Loop &line = p.inner[p.inner_count - 1];
        Walk inner(p.inner, p.inner_count - 1);
        const auto row_bytes = static_cast<std::ptrdiff_t>(plan.length * element_size);
        do {
            const Block to{tile, row_bytes, static_cast<std::ptrdiff_t>(element_size)};
            const ConstBlock x{p.x + at.x + inner.x, rows.x, line.x};
            const Block y{p.y + at.y + inner.y, rows.y, line.y};
            const ConstBlock where{p.where ? p.where + at.where + inner.where : nullptr, rows.where,
                                   line.where};
            move(to, x, y, where, line.extent);
            tile += line.extent * element_size;
        } while (inner.next());
    }

    void run(const Walk &at, const Loop &rows, std::size_t count) const {
        const Problem &p = plan.problem;
        const int x_dtype = static_cast<int>(p.x_dtype), y_dtype = static_cast<int>(p.y_dtype);
        const int kernel_dtype = static_cast<int>(plan.kernel_dtype), op = static_cast<int>(p.op);
        char *tile = first, *other = second;
        const std::size_t x_size = dtype_size[x_dtype], y_size = dtype_size[y_dtype];
        each_line(at, rows, x_size, tile,
                  [&](Block to, ConstBlock x, Block, ConstBlock where, std::size_t n) {
                      move_block(to, x, count, n, x_size, p.x_swapped);
                      if (where.data)
                          mask_block(to, where, count, n, x_size, minus_infinity[x_dtype]);
                  });
        if (x_dtype != kernel_dtype) {
            table.convert[x_dtype][kernel_dtype](tile, other, count * plan.length);
            std::swap(tile, other);
        }
        const auto row_bytes = static_cast<std::ptrdiff_t>(plan.length * dtype_size[kernel_dtype]);
        call_kernel(plan, table,
                    {tile, tile, count, plan.length, row_bytes, row_bytes,
                     p.temperature + at.temperature, rows.temperature, scratch});
        if (y_dtype != kernel_dtype) {
            table.convert[kernel_dtype][y_dtype](tile, other, count * plan.length);
            std::swap(tile, other);
        }
        each_line(at, rows, y_size, tile,
                  [&](Block from, ConstBlock, Block y, ConstBlock where, std::size_t n) {
                      if (where.data)
                          mask_block(from, where, count, n, y_size, masked_result[op][y_dtype]);
                      move_block(y, {from.data, from.row, from.column}, count, n, y_size,
                                 p.y_swapped);
                  });
    }
};

} // namespace

void run(const Plan &plan, const KernelTable &table, char *workspace) noexcept {
    if (plan.rows == 0 || plan.length == 0)
        return;
    const FpEnvironment environment; // of the conversions
    const Problem &p = plan.problem;
    const std::size_t tiles_bytes = (p.x_dtype == p.y_dtype ? 1 : 2) * plan.tile_bytes;
    const Tiles tiles{plan, table, workspace, workspace + plan.tile_bytes,
                      reinterpret_cast<float *>(workspace + tiles_bytes)};
    const Loop &rows = p.outer[p.outer_count - 1];
    Walk outer(p.outer, p.outer_count - 1);
    do {
        if (plan.direct) {
            call_kernel(plan, table,
                        {p.x + outer.x, p.y + outer.y, rows.extent, plan.length, rows.x, rows.y,
                         p.temperature + outer.temperature, rows.temperature, tiles.scratch});
            continue;
        }
        Walk at = outer;
        for (std::size_t done = 0; done < rows.extent; done += plan.tile_rows) {
            const std::size_t count = std::min(plan.tile_rows, rows.extent - done);
            tiles.run(at, rows, count);
            const auto by = static_cast<std::ptrdiff_t>(count);
            at.x += rows.x * by;
            at.y += rows.y * by;
            at.where += rows.where * by;
            at.temperature += rows.temperature * by;
        }
    } while (outer.next());
}

} // namespace softlane
