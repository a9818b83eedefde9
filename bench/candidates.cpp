// Speed and error of the ways to build the float32 kernel that were considered: table size, degree,
// table of errors or common scale, and the summation. The chosen ones are rows/exp.hpp and
// rows/sum.hpp; docs/design.md holds what this printed.
//
//   for isa in avx2 avx512; do
//     g++ -std=c++17 -O3 -ffp-contract=off -Wno-uninitialized -Wno-maybe-uninitialized -Icpp
//     -DSOFTLANE_ISA=$isa \
//         -DSIMD="\"simd/$isa.hpp\"" -m<the flags of CMakeLists.txt> bench/candidates.cpp -o
//         candidates && ./candidates
//   done
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <vector>

#include SIMD
#include "rows/engine.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

using V = Vec<float, 16>;

template <int K> struct Lookup;
template <> struct Lookup<8> {
    Table<float> table;
    explicit Lookup(const float *entries) : table(entries) {}
    INLINE V operator()(V z) const { return lookup(table, z); }
};
template <> struct Lookup<16> {
#if defined(__AVX512F__)
    __m512 r;
    explicit Lookup(const float *entries) : r(_mm512_loadu_ps(entries)) {}
    INLINE V operator()(V z) const { return {_mm512_permutexvar_ps(_mm512_castps_si512(z.r), r)}; }
#else
    Table<float> low, high;
    explicit Lookup(const float *entries) : low(entries), high(entries + 8) {}
    INLINE F32 pick(F32 z) const {
        const __m256 upper = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(z.r), 28));
        return {_mm256_blendv_ps(lookup(low, z).r, lookup(high, z).r, upper)};
    }
    INLINE V operator()(V z) const { return {pick(z.low), pick(z.high)}; }
#endif
};

template <int K> INLINE V exponent(V t, V z) {
    if constexpr (K == 8)
        return add_to_exponent(t, z);
#if defined(__AVX512F__)
    const __m512i s = _mm512_slli_epi32(_mm512_castps_si512(z.r), 19);
    return {_mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(t.r), s))};
#else
    auto one = [](F32 t, F32 z) -> F32 {
        const __m256i s = _mm256_slli_epi32(_mm256_castps_si256(z.r), 19);
        return {_mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(t.r), s))};
    };
    return {one(t.low, z.low), one(t.high, z.high)};
#endif
}

// K entries of 2^(k/K) with a table of their rounding errors, polynomial of the given degree
// (Taylor: enough to compare).
template <int K, int degree> struct WithErrors {
    float words[K], errors[K];
    Lookup<K> table, error;
    float steps, hi, lo, offset, lowest;
    float c[3];
    static const float *fill(float *w, float *e) {
        for (int k = 0; k < K; ++k) {
            const long double exact = std::exp2(static_cast<long double>(k) / K);
            const float t = static_cast<float>(exact);
            std::uint32_t u;
            std::memcpy(&u, &t, 4);
            u -= static_cast<std::uint32_t>(k) << (K == 8 ? 20 : 19);
            std::memcpy(&w[k], &u, 4);
            e[k] = static_cast<float>((exact - t) / t);
        }
        return w;
    }
    WithErrors() : table(fill(words, errors)), error(errors) {
        const double step = std::log(2.0) / K;
        steps = static_cast<float>(1 / step);
        hi = static_cast<float>(step);
        lo = static_cast<float>(step - hi);
        offset = static_cast<float>(0x1.8p23 + K * ExpKernel<float>::bias);
        lowest = -105.0f;
        // Of exp on the interval, economised: the last coefficient takes up the mean of the next
        // term.
        const double r2 = step * step / 4;
        c[1] = static_cast<float>(1.0 / 6 + (degree == 3 ? r2 * 0.5 / 120 : r2 * 0.83 / 120));
        c[2] = static_cast<float>(1.0 / 24 + r2 * 0.5 / 720);
        c[0] = degree == 3 ? static_cast<float>(0.5 + r2 * 0.75 / 24) : 0.5f;
    }
    template <class W> INLINE W operator()(W x) const {
        if constexpr (W::lanes > 16)
            return {(*this)(x.low), (*this)(x.high)};
        else {
            x = max(broadcast<V>(lowest), x);
            const V z = mul_add(x, broadcast<V>(steps), broadcast<V>(offset));
            const V r =
                sub_product(x, sub(z, broadcast<V>(offset)), broadcast<V>(hi), broadcast<V>(lo));
            V q = broadcast<V>(c[degree - 2]);
            for (int i = degree - 3; i >= 0; --i)
                q = mul_add(q, r, broadcast<V>(c[i]));
            q = mul_add(q, r, broadcast<V>(1.0f));
            const V s = exponent<K>(table(z), z);
            return mul_add(s, mul_add(q, r, error(z)), s);
        }
    }
};

struct Chosen {
    Exp<float, Argument::plain> exp{scaling_for(1, 0.0f), {}, 0};
    template <class W> INLINE W operator()(W x) const {
        if constexpr (W::lanes > 16 * exp_unroll)
            return {(*this)(x.low), (*this)(x.high)};
        else
            return exp(x);
    }
};

// Summations of a row of exponentials, n a multiple of 64.
struct SumFloat4 { // four vectors to one in float, then double
    Vec<double, 16> total = broadcast<Vec<double, 16>>(0.0);
    INLINE void operator()(Vec<float, 64> e) {
        total = add(total, widen(add(add(e.low.low, e.low.high), add(e.high.low, e.high.high))));
    }
    double value() {
        double lane[16];
        store(lane, total);
        return fold<16>(lane);
    }
};
struct SumFloat2 : SumFloat4 {
    INLINE void operator()(Vec<float, 64> e) {
        total = add(total, widen(add(e.low.low, e.low.high)));
        total = add(total, widen(add(e.high.low, e.high.high)));
    }
};
struct SumDouble : SumFloat4 {
    INLINE void operator()(Vec<float, 64> e) {
        for (const V v : {e.low.low, e.low.high, e.high.low, e.high.high})
            total = add(total, widen(v));
    }
};
struct SumPlain { // all in float: what the peers do
    V total = broadcast<V>(0.0f);
    INLINE void operator()(Vec<float, 64> e) {
        total = add(total, add(add(e.low.low, e.low.high), add(e.high.low, e.high.high)));
    }
    double value() {
        float lane[16];
        store(lane, total);
        return fold<16>(lane);
    }
};
struct SumChosen {
    Sum<float> sum;
    int count = 0;
    INLINE void operator()(Vec<float, 64> e) {
        sum += e;
        if (++count % 8 == 0)
            sum.flush();
    }
    double value() { return sum.total().high; }
};

double ulp_of(double v) { return std::ldexp(1.0, std::max(std::ilogb(v), -126) - 23); }

template <class E> double exp_error(const E &exp, double scale) {
    std::mt19937_64 random(1);
    std::uniform_real_distribution<float> uniform(-87, 0);
    double worst = 0;
    float x[64], e[64];
    for (int round = 0; round < 400000; ++round) {
        for (float &v : x)
            v = uniform(random);
        store(e, exp(load<Vec<float, 64>>(x)));
        for (int i = 0; i < 64; ++i) {
            const double exact =
                scale * std::exp(static_cast<double>(x[i])) * power_of_two(ExpKernel<float>::bias);
            worst = std::max(worst, std::abs(e[i] - exact) / ulp_of(exact));
        }
    }
    return worst;
}

// Rows of 64 with a few dominant elements, the hardest kind.
template <class S, class E> double row_error(const E &exp) {
    std::mt19937_64 random(2);
    std::uniform_real_distribution<float> near(-2, 0), far(-20, 0);
    double worst = 0;
    float x[64], e[64];
    for (int round = 0; round < 400000; ++round) {
        const int dominant = 1 + static_cast<int>(random() % 8);
        for (float &v : x)
            v = far(random) - 12;
        for (int i = 0; i < dominant; ++i)
            x[random() % 64] = near(random);
        S sum;
        const auto v = exp(load<Vec<float, 64>>(x));
        sum(v);
        store(e, v);
        const double inverse = 1 / sum.value();
        const float hi = static_cast<float>(inverse), lo = static_cast<float>(inverse - hi);
        long double exact = 0;
        for (float w : x)
            exact += std::exp(static_cast<long double>(w));
        for (int i = 0; i < 64; ++i) {
            const float y = std::fmaf(e[i], hi, e[i] * lo);
            const double truth =
                static_cast<double>(std::exp(static_cast<long double>(x[i])) / exact);
            worst = std::max(worst, std::abs(y - truth) / ulp_of(truth));
        }
    }
    return worst;
}

// One row of n: maximum, exponentials and their sum, scaling, as the kernel does it.
template <class S, class E> void softmax(const E &exp, const float *x, float *y, std::size_t n) {
    volatile float top = row_range(x, n).max;
    (void)top;
    S sum;
    for (std::size_t i = 0; i < n; i += 64) {
        const auto e = exp(load<Vec<float, 64>>(x + i));
        sum(e);
        store(y + i, e);
    }
    const double inverse = 1 / sum.value();
    const float hi = static_cast<float>(inverse), lo = static_cast<float>(inverse - hi);
    rewrite(y, y, n, [&](auto e) INLINE_LAMBDA {
        using W = decltype(e);
        return scaled(e, broadcast<W>(hi), broadcast<W>(lo));
    });
}

using Clock = std::chrono::steady_clock;

template <class Run> double nanoseconds(Run run) {
    const auto begin = Clock::now();
    for (int i = 0; i < 200; ++i)
        run();
    return std::chrono::duration<double, std::nano>(Clock::now() - begin).count() / 200;
}

template <class S, class E>
void report(const char *name, const char *sum, const E &exp, double scale) {
    constexpr std::size_t n = 4096;
    alignas(64) static float x[n], y[n];
    std::mt19937_64 random(3);
    std::normal_distribution<float> normal(-15, 4);
    for (float &v : x)
        v = std::min(normal(random), 0.0f);
    std::vector<double> alone, whole, reference;
    for (int round = 0; round < 60; ++round) { // interleaved: the machine's moods fall on all alike
        alone.push_back(nanoseconds([&] {
            for (std::size_t i = 0; i < n; i += 64)
                store(y + i, exp(load<Vec<float, 64>>(x + i)));
        }));
        whole.push_back(nanoseconds([&] { softmax<S>(exp, x, y, n); }));
        reference.push_back(nanoseconds([&] { softmax<SumChosen>(Chosen{}, x, y, n); }));
    }
    const auto best = [](const std::vector<double> &v) {
        return *std::min_element(v.begin(), v.end());
    };
    std::printf("%-28s %-26s %7.3f %9.3f %8.2f %10.2f %10.2f\n", name, sum, best(alone) / n,
                best(whole) / n, best(whole) / best(reference), exp_error(exp, scale),
                row_error<S>(exp));
    std::fflush(stdout);
}

} // namespace
} // namespace softlane::SOFTLANE_ISA

int main() {
    using namespace softlane::SOFTLANE_ISA;
    std::printf("%-28s %-26s %7s %9s %8s %10s %10s\n", "exp", "sum", "exp ns", "row ns", "/chosen",
                "exp ULP", "row ULP");
    report<SumChosen>("K=8, degree 4, scaled table", "compensated", Chosen{},
                      ExpConstants<float>::scale);
    report<SumChosen>("K=8, degree 4, error table", "compensated", WithErrors<8, 4>{}, 1);
    report<SumChosen>("K=8, degree 3, error table", "compensated", WithErrors<8, 3>{}, 1);
    report<SumChosen>("K=16, degree 3, error table", "compensated", WithErrors<16, 3>{}, 1);
    report<SumPlain>("K=8, degree 4, scaled table", "float throughout", Chosen{},
                     ExpConstants<float>::scale);
    report<SumFloat4>("K=8, degree 4, scaled table", "2 float levels, double", Chosen{},
                      ExpConstants<float>::scale);
    report<SumFloat2>("K=8, degree 4, scaled table", "1 float level, double", Chosen{},
                      ExpConstants<float>::scale);
    report<SumDouble>("K=8, degree 4, scaled table", "double", Chosen{},
                      ExpConstants<float>::scale);
    return 0;
}
