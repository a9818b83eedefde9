// Gradients of rows whose elements follow each other, one row after the other.
#pragma once
#include "rows/backward.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// The sum that a row's gradient takes, and its smallest element; far: it comes from memory.
template <class RowOp, class C>
INLINE WideSum<C> sum_of_row(const C *y, const C *grad, std::size_t n, bool far,
                             Least<Vec<C, sum_lanes<C>>> &least) {
    using V = Vec<C, sum_lanes<C>>;
    WideSum<C> sum;
    sweep<V>(0, n, [&](std::size_t i, auto part) INLINE_LAMBDA {
        if (far) {
            prefetch(y + i);
            prefetch(grad + i);
        }
        RowOp::add(sum, y + i, grad + i, part, C(0));
        if constexpr (sizeof(C) == 4)
            least.add(y + i, part);
    });
    return sum;
}

// Where a row of a batch is.
template <class E, class P>
INLINE E *row_at(P *data, std::size_t i, std::ptrdiff_t row_stride_bytes) {
    const char *base = static_cast<const char *>(data);
    return reinterpret_cast<E *>(
        const_cast<char *>(base + static_cast<std::ptrdiff_t>(i) * row_stride_bytes));
}

// A row of doubles.
template <class RowOp>
__attribute__((noinline)) void write_row_of(const double *y, const double *grad, double *dx,
                                            std::size_t n, bool far,
                                            const typename RowOp::template Term<double> &term) {
    using D = Wide<double>;
    Least<D> none;
    const typename RowOp::DoubleRows function(term,
                                              sum_of_row<RowOp>(y, grad, n, far, none).total());
    write_row<D>(dx, n, [&](std::size_t i, auto part) INLINE_LAMBDA {
        return function(load<D>(y + i, part, 0), load<D>(grad + i, part, 0));
    });
}

// One such op over the rows of a batch from `first` on.
template <class RowOp, class C> void each_gradient(const Rows &rows, std::size_t first) noexcept {
    const double *t =
        rows.temperature + static_cast<std::ptrdiff_t>(first) * rows.temperature_stride;
    double last_t = *t;
    typename RowOp::template Term<C> term(last_t);
    for (std::size_t i = first; i < rows.count; ++i) {
        if (*t != last_t) {
            last_t = *t;
            term = typename RowOp::template Term<C>(last_t);
        }
        const C *const y = row_at<const C>(rows.x, i, rows.x_row_stride_bytes);
        const C *const grad = row_at<const C>(rows.other, i, rows.other_row_stride_bytes);
        C *const dx = row_at<C>(rows.y, i, rows.y_row_stride_bytes);
        if constexpr (sizeof(C) == 4) {
            Least<Vec<float, sum_lanes<float>>> least;
            const double sum = sum_of_row<RowOp>(y, grad, rows.length, rows.distant, least).total();
            RowOp::write(y, grad, dx, rows.length, *t, term, sum,
                         least.is_at_least(RowOp::template Term<float>::least));
        } else {
            write_row_of<RowOp>(y, grad, dx, rows.length, rows.distant, term);
        }
        t += rows.temperature_stride;
    }
}
template <class RowOp, class C> void each_gradient(const Rows &rows) noexcept {
    each_gradient<RowOp, C>(rows, 0);
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
