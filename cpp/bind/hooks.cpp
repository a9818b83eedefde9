#include "bind/hooks.hpp"

#include <pybind11/stl.h>

#include <map>
#include <string>

#include "bind/options.hpp"
#include "bind/serving.hpp"
#include "core/cache.hpp"
#include "core/cpu.hpp"
#include "core/dispatch.hpp"
#include "core/fp_environment.hpp"
#include "core/self_test.hpp"

namespace softlane::bind {

namespace {

py::tuple names(const std::vector<std::string_view> &list) {
    py::tuple tuple(list.size());
    for (std::size_t i = 0; i < list.size(); ++i)
        tuple[i] = py::str(list[i].data(), list[i].size());
    return tuple;
}

py::tuple isa_supported() {
    std::vector<std::string_view> list;
    for (const Level *level : supported_levels())
        list.push_back(level->table->isa);
    return names(list);
}

std::string use_isa(const std::string &isa) {
    const std::string former = active().isa;
    if (!use(isa))
        raise(PyExc_ValueError, "_use_isa",
              "level '" + isa + "' is not supported here (supported: " +
                  py::repr(isa_supported()).cast<std::string>() + ")");
    return former;
}

// A contiguous, aligned, native one-dimensional array of the given type.
PyArrayObject *vector_of(const char *function, const py::object &object, int type,
                         npy_intp length) {
    PyArrayObject *a = array(object);
    if (!PyArray_Check(object.ptr()) || PyArray_TYPE(a) != type || !PyArray_ISCARRAY_RO(a) ||
        PyArray_NDIM(a) != 1 || (length >= 0 && PyArray_SIZE(a) != length))
        raise(PyExc_TypeError, function, "expected contiguous one-dimensional arrays of one dtype");
    return a;
}

py::object like(PyArrayObject *a) { return owned(PyArray_NewLikeArray(a, NPY_CORDER, nullptr, 0)); }

int type_of(const py::object &object) {
    return PyArray_Check(object.ptr()) ? PyArray_TYPE(array(object)) : NPY_NOTYPE;
}

py::object exp_only(const py::object &x, int shift, double subtract) {
    const int type = type_of(x) == NPY_DOUBLE ? NPY_DOUBLE : NPY_FLOAT;
    PyArrayObject *a = vector_of("_exp", x, type, -1);
    const py::object result = like(a);
    const std::size_t n = static_cast<std::size_t>(PyArray_SIZE(a));
    void *from = PyArray_DATA(a), *to = PyArray_DATA(array(result));
    const KernelTable &table = active();
    {
        const py::gil_scoped_release release;
        const FpEnvironment environment;
        if (type == NPY_DOUBLE)
            table.exp.f64(static_cast<double *>(from), static_cast<double *>(to), n, shift,
                          subtract);
        else
            table.exp.f32(static_cast<float *>(from), static_cast<float *>(to), n, shift,
                          static_cast<float>(subtract));
    }
    return result;
}

py::dict exp_facts() {
    const auto facts = [](const ExpKernelFacts &f) {
        py::dict d;
        d["scale"] = f.scale;
        d["scale_low"] = f.scale_low;
        d["bias"] = f.bias;
        d["clamp_bits"] = f.clamp_bits;
        d["limit"] = f.limit;
        d["table_size"] = f.table_size;
        d["degree"] = f.degree;
        d["bound_ulp"] = f.bound_ulp;
        d["worst_input"] = f.worst_input;
        return d;
    };
    py::dict result;
    result["float32"] = facts(active().exp.f32_facts);
    result["float64"] = facts(active().exp.f64_facts);
    return result;
}

// A function of rows/log.hpp, as float rows or as double rows use it.
template <class Functions>
py::tuple log_function(const char *name, const Functions &functions, const py::object &x,
                       const std::string &dtype) {
    if (dtype != "float32" && dtype != "float64")
        raise(PyExc_ValueError, name, "dtype is '" + dtype + "', expected float32 or float64");
    PyArrayObject *a = vector_of(name, x, NPY_DOUBLE, -1);
    const py::object high = like(a), low = like(a);
    const std::size_t n = static_cast<std::size_t>(PyArray_SIZE(a));
    const auto *from = static_cast<const double *>(PyArray_DATA(a));
    auto *upper = static_cast<double *>(PyArray_DATA(array(high)));
    auto *lower = static_cast<double *>(PyArray_DATA(array(low)));
    {
        const py::gil_scoped_release release;
        const FpEnvironment environment(Subnormals::flush);
        functions[dtype == "float64"](from, upper, lower, n);
    }
    return py::make_tuple(high, low);
}
py::tuple log1p_only(const py::object &w, const std::string &dtype) {
    return log_function("_log1p", active().log.log1p, w, dtype);
}
py::tuple exp_pair(const py::object &z, const std::string &dtype) {
    return log_function("_exp_pair", active().log.exp, z, dtype);
}
py::dict log_facts() {
    py::dict result;
    const LogFns &log = active().log;
    const char *const names[] = {"float32", "float64"};
    for (int i = 0; i < 2; ++i) {
        py::dict d;
        d["log1p_bound"] = log.log1p_bound[i];
        d["exp_bound"] = log.exp_bound[i];
        result[names[i]] = d;
    }
    return result;
}

template <class C, class Function>
py::object vec_typed(Function run, VecFn function, const py::object &a, const py::object &b,
                     const py::object &c, std::size_t count, std::size_t lanes) {
    constexpr int type = sizeof(C) == 4 ? NPY_FLOAT : NPY_DOUBLE;
    const C *data[3];
    int i = 0;
    for (const py::object &operand : {a, b, c})
        data[i++] = static_cast<const C *>(
            PyArray_DATA(vector_of("_vec", operand, type, static_cast<npy_intp>(lanes))));
    if (count > lanes)
        raise(PyExc_ValueError, "_vec", "count is beyond the lanes");
    const py::object result = like(array(a));
    const FpEnvironment environment;
    run(function, data[0], data[1], data[2], count, static_cast<C *>(PyArray_DATA(array(result))));
    return result;
}

py::object vec(const std::string &name, const py::object &a, const py::object &b,
               const py::object &c, std::size_t count) {
    for (int k = 0; k < vec_fn_count; ++k)
        if (name == vec_fn_name[k]) {
            const auto function = static_cast<VecFn>(k);
            if (type_of(a) == NPY_DOUBLE)
                return vec_typed<double>(active().vec.f64, function, a, b, c, count, lanes_f64);
            return vec_typed<float>(active().vec.f32, function, a, b, c, count, lanes_f32);
        }
    raise(PyExc_ValueError, "_vec", "no function '" + name + "'");
}

py::tuple vec_names() { return names({vec_fn_name, vec_fn_name + vec_fn_count}); }

// x converted by the level's kernel.
py::object convert(const py::object &x, const py::object &dtype) {
    const py::object source = as_array("_convert", "x", x.ptr());
    py::object descr = parse_dtype("_convert", dtype.ptr());
    const auto from = dtype_of(PyArray_DESCR(array(source)));
    if (!from || !descr || !PyArray_ISCARRAY_RO(array(source)))
        raise(PyExc_TypeError, "_convert", "expected a contiguous floating array and a dtype");
    auto *stolen = reinterpret_cast<PyArray_Descr *>(descr.release().ptr());
    const auto to = dtype_of(stolen);
    const py::object result = owned(PyArray_NewLikeArray(array(source), NPY_CORDER, stolen, 0));
    const FpEnvironment environment;
    active().convert[static_cast<int>(*from)][static_cast<int>(*to)](
        PyArray_DATA(array(source)), PyArray_DATA(array(result)),
        static_cast<std::size_t>(PyArray_SIZE(array(source))));
    return result;
}

CpuFacts facts_from(const std::map<std::string, std::uint64_t> &given) {
    CpuFacts facts;
    for (const auto &[key, value] : given) {
        const auto word = static_cast<std::uint32_t>(value);
        if (key == "max_leaf")
            facts.max_leaf = word;
        else if (key == "leaf1_ecx")
            facts.leaf1_ecx = word;
        else if (key == "leaf1_edx")
            facts.leaf1_edx = word;
        else if (key == "leaf7_ebx")
            facts.leaf7_ebx = word;
        else if (key == "leaf7_ecx")
            facts.leaf7_ecx = word;
        else if (key == "xcr0")
            facts.xcr0 = value;
        else if (key == "hwcap")
            facts.hwcap = value;
        else
            raise(PyExc_KeyError, "_levels_for", "no fact '" + key + "'");
    }
    return facts;
}

py::tuple levels(const std::string &arch, const std::map<std::string, std::uint64_t> &facts) {
    if (arch != "x86_64" && arch != "aarch64")
        raise(PyExc_ValueError, "_levels_for",
              "arch is '" + arch + "', expected x86_64 or aarch64");
    return names(levels_for(arch == "x86_64" ? Arch::x86_64 : Arch::aarch64, facts_from(facts)));
}

// Of the active level's kernels: {(op, dtype): (found, known)}, by their names.
py::dict self_test_hashes() {
    py::dict hashes;
    for (int op = 0; op < op_count; ++op)
        for (int dtype = 0; dtype < dtype_count; ++dtype)
            hashes[py::make_tuple(op_name[op], dtype_name[dtype])] = py::make_tuple(
                self_test_hash(active(), static_cast<Op>(op), static_cast<DType>(dtype)),
                known_self_test_hash(active(), static_cast<Op>(op), static_cast<DType>(dtype)));
    return hashes;
}

py::dict config() {
    py::dict d;
    d["version"] = SOFTLANE_VERSION;
    d["isa"] = active().isa;
    d["isa_supported"] = py::list(isa_supported());
    d["isa_compiled"] = py::list(names(levels_of(this_arch)));
    const CpuFacts facts = read_cpu();
    py::dict cpu;
    cpu["arch"] = this_arch == Arch::x86_64 ? "x86_64" : "aarch64";
    cpu["max_leaf"] = facts.max_leaf;
    cpu["leaf1_ecx"] = facts.leaf1_ecx;
    cpu["leaf1_edx"] = facts.leaf1_edx;
    cpu["leaf7_ebx"] = facts.leaf7_ebx;
    cpu["leaf7_ecx"] = facts.leaf7_ecx;
    cpu["xcr0"] = facts.xcr0;
    cpu["hwcap"] = facts.hwcap;
    d["cpu"] = cpu;
    d["selftest"] = self_test_state();
#if defined(__clang__)
    d["compiler"] = "Clang " __clang_version__;
#else
    d["compiler"] = "GCC " __VERSION__;
#endif
    return d;
}

} // namespace

void register_hooks(py::module_ &module) {
    module.def("_isa_supported", isa_supported);
    module.def("_use_isa", use_isa, py::arg("name"));
    module.def("_exp", exp_only, py::arg("x"), py::arg("shift"), py::arg("subtract") = 0.0);
    module.def("_exp_facts", exp_facts);
    module.def("_log1p", log1p_only, py::arg("w"), py::arg("dtype"));
    module.def("_exp_pair", exp_pair, py::arg("z"), py::arg("dtype"));
    module.def("_log_facts", log_facts);
    module.def("_vec", vec, py::arg("name"), py::arg("a"), py::arg("b"), py::arg("c"),
               py::arg("count"));
    module.def("_vec_names", vec_names);
    module.def("_convert", convert, py::arg("x"), py::arg("dtype"));
    module.def("_levels_for", levels, py::arg("arch"), py::arg("facts"));
    module.def("_self_test_hashes", self_test_hashes);
    module.def("_fail_self_test", fail_self_test, py::arg("isa"), py::arg("op"), py::arg("dtype"));
    module.def("_cache_bytes", &cache_bytes, py::arg("text"));
    module.def("_streaming_bytes", &streaming_bytes);
    module.def("_largest_kept_bytes", &largest_kept_bytes);
    module.def("_config", config);
}

} // namespace softlane::bind
