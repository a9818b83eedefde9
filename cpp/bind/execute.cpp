#include "bind/execute.hpp"

#include <chrono>
#include <memory>
#include <new>
#include <thread>

#include "core/dispatch.hpp"
#include "core/run.hpp"

namespace softlane::bind {

namespace {

struct FreeWorkspace {
    void operator()(char *p) const { ::operator delete[](p, std::align_val_t(64)); }
};

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

void execute(const Plan &plan) {
    std::unique_ptr<char, FreeWorkspace> workspace;
    if (plan.workspace_bytes != 0) {
        workspace.reset(static_cast<char *>(
            ::operator new[](plan.workspace_bytes, std::align_val_t(64), std::nothrow)));
        if (workspace == nullptr) {
            PyErr_NoMemory();
            throw py::error_already_set();
        }
    }
    const Unlocked unlocked(plan.release_gil);
    run(plan, active(), workspace.get());
}

} // namespace softlane::bind
