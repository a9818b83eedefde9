// Python objects to checked arrays. Everything that can be wrong with an argument is found and said
// here, before anything is written; core/ and the kernels trust what comes out.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "bind/numpy.hpp"
#include "core/plan.hpp"

namespace softlane::bind {

// A new reference that pybind11 owns from here on; throws what Python raised if it is null.
py::object owned(PyObject *object);

// Sets a Python exception, its text prefixed with "<function>: ", and throws it.
[[noreturn]] void raise(PyObject *type, const char *function, const std::string &text);

constexpr const char *accepted = "float16, bfloat16, float32, float64";

std::string text_of(PyObject *object);                      // its str()
std::string shape_text(const std::vector<npy_intp> &shape); // (2, 3)
std::string shape_text(PyArrayObject *array);
std::string dtype_text(PyArray_Descr *descr); // float32

// The stored type behind a descriptor of any byte order; nothing if softlane has no kernel for it.
// bfloat16 is recognised from the descriptor alone: ml_dtypes is never imported.
std::optional<DType> dtype_of(PyArray_Descr *descr);

// Without numpy.ma loaded there are none.
bool is_masked_array(PyObject *object);

// A new reference to an ndarray view or copy of an argument; `what` names it in an error. Refuses
// one with masked elements: those whose masks mean something come here as their data.
py::object as_array(const char *function, const char *what, PyObject *object);

// A copy of our own in C order, cast to that type: another thread, or the result itself, may write
// to the caller's.
py::object copied(PyArrayObject *array, int type);

// A view of our own, of the base class: Python code that runs while the arguments are read (an
// __array__, an __index__), or another thread, may reshape the caller's array.
py::object private_view(PyArrayObject *array);

// Bool and integers become float64, the four floating types stay; anything else is a TypeError.
// `has`: how the error begins, "b has " or nothing.
py::object floating(const char *function, const py::object &array, const char *has = "");

// The dtype of a result of inputs of these two: equal ones stay, others go to float32 or float64.
DType promoted(DType a, DType b);

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
