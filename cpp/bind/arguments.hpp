// The arguments of a public function, from METH_FASTCALL's form.
#pragma once
#include "bind/numpy.hpp"

namespace softlane::bind {

enum Keyword {
    axis,
    temperature,
    where,
    dtype,
    out,
    b,
    keepdims,
    return_sign,
    weight,
    ignore_index,
    label_smoothing,
    z_loss,
    reduction,
    keyword_count
};

// arrays, / then axis, then keyword-only.
struct Signature {
    const char *name;
    int array_count; // 1 or 2
    const char *array_name[2];
    unsigned keywords; // bit k: Keyword k is accepted
};

struct Arguments {
    PyObject *array[2] = {};
    PyObject *keyword[keyword_count] = {}; // null where not given; borrowed
    bool given(Keyword k) const { return keyword[k] != nullptr && keyword[k] != Py_None; }
};

// At import, before any call: keyword names are compared as objects first.
void intern_keywords();

// False with a TypeError set.
bool parse(const Signature &signature, PyObject *const *args, Py_ssize_t count, PyObject *names,
           Arguments &parsed);

} // namespace softlane::bind
