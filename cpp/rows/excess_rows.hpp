// The excess of some of a group's rows from a pass of their own, reduced with their second largest
// element as `top`: CrossEntropyWithGrad::excess_apart() has it of one row.
#pragma once
#include "rows/group_sums.hpp"
#include "rows/log_lanes.hpp"
#include "rows/raise.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// Of the rows of a register with wanted[r], at a temperature of 1. False if lanes do not serve.
template <class C>
__attribute__((noinline)) bool excesses_apart(const Place<C> &at, const C *max, const C *second,
                                              const bool *wanted, double *log, double *log_low) {
    using N = Vec<C, native_lanes<C>>;
    using V = Vec<C, sum_lanes<C>>;
    PanelScalars<C, N::lanes> rows;
    for (int r = 0; r < N::lanes; ++r) { // the others as rows of zeros
        rows.max[r] = wanted[r] ? max[r] : C(0);
        rows.top[r] = rows.second[r] = wanted[r] ? second[r] : C(0);
    }
    const N zero = broadcast<N>(C(0)), highest = load<N>(rows.max), top = load<N>(rows.top);
    // As second <= max, this is no less than abs() of either.
    const N size = SOFTLANE_ISA::max(highest, sub(zero, top));
    if (!(static_cast<double>(reduce_max(size)) <= exp_limit))
        return false;
    prepare<Argument::plain, C>(1, rows, 0);
    const Scaling<C> scaling = scaling_for(1, C());
    const Exp<C, Argument::plain, true, N> exp_of_top(scaling, zero, load<N>(rows.offset),
                                                      load<N>(rows.lowest), top);
    store(rows.top_exponential, exp_of_top(top));
    GroupSums<C> sums;
    const std::size_t n = at.batch.length;
    for (int r = 0; r < N::lanes; ++r) {
        const Exp<C, Argument::plain, true> exp(scaling, C(0), rows.offset[r], rows.lowest[r],
                                                rows.top[r]);
        Sum<C> sum;
        for (std::size_t i = 0; wanted[r] && i < n; i += Sum<C>::block) {
            const std::size_t end = n - i > Sum<C>::block ? i + Sum<C>::block : n;
            sweep<V>(i, end, [&](std::size_t k, auto part) INLINE_LAMBDA {
                sum += present(exp(load<V>(at.x(r, 0) + k, part, -infinity<C>)), part);
            });
            sum.flush();
            if (end == n)
                break;
        }
        sums.store_sum(r, sum);
    }
    store_sums(sums.total(), rows, 0);
    for (int r = 0; r < N::lanes; ++r)
        if (!wanted[r]) { // nothing but the top
            rows.sum_high[r] = static_cast<double>(rows.top_exponential[r]);
            rows.sum_low[r] = 0;
        }
    const LogLanes<C> lanes = lanes_of(rows, 0);
    if constexpr (sizeof(C) == 4) {
        logarithms(lanes);
    } else {
        if (!are_plain(lanes))
            return false;
        plain_logarithms(lanes);
        __builtin_memcpy(log_low, rows.excess_low, sizeof rows.excess_low);
    }
    __builtin_memcpy(log, rows.excess, sizeof rows.excess);
    return true;
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
