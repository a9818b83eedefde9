#include "core/plan.hpp"

#include <algorithm>
#include <cstdint>

#include "core/cache.hpp"

namespace softlane {

namespace {

// Tiles stay in the second-level cache, with room for what streams through; in the first where
// elements are only converted and masked. A transposing pack takes some cache lines of neighbouring
// columns at a time.
constexpr std::size_t largest_tile_bytes = 128 * 1024;
constexpr std::size_t largest_lines_bytes = 16 * 1024;
// That it is left for a group of rows pays up to such a size, with and without results to convert.
constexpr std::size_t largest_group_bytes = 40 * 1024, largest_group_bytes_read = 64 * 1024;
constexpr std::size_t most_tile_rows = 64;
constexpr std::size_t least_tile_rows = 16; // likewise where they are converted first
// Rows of several rounds go together if one round's fill less than a quarter of a panel; up to this
// length if they fill less than all of it.
constexpr std::size_t longest_filled = 32;
// Two rows of each round do only up to this one;
constexpr std::size_t longest_of_two = 512;
// and beyond this one they go together in a quarter of a panel, if that has room for two rounds.
constexpr std::size_t longest_wide = 100;
constexpr std::size_t longest_near_words = 1024;
constexpr std::size_t least_words = 257; // shorter rows are faster in tiles of floats
// Shorter masked rows are faster in tiles, where they become panels and groups.
struct LeastMasked {
    std::size_t near, far; // within the caches, beyond
};
constexpr LeastMasked least_masked = {300, 64}, least_masked_log = {1024, 200},
                      least_masked_doubles = {129, 33}, least_masked_log_doubles = {257, 129};
constexpr std::size_t largest_scratch_elements = 4096;
constexpr std::size_t largest_panel_tile_bytes = 32 * 1024;

// Drops loops of extent 1 and joins neighbours that a single stride describes; leaves at least one
// loop.
void join(Loops &loops) {
    Loop *end = loops.begin(); // of those that are kept
    for (const Loop &loop : loops) {
        if (loop.extent == 1)
            continue;
        if (end != loops.begin()) {
            Loop &before = end[-1];
            const auto n = static_cast<std::ptrdiff_t>(loop.extent);
            bool joins = true;
            for (int k = 0; k < stream_count; ++k)
                joins = joins && before.stride[k] == loop.stride[k] * n;
            if (joins) {
                const std::size_t extent = before.extent * loop.extent;
                before = loop;
                before.extent = extent;
                continue;
            }
        }
        *end++ = loop;
    }
    loops.drop_from(end);
    if (loops.count() == 0)
        loops.add({1, {}});
}

// Of any stride: where the extent is 1 it may be the most negative number.
std::size_t magnitude(std::ptrdiff_t stride) {
    const auto bits = static_cast<std::size_t>(stride);
    return stride < 0 ? 0 - bits : bits;
}

// In memory order, whatever the order of the dimensions.
void sort(Loops &loops) {
    const auto farther = [](const Loop &a, const Loop &b) {
        return magnitude(a.stride[x_stream]) > magnitude(b.stride[x_stream]);
    };
    for (Loop *loop = loops.begin(); loop != loops.end(); ++loop)
        std::rotate(std::upper_bound(loops.begin(), loop, *loop, farther), loop, loop + 1);
}

// Whether the kernel masks such rows by itself, where they lie as it takes them.
bool masks(Op op, std::size_t length, DType dtype, bool far) {
    const bool log = op == Op::log_softmax || op == Op::logsumexp;
    if (!(log || op == Op::softmax) || length > longest_at_once)
        return false;
    const bool is_double = dtype == DType::f64;
    const LeastMasked &least = log ? (is_double ? least_masked_log_doubles : least_masked_log)
                                   : (is_double ? least_masked_doubles : least_masked);
    return length >= (far ? least.far : least.near);
}

// As many rows of a tile become a panel or a group.
std::size_t rows_together(Op op, std::size_t length, DType dtype) {
    if (length <= (dtype == DType::f64 ? 28 : 56))
        return dtype == DType::f64 ? 16 : 32;
    const std::size_t group = dtype == DType::f64 ? group_rows / 2 : group_rows;
    return length <= longest_grouped(op, dtype) ? group : 1;
}

std::size_t product(const Loops &loops) {
    std::size_t n = 1;
    for (const Loop &loop : loops)
        n *= loop.extent;
    return n;
}

// Whether an op keeps exponentials for its results.
bool keeps(Op op) { return op == Op::softmax || op == Op::cross_entropy_with_grad; }

// Fewer rows side by side are packed and turned, as most lanes of a register would be empty: where
// exponentials are kept in the results, and stores wait for each other, already some.
std::size_t least_panel_rows(const Plan &plan, bool fits) {
    const Op op = plan.problem.op;
    const std::size_t lanes = panel_bytes / 4 / dtype_size[static_cast<int>(plan.kernel_dtype)];
    if (is_backward(op))
        return fits ? 4 : 8;
    return keeps(op) ? lanes * 3 / 4 : lanes * 3 / 8;
}

// Whether rows that lie side by side go to the kernel as they are, or in tiles; `in_place`: what
// they consist of allows the former.
void plan_panels(Plan &plan, bool in_place) {
    const Problem &p = plan.problem;
    const Loop &rows = p.outer.back();
    const bool has_kernel = plan.kernel_dtype == DType::f32 || p.op != Op::cross_entropy_with_grad;
    bool side_by_side = has_kernel && !plan.direct && rows.stride[temperature_stream] == 0 &&
                        (p.array[other_stream].data == nullptr || is_backward(p.op));
    for (int k = 0; k < array_count; ++k)
        if (p.array[k].data)
            side_by_side = side_by_side &&
                           rows.stride[k] == static_cast<std::ptrdiff_t>(
                                                 dtype_size[static_cast<int>(p.array[k].dtype)]);
    if (!side_by_side)
        return;
    const std::size_t element = dtype_size[static_cast<int>(plan.kernel_dtype)];
    const std::size_t panel = panel_bytes / element;
    const bool fits = plan.length <= largest_scratch_elements;
    if (fits && p.outer.count() > 1 &&
        rows.extent < (plan.length <= longest_filled ? panel : panel / 4) &&
        (rows.extent > 2 || plan.length <= longest_of_two)) {
        const Loop &round = p.outer.end()[-2];
        const auto after = static_cast<std::ptrdiff_t>(rows.extent) * rows.stride[row_stream];
        plan.rounds = round.stride[temperature_stream] == 0 &&
                      (!has_row_data(p) || round.stride[row_stream] == after) &&
                      rows.extent * std::min(round.extent, panel) >= least_tile_rows;
    }
    const bool in_arrays = in_place && !plan.rounds;
    plan.panels = in_arrays ? rows.extent >= least_panel_rows(plan, fits)
                            : plan.rounds || (fits && rows.extent >= least_tile_rows);
    if (!plan.panels)
        return;
    if (fits && (in_arrays || !is_backward(p.op)))
        plan.scratch_bytes = panel_scratch_bytes(plan.length);
    else if (p.op == Op::softmax && plan.length > longest_at_once)
        plan.scratch_bytes = part_count(plan.length) * sizeof(Part) *
                             (plan.kernel_dtype == DType::f64 ? lanes_f64 : lanes_f32);
    if (plan.rounds && in_place && plan.length > longest_wide && rows.extent <= panel / 8)
        plan.panel_rows = panel / 4;
    else if (!in_arrays)
        plan.panel_rows = panel * std::max<std::size_t>(
                                      largest_panel_tile_bytes / (plan.length * panel_bytes), 1);
}

} // namespace

std::size_t kept_workspace_bytes(const Plan &plan) {
    const Problem &p = plan.problem;
    const std::size_t size = dtype_size[static_cast<int>(plan.kernel_dtype)];
    return keeps(p.op) && !p.where && plan.length > kept_bytes / size &&
                   plan.length <= longest_at_once
               ? streamed_scratch_bytes(plan.length, size)
               : 0;
}

Plan make_plan(const Problem &given) {
    Plan plan(given);
    plan.rows = product(given.outer);
    plan.length = product(given.inner);
    if (plan.rows == 0 || plan.length == 0)
        return plan;
    Problem &p = plan.problem;
    sort(p.outer);
    join(p.outer);
    join(p.inner);

    bool wide = p.wide;
    for (const Array &array : p.array)
        wide = wide || (array.data && array.dtype == DType::f64);
    plan.kernel_dtype = wide ? DType::f64 : DType::f32;
    const auto is_as_large_as = [&](std::size_t bytes, DType dtype) {
        return plan.rows * plan.length >= bytes / dtype_size[static_cast<int>(dtype)];
    };
    bool same = true, swapped = false, lines = true;
    for (int k = 0; k < array_count; ++k) {
        const Array &array = p.array[k];
        if (array.data == nullptr)
            continue;
        same = same && array.dtype == plan.kernel_dtype;
        swapped = swapped || array.swapped;
        const auto size = static_cast<std::ptrdiff_t>(dtype_size[static_cast<int>(array.dtype)]);
        const bool lies =
            !array.swapped &&
            (plan.length == 1 || (p.inner.count() == 1 && p.inner[0].stride[k] == size));
        plan.in_place[k] = lies && array.dtype == plan.kernel_dtype;
        lines = lines && lies;
    }
    const DType stored = p.array[x_stream].dtype;
    plan.direct = lines && same;
    if (p.where) {
        lines = lines && (plan.length == 1 ||
                          (p.inner.count() == 1 && p.inner[0].stride[where_stream] == 1));
        plan.direct = plan.direct && lines && !p.array[other_stream].data &&
                      masks(p.op, plan.length, stored, is_as_large_as(streaming_bytes(), stored));
        for (int k = 0; k < array_count; ++k) // else elements are replaced
            plan.in_place[k] = plan.in_place[k] && (k == y_stream || plan.direct);
    }
    plan.lines = lines && !plan.direct;
    plan.words = p.op == Op::softmax && plan.lines && !p.where && !wide &&
                 dtype_size[static_cast<int>(stored)] == 2 && p.array[y_stream].dtype == stored &&
                 plan.length >= least_words;
    plan_panels(plan, same && !swapped && !p.where && p.inner.count() == 1);
    const bool in_arrays = plan.direct || (plan.panels && plan.panel_rows == 0);
    const bool apart = p.array[y_stream].data != nullptr &&
                       p.array[y_stream].data != p.array[x_stream].data &&
                       p.array[y_stream].data != p.array[other_stream].data;
    plan.stream = in_arrays && !p.fresh && apart &&
                  is_as_large_as(plan.panels ? streaming_bytes() / 4 * 3 : streaming_bytes(),
                                 plan.kernel_dtype);
    // Of 16-bit rows of which two are in a page the processor sees more by itself.
    plan.distant = (in_arrays || (plan.words && plan.length > longest_near_words)) &&
                   is_as_large_as(streaming_bytes() / 2, stored);
    plan.distant_results = plan.distant && apart;
    plan.release_gil = plan.rows * plan.length >= release_gil_elements;

    const std::size_t size = dtype_size[static_cast<int>(plan.kernel_dtype)];
    if (plan.direct && p.where)
        plan.workspace_bytes = masked_scratch_bytes(p.op, plan.length, size);
    else if (plan.direct && plan.stream && plan.length <= largest_kept_bytes() / size)
        plan.workspace_bytes = kept_workspace_bytes(plan);
    constexpr std::size_t longest = PTRDIFF_MAX / 64; // so that no size of a tile overflows
    if (!plan.direct && plan.length > longest) {
        plan.workspace_bytes = PTRDIFF_MAX; // more than there is
    } else if (!plan.direct) {
        const std::size_t row_bytes = plan.length * size; // the widest of all
        plan.tile_count = 1 + (p.array[other_stream].data != nullptr) + (!same && !plan.lines);
        const std::size_t most = plan.lines ? largest_lines_bytes : largest_tile_bytes;
        std::size_t fitting = std::max<std::size_t>(most / row_bytes, 1);
        const std::size_t largest_group =
            p.array[y_stream].data ? largest_group_bytes : largest_group_bytes_read;
        const std::size_t unit = rows_together(p.op, plan.length, plan.kernel_dtype);
        if (unit == group_rows && plan.kernel_dtype == DType::f32 &&
            group_rows * row_bytes <= largest_group)
            fitting = std::max(fitting, group_rows);
        if (fitting > unit)
            fitting -= fitting % unit;
        const std::size_t along = p.outer.back().extent;
        plan.tile_rows =
            std::min(along, plan.length < 16 ? fitting : std::min(fitting, most_tile_rows));
        plan.tile_bytes = (plan.tile_rows * row_bytes + 63) / 64 * 64;
        plan.workspace_bytes = static_cast<std::size_t>(plan.tile_count) * plan.tile_bytes;
        if (plan.words)
            plan.workspace_bytes = std::max(plan.workspace_bytes, words_scratch_bytes(plan.length));
        if (plan.panels) { // scratch, and the tile: in the kernel's type, in a narrower one, its
                           // mask
            const std::size_t tile = plan.panel_rows * row_bytes;
            plan.raw_bytes = same ? 0 : tile / 2; // other types are half as large, or smaller
            const std::size_t mask = p.where ? plan.panel_rows * plan.length : 0;
            const std::size_t tiles = p.array[other_stream].data ? 2 * tile : tile;
            plan.workspace_bytes =
                std::max(plan.workspace_bytes, plan.scratch_bytes + tiles + plan.raw_bytes + mask);
        }
    }
    return plan;
}

} // namespace softlane
