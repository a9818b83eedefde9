#include "core/run.hpp"

#include <algorithm>

#include "core/fp_environment.hpp"
#include "core/panel_tiles.hpp"
#include "core/row_tiles.hpp"

namespace softlane {

void run_rows(const Plan &plan, const KernelTable &table, char *workspace, std::size_t begin,
              std::size_t end) noexcept {
    if (begin == end || plan.length == 0)
        return;
    const FpEnvironment environment; // of the conversions
    const Problem &p = plan.problem;
    const Loop &rows = p.outer.back();
    const RowsFn kernel = plan.direct  ? rows_kernel(plan, table)
                          : plan.words ? table.words[static_cast<int>(p.op)]
                                       : nullptr; // of rows where they lie
    Walk outer(p.outer.begin(), p.outer.count() - 1, begin / rows.extent);
    std::size_t first = begin % rows.extent; // of this round of the last loop
    for (std::size_t left = end - begin; left != 0; outer.next(), first = 0) {
        const std::size_t extent = std::min(rows.extent - first, left);
        left -= extent;
        Walk at = outer;
        step(at.at, rows, static_cast<std::ptrdiff_t>(first));
        if (kernel != nullptr)
            call_kernel(plan, kernel, batch_in_arrays(plan, at.at, rows, extent, workspace));
        else if (!(plan.panels && run_panels(plan, table, at, rows, extent, workspace)))
            run_tiles(plan, table, at, rows, extent, workspace);
    }
}

} // namespace softlane
