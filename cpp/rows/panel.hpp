// Panels: rows that lie side by side, one in each lane of a vector, element i of all of them in one
// run of memory. No sum crosses the lanes; every bit is that of the row engine, whose order of
// additions the lanes keep: element i of a row counts as in its lane i mod L there.
#pragma once
#include "core/kernels.hpp"
#include "rows/log.hpp"
#include "rows/write.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// The rows of one panel: as many as the exponential works on at a time.
template <class C> constexpr int panel_lanes = exp_unroll * sum_lanes<C>;

// Where the elements of a panel's first row are.
template <class E> struct Side {
    E *data;
    std::ptrdiff_t stride_bytes;

    INLINE E *at(std::size_t i) const {
        const char *base = reinterpret_cast<const char *>(data);
        return const_cast<E *>(
            reinterpret_cast<const E *>(base + static_cast<std::ptrdiff_t>(i) * stride_bytes));
    }
    INLINE Side right(std::ptrdiff_t lanes) const { return {data + lanes, stride_bytes}; }
};

// `part`: Whole, or a Tail where fewer rows than lanes are left.
template <class V_, class Part_> struct Panel {
    using V = V_;
    using Part = Part_;
    using C = typename V::Scalar;
    Side<const C> x;
    Side<C> kept; // where exponentials are kept: the result itself, or apart. Then x is brought
                  // there first, and no memory of x is read once the result's is written
    Side<C> y;
    std::size_t n;
    Part part;
    bool apart, stream;
    Scaling<C> scaling;
};

// ---- doubles in the lanes

template <class V> using Doubles = Vec<double, V::lanes>;
template <class V> INLINE Doubles<V> to_doubles(V v) {
    if constexpr (sizeof(typename V::Scalar) == 4)
        return widen(v);
    else
        return v;
}
template <class V> INLINE V from_doubles(Doubles<V> v) {
    if constexpr (sizeof(typename V::Scalar) == 4)
        return narrow(v);
    else
        return v;
}
// v op s, in scalars' order of operations
template <class V> INLINE V plus(V v, double s) { return add(v, broadcast<V>(s)); }
template <class V> INLINE V minus(V v, double s) { return sub(v, broadcast<V>(s)); }
template <class V> INLINE V times(V v, double s) { return mul(v, broadcast<V>(s)); }
template <class V> INLINE V nearest_integers(V v) { return minus(plus(v, 0x1.8p52), 0x1.8p52); }

// Unevaluated sums, one in each lane, with the operations of DoubleDouble.
template <class V> struct Pairs {
    V high, low;
};
template <class V> INLINE Pairs<V> two_sums(V a, V b) {
    const V s = add(a, b), bb = sub(s, a);
    return {s, add(sub(a, sub(s, bb)), sub(b, bb))};
}
template <class V> INLINE Pairs<V> added(Pairs<V> a, Pairs<V> b) {
    const Pairs<V> s = two_sums(a.high, b.high);
    const V l = add(s.low, add(a.low, b.low)), h = add(s.high, l);
    return {h, sub(l, sub(h, s.high))};
}
template <class V> INLINE V added(V a, V b) { return add(a, b); }

// Real<C>, in the lanes of a vector.
template <class V> struct RealsOf {
    using Type = Doubles<V>;
};
template <int N> struct RealsOf<Vec<double, N>> {
    using Type = Pairs<Vec<double, N>>;
};
template <class V> using Reals = typename RealsOf<V>::Type;
template <int N> INLINE Vec<double, N> highs(Vec<double, N> v) { return v; }
template <class V> INLINE V highs(Pairs<V> v) { return v.high; }

template <int N> INLINE Vec<double, N> reciprocals(Vec<double, N> v) {
    return div(broadcast<Vec<double, N>>(1), v);
}
// of pairs within 2^-900 ... 2^900
template <class V> INLINE Pairs<V> reciprocals(Pairs<V> a) {
    const V one = broadcast<V>(1), r = div(one, a.high), p = mul(r, a.high);
    const V rest = sub(sub(sub(one, p), product_rest(r, a.high)), mul(r, a.low));
    return {r, mul(rest, r)};
}

template <class V> INLINE Doubles<V> joined(Doubles<decltype(V::low)> a,
                                            Doubles<decltype(V::low)> b) {
    return {a, b};
}
template <class V> INLINE Pairs<V> joined(Pairs<decltype(V::low)> a, Pairs<decltype(V::low)> b) {
    return {{a.high, b.high}, {a.low, b.low}};
}

// ---- sums

constexpr bool is_whole(Whole) { return true; }
constexpr bool is_whole(Tail) { return false; }
INLINE Whole shifted(Whole, std::size_t) { return {}; }
INLINE Tail shifted(Tail part, std::size_t by) {
    return {part.count > by ? part.count - by : std::size_t(0)};
}

// What CompensatedLanes makes of elements j, j + L ...
template <class V, class Part>
INLINE Reals<V> lane_sum(const Side<typename V::Scalar> &e, std::size_t n, std::size_t j,
                         Part part) {
    using C = typename V::Scalar;
    using D = Doubles<V>;
    constexpr std::size_t lanes = sum_lanes<C>;
    const V zero = broadcast<V>(C(0));
    if (n - j <= lanes) { // one term is its own sum
        const D only = to_doubles(load<V>(e.at(j), part, C(0)));
        if constexpr (sizeof(C) == 4)
            return only;
        else
            return {only, zero};
    }
    const V start = broadcast<V>(static_cast<C>(power_of_two(ExpKernel<C>::bias + 1)));
    V high = start, low = zero;
    const auto step = [&](std::size_t i) INLINE_LAMBDA {
        const V v = load<V>(e.at(i), part, C(0)), sum = add(high, v);
        low = add(low, sub(v, sub(sum, high)));
        high = sum;
    };
    if constexpr (sizeof(C) == 4) {
        constexpr std::size_t block = Sum<C>::block;
        D flushed = broadcast<D>(0);
        for (std::size_t i = j, end = block;; end += block) {
            const std::size_t last = n < end ? n : end;
            for (; i < last; i += lanes)
                step(i);
            flushed = add(flushed, add(widen(sub(high, start)), widen(low)));
            if (i >= n)
                return flushed;
            high = start;
            low = zero;
        }
    } else {
        for (std::size_t i = j; i < n; i += lanes)
            step(i);
        return two_sums(sub(high, start), low);
    }
}

// fold() of the lanes j, j + step, j + 2 step ...; those without an element are 0.
template <class V, int j, int step, class Part>
INLINE Reals<V> folded_sums(const Side<typename V::Scalar> &e, std::size_t n, Part part) {
    if constexpr (step == sum_lanes<typename V::Scalar>) {
        return lane_sum<V>(e, n, j, part);
    } else {
        const Reals<V> first = folded_sums<V, j, 2 * step>(e, n, part);
        if (n <= j + step)
            return first;
        return added(first, folded_sums<V, j + step, 2 * step>(e, n, part));
    }
}

// The sums of the exponentials of all rows.
template <class V, class Part>
INLINE Reals<V> sums(const Side<typename V::Scalar> &e, std::size_t n, Part part) {
    if constexpr (V::lanes == native_lanes<typename V::Scalar>) {
        return folded_sums<V, 0, 1>(e, n, part);
    } else {
        using Half = decltype(V::low);
        return joined<V>(sums<Half>(e, n, shifted(part, 0)),
                         sums<Half>(e.right(Half::lanes), n, shifted(part, Half::lanes)));
    }
}

// ---- the rows' range and exponentials

template <int wanted, class P> INLINE Extremes<wanted, typename P::V> ranges(const P &panel) {
    using V = typename P::V;
    Extremes<wanted, V> extremes;
    for (std::size_t i = 0; i < panel.n; ++i) {
        const V v = load<V>(panel.x.at(i), panel.part, 0);
        extremes.add(v, v);
        if (panel.apart)
            store(panel.kept.at(i), v, panel.part);
    }
    return extremes;
}

// Of the rows: sum = total of exp(x / T) * 2^(bias - shift), as Stats has it of one.
template <class V> struct PanelStats {
    Reals<V> sum;
    V irregular; // 0, or 1 where the edge rules of the op decide
    bool all_regular;
};

template <Argument argument, class P>
INLINE PanelStats<typename P::V> exponentials(const P &panel, typename P::V row_top) {
    using C = typename P::C;
    using V = typename P::V;
    using D = Doubles<V>;
    const double t = panel.scaling.temperature;
    D top = to_doubles(row_top), origin = broadcast<D>(0);
    if constexpr (argument == Argument::far) {
        const D size = max(top, sub(origin, top));
        origin = choose(size, broadcast<D>(exp_limit * t), origin, top);
        top = sub(top, origin);
    }
    D shift = times(top, log2_e);
    if constexpr (argument == Argument::far)
        shift = div(shift, broadcast<D>(t));
    shift = nearest_integers(shift);
    using E = Exp<C, argument, false, V>;
    const D steps = times(minus(shift, ExpKernel<C>::bias), exp_table_size);
    const D lowest = times(minus(shift, ExpKernel<C>::clamp_bits), ln_2);
    const E exp(panel.scaling, from_doubles<V>(origin),
                from_doubles<V>(sub(broadcast<D>(E::round), steps)),
                from_doubles<V>(argument == Argument::far ? times(lowest, t) : lowest), row_top);
    const Side<const C> from = panel.apart ? Side<const C>{panel.kept.data, panel.kept.stride_bytes}
                                           : panel.x;
    for (std::size_t i = 0; i < panel.n; ++i)
        store(panel.kept.at(i), exp(load<V>(from.at(i), panel.part, 0)), panel.part);
    PanelStats<V> stats;
    stats.sum = sums<V>(panel.kept, panel.n, panel.part);
    const D sum = highs(stats.sum), one = broadcast<D>(1);
    const double unit = power_of_two(ExpKernel<C>::bias);
    const D small = zero_where_at_most(one, broadcast<D>(0.5 * unit), sum);
    const D large =
        zero_where_at_most(one, sum, broadcast<D>(2.0 * unit * static_cast<double>(panel.n)));
    stats.irregular = from_doubles<V>(max(small, large));
    stats.all_regular = reduce_max(stats.irregular) == 0;
    return stats;
}

// y[i] = function(kept[i])
template <class P, class Function> INLINE void write_panel(const P &panel, Function function) {
    using V = typename P::V;
    const auto run = [&](auto put) INLINE_LAMBDA {
        for (std::size_t i = 0; i < panel.n; ++i)
            put(panel.y.at(i), function(load<V>(panel.kept.at(i), panel.part, 0)));
    };
    if constexpr (is_whole(typename P::Part()))
        if (panel.stream)
            return run([](auto *y, V v) INLINE_LAMBDA { stream(y, v); });
    run([&](auto *y, V v) INLINE_LAMBDA { store(y, v, panel.part); });
}

// ---- softmax

struct SoftmaxPanel {
    template <class P> static INLINE void run(const P &panel) {
        using C = typename P::C;
        using V = typename P::V;
        const Extremes<wants_min, V> range = ranges<wants_min>(panel);
        const V zero = broadcast<V>(C(0));
        const double t = panel.scaling.temperature;
        // (max - min) / T of all rows
        const double spread =
            static_cast<double>(reduce_max(max(sub(range.max, range.min), zero))) / t;
        const int binades =
            (sizeof(C) == 4 ? 70 : 800) - binade(static_cast<double>(panel.n)) - 1;
        const bool shallow = spread * log2_e <= binades;
        const double size = static_cast<double>(reduce_max(max(range.max, sub(zero, range.max))));
        if (t == 1 && size <= exp_limit)
            write(panel, exponentials<Argument::plain>(panel, range.max), shallow);
        else
            write(panel, exponentials<Argument::far>(panel, range.max), shallow);
    }

private:
    template <class P>
    static INLINE void write(const P &panel, const PanelStats<typename P::V> &stats,
                             bool shallow) {
        using C = typename P::C;
        using V = typename P::V;
        const auto factor = reciprocals(stats.sum);
        if (shallow && stats.all_regular) {
            const Limbs<V> by(factor, 0);
            write_panel(panel, [&](V e) INLINE_LAMBDA { return scaled(e, by.hi, by.lo); });
        } else {
            const Limbs<V> by(factor, lift_bits<C>);
            const V zero = broadcast<V>(C(0)), nan = broadcast<V>(not_a_number<C>);
            write_panel(panel, [&](V e) INLINE_LAMBDA {
                return choose(stats.irregular, zero, lowered(scaled(e, by.hi, by.lo)), nan);
            });
        }
    }
    // As Factor has them.
    template <class V> struct Limbs {
        V hi, lo;
        INLINE Limbs(Doubles<V> factor, int exponent) {
            const auto h = times(factor, power_of_two(exponent));
            hi = from_doubles<V>(h);
            lo = from_doubles<V>(sub(h, to_doubles(hi)));
        }
        INLINE Limbs(Pairs<V> factor, int exponent)
            : hi(times(factor.high, power_of_two(exponent))),
              lo(times(factor.low, power_of_two(exponent))) {}
    };
};

// One op over rows that lie side by side.
template <class Op, class C> bool each_panel(const Rows &rows) noexcept {
    const double t = *rows.temperature;
    if (!is_moderate<C>(t))
        return false;
    using Wide = Vec<C, panel_lanes<C>>;
    using Narrow = Vec<C, sum_lanes<C>>;
    const auto scaling = scaling_for(t, C());
    const C *x = static_cast<const C *>(rows.x);
    C *y = static_cast<C *>(rows.y), *scratch = static_cast<C *>(rows.scratch);
    const auto panel = [&](auto zero, std::size_t at, auto part) INLINE_LAMBDA {
        using V = decltype(zero);
        const Side<C> result{y + at, rows.y_stride_bytes};
        const Side<C> kept{scratch, static_cast<std::ptrdiff_t>(V::lanes * sizeof(C))};
        const bool streams =
            rows.stream && (reinterpret_cast<std::uintptr_t>(y + at) |
                            static_cast<std::uintptr_t>(rows.y_stride_bytes)) % 64 == 0;
        Op::run(Panel<V, decltype(part)>{{x + at, rows.x_stride_bytes},
                                         scratch ? kept : result,
                                         result,
                                         rows.length,
                                         part,
                                         scratch != nullptr,
                                         streams,
                                         scaling});
    };
    const std::size_t whole = rows.count - rows.count % Wide::lanes;
    for (std::size_t i = 0; i < whole; i += Wide::lanes)
        panel(Wide{}, i, Whole{});
    for (std::size_t i = whole; i < rows.count; i += Narrow::lanes) {
        const std::size_t left = rows.count - i;
        panel(Narrow{}, i, Tail{left < Narrow::lanes ? left : Narrow::lanes});
    }
    if (rows.stream)
        stream_fence();
    return true;
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
