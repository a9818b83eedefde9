// Python, pybind11 and NumPy's C API, with one table of the API for the whole module (module.cpp
// fills it).
#pragma once
#define PY_SSIZE_T_CLEAN
#include <pybind11/pybind11.h>

#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define PY_ARRAY_UNIQUE_SYMBOL softlane_numpy_api
#ifndef SOFTLANE_IMPORTS_NUMPY
#define NO_IMPORT_ARRAY
#endif
#include <numpy/arrayobject.h>

namespace py = pybind11;
