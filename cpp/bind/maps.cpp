// softmax and log_softmax: a fast path for what most calls are (a plain contiguous array, its last
// axis) and one general path for everything else. Both end in the same kernels.
#include "bind/arguments.hpp"
#include "bind/execute.hpp"
#include "bind/functions.hpp"
#include "bind/problem.hpp"
#include "bind/result.hpp"
#include "bind/serving.hpp"
#include "core/fp_environment.hpp"
#include "core/parallel.hpp"

namespace softlane::bind {

namespace {

bool is_plain(PyObject *object) {
    constexpr int flags = NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED;
    auto *a = reinterpret_cast<PyArrayObject *>(object);
    return PyArray_CheckExact(object) && (PyArray_FLAGS(a) & flags) == flags &&
           PyArray_ISNOTSWAPPED(a);
}

// Whether axis is absent, or an int that names the last dimension.
bool is_last(PyObject *given, int ndim) {
    if (given == nullptr)
        return true;
    if (!PyLong_CheckExact(given))
        return false;
    const long d = PyLong_AsLong(given);
    if (d == -1 && PyErr_Occurred()) {
        PyErr_Clear();
        return false;
    }
    return d == -1 || d == ndim - 1;
}

// Elements of 16-bit types, which are converted on the stack.
constexpr std::size_t most_converted = 2048;

// Contiguous rows of x to those of y.
void run_plain(const KernelTable &table, Op op, DType dtype, const void *x, void *y,
               std::size_t size, std::size_t length) {
    static constexpr double one = 1;
    Rows rows{};
    rows.x = x;
    rows.y = y;
    rows.count = size / length;
    rows.length = length;
    rows.temperature = &one;
    const RowsFn kernel = table.rows[static_cast<int>(op)][dtype == DType::f64];
    const auto run = [&](std::size_t element_size) {
        rows.x_row_stride_bytes = rows.y_row_stride_bytes =
            static_cast<std::ptrdiff_t>(length * element_size);
        const FpEnvironment environment(Subnormals::flush);
        kernel(rows);
    };
    if (dtype_size[static_cast<int>(dtype)] > 2)
        return run(dtype_size[static_cast<int>(dtype)]);
    alignas(64) float tile[most_converted];
    rows.x = rows.y = tile;
    const FpEnvironment environment;
    const int stored = static_cast<int>(dtype), computed = static_cast<int>(DType::f32);
    table.convert[stored][computed](x, tile, size);
    run(sizeof(float));
    table.convert[computed][stored](tile, y, size);
}

// The same, for what threads share.
void run_shared(Op op, DType dtype, char *x, char *y, bool fresh, std::size_t size,
                std::size_t length) {
    static constexpr double one = 1;
    const auto element = static_cast<std::ptrdiff_t>(dtype_size[static_cast<int>(dtype)]);
    const auto row = static_cast<std::ptrdiff_t>(length) * element;
    Problem problem;
    problem.op = op;
    problem.array[x_stream] = {x, dtype};
    problem.array[y_stream] = {y, dtype};
    problem.temperature = &one;
    problem.fresh = fresh;
    problem.outer.add({size / length, {row, 0, row, 0, 0, 1}});
    problem.inner.add({length, {element, 0, element, 0, 0, 0}});
    execute(make_plan(problem));
}

// A new reference to the result; null without an exception where the call is not of the plain kind.
PyObject *plain_call(Op op, const Arguments &arguments) {
    if (arguments.keyword[temperature] != nullptr || arguments.given(where) ||
        arguments.given(dtype) || !is_plain(arguments.array[0]))
        return nullptr;
    auto *x = reinterpret_cast<PyArrayObject *>(arguments.array[0]);
    const int ndim = PyArray_NDIM(x);
    const auto element = dtype_of(PyArray_DESCR(x));
    if (ndim == 0 || !element || !is_last(arguments.keyword[axis], ndim))
        return nullptr;
    const std::size_t size = static_cast<std::size_t>(PyArray_SIZE(x));
    if (dtype_size[static_cast<int>(*element)] == 2 && size > most_converted)
        return nullptr;
    py::object result;
    if (arguments.given(out)) {
        PyObject *const given = arguments.keyword[out];
        auto *y = reinterpret_cast<PyArrayObject *>(given);
        if (!is_plain(given) || dtype_of(PyArray_DESCR(y)) != element || !PyArray_ISWRITEABLE(y) ||
            PyArray_NDIM(y) != ndim ||
            !PyArray_CompareLists(PyArray_DIMS(x), PyArray_DIMS(y), ndim))
            return nullptr;
        if (PyArray_DATA(x) != PyArray_DATA(y) && overlap(x, y))
            return nullptr;
        result = py::reinterpret_borrow<py::object>(given);
    } else {
        PyArray_Descr *descr = PyArray_DESCR(x);
        Py_INCREF(descr);
        result = py::reinterpret_steal<py::object>(PyArray_NewFromDescr(
            &PyArray_Type, descr, ndim, PyArray_DIMS(x), nullptr, nullptr, 0, nullptr));
        if (!result)
            throw py::error_already_set();
    }
    if (size == 0)
        return result.release().ptr();
    char *y = PyArray_BYTES(reinterpret_cast<PyArrayObject *>(result.ptr()));
    const auto length = static_cast<std::size_t>(PyArray_DIM(x, ndim - 1));
    if (size >= parallel_elements) {
        run_shared(op, *element, PyArray_BYTES(x), y, !arguments.given(out), size, length);
        return result.release().ptr();
    }
    const KernelTable &table = serving(op, *element);
    const Unlocked unlocked(size >= release_gil_elements);
    run_plain(table, op, *element, PyArray_DATA(x), y, size, length);
    return result.release().ptr();
}

py::object array_call(const char *function, Op op, const Arguments &arguments) {
    const CallerEnvironment caller;
    const py::object x_object =
        floating(function, private_view(array(as_array(function, "x", arguments.array[0]))));
    PyArrayObject *x = array(x_object);
    const std::vector<bool> is_axis =
        parse_axis(function, arguments.keyword[axis], PyArray_NDIM(x));
    const Operand mask = parse_where(function, arguments.keyword[where], x);
    const Temperature t = parse_temperature(function, arguments.keyword[temperature], x, is_axis);
    const py::object wanted = parse_dtype(function, arguments.keyword[dtype]);
    PyArrayObject *mask_array = mask.data ? array(mask.owner) : nullptr;
    Output output(function, arguments.keyword[out], wanted, native_descr(PyArray_DESCR(x)), x,
                  {{x, true}, {mask_array, false}});
    Operands operands{x};
    operands.y = &output;
    operands.where = &mask;
    operands.temperature = &t;
    execute(make_plan(describe(op, operands, is_axis)));
    py::object result = output.take();
    return output.given() ? result : returned(arguments.array[0], std::move(result));
}

// A masked array is where=~mask, and comes back masked; so does an `out` that is one.
py::object masked_call(const char *function, Op op, const Arguments &given) {
    Arguments arguments = given;
    const MaskedArgument x(function, given.array[0], given.keyword[where]);
    arguments.array[0] = x.data.ptr();
    arguments.keyword[where] = x.keep.ptr();
    return with_mask(function, array_call(function, op, arguments), x.mask, given.array[0],
                     arguments.keyword[out]);
}

PyObject *call(const Signature &signature, Op op, PyObject *const *args, Py_ssize_t count,
               PyObject *names) noexcept {
    Arguments arguments;
    if (!parse(signature, args, count, names, arguments))
        return nullptr;
    return guarded([&]() -> PyObject * {
        if (PyObject *result = plain_call(op, arguments))
            return result;
        const bool masked = is_masked_array(arguments.array[0]);
        return (masked ? masked_call : array_call)(signature.name, op, arguments).release().ptr();
    });
}

constexpr unsigned map_keywords =
    1u << axis | 1u << temperature | 1u << where | 1u << dtype | 1u << out;

} // namespace

PyObject *softmax(PyObject *, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    static constexpr Signature signature{"softmax", 1, {"x"}, map_keywords};
    return call(signature, Op::softmax, args, count, names);
}

PyObject *log_softmax(PyObject *, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    static constexpr Signature signature{"log_softmax", 1, {"x"}, map_keywords};
    return call(signature, Op::log_softmax, args, count, names);
}

} // namespace softlane::bind
