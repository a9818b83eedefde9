// The extension module softlane._core.
#define SOFTLANE_IMPORTS_NUMPY
#include <cstdlib>

#include "bind/arguments.hpp"
#include "bind/docstrings.hpp"
#include "bind/docstrings_losses.hpp"
#include "bind/functions.hpp"
#include "bind/hooks.hpp"
#include "bind/numpy.hpp"
#include "bind/threads.hpp"
#include "bind/serving.hpp"
#include "core/dispatch.hpp"

namespace softlane::bind {
namespace {

PyCFunction fastcall(PyObject *(*function)(PyObject *, PyObject *const *, Py_ssize_t, PyObject *)) {
    return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

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

PYBIND11_MODULE(_core, module, py::mod_gil_not_used()) {
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
