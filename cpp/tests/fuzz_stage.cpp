#include "tests/fuzz_stage.hpp"

#include <algorithm>
#include <limits>

#include "core/run.hpp"

namespace softlane {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

Outcome numbers_of(const Call &call, std::size_t rows) {
    Outcome outcome;
    outcome.results.assign(rows, 0);
    outcome.extra.assign(call.extra ? rows : 0, 0);
    return outcome;
}

Problem problem_of(const Call &call, Outcome &outcome, const double *temperature,
                   const std::int64_t *labels) {
    Problem problem;
    problem.op = call.of.op;
    problem.temperature = temperature;
    problem.labels = labels;
    problem.results = outcome.results.data();
    problem.extra = call.extra ? outcome.extra.data() : nullptr;
    problem.loss = is_loss(call.of.op) ? &call.loss : nullptr;
    problem.wide = call.wide;
    return problem;
}

void carry_out(const Plan &plan, const KernelTable &table, char *workspace, std::size_t cut) {
    cut = std::min(cut, plan.rows);
    if (plan.rounds) // which are not divided
        cut -= cut % plan.problem.outer.back().extent;
    run_rows(plan, table, workspace, 0, cut);
    run_rows(plan, table, workspace, cut, plan.rows);
}

} // namespace

std::uint64_t masked_bits(const Call &call) {
    return call.of.op == Op::log_softmax ? bits_of(call.y_dtype, {-infinity})[0] : 0;
}

Stage::Stage(const Call &of)
    : call(of), x(of.shape, of.x.place, of.x.size(), of.x.swapped),
      other(of.shape, of.other.place, of.other.size(), of.other.swapped),
      own_y(of.shape, of.y_place, dtype_size[static_cast<int>(of.y_dtype)], of.y_swapped),
      where(of.shape, of.where_place, 1, false), y(of.y_is == x_stream       ? x
                                                   : of.y_is == other_stream ? other
                                                                             : own_y) {
    const Shape &shape = call.shape;
    x.put(call.x.bits);
    if (call.other.used())
        other.put(call.other.bits);
    if (!call.where.empty())
        where.put({call.where.begin(), call.where.end()});
    x_before = x.bytes;
    other_before = other.bytes;
    y_before = y.bytes;
    if (call.writes)
        y.get(y_elements);
    outcome = numbers_of(call, shape.rows);
    Problem problem =
        problem_of(call, outcome, call.temperature.data() + call.temperature_place.first,
                   call.of.labels ? call.labels.data() : nullptr);
    problem.keep_subnormals = call.keep_subnormals(0, shape.rows);
    problem.where = call.where.empty() ? nullptr : where.data();
    problem.array[x_stream] = {x.data(), call.x.dtype, call.x.swapped};
    if (call.other.used())
        problem.array[other_stream] = {other.data(), call.other.dtype, call.other.swapped};
    if (call.writes)
        problem.array[y_stream] = {y.data(), call.y_dtype, call.y_swapped};
    std::ptrdiff_t row = 1;
    for (int d = shape.dims - 1; d >= 0; --d) {
        Loop loop{shape.extent[d],
                  {x.place.stride[d], other.place.stride[d], y.place.stride[d],
                   where.place.stride[d], call.temperature_place.stride[d], row}};
        if (shape.is_axis[d]) {
            loop.stride[temperature_stream] = loop.stride[row_stream] = 0;
            problem.inner.add(loop);
        } else {
            row *= static_cast<std::ptrdiff_t>(shape.extent[d]);
            problem.outer.add(loop);
        }
    }
    std::reverse(problem.inner.begin(), problem.inner.end());
    std::reverse(problem.outer.begin(), problem.outer.end());

    plan = make_plan(problem);
    const bool panels_in_arrays = plan.panels && plan.panel_rows == 0;
    if (call.writes && (plan.direct || panels_in_arrays)) {
        plan.stream = call.stream;
        plan.distant = call.stream || call.no_scratch;
        plan.distant_results = plan.distant && call.y_is < 0;
    }
    if (plan.direct && plan.stream && !call.no_scratch)
        plan.workspace_bytes = std::max(plan.workspace_bytes, kept_workspace_bytes(plan));
    if (panels_in_arrays && call.no_scratch)
        plan.scratch_bytes = 0;
    if (plan.panel_rows && call.tile_rows < 1000)
        plan.panel_rows = panel_bytes / dtype_size[static_cast<int>(plan.kernel_dtype)];
    plan.tile_rows = std::min(plan.tile_rows, call.tile_rows);
    workspace = workspace_of(plan.workspace_bytes);
}

const Outcome &Stage::run(const KernelTable &table) {
    x.bytes = x_before;
    other.bytes = other_before;
    y.bytes = y_before;
    outcome.results.assign(outcome.results.size(), 0);
    outcome.extra.assign(outcome.extra.size(), 0);
    carry_out(plan, table, workspace.get(), call.cut);
    if (call.writes) {
        y.get(outcome.y);
        y.put(y_elements);
        check(y.bytes == y_before, table.isa, "wrote outside of the elements of y");
    }
    check(x.bytes == x_before, table.isa, "wrote to x");
    check(other.bytes == other_before, table.isa, "wrote to other");
    return outcome;
}

Outcome run_alone(const Call &call, const KernelTable &table, std::size_t row) {
    const std::size_t n = call.shape.length;
    const auto of_row = [&](const Elements &of, double masked) {
        std::vector<char> bytes(n * of.size());
        const std::uint64_t bits = bits_of(of.dtype, {masked})[0];
        for (std::size_t i = 0; i < n; ++i)
            store(bytes.data() + i * of.size(),
                  call.where.empty() || call.where[row * n + i] ? of.bits[row * n + i] : bits,
                  of.size(), false);
        return bytes;
    };
    std::vector<char> x = of_row(call.x, -infinity), other, y;
    Outcome outcome = numbers_of(call, 1);
    Problem problem = problem_of(call, outcome, &call.row_temperature[row],
                                 call.of.labels ? &call.labels[row] : nullptr);
    problem.keep_subnormals = call.keep_subnormals(row, row + 1);
    problem.outer = Loops();
    problem.inner = Loops();
    problem.outer.add({1, {}});
    problem.inner.add({n, {}});
    const auto use = [&](Stream k, std::vector<char> &bytes, DType dtype) {
        problem.array[k] = {bytes.data(), dtype, false};
        problem.inner[0].stride[k] =
            static_cast<std::ptrdiff_t>(dtype_size[static_cast<int>(dtype)]);
    };
    use(x_stream, x, call.x.dtype);
    if (call.other.used()) {
        other = of_row(call.other, 0);
        use(other_stream, other, call.other.dtype);
    }
    const std::size_t y_size = dtype_size[static_cast<int>(call.y_dtype)];
    if (call.writes) {
        y.assign(n * y_size, fill);
        use(y_stream, y, call.y_dtype);
    }
    const Plan plan = make_plan(problem);
    carry_out(plan, table, workspace_of(plan.workspace_bytes).get(), 1);
    for (std::size_t i = 0; i < y.size() / y_size; ++i)
        outcome.y.push_back(load(y.data() + i * y_size, y_size, false));
    return outcome;
}

} // namespace softlane
