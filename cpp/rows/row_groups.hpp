// Rows of middling length: an element in each lane, as in the row engine, but what there is one of
// for each row is computed for as many rows at a time as a register has lanes.
#pragma once
#include "rows/row_group.hpp"

namespace softlane::SOFTLANE_ISA {
namespace {

template <class RowOp, class Op, class C> class RowGroups {
    using N = Vec<C, native_lanes<C>>;
    using D = Vec<double, native_lanes<double>>;
    using V = Vec<C, sum_lanes<C>>;
    using UsualRow = decltype(Op::template usual_row<V>(PanelScalars<C, N::lanes>(), 0));
    using Group = RowGroup<Op, C>;

public:
    static constexpr int group = Group::group; // rows

    // `count` is a multiple of `group`.
    INLINE RowGroups(const Rows &rows, std::size_t count)
        : rows_(rows), x_(static_cast<const char *>(rows.x)), y_(static_cast<char *>(rows.y)),
          x_stride_(rows.x_row_stride_bytes), y_stride_(rows.y_row_stride_bytes), n_(rows.length),
          count_(count), asks_results_(rows.distant_results &&
                                       y_stride_ == static_cast<std::ptrdiff_t>(n_ * sizeof(C))),
          scaling_(scaling_for(*rows.temperature, C())) {}

    INLINE void run() const {
        const std::size_t count = count_ / group;
        for (std::size_t i = 0; i < count;) {
            i = run_from(i, count);
            if (i < count)
                i += one_by_one(i * group, count - i);
        }
    }

private:
    // From a group on, up to one whose rows are to go one by one: returns which, or `count`.
    __attribute__((noinline, THREADS_JUMPS)) std::size_t run_from(std::size_t begin,
                                                                  std::size_t count) const {
        Group groups[2];
        // A group's take the place of the last one's, each as soon as that is written.
        constexpr std::size_t longest = Op::longest_grouped_row * sizeof(float) / sizeof(C);
        alignas(64) C exponentials[Op::keeps ? group * kept_pitch<C>(longest) : 1];
        for (Group &each : groups)
            each.exponentials = exponentials;
        look(groups[begin % 2], begin * group);
        for (std::size_t i = begin;; ++i) {
            Group &now = groups[i % 2], &other = groups[(i + 1) % 2];
            const std::size_t first = i * group, before = first - group, after = first + group;
            const bool is_plain =
                i < count && settle(now, first) <= exp_limit && scaling_.temperature == 1;
            bool in_company = is_plain || (i < count && Op::any_temperature);
            if constexpr (Op::template by_rows<C>)
                in_company = in_company && (writes_rows() || Op::may_be_usual(now.rows));
            const bool along = y_ && i > begin && in_company && other.usual;
            if (i > begin && !along)
                write(other, before);
            if (!in_company)
                return i;
            Group *const next = i + 1 < count ? &other : nullptr;
            const Company company(*this, next, after, along ? &other : nullptr, before);
            if (is_plain)
                sum_up<Argument::plain>(now, first, company);
            else if constexpr (Op::any_temperature)
                sum_up_far(now, first, company);
            if (along)
                Op::template complete<C>(other.rows, 0, place(before), true);
            now.usual = Op::template finish<C>(now, now.rows, 0);
            if constexpr (!Op::template by_rows<C>)
                if (!now.usual && !writes_rows())
                    Op::template lift<C>(now.rows, 0);
        }
    }
    INLINE bool writes_rows() const { return Op::writes_rows && Op::needs_whole_rows(rows_); }

    // Rows that are far from 0, which is rare, or not usual: of as many groups as it returns. Those
    // that follow rows that are not usual tend to be alike.
    __attribute__((noinline)) std::size_t one_by_one(std::size_t first, std::size_t most) const {
        const std::size_t some = Op::template by_rows<C> ? 4 : 1,
                          groups = some < most ? some : most;
        Rows rows = rows_from(rows_, first);
        rows.count = groups * group;
        each_row<RowOp, C>(rows);
        return groups;
    }

    template <class Part>
    static INLINE void add_to(Extremes<Op::wanted, V> &extremes, const C *x, Part part) {
        extremes.add(load<V>(x, part, -infinity<C>), load<V>(x, part, infinity<C>));
    }
    // The rows' extremes.
    __attribute__((noinline)) void look(Group &to, std::size_t first) const {
        const Place<C> at = place(first);
        for (int r = 0; r < group; ++r) {
            const C *from = at.x(r, 0);
            Extremes<Op::wanted, V> extremes;
            sweep<V>(0, n_, [&](std::size_t i, auto part) INLINE_LAMBDA {
                add_to(extremes, from + i, part);
            });
            to.store_folded(r, extremes);
        }
    }
    // What follows from them; returns what settle_ranges() does.
    INLINE double settle(Group &to, std::size_t first) const {
        to.n = n_;
        note_range(to.across(), to.rows, 0);
        Op::note(to.rows, place(first));
        prepare<Argument::plain, C>(1, to.rows, 0);
        return settle_ranges<Op::wanted>(Panel<N, Whole>{{}, {}, n_, {}, scaling_}, to.rows);
    }
    // What goes along with the exponentials of each row in turn: that of the next group is looked
    // at, and that of the last one written. The loop has a copy of its own: what sum_up_far() has a
    // reference to lives in memory.
    struct Company {
        Group *looked;    // the next group, or null
        const char *next; // its row
        const Group *last;
        const char *from; // its row, or null
        char *to;
        std::ptrdiff_t x_stride, from_stride, y_stride;
        int r = 0;
        Extremes<Op::wanted, V> extremes{};
        UsualRow function{};

        INLINE Company(const RowGroups &of, Group *next_group, std::size_t next_first,
                       const Group *last_group, std::size_t last_first)
            : looked(next_group), next(next_group ? of.x_at(next_first) : nullptr),
              last(last_group), x_stride(of.x_stride_), y_stride(of.y_stride_) {
            from = !last       ? nullptr
                   : Op::keeps ? reinterpret_cast<const char *>(last->exponentials)
                               : of.x_at(last_first);
            to = last ? of.y_at(last_first) : nullptr;
            from_stride = Op::keeps ? kept_stride<C>(of.n_) : x_stride;
        }
        INLINE const C *next_row() const { return reinterpret_cast<const C *>(next); }
        INLINE C *result() const { return reinterpret_cast<C *>(to); }

        INLINE void begin() {
            extremes = {};
            if (last)
                function = Op::template usual_row<V>(last->rows, r);
        }
        template <class Part> INLINE void step(std::size_t i, Part part) {
            if (looked)
                add_to(extremes, next_row() + i, part);
            if (last)
                write_part(reinterpret_cast<const C *>(from) + i, result() + i, function, part);
        }
        INLINE void end() {
            if (looked) {
                looked->store_folded(r, extremes);
                next += x_stride;
            }
            if (last) {
                from += from_stride;
                to += y_stride;
            }
            ++r;
        }
    };
    template <Argument argument, class Others>
    INLINE void sum_up(Group &to, std::size_t first, Others company) const {
        if (argument == Argument::far)
            prepare<argument, C>(scaling_.temperature, to.rows, 0);
        const bool distant = rows_.distant && company.looked;
        constexpr bool are_long = Op::longest_grouped_row > 512; // are asked for in the loop
        const bool asks_before = rows_.distant && (!are_long || asks_results_);
        if constexpr (Op::capped) {
            const N top = load<N>(to.rows.top);
            const Exp<C, argument, true, N> exp(
                scaling_, argument == Argument::far ? load<N>(to.rows.origin) : N(),
                load<N>(to.rows.offset), load<N>(to.rows.lowest), top);
            store(to.rows.top_exponential, exp(top));
        }
        using Wide = Vec<C, row_unroll * V::lanes>;
        Exp<C, argument, Op::capped> exp(scaling_, C(0), C(0), C(0), C(0));
        const auto of_row = [&](int r) INLINE_LAMBDA {
            auto of = exp;
            of.origin = argument == Argument::far ? to.rows.origin[r] : C(0);
            of.offset = to.rows.offset[r];
            of.lowest = to.rows.lowest[r];
            of.top = Op::capped ? to.rows.top[r] : C(0);
            return of;
        };
        const char *row = x_at(first);
        char *kept_row = Op::keeps ? reinterpret_cast<char *>(to.exponentials) : nullptr;
        const auto parts_of = [&](int r, const char *x) INLINE_LAMBDA {
            return of_row(r).parts(load<Wide>(reinterpret_cast<const C *>(x)));
        };
        constexpr bool in_blocks = Op::longest_grouped_row > Sum<C>::block;
        constexpr bool pipeline = row_pipeline && argument != Argument::far;
        // Ops that turn all short rows into panels have none here that are shorter than a turn.
        const bool has_whole =
            (Op::template turns_short_rows<C> && !Op::writes_rows) || n_ >= Wide::lanes;
        decltype(parts_of(0, row)) next;
        if constexpr (pipeline)
            if (has_whole)
                next = parts_of(0, row);
        for (int r = 0; r < group; ++r) {
            const C *from = reinterpret_cast<const C *>(row);
            C *const kept = reinterpret_cast<C *>(kept_row);
            exp = of_row(r);
            Sum<C> sum;
            company.begin();
            const C *const asked = distant && are_long ? company.next_row() : nullptr;
            if (asks_before)
                ask(company.looked && !are_long ? company.next_row() : nullptr, company.result());
            const auto step = [&](std::size_t i, auto part, auto e) INLINE_LAMBDA {
                if (asked) {
#pragma GCC unroll 4
                    for (std::size_t k = 0; k < decltype(e)::lanes; k += 64 / sizeof(C))
                        prefetch(asked + (i + k));
                }
#pragma GCC unroll 4
                for (int k = 0; k < decltype(e)::lanes; k += V::lanes)
                    company.step(i + k, part);
                if constexpr (Op::keeps)
                    store(kept + i, e);
            };
            const auto body = [&](std::size_t i, auto e) INLINE_LAMBDA { step(i, Whole{}, e); };
            std::size_t done = 0;
            if constexpr (!pipeline)
                done = raise<false>(exp, from, n_, sum, body);
            else if (has_whole)
                done = raise_on<in_blocks>(
                    exp, from, n_, sum, next,
                    [&]() INLINE_LAMBDA {
                        const int k = r + 1 < group ? 1 : 0;
                        return parts_of(r + k, k ? row + x_stride_ : row);
                    },
                    body);
            sweep<V>(done, n_, [&](std::size_t i, auto part) INLINE_LAMBDA {
                const V e = exp(load<V>(from + i, part, -infinity<C>));
                sum += present(e, part);
                step(i, part, e);
            });
            company.end();
            to.sums.store_sum(r, sum);
            row += x_stride_;
            kept_row += Op::keeps ? kept_stride<C>(n_) : 0;
        }
    }
    // For what comes from memory: elements of a row of the next group, or null, and where results
    // of the last one are to be written, or null.
    INLINE void ask(const C *elements, const C *results) const {
        for (std::size_t i = 0; elements && i < n_; i += 64 / sizeof(C))
            prefetch(elements + i);
        for (std::size_t i = 0; asks_results_ && results && i < n_; i += 64 / sizeof(C))
            prefetch_results(results + i);
    }
    template <class Others>
    __attribute__((noinline)) void sum_up_far(Group &to, std::size_t first,
                                              const Others &company) const {
        sum_up<Argument::far>(to, first, company);
    }
    // What becomes of the rows from `first` on, without company.
    __attribute__((noinline)) void write(const Group &of, std::size_t first) const {
        if constexpr (Op::writes_rows)
            if (writes_rows() && !of.usual)
                return Op::template write_rows<C>(of, place(first));
        if constexpr (Op::template by_rows<C>)
            if (!of.usual)
                return void(one_by_one(first, 1));
        const Place<C> at = place(first);
        for (int r = 0; y_ && r < group; ++r)
            if (of.usual)
                write_row(of, at, r, Op::template usual_row<V>(of.rows, r));
            else if constexpr (!Op::template by_rows<C>)
                write_row(of, at, r, Op::template unusual_row<V>(of.rows, r));
        Op::template complete<C>(of.rows, 0, at, of.usual);
    }
    template <class Function>
    INLINE void write_row(const Group &of, const Place<C> &at, int r, Function function) const {
        const C *from = source(of, at, r);
        sweep<V>(0, n_, [&](std::size_t i, auto part) INLINE_LAMBDA {
            write_part(from + i, at.y(r, 0) + i, function, part);
        });
    }
    // What row r is written from.
    static INLINE const C *source(const Group &of, const Place<C> &at, int r) {
        return Op::keeps ? of.kept(r) : at.x(r, 0);
    }
    template <class Function, class Part>
    static INLINE void write_part(const C *from, C *to, Function function, Part part) {
        if constexpr (Op::keeps)
            store(to, function(load<V>(from)), part);
        else
            store(to, function(load<V>(from, part, C(0))), part);
    }
    INLINE const char *x_at(std::size_t row) const {
        return x_ + static_cast<std::ptrdiff_t>(row) * x_stride_;
    }
    INLINE char *y_at(std::size_t row) const {
        return y_ ? y_ + static_cast<std::ptrdiff_t>(row) * y_stride_ : nullptr;
    }
    INLINE Place<C> place(std::size_t first) const {
        return {rows_,     first,     group,     x_at(first), y_at(first),
                x_stride_, y_stride_, sizeof(C), sizeof(C)};
    }

    const Rows &rows_;
    const char *x_;
    char *y_;
    std::ptrdiff_t x_stride_, y_stride_;
    std::size_t n_, count_;
    bool asks_results_;
    Scaling<C> scaling_;
};

} // namespace
} // namespace softlane::SOFTLANE_ISA
