// The extension module softlane._core.
#define SOFTLANE_IMPORTS_NUMPY
#include <cstdlib>

#include "bind/arguments.hpp"
#include "bind/docstrings.hpp"
#include "bind/docstrings_losses.hpp"
#include "bind/functions.hpp"
#include "bind/hooks.hpp"
#include "bind/numpy.hpp"
#include "bind/serving.hpp"
#include "bind/threads.hpp"
#include "core/dispatch.hpp"

namespace softlane::bind {
namespace {

PyCFunction fastcall(PyObject *(*function)(PyObject *, PyObject *const *, Py_ssize_t, PyObject *)) {
    return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

constexpr const char *only_main = "softlane: cannot be imported in a sub-interpreter, only in the "
                                  "main one (mod_wsgi: WSGIApplicationGroup %{GLOBAL})";
bool is_main() { return PyInterpreterState_Get() == PyInterpreterState_Main(); }

constexpr int flags = METH_FASTCALL | METH_KEYWORDS;
PyMethodDef methods[] = {
    {"softmax", fastcall(softmax), flags, softmax_doc},
    {"log_softmax", fastcall(log_softmax), flags, log_softmax_doc},
    {"logsumexp", fastcall(logsumexp), flags, logsumexp_doc},
    {"softmax_backward", fastcall(softmax_backward), flags, softmax_backward_doc},
    {"log_softmax_backward", fastcall(log_softmax_backward), flags, log_softmax_backward_doc},
    {"cross_entropy", fastcall(cross_entropy), flags, cross_entropy_doc},
    {"cross_entropy_with_grad", fastcall(cross_entropy_with_grad), flags,
     cross_entropy_with_grad_doc},
    {nullptr, nullptr, 0, nullptr},
};

} // namespace
} // namespace softlane::bind

PYBIND11_MODULE(checked_core, module, py::mod_gil_not_used()) {
    if (!softlane::bind::is_main()) // Python 3.13 calls PyInit__core in the main one all the same
        throw py::import_error(softlane::bind::only_main);
    if (_import_array() < 0)
        throw py::error_already_set();
    const char *cap = std::getenv("SOFTLANE_ISA");
    for (const std::string &error :
         {softlane::apply_cap(cap),
          softlane::bind::apply_self_test(std::getenv("SOFTLANE_SELFTEST"))})
        if (!error.empty())
            throw py::import_error(error);
    module.attr("__version__") = SOFTLANE_VERSION;
    module.attr("_isa_cap") = cap && *cap ? py::object(py::str(cap)) : py::none();
    softlane::bind::intern_keywords();
    if (PyModule_AddFunctions(module.ptr(), softlane::bind::methods) < 0)
        throw py::error_already_set();
    softlane::bind::register_threads(module);
    softlane::bind::register_hooks(module);
}

// Before Python 3.12, pybind11 in a sub-interpreter waits for ever for the lock that it holds.
extern "C" PYBIND11_EXPORT PyObject *PyInit__core() {
    if (softlane::bind::is_main())
        return PyInit_checked_core();
    PyErr_SetString(PyExc_ImportError, softlane::bind::only_main);
    return nullptr;
}
