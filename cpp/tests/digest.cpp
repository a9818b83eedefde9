// Prints `level case hash` for every kernel of every level that this machine runs, over the same
// deterministic inputs: vector functions, conversions, the exponential, whole rows through
// core/run. Two machines, or two levels that promise the same bits, must print the same hashes. It
// is also what the sanitizers run: rows lie in buffers of exactly their size.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "core/dispatch.hpp"
#include "core/fp_environment.hpp"
#include "core/run.hpp"

namespace {

using namespace softlane;

std::uint64_t state;
std::uint64_t next_bits() { // splitmix64
    std::uint64_t z = (state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}
double uniform(double low, double high) {
    return low + (high - low) * (static_cast<double>(next_bits() >> 11) * 0x1p-53);
}

class Hash { // FNV-1a over bytes
public:
    void add(const void *data, std::size_t bytes) {
        for (std::size_t i = 0; i < bytes; ++i)
            value_ = (value_ ^ static_cast<const unsigned char *>(data)[i]) * 0x100000001b3;
    }
    std::uint64_t value() const { return value_; }

private:
    std::uint64_t value_ = 0xcbf29ce484222325;
};

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
        state = 1;
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
        state = 2;
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

// Bytes on the heap without slack, so that a sanitizer sees the first byte outside of them.
struct Buffer {
    explicit Buffer(std::size_t n) : bytes(new char[n]), size(n) {}
    std::unique_ptr<char[]> bytes;
    std::size_t size;
};

const char *const dtype_name[dtype_count] = {"f16", "bf16", "f32", "f64"};

Buffer elements(const KernelTable &table, DType dtype, const std::vector<double> &values) {
    Buffer buffer(values.size() * dtype_size[static_cast<int>(dtype)]);
    table.convert[static_cast<int>(DType::f64)][static_cast<int>(dtype)](
        values.data(), buffer.bytes.get(), values.size());
    return buffer;
}

void conversions(const KernelTable &table) {
    std::vector<double> values(4099);
    for (int from = 0; from < dtype_count; ++from)
        for (int to = 0; to < dtype_count; ++to) {
            state = 3;
            for (double &v : values)
                v = uniform(-1, 1) * (next_bits() % 2 ? 1.0 : 0x1p-20);
            const Buffer x = elements(table, static_cast<DType>(from), values);
            const Buffer y(values.size() * dtype_size[to]);
            table.convert[from][to](x.bytes.get(), y.bytes.get(), values.size());
            Hash hash;
            hash.add(y.bytes.get(), y.size);
            print(table.isa, std::string("convert_") + dtype_name[from] + "_" + dtype_name[to],
                  hash);
        }
}

struct Layout {
    const char *name;
    bool axis_first, mask, temperature;
    std::size_t rows; // 0: a few
};

// An op with some of its options.
struct Case {
    const char *name;
    Op op;
    bool other, labels, weight;
    double smoothing, z_loss;
};
constexpr Case cases[] = {
    {"softmax", Op::softmax, false, false, false, 0, 0},
    {"log_softmax", Op::log_softmax, false, false, false, 0, 0},
    {"logsumexp", Op::logsumexp, false, false, false, 0, 0},
    {"logsumexp_factors", Op::logsumexp, true, false, false, 0, 0},
    {"softmax_backward", Op::softmax_backward, true, false, false, 0, 0},
    {"log_softmax_backward", Op::log_softmax_backward, true, false, false, 0, 0},
    {"cross_entropy", Op::cross_entropy, false, true, false, 0, 0},
    {"cross_entropy_with_grad", Op::cross_entropy_with_grad, false, true, false, 0, 0},
    {"cross_entropy_weighted", Op::cross_entropy_with_grad, false, true, true, 0, 0.01},
    {"cross_entropy_smoothed", Op::cross_entropy_with_grad, false, true, true, 0.1, 0},
    {"cross_entropy_probabilities", Op::cross_entropy_with_grad, true, false, true, 0.1, 0.01},
};

// Rows of many lengths, the same for all ops but for what they are used as.
void rows(const KernelTable &table, const Case &of, DType dtype, const Layout &layout) {
    Hash hash;
    state = 4;
    const auto size = static_cast<std::ptrdiff_t>(dtype_size[static_cast<int>(dtype)]);
    const bool log_probabilities = of.op == Op::log_softmax_backward;
    const std::size_t every = of.op == Op::softmax ? 130 : 36; // lengths up to this one
    const std::size_t longest = layout.rows ? 350 : 1110;      // an emulator has to compute it all
    for (std::size_t n = 1; n <= longest; n += layout.rows ? n / 16 * 8 + 1 : n < every ? 1 : 97) {
        const std::size_t count = layout.rows ? layout.rows : n < 130 ? 5 : 2;
        const std::size_t total = count * n;
        std::vector<double> values(total);
        for (double &v : values)
            v = uniform(-1, log_probabilities ? 0 : 1) * (n % 3 == 0 ? 2 : 60) +
                (n % 7 == 0 && dtype == DType::f32 && !log_probabilities ? 3e5 : 0);
        if (n % 5 == 0)
            values[n / 2] = n % 2 ? __builtin_nan("") : -__builtin_inf();
        const Buffer x = elements(table, dtype, values);
        const Buffer y(x.size);
        const Buffer where(total);
        for (std::size_t i = 0; i < total; ++i)
            where.bytes[i] = next_bits() % 4 != 0;
        std::vector<double> temperature(count, 1.0);
        for (double &t : temperature)
            t = layout.temperature ? uniform(0.5, 3) : 1;
        for (double &v : values)
            v = uniform(of.labels || of.weight ? 0 : -1, 1);
        const Buffer other = elements(table, dtype, values);
        std::vector<std::int64_t> labels(count);
        for (std::int64_t &label : labels)
            label = static_cast<std::int64_t>(next_bits() % (n + 1)) - 1;
        std::vector<double> weight(n), results(count), extra(count);
        for (double &w : weight)
            w = uniform(0, 2);
        const LossOptions loss{
            of.weight ? weight.data() : nullptr, of.smoothing, of.z_loss, 3.0, 0x1p-60, 5.0};

        const auto stride = static_cast<std::ptrdiff_t>(n);
        const auto many = static_cast<std::ptrdiff_t>(count);
        Problem problem{};
        problem.op = of.op;
        problem.array[x_stream] = {x.bytes.get(), dtype, false};
        if (of.other)
            problem.array[other_stream] = {other.bytes.get(), dtype, false};
        const bool writes = of.op != Op::logsumexp && of.op != Op::cross_entropy;
        if (writes)
            problem.array[y_stream] = {y.bytes.get(), dtype, false};
        problem.where = layout.mask ? where.bytes.get() : nullptr;
        problem.temperature = temperature.data();
        problem.labels = of.labels ? labels.data() : nullptr;
        problem.results = results.data();
        problem.extra = extra.data();
        problem.loss = &loss;
        problem.keep_subnormals = of.other || of.weight;
        problem.outer_count = problem.inner_count = 1;
        const std::ptrdiff_t row = layout.axis_first ? 1 : stride,
                             column = layout.axis_first ? many : 1;
        problem.outer[0] = {count, {row * size, 0, 0, row, 1, 1}};
        problem.inner[0] = {n, {column * size, 0, 0, column, 0, 0}};
        for (const Stream k : {other_stream, y_stream})
            if (problem.array[k].data) {
                problem.outer[0].stride[k] = row * size;
                problem.inner[0].stride[k] = column * size;
            }
        const Plan plan = make_plan(problem);
        const std::unique_ptr<char[]> workspace(new char[plan.workspace_bytes + 64]);
        char *aligned =
            workspace.get() + (64 - reinterpret_cast<std::uintptr_t>(workspace.get()) % 64) % 64;
        run_rows(plan, table, aligned, 0, plan.rows);
        if (writes)
            hash.add(y.bytes.get(), y.size);
        hash.add(results.data(), count * sizeof(double));
        hash.add(extra.data(), count * sizeof(double));
    }
    print(table.isa,
          std::string("row_") + of.name + "_" + dtype_name[static_cast<int>(dtype)] + "_" +
              layout.name,
          hash);
}

template <class Functions>
void logarithms(const char *isa, const char *name, const Functions &functions, double least,
                double most) {
    constexpr std::size_t n = 4001;
    std::vector<double> v(n), high(n), low(n);
    for (int type = 0; type < 2; ++type) {
        state = 5;
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

} // namespace

int main() {
    for (const KernelTable *table : supported_tables()) {
        const FpEnvironment environment;
        vec_functions<float>(table->isa, "f32", table->vec.f32);
        vec_functions<double>(table->isa, "f64", table->vec.f64);
        conversions(*table);
        exponential<float>(table->isa, "f32", table->exp.f32);
        exponential<double>(table->isa, "f64", table->exp.f64);
        logarithms(table->isa, "log1p", table->log.log1p, -300, 60);
        logarithms(table->isa, "exp_pair", table->log.exp, -700, 700);
        for (const Case &of : cases)
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
    return 0;
}
