// Prints `level case hash` for every kernel of every level that this machine runs, over the same
// deterministic inputs: vector functions, conversions, the exponential, whole rows through
// core/run, the self-tests, whose hashes it compares with those in the package (exit status 1: they
// differ). Two machines, or two levels that promise the same bits, must print the same hashes. It
// is also what the sanitizers run: rows lie in buffers of exactly their size.
//
// With --sweep: samples from all over the range of what `python -m softlane verify --exhaustive`
// goes through, for levels that only an emulator runs. What has the bits of a level that was swept
// has its bounds.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "core/dispatch.hpp"
#include "core/fp_environment.hpp"
#include "core/self_test.hpp"
#include "core/trial.hpp"

namespace {

using namespace softlane;

Random source(0);
double uniform(double low, double high) { return source.uniform(low, high); }

void print(const char *isa, const std::string &name, const Hash &hash) {
    std::printf("%s %s %016llx\n", isa, name.c_str(),
                static_cast<unsigned long long>(hash.value()));
}

// No NaN among the operands: which of two NaNs an operation returns differs between architectures.
template <class C> C operand(int kind) {
    switch (kind) {
    case 0:
        return static_cast<C>(uniform(-8, 8));
    case 1:
        return static_cast<C>(uniform(-1e5, 1e5));
    default:
        return static_cast<C>(uniform(-1, 1) * 0x1p-100);
    }
}

template <class C, class Function>
void vec_functions(const char *isa, const char *dtype, Function run) {
    constexpr std::size_t lanes = 64 / sizeof(C);
    for (int f = 0; f < vec_fn_count; ++f) {
        Hash hash;
        source = Random(1);
        for (std::size_t round = 0; round < 999; ++round) {
            C a[lanes], b[lanes], c[lanes], y[lanes];
            for (std::size_t i = 0; i < lanes; ++i) {
                a[i] = operand<C>(static_cast<int>(round % 3));
                b[i] = operand<C>(0);
                c[i] = operand<C>(0);
            }
            if (static_cast<VecFn>(f) ==
                VecFn::sub_product) { // a near a multiple of c[0], a small rest
                c[0] = static_cast<C>(0.0866);
                c[1] = static_cast<C>(1e-9);
                for (std::size_t i = 0; i < lanes; ++i) {
                    b[i] = static_cast<C>(static_cast<int>(uniform(-1000, 1000)));
                    a[i] = b[i] * c[0] + static_cast<C>(uniform(-0.04, 0.04));
                }
            }
            if (static_cast<VecFn>(f) == VecFn::lowered) // from the deepest subnormal results up
                for (C &v : a) {
                    const double power = uniform(sizeof(C) == 4 ? -52 : -876, 99);
                    v = static_cast<C>(std::ldexp(uniform(1, 2), static_cast<int>(power)));
                }
            if (static_cast<VecFn>(f) == VecFn::scaled)
                c[0] = b[0] * static_cast<C>(sizeof(C) == 4 ? 0x1p-26 : 0x1p-55);
            run(static_cast<VecFn>(f), a, b, c, round % (lanes + 1), y);
            hash.add(y, sizeof y);
        }
        print(isa, std::string("vec_") + vec_fn_name[f] + "_" + dtype, hash);
    }
}

template <class C, class Function>
void exponential(const char *isa, const char *dtype, Function run) {
    constexpr std::size_t n = 10007;
    std::vector<C> x(n), e(n);
    for (const double subtract : {0.0, 3e5}) {
        Hash hash;
        source = Random(2);
        for (int shift = -3; shift <= 3; ++shift) {
            for (C &v : x)
                v = static_cast<C>(uniform(-200, 1) + subtract +
                                   (subtract == 0 ? shift * 0.6931 : 0));
            run(x.data(), e.data(), n, subtract == 0 ? shift : 0, static_cast<C>(subtract));
            hash.add(e.data(), n * sizeof(C));
        }
        print(isa, std::string(subtract == 0 ? "exp_" : "exp_subtract_") + dtype, hash);
    }
}

const char *const dtype_name[dtype_count] = {"f16", "bf16", "f32", "f64"};

void conversions(const KernelTable &table) {
    std::vector<double> values(4099);
    for (int from = 0; from < dtype_count; ++from)
        for (int to = 0; to < dtype_count; ++to) {
            source = Random(3);
            for (double &v : values)
                v = uniform(-1, 1) * (source.bits() % 2 ? 1.0 : 0x1p-20);
            std::vector<char> x(values.size() * dtype_size[from]);
            std::vector<char> y(values.size() * dtype_size[to]);
            table.convert[static_cast<int>(DType::f64)][from](values.data(), x.data(),
                                                              values.size());
            table.convert[from][to](x.data(), y.data(), values.size());
            Hash hash;
            hash.add(y.data(), y.size());
            print(table.isa, std::string("convert_") + dtype_name[from] + "_" + dtype_name[to],
                  hash);
        }
}

struct Layout {
    const char *name;
    bool axis_first, mask, temperature;
    std::size_t rows; // 0: a few
};

// Rows of many lengths, the same for all ops but for what they are used as.
void rows(const KernelTable &table, const TrialOp &of, DType dtype, const Layout &layout) {
    Hash hash;
    Random random(4);
    const std::size_t every = of.op == Op::softmax ? 130 : 36; // lengths up to this one
    const std::size_t longest = layout.rows ? 350 : 1110;      // an emulator has to compute it all
    for (std::size_t n = 1; n <= longest; n += layout.rows ? n / 16 * 8 + 1 : n < every ? 1 : 97) {
        const std::size_t count = layout.rows ? layout.rows : n < 130 ? 5 : 2;
        run_trial(table, of, dtype, {count, n, layout.axis_first, layout.mask, layout.temperature},
                  random, hash);
    }
    if (layout.rows && !layout.axis_first && dtype == DType::f32)
        for (const std::size_t length : {993, 1057}) // groups whose sums are flushed
            run_trial(table, of, dtype, {33, length, false, layout.mask, layout.temperature},
                      random, hash);
    print(table.isa,
          std::string("row_") + of.name + "_" + dtype_name[static_cast<int>(dtype)] + "_" +
              layout.name,
          hash);
}

// Rows that the kernel masks, one of each kind; logarithms of the shortest pass through tiles.
void masked_rows(const KernelTable &table) {
    for (const TrialOp &of : trial_ops)
        for (const DType dtype : {DType::f32, DType::f64}) {
            if (of.other || of.labels)
                continue;
            Hash hash;
            Random random(8);
            for (const std::size_t n : {std::size_t{303}, std::size_t{1100}, std::size_t{2051}})
                run_trial(table, of, dtype, {row_kinds, n, false, true}, random, hash);
            print(table.isa,
                  std::string("row_masked_") + of.name + "_" + dtype_name[static_cast<int>(dtype)],
                  hash);
        }
}

// Softmax in parts: one row of each kind.
void long_rows(const KernelTable &table) {
    for (int d = 0; d < dtype_count; ++d)
        for (const bool axis_first : {false, true}) {
            Hash hash;
            Random random(7);
            run_trial(table, trial_ops[0], static_cast<DType>(d),
                      {row_kinds, longest_at_once + 7001, axis_first}, random, hash);
            print(table.isa,
                  std::string("row_long_") + dtype_name[d] + (axis_first ? "_columns" : "_rows"),
                  hash);
        }
}

// Whether the hashes are those of core/self_test_hashes.hpp.
bool self_tests(const KernelTable &table) {
    bool passed = true;
    for (int op = 0; op < op_count; ++op)
        for (int dtype = 0; dtype < dtype_count; ++dtype) {
            const auto o = static_cast<Op>(op);
            const auto d = static_cast<DType>(dtype);
            const std::uint64_t found = self_test_hash(table, o, d);
            std::printf("%s row_self_test_%d_%d %016llx\n", table.isa, op, dtype,
                        static_cast<unsigned long long>(found));
            passed = passed && found == known_self_test_hash(table, o, d);
        }
    return passed;
}

template <class Functions>
void logarithms(const char *isa, const char *name, const Functions &functions, double least,
                double most, std::size_t n) {
    std::vector<double> v(n), high(n), low(n);
    for (int type = 0; type < 2; ++type) {
        source = Random(5);
        for (double &w : v) {
            const double at = uniform(least, most);
            w = name[0] == 'l' ? std::ldexp(uniform(1, 2), static_cast<int>(at)) : at;
        }
        functions[type](v.data(), high.data(), low.data(), n);
        Hash hash;
        hash.add(high.data(), n * sizeof(double));
        hash.add(low.data(), n * sizeof(double));
        print(isa, std::string(name) + (type ? "_f64" : "_f32"), hash);
    }
}

float float_of(std::uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

// Every shift that a row may have, each with floats from all over its range and with the same
// floats as a row sees them that has a larger one, 1 to 20 binades above.
void exponential_sweep(const KernelTable &table) {
    constexpr std::uint32_t most_of_one = 128;
    const int last = static_cast<int>(table.exp.f32_facts.limit * 1.4426950408889634);
    Random random(6);
    Hash own, above;
    std::vector<float> x, e;
    for (int shift = -last; shift <= last; ++shift) {
        // Sizes from one to the other have this shift; of 0 those of both signs.
        const double size = std::abs(shift) * 0.6931471805599453;
        const auto bits = [](double v) {
            const auto f = static_cast<float>(v);
            std::uint32_t u;
            std::memcpy(&u, &f, sizeof u);
            return u;
        };
        const std::uint32_t begin = bits(std::max(size - 0.34657, 0.0)), end = bits(size + 0.34657);
        x.clear();
        for (std::uint32_t i = 0; i < most_of_one; ++i)
            for (int sign = 0; sign < 2; ++sign)
                if (shift == 0 || sign == (shift < 0)) {
                    const auto within = static_cast<std::uint32_t>(random.bits()) % (end - begin);
                    const float value = float_of(begin + within);
                    x.push_back(sign ? -value : value);
                }
        e.resize(x.size());
        table.exp.f32(x.data(), e.data(), x.size(), shift, 0);
        own.add(e.data(), e.size() * sizeof(float));
        table.exp.f32(x.data(), e.data(), x.size(),
                      shift + 1 + static_cast<int>(random.bits() % 20), 0);
        above.add(e.data(), e.size() * sizeof(float));
    }
    print(table.isa, "sweep_exp_f32", own);
    print(table.isa, "sweep_exp_above_f32", above);
}

// A NaN's bits are promised of results alone, and no kernel converts one with a payload.
void unify_nan(std::vector<float> &values, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
        if (std::isnan(values[i]))
            values[i] = std::numeric_limits<float>::quiet_NaN();
}

// Every 16-bit number, and floats from all over their range, NaN among them.
void conversion_sweep(const KernelTable &table) {
    constexpr std::size_t halves = 1 << 16, floats = 1 << 24;
    std::vector<std::uint16_t> half(floats);
    std::vector<float> real(floats);
    for (const DType dtype : {DType::f16, DType::bf16}) {
        const int stored = static_cast<int>(dtype), computed = static_cast<int>(DType::f32);
        Hash read, written;
        for (std::size_t i = 0; i < halves; ++i)
            half[i] = static_cast<std::uint16_t>(i);
        table.convert[stored][computed](half.data(), real.data(), halves);
        unify_nan(real, halves);
        read.add(real.data(), halves * sizeof(float));
        for (std::size_t i = 0; i < floats; ++i)
            real[i] = float_of(static_cast<std::uint32_t>(i * 256 + i % 251));
        unify_nan(real, floats);
        table.convert[computed][stored](real.data(), half.data(), floats);
        written.add(half.data(), floats * sizeof half[0]);
        print(table.isa, std::string("sweep_read_") + dtype_name[stored], read);
        print(table.isa, std::string("sweep_written_") + dtype_name[stored], written);
    }
}

int sweep() {
    for (const Level *level : supported_levels()) {
        const FpEnvironment environment;
        exponential_sweep(*level->table);
        conversion_sweep(*level->table);
        logarithms(level->table->isa, "log1p_sweep", level->table->log.log1p, -300, 60, 1 << 22);
        logarithms(level->table->isa, "exp_pair_sweep", level->table->log.exp, -700, 700, 1 << 22);
    }
    return 0;
}

} // namespace

int main(int count, char **arguments) {
    if (count > 1)
        return std::strcmp(arguments[1], "--sweep") == 0 ? sweep() : 2;
    bool passed = true;
    for (const Level *level : supported_levels()) {
        const KernelTable *table = level->table;
        const FpEnvironment environment;
        vec_functions<float>(table->isa, "f32", table->vec.f32);
        vec_functions<double>(table->isa, "f64", table->vec.f64);
        conversions(*table);
        passed = self_tests(*table) && passed;
        masked_rows(*table);
        long_rows(*table);
        exponential<float>(table->isa, "f32", table->exp.f32);
        exponential<double>(table->isa, "f64", table->exp.f64);
        logarithms(table->isa, "log1p", table->log.log1p, -300, 60, 4001);
        logarithms(table->isa, "exp_pair", table->log.exp, -700, 700, 4001);
        for (const TrialOp &of : trial_ops)
            for (int d = 0; d < dtype_count; ++d)
                for (const Layout &layout : {Layout{"rows", false, false, false, 0},
                                             Layout{"columns", true, false, false, 0},
                                             Layout{"masked", false, true, false, 0},
                                             Layout{"temperature", false, false, true, 0},
                                             Layout{"many_rows", false, false, false, 75},
                                             Layout{"many_columns", true, false, false, 150},
                                             Layout{"masked_columns", true, true, false, 75}})
                    if (of.op == Op::softmax || d == static_cast<int>(DType::f64) ||
                        d == static_cast<int>(DType::f32) || !layout.axis_first)
                        rows(*table, of, static_cast<DType>(d), layout);
    }
    return passed ? 0 : 1;
}
