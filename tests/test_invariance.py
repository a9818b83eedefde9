"""The same row gives the same bits: alone, in a batch, in columns, in joined axes, on every level.

By addresses, strides and overlaps: test_invariance_memory.py. The published hashes: test_hashes.py.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from calls import CALLS, EVERY_CALL, all_bits, alone, calls, mapped, of_columns, taken
from helpers import DTYPES, EVERY_DTYPE, FMA_LEVELS, bits, level, nan_row

from softlane import logsumexp

LENGTHS = [*range(1, 20), *range(31, 35), 47, 48, 49, 63, 64, 65, 100, 127, 128, 129, 255, 257]
LENGTHS += [511, 512, 513, 599, 600, 1000, 1199, 1200, 1600, 1601, 2048, 2049, 3200, 3201, 5000]
SOME_LENGTHS = [*range(1, 18), 31, 32, 33, 64, 65, 129, 513, 1025, 2049]


@EVERY_CALL
@EVERY_DTYPE
def test_pytorch_58128_124025_a_row_alone_and_at_every_place_of_a_batch(call, dtype, isa):
    for n in LENGTHS:
        arrays = call.arrays(n, dtype, 9)
        rows = [all_bits(call(taken(arrays, i))) for i in range(9)]
        for batch in (
            np.arange(9), np.arange(9)[::-1], np.arange(2, 9), np.tile(np.arange(9), 4),
            np.arange(9).reshape(3, 3), np.arange(9)[:, None],
        ):  # fmt: skip
            want = [b"".join(parts) for parts in zip(*(rows[i] for i in batch.flat), strict=True)]
            assert all_bits(call(taken(arrays, batch))) == want


@EVERY_CALL
@EVERY_DTYPE
def test_pytorch_58128_124025_columns_equal_rows(call, dtype, isa):
    for n in SOME_LENGTHS:
        arrays = call.arrays(n, dtype, 35)
        want = all_bits(call(arrays))
        for place in (lambda a: np.ascontiguousarray(a.T), np.transpose):
            assert all_bits(of_columns(call(mapped(arrays, place), 0))) == want
        first = mapped(arrays, lambda a: a.T.reshape(-1, 5, 7), lambda a: a.reshape(5, 7))
        assert all_bits(of_columns(call(first, 0), 3)) == want
        middle = mapped(
            arrays, lambda a: a.reshape(5, 7, -1).swapaxes(1, 2), lambda a: a.reshape(5, 7)
        )
        assert all_bits(of_columns(call(middle, 1), 3, 1)) == want
        turned = mapped(
            arrays,
            lambda a: a.reshape(5, 7, -1).transpose(1, 0, 2).copy().transpose(1, 0, 2),
            lambda a: a.reshape(5, 7),
        )
        assert all_bits(call(turned)) == want
        some = taken(arrays, np.s_[:3])
        columns = mapped(some, lambda a: np.ascontiguousarray(a.T))
        assert all_bits(of_columns(call(columns, 0))) == all_bits(call(some))


@calls("softmax*", "log*")
@EVERY_DTYPE
def test_joined_axes_equal_their_row_in_c_order(call, dtype, isa):
    # The sums are so good that another order shows in a few of a million float32 results only.
    large = ((60, 70, 80),) if dtype == np.float32 and call is CALLS["softmax"] else ()
    for shape in ((2, 3, 4), (5, 17, 3), (16, 1, 9), *large):
        arrays = call.arrays(math.prod(shape), dtype, 1)
        whole = all_bits(call(mapped(arrays, np.ravel)))
        box = mapped(arrays, lambda a, shape=shape: a.reshape(shape))
        rows = mapped(box, lambda a: a.transpose(1, 0, 2).reshape(a.shape[1], -1))
        parts = all_bits(call(rows))
        for order in itertools.permutations(range(3)):
            memory = mapped(box, lambda a, order=order: np.asarray(a.transpose(order), order="C"))
            memory = mapped(memory, lambda a, order=order: a.transpose(np.argsort(order)))
            assert all_bits(call(memory, None)) == whole
            for axes in ((0, 2), (2, 0)):
                results = call(memory, axes)
                assert all_bits(tuple(np.moveaxis(p, p.ndim // 2, 0) for p in results)) == parts


def check_option(name: str, call, dtype: np.dtype) -> None:
    """An option that has a value for each row: of the row alone, in a batch, in columns."""
    for n in (1, 2, 16, 41, 513, 1500):
        arrays = call.arrays(n, dtype, 70, name)
        want = alone(call, arrays, 70)
        assert all_bits(call(arrays)) == want
        columns = mapped(arrays, lambda a: np.ascontiguousarray(a.T))
        assert all_bits(of_columns(call(columns, 0))) == want


@calls("*softmax*", "cross_entropy*")
@EVERY_DTYPE
def test_temperature_of_a_row_alone_and_in_a_batch(call, dtype, isa):
    check_option("temperature", call, dtype)


@calls("softmax", "log_softmax", "logsumexp*")
@EVERY_DTYPE
def test_where_of_a_row_alone_and_in_a_batch(call, dtype, isa):
    check_option("where", call, dtype)


@EVERY_CALL
@EVERY_DTYPE
def test_options_that_change_nothing(call, dtype, isa):
    loss = "labels" in call.names or "q" in call.names
    has_where = "x" in call.names and not loss
    for n in (1, 13, 40, 513):
        arrays = call.arrays(n, dtype, 70)
        want = all_bits(call(arrays))
        options = [{"axis": np.int8(1)}, {"out": None}]
        if call.function is logsumexp:
            options += [{"keepdims": True}]
        else:
            options += [{"temperature": 1.0}, {"temperature": np.ones(70)}]
        if has_where:
            options += [{"where": np.ones((70, n), bool)}, {"where": True}, {"dtype": dtype}]
        if loss:
            options += [{"weight": None}] if "weight" not in call.names else []
            options += [{"ignore_index": -100}]
        for given in options:
            assert all_bits(call(arrays, **given)) == want


@EVERY_DTYPE
def test_the_sign_changes_no_bit_of_the_logarithm(dtype, isa):
    for n in (1, 13, 40, 513):
        x, b = (CALLS["logsumexp_b"].arrays(n, dtype, 70)[name] for name in ("x", "b"))
        for options in ({}, {"b": np.abs(b)}, {"b": b}):
            log, sign = logsumexp(x, return_sign=True, **options)
            positive = ~(sign.astype(np.float64) < 0)
            assert bits(logsumexp(x, **options)[positive]) == bits(log[positive])


@calls("cross_entropy*")
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@EVERY_DTYPE
def test_mean_and_sum_of_any_layout(call, reduction, dtype, isa):
    call = call._replace(options={**call.options, "reduction": reduction})
    for n in (1, 7, 40, 513):
        arrays = taken(call.arrays(n, dtype, 40), np.s_[4::2])  # finite losses of one size
        want = all_bits(call(arrays))
        for place in (lambda a: np.ascontiguousarray(a.T), np.transpose):
            assert all_bits(of_columns(call(mapped(arrays, place), 0))) == want
        backwards = mapped(arrays, lambda a: a[::-1, ::-1].copy()[::-1, ::-1])
        assert all_bits(call(backwards)) == want
        box = mapped(arrays, lambda a: a.reshape(3, 6, -1), lambda a: a.reshape(3, 6))
        assert all_bits(call(box)) == want


@calls("cross_entropy*")
@EVERY_DTYPE
def test_the_loss_is_that_of_cross_entropy_in_the_wider_of_two_dtypes(call, dtype, isa):
    """A float64 out makes it that of float64 logits, rounded once; no other changes a bit."""
    for n in (2, 3, 17, 129):
        arrays = call.arrays(n, dtype, 200)
        loss = call(arrays)[1]
        wide = {k: v if k == "labels" else v.astype(np.float64) for k, v in arrays.items()}
        wide_loss = call(wide)[1].astype(loss.dtype)
        for target in DTYPES.values():
            want = wide_loss if target == np.float64 else loss
            assert bits(call(arrays, out=np.zeros((200, n), target))[1]) == bits(want)


@EVERY_CALL
@EVERY_DTYPE
def test_every_nan_is_positive_and_quiet_without_payload(call, dtype, isa):
    """Whatever NaN or infinity it comes from: x86 and ARM make different ones of their own."""
    for n in (1, 2, 16, 40, 130):
        arrays = call.arrays(n, dtype, 6)
        for name in set(call.names) - {"labels"}:
            for junk in infinities_and_nans(arrays[name].dtype):
                spoilt = arrays[name].copy()
                spoilt[..., n // 2] = junk
                for part in call(arrays | {name: spoilt}):
                    wrong = np.isnan(part)
                    assert bits(part[wrong]) == nan_row(part.dtype, np.count_nonzero(wrong))


def infinities_and_nans(dtype: np.dtype) -> np.ndarray:
    """Of both signs; the NaNs are signalling ones."""
    infinities = np.array([np.inf, -np.inf], dtype)
    payload = infinities.view(f"u{dtype.itemsize}") + np.array(5, "u1")
    return np.concatenate([infinities, payload.view(dtype)])


@EVERY_CALL
@EVERY_DTYPE
def test_numpy_22904_23523_every_fma_level_gives_the_same_bits(call, dtype):
    if len(FMA_LEVELS) < 2:
        pytest.skip(
            f"this machine has {len(FMA_LEVELS)} of the levels avx512, avx2, neon: needs two"
        )
    is_sum = call.function is logsumexp
    for n in LENGTHS:
        arrays = call.arrays(n, dtype, 8)
        columns = mapped(arrays, lambda a: np.ascontiguousarray(a.T))
        variants = [(arrays, {}), (columns, {"axis": 0})]
        variants += [] if is_sum else [(call.arrays(n, dtype, 8, "temperature"), {})]
        for target in (np.dtype(np.float16), DTYPES["float64"]):
            out = np.zeros(8 if is_sum else (8, n), target)
            variants += [(arrays, {"out": out})]
        for given, options in variants:
            results = set()
            for name in FMA_LEVELS:
                with level(name):
                    results.add(tuple(all_bits(call(given, **options))))
            assert len(results) == 1
