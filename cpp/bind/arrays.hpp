// Python objects to checked arrays. Everything that can be wrong with an argument is found and said
// here, before anything is written; core/ and the kernels trust what comes out.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "bind/numpy.hpp"
#include "core/plan.hpp"

namespace softlane::bind {

// Where a function takes a keyword's object, null stands for its default.

// A new reference that pybind11 owns from here on; throws what Python raised if it is null.
py::object owned(PyObject *object);

// Sets a Python exception, its text prefixed with "<function>: ", and throws it.
[[noreturn]] void raise(PyObject *type, const char *function, const std::string &text);

std::string shape_text(const PyArrayObject *array); // (2, 3)
std::string dtype_text(PyArray_Descr *descr);       // float32

// The stored type behind a descriptor of any byte order; nothing if softlane has no kernel for it.
// bfloat16 is recognised from the descriptor alone: ml_dtypes is never imported.
std::optional<DType> dtype_of(PyArray_Descr *descr);

// Without numpy.ma loaded there are none.
bool is_masked_array(PyObject *object);

// A new reference to an ndarray view or copy of an argument; `what` names it in an error. Refuses
// one with masked elements: those whose masks mean something come here as their data.
py::object as_array(const char *function, const char *what, PyObject *object);

// A view of our own, of the base class: Python code that runs while the arguments are read (an
// __array__, an __index__), or another thread, may reshape the caller's array.
py::object private_view(PyArrayObject *array);

// Bool and integers become float64, the four floating types stay; anything else is a TypeError.
// `has`: how the error begins, "b has " or nothing.
py::object floating(const char *function, const py::object &array, const char *has = "");

// is_axis[d] for each dimension.
std::vector<bool> parse_axis(const char *function, PyObject *axis, int ndim);

// A broadcast operand: its first byte, and its stride for each dimension of x (0 along the axis for
// a temperature).
struct Operand {
    py::object owner;
    const char *data = nullptr;
    std::vector<std::ptrdiff_t> strides;
    bool tiny = false; // of a temperature: some are below 2^-60
};
// b= of logsumexp: any real dtype.
Operand parse_factors(const char *function, PyObject *b, PyArrayObject *x);
Operand parse_where(const char *function, PyObject *where, PyArrayObject *x);
Operand parse_temperature(const char *function, PyObject *temperature, PyArrayObject *x,
                          const std::vector<bool> &is_axis);

// The dtype of a result of inputs of these two: equal ones stay, others go to float32 or float64.
DType promoted(DType a, DType b);

// A real number that a keyword must be.
double parse_real(const char *function, const char *what, PyObject *object);

// dtype=: a descriptor of one of the four types in native byte order, or a null object for None.
py::object parse_dtype(const char *function, PyObject *dtype);

py::object descr_of(DType dtype); // float16, float32 or float64
// The type's own descriptor in native byte order, for a result.
py::object native_descr(PyArray_Descr *descr);

// out=: without the tuple around it, if there is one.
PyObject *unwrap_out(const char *function, PyObject *out);

// out=: a private view, checked for kind, shape and writability; null for None.
py::object parse_out(const char *function, PyObject *out, int ndim, const npy_intp *shape);

// Whether the byte ranges of two arrays meet; whether two elements of one array share bytes (may
// say so where they do not).
bool overlap(PyArrayObject *a, PyArrayObject *b);
bool overlaps_itself(PyArrayObject *a);
bool same_layout(PyArrayObject *a, PyArrayObject *b); // the same bytes, element by element

inline PyArrayObject *array(const py::object &object) {
    return reinterpret_cast<PyArrayObject *>(object.ptr());
}

} // namespace softlane::bind
