#include "tests/fuzz_call.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/run.hpp"

namespace softlane {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

constexpr std::size_t extents[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 20, 31, 32, 33, 40, 64, 65,
                                   100, 129, 257, 300, 0};
constexpr double specials[] = {
    0.0,    -0.0,   1.0,    -1.0,     infinity, -infinity,  nan,       131072.0, 131073.0, -131073.0,
    88.7,   -87.3,  -104.0, 709.8,    -745.1,   0x1.fep127, -0x1p127,  0x1p-126, 0x1p-149, -0x1p-140,
    0x1p60, 0x1p24, 1e300,  -1.7e308, 0x1p1023, 0x1p-1022,  -0x1p-1070, 65504.0, 0x1p-24,  -17.5};
constexpr double spreads[] = {0, 0x1p-10, 1, 4, 20, 60, 300, 2e5, 1e38, 1e300};
constexpr double offsets_of_rows[] = {0, 1, 88, -104, 300, 3e5, -1e7, 3e9, 1e38, -1e300};

template <class T, std::size_t n> T pick(FuzzedDataProvider &data, const T (&from)[n]) {
    return from[data.ConsumeIntegralInRange<std::size_t>(0, n - 1)];
}

std::vector<std::uint64_t> bits_of(DType dtype, const std::vector<double> &values) {
    const std::size_t size = dtype_size[static_cast<int>(dtype)];
    std::vector<char> stored(values.size() * size);
    portable().convert[static_cast<int>(DType::f64)][static_cast<int>(dtype)](
        values.data(), stored.data(), values.size());
    std::vector<std::uint64_t> bits(values.size());
    for (std::size_t i = 0; i < bits.size(); ++i)
        std::memcpy(&bits[i], stored.data() + i * size, size);
    return bits;
}

// Bits as they come, or numbers of one size with some special ones among them.
std::vector<std::uint64_t> values(FuzzedDataProvider &data, DType dtype, std::size_t n) {
    const std::size_t size = dtype_size[static_cast<int>(dtype)];
    if (data.ConsumeBool()) {
        const std::vector<char> raw = data.ConsumeBytes<char>(
            std::min(n * size, data.remaining_bytes() / 2));
        std::vector<std::uint64_t> bits(n, 0);
        for (std::size_t i = 0; i < n * size && !raw.empty(); ++i)
            bits[i / size] |= std::uint64_t{static_cast<unsigned char>(raw[i % raw.size()])}
                              << i % size * 8;
        return bits;
    }
    Random random(data.ConsumeIntegral<std::uint16_t>());
    const double spread = pick(data, spreads), offset = pick(data, offsets_of_rows);
    std::vector<double> numbers(n);
    for (double &v : numbers)
        v = offset + random.uniform(-spread, spread);
    for (int left = data.ConsumeIntegralInRange(0, 4); left > 0 && n > 0; --left)
        numbers[data.ConsumeIntegralInRange<std::size_t>(0, n - 1)] = pick(data, specials);
    return bits_of(dtype, numbers);
}

std::vector<double> doubles(FuzzedDataProvider &data, std::size_t n) {
    const std::vector<std::uint64_t> bits = values(data, DType::f64, n);
    std::vector<double> numbers(n);
    if (n > 0)
        std::memcpy(numbers.data(), bits.data(), n * sizeof(double));
    return numbers;
}

Shape shape_of(FuzzedDataProvider &data) {
    const int size_class = data.ConsumeIntegral<std::uint8_t>();
    const std::size_t most = size_class < 1 ? 3000 : size_class < 16 ? 400 : size_class < 96 ? 80 : 40;
    Shape shape;
    shape.dims = data.ConsumeIntegralInRange(1, most_fuzz_dims);
    std::size_t size = 1;
    for (int d = 0; d < shape.dims; ++d) {
        std::size_t &extent = shape.extent[d];
        extent = std::min(pick(data, extents), most / std::max<std::size_t>(size, 1));
        size *= extent;
        shape.is_axis[d] = data.ConsumeBool();
        (shape.is_axis[d] ? shape.length : shape.rows) *= extent;
    }
    return shape;
}

void store(char *at, std::uint64_t bits, std::size_t size, bool swapped) {
    std::memcpy(at, &bits, size); // little-endian
    if (swapped)
        std::reverse(at, at + size);
}
std::uint64_t load(const char *at, std::size_t size, bool swapped) {
    char bytes[8] = {};
    std::memcpy(bytes, at, size);
    if (swapped)
        std::reverse(bytes, bytes + size);
    std::uint64_t bits;
    std::memcpy(&bits, bytes, 8);
    return bits;
}

// What is left of an array's values where dimensions are broadcast.
std::vector<std::uint64_t> broadcast(const Shape &shape, const Place &place, std::size_t size,
                                     const std::vector<std::uint64_t> &bits) {
    Stored stored(shape, place, size, false);
    stored.put(bits);
    std::vector<std::uint64_t> left;
    stored.get(left);
    return left;
}

Elements elements(FuzzedDataProvider &data, const Shape &shape, bool may_broadcast) {
    Elements made;
    made.dtype = static_cast<DType>(data.ConsumeIntegralInRange(0, dtype_count - 1));
    made.swapped = data.ConsumeIntegral<std::uint8_t>() % 8 == 1;
    made.place = place(data, shape, made.size(), may_broadcast);
    made.bits = broadcast(shape, made.place, made.size(),
                          values(data, made.dtype, shape.rows * shape.length));
    return made;
}

double positive(double v) {
    v = std::fabs(v);
    return v > 0 && v < infinity ? v : 1;
}

Outcome numbers_of(const Call &call, std::size_t rows) {
    Outcome outcome;
    outcome.results.assign(rows, 0);
    outcome.extra.assign(call.extra ? rows : 0, 0);
    return outcome;
}

Problem problem_of(const Call &call, Outcome &outcome, const double *temperature,
                   const std::int64_t *labels) {
    Problem problem{};
    problem.op = call.of.op;
    problem.temperature = temperature;
    problem.labels = labels;
    problem.results = outcome.results.data();
    problem.extra = call.extra ? outcome.extra.data() : nullptr;
    problem.loss = &call.loss;
    problem.wide = call.wide;
    return problem;
}

void carry_out(const Plan &plan, const KernelTable &table, char *workspace, std::size_t cut) {
    run_rows(plan, table, workspace, 0, std::min(cut, plan.rows));
    run_rows(plan, table, workspace, std::min(cut, plan.rows), plan.rows);
}

} // namespace

std::vector<std::ptrdiff_t> Place::offsets(const Shape &shape, bool axes) const {
    std::vector<std::ptrdiff_t> found{0};
    for (int d = 0; d < shape.dims; ++d) {
        if (shape.is_axis[d] != axes)
            continue;
        std::vector<std::ptrdiff_t> finer;
        finer.reserve(found.size() * shape.extent[d]);
        for (const std::ptrdiff_t offset : found)
            for (std::size_t i = 0; i < shape.extent[d]; ++i)
                finer.push_back(offset + static_cast<std::ptrdiff_t>(i) * stride[d]);
        found = std::move(finer);
    }
    return found;
}

Place place(FuzzedDataProvider &data, const Shape &shape, std::size_t item, bool may_broadcast) {
    enum { c_order, fortran_order, c_with_gaps, any_order };
    Place made;
    const int style = data.ConsumeIntegralInRange(0, 3);
    int order[most_fuzz_dims]; // the dimension that lies innermost first
    for (int d = 0; d < shape.dims; ++d)
        order[d] = style == fortran_order ? d : shape.dims - 1 - d;
    if (style == any_order)
        for (int d = shape.dims - 1; d > 0; --d)
            std::swap(order[d], order[data.ConsumeIntegralInRange(0, d)]);
    std::size_t reach = item;
    for (int i = 0; i < shape.dims; ++i) {
        const std::size_t extent = shape.extent[order[i]];
        std::ptrdiff_t &stride = made.stride[order[i]];
        const unsigned how =
            style < c_with_gaps ? 0 : data.ConsumeIntegral<std::uint8_t>();
        if (extent <= 1) // means nothing
            stride = how % 2 ? data.ConsumeIntegral<std::ptrdiff_t>() : 0;
        if (extent <= 1 || (may_broadcast && how % 8 == 7))
            continue;
        const std::size_t gaps[] = {0, 1, item, 3};
        const std::size_t step = reach + gaps[how / 8 % 4];
        stride = static_cast<std::ptrdiff_t>(step);
        if (how / 64 % 2) { // backwards
            made.first += static_cast<std::ptrdiff_t>(step * (extent - 1));
            stride = -stride;
        }
        reach += step * (extent - 1);
    }
    const std::size_t lead = style == any_order ? data.ConsumeIntegralInRange(0, 15) : 0;
    made.first += static_cast<std::ptrdiff_t>(lead);
    made.bytes = reach + lead;
    return made;
}

Call::Call(FuzzedDataProvider &data) : of(pick(data, trial_ops)), shape(shape_of(data)) {
    const std::size_t rows = shape.rows, total = rows * shape.length;
    writes = of.op != Op::logsumexp && of.op != Op::cross_entropy;
    const bool backward = of.op == Op::softmax_backward || of.op == Op::log_softmax_backward;
    const bool in_place = writes && data.ConsumeIntegral<std::uint8_t>() % 4 == 1;
    y_is = !in_place ? -1 : backward && data.ConsumeBool() ? other_stream : x_stream;
    x = elements(data, shape, y_is != x_stream);
    if (of.other)
        other = elements(data, shape, y_is != other_stream);
    if (in_place) {
        const Elements &input = y_is == x_stream ? x : other;
        y_dtype = input.dtype;
        y_swapped = input.swapped;
        y_place = input.place;
    } else if (writes) {
        y_dtype = data.ConsumeBool()
                      ? x.dtype
                      : static_cast<DType>(data.ConsumeIntegralInRange(0, dtype_count - 1));
        y_swapped = data.ConsumeIntegral<std::uint8_t>() % 8 == 1;
        y_place = place(data, shape, dtype_size[static_cast<int>(y_dtype)], false);
    }
    if (data.ConsumeIntegral<std::uint8_t>() % 4 == 1) {
        where_place = place(data, shape, 1, true);
        std::vector<std::uint64_t> keep(total);
        Random random(data.ConsumeIntegral<std::uint8_t>());
        const int rate = data.ConsumeIntegralInRange(0, 8); // of 8 are kept
        for (std::uint64_t &k : keep)
            k = static_cast<int>(random.bits() % 8) < rate;
        keep = broadcast(shape, where_place, 1, keep);
        where.assign(keep.begin(), keep.end());
    }
    Shape of_rows = shape;
    for (int d = 0; d < shape.dims; ++d)
        if (shape.is_axis[d])
            of_rows.extent[d] = 1;
    temperature_place = place(data, of_rows, 1, true);
    row_temperature.assign(rows, 1.0);
    if (of.op != Op::logsumexp && data.ConsumeBool())
        row_temperature = doubles(data, rows);
    temperature.assign(temperature_place.bytes, nan);
    const std::vector<std::ptrdiff_t> offsets = temperature_place.offsets(shape, false);
    const auto at = [&](std::size_t i) -> double & {
        return temperature[static_cast<std::size_t>(temperature_place.first + offsets[i])];
    };
    for (std::size_t i = 0; i < rows; ++i)
        at(i) = positive(row_temperature[i]);
    for (std::size_t i = 0; i < rows; ++i)
        row_temperature[i] = at(i); // what is left of them where dimensions are broadcast
    if (of.labels) {
        Random random(data.ConsumeIntegral<std::uint8_t>());
        labels.resize(rows);
        for (std::int64_t &label : labels)
            label = static_cast<std::int64_t>(random.bits() % (shape.length + 1)) - 1;
    }
    loss.smoothing = of.weight && data.ConsumeBool() ? data.ConsumeProbability<double>() : 0;
    if (of.weight) // which smoothing and probabilities need
        weight = doubles(data, shape.length);
    loss.weight = of.weight ? weight.data() : nullptr;
    const double z_losses[] = {0, of.z_loss, 1, 1e30, 1e300, 0x1p-1060};
    // A mean's is the number of rows, or the sum of their weights.
    const double counts[] = {1, 3, static_cast<double>(rows) + 1, 0x1p33};
    const double sums[] = {1, 2.5, 0, -2, nan, infinity, 1e-300, 1e30};
    loss.z_loss = of.labels || of.weight ? pick(data, z_losses) : 0;
    loss.divisor = of.labels && of.weight ? pick(data, sums) : pick(data, counts);
    loss.divisor_low = data.ConsumeBool() ? loss.divisor * 0x1p-60 : 0;
    loss.z_divisor = pick(data, counts);
    wide = of.op == Op::logsumexp && data.ConsumeBool();
    extra = loss.z_loss > 0 || data.ConsumeBool();
    stream = data.ConsumeBool();
    no_scratch = data.ConsumeBool();
    tile_rows = data.ConsumeBool() ? 1000 : data.ConsumeIntegralInRange<std::size_t>(1, 9);
    cut = data.ConsumeIntegralInRange<std::size_t>(0, rows);
    alone = rows ? data.ConsumeIntegralInRange<std::size_t>(0, rows - 1) : 0;
}

bool Call::keep_subnormals(std::size_t first_row, std::size_t end_row) const {
    const bool loss_options = of.weight || loss.z_loss > 0;
    return of.other || loss_options ||
           std::any_of(row_temperature.begin() + static_cast<std::ptrdiff_t>(first_row),
                       row_temperature.begin() + static_cast<std::ptrdiff_t>(end_row),
                       [](double t) { return t < 0x1p-60; });
}

std::uint64_t masked_bits(const Call &call) {
    return call.of.op == Op::log_softmax ? bits_of(call.y_dtype, {-infinity})[0] : 0;
}

void Stored::put(const std::vector<std::uint64_t> &bits) {
    auto from = bits.begin();
    for (const std::ptrdiff_t row : rows)
        for (const std::ptrdiff_t element : elements)
            store(data() + row + element, *from++, size, swapped);
}

void Stored::get(std::vector<std::uint64_t> &bits) const {
    bits.resize(rows.size() * elements.size());
    auto to = bits.begin();
    for (const std::ptrdiff_t row : rows)
        for (const std::ptrdiff_t element : elements)
            *to++ = load(bytes.data() + place.first + row + element, size, swapped);
}

Stage::Stage(const Call &of)
    : call(of), x(of.shape, of.x.place, of.x.size(), of.x.swapped),
      other(of.shape, of.other.place, of.other.size(), of.other.swapped),
      own_y(of.shape, of.y_place, dtype_size[static_cast<int>(of.y_dtype)], of.y_swapped),
      where(of.shape, of.where_place, 1, false),
      y(of.y_is == x_stream ? x : of.y_is == other_stream ? other : own_y) {
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
            problem.inner[problem.inner_count++] = loop;
        } else {
            row *= static_cast<std::ptrdiff_t>(shape.extent[d]);
            problem.outer[problem.outer_count++] = loop;
        }
    }
    std::reverse(problem.inner, problem.inner + problem.inner_count);
    std::reverse(problem.outer, problem.outer + problem.outer_count);

    plan = make_plan(problem);
    const bool panels_in_arrays = plan.panels && plan.panel_rows == 0;
    if (call.writes && (plan.direct || panels_in_arrays))
        plan.stream = call.stream;
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
    problem.outer_count = problem.inner_count = 1;
    problem.outer[0] = {1, {}};
    problem.inner[0] = {n, {}};
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
