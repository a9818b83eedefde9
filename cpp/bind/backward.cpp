// softmax_backward and log_softmax_backward.
#include "bind/arguments.hpp"
#include "bind/execute.hpp"
#include "bind/functions.hpp"
#include "bind/problem.hpp"
#include "bind/result.hpp"
#include "core/fp_environment.hpp"

namespace softlane::bind {

namespace {

constexpr unsigned keywords = 1u << axis | 1u << temperature | 1u << out;

py::object array_call(const char *function, Op op, const Arguments &arguments) {
    const CallerEnvironment caller;
    const auto input = [&](int i, const char *what) {
        return floating(function, private_view(array(as_array(function, what, arguments.array[i]))),
                        i == 0 ? "grad has " : "y has ");
    };
    const py::object grad_object = input(0, "grad"), y_object = input(1, "y");
    PyArrayObject *grad = array(grad_object), *y = array(y_object);
    const int ndim = PyArray_NDIM(y);
    if (PyArray_NDIM(grad) != ndim ||
        !PyArray_CompareLists(PyArray_DIMS(grad), PyArray_DIMS(y), ndim))
        raise(PyExc_ValueError, function,
              "grad has shape " + shape_text(grad) + ", y has shape " + shape_text(y) +
                  ", expected the same shape");
    const std::vector<bool> is_axis = parse_axis(function, arguments.keyword[axis], ndim);
    const Temperature t = parse_temperature(function, arguments.keyword[temperature], y, is_axis);
    const DType grad_dtype = *dtype_of(PyArray_DESCR(grad)), y_dtype = *dtype_of(PyArray_DESCR(y));
    const DType result_dtype = promoted(grad_dtype, y_dtype);
    const py::object descr =
        result_dtype == y_dtype ? native_descr(PyArray_DESCR(y)) : descr_of(result_dtype);
    Output output(function, arguments.keyword[out], {}, descr, y, {{y, true}, {grad, true}});
    Operands operands{y};
    operands.other = grad;
    operands.y = &output;
    operands.temperature = &t;
    Problem problem = describe(op, operands, is_axis);
    problem.keep_subnormals = true; // a probability may well be one
    execute(make_plan(problem));
    py::object result = output.take();
    return output.given() ? result : returned(arguments.array[1], std::move(result));
}

// What is masked in either takes no part, and is masked in the result.
py::object masked_call(const char *function, Op op, const Arguments &given) {
    Arguments arguments = given;
    const py::object ma = py::module_::import("numpy.ma"), np = py::module_::import("numpy");
    // Plain arrays of one shape, or the error that the plain call gives.
    const auto data = [&](int i) {
        const py::object plain = ma.attr("getdata")(py::handle(given.array[i]));
        return floating(function, as_array(function, i == 0 ? "grad" : "y", plain.ptr()),
                        i == 0 ? "grad has " : "y has ");
    };
    const py::object grad = data(0), y = data(1);
    if (!grad.attr("shape").equal(y.attr("shape"))) {
        arguments.array[0] = grad.ptr();
        arguments.array[1] = y.ptr();
        return array_call(function, op, arguments);
    }
    const auto mask_of = [&](int i) { return ma.attr("getmaskarray")(py::handle(given.array[i])); };
    const py::object mask = np.attr("logical_or")(mask_of(0), mask_of(1));
    const auto filled = [&](const py::object &values, double value) {
        return np.attr("where")(mask, np.attr("asarray")(value, values.attr("dtype")), values);
    };
    const py::object plain_grad = filled(grad, 0);
    const py::object plain_y = filled(y, op == Op::softmax_backward ? 0 : -__builtin_inf());
    arguments.array[0] = plain_grad.ptr();
    arguments.array[1] = plain_y.ptr();
    PyObject *original = given.array[is_masked_array(given.array[1]) ? 1 : 0];
    return with_mask(function, array_call(function, op, arguments), mask, original,
                     arguments.keyword[out]);
}

PyObject *call(const Signature &signature, Op op, PyObject *const *args, Py_ssize_t count,
               PyObject *names) noexcept {
    Arguments arguments;
    if (!parse(signature, args, count, names, arguments))
        return nullptr;
    return guarded([&]() -> PyObject * {
        const bool masked =
            is_masked_array(arguments.array[0]) || is_masked_array(arguments.array[1]);
        return (masked ? masked_call : array_call)(signature.name, op, arguments).release().ptr();
    });
}

} // namespace

PyObject *softmax_backward(PyObject *, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    static constexpr Signature signature{"softmax_backward", 2, {"grad", "y"}, keywords};
    return call(signature, Op::softmax_backward, args, count, names);
}

PyObject *log_softmax_backward(PyObject *, PyObject *const *args, Py_ssize_t count,
                               PyObject *names) {
    static constexpr Signature signature{"log_softmax_backward", 2, {"grad", "y"}, keywords};
    return call(signature, Op::log_softmax_backward, args, count, names);
}

} // namespace softlane::bind
