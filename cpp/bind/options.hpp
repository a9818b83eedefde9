// Keyword arguments, checked. Null stands for a keyword's default.
#pragma once
#include "bind/arrays.hpp"

namespace softlane::bind {

// is_axis[d] for each dimension.
std::vector<bool> parse_axis(const char *function, PyObject *axis, int ndim);

// A broadcast operand: its first byte, and its stride for each dimension of x.
struct Operand {
    py::object owner;
    const char *data = nullptr;
    std::vector<std::ptrdiff_t> strides;
};
// One for all rows: `number`; or, where there is data, `array`, whose strides are 0 along the axis.
// A Problem points into it.
struct Temperature {
    double number = 1;
    Operand array;
    bool tiny = false; // some are below 2^-60
};
// b= of logsumexp: any real dtype.
Operand parse_factors(const char *function, PyObject *b, PyArrayObject *x);
Operand parse_where(const char *function, PyObject *where, PyArrayObject *x);
Temperature parse_temperature(const char *function, PyObject *temperature, PyArrayObject *x,
                              const std::vector<bool> &is_axis);

// A real number that a keyword must be.
double parse_real(const char *function, const char *what, PyObject *object);

// dtype=: a descriptor of one of the four types in native byte order, or a null object for None.
py::object parse_dtype(const char *function, PyObject *dtype);

} // namespace softlane::bind
