// The arguments of a public function, from METH_FASTCALL's form.
#pragma once
#include "bind/numpy.hpp"

namespace softlane::bind {

enum Keyword { axis, temperature, where, dtype, out, keyword_count };

struct Arguments {
    PyObject *x;
    PyObject *keyword[keyword_count] = {}; // null where not given; borrowed
    bool given(Keyword k) const { return keyword[k] != nullptr && keyword[k] != Py_None; }
};

// At import, before any call: keyword names are compared as objects first.
void intern_keywords();

// x, / then axis, then keyword-only. False with a TypeError set.
bool parse(const char *function, PyObject *const *args, Py_ssize_t count, PyObject *names,
           Arguments &parsed);

} // namespace softlane::bind
