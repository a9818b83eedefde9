"""Faults that peers really had: the tests of each, and what makes those tests fail.

A source is a project and the number of its issue; the names of its tests carry it. A test is
written <file>::<name> for tests/test_<file>.py::test_<name>. What it fails for is a mutant of
tests/mutant_list.py, by its name, or, as "change: ...", one that is not put into the source by
tests/mutants.py, which shows the others.
"""

from __future__ import annotations

from typing import NamedTuple


class Fault(NamedTuple):
    sources: str  # separated by commas
    fault: str
    tests: dict[str, str]  # what makes them fail: tests, separated by spaces


FAULTS = [
    # ---- special values
    Fault(
        "pytorch 25110, pytorch 6864, jax 21495",
        "NaN, infinities, nothing but -inf: wrong at some places of some lengths",
        {
            "clamp that drops NaN": (
                "special::pytorch_25110_6864_jax_21495_specials_at_every_position"
                " special_ops::pytorch_25110_6864_jax_21495_specials_at_every_position_of_a_loss"
            )
        },
    ),
    Fault(
        "openvino 35897",
        "engines disagree on [2.5, 7, inf, -1]",
        {
            "row without a number becomes 1 / n": (
                "special::openvino_35897_one_answer_on_every_level"
            )
        },
    ),
    Fault(
        "tt-metal 56056",
        "a row of -inf becomes 1 / n",
        {
            "row without a number becomes 1 / n": (
                "special::tt_metal_56056_all_minus_inf_is_nan_and_never_one_nth"
            ),
            "gradient of a row without a number is 1 / n": (
                "special_ops::tt_metal_56056_a_loss_of_nothing_but_minus_inf_is_nan"
            ),
        },
    ),
    Fault(
        "lattice 740",
        "a maximum that drops NaN, in some lanes",
        {"clamp that drops NaN": "special::lattice_740_nan_in_each_lane_and_in_the_tail"},
    ),
    Fault(
        "torch-xpu-ops 5022",
        "[-inf, NaN, -inf] is not NaN",
        {"row without a number becomes 1 / n": "special::torch_xpu_ops_5022_nan_among_minus_inf"},
    ),
    Fault(
        "torch-mojo 319",
        "NaN where the first block is all -inf",
        {
            "exponential of -inf is NaN": (
                "special::torch_mojo_319_first_blocks_all_minus_inf"
                " special_ops::torch_mojo_319_first_blocks_all_minus_inf_of_logsumexp_and_losses"
            )
        },
    ),
    Fault(
        "rmcgibbo/logsumexp 2",
        "logsumexp([-inf, -inf]) is NaN",
        {
            "infinite maximum is subtracted from itself": (
                "logsumexp::rmcgibbo_logsumexp_2_all_minus_inf"
            )
        },
    ),
    Fault(
        "jax 7455",
        "logsumexp with inf is NaN",
        {
            "infinite maximum is subtracted from itself": (
                "logsumexp::jax_7455_infinity_at_every_position_and_nan_wins"
            )
        },
    ),
    Fault(
        "scipy 23548, scipy 22903",
        "signs of logsumexp with negative factors",
        {"sign of a weighted sum lost": "logsumexp_factors::scipy_23548_22903_signs"},
    ),
    Fault(
        "pytorch 17262, pytorch 77895",
        "SIGFPE on the shape (n, 0)",
        {
            "rows without elements are planned": "special::pytorch_17262_77895_no_classes",
            "losses of no classes are accepted": (
                "cross_entropy_edges::pytorch_17262_77895_no_rows_and_no_classes"
            ),
        },
    ),
    Fault(
        "scipy 20399",
        "logsumexp([]) is an error",
        {"logarithm of no terms is 0": "logsumexp::scipy_20399_nothing_to_sum"},
    ),
    Fault(
        "pytorch 31829, jax 6811",
        "gradients are NaN beside -inf",
        {
            "exponential of -inf is NaN": (
                "backward::pytorch_31829_jax_6811_log_softmax_backward_at_minus_inf_is_the_gradient"
                " backward::pytorch_31829_jax_6811_softmax_backward_at_zero_is_zero"
                " cross_entropy_edges::pytorch_31829_jax_6811_minus_inf_among_the_logits"
            )
        },
    ),
    # ---- precision
    Fault(
        "pytorch 38839",
        "logits at -1e7 lose all digits",
        {
            "far rows are reduced like others": (
                "special::pytorch_38839_logits_with_an_offset"
                " cross_entropy::pytorch_38839_logits_with_an_offset"
            ),
            "maximum starts at a number": (
                "special_ops::pytorch_38839_logsumexp_of_logits_with_an_offset"
            ),
        },
    ),
    Fault(
        "pytorch 11752",
        "cross_entropy of [1e8, 1e8] is not ln 2",
        {
            "loss is logsumexp minus the logit, rounded": (
                "cross_entropy::pytorch_11752_two_equal_large_logits"
            )
        },
    ),
    Fault(
        "pytorch 113708, scipy 18295, jax 40384",
        "log_softmax([17, 0])[0] is 0",
        {
            "logarithm of a rounded 1 + odds": (
                "special::pytorch_113708_scipy_18295_jax_40384_log_softmax_of_a_confident_row"
            )
        },
    ),
    Fault(
        "candle 3727, executorch 20090",
        "16-bit sums stall",
        {
            "sum stalls at 2048 terms": (
                "special::candle_3727_executorch_20090_sums_do_not_stall"
                " cross_entropy::candle_3727_executorch_20090_sums_do_not_stall"
                " special_ops::candle_3727_executorch_20090_logsumexp_does_not_stall"
            )
        },
    ),
    Fault(
        "pytorch 62897",
        "vectors without the maximum, the tail with it",
        {
            "maximum without the last elements": (
                "special::pytorch_62897_tail_and_blocks_share_the_maximum"
            )
        },
    ),
    Fault(
        "pytorch 158310",
        "float16 rows at -20000",
        {"maximum starts at a number": "special::pytorch_158310_float16_at_minus_20000"},
    ),
    Fault(
        "pytorch 55657",
        "the mean over 2^24 samples stalls",
        {
            "losses added up in float": (
                "cross_entropy::pytorch_55657_the_mean_of_more_than_2_to_the_24_rows"
            )
        },
    ),
    Fault(
        "NNPACK 174",
        "rows do not sum to 1",
        {"sum stalls at 2048 terms": "special::nnpack_174_rows_sum_to_one"},
    ),
    Fault(
        "MNN 235",
        "the rounding trick rounds to the wrong side",
        {"rounding to the wrong side": "special::mnn_235_rounding_to_the_wrong_side"},
    ),
    Fault(
        "oneDNN 1862",
        "a tolerance computed as 0",
        {
            "change: promised_ulp returns 0; assert_accurate passes over NaN": (
                "special::onednn_1862_the_tolerance_is_not_zero_and_the_check_can_fail"
            )
        },
    ),
    # ---- layout
    Fault(
        "numpy 13512, numpy 16660",
        "strides ignored by the vector path; strides of 9 bytes",
        {
            "stride of elements ignored": (
                "layout::numpy_13512_16660_25231_26775_layout_of_the_input"
            )
        },
    ),
    Fault(
        "numpy 25231, numpy 26775",
        "instructions for aligned memory on unaligned arrays",
        {"aligned loads (sse2)": "layout::numpy_13512_16660_25231_26775_layout_of_the_input"},
    ),
    Fault(
        "pytorch 75923, pytorch 139740, oneDNN 1823, executorch 8595",
        "an out that is not contiguous is written as if it were",
        {
            "stride of rows ignored": (
                "layout::pytorch_75923_139740_onednn_1823_executorch_8595_layout_of_out"
            )
        },
    ),
    Fault(
        "torch/nn 825",
        "writing a slice overwrites its parent",
        {
            "stride of elements ignored": (
                "layout::torch_nn_825_and_pybind11_338_2455_a_slice_is_written_and_nothing_beside_it"
            )
        },
    ),
    Fault(
        "pybind11 2455, pybind11 338",
        "array_t copies, and out= is not written",
        {
            "a copy of out is written": (
                "layout::torch_nn_825_and_pybind11_338_2455_a_slice_is_written_and_nothing_beside_it"
            )
        },
    ),
    Fault(
        "xla 11772",
        "shape (3, 1, 1), axis 0",
        {"a dimension of one element ends the loops": "layout::xla_11772_every_shape_and_axis"},
    ),
    Fault(
        "numpy 26972",
        "an overlap test that is off by one",
        {
            "overlap off by one": (
                "layout::numpy_22867_26972_shifted_overlap"
                " backward::numpy_26972_shifted_overlap_with_both"
                " cross_entropy_memory::numpy_22867_26972_shifted_overlap"
            )
        },
    ),
    Fault(
        "numpy 22867",
        "out overlaps the input in part",
        {
            "out at the address of the input is in place": (
                "layout::numpy_22867_out_is_another_view_of_the_input"
                " backward::numpy_22867_out_is_another_view_of_an_argument"
            )
        },
    ),
    # ---- floating-point environment
    Fault(
        "numpy 17761",
        "stray flags of invalid operations",
        {
            "MXCSR not restored": (
                "fp_env::numpy_17761_22772_20356_no_flag_is_left_and_none_is_lost"
            ),
            "flags of the caller lost": (
                "fp_env::numpy_17761_no_flag_is_lost_where_integers_are_converted"
            ),
        },
    ),
    Fault(
        "numpy 22772",
        "flags of elements that a mask or a tail leaves out",
        {
            "MXCSR not restored": (
                "fp_env::numpy_17761_22772_20356_no_flag_is_left_and_none_is_lost"
            )
        },
    ),
    Fault(
        "numpy 20356",
        "x87 stack left broken",
        {
            "a value is left on the x87 stack": (
                "fp_env::numpy_17761_22772_20356_no_flag_is_left_and_none_is_lost"
            )
        },
    ),
    Fault(
        "llvm 57589, pyhmmer 71, CTranslate2 1018",
        "the import flushes subnormals to zero",
        {
            "subnormals flushed from the import on": (
                "fp_env::llvm_57589_pyhmmer_71_ctranslate2_1018_import_changes_no_mode"
            )
        },
    ),
    Fault(
        "",
        "flush to zero, denormals are zero or directed rounding, set by others, change results",
        {"caller's rounding kept": "fp_env::the_mode_of_the_caller_changes_no_bit"},
    ),
    Fault(
        "llama.cpp 7154, OpenBLAS 1237",
        "worker threads in another mode",
        {
            "caller's rounding kept": (
                "threads::llama_cpp_7154_openblas_1237_modes_of_any_thread_change_no_bit"
            )
        },
    ),
    # ---- memory and labels
    Fault(
        "XNNPACK 1003",
        "three channels read as four",
        {"one element too many read": "guard_pages::xnnpack_1003_rows_of_1_to_300"},
    ),
    Fault(
        "XNNPACK 10467",
        "float32 in, float16 out: heap overflow",
        {
            "a narrower out is written in the kernel's width": (
                "guard_pages::xnnpack_10467_arguments_and_results_of_other_widths"
            )
        },
    ),
    Fault(
        "onnxruntime 27568, pytorch 194802, pytorch 39769",
        "labels of -1, C, INT64_MIN are used as places in memory",
        {
            "label equal to the number of classes": (
                "labels::onnxruntime_27568_pytorch_194802_39769_labels_out_of_range"
            )
        },
    ),
    Fault(
        "",
        "2^63 as uint64 becomes a negative label",
        {"label that wraps around": "labels::unsigned_labels_do_not_wrap"},
    ),
    Fault(
        "onnxruntime 28004, pytorch 194799",
        "weights that are too short",
        {
            "weights of another length accepted": (
                "cross_entropy_edges::onnxruntime_28004_pytorch_194799_weights_of_a_wrong_shape"
            )
        },
    ),
    Fault(
        "Paddle 25549, pytorch 15508",
        "ignore_index outside [0, C)",
        {
            "ignore_index is looked for among the classes": (
                "labels::paddle_25549_pytorch_15508_ignore_index_inside_and_outside"
            )
        },
    ),
    Fault(
        "tensorflow 10268, tensorflow 8484",
        "a label out of range gives NaN",
        {
            "label equal to the number of classes": (
                "labels::tensorflow_10268_8484_the_last_of_many_labels"
            )
        },
    ),
    Fault(
        "pytorch 69339, pytorch 72056, pytorch 73205",
        "weight, smoothing and ignore_index, each with each",
        {
            "smoothing without the weights": (
                "cross_entropy::pytorch_69339_72056_73205_the_cube_of_options"
            ),
            "ignored rows counted": "cross_entropy::pytorch_69339_72056_73205_the_cube_of_options",
        },
    ),
    Fault(
        "",
        "labels written by another thread between check and use",
        {
            "change: the kernel reads the caller's labels instead of the checked copy": (
                "labels::labels_written_by_another_thread_while_calls_run"
            )
        },
    ),
    Fault(
        "numpy 32017",
        "masked AVX-512 tails",
        {
            "one lane too many stored (avx512)": (
                "guard_pages::numpy_32017_canaries_around_a_strided_out"
            )
        },
    ),
    # ---- dispatch
    Fault(
        "pytorch 37577",
        "SIGILL from a static initialiser",
        {"a level computes at load time": "binary::pytorch_37577_no_level_runs_at_load_time"},
    ),
    Fault(
        "pytorch 14436, FBGEMM 46, numpy 25274, oneDAL 704, botan 5260",
        "AVX code outside the kernels",
        {
            "AVX in the code around the kernels": (
                "binary::pytorch_14436_fbgemm_46_numpy_25274_onedal_704_botan_5260"
                "_no_avx_outside_kernels"
            )
        },
    ),
    Fault(
        "numpy 9532, Halide 9017",
        "AVX taken where the system does not save its registers",
        {
            "operating system's consent not asked": (
                "dispatch::numpy_9532_halide_9017_recorded_machines"
                " dispatch::numpy_9532_halide_9017_register_state_that_the_system_saves"
            )
        },
    ),
    Fault(
        "mistral.rs 1269, numcodecs 252",
        "one feature taken for another",
        {
            "F16C taken for granted": (
                "dispatch::mistral_rs_1269_numcodecs_252_each_feature_bit_on_its_own"
            )
        },
    ),
    Fault(
        "numpy 23523, numpy 22904",
        "other bits on other processors",
        {
            "products rounded before they are added (avx2)": (
                "invariance::numpy_22904_23523_every_fma_level_gives_the_same_bits"
            )
        },
    ),
    # ---- threads and processes
    Fault(
        "pytorch 2201, pytorch 88718",
        "bits differ with the number of threads",
        {
            "workspace of one worker for all": (
                "threads::pytorch_2201_88718_the_number_of_threads_changes_no_bit"
            )
        },
    ),
    Fault(
        "pytorch 58128, pytorch 124025",
        "a row alone differs from the row in a batch",
        {
            "a panel adds up without the low parts": (
                "invariance::pytorch_58128_124025_columns_equal_rows"
            ),
            "short rows: columns before the last in their place": (
                "invariance::pytorch_58128_124025_a_row_alone_and_at_every_place_of_a_batch"
            ),
        },
    ),
    Fault(
        "OpenBLAS 240, OpenBLAS 343",
        "use, fork, use in the child: it hangs",
        {"pool kept across fork": "fork::openblas_240_343_use_fork_use_in_the_child"},
    ),
    Fault(
        "oneTBB 190, golang 73193",
        "quotas of control groups are not seen",
        {"quota of the last group counts": "thread_settings::onetbb_190_golang_73193_quotas"},
    ),
    Fault(
        "OpenBLAS 1668, numpy 21376",
        "pthread_create fails",
        {
            "a thread that does not start is counted": (
                "threads::openblas_1668_numpy_21376_without_threads_a_call_computes_alone"
            )
        },
    ),
    Fault(
        "pthreadpool 92, tensorflow 932",
        "joins at exit hang",
        {
            "the end of the process waits for the threads": (
                "fork::pthreadpool_92_tensorflow_932_exits_with_a_busy_pool"
            )
        },
    ),
    Fault(
        "pys2index 5",
        "the interpreter's lock is released while arrays are made",
        {
            "results are made without the interpreter's lock": (
                "threads::pys2index_5_arrays_are_made_with_the_lock_held"
            )
        },
    ),
    Fault(
        "HiGHS 1593",
        "Ctrl-C during a long call",
        {"signals of the caller stay blocked": "signals::highs_1593_ctrl_c_during_long_calls"},
    ),
    Fault(
        "threadpoolctl 41, pytorch 98836",
        "a crash or a hang, depending on what is imported first",
        {
            "change: a runtime of threads that others load as well (OpenMP) is linked": (
                "import_order::threadpoolctl_41_pytorch_98836_import_in_each_order"
            )
        },
    ),
    # ---- size: indices of 32 bits on huge rows and arrays
    Fault(
        "tensorflow 17783, pytorch 84144",
        "logarithms of more than 2^31 elements",
        {
            "change: a stride or an offset of Walk (core/batch.hpp) in 32 bits": (
                "huge::tensorflow_17783_pytorch_84144_logsumexp"
            )
        },
    ),
    Fault(
        "pytorch 111484, onnxruntime 32299",
        "losses of more than 2^31 logits",
        {
            "change: a stride or an offset of Walk (core/batch.hpp) in 32 bits": (
                "huge::pytorch_111484_onnxruntime_32299_cross_entropy"
            )
        },
    ),
    Fault(
        "pytorch 191565, Paddle 71935",
        "losses of a row of more than 2^31 classes",
        {
            "change: a label or the length of a row (core/kernels.hpp) in 32 bits": (
                "huge::pytorch_191565_paddle_71935_losses_of_a_long_row"
            )
        },
    ),
    Fault(
        "tensorflow 11723",
        "a row of more than 2^31 elements",
        {
            "change: the length of a row (core/kernels.hpp) in 32 bits": (
                "huge::tensorflow_11723_softmax_of_a_long_row"
            )
        },
    ),
]


def nodes_of(mutant: str) -> list[str]:
    """The tests that must fail for it, as pytest takes them below tests/."""
    named = (fault.tests.get(mutant, "") for fault in FAULTS)
    return list(dict.fromkeys(node(test) for tests in named for test in tests.split()))


def node(test: str) -> str:
    file, _, name = test.partition("::")
    return f"test_{file}.py::test_{name}"
