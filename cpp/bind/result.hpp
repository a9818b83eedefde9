// Where results go: a fresh array or out=, buffered where their memory meets that of an input; and
// what comes back to the caller.
#pragma once
#include <initializer_list>

#include "bind/options.hpp"
#include "core/kernels.hpp"

namespace softlane::bind {

struct Input {
    PyArrayObject *array; // or null
    bool in_place;        // the result may take its place, element by element
};

class Output {
public:
    // A result of the shape and layout of `like`. out: the argument or None; wanted: the descriptor
    // of dtype=, or null; otherwise: the descriptor of a fresh result without dtype=.
    Output(const char *function, PyObject *out, const py::object &wanted,
           const py::object &otherwise, PyArrayObject *like, std::initializer_list<Input> inputs);

    PyArrayObject *array() const { return bind::array(target_); } // to be written
    bool given() const { return given_ != Py_None; }
    bool fresh() const { return !given() || buffered_; } // its memory is
    // After the writing: out itself, or the fresh array as it is.
    py::object take();

private:
    PyObject *given_;
    py::object view_, target_;
    bool buffered_ = false;
};

// The one dtype of a result: dtype= and out= must agree. Null if neither is given.
py::object agreed_dtype(const char *function, const py::object &wanted, PyArrayObject *out);

// Numbers that kernels gave as doubles, one for each row: an array of that shape and dtype, each
// rounded once, by the same kernels. `values` holds as many as the shape has.
py::object from_doubles(const double *values, int ndim, const npy_intp *shape,
                        const py::object &descr, const KernelTable &table);

// As a ufunc returns it: wrapped for a subclass of ndarray, a scalar where it has no dimensions.
py::object returned(PyObject *original, py::object result);

// The parts of a masked array: `data`; `keep` = ~mask and where; its own `mask`, a copy.
struct MaskedArgument {
    py::object data, mask, keep;

    MaskedArgument(const char *function, PyObject *array, PyObject *where = nullptr);
};

// The result for a masked array: fresh, a masked array with the fill value of the original; given
// as `out`, that one, its mask set if it has one.
py::object with_mask(const char *function, const py::object &result, const py::object &mask,
                     PyObject *original, PyObject *out);

} // namespace softlane::bind
