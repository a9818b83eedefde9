#include "bind/targets.hpp"

#include <algorithm>
#include <string>

#include "bind/problem.hpp"
#include "core/fp_environment.hpp"
#include "core/row_data.hpp"

namespace softlane::bind {

namespace {

std::string position_text(std::size_t flat, const std::vector<npy_intp> &shape) {
    std::vector<npy_intp> index(shape.size());
    for (std::size_t d = shape.size(); d-- > 0;) {
        index[d] = static_cast<npy_intp>(flat % static_cast<std::size_t>(shape[d]));
        flat /= static_cast<std::size_t>(shape[d]);
    }
    return shape_text(index);
}

std::int64_t parse_ignore_index(const char *function, PyObject *given) {
    if (given == nullptr)
        return -100;
    const Py_ssize_t value = PyNumber_AsSsize_t(given, PyExc_OverflowError);
    if (value == -1 && PyErr_Occurred()) {
        const bool is_integer = PyErr_ExceptionMatches(PyExc_OverflowError);
        if (!is_integer && !PyErr_ExceptionMatches(PyExc_TypeError))
            throw py::error_already_set();
        PyErr_Clear();
        raise(is_integer ? PyExc_ValueError : PyExc_TypeError, function,
              std::string("ignore_index ") +
                  (is_integer ? "does not fit into 64 bits"
                              : std::string("has type ") + Py_TYPE(given)->tp_name) +
                  ", expected an integer");
    }
    return value;
}

// `a`: integers. In a copy, whose bits are those of uint64 where they are unsigned.
Targets checked_labels(const char *function, PyArrayObject *a, const std::vector<npy_intp> &rows,
                       npy_intp classes, std::int64_t ignored) {
    Targets targets;
    const bool is_unsigned = PyTypeNum_ISUNSIGNED(PyArray_TYPE(a));
    targets.copy = copied(a, is_unsigned ? NPY_UINT64 : NPY_INT64);
    auto *labels = static_cast<std::int64_t *>(PyArray_DATA(array(targets.copy)));
    const auto *bits = reinterpret_cast<const std::uint64_t *>(labels);
    const auto count = static_cast<std::size_t>(PyArray_SIZE(array(targets.copy)));
    const bool ignores = !is_unsigned || ignored >= 0;
    const std::size_t outside = first_outside(bits, count, static_cast<std::uint64_t>(classes),
                                              ignores ? static_cast<std::uint64_t>(ignored) : 0);
    if (outside < count)
        raise(PyExc_IndexError, function,
              "target " +
                  (is_unsigned ? std::to_string(bits[outside]) : std::to_string(labels[outside])) +
                  " at position " + position_text(outside, rows) + " is outside [0, " +
                  std::to_string(classes) + ") and is not ignore_index (" +
                  std::to_string(ignored) + "); there are " + std::to_string(classes) + " classes");
    targets.kept = ignores ? mark_ignored(labels, count, ignored) : count;
    targets.labels = labels;
    return targets;
}

bool has_shape(PyArrayObject *a, const npy_intp *shape, int ndim) {
    return PyArray_NDIM(a) == ndim && std::equal(shape, shape + ndim, PyArray_DIMS(a));
}

} // namespace

Targets parse_targets(const char *function, PyObject *given, PyArrayObject *logits,
                      const std::vector<npy_intp> &rows, npy_intp classes, PyObject *ignore_index) {
    const std::int64_t ignored = parse_ignore_index(function, ignore_index);
    const py::object view = private_view(array(as_array(function, "targets", given)));
    PyArrayObject *a = array(view);
    const int type = PyArray_TYPE(a);
    const bool logits_shape = has_shape(a, PyArray_DIMS(logits), PyArray_NDIM(logits));
    if (PyTypeNum_ISINTEGER(type)) {
        if (!has_shape(a, rows.data(), static_cast<int>(rows.size())))
            raise(PyExc_ValueError, function,
                  "integer targets have shape " + shape_text(a) + ", expected " + shape_text(rows) +
                      ", that of the logits " + shape_text(logits) + " without the axis" +
                      (logits_shape ? " (one-hot or other probabilities must be floating)" : ""));
        return checked_labels(function, a, rows, classes, ignored);
    }
    if (!dtype_of(PyArray_DESCR(a)))
        raise(PyExc_TypeError, function,
              "targets have dtype " + dtype_text(PyArray_DESCR(a)) +
                  ", expected integers (classes) or floats (probabilities)" +
                  (PyTypeNum_ISBOOL(type) ? "; convert a boolean one-hot array to float" : ""));
    if (!logits_shape)
        raise(PyExc_ValueError, function,
              "probability targets have shape " + shape_text(a) +
                  ", expected that of the logits, " + shape_text(logits) +
                  (has_shape(a, rows.data(), static_cast<int>(rows.size()))
                       ? " (classes must be integers)"
                       : ""));
    Targets targets;
    targets.probabilities = view;
    targets.kept = element_count(rows);
    return targets;
}

std::vector<double> parse_weight(const char *function, PyObject *given, npy_intp classes) {
    if (given == nullptr || given == Py_None)
        return {};
    const py::object object = as_array(function, "weight", given);
    PyArrayObject *a = array(object);
    if (!dtype_of(PyArray_DESCR(a)))
        raise(PyExc_TypeError, function,
              "weight has dtype " + dtype_text(PyArray_DESCR(a)) +
                  ", expected a floating one (accepted: float16, bfloat16, float32, float64)");
    if (PyArray_NDIM(a) != 1 || PyArray_DIM(a, 0) != classes)
        raise(PyExc_ValueError, function,
              "weight has shape " + shape_text(a) + ", expected (" + std::to_string(classes) +
                  ",), one for each class");
    const FpEnvironment environment; // the caller's may take subnormals for zeros
    const py::object copy = copied(a, NPY_DOUBLE);
    const auto *value = static_cast<const double *>(PyArray_DATA(array(copy)));
    return {value, value + classes};
}

} // namespace softlane::bind
