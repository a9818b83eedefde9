#include "bind/problem.hpp"

#include <algorithm>

namespace softlane::bind {

namespace {

Array array_of(PyArrayObject *a) {
    return {PyArray_BYTES(a), *dtype_of(PyArray_DESCR(a)), PyArray_ISBYTESWAPPED(a) != 0};
}

} // namespace

Problem describe(Op op, const Operands &given, const std::vector<bool> &is_axis) {
    static constexpr double one = 1;
    Problem problem;
    problem.op = op;
    problem.array[x_stream] = array_of(given.x);
    PyArrayObject *other =
        given.broadcast_other ? array(given.broadcast_other->owner) : given.other;
    if (other)
        problem.array[other_stream] = array_of(other);
    PyArrayObject *y = given.y ? given.y->array() : nullptr;
    if (y) {
        problem.array[y_stream] = array_of(y);
        problem.fresh = given.y->fresh();
    }
    if (given.where)
        problem.where = given.where->data;
    problem.temperature = &one;
    const Operand *temperatures = nullptr;
    if (given.temperature) {
        problem.temperature = &given.temperature->number;
        problem.keep_subnormals = given.temperature->tiny;
        if (given.temperature->array.data) {
            temperatures = &given.temperature->array;
            problem.temperature = reinterpret_cast<const double *>(temperatures->data);
        }
    }
    std::ptrdiff_t row = 1;
    for (int d = PyArray_NDIM(given.x) - 1; d >= 0; --d) {
        Loop loop{static_cast<std::size_t>(PyArray_DIM(given.x, d)), {}};
        loop.stride[x_stream] = PyArray_STRIDE(given.x, d);
        if (other)
            loop.stride[other_stream] = given.broadcast_other ? given.broadcast_other->strides[d]
                                                              : PyArray_STRIDE(other, d);
        if (y)
            loop.stride[y_stream] = PyArray_STRIDE(y, d);
        if (problem.where)
            loop.stride[where_stream] = given.where->strides[d];
        if (temperatures)
            loop.stride[temperature_stream] = temperatures->strides[d];
        if (is_axis[d]) {
            problem.inner.add(loop);
        } else {
            loop.stride[row_stream] = row;
            row *= PyArray_DIM(given.x, d);
            problem.outer.add(loop);
        }
    }
    std::reverse(problem.inner.begin(), problem.inner.end());
    std::reverse(problem.outer.begin(), problem.outer.end());
    return problem;
}

std::vector<npy_intp> row_shape(PyArrayObject *x, const std::vector<bool> &is_axis, bool keepdims) {
    std::vector<npy_intp> shape;
    for (int d = 0; d < PyArray_NDIM(x); ++d)
        if (!is_axis[d])
            shape.push_back(PyArray_DIM(x, d));
        else if (keepdims)
            shape.push_back(1);
    return shape;
}

std::size_t element_count(const std::vector<npy_intp> &shape) {
    std::size_t count = 1;
    for (npy_intp n : shape)
        count *= static_cast<std::size_t>(n);
    return count;
}

} // namespace softlane::bind
