// Gradients as rows/backward.hpp has them, of float rows that lie side by side: one in each lane,
// with the bits of single rows.
#pragma once
#include "rows/backward.hpp"
#include "rows/panel_sums.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

template <class Op> class BackwardPanels {
    using V = Vec<float, sum_lanes<float>>;
    using D = Wide<float>;
    using W = Vec<float, panel_bytes / sizeof(float)>;
    using Term = typename Op::Term;
    static constexpr std::size_t lanes = sum_lanes<float>; // that a row is added up in

public:
    INLINE explicit BackwardPanels(const Rows &rows)
        : y_{static_cast<const float *>(rows.x), rows.x_stride_bytes},
          grad_{static_cast<const float *>(rows.other), rows.other_stride_bytes},
          dx_{static_cast<float *>(rows.y), rows.y_stride_bytes},
          scratch_(static_cast<float *>(rows.scratch)), n_(rows.length), count_(rows.count),
          t_(*rows.temperature), far_(rows.distant), term_(t_) {}

    INLINE void run() const {
        std::size_t first = 0;
        if (far_ && scratch_)
            for (; first + W::lanes <= count_; first += W::lanes)
                far(static_cast<std::ptrdiff_t>(first));
        sweep<V>(first, count_, [&](std::size_t i, auto part) INLINE_LAMBDA {
            const auto column = static_cast<std::ptrdiff_t>(i);
            panel(y_.right(column), grad_.right(column), dx_.right(column), part);
        });
    }

private:
    // What the rows' virtual lanes add up to.
    struct Sums {
        alignas(64) double of[lanes][V::lanes];
        // fold() of the lanes j, j + step ...; those without an element are 0.
        template <int j, int step> INLINE D folded(std::size_t n) const {
            if constexpr (step == lanes) {
                return load<D>(of[j]);
            } else {
                const D sum = folded<j, 2 * step>(n);
                return n > j + step ? add(sum, folded<j + step, 2 * step>(n)) : sum;
            }
        }
    };

    // Rows from memory, by way of scratch: their elements may lie at the same place in each cache.
    INLINE void far(std::ptrdiff_t column) const {
        const Side<const float> y = y_.right(column), grad = grad_.right(column);
        const Side<float> dx = dx_.right(column);
        const auto bytes = static_cast<std::ptrdiff_t>(sizeof(W));
        const Side<float> here{scratch_, bytes}, there{scratch_ + n_ * W::lanes, bytes};
        for (std::size_t i = 0; i < n_; ++i) {
            ask_y_.template ask<false>(y, i);
            ask_grad_.template ask<false>(grad, i);
            store(here.at(i), load<W>(y.at(i)));
            store(there.at(i), load<W>(grad.at(i)));
        }
        for (int k = 0; k < W::lanes; k += V::lanes)
            panel({here.data + k, bytes}, {there.data + k, bytes}, {here.data + k, bytes}, Whole{});
        for (std::size_t i = 0; i < n_; ++i) {
            ask_dx_.template ask<true>(dx, i);
            store(dx.at(i), load<W>(here.at(i)));
        }
    }

    template <class Part>
    __attribute__((noinline)) void panel(Side<const float> y, Side<const float> grad,
                                         Side<float> dx, Part part) const {
        // Lanes without a row are gentle.
        Sums sums;
        V least = broadcast<V>(infinity<float>);
        for (std::size_t j = 0; j < lanes && j < n_; ++j) {
            D sum = broadcast<D>(0.0);
            for (std::size_t i = j; i < n_; i += lanes) {
                const V p = load<V>(y.at(i), part, 1);
                sum = Term::added(sum, widen(p), load_wide<D>(grad.at(i), part, 1.0f));
                least = min(p, least);
            }
            store(sums.of[j], sum);
        }
        const D sum = sums.template folded<0, 1>(n_), factor = Term::factors(sum);
        const D zero = broadcast<D>(0.0);
        const auto size = [&](D v) INLINE_LAMBDA { return max(v, sub(zero, v)); };
        // is_gentle() of each row, and is_at_least()
        const D any = broadcast<D>(is_gentle(1, t_) ? 1.0 : 0.0);
        D gentle = choose(broadcast<D>(least_gentle_sum), size(sum), any, zero);
        gentle = choose(size(sum), broadcast<D>(largest_gentle_sum), gentle, zero);
        const V none = broadcast<V>(0.0f), nan = broadcast<V>(not_a_number<float>);
        const V usual = choose(broadcast<V>(Term::least), least, narrow(gentle), none);
        // Limbs
        const V hi = narrow(factor);
        const D rest = sub(factor, widen(hi)), bound = times(size(factor), Limbs::least);
        const V lo = narrow(choose(bound, size(rest), rest, zero));
        const bool all = reduce_max(sub(broadcast<V>(1.0f), usual)) == 0;
        for (std::size_t i = 0; i < n_; ++i) {
            const V p = load<V>(y.at(i), part, 1);
            V v = term_.gentle(p, load<V>(grad.at(i), part, 1), hi, lo);
            if (!all) {
                const D g = load_wide<D>(grad.at(i), part, 1.0f);
                v = choose(usual, none, narrow(term_.general(p, g, factor)), v);
            }
            store(dx.at(i), choose(v, v, v, nan), part);
        }
    }

    Side<const float> y_, grad_;
    Side<float> dx_;
    float *scratch_; // of two panels, or null
    std::size_t n_, count_;
    double t_;
    bool far_;
    Term term_;
    AskingAhead<sizeof(W)> ask_y_{n_, y_.stride_bytes}, ask_grad_{n_, grad_.stride_bytes},
        ask_dx_{n_, dx_.stride_bytes};
};

template <class Op> bool each_backward_panel(const Rows &rows) noexcept {
    BackwardPanels<Op>(rows).run();
    return true;
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
