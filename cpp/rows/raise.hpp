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
// last turn, and adds up those that were raised then. That pays from some 128 elements on.
enum class Loops { pipeline, either, simple }; // those that a level with a pipeline has
template <Loops loops, class C, class Function, class In, class Body>
INLINE std::size_t raise(const Function &exp, In row, std::size_t n, Sum<C> &sum, Body body) {
    using Wide = Vec<C, row_unroll * sum_lanes<C>>;
    constexpr std::size_t block = Sum<C>::block;
    const std::size_t whole = n - n % Wide::lanes;
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
    constexpr bool has_simple = !row_pipeline || loops != Loops::pipeline;
    constexpr bool has_pipeline = row_pipeline && loops != Loops::simple;
    if (has_pipeline && whole >= (has_simple ? 128 : 1)) {
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
    } else if (has_simple && whole > 0) {
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

} // namespace
} // namespace softlane::SOFTLANE_ISA
