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
    // A turn: all rows of the last loop, or of the last two if their rounds go together.
    const int outermost = p.outer.count() - (plan.rounds ? 2 : 1); // loops over turns
    const Loop &round = p.outer[outermost];
    const std::size_t rounds = plan.rounds ? round.extent : 1;
    const std::size_t turn = rows.extent * rounds;
    Walk outer(p.outer.begin(), outermost, begin / turn);
    std::size_t first = begin % turn; // a whole number of rounds
    for (std::size_t left = end - begin; left != 0; outer.next(), first = 0) {
        const std::size_t extent = std::min(turn - first, left);
        left -= extent;
        Walk at = outer;
        if (plan.rounds)
            step(at.at, round, static_cast<std::ptrdiff_t>(first / rows.extent));
        else
            step(at.at, rows, static_cast<std::ptrdiff_t>(first));
        if (kernel != nullptr)
            call_kernel(plan, kernel, batch_in_arrays(plan, at.at, rows, extent, workspace));
        else if (!(plan.panels && run_panels(plan, table, at, rows, extent, workspace)))
            for (std::size_t done = 0; done < extent; done += rows.extent) {
                run_tiles(plan, table, at, rows, std::min(rows.extent, extent - done), workspace);
                if (plan.rounds)
                    step(at.at, round, 1);
            }
    }
}

} // namespace softlane
