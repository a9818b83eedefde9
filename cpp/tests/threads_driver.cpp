// Hammers the pool from several threads at once and compares every byte with what one thread
// computes: for -DSOFTLANE_SANITIZE=thread, and a quick check without. Exits with 1 if a byte
// differs.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "core/dispatch.hpp"
#include "core/parallel.hpp"
#include "core/pool.hpp"
#include "core/threads.hpp"

namespace {

using namespace softlane;

struct Free {
    void operator()(char *p) const { std::free(p); }
};
using Bytes = std::unique_ptr<char, Free>;

Bytes aligned(std::size_t bytes) {
    return Bytes(static_cast<char *>(std::aligned_alloc(64, bytes / 64 * 64 + 64)));
}

// softmax of contiguous rows of one type; 16-bit rows pass through tiles.
Plan plan_of(DType dtype, char *x, char *y, std::size_t rows, std::size_t length) {
    static constexpr double one = 1;
    const auto size = static_cast<std::ptrdiff_t>(dtype_size[static_cast<int>(dtype)]);
    const auto row = size * static_cast<std::ptrdiff_t>(length);
    Problem problem;
    problem.op = Op::softmax;
    problem.array[x_stream] = {x, dtype};
    problem.array[y_stream] = {y, dtype};
    problem.temperature = &one;
    problem.outer.add({rows, {row, 0, row, 0, 0, 1}});
    problem.inner.add({length, {size, 0, size, 0, 0, 0}});
    return make_plan(problem);
}

void run_on(const Plan &plan, int threads) {
    const Split shares = split(plan, threads);
    const Bytes workspace = aligned(shares.workspace_bytes);
    run(plan, active(), shares, shares.workspace_bytes ? workspace.get() : nullptr);
}

std::atomic<int> wrong{0};

// Jobs of next to no work, each part of which must be done once; plain memory, which shows what is
// not ordered.
void tiny_jobs(std::mt19937 &random) {
    std::vector<int> done(64);
    for (int round = 0; round < 300; ++round) {
        std::fill(done.begin(), done.end(), 0);
        const auto parts = static_cast<std::uint32_t>(random() % 64 + 1);
        const Job job{[](const void *context, std::uint32_t part, int) noexcept {
                          ++static_cast<int *>(const_cast<void *>(context))[part];
                      },
                      done.data(), parts};
        run_parts(job, 1 + static_cast<int>(random() % 8));
        for (std::uint32_t i = 0; i < parts; ++i)
            wrong += done[i] != 1;
        if (random() % 16 == 0) // so that the others sleep
            std::this_thread::sleep_for(std::chrono::microseconds(random() % 200));
    }
}

void rows(std::mt19937 &random) {
    struct Case {
        DType dtype;
        std::size_t rows, length;
    };
    const Case cases[] = {{DType::f32, 200, 1000}, {DType::f64, 3000, 64}, {DType::bf16, 333, 777}};
    const Case &c = cases[random() % 3];
    const std::size_t bytes = c.rows * c.length * dtype_size[static_cast<int>(c.dtype)];
    const Bytes x = aligned(bytes), y = aligned(bytes), want = aligned(bytes);
    for (std::size_t i = 0; i < bytes; ++i)
        x.get()[i] = static_cast<char>(random());
    run_on(plan_of(c.dtype, x.get(), want.get(), c.rows, c.length), 1);
    const Plan plan = plan_of(c.dtype, x.get(), y.get(), c.rows, c.length);
    for (int round = 0; round < 3; ++round) {
        std::memset(y.get(), 0, bytes);
        run_on(plan, 1 + static_cast<int>(random() % 8));
        wrong += std::memcmp(y.get(), want.get(), bytes) != 0;
    }
}

// Tiles for all threads take no more than is said in core/parallel.cpp.
void long_rows() {
    Plan plan;
    plan.rows = 100;
    plan.length = std::size_t{1} << 23;
    for (std::size_t megabytes : {0, 16, 40, 200}) {
        plan.workspace_bytes = megabytes << 20;
        const Split shares = split(plan, 8);
        wrong += shares.threads != (megabytes == 0    ? 8
                                    : megabytes == 16 ? 8
                                    : megabytes == 40 ? 3
                                                      : 1);
        wrong += shares.workspace_bytes !=
                 static_cast<std::size_t>(shares.threads) * plan.workspace_bytes;
    }
}

// While another caller is inside, a call for two threads has no helper.
void callers_take_the_place_of_helpers() {
    std::atomic<bool> inside{false}, go{false};
    struct Flags {
        std::atomic<bool> &inside, &go;
    } flags{inside, go};
    std::thread other([&] {
        const Job waits{[](const void *context, std::uint32_t, int) noexcept {
                            const Flags &f = *static_cast<const Flags *>(context);
                            f.inside = true;
                            while (!f.go)
                                std::this_thread::yield();
                        },
                        &flags, 1};
        run_parts(waits, 1);
    });
    while (!inside)
        std::this_thread::yield();
    std::atomic<int> helped{0};
    const Job counts{[](const void *context, std::uint32_t, int worker) noexcept {
                         *static_cast<std::atomic<int> *>(const_cast<void *>(context)) += worker;
                         std::this_thread::sleep_for(std::chrono::microseconds(20));
                     },
                     &helped, 100};
    for (int i = 0; i < 20; ++i)
        run_parts(counts, 2);
    wrong += helped != 0;
    go = true;
    other.join();
    for (int i = 0; i < 1000 && helped == 0; ++i) // alone, it has one sooner or later
        run_parts(counts, 2);
    wrong += helped == 0;
}

void hammer(unsigned seed) {
    std::mt19937 random(seed);
    tiny_jobs(random);
    rows(random);
    tiny_jobs(random);
}

} // namespace

int main(int count, char **arguments) {
    const double seconds = count > 1 ? std::atof(arguments[1]) : 2;
    const auto end = std::chrono::steady_clock::now() +
                     std::chrono::milliseconds(static_cast<int>(seconds * 1000));
    long_rows();
    callers_take_the_place_of_helpers();
    unsigned seed = 0;
    int rounds = 0;
    do { // with threads that come and go, and now and then with a system that has none
        std::vector<std::thread> threads;
        refuse_threads(rounds % 3 == 0);
        for (int i = 0; i < 4; ++i)
            threads.emplace_back(hammer, ++seed);
        set_num_threads(1 + rounds % 8);
        for (std::thread &thread : threads)
            thread.join();
        ++rounds;
    } while (std::chrono::steady_clock::now() < end);
    const PoolFacts facts = pool_facts();
    std::printf(
        "%d rounds, %llu jobs shared, %llu alone, %d threads, at most %d helping, %d wrong\n",
        rounds, static_cast<unsigned long long>(facts.jobs),
        static_cast<unsigned long long>(facts.alone), facts.started, facts.most_helping,
        wrong.load());
    return wrong != 0 || facts.jobs == 0 || facts.most_helping > 7;
}
