#include "bind/arguments.hpp"

#include <string>

namespace softlane::bind {

namespace {

constexpr const char *keyword_name[keyword_count] = {"axis",
                                                     "temperature",
                                                     "where",
                                                     "dtype",
                                                     "out",
                                                     "b",
                                                     "keepdims",
                                                     "return_sign",
                                                     "weight",
                                                     "ignore_index",
                                                     "label_smoothing",
                                                     "z_loss",
                                                     "reduction"};
PyObject *interned[keyword_count];

int keyword_index(PyObject *name) {
    for (int k = 0; k < keyword_count; ++k)
        if (name == interned[k])
            return k;
    for (int k = 0; k < keyword_count; ++k)
        if (PyUnicode_CompareWithASCIIString(name, keyword_name[k]) == 0)
            return k;
    return -1;
}

void unexpected_keyword(const Signature &signature, PyObject *name) {
    std::string accepted;
    for (int k = 0; k < keyword_count; ++k)
        if (signature.keywords >> k & 1)
            accepted += (accepted.empty() ? "" : ", ") + std::string(keyword_name[k]);
    PyErr_Format(PyExc_TypeError, "%s: unexpected keyword argument '%U' (accepted: %s)",
                 signature.name, name, accepted.c_str());
}

} // namespace

void intern_keywords() {
    for (int k = 0; k < keyword_count; ++k)
        interned[k] = PyUnicode_InternFromString(keyword_name[k]);
}

bool parse(const Signature &signature, PyObject *const *args, Py_ssize_t count, PyObject *names,
           Arguments &parsed) {
    const int arrays = signature.array_count;
    if (count < arrays) {
        PyErr_Format(PyExc_TypeError, "%s: missing the positional argument %s", signature.name,
                     signature.array_name[count]);
        return false;
    }
    if (count > arrays + 1) {
        PyErr_Format(PyExc_TypeError,
                     "%s: takes %s%s%s and axis by position, got %zd positional arguments",
                     signature.name, signature.array_name[0], arrays == 2 ? ", " : "",
                     arrays == 2 ? signature.array_name[1] : "", count);
        return false;
    }
    for (int i = 0; i < arrays; ++i)
        parsed.array[i] = args[i];
    if (count > arrays)
        parsed.keyword[axis] = args[arrays];
    const Py_ssize_t named = names ? PyTuple_GET_SIZE(names) : 0;
    for (Py_ssize_t i = 0; i < named; ++i) {
        PyObject *name = PyTuple_GET_ITEM(names, i);
        const int k = keyword_index(name);
        if (k < 0 || !(signature.keywords >> k & 1)) {
            unexpected_keyword(signature, name);
            return false;
        }
        if (parsed.keyword[k] != nullptr) {
            PyErr_Format(PyExc_TypeError, "%s: got multiple values for argument '%U'",
                         signature.name, name);
            return false;
        }
        parsed.keyword[k] = args[count + i];
    }
    return true;
}

} // namespace softlane::bind
