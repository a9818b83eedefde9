#include "core/trial.hpp"

#include <cstring>
#include <limits>
#include <new>
#include <vector>

namespace softlane {

std::uint64_t Random::bits() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}
double Random::uniform(double low, double high) {
    return low + (high - low) * (static_cast<double>(bits() >> 11) * 0x1p-53);
}

void Hash::mix(std::uint64_t word) {
    value_ = (value_ ^ word) * 0xd6e8feb86659fd93;
    value_ ^= value_ >> 32;
}
void Hash::add(const void *data, std::size_t bytes) {
    const char *at = static_cast<const char *>(data);
    std::uint64_t word;
    for (; bytes >= sizeof word; at += sizeof word, bytes -= sizeof word) {
        std::memcpy(&word, at, sizeof word);
        mix(word);
    }
    word = bytes;
    std::memcpy(reinterpret_cast<char *>(&word) + 1, at, bytes);
    mix(word);
}

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

void fill_row(Random &random, std::size_t kind, DType dtype, double *row, std::size_t n) {
    const bool wide = dtype == DType::f64, narrow = dtype == DType::f16 || dtype == DType::bf16;
    const double spread = kind == 0 ? 2 : kind == 2 ? 0x1p-10 : kind == 8 ? 1 : 60;
    for (std::size_t i = 0; i < n; ++i)
        row[i] = random.uniform(-spread, spread);
    double &one = row[random.bits() % n];
    switch (kind) {
    case 2:
        for (std::size_t i = 0; i < n; ++i)
            row[i] += 1;
        break;
    case 3:
        for (std::size_t i = 0; i < n; ++i)
            row[i] = 40 - 0.7 * static_cast<double>(i) + row[i] * 0x1p-12;
        break;
    case 4:
        for (std::size_t i = 0; i < n; ++i)
            row[i] += narrow ? 300 : wide ? 3e9 : 3e5;
        break;
    case 5:
        one = -infinity;
        break;
    case 6:
        row[n - 1] = std::numeric_limits<double>::quiet_NaN();
        break;
    case 7:
        one = 100;
        break;
    case 8:
        for (std::size_t i = 0; i < n; ++i)
            row[i] *= narrow ? 0x1p-15 : wide ? 0x1p-1023 : 0x1p-127;
        break;
    case 9:
        one = infinity;
        break;
    default:
        break;
    }
}

struct Buffer {
    explicit Buffer(std::size_t n) : bytes(new char[n]), size(n) {}
    std::unique_ptr<char[]> bytes;
    std::size_t size;
};

Buffer elements(const KernelTable &table, DType dtype, const std::vector<double> &values) {
    Buffer buffer(values.size() * dtype_size[static_cast<int>(dtype)]);
    table.convert[static_cast<int>(DType::f64)][static_cast<int>(dtype)](
        values.data(), buffer.bytes.get(), values.size());
    return buffer;
}

} // namespace

Workspace workspace_of(std::size_t bytes) {
    if (bytes == 0)
        return Workspace(); // kernels see that they have none
    return Workspace(static_cast<char *>(::operator new[](bytes, std::align_val_t(64))));
}

void run_trial(const KernelTable &table, const TrialOp &of, DType dtype, const Trial &trial,
               Random &random, Hash &hash) {
    const std::size_t n = trial.length, count = trial.rows, total = count * n;
    std::vector<double> values(total);
    for (std::size_t i = 0; i < count; ++i)
        fill_row(random, trial.alike ? 0 : (n + i) % row_kinds, dtype, values.data() + i * n, n);
    if (of.op == Op::log_softmax_backward) // logarithms of probabilities
        for (double &v : values)
            v = v > 0 ? -v : v;
    const Buffer x = elements(table, dtype, values);
    const Buffer y(x.size);
    for (double &v : values)
        v = random.uniform(of.labels || of.weight ? 0 : -1, 1);
    const Buffer other = elements(table, dtype, of.other ? values : std::vector<double>());
    const Buffer where(trial.mask ? total : 0);
    for (std::size_t i = 0; i < where.size; ++i)
        where.bytes[i] = random.bits() % 4 != 0;
    std::vector<double> temperature(count, 1.0), weight(n), results(count), extra(count);
    std::vector<std::int64_t> labels(count);
    for (std::size_t i = 0; i < count; ++i) {
        if (trial.temperature)
            temperature[i] = random.uniform(0.5, 3);
        labels[i] = static_cast<std::int64_t>(random.bits() % (n + 1)) - 1;
    }
    for (double &w : weight)
        w = random.uniform(0, 2);
    const LossOptions loss{
        of.weight ? weight.data() : nullptr, of.smoothing, of.z_loss, 3.0, 0x1p-60, 5.0};

    const bool writes = of.op != Op::logsumexp && of.op != Op::cross_entropy;
    const auto size = static_cast<std::ptrdiff_t>(dtype_size[static_cast<int>(dtype)]);
    const auto along = static_cast<std::ptrdiff_t>(n), across = static_cast<std::ptrdiff_t>(count);
    const std::ptrdiff_t row = trial.axis_first ? 1 : along, column = trial.axis_first ? across : 1;
    Problem problem;
    problem.op = of.op;
    problem.where = trial.mask ? where.bytes.get() : nullptr;
    problem.temperature = temperature.data();
    problem.labels = of.labels ? labels.data() : nullptr;
    problem.results = results.data();
    // A plain loss has kernels of its own.
    problem.extra = of.op == Op::logsumexp || of.z_loss != 0 ? extra.data() : nullptr;
    problem.loss = is_loss(of.op) ? &loss : nullptr;
    problem.keep_subnormals = of.other || of.weight;
    // Rows of one temperature take ways of their own.
    const std::ptrdiff_t next_temperature = trial.temperature ? 1 : 0;
    problem.outer.add({count, {0, 0, 0, row, next_temperature, 1}});
    problem.inner.add({n, {0, 0, 0, column, 0, 0}});
    const auto use = [&](Stream k, const Buffer &buffer) {
        problem.array[k] = {buffer.bytes.get(), dtype, false};
        problem.outer[0].stride[k] = row * size;
        problem.inner[0].stride[k] = column * size;
    };
    use(x_stream, x);
    if (of.other)
        use(other_stream, other);
    if (writes)
        use(y_stream, y);
    const Plan plan = make_plan(problem);
    const Workspace workspace = workspace_of(plan.workspace_bytes);
    run_rows(plan, table, workspace.get(), 0, plan.rows);
    if (writes)
        hash.add(y.bytes.get(), y.size);
    hash.add(results.data(), count * sizeof(double)); // or zeros, like extra
    hash.add(extra.data(), count * sizeof(double));
}

} // namespace softlane
