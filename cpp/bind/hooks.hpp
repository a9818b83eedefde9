// What tests, bench and guard need to see and to force: not public.
#pragma once
#include "bind/numpy.hpp"

namespace softlane::bind {

void register_hooks(py::module_ &module);

} // namespace softlane::bind
