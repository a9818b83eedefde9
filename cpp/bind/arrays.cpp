#include "bind/arrays.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "core/fp_environment.hpp"

namespace softlane::bind {

namespace {

bool is_bfloat16(PyArray_Descr *descr) {
    if (descr->type_num < NPY_USERDEF || PyDataType_ELSIZE(descr) != 2 || descr->type != 'E')
        return false;
    const char *name = descr->typeobj->tp_name;
    const char *dot = std::strrchr(name, '.');
    return std::strcmp(dot ? dot + 1 : name, "bfloat16") == 0;
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

std::string text_of(PyObject *object) { return py::str(py::handle(object)).cast<std::string>(); }

std::string shape_text(const std::vector<npy_intp> &shape) {
    std::string text = "(";
    for (std::size_t d = 0; d < shape.size(); ++d)
        text += (d ? ", " : "") + std::to_string(shape[d]);
    return text + (shape.size() == 1 ? ",)" : ")");
}

std::string shape_text(PyArrayObject *a) {
    return shape_text({PyArray_DIMS(a), PyArray_DIMS(a) + PyArray_NDIM(a)});
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

py::object copied(PyArrayObject *a, int type) {
    return owned(PyArray_FromArray(a, PyArray_DescrFromType(type),
                                   NPY_ARRAY_CARRAY | NPY_ARRAY_FORCECAST | NPY_ARRAY_ENSURECOPY |
                                       NPY_ARRAY_ENSUREARRAY));
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

DType promoted(DType a, DType b) {
    if (a == b)
        return a;
    return a == DType::f64 || b == DType::f64 ? DType::f64 : DType::f32;
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
              "out has shape " + shape_text(a) + ", expected " + shape_text({shape, shape + ndim}));
    if (!PyArray_ISWRITEABLE(a))
        raise(PyExc_ValueError, function, "output array is read-only");
    return view;
}

} // namespace softlane::bind
