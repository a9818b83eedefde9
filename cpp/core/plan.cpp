#include "core/plan.hpp"

#include <algorithm>
#include <cstdlib>

namespace softlane {

namespace {

// Tiles stay in the second-level cache, with room for what streams through. A transposing pack
// takes some cache lines of neighbouring columns at a time.
constexpr std::size_t largest_tile_bytes = 128 * 1024;
constexpr std::size_t most_tile_rows = 64;

// Drops loops of extent 1 and joins neighbours that a single stride describes; leaves at least one
// loop.
int join(Loop *loops, int count) {
    int kept = 0;
    for (int i = 0; i < count; ++i) {
        const Loop &loop = loops[i];
        if (loop.extent == 1)
            continue;
        if (kept > 0) {
            Loop &before = loops[kept - 1];
            const auto n = static_cast<std::ptrdiff_t>(loop.extent);
            if (before.x == loop.x * n && before.y == loop.y * n &&
                before.where == loop.where * n && before.temperature == loop.temperature * n) {
                before = {before.extent * loop.extent, loop.x, loop.y, loop.where,
                          loop.temperature};
                continue;
            }
        }
        loops[kept++] = loop;
    }
    if (kept == 0)
        loops[kept++] = {1, 0, 0, 0, 0};
    return kept;
}

std::size_t product(const Loop *loops, int count) {
    std::size_t n = 1;
    for (int i = 0; i < count; ++i)
        n *= loops[i].extent;
    return n;
}

} // namespace

Plan make_plan(const Problem &given) {
    Plan plan{given};
    plan.rows = product(given.outer, given.outer_count);
    plan.length = product(given.inner, given.inner_count);
    if (plan.rows == 0 || plan.length == 0)
        return plan;
    Problem &p = plan.problem;
    // Rows in memory order, whatever the order of the dimensions.
    std::stable_sort(p.outer, p.outer + p.outer_count,
                     [](const Loop &a, const Loop &b) { return std::abs(a.x) > std::abs(b.x); });
    p.outer_count = join(p.outer, p.outer_count);
    p.inner_count = join(p.inner, p.inner_count);

    const DType wide = p.x_dtype == DType::f64 || p.y_dtype == DType::f64 ? DType::f64 : DType::f32;
    plan.kernel_dtype = p.x_dtype == p.y_dtype ? p.x_dtype : wide;
    const auto x_size = static_cast<std::ptrdiff_t>(dtype_size[static_cast<int>(p.x_dtype)]);
    const auto y_size = static_cast<std::ptrdiff_t>(dtype_size[static_cast<int>(p.y_dtype)]);
    const bool contiguous = plan.length == 1 || (p.inner_count == 1 && p.inner[0].x == x_size &&
                                                 p.inner[0].y == y_size);
    plan.direct =
        contiguous && p.where == nullptr && p.x_dtype == p.y_dtype && !p.x_swapped && !p.y_swapped;
    plan.release_gil = plan.rows * plan.length >= release_gil_elements;

    if (plan.kernel_dtype == DType::f16 || plan.kernel_dtype == DType::bf16)
        plan.workspace_bytes = 2 * plan.length * sizeof(float);
    if (!plan.direct) {
        const std::size_t kernel_size = dtype_size[static_cast<int>(plan.kernel_dtype)];
        const std::size_t row_bytes = plan.length * kernel_size; // the widest of the three
        const std::size_t fitting = std::max<std::size_t>(largest_tile_bytes / row_bytes, 1);
        const std::size_t along = p.outer[p.outer_count - 1].extent;
        plan.tile_rows =
            std::min(along, plan.length < 16 ? fitting : std::min(fitting, most_tile_rows));
        plan.tile_bytes = (plan.tile_rows * row_bytes + 63) / 64 * 64;
        plan.workspace_bytes += (p.x_dtype == p.y_dtype ? 1 : 2) * plan.tile_bytes;
    }
    return plan;
}

} // namespace softlane
