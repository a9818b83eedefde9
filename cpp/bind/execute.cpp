#include "bind/execute.hpp"

#include <chrono>
#include <new>
#include <thread>

#include "bind/serving.hpp"
#include "bind/threads.hpp"
#include "core/parallel.hpp"
#include "core/run.hpp"

namespace softlane::bind {

namespace {

// Before Python 3.14 a thread that outlives the interpreter is unwound from here. Its destructors
// must not run then: they would touch Python objects. It sleeps until the process is gone, as
// in 3.14.
void restore_thread(PyThreadState *state) {
    try {
        PyEval_RestoreThread(state);
    } catch (...) {
        for (;;)
            std::this_thread::sleep_for(std::chrono::hours(1));
    }
}

} // namespace

Unlocked::~Unlocked() {
    if (state_)
        restore_thread(state_);
}

const KernelTable &execute(const Plan &plan) {
    Split shares = split(plan, plan.rows * plan.length < parallel_elements ? 1 : current_threads());
    Workspace workspace;
    const auto allocate = [&](std::size_t bytes) {
        workspace.reset(
            static_cast<char *>(::operator new[](bytes, std::align_val_t(64), std::nothrow)));
        return workspace != nullptr;
    };
    if (shares.workspace_bytes != 0 && !allocate(shares.workspace_bytes)) {
        shares = split(plan, 1);
        if (!allocate(shares.workspace_bytes)) {
            PyErr_NoMemory();
            throw py::error_already_set();
        }
    }
    const KernelTable &table = serving(plan);
    const Unlocked unlocked(plan.release_gil);
    run(plan, table, shares, workspace.get());
    return table;
}

} // namespace softlane::bind
