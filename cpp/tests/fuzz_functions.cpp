// The functions of a kernel table by themselves, on raw bits: the exponential, the logarithm, the
// conversions, the vector layer. Levels agree, NaN stays NaN, nothing but y is written.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "core/fp_environment.hpp"
#include "tests/fuzz.hpp"

namespace {

using namespace softlane;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

template <class T> std::vector<T> numbers(FuzzedDataProvider &data, std::size_t n) {
    std::vector<char> bytes = data.ConsumeBytes<char>(n * sizeof(T));
    std::vector<T> values(n, T());
    if (!bytes.empty())
        std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
}

template <class T> bool is_nan(T v) { return v != v; }

// The same bits, but that any NaN will do for a NaN.
template <class T>
void check_same(std::vector<T> a, std::vector<T> b, const char *isa, const char *what) {
    for (std::vector<T> *v : {&a, &b})
        for (T &number : *v)
            number = is_nan(number) ? std::numeric_limits<T>::quiet_NaN() : number;
    check(same_bits(a, b), isa, what);
}

// Calls run(table) on every level; what comes out must be the same on all levels of a family, of
// which there is one if `all`.
template <class T, class Run> void on_every_level(bool all, const char *what, Run run) {
    std::vector<T> first[2];
    bool found[2] = {};
    for (const Level *level : supported_levels()) {
        const FpEnvironment environment;
        const std::vector<T> result = run(*level->table);
        const bool family = !all && has_fma(*level->table);
        if (found[family])
            check_same(first[family], result, level->table->isa, what);
        else
            first[family] = result;
        found[family] = true;
    }
}

// Every float, and every shift that a row could have with it: the shift is that of one of them.
template <class C, C (*bounded)(C), class Function>
void exponential(FuzzedDataProvider &data, Function function) {
    const bool careful = data.ConsumeBool();
    const std::size_t n = data.ConsumeIntegralInRange<std::size_t>(1, 40);
    std::vector<C> x = numbers<C>(data, n);
    C top = -std::numeric_limits<C>::infinity();
    for (C &v : x) {
        if (!careful)
            v = bounded(v);
        top = v > top && v < std::numeric_limits<C>::infinity() ? v : top;
    }
    if (!(top > -std::numeric_limits<C>::infinity()))
        top = 0;
    for (C &v : x) // of a row with +inf no exponentials are taken
        v = v > top ? top : v;
    const C subtract = careful && top != 0 ? top : C(0);
    const int shift = subtract != 0
                          ? 0
                          : static_cast<int>(std::nearbyint(top * C(1.4426950408889634))) +
                                data.ConsumeIntegralInRange(0, 20);
    if (subtract == 0 && std::fabs(top) > C(131072))
        return;
    on_every_level<C>(false, "exponentials differ between levels", [&](const KernelTable &table) {
        std::vector<C> e(n);
        function(table)(x.data(), e.data(), n, shift, subtract);
        for (std::size_t i = 0; i < n; ++i) {
            check(is_nan(e[i]) == is_nan(x[i]), table.isa, "NaN does not stay NaN, or comes up");
            check(is_nan(e[i]) || (e[i] >= 0 && e[i] < std::numeric_limits<C>::infinity()),
                  table.isa, "an exponential that is negative or infinite");
        }
        return e;
    });
}

template <class C> C within_limit(C v) {
    return std::fabs(v) > C(131072) ? std::fmod(v, C(131072)) : v;
}

void logarithms(FuzzedDataProvider &data, bool log) {
    const int type = data.ConsumeBool();
    std::vector<double> v = numbers<double>(data, data.ConsumeIntegralInRange<std::size_t>(1, 20));
    for (double &w : v) {
        w = std::isfinite(w) ? w : 1;
        w = log ? std::fmod(std::fabs(w), 0x1p1000) : std::fmod(w, 700);
    }
    on_every_level<double>(true, "logarithms or exponentials of pairs differ between levels",
                           [&](const KernelTable &table) {
                               const std::size_t n = v.size();
                               std::vector<double> high(n), low(n);
                               (log ? table.log.log1p : table.log.exp)[type](v.data(), high.data(),
                                                                             low.data(), n);
                               for (const double h : high)
                                   check(h >= 0, table.isa, "a logarithm or exponential below 0");
                               high.insert(high.end(), low.begin(), low.end());
                               return high;
                           });
}

void conversions(FuzzedDataProvider &data) {
    const int from = data.ConsumeIntegralInRange(0, dtype_count - 1);
    const int to = data.ConsumeIntegralInRange(0, dtype_count - 1);
    const std::size_t n = data.ConsumeIntegralInRange<std::size_t>(0, 70);
    std::vector<char> x = numbers<char>(data, n * dtype_size[from]);
    std::vector<double> source(n);
    portable().convert[from][static_cast<int>(DType::f64)](x.data(), source.data(), n);
    // No NaN has a payload that becomes a bfloat16: all are results.
    for (std::size_t i = 0; i < n && static_cast<DType>(to) == DType::bf16; ++i)
        if (is_nan(source[i])) {
            source[i] = nan;
            portable().convert[static_cast<int>(DType::f64)][from](
                &source[i], x.data() + i * dtype_size[from], 1);
        }
    // Which NaN is written is the level's business; as doubles they are one.
    on_every_level<double>(
        true, "conversions differ between levels", [&](const KernelTable &table) {
            std::vector<char> y(n * dtype_size[to]);
            table.convert[from][to](x.data(), y.data(), n);
            std::vector<double> values(n);
            portable().convert[to][static_cast<int>(DType::f64)](y.data(), values.data(), n);
            for (std::size_t i = 0; i < n; ++i) {
                check(is_nan(values[i]) == is_nan(source[i]), table.isa,
                      "a conversion loses or makes NaN");
                check(is_nan(values[i]) || std::signbit(values[i]) == std::signbit(source[i]),
                      table.isa, "a conversion changes the sign");
                const bool wider = dtype_size[to] > dtype_size[from] || to == from;
                check(!wider || is_nan(values[i]) || values[i] == source[i], table.isa,
                      "a conversion to a wider type changes the value");
            }
            return values;
        });
}

template <class C, class Function> void vectors(FuzzedDataProvider &data, Function function) {
    constexpr std::size_t lanes = 64 / sizeof(C);
    const auto which = static_cast<VecFn>(data.ConsumeIntegralInRange(0, vec_fn_count - 1));
    const std::size_t count = data.ConsumeIntegralInRange<std::size_t>(0, lanes);
    std::vector<C> a = numbers<C>(data, lanes), b = numbers<C>(data, lanes);
    const std::vector<C> c = numbers<C>(data, lanes);
    const bool reduces = which == VecFn::reduce_max || which == VecFn::reduce_second;
    for (std::vector<C> *v : {&a, &b}) // as simd/vec.hpp has it
        for (C &number : *v)
            if (reduces) // nor two zeros
                number = is_nan(number) ? C(1) : number == 0 ? C(0) : number;
            else if (which == VecFn::lowered)
                number = std::fabs(number) <= C(0x1p126) ? std::fabs(number) : C(1);
    on_every_level<C>(false, "a vector function differs between levels",
                      [&](const KernelTable &table) {
                          std::vector<C> y(lanes);
                          function(table)(which, a.data(), b.data(), c.data(), count, y.data());
                          return y;
                      });
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *bytes, std::size_t size) {
    FuzzedDataProvider data(bytes, size);
    switch (data.ConsumeIntegralInRange(0, 6)) {
    case 0:
        exponential<float, within_limit<float>>(
            data, [](const KernelTable &table) { return table.exp.f32; });
        break;
    case 1:
        exponential<double, within_limit<double>>(
            data, [](const KernelTable &table) { return table.exp.f64; });
        break;
    case 2:
        logarithms(data, true);
        break;
    case 3:
        logarithms(data, false);
        break;
    case 4:
        conversions(data);
        break;
    case 5:
        vectors<float>(data, [](const KernelTable &table) { return table.vec.f32; });
        break;
    default:
        vectors<double>(data, [](const KernelTable &table) { return table.vec.f64; });
    }
    return 0;
}
