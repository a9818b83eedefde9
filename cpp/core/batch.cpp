#include "core/batch.hpp"

#include <limits>

namespace softlane {

void step(std::ptrdiff_t (&at)[stream_count], const Loop &loop, std::ptrdiff_t by) {
    for (int k = 0; k < stream_count; ++k)
        at[k] += loop.stride[k] * by;
}

Walk::Walk(const Loop *loops, int count, std::size_t number) : loops_(loops), count_(count) {
    for (int d = count - 1; number != 0; --d) {
        index_[d] = number % loops[d].extent;
        number /= loops[d].extent;
        step(at, loops[d], static_cast<std::ptrdiff_t>(index_[d]));
    }
}

bool Walk::next() {
    for (int d = count_ - 1; d >= 0; --d) {
        const Loop &loop = loops_[d];
        if (++index_[d] < loop.extent) {
            step(at, loop, 1);
            return true;
        }
        step(at, loop, -static_cast<std::ptrdiff_t>(loop.extent - 1));
        index_[d] = 0;
    }
    return false;
}

const MaskedElement zero_element = {0, {}};
const MaskedElement minus_infinity_element = {-std::numeric_limits<double>::infinity(),
                                              {0xfc00, 0xff80, 0xff800000, 0xfff0000000000000}};
const MaskedElement &masked_result(Op op) {
    return op == Op::log_softmax ? minus_infinity_element : zero_element;
}

Rows batch_of(const Plan &plan, const std::ptrdiff_t (&at)[stream_count], const Loop &rows,
              std::size_t count, const Lines (&lines)[array_count]) {
    const Problem &p = plan.problem;
    auto of_row = [&](auto *base) { return base ? base + at[row_stream] : nullptr; };
    Rows batch{};
    batch.x = lines[x_stream].data;
    batch.other = lines[other_stream].data;
    batch.y = lines[y_stream].data;
    batch.count = count;
    batch.length = plan.length;
    batch.x_row_stride_bytes = lines[x_stream].row_stride_bytes;
    batch.other_row_stride_bytes = lines[other_stream].row_stride_bytes;
    batch.y_row_stride_bytes = lines[y_stream].row_stride_bytes;
    batch.temperature = p.temperature + at[temperature_stream];
    batch.temperature_stride = rows.stride[temperature_stream];
    batch.labels = of_row(p.labels);
    batch.results = of_row(p.results);
    batch.extra = of_row(p.extra);
    batch.row_stride = rows.stride[row_stream];
    batch.loss = p.loss;
    return batch;
}

Rows batch_in_arrays(const Plan &plan, const std::ptrdiff_t (&at)[stream_count], const Loop &rows,
                     std::size_t count, char *workspace) {
    const Problem &p = plan.problem;
    Lines lines[array_count];
    for (int k = 0; k < array_count; ++k)
        lines[k] = {p.array[k].data ? p.array[k].data + at[k] : nullptr, rows.stride[k]};
    Rows batch = batch_of(plan, at, rows, count, lines);
    batch.scratch = workspace;
    if (p.where) {
        batch.where = reinterpret_cast<const unsigned char *>(p.where) + at[where_stream];
        batch.where_row_stride_bytes = rows.stride[where_stream];
        batch.masked = masked_result(p.op).value;
    }
    batch.half = p.array[x_stream].dtype == DType::f16;
    batch.stream = plan.stream;
    batch.distant = plan.distant;
    batch.distant_results = plan.distant_results;
    return batch;
}

RowsFn rows_kernel(const Plan &plan, const KernelTable &table) {
    return table.rows[static_cast<int>(plan.problem.op)][plan.kernel_dtype == DType::f64];
}

void call_kernel(const Plan &plan, RowsFn kernel, const Rows &batch) {
    const FpEnvironment environment(kernel_subnormals(plan));
    kernel(batch);
}

} // namespace softlane
