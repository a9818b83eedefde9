// What panels (rows/panel.hpp) are made of: where an element of all rows lies, and the rows' sums.
#pragma once
#include "core/kernels.hpp"
#include "rows/log.hpp"
#include "rows/pairs.hpp"
#include "rows/write.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// The rows of one panel: as many as the exponential works on at a time.
template <class C> constexpr int panel_lanes = exp_unroll * sum_lanes<C>;

// Where the elements of a panel's first row are; those of the others follow.
template <class E> struct Side {
    E *data = nullptr;
    std::ptrdiff_t stride_bytes = 0;

    INLINE E *at(std::size_t i) const {
        const char *base = reinterpret_cast<const char *>(data);
        return const_cast<E *>(
            reinterpret_cast<const E *>(base + static_cast<std::ptrdiff_t>(i) * stride_bytes));
    }
    INLINE Side right(std::ptrdiff_t lanes) const {
        return {data ? data + lanes : nullptr, stride_bytes};
    }
    INLINE Side down(std::size_t elements) const { return {at(elements), stride_bytes}; }
};

// Asks for lines of an array some elements ahead, from where on a panel of `bytes` for each element
// is read or written; after its last one follows the next panel's first.
template <std::size_t bytes> class AskingAhead {
public:
    INLINE AskingAhead(std::size_t n, std::ptrdiff_t stride_bytes)
        : n_(n), ahead_(most % n), straight_(static_cast<std::ptrdiff_t>(most / n * bytes)),
          turned_(straight_ + static_cast<std::ptrdiff_t>(bytes) -
                  static_cast<std::ptrdiff_t>(n) * stride_bytes) {}
    // The line that two panels share is asked for with the former.
    template <bool writes, class E> INLINE void ask(const Side<E> &side, std::size_t i) const {
        const std::size_t later = i + ahead_;
        const char *from =
            reinterpret_cast<const char *>(side.at(later)) + (later < n_ ? straight_ : turned_);
#pragma GCC unroll 4
        for (std::size_t line = 63; line < 63 + bytes; line += 64)
            __builtin_prefetch(from + line, writes, 3);
    }

private:
    static constexpr std::size_t most = 16; // elements
    std::size_t n_, ahead_;
    std::ptrdiff_t straight_, turned_;
};

// `part`: Whole, or a Tail where fewer rows than lanes are left.
template <class V_, class Part_> struct Panel {
    using V = V_;
    using Part = Part_;
    using C = typename V::Scalar;
    Side<const C> x; // where the elements are read: the argument, or a copy apart
    Side<C> kept;    // where exponentials are kept: the result or that copy
    std::size_t n;
    Part part;
    Scaling<C> scaling;
};

// Where rows lie whose scalars are in lanes: `count` of a batch, from `first` on.
template <class C> struct Place {
    const Rows &batch;
    std::size_t first;
    int count;
    const char *x_data;
    char *y_data; // or null
    std::ptrdiff_t x_row_bytes, y_row_bytes, x_element_bytes, y_element_bytes;

    INLINE std::ptrdiff_t index(int r) const { // of results, labels
        return (static_cast<std::ptrdiff_t>(first) + r) * batch.row_stride;
    }
    INLINE const C *x(int r, std::ptrdiff_t i) const {
        return reinterpret_cast<const C *>(x_data + r * x_row_bytes + i * x_element_bytes);
    }
    INLINE C *y(int r, std::ptrdiff_t i) const {
        return reinterpret_cast<C *>(y_data + r * y_row_bytes + i * y_element_bytes);
    }
};

constexpr bool is_whole(Whole) { return true; }
constexpr bool is_whole(Tail) { return false; }

// What the rows' virtual lanes add up to, as Sum has it: of elements j, j + L, j + 2 L ...
template <class V> struct LaneSums {
    using C = typename V::Scalar;
    using N = Vec<C, native_lanes<C>>; // the total is made of so many rows at a time
    static constexpr std::size_t lanes = sum_lanes<C>;
    static constexpr bool is_float = sizeof(C) == 4;
    std::size_t n;
    bool flushed = false;                // the total is in `blocks`
    Side<const C> term;                  // of the lanes that have one element; it is its own sum
    Side<const C> kept;                  // the exponentials, if they are
    alignas(64) C high[lanes][V::lanes]; // of the others
    alignas(64) C low[lanes][V::lanes];
    alignas(64) double blocks[is_float ? lanes : 1][V::lanes];

    INLINE explicit LaneSums(std::size_t length, Side<const C> kept = {}) : n(length), kept(kept) {
        term = {high[0], static_cast<std::ptrdiff_t>(sizeof high[0])};
    }
    INLINE C exponential(int r, std::int64_t i) const {
        return kept.at(static_cast<std::size_t>(i))[r];
    }
    INLINE void flush() {
        using D = Vec<double, native_lanes<double>>;
        for (std::size_t j = 0; j < lanes; ++j)
            for (int k = 0; k < V::lanes; k += D::lanes) {
                const D sum = add(load_doubles<D>(high[j] + k), load_doubles<D>(low[j] + k));
                store(blocks[j] + k, flushed ? add(load<D>(blocks[j] + k), sum) : sum);
            }
        flushed = true;
    }
    INLINE Reals<N> total(int k) const { // of the rows from k on
        if constexpr (is_float && V::lanes > sum_lanes<C>)
            return {folded<0, 1>(k), folded<0, 1>(k + D::lanes)};
        else
            return total_apart(k);
    }

private:
    // One register: of a struct of more, compilers keep copies in memory.
    using D = Vec<double, native_lanes<double>>;

    // Of few rows, or of pairs: once in the program.
    __attribute__((noinline)) Reals<N> total_apart(int k) const {
        if constexpr (is_float)
            return {folded<0, 1>(k), folded<0, 1>(k + D::lanes)};
        else
            return folded<0, 1>(k);
    }

    INLINE auto of(std::size_t j, int k) const {
        if constexpr (is_float) {
            if (flushed)
                return load<D>(blocks[j] + k);
            const D sum = load_doubles<D>(term_or_high(j) + k);
            return n <= j + lanes ? sum : add(sum, load_doubles<D>(low[j] + k));
        } else {
            if (n <= j + lanes)
                return Pairs<D>{load<D>(term.at(j) + k), broadcast<D>(0)};
            return two_sums(load<D>(high[j] + k), load<D>(low[j] + k));
        }
    }
    INLINE const C *term_or_high(std::size_t j) const {
        return n <= j + lanes ? term.at(j) : high[j];
    }
    // fold() of the lanes j, j + step, j + 2 step ...; those without an element are 0.
    template <int j, int step> INLINE auto folded(int k) const {
        if constexpr (step == lanes) {
            return of(j, k);
        } else {
            auto sum = folded<j, 2 * step>(k);
            if (n > j + step)
                sum = added(sum, folded<j + step, 2 * step>(k));
            return sum;
        }
    }
};

// high += e, and what rounding took off to low: CompensatedLanes. Register by register: compilers
// keep a copy of a larger struct in memory that is assigned as a whole.
template <class T, int N>
INLINE void add_compensated(Vec<T, N> &high, Vec<T, N> &low, const Vec<T, N> &e) {
    if constexpr (N == native_lanes<T>) {
        const Vec<T, N> sum = add(high, e);
        low = add(low, sub(e, sub(sum, high)));
        high = sum;
    } else {
        add_compensated(high.low, low.low, e.low);
        add_compensated(high.high, low.high, e.high);
    }
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
