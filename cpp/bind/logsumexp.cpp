// logsumexp: one number for each row.
#include <limits>

#include "bind/arguments.hpp"
#include "bind/execute.hpp"
#include "bind/functions.hpp"
#include "bind/problem.hpp"
#include "bind/result.hpp"
#include "core/fp_environment.hpp"

namespace softlane::bind {

namespace {

constexpr Signature signature{"logsumexp",
                              1,
                              {"x"},
                              1u << axis | 1u << b | 1u << keepdims | 1u << return_sign |
                                  1u << where | 1u << dtype | 1u << out};

bool parse_flag(const Arguments &arguments, Keyword keyword) {
    if (arguments.keyword[keyword] == nullptr)
        return false;
    const int value = PyObject_IsTrue(arguments.keyword[keyword]);
    if (value < 0)
        throw py::error_already_set();
    return value != 0;
}

// The result and, or null, the signs.
struct Logarithms {
    py::object log, sign;
};

Logarithms array_call(const Arguments &arguments) {
    const CallerEnvironment caller;
    const char *function = signature.name;
    const py::object x_object =
        floating(function, private_view(array(as_array(function, "x", arguments.array[0]))));
    PyArrayObject *x = array(x_object);
    const std::vector<bool> is_axis =
        parse_axis(function, arguments.keyword[axis], PyArray_NDIM(x));
    const Operand mask = parse_where(function, arguments.keyword[where], x);
    const bool wants_sign = parse_flag(arguments, return_sign);
    std::vector<npy_intp> shape = row_shape(x, is_axis, parse_flag(arguments, keepdims));
    const int ndim = static_cast<int>(shape.size());

    Operand factors;
    DType computed = *dtype_of(PyArray_DESCR(x));
    if (arguments.given(b)) {
        factors = parse_factors(function, arguments.keyword[b], x);
        // As in numpy, a Python number does not promote.
        if (!PyFloat_CheckExact(arguments.keyword[b]) && !PyLong_Check(arguments.keyword[b]))
            computed = promoted(computed, *dtype_of(PyArray_DESCR(array(factors.owner))));
    }
    const py::object wanted = parse_dtype(function, arguments.keyword[dtype]);
    PyObject *given_out = unwrap_out(function, arguments.keyword[out]);
    const py::object out_view = parse_out(function, given_out, ndim, shape.data());
    py::object descr = agreed_dtype(function, wanted, array(out_view));
    if (!descr)
        descr = computed == *dtype_of(PyArray_DESCR(x)) ? native_descr(PyArray_DESCR(x))
                                                        : descr_of(computed);

    const std::size_t rows = element_count(shape);
    // Rows without elements stay as they are here.
    std::vector<double> logs(rows, -std::numeric_limits<double>::infinity());
    std::vector<double> signs(wants_sign ? rows : 0, 0.0);
    Operands operands{x};
    operands.where = &mask;
    if (factors.data)
        operands.broadcast_other = &factors;
    Problem problem = describe(Op::logsumexp, operands, is_axis);
    problem.results = logs.data();
    problem.extra = wants_sign ? signs.data() : nullptr;
    problem.keep_subnormals = factors.data != nullptr;
    problem.wide = computed == DType::f64 ||
                   dtype_of(reinterpret_cast<PyArray_Descr *>(descr.ptr())) == DType::f64;
    const KernelTable &table = execute(make_plan(problem));

    Logarithms result{from_doubles(logs.data(), ndim, shape.data(), descr, table), {}};
    if (wants_sign)
        result.sign = returned(arguments.array[0],
                               from_doubles(signs.data(), ndim, shape.data(), descr, table));
    if (out_view) {
        if (PyArray_CopyInto(array(out_view), array(result.log)) < 0)
            throw py::error_already_set();
        result.log = py::reinterpret_borrow<py::object>(given_out);
    } else {
        result.log = returned(arguments.array[0], std::move(result.log));
    }
    return result;
}

// A masked array is where=~mask; a row without anything that is not masked comes back masked.
Logarithms masked_call(const Arguments &given) {
    Arguments arguments = given;
    const MaskedArgument x(signature.name, given.array[0], given.keyword[where]);
    arguments.array[0] = x.data.ptr();
    arguments.keyword[where] = x.keep.ptr();
    Logarithms result = array_call(arguments);
    const py::object np = py::module_::import("numpy");
    py::dict options;
    options["axis"] = arguments.keyword[axis]
                          ? py::reinterpret_borrow<py::object>(arguments.keyword[axis])
                          : py::int_(-1);
    options["keepdims"] = parse_flag(arguments, keepdims);
    const py::object mask = np.attr("all")(x.mask, **options);
    result.log =
        with_mask(signature.name, result.log, mask, given.array[0], arguments.keyword[out]);
    if (result.sign)
        result.sign = with_mask(signature.name, result.sign, mask, given.array[0], nullptr);
    return result;
}

} // namespace

PyObject *logsumexp(PyObject *, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    Arguments arguments;
    if (!parse(signature, args, count, names, arguments))
        return nullptr;
    return guarded([&]() -> PyObject * {
        Logarithms result =
            (is_masked_array(arguments.array[0]) ? masked_call : array_call)(arguments);
        if (!result.sign)
            return result.log.release().ptr();
        return py::make_tuple(result.log, result.sign).release().ptr();
    });
}

} // namespace softlane::bind
