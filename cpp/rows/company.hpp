// What goes along with the exponentials of a row: a later row is looked at, an earlier one written.
#pragma once
#include "rows/write.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// What comes from memory and is asked for early: what is looked at, `far` as far as to the second
// level alone; and with it lines of results that do not go past the caches, those of the row that
// is written, or of the one that is reduced and keeps its exponentials there.
enum class Asked : unsigned char { nothing, far, next, written, kept };

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
    Asked asked = Asked::nothing;
    Function function;
};

// A line of results that the end of one row and the beginning of the next share. Past the caches go
// whole lines; half of one would wait for the rest of it to be read from memory, and all stores
// after it would too. So what the first row has of it is held until the second has written its own.
template <class C> class Seam {
    using V = Vec<C, sum_lanes<C>>;

public:
    INLINE void hold(C *place, V v, std::size_t count) {
        store(line_, v);
        place_ = place;
        count_ = count;
    }
    // The first `count` elements of a row at `place`, which may complete what is held.
    INLINE void complete(C *place, V v, std::size_t count) {
        if (place_ && place_ + count_ == place && count_ + count == V::lanes) {
            store_part(line_ + count_, v, count);
            stream(place_, load<V>(line_));
            place_ = nullptr;
        } else {
            release();
            store_part(place, v, count);
        }
    }
    // An element of the next row that is written gets this value: afterwards its line would be read
    // from memory for it.
    INLINE void replace(const C *element, C value) {
        element_ = element;
        value_ = value;
    }
    // v, as it is to be written at `place`.
    template <class W> INLINE W replaced(W v, const C *place) const {
        const auto i = static_cast<std::size_t>(element_ - place);
        if (i >= W::lanes)
            return v;
        C lane[W::lanes];
        store(lane, v);
        lane[i] = value_;
        return load<W>(lane);
    }
    INLINE const C *element() const { return element_; }
    INLINE void release() {
        if (place_)
            store_part(place_, load<V>(line_), count_);
        place_ = nullptr;
    }

private:
    alignas(64) C line_[V::lanes];
    C *place_ = nullptr; // of the line, or null
    std::size_t count_ = 0;
    const C *element_ = nullptr;
    C value_ = 0;
};

// Whether results go past the caches, in rows without gaps, each of a line at least, whose lines
// hold whole elements.
template <class C> INLINE bool has_shared_lines(const Rows &rows) {
    return rows.stream && rows.length >= 64 / sizeof(C) &&
           reinterpret_cast<std::uintptr_t>(rows.y) % sizeof(C) == 0 &&
           rows.y_row_stride_bytes == static_cast<std::ptrdiff_t>(rows.length * sizeof(C));
}

// How many elements what is written past the caches stays behind what is read. Such stores take
// long, and until they are done a load from the same place in its page waits for them: so none of
// the last ones, or 2.5 kB, is where elements are read, of row x or of the one that is looked at.
// The row that is written, at y, is `distance` rows before x, that one as many behind. 0: as
// elsewhere, one turn of the loop.
template <class C>
INLINE std::size_t stream_lag(const void *x, const void *y, std::ptrdiff_t stride_bytes,
                              std::size_t distance, std::size_t n) {
    constexpr std::size_t page = 4096, least_age = 2560;
    constexpr std::size_t step = row_unroll * sum_lanes<C>, step_bytes = step * sizeof(C);
    const auto rows = distance * static_cast<std::size_t>(stride_bytes);
    const std::size_t from_reduced = reinterpret_cast<std::uintptr_t>(y) - rows -
                                     reinterpret_cast<std::uintptr_t>(x) - step_bytes,
                      from_looked_at = from_reduced + step_bytes - rows;
    for (std::size_t lag = step; lag <= n / 4 && lag * sizeof(C) <= page; lag += step) {
        const std::size_t bytes = lag * sizeof(C);
        if ((from_reduced - bytes) % page >= least_age &&
            (from_looked_at - bytes) % page >= least_age)
            return lag == step ? 0 : lag;
    }
    return 0;
}

// lags: what is written past the caches stays behind by `lag`; the loop that knows how far it is
// behind is faster.
template <int wanted, class Function, class Lies, bool lags = false> class Company {
    using C = typename Function::Scalar;
    using V = Vec<C, sum_lanes<C>>;
    using Wide = Vec<C, row_unroll * V::lanes>;
    static constexpr bool replaces = Function::results == Results::all_but_one;

public:
    // `kept`: where exponentials are.
    INLINE Company(const Beside<Function, Lies> &beside, std::size_t n, Seam<C> *seam, C *kept,
                   std::size_t lag = Wide::lanes)
        : beside_(beside), n_(n), given_(&beside), seam_(seam), results_(beside.next) {
        if constexpr (!Lies::converts)
            if (beside.asked == Asked::kept)
                results_ = kept;
        if (!beside_.to)
            return;
        if (beside.asked == Asked::written)
            results_ = beside.to;
        head_ = head_of(beside.to, n);
        whole_ = n - head_ - (n - head_) % Wide::lanes;
        if constexpr (!Lies::converts) { // past the caches go whole lines
            streams_ =
                beside.stream && reinterpret_cast<std::uintptr_t>(beside.to + head_) % 64 == 0;
            if (streams_) {
                results_ = beside.next;
                lag_ = lag;
                stream_begin(beside, head_, seam);
            }
            if constexpr (replaces)
                if (streams_ && seam) {
                    const auto at = static_cast<std::size_t>(seam->element() - beside.to) - head_;
                    replaced_ = at - at % Wide::lanes;
                }
        }
        if (head_ > 0 && !streams_)
            write(0, Tail{head_});
    }
    // A Wide of each.
    INLINE void step(std::size_t i) {
        if (beside_.next) {
            const Wide wide = load<Wide>(beside_.next + i);
            if (beside_.asked != Asked::nothing)
                ask(i);
            add(wide);
        }
        // What is written lies behind what is read: where both are at the same place in their
        // pages, a load that follows a store at its place waits for it.
        if (i - behind() < whole_)
            put(i - behind());
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
            const std::size_t end = n_ - n_ % Wide::lanes;
            for (std::size_t i = end > behind() ? end - behind() : 0; i < whole_; i += Wide::lanes)
                put(i);
            if constexpr (!Lies::converts)
                if (streams_)
                    return stream_end(*given_, head_ + whole_, n_, seam_);
            sweep<V>(head_ + whole_, n_,
                     [&](std::size_t i, auto part) INLINE_LAMBDA { write(i, part); });
        }
    }

private:
    INLINE std::size_t behind() const { return lags ? lag_ : Wide::lanes; }
    INLINE void ask(std::size_t i) const {
        const auto each_line = [&](auto line) INLINE_LAMBDA {
#pragma GCC unroll 4
            for (std::size_t k = 0; k < Wide::lanes * Lies::size; k += 64)
                line(i + k / Lies::size);
        };
        each_line([&](std::size_t k) INLINE_LAMBDA { prefetch(beside_.next + k); });
        // Of the gradients of doubles it is not worth its code.
        constexpr bool asks_more = !(replaces && sizeof(C) == 8);
        if (asks_more && beside_.asked != Asked::far)
            each_line([&](std::size_t k) INLINE_LAMBDA {
                prefetch_near(beside_.next + k);
                prefetch_results(results_ + k);
            });
    }
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
        if constexpr (replaces)
            if (i == replaced_)
                return stream_replaced(beside_.to + head_ + i, v, seam_);
        if constexpr (!Lies::converts)
            if (streams_)
                return stream(beside_.to + head_ + i, v);
        store(beside_.to + head_ + i, v);
    }
    static __attribute__((noinline, cold)) void stream_replaced(C *to, Wide v, Seam<C> *seam) {
        stream(to, seam->replaced(v, to));
    }
    template <class Part> INLINE void write(std::size_t i, Part part) {
        store(beside_.to + i, beside_.function(load<V>(beside_.from + i, part, C(0))), part);
    }
    template <class Part>
    static INLINE V result(const Beside<Function, Lies> &of, std::size_t i, Part part,
                           const Seam<C> *seam) {
        const V v = of.function(load<V>(of.from + i, part, C(0)));
        if constexpr (replaces)
            if (seam)
                return seam->replaced(v, of.to + i);
        return v;
    }
    // Apart from the loop, whose registers they would take.
    static __attribute__((noinline, cold)) void stream_begin(const Beside<Function, Lies> &of,
                                                             std::size_t head, Seam<C> *seam) {
        if (head == 0) {
            if (seam)
                seam->release();
            return;
        }
        const Tail part{head};
        const V v = result(of, 0, part, seam);
        if (seam)
            seam->complete(of.to, v, head);
        else
            store(of.to, v, part);
    }
    static __attribute__((noinline, cold)) void
    stream_end(const Beside<Function, Lies> &of, std::size_t i, std::size_t n, Seam<C> *seam) {
        for (; i + V::lanes <= n; i += V::lanes)
            stream(of.to + i, result(of, i, Whole{}, seam));
        if (i == n)
            return;
        const Tail part{n - i};
        const V v = result(of, i, part, seam);
        if (seam)
            seam->hold(of.to + i, v, part.count);
        else
            store(of.to + i, v, part);
    }

    Beside<Function, Lies> beside_;
    std::size_t n_, head_ = 0, whole_ = 0;
    std::size_t lag_ = Wide::lanes;
    bool streams_ = false;
    const Beside<Function, Lies> *given_;
    Seam<C> *seam_; // or null
    // Those that are asked for; without any, the row that is looked at once more: a branch costs
    // more.
    typename Lies::In results_;
    std::size_t replaced_ = 1; // where a Wide with an element of other value is; 1: nowhere
    Extremes<wanted, V> extremes_;
};

// Nothing goes along.
struct Alone {
    INLINE void step(std::size_t) {}
    INLINE void finish() {}
};

} // namespace
} // namespace softlane::SOFTLANE_ISA
