// Gradients as rows/backward.hpp has them, of rows that lie side by side: one in each lane, with
// the bits of single rows.
#pragma once
#include "rows/backward.hpp"
#include "rows/panel_sums.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

template <class Op, class C> class BackwardPanels {
    using V = Vec<C, sum_lanes<C>>;
    using W = Vec<C, panel_bytes / sizeof(C)>;
    using Term = typename Op::template Term<C>;
    static constexpr std::size_t lanes = sum_lanes<C>; // that a row is added up in

public:
    INLINE explicit BackwardPanels(const Rows &rows)
        : y_{static_cast<const C *>(rows.x), rows.x_stride_bytes},
          grad_{static_cast<const C *>(rows.other), rows.other_stride_bytes},
          dx_{static_cast<C *>(rows.y), rows.y_stride_bytes},
          scratch_(static_cast<C *>(rows.scratch)), n_(rows.length), count_(rows.count),
          t_(*rows.temperature), far_(rows.distant), term_(t_) {}

    INLINE void run() const {
        std::size_t first = 0;
        if (far_ && scratch_)
            for (; first + W::lanes <= count_; first += W::lanes)
                far(static_cast<std::ptrdiff_t>(first));
        for (; first < count_; first += V::lanes) {
            const auto column = static_cast<std::ptrdiff_t>(first);
            const Side<const C> y = y_.right(column), grad = grad_.right(column);
            const std::size_t left = count_ - first;
            if (left < V::lanes)
                panel(y, grad, dx_.right(column), Tail{left});
            else
                whole(y, grad, dx_.right(column));
        }
    }

private:
    // What the rows' virtual lanes add up to.
    struct Sums {
        alignas(64) WideSum<C> of[lanes];
        // total() of the lanes j, j + step ...; those without an element are 0.
        template <int j, int step> INLINE Reals<V> folded(std::size_t n) const {
            if constexpr (step == lanes) {
                if constexpr (sizeof(C) == 4)
                    return of[j].high;
                else
                    return two_sums(of[j].high, of[j].low);
            } else {
                const auto sum = folded<j, 2 * step>(n);
                return n > j + step ? added(sum, folded<j + step, 2 * step>(n)) : sum;
            }
        }
        template <int j, int step> INLINE Wide<C> plain(std::size_t n) const { // of `high` alone
            if constexpr (step == lanes) {
                return of[j].high;
            } else {
                const auto sum = plain<j, 2 * step>(n);
                return n > j + step ? add(sum, plain<j + step, 2 * step>(n)) : sum;
            }
        }
        INLINE Reals<V> total(std::size_t n) const {
            const Reals<V> sum = folded<0, 1>(n);
            if constexpr (sizeof(C) == 4)
                return sum;
            else // infinities leave no valid low part
                return finite_pairs(sum, plain<0, 1>(n));
        }
    };

    // Rows from memory, by way of scratch: their elements may lie at the same place in each cache.
    INLINE void far(std::ptrdiff_t column) const {
        const Side<const C> y = y_.right(column), grad = grad_.right(column);
        const Side<C> dx = dx_.right(column);
        const auto bytes = static_cast<std::ptrdiff_t>(sizeof(W));
        const Side<C> here{scratch_, bytes}, there{scratch_ + n_ * W::lanes, bytes};
        for (std::size_t i = 0; i < n_; ++i) {
            ask_y_.template ask<false>(y, i);
            ask_grad_.template ask<false>(grad, i);
            store(here.at(i), load<W>(y.at(i)));
            store(there.at(i), load<W>(grad.at(i)));
        }
        for (int k = 0; k < W::lanes; k += V::lanes)
            whole({here.data + k, bytes}, {there.data + k, bytes}, {here.data + k, bytes});
        for (std::size_t i = 0; i < n_; ++i) {
            ask_dx_.template ask<true>(dx, i);
            store(dx.at(i), load<W>(here.at(i)));
        }
    }

    // Of doubles, which take long, by the same code as fewer.
    INLINE void whole(Side<const C> y, Side<const C> grad, Side<C> dx) const {
        if constexpr (sizeof(C) == 4)
            panel(y, grad, dx, Whole{});
        else
            panel(y, grad, dx, Tail{V::lanes});
    }

    template <class Part>
    __attribute__((noinline)) void panel(Side<const C> y, Side<const C> grad, Side<C> dx,
                                         Part part) const {
        // Lanes without a row are as ordinary as any.
        Sums sums;
        V least = broadcast<V>(infinity<C>);
        for (std::size_t j = 0; j < lanes && j < n_; ++j) {
            WideSum<C> sum;
            for (std::size_t i = j; i < n_; i += lanes) {
                Op::add(sum, y.at(i), grad.at(i), part, C(1));
                if constexpr (sizeof(C) == 4)
                    least = min(load<V>(y.at(i), part, C(1)), least);
            }
            sums.of[j] = sum;
        }
        const auto function = [&] {
            if constexpr (sizeof(C) == 4)
                return FloatRows<Term>(term_, sums.total(n_), least, t_);
            else
                return typename Op::DoubleRows(term_, sums.total(n_));
        }();
        const V nan = broadcast<V>(not_a_number<C>);
        for (std::size_t i = 0; i < n_; ++i) {
            const V v = function(load<V>(y.at(i), part, C(1)), load<V>(grad.at(i), part, C(1)));
            store(dx.at(i), choose(v, v, v, nan), part);
        }
    }

    Side<const C> y_, grad_;
    Side<C> dx_;
    C *scratch_; // of two panels, or null
    std::size_t n_, count_;
    double t_;
    bool far_;
    Term term_;
    AskingAhead<sizeof(W)> ask_y_{n_, y_.stride_bytes}, ask_grad_{n_, grad_.stride_bytes},
        ask_dx_{n_, dx_.stride_bytes};
};

template <class Op, class C> bool each_backward_panel(const Rows &rows) noexcept {
    BackwardPanels<Op, C>(rows).run();
    return true;
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
