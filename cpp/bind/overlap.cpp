#include <algorithm>
#include <cmath>
#include <vector>

#include "bind/arrays.hpp"

namespace softlane::bind {

namespace {

struct Bounds {
    const char *begin, *end;
};
Bounds bounds(PyArrayObject *a) {
    const char *begin = PyArray_BYTES(a), *end = begin + PyArray_ITEMSIZE(a);
    for (int d = 0; d < PyArray_NDIM(a); ++d) {
        if (PyArray_DIM(a, d) == 0)
            return {begin, begin};
        const npy_intp reach = (PyArray_DIM(a, d) - 1) * PyArray_STRIDE(a, d);
        (reach < 0 ? begin : end) += reach;
    }
    return {begin, end};
}

} // namespace

bool overlap(PyArrayObject *a, PyArrayObject *b) {
    const Bounds p = bounds(a), q = bounds(b);
    return p.begin < q.end && q.begin < p.end;
}

bool overlaps_itself(PyArrayObject *a) {
    struct Dim {
        npy_intp stride, extent;
    };
    std::vector<Dim> dims;
    for (int d = 0; d < PyArray_NDIM(a); ++d) {
        if (PyArray_DIM(a, d) == 0)
            return false;
        if (PyArray_DIM(a, d) > 1)
            dims.push_back({std::abs(PyArray_STRIDE(a, d)), PyArray_DIM(a, d)});
    }
    std::sort(dims.begin(), dims.end(),
              [](const Dim &l, const Dim &r) { return l.stride < r.stride; });
    npy_intp reach = PyArray_ITEMSIZE(a);
    for (const Dim &dim : dims) {
        if (dim.stride < reach)
            return true;
        reach += dim.stride * (dim.extent - 1);
    }
    return false;
}

bool same_layout(PyArrayObject *a, PyArrayObject *b) {
    if (PyArray_DATA(a) != PyArray_DATA(b) || PyArray_ITEMSIZE(a) != PyArray_ITEMSIZE(b))
        return false;
    for (int d = 0; d < PyArray_NDIM(a); ++d)
        if (PyArray_DIM(a, d) > 1 && PyArray_STRIDE(a, d) != PyArray_STRIDE(b, d))
            return false;
    return true;
}

} // namespace softlane::bind
