#include "bind/arrays.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "core/fp_environment.hpp"

namespace softlane::bind {

namespace {

constexpr const char *accepted = "float16, bfloat16, float32, float64";

std::string text_of(PyObject *object) { return py::str(py::handle(object)).cast<std::string>(); }

std::string tuple_text(int ndim, const npy_intp *shape) {
    std::string text = "(";
    for (int d = 0; d < ndim; ++d)
        text += (d ? ", " : "") + std::to_string(shape[d]);
    return text + (ndim == 1 ? ",)" : ")");
}

bool is_bfloat16(PyArray_Descr *descr) {
    if (descr->type_num < NPY_USERDEF || PyDataType_ELSIZE(descr) != 2 || descr->type != 'E')
        return false;
    const char *name = descr->typeobj->tp_name;
    const char *dot = std::strrchr(name, '.');
    return std::strcmp(dot ? dot + 1 : name, "bfloat16") == 0;
}

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

py::object owned(PyObject *object) {
    if (object == nullptr)
        throw py::error_already_set();
    return py::reinterpret_steal<py::object>(object);
}

void raise(PyObject *type, const char *function, const std::string &text) {
    PyErr_SetString(type, (std::string(function) + ": " + text).c_str());
    throw py::error_already_set();
}

std::string shape_text(const PyArrayObject *a) {
    auto *array = const_cast<PyArrayObject *>(a);
    return tuple_text(PyArray_NDIM(array), PyArray_DIMS(array));
}

std::string dtype_text(PyArray_Descr *descr) {
    return text_of(reinterpret_cast<PyObject *>(descr));
}

std::optional<DType> dtype_of(PyArray_Descr *descr) {
    switch (descr->type_num) {
    case NPY_HALF:
        return DType::f16;
    case NPY_FLOAT:
        return DType::f32;
    case NPY_DOUBLE:
        return DType::f64;
    default:
        break;
    }
    if (is_bfloat16(descr))
        return DType::bf16;
    return std::nullopt;
}

bool is_masked_array(PyObject *object) {
    if (!PyArray_Check(object) || PyArray_CheckExact(object))
        return false;
    const py::dict modules = py::module_::import("sys").attr("modules");
    return modules.contains("numpy.ma") &&
           py::isinstance(object, modules["numpy.ma"].attr("MaskedArray"));
}

py::object as_array(const char *function, const char *what, PyObject *object) {
    if (is_masked_array(object) &&
        py::module_::import("numpy.ma").attr("is_masked")(py::handle(object)).cast<bool>())
        raise(PyExc_TypeError, function,
              std::string(what) + " has masked elements, which mean nothing here (fill them first; "
                                  "rows of a loss are left out by ignore_index)");
    if (PyArray_Check(object))
        return py::reinterpret_borrow<py::object>(object);
    PyObject *made = PyArray_FromAny(object, nullptr, 0, 0, 0, nullptr);
    if (made != nullptr)
        return py::reinterpret_steal<py::object>(made);
    // The cause stays chained: it is what the object's own conversion had to say.
    py::error_already_set cause;
    if (!cause.matches(PyExc_TypeError) && !cause.matches(PyExc_ValueError) &&
        !cause.matches(PyExc_RuntimeError))
        throw cause;
    PyObject *type = cause.matches(PyExc_ValueError) ? PyExc_ValueError : PyExc_TypeError;
    const std::string text = std::string(function) + ": " + what + " of type " +
                             Py_TYPE(object)->tp_name + " does not convert to an array (" +
                             text_of(cause.value().ptr()) +
                             "); convert it first, e.g. a torch tensor by .detach().cpu(), a "
                             "bfloat16 one by .float() as well";
    py::raise_from(cause, type, text.c_str());
    throw py::error_already_set();
}

py::object private_view(PyArrayObject *a) { return owned(PyArray_View(a, nullptr, &PyArray_Type)); }

py::object floating(const char *function, const py::object &x, const char *has) {
    PyArray_Descr *descr = PyArray_DESCR(array(x));
    if (dtype_of(descr))
        return x;
    if (!PyTypeNum_ISBOOL(descr->type_num) && !PyTypeNum_ISINTEGER(descr->type_num))
        raise(PyExc_TypeError, function,
              std::string(has) + "unsupported dtype " + dtype_text(descr) +
                  " (accepted: " + accepted + ", bool and integers)");
    const FpEnvironment environment; // 64-bit integers are rounded
    return owned(
        PyArray_FromArray(array(x), PyArray_DescrFromType(NPY_DOUBLE), NPY_ARRAY_FORCECAST));
}

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

Operand parse_temperature(const char *function, PyObject *given_temperature, PyArrayObject *x,
                          const std::vector<bool> &is_axis) {
    const py::object one = py::float_(1.0);
    PyObject *temperature = given_temperature ? given_temperature : one.ptr();
    py::object given = as_array(function, "temperature", temperature);
    if (PyArray_TYPE(array(given)) == NPY_OBJECT && PyFloat_Check(temperature) == 0 &&
        PyNumber_Check(temperature) && !PyArray_Check(temperature)) // a long int, a Fraction ...
        given = as_array(function, "temperature", owned(PyNumber_Float(temperature)).ptr());
    PyArray_Descr *descr = PyArray_DESCR(array(given));
    if (!dtype_of(descr) && !PyTypeNum_ISINTEGER(descr->type_num))
        raise(PyExc_TypeError, function,
              "temperature has dtype " + dtype_text(descr) +
                  ", expected a real number or an array of them");
    // Always a copy of our own: another thread, or the result itself, may write to the caller's.
    Operand operand;
    const FpEnvironment environment; // the caller's may take subnormals for zeros
    operand.owner = owned(PyArray_FromArray(array(given), PyArray_DescrFromType(NPY_DOUBLE),
                                            NPY_ARRAY_CARRAY | NPY_ARRAY_FORCECAST |
                                                NPY_ARRAY_ENSURECOPY | NPY_ARRAY_ENSUREARRAY));
    PyArrayObject *t = array(operand.owner);
    const auto *value = static_cast<const double *>(PyArray_DATA(t));
    for (npy_intp i = 0; i < PyArray_SIZE(t); ++i)
        if (!(value[i] > 0 && std::isfinite(value[i])))
            raise(PyExc_ValueError, function,
                  "temperature is " + py::repr(py::float_(value[i])).cast<std::string>() +
                      (PyArray_NDIM(t) ? " at flat index " + std::to_string(i) : std::string()) +
                      ", expected finite and > 0");
    operand.data = reinterpret_cast<const char *>(value);
    operand.tiny =
        std::any_of(value, value + PyArray_SIZE(t), [](double v) { return v < 0x1p-60; });

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
                  tuple_text(static_cast<int>(rows.size()), rows.data()));
    auto next = strides.begin();
    for (int d = 0; d < ndim; ++d)
        operand.strides.push_back(keepdims || !is_axis[d] ? *next++ / std::ptrdiff_t(sizeof(double))
                                                          : 0);
    return operand;
}

DType promoted(DType a, DType b) {
    if (a == b)
        return a;
    return a == DType::f64 || b == DType::f64 ? DType::f64 : DType::f32;
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

py::object descr_of(DType dtype) {
    const int type = dtype == DType::f16 ? NPY_HALF : dtype == DType::f32 ? NPY_FLOAT : NPY_DOUBLE;
    return owned(reinterpret_cast<PyObject *>(PyArray_DescrFromType(type)));
}

py::object native_descr(PyArray_Descr *descr) {
    if (PyTypeNum_ISFLOAT(descr->type_num)) // what numpy's own results carry
        return owned(reinterpret_cast<PyObject *>(PyArray_DescrFromType(descr->type_num)));
    auto *object = reinterpret_cast<PyObject *>(descr);
    if (PyDataType_ISNOTSWAPPED(descr))
        return py::reinterpret_borrow<py::object>(object);
    return owned(reinterpret_cast<PyObject *>(PyArray_DescrNewByteorder(descr, NPY_NATIVE)));
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

PyObject *unwrap_out(const char *function, PyObject *out) {
    if (out == nullptr)
        return Py_None;
    if (!PyTuple_Check(out))
        return out;
    if (PyTuple_GET_SIZE(out) != 1)
        raise(PyExc_ValueError, function,
              "out is a tuple of " + std::to_string(PyTuple_GET_SIZE(out)) +
                  ", expected an array or a tuple of one");
    return PyTuple_GET_ITEM(out, 0);
}

py::object parse_out(const char *function, PyObject *out, int ndim, const npy_intp *shape) {
    if (out == Py_None)
        return {};
    if (!PyArray_Check(out))
        raise(PyExc_TypeError, function,
              std::string("out has type ") + Py_TYPE(out)->tp_name + ", expected numpy.ndarray");
    py::object view = private_view(reinterpret_cast<PyArrayObject *>(out));
    PyArrayObject *a = array(view);
    if (!dtype_of(PyArray_DESCR(a)))
        raise(PyExc_TypeError, function,
              "out has dtype " + dtype_text(PyArray_DESCR(a)) + " (accepted: " + accepted + ")");
    if (PyArray_NDIM(a) != ndim || !std::equal(shape, shape + ndim, PyArray_DIMS(a)))
        raise(PyExc_ValueError, function,
              "out has shape " + shape_text(a) + ", expected " + tuple_text(ndim, shape));
    if (!PyArray_ISWRITEABLE(a))
        raise(PyExc_ValueError, function, "output array is read-only");
    return view;
}

} // namespace softlane::bind
