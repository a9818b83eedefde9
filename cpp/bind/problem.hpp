// From checked arrays to the core's description of a call.
#pragma once
#include "bind/options.hpp"
#include "bind/result.hpp"

namespace softlane::bind {

// Arrays of one shape; null where an op does not use them.
struct Operands {
    PyArrayObject *x;
    PyArrayObject *other = nullptr; // or an operand that broadcasts to x:
    const Operand *broadcast_other = nullptr;
    const Output *y = nullptr;
    const Operand *where = nullptr;
    const Temperature *temperature = nullptr; // null: 1
};

Problem describe(Op op, const Operands &operands, const std::vector<bool> &is_axis);

// The shape of what there is one of for each row: without the axes, or with length 1 there.
std::vector<npy_intp> row_shape(PyArrayObject *x, const std::vector<bool> &is_axis, bool keepdims);
std::size_t element_count(const std::vector<npy_intp> &shape);

} // namespace softlane::bind
