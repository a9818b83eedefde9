// The extension module softlane._core.
#define SOFTLANE_IMPORTS_NUMPY
#include <cstdlib>

#include "bind/call.hpp"
#include "bind/hooks.hpp"
#include "bind/numpy.hpp"
#include "core/dispatch.hpp"

PYBIND11_MODULE(_core, module, py::mod_gil_not_used()) {
    if (_import_array() < 0)
        throw py::error_already_set();
    const char *cap = std::getenv("SOFTLANE_ISA");
    const std::string error = softlane::apply_cap(cap);
    if (!error.empty())
        throw py::import_error(error);
    module.attr("__version__") = SOFTLANE_VERSION;
    module.attr("_isa_cap") = cap && *cap ? py::object(py::str(cap)) : py::none();
    softlane::bind::register_functions(module);
    softlane::bind::register_hooks(module);
}
