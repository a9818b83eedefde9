// The public functions, as METH_FASTCALL C functions.
#pragma once
#include "bind/numpy.hpp"

namespace softlane::bind {

#define SOFTLANE_FUNCTION(name)                                                                    \
    PyObject *name(PyObject *, PyObject *const *args, Py_ssize_t count, PyObject *names)
SOFTLANE_FUNCTION(softmax); // maps.cpp
SOFTLANE_FUNCTION(log_softmax);
SOFTLANE_FUNCTION(logsumexp);        // logsumexp.cpp
SOFTLANE_FUNCTION(softmax_backward); // backward.cpp
SOFTLANE_FUNCTION(log_softmax_backward);
SOFTLANE_FUNCTION(cross_entropy); // cross_entropy.cpp
SOFTLANE_FUNCTION(cross_entropy_with_grad);
#undef SOFTLANE_FUNCTION

} // namespace softlane::bind
