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
    Function function;
};

template <int wanted, class Function, class Lies> class Company {
    using C = typename Function::Scalar;
    using V = Vec<C, sum_lanes<C>>;
    using Wide = Vec<C, exp_unroll * V::lanes>;

public:
    INLINE Company(const Beside<Function, Lies> &beside, std::size_t n) : beside_(beside), n_(n) {
        if constexpr (!Lies::converts) { // begin with whole cache lines
            const std::size_t misaligned = reinterpret_cast<std::uintptr_t>(beside.to) % 64;
            if (!beside.to || misaligned == 0)
                return;
            if (misaligned % sizeof(C) != 0) {
                beside_.stream = false;
                return;
            }
            const std::size_t head = (64 - misaligned) / sizeof(C);
            written_ = head < n ? head : n;
            write(0, Tail{written_});
        }
    }
    // A Wide of each.
    INLINE void step() {
        if (beside_.next) {
            const Wide wide = load<Wide>(beside_.next + seen_);
#pragma GCC unroll 4
            for (std::size_t i = 0; i < Wide::lanes * Lies::size; i += 64)
                prefetch(beside_.next + (seen_ + i / Lies::size));
            add(wide);
            seen_ += Wide::lanes;
        }
        if (beside_.to && written_ + Wide::lanes <= n_) {
            const Wide v = beside_.function(load<Wide>(beside_.from + written_));
            put(v);
            written_ += Wide::lanes;
        }
    }
    INLINE void run() {
        for (std::size_t i = 0; i < n_ / Wide::lanes; ++i)
            step();
        finish();
    }
    INLINE void finish() {
        if (beside_.range) {
            sweep<V>(seen_, n_, [&](std::size_t i, auto part) INLINE_LAMBDA {
                extremes_.add(load<V>(beside_.next + i, part, -infinity<C>),
                              load<V>(beside_.next + i, part, infinity<C>));
            });
            *beside_.range = range_of(extremes_);
        }
        if (beside_.to)
            sweep<V>(written_, n_, [&](std::size_t i, auto part) INLINE_LAMBDA { write(i, part); });
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
    INLINE void put(Wide v) {
        if constexpr (!Lies::converts)
            if (beside_.stream)
                return stream(beside_.to + written_, v);
        store(beside_.to + written_, v);
    }
    template <class Part> INLINE void write(std::size_t i, Part part) {
        store(beside_.to + i, beside_.function(load<V>(beside_.from + i, part, C(0))), part);
    }

    Beside<Function, Lies> beside_;
    std::size_t n_, seen_ = 0, written_ = 0;
    Extremes<wanted, V> extremes_;
};

// Nothing goes along.
struct Alone {
    INLINE void step() {}
    INLINE void finish() {}
};

} // namespace
} // namespace softlane::SOFTLANE_ISA
