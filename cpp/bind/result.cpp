#include "bind/result.hpp"

#include "core/fp_environment.hpp"

namespace softlane::bind {

namespace {

bool same_elements(PyArrayObject *a, PyArrayObject *b) {
    return same_layout(a, b) && dtype_of(PyArray_DESCR(a)) == dtype_of(PyArray_DESCR(b)) &&
           PyArray_ISBYTESWAPPED(a) == PyArray_ISBYTESWAPPED(b);
}

} // namespace

py::object agreed_dtype(const char *function, const py::object &wanted, PyArrayObject *out) {
    auto *descr = reinterpret_cast<PyArray_Descr *>(wanted.ptr());
    if (!out)
        return wanted;
    if (descr && dtype_of(descr) != dtype_of(PyArray_DESCR(out)))
        raise(PyExc_TypeError, function,
              "out has dtype " + dtype_text(PyArray_DESCR(out)) + ", dtype= says " +
                  dtype_text(descr) + " (give one of them, or let them agree)");
    return native_descr(PyArray_DESCR(out));
}

Output::Output(const char *function, PyObject *out, const py::object &wanted,
               const py::object &otherwise, PyArrayObject *like,
               std::initializer_list<Input> inputs)
    : given_(unwrap_out(function, out)),
      view_(parse_out(function, given_, PyArray_NDIM(like), PyArray_DIMS(like))) {
    py::object descr = agreed_dtype(function, wanted, bind::array(view_));
    if (view_) {
        PyArrayObject *a = bind::array(view_);
        buffered_ = overlaps_itself(a);
        for (const Input &input : inputs)
            if (input.array && !(input.in_place && same_elements(input.array, a)))
                buffered_ = buffered_ || overlap(input.array, a);
        if (!buffered_) {
            target_ = view_;
            return;
        }
    }
    if (!descr)
        descr = otherwise;
    auto *stolen = reinterpret_cast<PyArray_Descr *>(descr.release().ptr());
    target_ = owned(PyArray_NewLikeArray(like, NPY_KEEPORDER, stolen, 0));
}

py::object Output::take() {
    if (buffered_ && PyArray_CopyInto(bind::array(view_), array()) < 0)
        throw py::error_already_set();
    return given() ? py::reinterpret_borrow<py::object>(given_) : target_;
}

py::object from_doubles(const double *values, int ndim, const npy_intp *shape,
                        const py::object &descr, const KernelTable &table) {
    py::object stolen = descr;
    const DType dtype = *dtype_of(reinterpret_cast<PyArray_Descr *>(descr.ptr()));
    py::object result = owned(PyArray_NewFromDescr(
        &PyArray_Type, reinterpret_cast<PyArray_Descr *>(stolen.release().ptr()), ndim, shape,
        nullptr, nullptr, 0, nullptr));
    const FpEnvironment environment;
    table.convert[static_cast<int>(DType::f64)][static_cast<int>(dtype)](
        values, PyArray_DATA(array(result)), static_cast<std::size_t>(PyArray_SIZE(array(result))));
    return result;
}

py::object returned(PyObject *original, py::object result) {
    if (PyArray_Check(original) && !PyArray_CheckExact(original))
        return py::reinterpret_borrow<py::object>(original).attr("__array_wrap__")(result);
    return owned(PyArray_Return(reinterpret_cast<PyArrayObject *>(result.release().ptr())));
}

MaskedArgument::MaskedArgument(const char *function, PyObject *given, PyObject *where) {
    const py::object ma = py::module_::import("numpy.ma"), np = py::module_::import("numpy");
    data = ma.attr("getdata")(py::handle(given));
    mask = ma.attr("getmaskarray")(py::handle(given)).attr("copy")();
    keep = np.attr("logical_not")(mask);
    if (where && where != Py_None)
        keep = np.attr("logical_and")(keep, parse_where(function, where, array(data)).owner);
}

py::object with_mask(const char *function, const py::object &result, const py::object &mask,
                     PyObject *original, PyObject *out) {
    if (unwrap_out(function, out) != Py_None) {
        if (is_masked_array(result.ptr()))
            result.attr("mask") = mask;
        return result;
    }
    py::dict options;
    options["mask"] = mask;
    const py::object fill = py::handle(original).attr("_fill_value");
    if (!fill.is_none()) // numpy's default for the dtype
        options["fill_value"] = fill;
    return py::module_::import("numpy.ma").attr("MaskedArray")(result, **options);
}

} // namespace softlane::bind
