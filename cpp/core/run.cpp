#include "core/run.hpp"

#include <algorithm>

#include "core/fp_environment.hpp"
#include "core/panel_tiles.hpp"
#include "core/row_tiles.hpp"

namespace softlane {

namespace {

// All rows of the innermost loop, in the arrays themselves.
void run_direct(const Plan &plan, const KernelTable &table,
                const std::ptrdiff_t (&at)[stream_count], const Loop &rows, std::size_t count) {
    const Problem &p = plan.problem;
    Lines lines[array_count];
    for (int k = 0; k < array_count; ++k)
        lines[k] = {p.array[k].data ? p.array[k].data + at[k] : nullptr, rows.stride[k]};
    call_kernel(plan, table, at, rows, count, lines);
}

// The same of 16-bit elements, if there is a kernel for such.
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
    batch.distant = plan.distant;
    const FpEnvironment environment(p.keep_subnormals ? Subnormals::keep : Subnormals::flush);
    kernel(batch);
    return true;
}

} // namespace

void run_rows(const Plan &plan, const KernelTable &table, char *workspace, std::size_t begin,
              std::size_t end) noexcept {
    if (begin == end || plan.length == 0)
        return;
    const FpEnvironment environment; // of the conversions
    const Problem &p = plan.problem;
    const Loop &rows = p.outer.back();
    Walk outer(p.outer.begin(), p.outer.count() - 1, begin / rows.extent);
    std::size_t first = begin % rows.extent; // of this round of the last loop
    for (std::size_t left = end - begin; left != 0; outer.next(), first = 0) {
        const std::size_t extent = std::min(rows.extent - first, left);
        left -= extent;
        Walk at = outer;
        step(at.at, rows, static_cast<std::ptrdiff_t>(first));
        if (plan.direct)
            run_direct(plan, table, at.at, rows, extent);
        else if (!(plan.words && run_words(plan, table, at.at, rows, extent, workspace)) &&
                 !(plan.panels && run_panels(plan, table, at, rows, extent, workspace)))
            run_tiles(plan, table, at, rows, extent, workspace);
    }
}

} // namespace softlane
