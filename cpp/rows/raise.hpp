// The loop over the exponentials of a row.
#pragma once
#include "rows/block.hpp"
#include "rows/sum.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// The exponentials of a row's whole vectors, as many at a time as a level is given: they are added
// to the sum, body(i, e) sees them. Returns the number of elements that are done.
//
// An exponential takes some 40 cycles from its argument to the sum, and a processor looks no more
// than a hundred vector operations ahead. Where registers suffice for a pipeline, each turn of the
// loop therefore reduces the arguments of the next vectors, raises those that were reduced in the
// last turn, and adds up those that were raised then.
template <bool pipeline, class C, class Function, class In, class Body>
INLINE std::size_t raise(const Function &exp, In row, std::size_t n, Sum<C> &sum, Body body) {
    using Wide = Vec<C, row_unroll * sum_lanes<C>>;
    constexpr std::size_t block = Sum<C>::block;
    const std::size_t whole = n - n % Wide::lanes;
    if (whole == 0)
        return 0;
    std::size_t i = 0;
    const auto in_blocks = [&](auto turn, auto end_block) INLINE_LAMBDA {
        do {
            const std::size_t end = whole - i > block ? i + block : whole;
            for (; i < end; i += Wide::lanes)
                turn();
            end_block();
            if (i % block == 0 && i < n)
                sum.flush();
        } while (i < whole);
    };
    if constexpr (pipeline) {
        auto next = exp.parts(load<Wide>(row));
        Wide last = broadcast<Wide>(C(0));
        in_blocks(
            [&]() INLINE_LAMBDA {
                const auto now = next;
                const std::size_t ahead = whole - i > Wide::lanes ? i + Wide::lanes : i;
                next = exp.parts(load<Wide>(row + ahead));
                sum += last;
                last = exp.raised(now);
                body(i, last);
            },
            [&]() INLINE_LAMBDA {
                sum += last;
                last = broadcast<Wide>(C(0));
            });
    } else {
        in_blocks(
            [&]() INLINE_LAMBDA {
                const Wide e = exp(load<Wide>(row + i));
                sum += e;
                body(i, e);
            },
            []() INLINE_LAMBDA {});
    }
    return whole;
}

// The pipeline over rows that follow each other: `next` is what the first vectors of this row were
// reduced to, and becomes following(), that of the row after it, so it does not run dry in between.
// For n of one Wide at least; `blocks`: n may be more than a block. Its code has a turn twice:
// too much for raise(), which more ops have.
template <bool blocks, class C, class Function, class In, class Parts, class Following, class Body>
INLINE std::size_t raise_on(const Function &exp, In row, std::size_t n, Sum<C> &sum, Parts &next,
                            Following following, Body body) {
    using Wide = Vec<C, row_unroll * sum_lanes<C>>;
    constexpr std::size_t block = Sum<C>::block;
    const std::size_t last_turn = n - n % Wide::lanes - Wide::lanes;
    Wide last = broadcast<Wide>(C(0));
    const auto turn = [&](std::size_t i, auto ahead) INLINE_LAMBDA {
        const auto now = next;
        next = ahead();
        sum += last;
        last = exp.raised(now);
        body(i, last);
    };
    std::size_t i = 0;
    for (;;) {
        const bool is_last = !blocks || last_turn - i < block;
        const std::size_t end = is_last ? last_turn : i + block;
        for (; i < end; i += Wide::lanes)
            turn(i, [&]() INLINE_LAMBDA { return exp.parts(load<Wide>(row + i + Wide::lanes)); });
        if (is_last)
            break;
        sum += last;
        last = broadcast<Wide>(C(0));
        sum.flush();
    }
    turn(i, following);
    sum += last;
    i += Wide::lanes;
    if (blocks && i % block == 0 && i < n)
        sum.flush();
    return i;
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
