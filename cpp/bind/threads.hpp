// The number of threads as Python sees it: a setting of the process, and one of the context.
#pragma once
#include "bind/numpy.hpp"

namespace softlane::bind {

// For a call from the current context: what num_threads() set there, else the process's. With the
// interpreter lock.
int current_threads();

// Reads the environment, which may be an ImportError.
void register_threads(py::module_ &module);

} // namespace softlane::bind
