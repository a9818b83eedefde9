"""The mutants that bring the very faults of peers, each as the fields of a Mutant.

What makes the tests of tests/peer_faults.py fail, where no other of tests/mutant_list.py does.
"""

from __future__ import annotations

IRREGULAR = "static_cast<double>(max)"

KERNELS = [
    (
        "special",
        "row without a number becomes 1 / n",
        "rows/softmax.hpp",
        "return write_nan(row);",
        "return fill(row.y, row.n, C(1) / static_cast<C>(row.n));",
    ),
    (
        "special",
        "gradient of a row without a number is 1 / n",
        "rows/loss_gradients.hpp",
        "return fill(row.y, row.n, not_a_number<C>);",
        "return fill(row.y, row.n, C(1) / static_cast<C>(row.n));",
    ),
    (
        "special",
        "exponential of -inf is NaN",
        "rows/exp.hpp",
        "x = max(in_lanes<V>(lowest), x);",
        "",
    ),
    (
        "special",
        "infinite maximum is subtracted from itself",
        "rows/ops.hpp",
        f"return nan ? not_a_number<double> : {IRREGULAR};",
        f"return nan ? not_a_number<double> : {IRREGULAR} - {IRREGULAR};",
    ),
    (
        "special",
        "sign of a weighted sum lost",
        "rows/weighted.hpp",
        "ln_2_parts[1])),\n        sign};",
        "ln_2_parts[1])),\n        1.0};",
    ),
    (
        "range",
        "maximum starts at a number",
        "rows/range.hpp",
        "V max = broadcast<V>(-infinity<C>), second = max,",
        "V max = broadcast<V>(C(-10000)), second = max,",
    ),
    (
        "range",
        "far rows are reduced like others",
        "rows/exp.hpp",
        "constexpr double exp_limit = 131072.0; // 2^17",
        "constexpr double exp_limit = 0x1p40;",
    ),
    (
        "sum",
        "sum stalls at 2048 terms",
        "rows/engine.hpp",
        "        sum = Sum<C>::total(lanes);\n",
        "        sum = Sum<C>::total(lanes);\n"
        "        if (sum.high > 2048 * power_of_two(ExpKernel<C>::bias))\n"
        "            sum = DoubleDouble(2048 * power_of_two(ExpKernel<C>::bias));\n",
    ),
    (
        "sum",
        "logarithm of a rounded 1 + odds",
        "rows/engine.hpp",
        "log1p<C>(result.odds)",
        "log1p<C>(Real<C>(static_cast<double>(static_cast<C>(1 + high(result.odds))) - 1))",
    ),
    (
        "constant",
        "rounding to the wrong side",
        "rows/exp.hpp",
        "const V z = mul_add(x, broadcast<V>(scaling.steps_per_unit), in_lanes<V>(offset));",
        "const V z = add(mul_add(x, broadcast<V>(scaling.steps_per_unit), in_lanes<V>(offset)),\n"
        "                        broadcast<V>(C(0.5)));",
    ),
    (
        "label",
        "loss is logsumexp minus the logit, rounded",
        "rows/losses.hpp",
        "loss = weight * (distance(row, target) + log);",
        "loss = weight *\n"
        "    Real<C>(static_cast<double>(static_cast<C>(high(log_sum_exp(row, excess, max)))) -\n"
        "            target);",
    ),
    (
        "label",
        "smoothing without the weights",
        "rows/losses.hpp",
        "const V w = load<V>(weight + i, part, 0);",
        "const V w = present(broadcast<V>(1.0), part);",
    ),
    (
        "tail",
        "one lane too many stored (avx512)",
        "simd/avx512.hpp",
        "_mm512_mask_storeu_ps(p, first(n), v.r)",
        "_mm512_mask_storeu_ps(p, first(n + 1), v.r)",
    ),
    (
        "layout",
        "aligned loads (sse2)",
        "simd/sse2.hpp",
        "_mm_loadu_ps(p)",
        "_mm_load_ps(p)",
    ),
    (
        "order",
        "products rounded before they are added (avx2)",
        "simd/avx2.hpp",
        "return {_mm256_fmadd_ps(a.r, b.r, c.r)};",
        "return {_mm256_add_ps(_mm256_mul_ps(a.r, b.r), c.r)};",
    ),
    (
        "dispatch",
        "a level computes at load time",
        "isa/avx2.cpp",
        '#include "rows/table.hpp"',
        '#include "rows/table.hpp"\n'
        "static volatile float given = 2;\n"
        "static volatile float at_load_time = given * given;",
    ),
]

AROUND = [
    (
        "index",
        "rows without elements are planned",
        "core/plan.cpp",
        "if (plan.rows == 0 || plan.length == 0)",
        "if (plan.rows == 0)",
    ),
    (
        "special",
        "logarithm of no terms is 0",
        "bind/logsumexp.cpp",
        "logs(rows, -std::numeric_limits<double>::infinity())",
        "logs(rows, 0.0)",
    ),
    (
        "sum",
        "losses added up in float",
        "core/row_data.cpp",
        "rest[lane] += (before - (sum[lane] - of_v)) + (v - of_v);",
        "sum[lane] = static_cast<float>(sum[lane]);",
    ),
    (
        "layout",
        "stride of elements ignored",
        "core/plan.cpp",
        "(p.inner.count() == 1 && p.inner[0].stride[k] == size)",
        "(p.inner.count() == 1 && p.inner[0].stride[k] != 0)",
    ),
    (
        "index",
        "a dimension of one element ends the loops",
        "core/plan.cpp",
        "        if (loop.extent == 1)\n            continue;",
        "        if (loop.extent == 1)\n            break;",
    ),
    (
        "layout",
        "out at the address of the input is in place",
        "bind/overlap.cpp",
        "PyArray_STRIDE(a, d) != PyArray_STRIDE(b, d)",
        "PyArray_STRIDE(a, d) == 0",
    ),
    (
        "layout",
        "a copy of out is written",
        "bind/result.cpp",
        "target_ = view_;",
        "target_ = owned(PyArray_NewCopy(a, NPY_KEEPORDER));",
    ),
    (
        "layout",
        "a narrower out is written in the kernel's width",
        "core/row_tiles.cpp",
        "rows.stride[y_stream], array.dtype, count);",
        "rows.stride[y_stream], plan.kernel_dtype, count);",
    ),
    (
        "mode",
        "a value is left on the x87 stack",
        "core/fp_environment.hpp",
        "~FpEnvironment() { _mm_setcsr(saved_); }",
        '~FpEnvironment() { _mm_setcsr(saved_); __asm__ volatile("fldz"); }',
    ),
    (
        "mode",
        "subnormals flushed from the import on",
        "core/pool.cpp",
        "[[maybe_unused]] const int registered = pthread_atfork(nullptr, nullptr, after_fork);",
        "[[maybe_unused]] const int registered =\n"
        "    (__builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | 0x8040),\n"
        "     pthread_atfork(nullptr, nullptr, after_fork));",
    ),
    (
        "label",
        "weights of another length accepted",
        "bind/targets.cpp",
        "PyArray_NDIM(a) != 1 || PyArray_DIM(a, 0) != classes",
        "PyArray_NDIM(a) != 1",
    ),
    (
        "label",
        "losses of no classes are accepted",
        "bind/cross_entropy.cpp",
        "if (classes == 0 && rows > 0)",
        "if (classes == 0 && rows > 1000)",
    ),
    (
        "label",
        "ignore_index is looked for among the classes",
        "core/row_data.cpp",
        "(labels[i] < classes || labels[i] == ignored))",
        "labels[i] < classes)",
    ),
    (
        "dispatch",
        "AVX in the code around the kernels",
        "core/plan.cpp",
        '#include "core/plan.hpp"\n',
        '#pragma GCC target("avx2")\n#include "core/plan.hpp"\n',
    ),
    (
        "process",
        "quota of the last group counts",
        "core/cores.cpp",
        "if (cores > 0 && (least_ == 0 || cores < least_))",
        "if (cores > 0)",
    ),
    (
        "process",
        "a thread that does not start is counted",
        "core/pool.cpp",
        "    if (!made) {\n        delete worker;\n        return false;\n    }\n",
        "",
    ),
    (
        "process",
        "the end of the process waits for the threads",
        "core/pool.cpp",
        "[[maybe_unused]] const int registered =",
        "struct Joined {\n"
        "    ~Joined() {\n        while (started.load() > 0) {\n        }\n    }\n"
        "} joined;\n"
        "[[maybe_unused]] const int registered =",
    ),
    (
        "process",
        "signals of the caller stay blocked",
        "core/pool.cpp",
        "        pthread_sigmask(SIG_SETMASK, &former, nullptr);\n",
        "",
    ),
    (
        "process",
        "results are made without the interpreter's lock",
        "bind/execute.cpp",
        "    const Unlocked unlocked(plan.release_gil);\n",
        "    new Unlocked(plan.release_gil);\n",
    ),
]

PEER_MUTANTS = [*KERNELS, *AROUND]
