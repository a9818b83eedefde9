#include "core/parallel.hpp"

#include <algorithm>

#include "core/batch.hpp"
#include "core/kernels.hpp"
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
    if (plan.rounds) {
        const std::size_t in_round = plan.problem.outer.back().extent;
        return plan.panel_rows / in_round * in_round;
    }
    if (plan.panels)
        return panel_bytes / dtype_size[static_cast<int>(DType::f32)];
    if (!plan.direct)
        return plan.tile_rows;
    // What is written past the caches while another row is reduced needs one.
    const std::size_t least = plan.stream && kept_workspace_bytes(plan) != 0 ? 4 : 1;
    const Op op = plan.problem.op;
    if (op == Op::softmax || plan.length > longest_grouped(op, plan.kernel_dtype))
        return least;
    return plan.length <= longest_in_groups ? groups_rows : group_rows;
}

// Of a row that is shared, for each thread.
constexpr std::size_t chunks_of_row = 2;

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

// A row whose parts are shared.
struct RowWork {
    const Plan &plan;
    void (*run)(const Rows &, Part *, std::size_t, std::size_t) noexcept;
    const Rows &row;
    Part *parts;
    std::size_t count, chunk;
};

void run_row_chunk(const void *context, std::uint32_t index, int) noexcept {
    const RowWork &work = *static_cast<const RowWork *>(context);
    const FpEnvironment environment(kernel_subnormals(work.plan));
    const std::size_t begin = index * work.chunk;
    work.run(work.row, work.parts, begin, std::min(begin + work.chunk, work.count));
}

void run_shared_row(const Plan &plan, const PartsFns &kernel, const Rows &row, int threads) {
    Part parts[most_parts];
    const std::size_t count = part_count(plan.length);
    const std::size_t wanted = static_cast<std::size_t>(threads) * chunks_of_row;
    const std::size_t chunk = (count + wanted - 1) / wanted;
    const auto chunks = static_cast<std::uint32_t>((count + chunk - 1) / chunk);
    const auto share = [&](auto *run) {
        const RowWork work{plan, run, row, parts, count, chunk};
        run_parts({run_row_chunk, &work, chunks}, threads);
    };
    share(kernel.reduce);
    {
        const FpEnvironment environment(kernel_subnormals(plan));
        kernel.join(row, parts);
    }
    share(kernel.write);
}

// Rows are so long and so few that threads share each; whether there is a kernel for such.
bool run_shared_rows(const Plan &plan, const KernelTable &table, int threads, char *workspace) {
    const PartsFns &kernel =
        plan.words ? table.word_parts : table.parts[plan.kernel_dtype == DType::f64];
    if (kernel.reduce == nullptr)
        return false;
    const Loops &outer = plan.problem.outer;
    Walk row(outer.begin(), outer.count());
    do {
        run_shared_row(plan, kernel, batch_in_arrays(plan, row.at, outer.back(), 1, workspace),
                       threads);
    } while (row.next());
    return true;
}

} // namespace

Split split(const Plan &plan, int threads) {
    Split split{1, plan.rows, plan.workspace_bytes};
    const std::size_t size = plan.rows * plan.length;
    if (threads <= 1 || size < parallel_elements)
        return split;
    const auto at_most = static_cast<std::size_t>(threads);
    // A number that fits a part's.
    std::size_t rows = std::max(chunk_elements / plan.length, plan.rows / 0x7fffffff + 1);
    const std::size_t unit = unit_of(plan);
    rows = (rows + unit - 1) / unit * unit;
    std::size_t most = std::min(at_most, size / elements_per_thread);
    most = std::min(most, (plan.rows + rows - 1) / rows);
    if (plan.workspace_bytes != 0)
        most = std::min(most, most_workspace_bytes / plan.workspace_bytes);
    if (plan.problem.op == Op::softmax && (plan.direct || plan.words) &&
        plan.length > longest_at_once) {
        const std::size_t of_row = std::min(at_most, plan.length / elements_per_thread);
        if (of_row > std::max<std::size_t>(most, 1))
            split.row_threads = static_cast<int>(of_row);
    }
    if (most <= 1)
        return split;
    split.threads = static_cast<int>(most);
    split.chunk_rows = rows;
    split.workspace_bytes *= most;
    return split;
}

void run(const Plan &plan, const KernelTable &table, const Split &split, char *workspace) noexcept {
    if (split.row_threads > 1 && run_shared_rows(plan, table, split.row_threads, workspace))
        return;
    if (split.threads == 1)
        return run_rows(plan, table, workspace, 0, plan.rows);
    const Work work{plan, table, split, workspace};
    const std::size_t parts = (plan.rows + split.chunk_rows - 1) / split.chunk_rows;
    run_parts({run_chunk, &work, static_cast<std::uint32_t>(parts)}, split.threads);
}

} // namespace softlane
