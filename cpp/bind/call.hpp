// The public functions as METH_FASTCALL C functions.
#pragma once
#include "bind/numpy.hpp"

namespace softlane::bind {

// Adds them to the module.
void register_functions(py::module_ &module);

} // namespace softlane::bind
