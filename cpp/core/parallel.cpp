#include "core/parallel.hpp"

#include <algorithm>

#include "core/pool.hpp"
#include "core/run.hpp"

namespace softlane {

namespace {

// Done by a thread at a time: some microseconds, against 0.1 us for fetching the next.
constexpr std::size_t chunk_elements = 16 * 1024;
// A chunk has some groups of rows up to so long, or one.
constexpr std::size_t longest_in_groups = 1024, groups_rows = 4 * group_rows;
// For tiles of all threads; a row that is too long for it is computed on one.
constexpr std::size_t most_workspace_bytes = std::size_t{128} << 20;

// Whole panels, groups or tiles.
std::size_t unit_of(const Plan &plan) {
    if (plan.panels)
        return panel_bytes / dtype_size[static_cast<int>(DType::f32)];
    if (!plan.direct)
        return plan.tile_rows;
    if (!has_logarithm(plan.problem.op) || plan.kernel_dtype != DType::f32)
        return 1;
    return plan.length <= longest_in_groups  ? groups_rows
           : plan.length <= longest_in_group ? group_rows
                                             : 1;
}

struct Work {
    const Plan &plan;
    const KernelTable &table;
    const Split &split;
    char *workspace;
};

void run_chunk(const void *context, std::uint32_t part, int worker) noexcept {
    const Work &work = *static_cast<const Work *>(context);
    const std::size_t begin = part * work.split.chunk_rows;
    char *workspace = work.workspace; // null: none is needed
    if (workspace)
        workspace += static_cast<std::size_t>(worker) * work.plan.workspace_bytes;
    run_rows(work.plan, work.table, workspace, begin,
             std::min(begin + work.split.chunk_rows, work.plan.rows));
}

} // namespace

Split split(const Plan &plan, int threads) {
    Split split{1, plan.rows, plan.workspace_bytes};
    const std::size_t size = plan.rows * plan.length;
    if (threads <= 1 || size < parallel_elements)
        return split;
    // A number that fits a part's.
    std::size_t rows = std::max(chunk_elements / plan.length, plan.rows / 0x7fffffff + 1);
    const std::size_t unit = unit_of(plan);
    rows = (rows + unit - 1) / unit * unit;
    std::size_t most = std::min(static_cast<std::size_t>(threads), size / elements_per_thread);
    most = std::min(most, (plan.rows + rows - 1) / rows);
    if (plan.workspace_bytes != 0)
        most = std::min(most, most_workspace_bytes / plan.workspace_bytes);
    if (most <= 1)
        return split;
    return {static_cast<int>(most), rows, most * plan.workspace_bytes};
}

void run(const Plan &plan, const KernelTable &table, const Split &split, char *workspace) noexcept {
    if (split.threads == 1)
        return run_rows(plan, table, workspace, 0, plan.rows);
    const Work work{plan, table, split, workspace};
    const std::size_t parts = (plan.rows + split.chunk_rows - 1) / split.chunk_rows;
    run_parts({run_chunk, &work, static_cast<std::uint32_t>(parts)}, split.threads);
}

} // namespace softlane
