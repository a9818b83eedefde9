// From a Python call to a plan: a fast path for what most calls are (a plain contiguous array, its
// last axis) and one general path for everything else. Both end in core/run.hpp.
#include "bind/call.hpp"

#include <chrono>
#include <memory>
#include <new>
#include <thread>

#include "bind/arguments.hpp"
#include "bind/arrays.hpp"
#include "bind/docstrings.hpp"
#include "core/dispatch.hpp"
#include "core/fp_environment.hpp"
#include "core/run.hpp"

namespace softlane::bind {

namespace {

// --- Running a plan

struct FreeWorkspace {
    void operator()(char *p) const { ::operator delete[](p, std::align_val_t(64)); }
};

// Before Python 3.14 a thread that outlives the interpreter is unwound from here. Its destructors
// must not run then: they would touch Python objects. It sleeps until the process is gone, as
// in 3.14.
void restore_thread(PyThreadState *state) {
    try {
        PyEval_RestoreThread(state);
    } catch (...) {
        for (;;)
            std::this_thread::sleep_for(std::chrono::hours(1));
    }
}

void execute(const Plan &plan) {
    std::unique_ptr<char, FreeWorkspace> workspace;
    if (plan.workspace_bytes != 0) {
        workspace.reset(static_cast<char *>(
            ::operator new[](plan.workspace_bytes, std::align_val_t(64), std::nothrow)));
        if (workspace == nullptr) {
            PyErr_NoMemory();
            throw py::error_already_set();
        }
    }
    PyThreadState *state = plan.release_gil ? PyEval_SaveThread() : nullptr;
    run(plan, active(), workspace.get());
    if (state)
        restore_thread(state);
}

// --- The fast path

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

// A new reference to the result; null without an exception where the call is not of the plain kind.
PyObject *plain_call(Op op, const Arguments &arguments) {
    if (arguments.keyword[temperature] != nullptr || arguments.given(where) ||
        arguments.given(dtype) || !is_plain(arguments.x))
        return nullptr;
    auto *x = reinterpret_cast<PyArrayObject *>(arguments.x);
    const int ndim = PyArray_NDIM(x);
    const auto element = dtype_of(PyArray_DESCR(x));
    if (ndim == 0 || !element || !is_last(arguments.keyword[axis], ndim))
        return nullptr;
    constexpr std::size_t most_scratch = 1024;
    alignas(64) float scratch[2 * most_scratch];
    const std::size_t length = static_cast<std::size_t>(PyArray_DIM(x, ndim - 1));
    const bool half_width = *element == DType::f16 || *element == DType::bf16;
    if (half_width && length > most_scratch)
        return nullptr;
    PyObject *result = arguments.given(out) ? arguments.keyword[out] : nullptr;
    if (result != nullptr) {
        auto *y = reinterpret_cast<PyArrayObject *>(result);
        if (!is_plain(result) || dtype_of(PyArray_DESCR(y)) != element || !PyArray_ISWRITEABLE(y) ||
            PyArray_NDIM(y) != ndim ||
            !PyArray_CompareLists(PyArray_DIMS(x), PyArray_DIMS(y), ndim))
            return nullptr;
        if (PyArray_DATA(x) != PyArray_DATA(y) && overlap(x, y))
            return nullptr;
        Py_INCREF(result);
    } else {
        PyArray_Descr *descr = PyArray_DESCR(x);
        Py_INCREF(descr);
        result = PyArray_NewFromDescr(&PyArray_Type, descr, ndim, PyArray_DIMS(x), nullptr, nullptr,
                                      0, nullptr);
        if (result == nullptr)
            throw py::error_already_set();
    }
    const std::size_t size = static_cast<std::size_t>(PyArray_SIZE(x));
    if (size == 0)
        return result;
    const std::ptrdiff_t row_bytes = static_cast<std::ptrdiff_t>(length) * PyArray_ITEMSIZE(x);
    const double one = 1;
    const Rows rows{PyArray_DATA(x),
                    PyArray_DATA(reinterpret_cast<PyArrayObject *>(result)),
                    size / length,
                    length,
                    row_bytes,
                    row_bytes,
                    &one,
                    0,
                    scratch};
    const RowsFn kernel = active().rows[static_cast<int>(op)][static_cast<int>(*element)];
    PyThreadState *state = size >= release_gil_elements ? PyEval_SaveThread() : nullptr;
    {
        const FpEnvironment environment(Subnormals::flush);
        kernel(rows);
    }
    if (state)
        restore_thread(state);
    return result;
}

// --- The general path

Problem describe(Op op, PyArrayObject *x, PyArrayObject *y, const std::vector<bool> &is_axis,
                 const Operand &mask, const Operand &t) {
    Problem problem{};
    problem.op = op;
    problem.x_dtype = *dtype_of(PyArray_DESCR(x));
    problem.y_dtype = *dtype_of(PyArray_DESCR(y));
    problem.x_swapped = PyArray_ISBYTESWAPPED(x);
    problem.y_swapped = PyArray_ISBYTESWAPPED(y);
    problem.x = PyArray_BYTES(x);
    problem.y = PyArray_BYTES(y);
    problem.where = mask.data;
    problem.temperature = reinterpret_cast<const double *>(t.data);
    problem.tiny_temperature = t.tiny;
    for (int d = 0; d < PyArray_NDIM(x); ++d) {
        const Loop loop{static_cast<std::size_t>(PyArray_DIM(x, d)), PyArray_STRIDE(x, d),
                        PyArray_STRIDE(y, d), mask.data ? mask.strides[d] : 0, t.strides[d]};
        if (is_axis[d])
            problem.inner[problem.inner_count++] = loop;
        else
            problem.outer[problem.outer_count++] = loop;
    }
    return problem;
}

py::object borrowed_or(PyObject *object, const py::object &otherwise) {
    return object ? py::reinterpret_borrow<py::object>(object) : otherwise;
}

// Without numpy.ma loaded there are none.
bool is_masked_array(PyObject *object) {
    if (!PyArray_Check(object) || PyArray_CheckExact(object))
        return false;
    const py::dict modules = py::module_::import("sys").attr("modules");
    return modules.contains("numpy.ma") &&
           py::isinstance(object, modules["numpy.ma"].attr("MaskedArray"));
}

py::object array_call(const char *function, Op op, const Arguments &arguments) {
    const py::object none = py::none();
    const py::object x_object =
        floating(function, private_view(array(as_array(function, "x", arguments.x))));
    PyArrayObject *x = array(x_object);

    const py::object axis_object = borrowed_or(arguments.keyword[axis], py::int_(-1));
    const std::vector<bool> is_axis = parse_axis(function, axis_object.ptr(), PyArray_NDIM(x));
    const Operand mask =
        parse_where(function, borrowed_or(arguments.keyword[where], none).ptr(), x);
    const py::object t_object = borrowed_or(arguments.keyword[temperature], py::float_(1.0));
    const Operand t = parse_temperature(function, t_object.ptr(), x, is_axis);
    const py::object wanted =
        parse_dtype(function, borrowed_or(arguments.keyword[dtype], none).ptr());
    auto *wanted_descr = reinterpret_cast<PyArray_Descr *>(wanted.ptr());
    PyObject *given_out = unwrap_out(function, borrowed_or(arguments.keyword[out], none).ptr());
    const py::object out_view = parse_out(function, given_out, PyArray_NDIM(x), PyArray_DIMS(x));
    PyArrayObject *out_array = array(out_view);
    if (out_array && wanted_descr && dtype_of(wanted_descr) != dtype_of(PyArray_DESCR(out_array)))
        raise(PyExc_TypeError, function,
              "out has dtype " + dtype_text(PyArray_DESCR(out_array)) + ", dtype= says " +
                  dtype_text(wanted_descr) + " (give one of them, or let them agree)");

    // Where the result is computed: in out itself, unless its memory meets that of an input in
    // another layout.
    bool buffered = false;
    if (out_array) {
        const bool in_place = same_layout(x, out_array) &&
                              dtype_of(PyArray_DESCR(x)) == dtype_of(PyArray_DESCR(out_array)) &&
                              PyArray_ISBYTESWAPPED(x) == PyArray_ISBYTESWAPPED(out_array);
        buffered = overlaps_itself(out_array) || (!in_place && overlap(x, out_array)) ||
                   (mask.data && overlap(array(mask.owner), out_array));
    }
    py::object y = out_view;
    if (!out_array || buffered) {
        py::object descr =
            wanted_descr ? wanted : native_descr(PyArray_DESCR(out_array ? out_array : x));
        auto *stolen = reinterpret_cast<PyArray_Descr *>(descr.release().ptr());
        y = owned(PyArray_NewLikeArray(x, NPY_KEEPORDER, stolen, 0));
    }
    execute(make_plan(describe(op, x, array(y), is_axis, mask, t)));
    if (buffered && PyArray_CopyInto(out_array, array(y)) < 0)
        throw py::error_already_set();
    if (out_array)
        return py::reinterpret_borrow<py::object>(given_out);
    if (PyArray_Check(arguments.x) && !PyArray_CheckExact(arguments.x))
        return py::reinterpret_borrow<py::object>(arguments.x).attr("__array_wrap__")(y);
    return owned(PyArray_Return(reinterpret_cast<PyArrayObject *>(y.release().ptr())));
}

// A masked array is where=~mask, and comes back masked; so does an `out` that is one.
py::object masked_call(const char *function, Op op, const Arguments &given) {
    Arguments arguments = given;
    const py::object ma = py::module_::import("numpy.ma");
    const auto x = py::reinterpret_borrow<py::object>(given.x);
    const py::object data = ma.attr("getdata")(x);
    const py::object mask = ma.attr("getmaskarray")(x).attr("copy")();
    py::object keep = py::module_::import("numpy").attr("logical_not")(mask);
    if (arguments.given(where)) {
        const Operand user = parse_where(function, arguments.keyword[where], array(data));
        keep = py::module_::import("numpy").attr("logical_and")(keep, user.owner);
    }
    arguments.x = data.ptr();
    arguments.keyword[where] = keep.ptr();
    py::object result = array_call(function, op, arguments);
    if (arguments.given(out) && unwrap_out(function, arguments.keyword[out]) != Py_None) {
        if (is_masked_array(result.ptr()))
            result.attr("mask") = mask;
        return result;
    }
    py::dict options;
    options["mask"] = mask;
    options["fill_value"] = x.attr("fill_value");
    return ma.attr("MaskedArray")(result, **options);
}

PyObject *call(const char *function, Op op, PyObject *const *args, Py_ssize_t count,
               PyObject *names) noexcept {
    Arguments arguments;
    if (!parse(function, args, count, names, arguments))
        return nullptr;
    try {
        if (PyObject *result = plain_call(op, arguments))
            return result;
        return (is_masked_array(arguments.x) ? masked_call : array_call)(function, op, arguments)
            .release()
            .ptr();
    } catch (py::error_already_set &error) {
        error.restore();
    } catch (const std::bad_alloc &) {
        PyErr_NoMemory();
    } catch (const std::exception &error) {
        PyErr_SetString(PyExc_RuntimeError, error.what());
    }
    return nullptr;
}

// --- The functions

PyObject *softmax(PyObject *, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    return call("softmax", Op::softmax, args, count, names);
}

PyCFunction fastcall(PyObject *(*function)(PyObject *, PyObject *const *, Py_ssize_t, PyObject *)) {
    return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

PyMethodDef methods[] = {
    {"softmax", fastcall(softmax), METH_FASTCALL | METH_KEYWORDS, softmax_doc},
    {nullptr, nullptr, 0, nullptr},
};

} // namespace

void register_functions(py::module_ &module) {
    intern_keywords();
    if (PyModule_AddFunctions(module.ptr(), methods) < 0)
        throw py::error_already_set();
}

} // namespace softlane::bind
