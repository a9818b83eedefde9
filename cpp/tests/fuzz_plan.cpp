// Hostile shapes and strides through make_plan and split alone: up to what an address space can
// hold, and whatever numpy allows where a stride means nothing. No arithmetic overflows, loops that
// are joined still lead to the same addresses, and what is to be allocated is what is said.
#include <algorithm>
#include <cstddef>

#include "core/parallel.hpp"
#include "core/threads.hpp"
#include "tests/fuzz.hpp"

namespace {

using namespace softlane;

constexpr std::size_t most_elements = PTRDIFF_MAX / 8; // of a double, as numpy has it
constexpr std::size_t most_reach = PTRDIFF_MAX / 2;    // in bytes, of each stream

std::size_t extent_of(FuzzedDataProvider &data, std::size_t most) {
    switch (data.ConsumeIntegralInRange(0, 3)) {
    case 0:
        return 1;
    case 1: // any, and those at the edge
        return data.ConsumeBool() ? most : data.ConsumeIntegralInRange<std::size_t>(0, most);
    case 2:
        return std::min(most, std::size_t{1} << data.ConsumeIntegralInRange(0, 62));
    default:
        return std::min<std::size_t>(most, data.ConsumeIntegralInRange(0, 300));
    }
}

std::ptrdiff_t stride_of(FuzzedDataProvider &data, std::size_t extent, std::size_t item,
                         std::ptrdiff_t joining, std::size_t &left) {
    if (extent <= 1)
        return data.ConsumeIntegral<std::ptrdiff_t>();
    const std::size_t most = left / (extent - 1);
    std::ptrdiff_t stride = 0;
    switch (data.ConsumeIntegralInRange(0, 3)) {
    case 0:
        stride = static_cast<std::ptrdiff_t>(item);
        break;
    case 1:
        stride = joining;
        break;
    case 2:
        stride = data.ConsumeIntegral<std::int16_t>();
        break;
    default:
        stride = data.ConsumeIntegral<std::ptrdiff_t>();
    }
    const auto bound = static_cast<std::ptrdiff_t>(std::min<std::size_t>(most, PTRDIFF_MAX));
    stride = std::max(-bound, std::min(bound, stride));
    left -= static_cast<std::size_t>(stride < 0 ? -stride : stride) * (extent - 1);
    return stride;
}

// The furthest that a stream gets, forwards and backwards.
struct Reach {
    std::ptrdiff_t forwards = 0, backwards = 0;
    void add(const Loops &loops, int stream) {
        for (const Loop &loop : loops) {
            if (loop.extent <= 1)
                continue;
            const std::ptrdiff_t far =
                loop.stride[stream] * static_cast<std::ptrdiff_t>(loop.extent - 1);
            (far < 0 ? backwards : forwards) += far;
        }
    }
    bool operator==(const Reach &of) const {
        return forwards == of.forwards && backwards == of.backwards;
    }
};

std::ptrdiff_t offset_of(const Loops &loops, int stream, std::size_t index) {
    std::ptrdiff_t offset = 0;
    for (int d = loops.count() - 1; d >= 0; --d) {
        if (loops[d].extent > 1)
            offset +=
                loops[d].stride[stream] * static_cast<std::ptrdiff_t>(index % loops[d].extent);
        index /= loops[d].extent;
    }
    return offset;
}

void check_split(const Plan &plan, int threads) {
    const Split shares = split(plan, threads);
    check(shares.threads >= 1 && shares.threads <= threads, "split", "threads");
    check(shares.workspace_bytes / static_cast<std::size_t>(shares.threads) == plan.workspace_bytes,
          "split", "workspace");
    if (shares.threads == 1)
        return;
    check(shares.chunk_rows >= 1, "split", "empty chunks");
    const std::size_t parts = (plan.rows - 1) / shares.chunk_rows + 1;
    check(parts <= UINT32_MAX && parts >= static_cast<std::size_t>(shares.threads), "split",
          "parts");
    check(shares.chunk_rows <= SIZE_MAX / parts, "split", "the last part begins beyond all sizes");
    check(shares.workspace_bytes <= std::size_t{128} << 20, "split", "more than 128 MB of tiles");
}

void check_plan(const Problem &given, const Plan &plan) {
    const Problem &p = plan.problem;
    for (int k = 0; k < stream_count; ++k) {
        Reach before, after;
        before.add(given.outer, k);
        after.add(p.outer, k);
        check(before == after, "plan", "rows lie elsewhere");
    }
    std::size_t index = plan.length - 1;
    for (int i = 0; i < 3; ++i, index = index / 3 * 2)
        for (int k = 0; k < stream_count; ++k)
            check(offset_of(given.inner, k, index) == offset_of(p.inner, k, index), "plan",
                  "a row's elements lie elsewhere");
    check(p.outer.count() >= 1 && p.inner.count() >= 1, "plan", "no loop");
    const std::size_t element = dtype_size[static_cast<int>(plan.kernel_dtype)];
    if (plan.direct) {
        const std::size_t kept = streamed_scratch_bytes(plan.length, element);
        check(p.where ? plan.workspace_bytes == masked_scratch_bytes(p.op, plan.length, element)
                      : plan.workspace_bytes == 0 || (plan.stream && plan.workspace_bytes == kept),
              "plan", "a workspace without tiles, masked rows and kept ones");
        check(!p.where || (p.inner.count() == 1 && p.inner[0].stride[where_stream] == 1 &&
                           p.array[other_stream].data == nullptr && plan.length <= longest_at_once),
              "plan", "a mask that the kernel does not take");
        return;
    }
    if (plan.workspace_bytes == PTRDIFF_MAX)
        return; // cannot be had
    check(plan.tile_rows >= 1 && plan.tile_bytes / plan.tile_rows / plan.length >= element, "plan",
          "a tile that does not hold its rows");
    check(plan.workspace_bytes / plan.tile_bytes >= static_cast<std::size_t>(plan.tile_count),
          "plan", "a workspace that does not hold the tiles");
    check(plan.workspace_bytes < PTRDIFF_MAX, "plan", "a workspace beyond all sizes");
    if (plan.panels)
        check(plan.workspace_bytes >=
                  plan.panel_rows * plan.length *
                          ((p.array[other_stream].data ? 2 : 1) * element + (p.where ? 1 : 0)) +
                      plan.raw_bytes + plan.scratch_bytes,
              "plan", "a workspace that does not hold the panels");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *bytes, std::size_t size) {
    FuzzedDataProvider data(bytes, size);
    static char nowhere[1];
    static constexpr double one = 1;
    Problem problem;
    problem.op = static_cast<Op>(data.ConsumeIntegralInRange(0, op_count - 1));
    problem.temperature = &one;
    problem.wide = data.ConsumeBool();
    problem.fresh = data.ConsumeBool();
    problem.where = data.ConsumeBool() ? nowhere : nullptr;
    std::size_t item[stream_count] = {1, 1, 1, 1, 1, 1};
    for (int k = 0; k < array_count; ++k) {
        const auto dtype = static_cast<DType>(data.ConsumeIntegralInRange(0, dtype_count - 1));
        item[k] = dtype_size[static_cast<int>(dtype)];
        if (k == x_stream || data.ConsumeBool())
            problem.array[k] = {nowhere, dtype, data.ConsumeIntegral<std::uint8_t>() % 8 == 1};
    }
    // From the last dimension, whose extents may join, to the first.
    const int dims = data.ConsumeBool() ? data.ConsumeIntegralInRange(0, 4)
                                        : data.ConsumeIntegralInRange(0, max_dims);
    std::size_t elements = 1, left[stream_count], joining[stream_count];
    for (int k = 0; k < stream_count; ++k) {
        left[k] = most_reach / item[k];
        joining[k] = item[k];
    }
    for (int d = 0; d < dims; ++d) {
        const std::size_t extent = extent_of(data, most_elements / elements);
        elements *= std::max<std::size_t>(extent, 1); // as numpy does, for sizes of empty arrays
        Loop loop{extent, {}};
        for (int k = 0; k < stream_count; ++k) {
            loop.stride[k] =
                stride_of(data, extent, item[k], static_cast<std::ptrdiff_t>(joining[k]), left[k]);
            joining[k] =
                extent > 1 ? static_cast<std::size_t>(loop.stride[k]) * extent : joining[k];
        }
        if (data.ConsumeBool())
            problem.inner.add(loop);
        else
            problem.outer.add(loop);
    }
    std::reverse(problem.inner.begin(), problem.inner.end());
    std::reverse(problem.outer.begin(), problem.outer.end());

    const Plan plan = make_plan(problem);
    __uint128_t rows = 1, length = 1;
    for (const Loop &loop : problem.outer)
        rows *= loop.extent;
    for (const Loop &loop : problem.inner)
        length *= loop.extent;
    check(plan.rows == rows && plan.length == length, "plan", "rows or length");
    if (plan.rows == 0 || plan.length == 0)
        return 0;
    check_plan(problem, plan);
    check_split(plan, data.ConsumeIntegralInRange(1, most_threads));
    return 0;
}
