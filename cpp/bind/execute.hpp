// Running a plan from Python: workspace, interpreter lock, and C++ exceptions as Python's.
#pragma once
#include <stdexcept>

#include "bind/numpy.hpp"
#include "core/kernels.hpp"
#include "core/plan.hpp"

namespace softlane::bind {

// The lock is released where the plan says that it pays. Returns the kernels that served it.
const KernelTable &execute(const Plan &plan);

// Holds the interpreter lock off for the length of a scope, if asked.
class Unlocked {
public:
    explicit Unlocked(bool asked) : state_(asked ? PyEval_SaveThread() : nullptr) {}
    ~Unlocked();
    Unlocked(const Unlocked &) = delete;
    Unlocked &operator=(const Unlocked &) = delete;

private:
    PyThreadState *state_;
};

// The result of body(), a new reference; null with a Python exception set if it throws.
template <class Body> PyObject *guarded(Body body) noexcept {
    try {
        return body();
    } catch (py::error_already_set &error) {
        error.restore();
    } catch (const std::bad_alloc &) {
        PyErr_NoMemory();
    } catch (const std::length_error &) { // of a vector
        PyErr_NoMemory();
    } catch (const std::exception &error) {
        PyErr_SetString(PyExc_RuntimeError, error.what());
    }
    return nullptr;
}

} // namespace softlane::bind
