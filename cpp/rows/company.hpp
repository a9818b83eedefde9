// What goes along with the exponentials of a row: a later row is looked at, an earlier one written.
#pragma once
#include "rows/write.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// What goes along with the exponentials of a row, in the same loop, so that neither memory nor the
// latency of a row's scalars is waited for: the range of a later row is found, and an earlier one
// is written. Function, V -> V, makes that one's results. It is copied for each row: another
// byte at its end cost 8 % at 512 elements, probably as the copy loads it with what else was
// stored.
template <class Function, class Lies> struct Beside {
    using C = typename Function::Scalar;
    typename Lies::In next{};  // the row that is looked at, or null
    Range<C> *range = nullptr; // its range is wanted there; null: it is only to be asked for
    const C *from = nullptr;
    typename Lies::Out to{}; // the row to be written, or null
    bool stream = false;     // it is written past the caches
    bool asks = false;       // what is looked at comes from memory
    Function function;
};

template <int wanted, class Function, class Lies> class Company {
    using C = typename Function::Scalar;
    using V = Vec<C, sum_lanes<C>>;
    using Wide = Vec<C, row_unroll * V::lanes>;

public:
    INLINE Company(const Beside<Function, Lies> &beside, std::size_t n) : beside_(beside), n_(n) {
        if (!beside_.to)
            return;
        head_ = head_of(beside.to, n);
        if (head_ > 0)
            write(0, Tail{head_});
        if constexpr (!Lies::converts) // past the caches go whole lines
            streams_ =
                beside.stream && reinterpret_cast<std::uintptr_t>(beside.to + head_) % 64 == 0;
        whole_ = n - head_ - (n - head_) % Wide::lanes;
    }
    // A Wide of each.
    INLINE void step(std::size_t i) {
        if (beside_.next) {
            const Wide wide = load<Wide>(beside_.next + i);
            if (beside_.asks) {
#pragma GCC unroll 4
                for (std::size_t k = 0; k < Wide::lanes * Lies::size; k += 64)
                    prefetch(beside_.next + (i + k / Lies::size));
            }
            add(wide);
        }
        // What is written lies behind what is read: where both are at the same place in their
        // pages, a load that follows a store at its place waits for it.
        if (i - Wide::lanes < whole_)
            put(i - Wide::lanes);
    }
    INLINE void run() {
        const std::size_t end = n_ - n_ % Wide::lanes;
        for (std::size_t i = 0; i < end; i += Wide::lanes)
            step(i);
        finish();
    }
    INLINE void finish() {
        if (beside_.range) {
            sweep<V>(n_ - n_ % Wide::lanes, n_, [&](std::size_t i, auto part) INLINE_LAMBDA {
                extremes_.add(load<V>(beside_.next + i, part, -infinity<C>),
                              load<V>(beside_.next + i, part, infinity<C>));
            });
            *beside_.range = range_of(extremes_);
        }
        if (beside_.to) {
            const std::size_t steps = n_ / Wide::lanes;
            for (std::size_t i = steps ? (steps - 1) * Wide::lanes : 0; i < whole_;
                 i += Wide::lanes)
                put(i);
            sweep<V>(head_ + whole_, n_,
                     [&](std::size_t i, auto part) INLINE_LAMBDA { write(i, part); });
        }
    }

private:
    template <class W> INLINE void add(W v) {
        if constexpr (W::lanes == V::lanes) {
            extremes_.add(v, v);
        } else {
            add(v.low);
            add(v.high);
        }
    }
    INLINE void put(std::size_t i) {
        const Wide v = beside_.function(load<Wide>(beside_.from + head_ + i));
        if constexpr (!Lies::converts)
            if (streams_)
                return stream(beside_.to + head_ + i, v);
        store(beside_.to + head_ + i, v);
    }
    template <class Part> INLINE void write(std::size_t i, Part part) {
        store(beside_.to + i, beside_.function(load<V>(beside_.from + i, part, C(0))), part);
    }

    Beside<Function, Lies> beside_;
    std::size_t n_, head_ = 0, whole_ = 0;
    bool streams_ = false;
    Extremes<wanted, V> extremes_;
};

// Nothing goes along.
struct Alone {
    INLINE void step(std::size_t) {}
    INLINE void finish() {}
};

} // namespace
} // namespace softlane::SOFTLANE_ISA
