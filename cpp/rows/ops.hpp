// The operations: reduction() says what is kept of a row while its exponentials pass, write() what
// becomes of the row.
#pragma once
#include "rows/engine.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// y = e / sum. A row with NaN, +inf or nothing but -inf is NaN.
struct Softmax {
    template <class E> static INLINE Stats reduction(const Row<E> &row) {
        return reduce(row, [&](std::size_t i, auto part, auto e)
                               INLINE_LAMBDA { store(row.e + i, e, part); });
    }
    template <class E> static INLINE void write(const Row<E> &row, const Stats &stats) {
        using C = Compute<E>;
        if (!stats.regular)
            return fill(row.y, row.n, static_cast<C>(__builtin_nan("")));
        if (stats.near)
            rewrite(row.e, row.y, row.n, Normalise<C, true>(stats.sum));
        else
            rewrite(row.e, row.y, row.n, Normalise<C, false>(stats.sum));
    }
};

} // namespace
} // namespace softlane::SOFTLANE_ISA
