#include "bind/options.hpp"

#include <algorithm>
#include <cmath>

#include "core/fp_environment.hpp"

namespace softlane::bind {

namespace {

// Strides of `a`, right-aligned against the dimensions `target`, 0 where it is broadcast; false if
// it does not fit.
bool broadcast_strides(PyArrayObject *a, const std::vector<npy_intp> &target,
                       std::vector<std::ptrdiff_t> &strides) {
    const int missing = static_cast<int>(target.size()) - PyArray_NDIM(a);
    if (missing < 0)
        return false;
    strides.assign(target.size(), 0);
    for (int d = 0; d < PyArray_NDIM(a); ++d) {
        const npy_intp n = PyArray_DIM(a, d);
        if (n != 1 && n != target[d + missing])
            return false;
        strides[d + missing] = n == 1 ? 0 : PyArray_STRIDE(a, d);
    }
    return true;
}

} // namespace

std::vector<bool> parse_axis(const char *function, PyObject *given_axis, int ndim) {
    const py::object last = py::int_(-1);
    PyObject *axis = given_axis ? given_axis : last.ptr();
    if (axis == Py_None)
        return std::vector<bool>(ndim, true);
    std::vector<bool> is_axis(ndim, false);
    auto mark = [&](PyObject *item) {
        const Py_ssize_t given = PyNumber_AsSsize_t(item, PyExc_OverflowError);
        if (given == -1 && PyErr_Occurred()) {
            if (PyErr_ExceptionMatches(PyExc_TypeError)) {
                PyErr_Clear();
                raise(PyExc_TypeError, function,
                      std::string("axis has type ") + Py_TYPE(item)->tp_name +
                          ", expected int, tuple of ints or None");
            }
            throw py::error_already_set();
        }
        if (ndim == 0 && !PyTuple_Check(axis) && (given == 0 || given == -1))
            return; // as numpy's reductions have it
        const Py_ssize_t d = given < 0 ? given + ndim : given;
        if (d < 0 || d >= ndim) {
            const py::object error = py::module_::import("numpy.exceptions").attr("AxisError");
            PyErr_SetObject(error.ptr(), error(given, ndim, function).ptr());
            throw py::error_already_set();
        }
        if (is_axis[d])
            raise(PyExc_ValueError, function,
                  "axis " + text_of(axis) + " names dimension " + std::to_string(d) + " twice");
        is_axis[d] = true;
    };
    if (!PyTuple_Check(axis)) {
        mark(axis);
        return is_axis;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(axis); ++i)
        mark(PyTuple_GET_ITEM(axis, i));
    return is_axis;
}

Operand parse_factors(const char *function, PyObject *b, PyArrayObject *x) {
    Operand operand;
    operand.owner = floating(function, private_view(array(as_array(function, "b", b))), "b has ");
    PyArrayObject *factors = array(operand.owner);
    const std::vector<npy_intp> shape(PyArray_DIMS(x), PyArray_DIMS(x) + PyArray_NDIM(x));
    if (!broadcast_strides(factors, shape, operand.strides))
        raise(PyExc_ValueError, function,
              "b has shape " + shape_text(factors) + ", which does not broadcast to x's " +
                  shape_text(x));
    operand.data = PyArray_BYTES(factors);
    return operand;
}

Operand parse_where(const char *function, PyObject *where, PyArrayObject *x) {
    Operand operand;
    if (where == nullptr || where == Py_None)
        return operand;
    operand.owner = private_view(array(as_array(function, "where", where)));
    PyArrayObject *mask = array(operand.owner);
    if (PyArray_TYPE(mask) != NPY_BOOL)
        raise(PyExc_TypeError, function,
              "where has dtype " + dtype_text(PyArray_DESCR(mask)) +
                  ", expected bool (True keeps an element)");
    const std::vector<npy_intp> shape(PyArray_DIMS(x), PyArray_DIMS(x) + PyArray_NDIM(x));
    if (!broadcast_strides(mask, shape, operand.strides))
        raise(PyExc_ValueError, function,
              "where has shape " + shape_text(mask) + ", which does not broadcast to x's " +
                  shape_text(x));
    operand.data = PyArray_BYTES(mask);
    return operand;
}

Temperature parse_temperature(const char *function, PyObject *given, PyArrayObject *x,
                              const std::vector<bool> &is_axis) {
    Temperature found;
    const auto check = [&](const double *values, npy_intp count, bool is_array) {
        const FpEnvironment environment; // the caller's may take subnormals for zeros
        for (npy_intp i = 0; i < count; ++i) {
            if (!(values[i] > 0 && std::isfinite(values[i])))
                raise(PyExc_ValueError, function,
                      "temperature is " + py::repr(py::float_(values[i])).cast<std::string>() +
                          (is_array ? " at flat index " + std::to_string(i) : std::string()) +
                          ", expected finite and > 0");
            found.tiny = found.tiny || values[i] < 0x1p-60;
        }
    };
    if (given == nullptr)
        return found;
    if (PyFloat_Check(given)) {
        found.number = PyFloat_AS_DOUBLE(given);
        check(&found.number, 1, false);
        return found;
    }
    py::object object = as_array(function, "temperature", given);
    if (PyArray_TYPE(array(object)) == NPY_OBJECT && PyNumber_Check(given) &&
        !PyArray_Check(given)) // a long int, a Fraction ...
        object = as_array(function, "temperature", owned(PyNumber_Float(given)).ptr());
    PyArray_Descr *descr = PyArray_DESCR(array(object));
    if (!dtype_of(descr) && !PyTypeNum_ISINTEGER(descr->type_num))
        raise(PyExc_TypeError, function,
              "temperature has dtype " + dtype_text(descr) +
                  ", expected a real number or an array of them");
    Operand &operand = found.array;
    {
        const FpEnvironment environment; // which may change numbers that are cast, too
        operand.owner = copied(array(object), NPY_DOUBLE);
    }
    PyArrayObject *t = array(operand.owner);
    check(static_cast<const double *>(PyArray_DATA(t)), PyArray_SIZE(t), PyArray_NDIM(t) != 0);
    operand.data = PyArray_BYTES(t);

    const int ndim = PyArray_NDIM(x);
    const bool keepdims =
        PyArray_NDIM(t) == ndim && std::count(is_axis.begin(), is_axis.end(), true) > 0;
    std::vector<npy_intp> rows;
    for (int d = 0; d < ndim; ++d)
        if (keepdims || !is_axis[d])
            rows.push_back(is_axis[d] ? 1 : PyArray_DIM(x, d));
    std::vector<std::ptrdiff_t> strides;
    if (!broadcast_strides(t, rows, strides))
        raise(PyExc_ValueError, function,
              "temperature has shape " + shape_text(t) +
                  ", which does not broadcast to the input's shape without the axis, " +
                  shape_text(rows));
    auto next = strides.begin();
    for (int d = 0; d < ndim; ++d)
        operand.strides.push_back(keepdims || !is_axis[d] ? *next++ / std::ptrdiff_t(sizeof(double))
                                                          : 0);
    return found;
}

py::object parse_dtype(const char *function, PyObject *dtype) {
    if (dtype == nullptr || dtype == Py_None)
        return {};
    PyArray_Descr *descr = nullptr;
    if (!PyArray_DescrConverter(dtype, &descr)) {
        py::error_already_set cause;
        const std::string text = std::string(function) + ": dtype= is not a dtype (" +
                                 text_of(cause.value().ptr()) + "; accepted: " + accepted + ")";
        py::raise_from(cause, PyExc_TypeError, text.c_str());
        throw py::error_already_set();
    }
    const py::object given = owned(reinterpret_cast<PyObject *>(descr));
    if (!dtype_of(descr))
        raise(PyExc_TypeError, function,
              "unsupported dtype " + dtype_text(descr) + " (accepted: " + accepted + ")");
    return native_descr(descr);
}

double parse_real(const char *function, const char *what, PyObject *object) {
    const double value = PyFloat_AsDouble(object);
    if (value == -1 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
            PyErr_Clear();
            raise(PyExc_ValueError, function, std::string(what) + " is too large for a float64");
        }
        if (!PyErr_ExceptionMatches(PyExc_TypeError) && !PyErr_ExceptionMatches(PyExc_ValueError))
            throw py::error_already_set();
        PyErr_Clear();
        raise(PyExc_TypeError, function,
              std::string(what) + " has type " + Py_TYPE(object)->tp_name +
                  ", expected a real number");
    }
    return value;
}

} // namespace softlane::bind
