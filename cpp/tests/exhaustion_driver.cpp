// The core where there is no more memory, or no more threads: the first, the second ... allocation
// or thread of a child process is refused. Each must end in std::bad_alloc or in the right result,
// and the same work must succeed afterwards. For -DSOFTLANE_SANITIZE=address, which sees leaks.
// Linked with --wrap=pthread_create. Exits with 1 if a child fails.
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/dispatch.hpp"
#include "core/parallel.hpp"
#include "core/threads.hpp"
#include "core/trial.hpp"

namespace {

// Counts down to the one that is refused.
class Supply {
public:
    void refuse(int number) {
        left_.store(number);
        refused_.store(false);
    }
    bool take() {
        if (left_.fetch_sub(1) != 1)
            return true;
        refused_.store(true);
        return false;
    }
    bool refused() const { return refused_.load(); }

private:
    std::atomic<int> left_{0};
    std::atomic<bool> refused_{false};
};
Supply memory, threads;

void *allocated(std::size_t bytes, std::size_t alignment = alignof(std::max_align_t)) noexcept {
    void *p = nullptr;
    return memory.take() && posix_memalign(&p, alignment, bytes ? bytes : 1) == 0 ? p : nullptr;
}
void *or_throw(void *p) {
    if (p == nullptr)
        throw std::bad_alloc();
    return p;
}

} // namespace

// Every form: a sanitizer has its own of each, which do not call one another.
using Size = std::size_t;
using Align = std::align_val_t;
using NoThrow = const std::nothrow_t &;
void *operator new(Size n) { return or_throw(allocated(n)); }
void *operator new[](Size n) { return or_throw(allocated(n)); }
void *operator new(Size n, Align a) { return or_throw(allocated(n, Size(a))); }
void *operator new[](Size n, Align a) { return or_throw(allocated(n, Size(a))); }
void *operator new(Size n, NoThrow) noexcept { return allocated(n); }
void *operator new[](Size n, NoThrow) noexcept { return allocated(n); }
void *operator new(Size n, Align a, NoThrow) noexcept { return allocated(n, Size(a)); }
void *operator new[](Size n, Align a, NoThrow) noexcept { return allocated(n, Size(a)); }
void operator delete(void *p) noexcept { std::free(p); }
void operator delete[](void *p) noexcept { std::free(p); }
void operator delete(void *p, Size) noexcept { std::free(p); }
void operator delete[](void *p, Size) noexcept { std::free(p); }
void operator delete(void *p, Align) noexcept { std::free(p); }
void operator delete[](void *p, Align) noexcept { std::free(p); }
void operator delete(void *p, Size, Align) noexcept { std::free(p); }
void operator delete[](void *p, Size, Align) noexcept { std::free(p); }

extern "C" {
int __real_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument) {
    return threads.take() ? __real_pthread_create(thread, attributes, run, argument) : EAGAIN;
}
}

namespace {

using namespace softlane;

// softmax of float16 rows that threads share, through tiles.
void share(Hash &hash) {
    constexpr std::size_t rows = 250, length = 800;
    static constexpr double one = 1;
    std::vector<std::uint16_t> x(rows * length), y(x.size());
    Random random(7);
    for (std::uint16_t &v : x)
        v = static_cast<std::uint16_t>(random.bits() & 0xbfff); // smaller than 2
    Problem problem;
    problem.op = Op::softmax;
    problem.array[x_stream] = {reinterpret_cast<char *>(x.data()), DType::f16};
    problem.array[y_stream] = {reinterpret_cast<char *>(y.data()), DType::f16};
    problem.temperature = &one;
    problem.outer.add({rows, {2 * length, 0, 2 * length, 0, 0, 1}});
    problem.inner.add({length, {2, 0, 2, 0, 0, 0}});
    const Plan plan = make_plan(problem);
    const Split shares = split(plan, 3);
    run(plan, active(), shares, workspace_of(shares.workspace_bytes).get());
    hash.add(y.data(), y.size() * sizeof y[0]);
}

// Everything in the core that allocates or starts threads; a hash of what comes out.
std::uint64_t work() {
    Hash hash;
    for (const Level *level : supported_levels())
        hash.add(level->table->isa, std::strlen(level->table->isa));
    const std::string error = apply_cap("a level that does not exist") +
                              apply_thread_variables("a number that does not exist", nullptr);
    hash.add(error.data(), error.size());
    Random random(6);
    constexpr TrialOp with_grad = trial_ops[7];
    static_assert(with_grad.op == Op::cross_entropy_with_grad, "the one that takes most memory");
    run_trial(active(), with_grad, DType::bf16, {9, 40, true, true, true}, random, hash);
    share(hash);
    return hash.value();
}

enum Ending { right, wrong, out_of_memory, nothing_refused };

[[noreturn]] void child(Supply &supply, int number) {
    std::uint64_t starved = 0;
    Ending ending = wrong;
    supply.refuse(number);
    try {
        starved = work();
        ending = supply.refused() ? right : nothing_refused;
    } catch (const std::bad_alloc &) {
        ending = supply.refused() ? out_of_memory : wrong;
    }
    supply.refuse(0); // from here on there is enough
    if (num_threads() < 1 || (work() != starved && ending != out_of_memory))
        ending = wrong;
    std::exit(ending); // not _exit: leaks are looked for
}

// Refuses one after another until there are no more; false: a child failed.
bool exhaust(const char *name, Supply &supply) {
    int count[4] = {};
    for (int number = 1; count[nothing_refused] == 0; ++number) {
        std::fflush(nullptr);
        const pid_t process = fork();
        if (process == 0)
            child(supply, number);
        int status = 0;
        if (process < 0 || waitpid(process, &status, 0) != process || !WIFEXITED(status) ||
            WEXITSTATUS(status) > nothing_refused || WEXITSTATUS(status) == wrong) {
            std::printf("%s: number %d refused: status %#x\n", name, number,
                        static_cast<unsigned>(status));
            return false;
        }
        ++count[WEXITSTATUS(status)];
    }
    std::printf("%s: %d refused, %d times a right result, %d times std::bad_alloc\n", name,
                count[right] + count[out_of_memory], count[right], count[out_of_memory]);
    return count[right] != 0;
}

} // namespace

// Nothing of the core runs before the children: each begins at the beginning.
int main() {
    const bool passed = exhaust("allocations", memory);
    return exhaust("threads", threads) && passed ? 0 : 1;
}
