// Hostile calls through make_plan and run_rows, on levels that the input names. Levels that promise
// it must agree bit for bit, the others to what they promise of the exact value; a row must be what
// it is alone; nothing may be touched but the elements.
#include <cmath>
#include <cstring>

#include "tests/fuzz_stage.hpp"

namespace {

using namespace softlane;

// A NaN among results is the positive quiet one without a payload, on every level.
void check_nans(const Call &call, const Outcome &outcome, const char *isa) {
    static constexpr std::uint64_t nans[dtype_count] = {0x7e00, 0x7fc0, 0x7fc00000,
                                                        0x7ff8000000000000};
    static constexpr std::uint64_t infinities[dtype_count] = {0x7c00, 0x7f80, 0x7f800000,
                                                              0x7ff0000000000000};
    const int dtype = static_cast<int>(call.y_dtype);
    const std::uint64_t sign = std::uint64_t{1} << (dtype_size[dtype] * 8 - 1);
    for (const std::uint64_t bits : outcome.y)
        check((bits & ~sign) <= infinities[dtype] || bits == nans[dtype], isa,
              "a NaN with a sign or a payload");
    for (const std::vector<double> *numbers : {&outcome.results, &outcome.extra})
        for (const double v : *numbers) {
            std::uint64_t bits;
            std::memcpy(&bits, &v, sizeof bits);
            check(v == v || bits == nans[3], isa, "a NaN with a sign or a payload");
        }
}

void check_mask(const Call &call, const Outcome &outcome, const char *isa) {
    for (std::size_t i = 0; i < call.where.size() && call.writes; ++i)
        check(call.where[i] || outcome.y[i] == masked_bits(call), isa, "a masked element's result");
}

void check_alone(const Call &call, const Outcome &batch, const KernelTable &table) {
    const std::size_t row = call.alone, n = call.shape.length;
    const Outcome alone = run_alone(call, table, row);
    for (std::size_t j = 0; j < alone.y.size(); ++j)
        check((!call.where.empty() && !call.where[row * n + j]) ||
                  alone.y[j] == batch.y[row * n + j],
              table.isa, "a row's result differs from that of the row alone");
    const auto same = [&](const std::vector<double> &of_batch, const std::vector<double> &of_row) {
        check(of_row.empty() || same_bits(of_row, {of_batch[row]}), table.isa,
              "a row's number differs from that of the row alone");
    };
    same(batch.results, alone.results);
    same(batch.extra, alone.extra);
}

void check_same(const Outcome &a, const Outcome &b, const char *isa) {
    check(same_bits(a.y, b.y), isa, "results differ between levels");
    check(same_bits(a.results, b.results), isa, "numbers of rows differ between levels");
    check(same_bits(a.extra, b.extra), isa, "further numbers of rows differ between levels");
}

// Numbers of a type in the order of their values, as integers: a difference of 1 is 1 ULP.
std::int64_t place_in_order(std::uint64_t bits, std::size_t size) {
    const std::uint64_t sign = std::uint64_t{1} << (size * 8 - 1);
    const auto magnitude = static_cast<std::int64_t>(bits & ~sign);
    return bits & sign ? -magnitude : magnitude;
}

// Levels with and without FMA: results within what both promise of the exact value, where that is
// a number of ULP. Both promise NaN for a row that has none of a number.
void check_near(const Call &call, const Outcome &a, const Outcome &b) {
    const bool cancels = call.of.other || call.of.weight ||
                         (call.of.op == Op::cross_entropy_with_grad && call.loss.z_loss != 0);
    if (cancels) // in the result's terms: not a number of its own ULP
        return;
    const int dtype = static_cast<int>(call.y_dtype);
    const bool wide =
        call.x.dtype == DType::f64 || call.wide || (call.writes && call.y_dtype == DType::f64);
    // 3.5 ULP each, or 0.51 each where the kernel computes in a wider type.
    const std::size_t size = dtype_size[dtype];
    const std::int64_t most = size < (wide ? 8 : 4) ? 1 : 7;
    for (std::size_t i = 0; i < a.y.size(); ++i) {
        const std::int64_t p = place_in_order(a.y[i], size), q = place_in_order(b.y[i], size);
        check(std::llabs(p - q) <= most, "levels with and without FMA", "results differ");
    }
    if (call.of.op == Op::cross_entropy || call.of.op == Op::logsumexp)
        for (std::size_t i = 0; i < a.results.size(); ++i) {
            const double p = a.results[i], q = b.results[i];
            const double one = wide ? 0x1p-52 : 0x1p-23;
            const double of_logarithm = call.of.op == Op::logsumexp ? 2 * one : 0;
            check(p == q || (p != p && q != q) ||
                      std::fabs(p - q) <= 7 * one * std::fabs(p) + of_logarithm,
                  "levels with and without FMA", "numbers of rows differ");
        }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *bytes, std::size_t size) {
    FuzzedDataProvider data(bytes, size);
    const Call call(data);
    Stage stage(call);
    const bool any = call.shape.rows * call.shape.length != 0;
    Outcome first[2]; // without FMA, with it
    bool found[2] = {};
    const std::size_t count = supported_levels().size();
    const std::size_t for_alone = data.ConsumeIntegralInRange<std::size_t>(0, count - 1);
    const unsigned levels = data.ConsumeIntegral<std::uint8_t>(); // a bit for each
    for (std::size_t i = 0; i < count; ++i) {
        if (i != for_alone && (levels >> i & 1) == 0)
            continue;
        const KernelTable &table = *supported_levels()[i]->table;
        const Outcome &outcome = stage.run(table);
        check_nans(call, outcome, table.isa);
        check_mask(call, outcome, table.isa);
        if (any && i == for_alone)
            check_alone(call, outcome, table);
        const bool fma = has_fma(table);
        if (found[fma])
            check_same(first[fma], outcome, table.isa);
        else
            first[fma] = outcome;
        found[fma] = true;
    }
    if (found[0] && found[1])
        check_near(call, first[0], first[1]);
    return 0;
}
