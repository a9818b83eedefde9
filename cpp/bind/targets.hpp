// The targets of a loss and the weights of its classes: copied and checked in one pass, before
// anything is written; the kernels see nothing else of them.
#pragma once
#include <cstdint>
#include <vector>

#include "bind/arrays.hpp"

namespace softlane::bind {

struct Targets {
    py::object probabilities;             // null: labels
    py::object copy;                      // whose elements these are:
    const std::int64_t *labels = nullptr; // -1: ignored
    std::size_t kept = 0;                 // rows that are not ignored
};

// Integer labels of the shape `rows`, or probabilities of the shape of the logits.
Targets parse_targets(const char *function, PyObject *targets, PyArrayObject *logits,
                      const std::vector<npy_intp> &rows, npy_intp classes, PyObject *ignore_index);

// One for each class, as doubles; empty for None.
std::vector<double> parse_weight(const char *function, PyObject *weight, npy_intp classes);

} // namespace softlane::bind
