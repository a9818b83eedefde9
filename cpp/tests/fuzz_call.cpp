#include "tests/fuzz_call.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace softlane {

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

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

constexpr std::size_t extents[] = {1,  2,  3,  4,  5,  7,   8,   9,   15,  16, 17,  20,  31,
                                   32, 33, 40, 64, 65, 100, 129, 257, 300, 0,  511, 512, 513};
constexpr double specials[] = {0.0,      -0.0,      1.0,        -1.0,       infinity, -infinity,
                               nan,      131072.0,  131073.0,   -131073.0,  88.7,     -87.3,
                               -104.0,   709.8,     -745.1,     0x1.fep127, -0x1p127, 0x1p-126,
                               0x1p-149, -0x1p-140, 0x1p60,     0x1p24,     1e300,    -1.7e308,
                               0x1p1023, 0x1p-1022, -0x1p-1070, 65504.0,    0x1p-24,  -17.5};
constexpr double spreads[] = {0, 0x1p-10, 1, 4, 20, 60, 300, 2e5, 1e38, 1e300};
constexpr double offsets_of_rows[] = {0, 1, 88, -104, 300, 3e5, -1e7, 3e9, 1e38, -1e300};

// Bits as they come, or numbers of one size with some special ones among them.
std::vector<std::uint64_t> values(FuzzedDataProvider &data, DType dtype, std::size_t n) {
    const std::size_t size = dtype_size[static_cast<int>(dtype)];
    if (data.ConsumeBool()) {
        const std::vector<char> raw =
            data.ConsumeBytes<char>(std::min(n * size, data.remaining_bytes() / 2));
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
    const std::size_t most = size_class < 4    ? 9000 // groups of the longest rows
                             : size_class < 16 ? 1200
                             : size_class < 24 ? 400
                             : size_class < 96 ? 80
                                               : 40;
    Shape shape;
    shape.dims = data.ConsumeIntegralInRange(1, most_fuzz_dims);
    std::size_t size = 1; // as if no extent were 0: the strides reach as far
    for (int d = 0; d < shape.dims; ++d) {
        std::size_t &extent = shape.extent[d];
        extent = std::min(pick(data, extents), most / size);
        size *= std::max<std::size_t>(extent, 1);
        shape.is_axis[d] = data.ConsumeBool();
        (shape.is_axis[d] ? shape.length : shape.rows) *= extent;
    }
    return shape;
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

} // namespace

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
    const bool sign = data.ConsumeBool();
    extra = of.op == Op::logsumexp ? sign : loss.z_loss > 0;
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

} // namespace softlane
