// A long row in parts, each reduced as a row by itself, with its own shift: the range of one is
// found beside the exponentials of another, so that memory is read once, and threads may share the
// row. Then the parts' sums are joined, in the order of the parts, and each is written with a
// factor of its own.
#pragma once
#include "rows/each_row.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

// Where max is -inf, 0 stands for it: the sum tells whether there is a NaN.
template <class C> INLINE Part::Holds held(double max, double sum, std::size_t n) {
    if (max == infinity<double> || sum != sum)
        return Part::Holds::irregular;
    if (max == -infinity<double>)
        return Part::Holds::nothing;
    return is_regular<C>(sum, n) ? Part::Holds::numbers : Part::Holds::irregular;
}

// What the exponentials of one part are among those of another: value * 2^-lift of one.
template <class C> struct Weight {
    Real<C> value;
    int lift;
};
// a.max <= b.max. It is a power of two where both are reduced from the same origin, so mostly.
template <class C>
__attribute__((noinline, cold)) Weight<C> weight(const Part &a, const Part &b,
                                                 const Careful<C> &by) {
    if (a.origin == b.origin)
        return {1.0, static_cast<int>(b.shift - a.shift)};
    const double gap = high(quotient(b.max, a.max, by));
    // Beyond, all probabilities of the part are 0.
    if (!(gap <= (sizeof(C) == 4 ? 150 : 800)))
        return {0.0, 0};
    const int lift = gap > 400 ? 800 : 0;
    return {exp_of_minus<C>(quotient(b.origin, a.origin, by),
                            static_cast<int>(a.shift - b.shift) + lift),
            lift};
}
template <class C> INLINE Real<C> sum_of(const Part &part) {
    return real<C>(DoubleDouble(part.sum, part.sum_low));
}

// Puts factors in the place of sums. The parts of a row, `step` apart; one that is irregular makes
// all of them so, and if none holds a number, all are.
template <class C>
__attribute__((noinline, cold)) void join(double t, Part *parts, std::size_t count,
                                          std::size_t step) {
    const Part *top = nullptr;
    bool irregular = false;
    for (std::size_t k = 0; k < count; ++k) {
        const Part &part = parts[k * step];
        irregular |= part.holds == Part::Holds::irregular;
        if (part.holds == Part::Holds::numbers && !(top && part.max <= top->max))
            top = &part;
    }
    if (irregular || !top) {
        for (std::size_t k = 0; k < count; ++k)
            parts[k * step].holds = Part::Holds::irregular;
        return;
    }
    const Careful<C> by = careful_for<C>(t, C(0));
    const Part most = *top;
    const auto weight_of = [&](const Part &part) {
        return part.holds == Part::Holds::numbers ? weight(part, most, by) : Weight<C>{0.0, 0};
    };
    Real<C> total = 0.0;
    for (std::size_t k = 0; k < count; ++k) {
        const Weight<C> of = weight_of(parts[k * step]);
        total = total + moved(sum_of<C>(parts[k * step]) * of.value, -of.lift);
    }
    const Real<C> factor = reciprocal(total);
    for (std::size_t k = 0; k < count; ++k) {
        Part &part = parts[k * step];
        const Weight<C> of = weight_of(part);
        const Real<C> its = factor * of.value;
        part.sum = high(its);
        part.sum_low = low(its);
        part.lift = of.lift;
    }
}

// Those of one long row, a batch by itself.
template <class RowOp, class Lies> struct RowParts {
    using C = typename Lies::C;

    // `count` of them from `first` on, each of n elements.
    static Rows batch(const Rows &row, Part *parts, std::size_t first, std::size_t count,
                      std::size_t n) {
        const std::size_t length = part_length(row.length), at = first * length;
        Rows batch = row;
        batch.x = static_cast<const char *>(row.x) + at * Lies::size;
        batch.y = static_cast<char *>(row.y) + at * Lies::size;
        if (Lies::converts)
            batch.scratch = static_cast<C *>(row.scratch) + at;
        batch.x_row_stride_bytes = batch.y_row_stride_bytes =
            static_cast<std::ptrdiff_t>(length * Lies::size);
        batch.temperature_stride = 0;
        batch.count = count;
        batch.length = n;
        batch.parts = parts + first;
        return batch;
    }
    static void reduce(const Rows &row, Part *parts, std::size_t begin, std::size_t end) noexcept {
        const std::size_t length = part_length(row.length);
        const std::size_t whole = row.length / length; // parts; there may be a shorter one
        const std::size_t most = end < whole ? end : whole;
        if (begin < most)
            each_row_at_once<RowOp, Lies>(batch(row, parts, begin, most - begin, length));
        if (end > whole)
            each_row_at_once<RowOp, Lies>(batch(row, parts, whole, 1, row.length % length));
    }
    static void join(const Rows &row, Part *parts) noexcept {
        SOFTLANE_ISA::join<C>(*row.temperature, parts, part_count(row.length), 1);
    }
    static void write(const Rows &row, Part *parts, std::size_t begin, std::size_t end) noexcept {
        const std::size_t length = part_length(row.length);
        for (std::size_t k = begin; k < end; ++k) {
            const std::size_t left = row.length - k * length;
            write_one(batch(row, parts, k, 1, left < length ? left : length));
        }
        if (row.stream)
            stream_fence();
    }

private:
    static INLINE void write_one(const Rows &batch) {
        const Part &part = *batch.parts;
        const double t = *batch.temperature;
        Row<RowOp, Lies> row;
        row.x = Lies::in(static_cast<const char *>(batch.x), batch);
        row.y = Lies::out(static_cast<char *>(batch.y), batch);
        if constexpr (Lies::converts)
            row.kept = static_cast<C *>(batch.scratch);
        else
            row.kept = row.y;
        row.n = batch.length;
        row.scaling = scaling_for(is_moderate<C>(t) ? t : 1, C());
        row.scaling.temperature = t;
        row.range.max = static_cast<C>(part.max);
        row.seam = nullptr;
        row.rows = &batch;
        if (part.holds == Part::Holds::irregular)
            return fill(row.y, row.n, not_a_number<C>);
        // With a factor of such a size nothing is flushed: no result of a shallow part, nor a limb,
        // nor what that adds.
        const Real<C> factor = moved(sum_of<C>(part), -part.lift);
        typename RowOp::template Stats<C> stats;
        stats.shallow = part.shallow && high(factor) >= (sizeof(C) == 4 ? 0x1p-74 : 0x1p-210);
        stats.shift = part.shift;
        if (stats.shallow)
            RowOp::write(row, stats, factor);
        else
            RowOp::write(row, stats, sum_of<C>(part), part.lift);
    }
};
template <class RowOp, class Lies>
constexpr PartsFns parts_fns{RowParts<RowOp, Lies>::reduce, RowParts<RowOp, Lies>::join,
                             RowParts<RowOp, Lies>::write};

// By themselves, one row after the other.
template <class RowOp, class Lies>
__attribute__((noinline)) void each_long_row(const Rows &rows) noexcept {
    using Parts = RowParts<RowOp, Lies>;
    Part parts[most_parts];
    Rows row = rows;
    row.count = 1;
    const std::size_t count = part_count(row.length);
    for (std::size_t i = 0; i < rows.count; ++i) {
        Parts::reduce(row, parts, 0, count);
        Parts::join(row, parts);
        Parts::write(row, parts, 0, count);
        row.x = static_cast<const char *>(row.x) + row.x_row_stride_bytes;
        row.y = static_cast<char *>(row.y) + row.y_row_stride_bytes;
        row.temperature += row.temperature_stride;
    }
}

} // namespace
} // namespace softlane::SOFTLANE_ISA
