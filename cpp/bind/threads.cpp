#include "bind/threads.hpp"

#include <cstdlib>
#include <map>

#include <pybind11/stl.h>

#include "core/cores.hpp"
#include "core/parallel.hpp"
#include "core/pool.hpp"
#include "core/threads.hpp"

// For threadpoolctl and other programs that find the module by its file: of the process.
extern "C" {
__attribute__((visibility("default"))) int softlane_get_num_threads(void) {
    return softlane::num_threads();
}
__attribute__((visibility("default"))) void softlane_set_num_threads(int n) {
    softlane::set_num_threads(n < 1 ? 1 : n > softlane::most_threads ? softlane::most_threads : n);
}
}

namespace softlane::bind {

namespace {

// A contextvars.ContextVar that holds an int, or None; lives as long as the process.
PyObject *context_threads = nullptr;

// 0: the context has no number of its own.
int threads_of_context() {
    PyObject *value = nullptr;
    if (PyContextVar_Get(context_threads, Py_None, &value) < 0)
        throw py::error_already_set();
    const auto held = py::reinterpret_steal<py::object>(value);
    return held.is_none() ? 0 : held.cast<int>();
}

py::tuple setting() {
    const int own = threads_of_context();
    if (own > 0)
        return py::make_tuple(own, "num_threads");
    return py::make_tuple(num_threads(), num_threads_source());
}

// Recorded texts of system files instead of this system's.
ReadText reader(const std::map<std::string, std::string> &files) {
    return [&files](const std::string &path) {
        const auto found = files.find(path);
        return found == files.end() ? std::string() : found->second;
    };
}

py::dict facts() {
    const PoolFacts pool = pool_facts();
    py::dict d;
    d["started"] = pool.started;
    d["most_helping"] = pool.most_helping;
    d["jobs"] = pool.jobs;
    d["alone"] = pool.alone;
    d["parallel_elements"] = parallel_elements;
    d["elements_per_thread"] = elements_per_thread;
    d["most_threads"] = most_threads;
    return d;
}

} // namespace

int current_threads() {
    const int own = threads_of_context();
    return own > 0 ? own : num_threads();
}

void register_threads(py::module_ &module) {
    const std::string error =
        apply_thread_variables(std::getenv("SOFTLANE_NUM_THREADS"), std::getenv("OMP_NUM_THREADS"));
    if (!error.empty())
        throw py::import_error(error);
    if (context_threads == nullptr)
        context_threads = PyContextVar_New("softlane.num_threads", nullptr);
    if (context_threads == nullptr)
        throw py::error_already_set();
    module.attr("_context_threads") = py::reinterpret_borrow<py::object>(context_threads);
    module.def("_set_num_threads", set_num_threads, py::arg("n"));
    module.def("_num_threads", setting);
    module.def("_pool_facts", facts);
    module.def("_refuse_threads", refuse_threads, py::arg("refuse"));
    module.def(
        "_physical_cores",
        [](const std::vector<int> &cpus, const std::map<std::string, std::string> &files) {
            return physical_cores(cpus, reader(files));
        },
        py::arg("cpus"), py::arg("files"));
    module.def(
        "_quota_cores",
        [](const std::map<std::string, std::string> &files) { return quota_cores(reader(files)); },
        py::arg("files"));
}

} // namespace softlane::bind
