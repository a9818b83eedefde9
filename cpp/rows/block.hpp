// The only loop over the elements of a row. Included by rows/ alone.
#pragma once
#include "simd/vec.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

struct Whole {}; // all lanes of a vector
struct Tail {    // the first `count` lanes, at least one
    std::size_t count;
};

template <class V, class E> INLINE V load(const E *p, Whole, typename V::Scalar) {
    return load<V>(p);
}
template <class V, class E> INLINE V load(const E *p, Tail tail, typename V::Scalar fill) {
    return load_part<V>(p, tail.count, fill);
}
template <class E, class V> INLINE void store(E *p, V v, Whole) { store(p, v); }
template <class E, class V> INLINE void store(E *p, V v, Tail tail) {
    store_part(p, v, tail.count);
}

// Lanes that hold no element become 0.
template <class V> INLINE V present(V v, Whole) { return v; }
template <class V> INLINE V present(V v, Tail tail) {
    using T = typename V::Scalar;
    static constexpr struct Ones {
        T lane[V::lanes] = {};
        constexpr Ones() {
            for (T &one : lane)
                one = 1;
        }
    } ones;
    return mul(v, load_part<V>(ones.lane, tail.count, T(0)));
}

// The elements before the first whole cache line; 0 where elements lie across two.
template <class E> INLINE std::size_t head_of(const E *p, std::size_t n) {
    const std::size_t misaligned = reinterpret_cast<std::uintptr_t>(p) % 64;
    const std::size_t head = (64 - misaligned) / sizeof(E);
    return misaligned == 0 || misaligned % sizeof(E) != 0 ? 0 : head < n ? head : n;
}

// What is read this far from here is asked for now: the processor's own prefetching ends at each
// page, and 2 kB are passed sooner than memory answers. It comes to the second level, from there to
// the first, which 8 kB of every array would fill. Lines of results that do not go past the caches
// come to the first at once.
constexpr std::size_t far_bytes = 8192, near_bytes = 4096;
constexpr std::size_t longest_cached = 1 << 19; // elements of a row that stays in a cache, at most
template <class E> INLINE void prefetch(const E *p) {
    __builtin_prefetch(reinterpret_cast<const char *>(p) + far_bytes, 0, 2);
}
template <class E> INLINE void prefetch_near(const E *p) {
    __builtin_prefetch(reinterpret_cast<const char *>(p) + near_bytes, 0, 3);
}
template <class E> INLINE void prefetch_results(const E *p) {
    __builtin_prefetch(reinterpret_cast<const char *>(p) + near_bytes, 1, 3);
}

// body(i, Whole) for each whole vector of the elements [begin, end), then body(i, Tail) for what is
// left.
template <class V, class Body> INLINE void sweep(std::size_t begin, std::size_t end, Body body) {
    std::size_t i = begin;
    for (; i + V::lanes <= end; i += V::lanes)
        body(i, Whole{});
    if (i < end)
        body(i, Tail{end - i});
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
