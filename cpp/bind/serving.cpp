#include "bind/serving.hpp"

#include <algorithm>
#include <set>
#include <string_view>
#include <tuple>

#include "bind/arrays.hpp"
#include "core/self_test.hpp"

namespace softlane::bind {

namespace {

constexpr const char *mode_name[] = {"off", "on", "strict"};
SelfTest mode = SelfTest::on;                           // set at import
std::set<std::tuple<std::string, Op, DType>> pretended; // failures

std::string kernels(const Level &level, Op op, DType dtype) {
    return std::string("the ") + level.table->isa + " kernels of " + op_name[static_cast<int>(op)] +
           " for " + dtype_name[static_cast<int>(dtype)];
}

Level *below(const Level &level) {
    const auto &levels = supported_levels();
    const auto at = std::find(levels.begin(), levels.end(), &level);
    return at == levels.end() || at + 1 == levels.end() ? nullptr : at[1];
}

// Whether they pass; what is known already is not tested again.
bool passes(Level &level, Op op, DType dtype) {
    std::atomic<Trust> &trust = level.trust[static_cast<int>(op)][static_cast<int>(dtype)];
    Trust known = trust.load(std::memory_order_acquire);
    if (known == Trust::untested) {
        const bool right = self_test_hash(*level.table, op, dtype) ==
                               known_self_test_hash(*level.table, op, dtype) &&
                           pretended.count({level.table->isa, op, dtype}) == 0;
        const Trust found = right ? Trust::passed : Trust::quarantined;
        // Of several threads that test at a time, one tells.
        if (trust.compare_exchange_strong(known, found)) {
            known = found;
            if (found == Trust::quarantined && mode != SelfTest::strict) {
                const std::string text =
                    "softlane: " + kernels(level, op, dtype) +
                    " failed their self-test on this machine and are not used; the next level "
                    "serves (softlane.show_config()['selftest'] lists them)";
                if (PyErr_WarnEx(PyExc_RuntimeWarning, text.c_str(), 1) < 0)
                    throw py::error_already_set();
            }
        }
    }
    if (known == Trust::quarantined && mode == SelfTest::strict)
        raise(PyExc_RuntimeError, "softlane",
              kernels(level, op, dtype) +
                  " failed their self-test on this machine (SOFTLANE_SELFTEST=strict)");
    return known == Trust::passed;
}

const KernelTable &serving_all(Op op, const DType *dtypes, int count) {
    if (mode == SelfTest::off)
        return active();
    for (Level *level = &active_level(); level != nullptr; level = below(*level))
        if (std::all_of(dtypes, dtypes + count,
                        [&](DType dtype) { return passes(*level, op, dtype); }))
            return *level->table;
    raise(
        PyExc_RuntimeError, "softlane",
        std::string("no level's kernels of ") + op_name[static_cast<int>(op)] +
            " pass their self-test on this machine; SOFTLANE_SELFTEST=off uses them all the same");
}

} // namespace

std::string apply_self_test(const char *text) {
    if (text == nullptr || *text == '\0')
        return {};
    for (int i = 0; i < 3; ++i)
        if (std::string_view(text) == mode_name[i]) {
            mode = static_cast<SelfTest>(i);
            return {};
        }
    return "SOFTLANE_SELFTEST: unknown mode '" + std::string(text) + "' (valid: off, on, strict)";
}

const KernelTable &serving(Op op, DType dtype) {
    Level &level = active_level();
    if (level.trust[static_cast<int>(op)][static_cast<int>(dtype)].load(
            std::memory_order_acquire) == Trust::passed)
        return *level.table;
    return serving_all(op, &dtype, 1);
}

const KernelTable &serving(const Plan &plan) {
    DType dtypes[1 + array_count] = {plan.kernel_dtype};
    int count = 1;
    for (const Array &array : plan.problem.array)
        if (array.data)
            dtypes[count++] = array.dtype;
    return serving_all(plan.problem.op, dtypes, count);
}

void fail_self_test(const std::string &isa, const std::string &op, const std::string &dtype) {
    const auto o = std::find(std::begin(op_name), std::end(op_name), op) - std::begin(op_name);
    const auto d =
        std::find(std::begin(dtype_name), std::end(dtype_name), dtype) - std::begin(dtype_name);
    if (o == op_count || d == dtype_count)
        raise(PyExc_ValueError, "_fail_self_test", "no kernels of " + op + " for " + dtype);
    pretended.insert({isa, static_cast<Op>(o), static_cast<DType>(d)});
}

py::dict self_test_state() {
    py::dict state;
    py::list passed, quarantined;
    for (const Level *level : supported_levels())
        for (int op = 0; op < op_count; ++op)
            for (int dtype = 0; dtype < dtype_count; ++dtype) {
                const Trust trust = level->trust[op][dtype].load();
                if (trust != Trust::untested)
                    (trust == Trust::passed ? passed : quarantined)
                        .append(py::make_tuple(level->table->isa, op_name[op], dtype_name[dtype]));
            }
    state["mode"] = mode_name[static_cast<int>(mode)];
    state["passed"] = passed;
    state["quarantined"] = quarantined;
    return state;
}

} // namespace softlane::bind
