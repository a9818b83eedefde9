// Logarithms of rows whose scalars lie in lanes: excess() of rows/engine.hpp, and the functions of
// rows/log.hpp that it takes, operation by operation.
#pragma once
#include "rows/engine.hpp"
#include "rows/panel.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// The scalars of a register's rows, whatever PanelScalars they belong to: functions of which the
// program needs only one take them.
template <class C> struct LogLanes {
    const C *max, *second, *top, *origin, *shift, *top_exponential;
    const double *sum_high, *sum_low;
    double *odds, *odds_low, *excess, *excess_low;
    C *log;
};
template <class C, int lanes> INLINE LogLanes<C> lanes_of(PanelScalars<C, lanes> &rows, int k) {
    const int low = sizeof(C) == 8 ? k : 0; // float rows have none
    return {rows.max + k,   rows.second + k,          rows.top + k,      rows.origin + k,
            rows.shift + k, rows.top_exponential + k, rows.sum_high + k, rows.sum_low + k,
            rows.odds + k,  rows.odds_low + low,      rows.excess + k,   rows.excess_low + low,
            rows.log + k};
}
// What is known of all rows at last.
template <class C> struct LoggedLanes {
    const C *max, *top, *target;
    const std::int64_t *label;
    const double *sum_high, *excess, *excess_low;
};
template <class C, int lanes>
INLINE LoggedLanes<C> logged_lanes(const PanelScalars<C, lanes> &rows, int k) {
    return {rows.max + k,
            rows.top + k,
            rows.target + k,
            rows.label + k,
            rows.sum_high + k,
            rows.excess + k,
            rows.excess_low + (sizeof(C) == 8 ? k : 0)};
}

// Excess::lift of row r; 0 of float rows.
template <class Scalars> INLINE int lift_of(const Scalars &rows, int r) {
    const double gap = static_cast<double>(rows.max[r]) - static_cast<double>(rows.top[r]);
    return sizeof rows.max[r] == 8 && gap > 400 && gap <= 800 ? 800 : 0;
}
template <class C, class Scalars> INLINE Excess<C> excess_of(const Scalars &rows, int r) {
    Excess<C> excess;
    excess.lift = lift_of(rows, r);
    if constexpr (sizeof(C) == 4)
        excess.log = rows.excess[r];
    else
        excess.log = {rows.excess[r], rows.excess_low[r]};
    return excess;
}

template <class Scalars> INLINE bool is_tiny(const Scalars &rows, int r) {
    return lift_of(rows, r) != 0 ||
           rows.excess[r] < (sizeof rows.max[r] == 4 ? 0x1p-100 : 0x1p-900);
}

// What logarithms find in the bits of numbers from 1 on, in loops that compilers vectorise: 2^-k,
// k, and in its low bits the place in the table.
template <class W> struct LogParts {
    W scale, exponent, place;
};
template <class C, class W> INLINE LogParts<W> log_parts(W u) {
    if constexpr (W::lanes == native_lanes<double>) {
        // Float rows' intervals begin half of one earlier.
        constexpr std::uint64_t before = sizeof(C) == 4 ? std::uint64_t{1} << 48 : 0;
        constexpr std::uint64_t exponent_of = std::uint64_t{2047} << 52;
        double of[W::lanes], scale[W::lanes], exponent[W::lanes], place[W::lanes];
        store(of, u);
        for (int r = 0; r < W::lanes; ++r) {
            const std::uint64_t bits = bits_of(of[r]) + before;
            scale[r] = float_of((std::uint64_t{2046} << 52) - (bits & exponent_of));
            exponent[r] = float_of((bits >> 52) | (std::uint64_t{1075} << 52)) - (0x1p52 + 1023);
            place[r] = float_of(bits >> (sizeof(C) == 4 ? 49 : 46));
        }
        return {load<W>(scale), load<W>(exponent), load<W>(place)};
    } else {
        const auto low = log_parts<C>(u.low), high = log_parts<C>(u.high);
        return {{low.scale, high.scale}, {low.exponent, high.exponent}, {low.place, high.place}};
    }
}
template <int terms, class W> INLINE W polynomial(const double *c, W r) {
    const W square = mul(r, r);
    W q = broadcast<W>(c[terms - 2]);
    if constexpr (terms % 2 != 0)
        q = broadcast<W>(c[terms - 1]);
    else
        q = add(q, times(r, c[terms - 1]));
#pragma GCC unroll 8
    for (int i = (terms - 1) / 2 * 2 - 2; i >= 0; i -= 2)
        q = add(mul(q, square), add(broadcast<W>(c[i]), times(r, c[i + 1])));
    return q;
}
// r + r^2 times that
template <int terms, class W> INLINE W bent(const double *c, W r) {
    return add(r, mul(mul(r, r), polynomial<terms>(c, r)));
}
// log1p<float>(w)
template <class W> INLINE W log1p_of_floats(W w) {
    const W one = broadcast<W>(1), u = add(one, w), low = sub(w, sub(u, one));
    const LogParts<W> parts = log_parts<float>(u);
    const W c = lookup(Table<double>(small_log_c), parts.place);
    const W log = lookup(Table<double>(small_log), parts.place);
    const W r = add(minus(mul(mul(u, parts.scale), c), 1), mul(low, parts.scale));
    return add(add(times(parts.exponent, ln_2), log),
               bent<log_terms<float>>(log_coefficients<float>(), r));
}

// The normal number 2^floor(n / 8), of place = 1.5 * 2^52 + n.
template <class W> INLINE W exp_power(W place) {
    if constexpr (W::lanes == native_lanes<double>) {
        double of[W::lanes], power[W::lanes];
        store(of, place);
        for (int k = 0; k < W::lanes; ++k)
            power[k] = float_of(((bits_of(of[k]) >> 3) + 1023) << 52);
        return load<W>(power);
    } else {
        return {exp_power(place.low), exp_power(place.high)};
    }
}
// What is left of the argument, what chooses 2^(n / 8) from a table by its low bits, and the power.
template <class W> struct ExpParts {
    W r, place, power;
};
// Of exp_of_minus(z, shift), whose result is normal.
template <class W> INLINE ExpParts<W> exp_parts(W z, W z_low, W shift) {
    constexpr double round = 0x1.8p52;
    const W place = plus(times(z, -log2_e * exp_table_size), round), n = minus(place, round);
    const W r =
        sub(sub(sub(broadcast<W>(0), z), times(n, exp_step[0])), add(times(n, exp_step[1]), z_low));
    return {r, place, exp_power(add(place, times(shift, exp_table_size)))};
}
template <class C, class W> INLINE W exp_less_1(W r) {
    return bent<exp_terms<C>>(ExpConstants<double>::coefficient, r);
}
template <class W> INLINE W exp_of_minus_floats(W z, W shift) {
    const ExpParts<W> parts = exp_parts(z, broadcast<W>(0), shift);
    const W high = lookup(Table<double>(exp_high), parts.place);
    return mul(add(high, mul(high, exp_less_1<float>(parts.r))), parts.power);
}

// excess() of float rows without a branch. Whether any is tiny.
__attribute__((noinline, COPIES_HEADERS)) bool logarithms(const LogLanes<float> &rows) {
    constexpr DoubleDouble scale{ExpConstants<float>::scale, ExpConstants<float>::scale_low};
    constexpr double inverse =
        reciprocal(scale).high * (1 / static_cast<double>(1ull << ExpKernel<float>::bias));
    using W = Doubles<Vec<float, native_lanes<float>>>;
    const auto doubles = [](const float *of) INLINE_LAMBDA { return load_doubles<W>(of); };
    const W zero = broadcast<W>(0), most = broadcast<W>(150);
    const W max = doubles(rows.max);
    const W gap = choose(doubles(rows.second), broadcast<W>(-infinity<double>),
                         broadcast<W>(infinity<double>), sub(max, doubles(rows.top)));
    const W e = exp_of_minus_floats(choose(gap, most, sub(max, doubles(rows.origin)), zero),
                                    choose(gap, most, doubles(rows.shift), zero));
    const W others = sub(load<W>(rows.sum_high), doubles(rows.top_exponential));
    const W w = mul(times(others, inverse), e);
    const W log = choose(gap, most, log1p_of_floats(w), zero), least = broadcast<W>(0x1p-100);
    store(rows.odds, choose(gap, most, w, zero));
    store(rows.excess, log);
    store(rows.log, narrow(choose(least, log, log, zero)));
    return reduce_max(choose(least, log, zero, log)) > 0;
}

using DoubleLanes = Vec<double, native_lanes<double>>;

// log_of<double>(u), for u.high >= 1.
INLINE Pairs<DoubleLanes> log_of_pairs(Pairs<DoubleLanes> u) {
    using D = DoubleLanes;
    const LogParts<D> parts = log_parts<double>(u.high);
    const D z = mul(u.high, parts.scale), rest = mul(u.low, parts.scale);
    alignas(64) double place[D::lanes], upper[D::lanes], c[D::lanes], log[2][D::lanes];
    store(place, parts.place);
    store(upper, z);
    for (int r = 0; r < D::lanes; ++r) {
        const LogEntry &entry = log_table[bits_of(place[r]) & 63];
        c[r] = entry.c;
        log[0][r] = entry.high;
        log[1][r] = entry.low;
        upper[r] = float_of(bits_of(upper[r]) & ~std::uint64_t{0xfff});
    }
    const D part = load<D>(upper), by = load<D>(c);
    const auto r = two_sums(minus(mul(part, by), 1), add(mul(sub(z, part), by), mul(rest, by)));
    const auto sum = two_sums(add(times(parts.exponent, ln_2_parts[0]), load<D>(log[0])), r.high);
    const D smaller = add(times(parts.exponent, ln_2_parts[1]), load<D>(log[1]));
    const D square = mul(r.high, r.high);
    const D series = mul(square, polynomial<log_terms<double>>(log_coefficients<double>(), r.high));
    const D tail = add(add(series, smaller), sub(r.low, mul(r.high, r.low)));
    const D low = add(sum.low, tail), all = add(sum.high, low);
    return {all, sub(low, sub(all, sum.high))};
}
// exp_of_minus<double>(z, shift)
INLINE Pairs<DoubleLanes> exp_of_minus_pairs(Pairs<DoubleLanes> z, DoubleLanes shift) {
    using D = DoubleLanes;
    const ExpParts<D> parts = exp_parts(z.high, z.low, shift);
    const D high = lookup(Table<double>(exp_high), parts.place);
    const D low =
        add(lookup(Table<double>(exp_low), parts.place), mul(high, exp_less_1<double>(parts.r)));
    const D e = add(high, low);
    return {mul(e, parts.power), mul(sub(low, sub(e, high)), parts.power)};
}

// Whether plain_logarithms(), the excess() of double rows in lanes, serves all of a register.
INLINE bool are_plain(const LogLanes<double> &rows) {
    using D = DoubleLanes;
    const D zero = broadcast<D>(0), nan = broadcast<D>(not_a_number<double>);
    const D max = load<D>(rows.max), origin = load<D>(rows.origin);
    const auto size = [=](D v) INLINE_LAMBDA { return SOFTLANE_ISA::max(v, sub(zero, v)); };
    const D largest = SOFTLANE_ISA::max(size(max), size(origin));
    D plain = choose(sub(max, load<D>(rows.top)), broadcast<D>(400), load<D>(rows.sum_high), nan);
    plain = choose(load<D>(rows.second), broadcast<D>(-infinity<double>), nan, plain);
    return !any_nan(choose(broadcast<D>(0x1p1000), largest, nan, plain));
}
__attribute__((noinline, COPIES_HEADERS)) void plain_logarithms(const LogLanes<double> &rows) {
    using D = DoubleLanes;
    constexpr DoubleDouble scale{ExpConstants<double>::scale, ExpConstants<double>::scale_low};
    constexpr DoubleDouble inverse = reciprocal(scale);
    const double unit = power_of_two(-ExpKernel<double>::bias);
    const D zero = broadcast<D>(0);
    const Pairs<D> z = two_sums(load<D>(rows.max), sub(zero, load<D>(rows.origin)));
    const Pairs<D> e = exp_of_minus_pairs(z, load<D>(rows.shift));
    const Pairs<D> others = added(Pairs<D>{load<D>(rows.sum_high), load<D>(rows.sum_low)},
                                  Pairs<D>{sub(zero, load<D>(rows.top_exponential)), zero});
    const Pairs<D> scaled =
        products(Pairs<D>{times(others.high, unit), times(others.low, unit)},
                 Pairs<D>{broadcast<D>(inverse.high), broadcast<D>(inverse.low)});
    const Pairs<D> w = products(scaled, e), u = two_sums(broadcast<D>(1), w.high);
    const Pairs<D> log = log_of_pairs({u.high, add(u.low, w.low)});
    store(rows.odds, w.high);
    store(rows.odds_low, w.low);
    store(rows.excess, log.high);
    store(rows.excess_low, log.low);
    store(rows.log, log.high);
}
// excess() of double rows: of all of a register that have more than one element that counts, none
// of them far below the maximum; of others one by one.
__attribute__((noinline, COPIES_HEADERS)) bool logarithms(const LogLanes<double> &rows) {
    if (are_plain(rows)) {
        plain_logarithms(rows);
        return false;
    }
    bool any = false;
    for (int r = 0; r < DoubleLanes::lanes; ++r) {
        Stats<double> stats;
        stats.shift = rows.shift[r];
        stats.sum = {rows.sum_high[r], rows.sum_low[r]};
        stats.top = rows.top[r];
        stats.top_exponential = rows.top_exponential[r];
        stats.careful.origin = rows.origin[r];
        rows.log[r] = rows.excess[r] = rows.excess_low[r] = 0;
        if (is_irregular(rows, r))
            continue;
        const Range<double> range{rows.max[r], rows.second[r], 0};
        const DoubleDouble log = excess(range, stats).log;
        rows.excess[r] = log.high;
        rows.excess_low[r] = log.low;
        if (is_tiny(rows, r))
            any |= rows.excess[r] != 0;
        else
            rows.log[r] = rows.excess[r];
    }
    return any;
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
