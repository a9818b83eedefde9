#include "bind/arguments.hpp"

namespace softlane::bind {

namespace {

constexpr const char *keyword_name[keyword_count] = {"axis", "temperature", "where", "dtype",
                                                     "out"};
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

} // namespace

void intern_keywords() {
    for (int k = 0; k < keyword_count; ++k)
        interned[k] = PyUnicode_InternFromString(keyword_name[k]);
}

bool parse(const char *function, PyObject *const *args, Py_ssize_t count, PyObject *names,
           Arguments &parsed) {
    if (count < 1 || count > 2) {
        PyErr_Format(PyExc_TypeError,
                     count < 1 ? "%s: missing the positional argument x"
                               : "%s: takes x and axis by position, got %zd positional arguments",
                     function, count);
        return false;
    }
    parsed.x = args[0];
    if (count == 2)
        parsed.keyword[axis] = args[1];
    const Py_ssize_t named = names ? PyTuple_GET_SIZE(names) : 0;
    for (Py_ssize_t i = 0; i < named; ++i) {
        PyObject *name = PyTuple_GET_ITEM(names, i);
        const int k = keyword_index(name);
        if (k < 0) {
            PyErr_Format(PyExc_TypeError,
                         "%s: unexpected keyword argument '%U' (accepted: axis, temperature, "
                         "where, dtype, out)",
                         function, name);
            return false;
        }
        if (parsed.keyword[k] != nullptr) {
            PyErr_Format(PyExc_TypeError, "%s: got multiple values for argument '%U'", function,
                         name);
            return false;
        }
        parsed.keyword[k] = args[count + i];
    }
    return true;
}

} // namespace softlane::bind
