#include "core/pool.hpp"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <new>

#include "core/spin.hpp"
#include "core/threads.hpp"

#if defined(__linux__)
#include <sched.h>
#include <unistd.h>
#endif

namespace softlane {

namespace {

// Of a worker's stack: kernels use up to 130 kB, thread-locals maybe more. Those of GCC's thread
// sanitizer leave a quarter of a megabyte, and kernels that are not optimised want more.
#ifdef __SANITIZE_THREAD__
constexpr std::size_t stack_bytes = 1 << 22;
#else
constexpr std::size_t stack_bytes = 1 << 20;
#endif
constexpr int retry_after = 256; // jobs, once the system had no more threads

// The parts of one worker that nobody has begun: it takes them from the front, others from the
// back.
class Share {
public:
    void fill(std::uint32_t begin, std::uint32_t end) {
        left_.store(begin | std::uint64_t{end} << 32, std::memory_order_relaxed);
    }
    bool take(bool front, std::uint32_t &part) {
        std::uint64_t left = left_.load(std::memory_order_relaxed), after;
        do {
            const auto begin = static_cast<std::uint32_t>(left);
            const auto end = static_cast<std::uint32_t>(left >> 32);
            if (begin == end)
                return false;
            part = front ? begin : end - 1;
            after = front ? left + 1 : left - (std::uint64_t{1} << 32);
        } while (!left_.compare_exchange_weak(left, after, std::memory_order_relaxed));
        return true;
    }

private:
    std::atomic<std::uint64_t> left_{0};
};

struct Pool;

struct alignas(64) Worker {
    Pool *pool;
    int index;
    Share share;
    std::atomic<bool> asleep{false};
    std::mutex mutex; // held while going to sleep and while being woken
    std::condition_variable wake;
};

// Who may join the job: workers below `limit` that have not seen this generation. How many did.
struct Gate {
    std::uint64_t word;
    std::uint32_t generation() const { return static_cast<std::uint32_t>(word >> 32); }
    int limit() const { return static_cast<int>(word >> 16 & 0xffff); }
    int inside() const { return static_cast<int>(word & 0xffff); }
};

std::atomic<Pool *> current{nullptr};
std::atomic<bool> busy{false}; // somebody has the pool
std::atomic<int> callers{0};   // in run_parts
std::atomic<bool> refused{false};
std::atomic<int> retry_in{0}; // jobs
std::atomic<int> started{0}, helping{0}, most_helping{0};
std::atomic<std::uint64_t> jobs{0}, alone{0};

// Never destroyed: its threads may outlive main().
struct Pool {
    Worker *workers[most_threads] = {}; // [0]: the caller's share
    int size = 0;                       // with the caller
    Job job{};
    int threads = 0;
    std::atomic<std::uint64_t> gate{0};
    std::mutex mutex; // held while the caller goes to sleep and while it is woken
    std::condition_variable left;

    void work(int index) {
        std::uint32_t part;
        // Each further caller takes the place of one helper.
        const auto may = [&] {
            return index == 0 || index + callers.load(std::memory_order_relaxed) <= threads;
        };
        for (int k = 0; k < threads; ++k) {
            Share &share = workers[(index + k) % threads]->share;
            while (may() && share.take(k == 0, part))
                job.run(job.context, part, index);
        }
    }

    [[noreturn]] void serve(Worker &worker) {
        std::uint32_t seen = 0;
        Gate now{};
        const auto wanted = [&] {
            now.word = gate.load();
            return worker.index < now.limit() && now.generation() != seen;
        };
        for (;;) {
            if (!spin_until(wanted)) {
                std::unique_lock<std::mutex> lock(worker.mutex);
                worker.asleep.store(true);
                worker.wake.wait(lock, wanted);
                worker.asleep.store(false);
            }
            if (!gate.compare_exchange_strong(now.word, now.word + 1))
                continue;
            seen = now.generation();
            const int count = helping.fetch_add(1) + 1;
            int most = most_helping.load();
            while (most < count && !most_helping.compare_exchange_weak(most, count)) {
            }
            work(worker.index);
            helping.fetch_sub(1);
            const Gate before{gate.fetch_sub(1)};
            if (before.limit() == 0 && before.inside() == 1) {
                const std::lock_guard<std::mutex> lock(mutex);
                left.notify_one();
            }
        }
    }

    void run(const Job &given, int count) {
        job = given;
        threads = count;
        const std::uint64_t parts = job.parts;
        for (int i = 0; i < count; ++i)
            workers[i]->share.fill(static_cast<std::uint32_t>(parts * i / count),
                                   static_cast<std::uint32_t>(parts * (i + 1) / count));
        const std::uint64_t generation = (gate.load() >> 32) + 1;
        gate.store(generation << 32 | static_cast<std::uint64_t>(count) << 16);
        for (int i = 1; i < count; ++i)
            if (workers[i]->asleep.load()) {
                const std::lock_guard<std::mutex> lock(workers[i]->mutex);
                workers[i]->wake.notify_one();
            }
        work(0);
        gate.fetch_and(~std::uint64_t{0xffff0000}); // who did not come in time is not waited for
        const auto empty = [&] { return Gate{gate.load()}.inside() == 0; };
        if (!spin_until(empty)) {
            std::unique_lock<std::mutex> lock(mutex);
            left.wait(lock, empty);
        }
    }
};

void *enter(void *argument) {
    auto *worker = static_cast<Worker *>(argument);
#if defined(__linux__)
    pthread_setname_np(pthread_self(), "softlane");
    // Where the process may run, not where the thread that happened to call first is pinned.
    cpu_set_t sets[8] = {};
    if (sched_getaffinity(getpid(), sizeof sets, sets) == 0)
        sched_setaffinity(0, sizeof sets, sets);
#endif
    worker->pool->serve(*worker);
}

// One more worker; false if there is no memory or no thread.
bool add_worker(Pool &pool) {
    auto *worker = new (std::nothrow) Worker;
    if (worker == nullptr)
        return false;
    worker->pool = &pool;
    worker->index = pool.size;
    bool made = pool.size == 0;
    if (!made && !refused.load()) {
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        pthread_attr_setstacksize(&attributes, stack_bytes);
        sigset_t all, former; // a new thread inherits them
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &former);
        pthread_t thread;
        made = pthread_create(&thread, &attributes, enter, worker) == 0;
        pthread_sigmask(SIG_SETMASK, &former, nullptr);
        pthread_attr_destroy(&attributes);
    }
    if (!made) {
        delete worker;
        return false;
    }
    pool.workers[pool.size] = worker;
    started.store(pool.size++);
    return true;
}

// The pool with as many workers as can be had, up to `threads` with the caller; null: none.
Pool *grown(int threads) {
    Pool *pool = current.load();
    if (pool == nullptr) {
        pool = new (std::nothrow) Pool;
        if (pool == nullptr)
            return nullptr;
        current.store(pool);
    }
    if (pool->size < threads && retry_in.fetch_sub(1) <= 0) {
        retry_in.store(0);
        while (pool->size < threads)
            if (!add_worker(*pool)) {
                retry_in.store(retry_after);
                break;
            }
    }
    return pool;
}

// The threads, and whatever others held, are in the parent.
void after_fork() {
    current.store(nullptr);
    busy.store(false);
    callers.store(0);
    retry_in.store(0);
    started.store(0);
    helping.store(0);
}
[[maybe_unused]] const int registered = pthread_atfork(nullptr, nullptr, after_fork);

} // namespace

void run_parts(const Job &job, int threads) noexcept {
    callers.fetch_add(1);
    bool shared = false;
    if (threads > 1 && job.parts > 1 && !busy.exchange(true)) {
        Pool *pool = grown(threads);
        threads = pool ? std::min(threads, pool->size) : 1;
        shared = threads > 1;
        if (shared)
            pool->run(job, threads);
        busy.store(false);
    }
    if (!shared)
        for (std::uint32_t part = 0; part < job.parts; ++part)
            job.run(job.context, part, 0);
    callers.fetch_sub(1);
    (shared ? jobs : alone).fetch_add(1, std::memory_order_relaxed);
}

PoolFacts pool_facts() noexcept {
    return {started.load(), most_helping.exchange(0), jobs.load(), alone.load()};
}

void refuse_threads(bool refuse) noexcept {
    refused.store(refuse);
    retry_in.store(0);
}

} // namespace softlane
