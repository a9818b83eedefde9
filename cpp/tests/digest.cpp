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
};

void softmax_rows(const KernelTable &table, DType dtype, const Layout &layout) {
    Hash hash;
    state = 4;
    const auto size = static_cast<std::ptrdiff_t>(dtype_size[static_cast<int>(dtype)]);
    for (std::size_t n = 1; n <= 1100; n += n < 130 ? 1 : 97) {
        const std::size_t rows = n < 130 ? 5 : 2;
        std::vector<double> values(rows * n);
        for (double &v : values)
            v = uniform(-1, 1) * (n % 3 == 0 ? 2 : 60) +
                (n % 7 == 0 && dtype == DType::f32 ? 3e5 : 0);
        if (n % 5 == 0)
            values[n / 2] = n % 2 ? __builtin_nan("") : -__builtin_inf();
        const Buffer x = elements(table, dtype, values);
        const Buffer y(x.size);
        const Buffer where(rows * n);
        for (std::size_t i = 0; i < rows * n; ++i)
            where.bytes[i] = next_bits() % 4 != 0;
        std::vector<double> temperature(rows, 1.0);
        for (double &t : temperature)
            t = layout.temperature ? uniform(0.5, 3) : 1;
        const auto stride = static_cast<std::ptrdiff_t>(n);
        const auto count = static_cast<std::ptrdiff_t>(rows);
        Problem problem{};
        problem.op = Op::softmax;
        problem.x_dtype = problem.y_dtype = dtype;
        problem.x = x.bytes.get();
        problem.y = y.bytes.get();
        problem.where = layout.mask ? where.bytes.get() : nullptr;
        problem.temperature = temperature.data();
        problem.outer_count = problem.inner_count = 1;
        const std::ptrdiff_t row = layout.axis_first ? 1 : stride,
                             column = layout.axis_first ? count : 1;
        problem.outer[0] = {rows, row * size, row * size, row, 1};
        problem.inner[0] = {n, column * size, column * size, column, 0};
        const Plan plan = make_plan(problem);
        const std::unique_ptr<char[]> workspace(new char[plan.workspace_bytes + 64]);
        char *aligned =
            workspace.get() + (64 - reinterpret_cast<std::uintptr_t>(workspace.get()) % 64) % 64;
        run(plan, table, aligned);
        hash.add(y.bytes.get(), y.size);
    }
    print(table.isa,
          std::string("softmax_") + dtype_name[static_cast<int>(dtype)] + "_" + layout.name, hash);
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
        for (int d = 0; d < dtype_count; ++d)
            for (const Layout &layout :
                 {Layout{"rows", false, false, false}, Layout{"columns", true, false, false},
                  Layout{"masked", false, true, false}, Layout{"temperature", false, false, true}})
                softmax_rows(*table, static_cast<DType>(d), layout);
    }
    return 0;
}
